"""An archive that is one dataset of an HDF5 file, read by slabs."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from spacewise.archive.taking import BATCH, Batch, OtherBands, Takes, batch_of, batch_of_slab, taken, tried
from spacewise.archive.walking import shown
from spacewise.errors import InputError, unknown

MARK = b"\x89HDF\r\n\x1a\n"
SCHEMA = pa.schema([("sample", pa.int64())])
PIECE = 65_536  # rows of the listing at a time
CACHE = 2**28  # bytes that chunks may take: a chunk of more samples than a batch is unpacked once
FORMS = "(sample, height, width), (sample, band, height, width) or (sample, height, width, band)"


@dataclass(frozen=True)
class Hdf5:
    """A dataset of images; the id is `FILE#ROW`, rows from 0.

    Attributes:
        axis: of the bands; 0 where there is none.
    """

    path: str
    values: Any
    axis: int
    takes: Takes
    kind: str = "hdf5"
    schema: pa.Schema = SCHEMA

    def listing(self) -> Iterator[pa.Table]:
        for first in range(0, len(self.values), PIECE):
            yield pa.table({"sample": np.arange(first, min(first + PIECE, len(self.values)))}, self.schema)

    def columns(self, rows: pa.Table) -> pa.Table:
        name = shown(os.path.basename(os.fsencode(self.values.file.filename)))
        return pa.table({"id": pa.array([f"{name}#{sample}" for sample in rows["sample"].to_pylist()], pa.string())})

    def one(self, rows: pa.Table, place: int) -> np.ndarray | None:
        sample = rows["sample"][place].as_py()
        return taken(self._slab(sample, sample + 1)[0], self.takes, self._name(sample))

    def read(self, rows: pa.Table, pool: Executor) -> Iterator[Batch]:
        samples = rows["sample"].to_numpy()
        for first in range(0, len(rows), BATCH):
            piece = samples[first : first + BATCH]
            try:
                slab = self._slab(int(piece[0]), int(piece[-1]) + 1)
            except OSError:  # a damaged chunk: which samples are in it?
                places = range(first, first + len(piece))
                yield batch_of(first, [tried(self, rows, place) for place in places], self.takes)
            else:
                yield batch_of_slab(first, slab, self.takes, lambda place: self._name(samples[place]))

    def _slab(self, first: int, last: int) -> np.ndarray:
        """(sample, band, height, width)."""
        slab = self.values[first:last]
        if len(slab) < last - first:
            raise OSError(f"{self.path} has {len(self.values)} samples, fewer than were listed")
        slab = slab.astype(slab.dtype.newbyteorder("="), copy=False)
        return slab[:, None] if self.axis == 0 else np.ascontiguousarray(np.moveaxis(slab, self.axis, 1))

    def _name(self, sample: int) -> str:
        return f"{self.path}#{sample}"


def is_hdf5(file: Path) -> bool:
    """Whether a file begins as HDF5 does."""
    with file.open("rb") as stream:
        return stream.read(len(MARK)) == MARK


def open_hdf5(file: Path, dataset: str, takes: Takes) -> Hdf5:
    """The dataset of images of a file; the only one of 3 or 4 axes where none is named.

    Raises:
        InputError: h5py is not installed; the file is damaged; no such dataset, or several and none named; other
            axes, bands or types.
    """
    try:
        import h5py
    except ImportError as error:
        raise InputError(f"{file}: HDF5 needs h5py: pip install 'spacewise[geo]'") from error
    try:
        with h5py.File(file, "r") as opened:
            name = dataset or _only(file, _candidates(opened))
            if not isinstance(opened.get(name), h5py.Dataset):
                raise unknown(f"dataset of {file}", name, _candidates(opened))
            _check(f"{file}:{name}", opened[name])
            chunk = math.prod(opened[name].chunks or (1,)) * opened[name].dtype.itemsize
        values = h5py.File(file, "r", rdcc_nbytes=min(max(2 * chunk, 2**20), CACHE))[name]
    except OSError as error:
        raise InputError(f"cannot read {file}: {' '.join(str(error).split())}") from error
    return Hdf5(f"{file}:{dataset}" if dataset else str(file), values, _axis(f"{file}:{name}", values, takes), takes)


def _candidates(opened: Any) -> list[str]:
    found: list[str] = []

    def look(name: str, item: Any) -> None:
        if getattr(item, "ndim", 0) in (3, 4) and item.dtype.kind in "uif" and len(item):
            found.append(name)

    opened.visititems(look)
    return found


def _only(file: Path, names: list[str]) -> str:
    if not names:
        raise InputError(f"{file} holds no images, expected a dataset {FORMS} of numbers")
    if len(names) > 1:
        raise InputError(f"{file} holds several datasets of images ({', '.join(names)}): name one, {file}:{names[0]}")
    return names[0]


def _check(name: str, values: Any) -> None:
    if values.ndim not in (3, 4) or not values.size:
        raise InputError(f"{name} has the shape {values.shape}, expected {FORMS}")
    if values.dtype.kind not in "uif":
        raise InputError(f"{name} holds {values.dtype}, expected real numbers")


def _axis(name: str, values: Any, takes: Takes) -> int:
    """Which axis holds the bands: that with as many as the network takes; 0 where there is none."""
    if values.ndim == 3:
        if takes.bands != 1:
            raise OtherBands(f"{name} has 1 band (shape {values.shape}), the network takes {takes.bands}")
        return 0
    fitting = [axis for axis in (1, 3) if values.shape[axis] == takes.bands]
    if not fitting:
        raise OtherBands(
            f"{name} has the shape {values.shape}, the network takes {takes.bands} bands; expected {FORMS}"
        )
    if len(fitting) > 1 and values.shape[2] == takes.bands:
        raise InputError(f"{name}: {values.shape} does not tell which axis holds the bands, expected {FORMS}")
    # as many columns as bands, or one each way: the height tells, which is no narrow side
    return fitting[0]
