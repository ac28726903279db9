"""What was explained of a run, read back from its folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spacewise import files
from spacewise.errors import InputError, unknown

FOLDER = "explanation"
FLOORS = ("random", "centre")  # methods that look at nothing: what a map has to beat before it says anything
MEADOW = "on another's meadow"  # the change that is judged by two labels
TABLES = ("samples", "scores", "curves", "regions", "changes", "changed")


@dataclass(frozen=True)
class Explanation:
    """Attribution maps of some test images of a run, and what they are worth, self-contained in one folder.

    explanation.json  what was explained: run, weights, space, class, methods, definitions, steps, seed, duration
    samples.parquet   one row an image: id, target, prediction, confidence, correct, and its subsets
    pictures.npy      (image, side, side, band) uint8, in the same order
    maps.npy          (method, image, side, side) float32, methods as in explanation.json
    scores.parquet    one row an image, method and definition: insertion and deletion area, share of tied pixels
    curves.parquet    one row a method, definition, curve (insertion, deletion) and share of pixels: mean, low, high
    regions.parquet   with masks: one row an image, method and region: its share of the attribution and of the area
    changed.parquet   with masks: one row a test image and change: whether the prediction is right
    changes.parquet   with masks: accuracy under each change, its interval
    """

    folder: Path

    @property
    def facts(self) -> dict[str, Any]:
        """`explanation.json`."""
        return files.read_json(self.folder / "explanation.json")

    def has(self, name: str) -> bool:
        """Whether there is such a table: `regions`, `changes` and `changed` need masks."""
        return (self.folder / f"{name}.parquet").is_file()

    def table(self, name: str) -> pd.DataFrame:
        """One of the tables: samples, scores, curves, regions, changes, changed.

        Raises:
            InputError: no such table; the nearest is named.
        """
        if name not in TABLES:
            raise unknown("table of an explanation", name, TABLES)
        if not self.has(name):
            raise InputError(f"{self.folder} has no table '{name}': it was made without --masks")
        return pd.read_parquet(self.folder / f"{name}.parquet")

    def maps(self, method: str) -> np.ndarray:
        """Attribution maps (image, side, side) float32 of one method, in the order of `samples`."""
        methods = self.facts["methods"]
        if method not in methods:
            raise unknown("method of this explanation", method, methods)
        return np.load(self.folder / "maps.npy", mmap_mode="r")[methods.index(method)]

    def pictures(self) -> np.ndarray:
        """Pictures (image, side, side, band) uint8, in the order of `samples`."""
        return np.load(self.folder / "pictures.npy", mmap_mode="r")


def open_explanation(folder: Path | str) -> Explanation:
    """Reads an explanation back from its folder, or from that of its run."""
    folder = Path(folder)
    for place in (folder, folder / FOLDER):
        if (place / "explanation.json").is_file():
            return Explanation(place)
    raise InputError(f"{folder} holds no explanation; make one with: spacewise explain {folder}")
