"""All measures of all spaces of one run: embed once, ask everything."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from spacewise import files
from spacewise.audit_tables import accuracy_table, rejection_table, spaces_table
from spacewise.cache import decoded
from spacewise.errors import InputError, unknown
from spacewise.learn.batches import in_order
from spacewise.learn.embed import embed
from spacewise.measures.confusion import confusion
from spacewise.progress import track
from spacewise.runs import Run
from spacewise.sources import open_source
from spacewise.splits import Part

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TABLES = ("accuracy", "confusion", "spaces", "rejection", "samples", "log")
CHIP = 48  # pixels of the pictures that figures show


@dataclass(frozen=True)
class Audit:
    """What was measured of a run, self-contained in one folder.

    audit.json        what was audited: run, classes, spaces, seed, duration
    samples.parquet   one row a sample: part, facts, prediction, confidence, scores
    spaces/NAME.npy   (sample, dimension) float32, in the order of samples.parquet
    chips.npy         (sample, 48, 48, band) uint8 pictures, in the same order
    accuracy.parquet, confusion.parquet, spaces.parquet, rejection.parquet
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
        """One of the tables: accuracy, confusion, spaces, rejection, samples, log.

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


def audit(run: Run, part: Part | None = None, *, copies: int = 0, shift: int | None = None, seed: int = 0) -> Audit:
    """Measures every space of a run on a part (its own test part where none is given).

    Args:
        run: trained; its training part is embedded too, since most questions compare with it.
        part: what is tested. Samples of classes that the network does not know are confusers.
        copies: also measure accuracy on this many fixed translated copies of each sample.
        shift: of the copies, in pixels; the training's own where it is not given.
        seed: of copies and bootstrap.

    Returns:
        The audit, written to `RUN/audit` (or `RUN/audit-NAME` for other data). An older one is replaced.

    Raises:
        InputError: no labelled test sample, bands that do not fit, copies without a shift.
    """
    shift = run.experiment.regime.shift if shift is None else shift
    if copies and not shift:
        raise InputError(f"{copies} translated copies need a shift above 0")
    own = part is None or part.source is run.split.source
    parts = _parts(run, part)
    if not len(parts["test"]):
        raise InputError(f"nothing to test: no sample of the classes {', '.join(run.split.classes)}")
    name = "audit" if own else f"audit-{(parts['test'].source.root or Path('data')).name}"
    folder = run.folder / name
    partial = folder.with_name(f".{name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        _fill(partial, run, parts, copies, shift, seed)
        _replace(partial, folder)
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Audit(folder)


def _replace(partial: Path, folder: Path) -> None:
    """Puts a folder in the place of an older one."""
    old = folder.with_name(f".{folder.name}.old.partial")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    partial.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _parts(run: Run, part: Part | None) -> dict[str, Part]:
    parts = dict(run.split.parts)
    if part is not None and part is not run.split.test:
        known = part.labels >= 0
        subsets = {name: mask[known] for name, mask in part.subsets.items()}
        parts["test"] = Part(part.source, part.rows[known], run.split.classes, subsets)
        parts["confusers"] = Part(part.source, part.rows[~known], run.split.classes)
    del parts["validation"]
    return parts


def _fill(folder: Path, run: Run, parts: Mapping[str, Part], copies: int, shift: int, seed: int) -> None:
    began = time.monotonic()
    (folder / "spaces").mkdir(parents=True)
    spaces = _embed(folder, run, parts)
    samples = pd.concat(
        [part.facts.assign(part=name, target=part.labels) for name, part in parts.items() if len(part)],
        ignore_index=True,
    )
    samples["prediction"] = spaces["classifier"].argmax(axis=1)
    samples["confidence"] = spaces["probability"].max(axis=1)
    samples["correct"] = samples["prediction"] == samples["target"]
    test = (samples["part"] == "test").to_numpy()
    masks = subsets(parts["test"])
    views = _views(run, parts["test"], copies, shift, seed)
    tables = {
        "accuracy": accuracy_table(views, parts["test"].labels, masks, seed),
        "confusion": confusion(
            samples["target"].to_numpy()[test], samples["prediction"].to_numpy()[test], run.split.classes
        )
        .rename_axis("class")
        .reset_index(),
        "spaces": spaces_table(spaces, _pixels(parts), samples, masks),
    }
    if len(parts["confusers"]):
        tables["rejection"], scores = rejection_table(spaces, samples, run.net.last_layer(), seed)
        samples = samples.assign(**{f"score:{name}": values for name, values in scores.items()})
    for mask in masks:
        samples[f"subset:{mask}"] = pd.Series(masks[mask], index=np.flatnonzero(test)).reindex(samples.index)
    for name, table in {**tables, "samples": samples}.items():
        files.write_table(folder / f"{name}.parquet", table)
    np.save(folder / "chips.npy", _chips(parts))
    facts = {
        "run": run.name,
        "weights": run.weights,
        "experiment": json.loads(run.experiment.model_dump_json()),
        "training": run.facts,
        "log": run.log.to_dict("records"),
        "classes": list(run.split.classes),
        "spaces": list(run.net.spaces),
        "novelty": list(parts["test"].subsets),
        "copies": copies,
        "shift": shift,
        "seed": seed,
        "parts": {name: len(part) for name, part in parts.items()},
        "seconds": round(time.monotonic() - began, 1),
    }
    files.write_json(folder / "audit.json", facts)


def _embed(folder: Path, run: Run, parts: Mapping[str, Part]) -> dict[str, np.ndarray]:
    """Every space of every sample, once, to disk; read back memory-mapped."""
    pieces: list[dict[str, np.ndarray]] = []
    for name, part in parts.items():
        if not len(part):
            continue
        images = decoded(part.source, run.net.size).images
        if images.shape[1] != run.net.bands:
            raise InputError(f"{part.source.root}: {images.shape[1]} bands, where the network takes {run.net.bands}")
        batches = list(range(0, len(part), 256))
        shown = track(in_order(images, part), f"embedding {name}", len(batches))
        pieces.append(embed(run.net, shown, run.net.spaces))
    whole = {}
    for name in run.net.spaces:
        path = folder / "spaces" / f"{name}.npy"
        np.save(path, np.concatenate([piece.pop(name) for piece in pieces]))
        whole[name] = np.load(path, mmap_mode="r")
    return whole


def _views(run: Run, test: Part, copies: int, shift: int, seed: int) -> dict[tuple[str, str], np.ndarray]:
    """Predictions (copy, sample) under (weights, view): the chosen and the last weights, as stored and shifted."""
    images = decoded(test.source, run.net.size).images
    steps = -(-len(test) // 256)
    chosen, found = run.weights, {}
    for weights in dict.fromkeys((chosen, "last")):
        if weights != chosen and run.facts["best_epoch"] == run.facts["epochs"]:
            continue  # the best weights are the last ones
        run.load(weights)
        batches = in_order(images, test, shift=shift, copies=copies, seed=seed)
        shown = track(batches, f"testing the {weights} weights", steps * (1 + copies))
        logits = embed(run.net, shown, ["classifier"])["classifier"]
        predictions = logits.argmax(axis=1).reshape(1 + copies, len(test))
        found[weights, "as stored"] = predictions[:1]
        if copies:
            found[weights, f"and {copies} shifted copies"] = predictions
    run.load(chosen)
    return found


def subsets(test: Part) -> dict[str, np.ndarray]:
    """The split's own subsets, and one for each value of every fact with 2 to 20 values: `depression=15`."""
    masks = dict(test.subsets)
    facts = test.facts
    for fact in facts.columns.difference(["id", "label", "split", "role"], sort=False):
        values = facts[fact].dropna().unique()
        if 2 <= len(values) <= 20:
            masks |= {f"{fact}={value}": (facts[fact] == value).to_numpy() for value in sorted(values) if value != ""}
    return masks


def _pixels(parts: Mapping[str, Part], size: int = 64) -> np.ndarray:
    """Raw pixels (sample, dimension) as the floor sees them: 64 x 64, rooted where they are magnitudes, unit length.

    Length carries no class where each chip was scaled by its own maximum: without dividing by it the floor
    on MSTAR's unseen serials is 9 points lower.
    """
    pieces = []
    for part in (part for part in parts.values() if len(part)):
        images = decoded(part.source, size).images[torch.from_numpy(part.rows)].float().flatten(1)
        pieces.append(images.clamp(min=0).sqrt() if part.source.amplitude == "magnitude" else images)
    return torch.nn.functional.normalize(torch.cat(pieces), dim=1).numpy()


def _chips(parts: Mapping[str, Part]) -> np.ndarray:
    """Pictures to look at: each stretched between its own 1st and 99.5th percentile."""
    pieces = []
    for part in (part for part in parts.values() if len(part)):
        for batch in in_order(decoded(part.source, 128 if part.source.fit == "crop" else 96).images, part):
            values = batch.float()
            values = values.clamp(min=0).sqrt() if part.source.amplitude == "magnitude" else values
            values = values[:, :3] if values.shape[1] >= 3 else values[:, :1]
            values = torch.nn.functional.interpolate(values, (CHIP, CHIP), mode="area")
            ends = torch.quantile(values.flatten(1), torch.tensor([0.01, 0.995]), dim=1)[..., None, None, None]
            scaled = (values - ends[0]) / (ends[1] - ends[0]).clamp(min=1e-6)
            pieces.append((255 * scaled.clamp(0, 1)).byte().permute(0, 2, 3, 1).numpy())
    return np.concatenate(pieces)


def other_part(run: Run, data: Path | str, source: str = "") -> Part:
    """All samples of other data, as a part that a run can be audited on."""
    opened = open_source(str(data), source)
    return Part(opened, np.arange(len(opened)), run.split.classes)
