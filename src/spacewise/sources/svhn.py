"""SVHN, Street View House Numbers: cropped digits of 32 x 32 pixels in MATLAB's files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pandas as pd

from spacewise.describe import described
from spacewise.errors import InputError
from spacewise.sources import listed
from spacewise.sources.source import Source, file_stamp

VERSION = 1
ORIGIN = "http://ufldl.stanford.edu/housenumbers"
PARTS = {"train_32x32.mat": "train", "test_32x32.mat": "test"}
EXTRA = "extra_32x32.mat"
SHAPE = (32, 32, 3)


def holds(folder: Path) -> bool:
    """Whether a folder looks like the set's own."""
    return any((folder / name).is_file() for name in PARTS)


@described
def svhn(root: str | Path, extra: bool = False) -> Source:
    """SVHN's cropped digits (Netzer et al. 2011), whose folder is `root` or the only one directly in it.

    Layout: `train_32x32.mat` and `test_32x32.mat`, in MATLAB's format 5, as they are published. A file's
    pictures are read at the first use of one and stay in memory (225 MB of train, 80 MB of test).

    Facts: `id` (file and number of the picture, from 0: `test_32x32.mat#00017`), `label` ("0" to "9"; the
    files write 10 for the digit 0), `split` (train, test). Rows in the order of the files.

    Images: (3, 32, 32) uint8.

    Args:
        extra: also the 531,131 easier digits of `extra_32x32.mat`, to train on: their `split` is train, and
            a fact `extra` (True, False) tells them.

    Raises:
        InputError: a file is missing, is damaged or of MATLAB's format 7.3, lacks X (32, 32, 3, sample) or y
            (sample, 1), or holds a class outside 1 to 10.
    """
    home = listed.home("svhn", Path(root), holds)
    parts = PARTS | ({EXTRA: "train"} if extra else {})
    files = [listed.present("svhn", home / name, ORIGIN) for name in parts]
    tables = [_facts(file, parts[file.name]) for file in files]
    facts = pd.concat(tables, ignore_index=True)
    if extra:
        facts["extra"] = facts["id"].str.startswith(EXTRA)
    reader = _Reader(files, np.cumsum([0, *map(len, tables)]))
    return Source("svhn", facts, reader, home, file_stamp(home, files, VERSION), fit="resize", amplitude="intensity")


@dataclass(frozen=True)
class _Reader:
    """Reads picture `index`; keeps what a file holds from its first use."""

    files: Sequence[Path]
    starts: np.ndarray
    pictures: dict[int, np.ndarray] = field(default_factory=dict)
    lock: Any = field(default_factory=Lock)  # many threads decode, and a file is large

    def __call__(self, index: int) -> np.ndarray:
        part = int(np.searchsorted(self.starts, index, "right")) - 1
        with self.lock:
            if part not in self.pictures:
                self.pictures[part] = _pictures(self.files[part], int(np.diff(self.starts)[part]))
        return np.ascontiguousarray(self.pictures[part][..., index - self.starts[part]].transpose(2, 0, 1))


def _facts(file: Path, split: str) -> pd.DataFrame:
    from scipy.io import loadmat, whosmat  # here and below: half a second to import

    shapes = {name: shape for name, shape, _ in _matlab(file, whosmat)}
    numbers = np.asarray(_matlab(file, loadmat, variable_names=["y"]).get("y", ())).ravel()
    shape = shapes.get("X", ())
    if shape != (*SHAPE, len(numbers)) or not len(numbers):
        held = f"X of shape {shape} and {len(numbers)} classes" if shape else f"the variables {', '.join(shapes)}"
        raise InputError(f"{file}: holds {held}, expected X (32, 32, 3, sample) and y (sample, 1) of {ORIGIN}")
    bad = np.flatnonzero(~np.isin(numbers, np.arange(1, 11)))
    if len(bad):
        raise InputError(f"{file}: y of picture {bad[0]} is {numbers[bad[0]]}, expected 1 to 10 (10 is the digit 0)")
    ids = [f"{file.name}#{number:05d}" for number in range(len(numbers))]
    return pd.DataFrame({"id": ids, "label": (numbers.astype(int) % 10).astype(str), "split": split})


def _pictures(file: Path, count: int) -> np.ndarray:
    """X (row, column, band, sample), of which the sample varies slowest in memory."""
    from scipy.io import loadmat

    found = _matlab(file, loadmat, variable_names=["X"])["X"]
    if found.shape != (*SHAPE, count) or found.dtype != np.uint8:
        raise InputError(f"{file}: X is {found.dtype} {found.shape}, expected uint8 {(*SHAPE, count)}")
    return found


def _matlab(file: Path, reader: Any, **options: Any) -> Any:
    """What scipy's `whosmat` or `loadmat` finds in a file."""
    try:
        return reader(file, appendmat=False, **options)
    except NotImplementedError as error:
        raise InputError(f"{file}: is of MATLAB's format 7.3, expected 5 as in the published file: {ORIGIN}") from error
    except Exception as error:  # on broken bytes it raises anything from zlib.error to KeyError
        text = " ".join((getattr(error, "strerror", None) or str(error) or type(error).__name__).split())
        raise InputError(f"cannot read {file}: {text}; fetch it again (homepage: {ORIGIN})") from error
