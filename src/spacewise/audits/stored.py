"""What was measured of a run, read back from its folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from spacewise import files
from spacewise.errors import InputError, unknown
from spacewise.objective import space_of

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
    chips.npy         (sample, 64, 64, band) uint8 pictures, in the same order
    epochs/EPOCH/NAME.npy  (sample, dimension) float16: the main spaces at the epochs whose weights were kept
    accuracy.parquet, confusion.parquet, spaces.parquet, separation.parquet, rejection.parquet,
                      retrieval.parquet: where the split has something to ask them of
    source/NAME.npy, source_chips.npy, source_samples.parquet, domain_accuracy.parquet, domains.parquet,
                      domain_classes.parquet:
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

    @property
    def main_spaces(self) -> list[str]:
        """The spaces that maps and epochs are kept of."""
        facts = self.facts
        experiment = facts["experiment"]
        alternate = experiment["regime"].get("alternate") or []
        return main_spaces([*experiment["objective"], *alternate], facts["spaces"])

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

    def kept_epochs(self) -> list[int]:
        """The epochs at which the main spaces were kept, in order."""
        return sorted(int(each.name) for each in (self.folder / "epochs").glob("*") if each.name.isdigit())

    def kept_spaces(self) -> list[str]:
        """The spaces that were kept at those epochs."""
        held = {each.stem for each in (self.folder / "epochs").glob("*/*.npy")}
        return [name for name in self.facts["spaces"] if name in held]

    def space_at(self, name: str, epoch: int) -> np.ndarray:
        """One space of every sample at a kept epoch: (sample, dimension) float16, memory-mapped.

        Raises:
            InputError: an epoch that was not kept, or a space that was not kept at it.
        """
        path = self.folder / "epochs" / str(epoch) / f"{name}.npy"
        if epoch not in self.kept_epochs():
            raise InputError(f"{self.folder}: no epoch {epoch}; it holds {self.kept_epochs() or 'none'}")
        if not path.is_file():
            raise unknown("space kept at its epochs", name, self.kept_spaces())
        return np.load(path, mmap_mode="r")

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
        """Pictures (sample, 64, 64, band) uint8, memory-mapped, aligned with `samples`."""
        return np.load(self.folder / "chips.npy", mmap_mode="r")

    def has_source_chips(self) -> bool:
        """Whether pictures of the source were kept."""
        return (self.folder / "source_chips.npy").is_file()

    def source_chips(self) -> np.ndarray:
        """Of a transfer: the same of the source's test images, aligned with `source_samples`."""
        return np.load(self.folder / "source_chips.npy", mmap_mode="r")

    def figure(self, name: str, **options: Any) -> Figure:
        """One of the figures, such as `figure("tsne", space="classifier")`; see `report.figures.FIGURES`."""
        from spacewise.report.figures import draw

        return draw(self, name, **options)


def main_spaces(terms: Sequence[str], spaces: Sequence[str]) -> list[str]:
    """Of the spaces, those under a loss, `feature`, `embedding` and `classifier`; the last where there is none."""
    wanted = {*map(space_of, terms), "feature", "embedding", "classifier"}
    return [name for name in spaces if name in wanted] or list(spaces)[-1:]


def open_audit(folder: Path | str) -> Audit:
    """Reads an audit back from its folder, or from that of its run."""
    folder = Path(folder)
    for place in (folder, folder / "audit"):
        if (place / "audit.json").is_file():
            return Audit(place)
    raise InputError(f"{folder} holds no audit; make one with: spacewise audit {folder}")
