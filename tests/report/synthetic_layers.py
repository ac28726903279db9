"""A small audit by retrieval, written by hand: deeper spaces fit training classes better, and carry over less."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spacewise import files
from spacewise.audits import Audit, open_audit

POOLS = tuple(f"pool{b}.{i}" for b, n in enumerate((2, 2, 3, 3, 3), start=1) for i in range(1, n + 1))
SPACES = (*POOLS, "fc6")
HOSTILE = '<script>alert(1)</script> & "Ω" $x_1$'
CLASSES = {
    "train": ("Tesla", "Audi $S4$ Sedan 2012", "Fiat", "BMW_M3", "Ford", "Jeep"),
    "validation": ("Opel", "Seat"),
    "test": (HOSTILE, "Mercedes-Benz E-Class Sedan with a very long name 2012", "Kia", "VW", "MG", "Skoda"),
}
RANKS = (1, 2, 4, 8, 16, 32)


def synthetic_layers(
    folder: Path,
    *,
    spaces: Sequence[str] = SPACES,
    loss: Sequence[str] = ("fc6",),
    chosen_on: str = "validation",
    chosen: str = "pool5.3",
    epochs: Sequence[int] = (0, 1, 5, 10),
    images: int = 12,
    seed: int = 0,
    bands: int = 3,
    difference: tuple[float, float, float] | None = None,
    name: str = "run <b>bold</b>",
) -> Audit:
    """An audit under `folder/audit`.

    Args:
        chosen: the recommended space; the last of `loss` is what it is held against.
        epochs: of kept weights, 0 before training.
        difference: the recommendation's difference, low, high, where they are not to be computed.
    """
    generator = np.random.default_rng(seed)
    samples = _samples(images, validation=chosen_on == "validation")
    values = {space: _space(samples, depth, len(spaces), 10, generator) for depth, space in enumerate(spaces)}
    pixels = _space(samples, 0, len(spaces), 0, generator)
    rows = [row for space, found in (values | {"pixels": pixels}).items() for row in _rows(samples, space, found)]
    table = pd.DataFrame(rows).assign(weights="last", epoch=10)
    for epoch in epochs:
        kept = {space: _space(samples, depth, len(spaces), epoch, generator) for depth, space in enumerate(spaces)}
        rows = [row for space, found in kept.items() for row in _rows(samples, space, found)]
        more = pd.DataFrame(rows).drop(columns=["r_precision", "map_at_r"])
        table = pd.concat([table, more.assign(weights=f"epoch{epoch}", epoch=epoch)], ignore_index=True)
    for space, found in (values | {"pixels": pixels}).items():
        samples[f"first_hit@{space}"] = first_hits(samples, found)
    place = folder / "audit"
    (place / "spaces").mkdir(parents=True, exist_ok=True)
    for space, found in values.items():
        np.save(place / "spaces" / f"{space}.npy", found)
    files.write_table(place / "retrieval.parquet", table)
    files.write_table(place / "samples.parquet", samples)
    np.save(place / "chips.npy", _chips(samples, bands, generator))
    facts = _facts(samples, list(spaces), list(loss), chosen_on, chosen, seed, name)
    if difference is not None:
        facts["recommendation"] |= dict(zip(("difference", "low", "high"), difference, strict=True))
    files.write_json(place / "audit.json", facts)
    return open_audit(folder)


def first_hits(samples: pd.DataFrame, values: np.ndarray) -> np.ndarray:
    """The rank of the first image of the same class among all others of its part, by the cosine: (sample,)."""
    units = values.astype(float) / np.linalg.norm(values.astype(float), axis=1, keepdims=True)
    hits = np.zeros(len(samples), np.int64)
    for part in samples["part"].unique():
        rows = np.flatnonzero(samples["part"] == part)
        targets = samples["target"].to_numpy()[rows]
        for place, row in enumerate(rows):
            cosines = units[rows] @ units[row]
            cosines[place] = -np.inf
            order = np.argsort(-cosines, kind="stable")[:-1]
            right = np.flatnonzero(targets[order] == targets[place])
            hits[row] = right[0] + 1 if len(right) else 0
    return hits


def _samples(images: int, validation: bool) -> pd.DataFrame:
    frames = []
    for part, names in CLASSES.items():
        if part == "validation" and not validation:
            continue
        targets = np.repeat(np.arange(len(names)), images)
        ids = [f"{part}/{i}" for i in range(len(targets))]
        labels = [names[t] for t in targets]
        frames.append(pd.DataFrame({"id": ids, "part": part, "target": targets, "label": labels}))
    return pd.concat(frames, ignore_index=True)


def _space(samples: pd.DataFrame, depth: int, total: int, epoch: int, generator: np.random.Generator) -> np.ndarray:
    """(sample, 8): classes lie the farther apart the deeper; those of test most in the space before the last."""
    reach = (0.3 + 1.7 * (depth + 1) / total) * (0.5 + 0.1 * epoch**0.7)
    lost = np.where(samples["part"] == "train", 1.0, 0.55 if depth == total - 1 else 0.85)
    codes = pd.factorize(samples["part"] + samples["label"])[0]
    shared = np.random.default_rng(7)  # the same images in every space
    centres = shared.normal(size=(codes.max() + 1, 8))
    noise = shared.normal(size=(len(samples), 8)) + 0.3 * generator.normal(size=(len(samples), 8))
    return (centres[codes] * (reach * lost)[:, None] + noise).astype(np.float32)


def _rows(samples: pd.DataFrame, space: str, values: np.ndarray) -> list[dict[str, Any]]:
    hits = first_hits(samples, values)
    rows = []
    for part in samples["part"].unique():
        mine = (samples["part"] == part).to_numpy()
        recall = {f"recall@{k}": float(((hits[mine] > 0) & (hits[mine] <= k)).mean()) for k in RANKS if k < mine.sum()}
        row = {"part": part, "space": space, "dimension": 8, "n": int(mine.sum()), "lone": 0}
        row |= {"classes": samples["label"][mine].nunique()} | recall
        first = recall["recall@1"]
        row |= {"low": max(0.0, first - 0.06), "high": min(1.0, first + 0.05)}
        rows.append(row | {"r_precision": first * 0.6, "map_at_r": first * 0.45})
    return rows


def _chips(samples: pd.DataFrame, bands: int, generator: np.random.Generator) -> np.ndarray:
    """Noise, tinted by class, so that one sees which images belong together."""
    tints = generator.integers(40, 216, (samples["target"].max() + 1, 1, 1, bands))
    noise = generator.integers(-40, 40, (len(samples), 64, 64, bands))
    return (tints[samples["target"].to_numpy()] + noise).astype(np.uint8)


def _facts(
    samples: pd.DataFrame, spaces: list[str], loss: list[str], chosen_on: str, chosen: str, seed: int, name: str
) -> dict[str, Any]:
    test = samples[samples["part"] == "test"]
    right = {space: test[f"first_hit@{space}"] == 1 for space in (chosen, loss[-1])}
    gain = float(right[chosen].mean() - right[loss[-1]].mean())
    counts = samples["part"].value_counts()
    held = [part for part in CLASSES if part in counts.index]
    return {
        "run": name,
        "weights": "last",
        "disjoint": True,
        "loss_spaces": loss,
        "classes_of": {part: list(CLASSES[part]) for part in held},
        "recommendation": {
            "space": chosen,
            "against": loss[-1],
            "chosen_on": chosen_on,
            "recall": float(right[chosen].mean()),
            "against_recall": float(right[loss[-1]].mean()),
            "difference": gain,
            "low": gain - 0.02,
            "high": gain + 0.02,
            "n": len(test),
            "classes": int(test["label"].nunique()),
        },
        "experiment": {
            "data": {"source": {"name": "cars", "root": "cars"}, "split": {"name": "disjoint", "fold": 0}},
            "net": {"name": "netA", "size": 224},
            "objective": [f"triplet@{space}" for space in loss],
            "regime": {"name": "supervised", "epochs": 10},
            "seed": seed,
        },
        "training": {
            "command": 'spacewise train "<i>x</i>"',
            "best_epoch": 7,
            "epochs": 10,
            "seconds": 125.0,
            "commit": "abc1234",
            "samples": {"train": int(counts["train"])},
            "leaks": [],
            "spacewise": "0.1.0",
        },
        "log": [{"epoch": epoch, "total": 0.5**epoch} for epoch in range(1, 11)],
        "classes": list(CLASSES["train"]),
        "spaces": spaces,
        "novelty": [],
        "copies": 0,
        "shift": 0,
        "seed": 0,
        "parts": {part: int(counts.get(part, 0)) for part in (*CLASSES, "confusers")},
        "seconds": 3.2,
    }
