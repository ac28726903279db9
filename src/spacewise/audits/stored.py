"""What was measured of a run, read back from its folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from spacewise import files
from spacewise.errors import InputError, unknown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TABLES = (
    "accuracy",
    "confusion",
    "spaces",
    "separation",
    "rejection",
    "retrieval",
    "domain_accuracy",
    "domains",
    "domain_classes",
    "source_samples",
    "samples",
    "log",
)


@dataclass(frozen=True)
class Audit:
    """What was measured of a run, self-contained in one folder.

    audit.json        what was audited: run, classes, spaces, seed, duration
    samples.parquet   one row a sample: part, facts, prediction, confidence, scores
    spaces/NAME.npy   (sample, dimension) float32, in the order of samples.parquet
    chips.npy         (sample, 48, 48, band) uint8 pictures, in the same order
    accuracy.parquet, confusion.parquet, spaces.parquet, separation.parquet, rejection.parquet,
                      retrieval.parquet: where the split has something to ask them of
    source/NAME.npy, source_samples.parquet, domain_accuracy.parquet, domains.parquet, domain_classes.parquet:
                      of a transfer: the test images of its source, and how the domains lie in each space
    """

    folder: Path

    @property
    def facts(self) -> dict[str, Any]:
        """What was audited: run, experiment, classes, spaces, copies, shift, seconds."""
        return files.read_json(self.folder / "audit.json")

    @property
    def classes(self) -> list[str]:
        return list(self.facts["classes"])

    def table(self, name: str) -> pd.DataFrame:
        """One of the tables: see `TABLES`.

        Raises:
            InputError: no such table; the nearest is named.
        """
        if name not in TABLES:
            raise unknown("table", name, TABLES)
        if name == "log":
            return pd.DataFrame(self.facts["log"])
        path = self.folder / f"{name}.parquet"
        if not path.is_file():
            raise InputError(f"{self.folder} has no table '{name}': nothing in this split to ask it of")
        return pd.read_parquet(path)

    def has(self, name: str) -> bool:
        """Whether there was something to fill the table with (no confusers: no rejection)."""
        return name == "log" or (self.folder / f"{name}.parquet").is_file()

    def space(self, name: str) -> np.ndarray:
        """One space of every sample: (sample, dimension) float32, memory-mapped, aligned with `samples`."""
        if name not in self.facts["spaces"]:
            raise unknown("space", name, self.facts["spaces"])
        return np.load(self.folder / "spaces" / f"{name}.npy", mmap_mode="r")

    def source_space(self, name: str) -> np.ndarray:
        """Of a transfer: one space of the source's test images, memory-mapped, aligned with `source_samples`."""
        path = self.folder / "source" / f"{name}.npy"
        if not path.is_file():
            known = sorted(each.stem for each in path.parent.glob("*.npy"))
            raise (
                unknown("space of the source", name, known)
                if known
                else InputError(f"{self.folder}: its run is of one domain, there is no source to compare with")
            )
        return np.load(path, mmap_mode="r")

    def chips(self) -> np.ndarray:
        """Pictures (sample, 48, 48, band) uint8, memory-mapped, aligned with `samples`."""
        return np.load(self.folder / "chips.npy", mmap_mode="r")

    def figure(self, name: str, **options: Any) -> Figure:
        """One of the figures, such as `figure("tsne", space="classifier")`; see `report.figures.FIGURES`."""
        from spacewise.report.figures import draw

        return draw(self, name, **options)


def open_audit(folder: Path | str) -> Audit:
    """Reads an audit back from its folder, or from that of its run."""
    folder = Path(folder)
    for place in (folder, folder / "audit"):
        if (place / "audit.json").is_file():
            return Audit(place)
    raise InputError(f"{folder} holds no audit; make one with: spacewise audit {folder}")
