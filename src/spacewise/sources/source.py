"""A source: images plus a table of facts about each."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from spacewise.errors import InputError, unknown

FITS = ("crop", "resize")
AMPLITUDES = ("intensity", "magnitude")


@dataclass(frozen=True)
class Source:
    """Where samples come from. Images are decoded when asked for; facts are there from the start.

    Attributes:
        name: the format, `"mstar"`, `"folder"`, `"simulated"`.
        facts: one row a sample. `id` (unique text, for files the path below the root) and `label`
            (class name, "" for an unlabelled sample) are always there, then what the format knows: serial,
            depression, scene …
        reader: decodes sample i to an array (band, height, width) in its native dtype;
            raises `InputError` that names the file when it cannot be read.
        root: the folder that the ids are relative to; None when there are no files.
        stamp: changes when the samples change (file names, sizes and times; or the parameters of a
            simulation). The cache is keyed by it.
        fit: how samples of different sizes are brought to one: `"crop"` (centre, mirrored edges where
            too small: chips, whose pixel spacing carries meaning) or `"resize"` (scenes).
        amplitude: what the pixel values are: `"magnitude"` (radar, linear: the square root is taken
            before a network sees it) or `"intensity"` (pictures).
        slab: where many samples are read faster than one by one: samples `first` to `last` - 1, in the order
            of the facts, as (sample, band, height, width), each equal to what the reader gives.
    """

    name: str
    facts: pd.DataFrame
    reader: Callable[[int], np.ndarray]
    root: Path | None = None
    stamp: str = ""
    fit: str = "crop"
    amplitude: str = "intensity"
    slab: Callable[[int, int], np.ndarray] | None = None

    def __post_init__(self) -> None:
        if len(self.facts) == 0:
            raise InputError(f"{self.name}: no samples in {self.root}")
        for column in ("id", "label"):
            if column not in self.facts:
                raise InputError(f"{self.name}: the table of facts has no column '{column}'")

        for given, known in ((self.fit, FITS), (self.amplitude, AMPLITUDES)):
            if given not in known:
                raise unknown(f"{'fit' if known is FITS else 'amplitude'} of a source", given, known)

    def __len__(self) -> int:
        return len(self.facts)

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in alphabetical order; the empty label of unlabelled samples is none."""
        return tuple(sorted(name for name in self.facts["label"].unique() if name != ""))

    def read(self, index: int) -> np.ndarray:
        """Sample `index` as an array (band, height, width) in its native dtype and size."""
        return self.reader(int(index))

    def fact(self, name: str) -> pd.Series:
        """One column of facts; an unknown name lists those that there are."""
        if name not in self.facts:
            raise unknown(f"fact of {self.root or self.name}", name, self.facts.columns)
        return self.facts[name]


def file_stamp(root: Path, files: Sequence[Path], version: int) -> str:
    """A digest of the files' names, sizes and modification times, and of the reader's version."""
    digest = hashlib.sha256(f"{version}:{root.resolve()}".encode())
    for file in files:
        state = file.stat() if file.exists() else file.lstat()  # a link that leads nowhere is found on reading
        digest.update(f"{file.relative_to(root)}\0{state.st_size}\0{state.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:20]
