"""An archive that is a folder of pictures, of any depth and with any number of files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa

from spacewise.archive.taking import Batch, Takes, one_by_one, taken
from spacewise.archive.walking import files_below, shown
from spacewise.errors import InputError
from spacewise.sources import images

SCHEMA = pa.schema([("path", pa.binary())])  # not every name is text
PIECE = 8192  # rows of the listing at a time


@dataclass(frozen=True)
class Pictures:
    """PNG, JPEG, TIFF, NPY and BMP files, as `sources.images` decodes them; the id is the path below the folder."""

    root: Path
    takes: Takes
    kind: str = "pictures"
    schema: pa.Schema = SCHEMA

    @property
    def path(self) -> str:
        return str(self.root)

    def listing(self) -> Iterator[pa.Table]:
        paths = files_below(self.root, images.DECODERS)
        piece = list(islice(paths, PIECE))
        if not piece:
            raise InputError(f"{self.root} holds no pictures, expected files {', '.join(images.DECODERS)}")
        while piece:
            yield pa.table({"path": piece}, self.schema)
            piece = list(islice(paths, PIECE))

    def columns(self, rows: pa.Table) -> pa.Table:
        return pa.table({"id": pa.array([shown(path) for path in rows["path"].to_pylist()], pa.string())})

    def one(self, rows: pa.Table, place: int) -> np.ndarray | None:
        file = self.root / os.fsdecode(rows["path"][place].as_py())
        return taken(images.decode(file), self.takes, str(file))

    def read(self, rows: pa.Table, pool: Executor) -> Iterator[Batch]:
        return one_by_one(self, rows, self.takes, pool)
