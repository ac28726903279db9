"""A small audit written by hand: random spaces, three classes, seen and unseen serials, confusers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spacewise import files
from spacewise.audits import Audit, open_audit
from spacewise.audits.tables import accuracy_table, rejection_table, spaces_table
from spacewise.measures.confusion import confusion

HOSTILE = '<script>alert(1)</script> & "Ω" $x_1$'
CLASSES = ("BMP2", "_T72", HOSTILE)
SIZES = {"train": 36, "test": 45, "confusers": 20}


def synthetic(
    folder: Path,
    *,
    confusers: bool = True,
    novelty: bool = True,
    copies: int = 2,
    seed: int = 0,
    quality: float = 2.0,
    classes: tuple[str, ...] = CLASSES,
    name: str = "run <b>bold</b>",
) -> Audit:
    """An audit under `folder/audit`. `quality` is how far apart the classes lie."""
    generator = np.random.default_rng(seed)
    samples = _samples(classes, confusers, novelty)
    targets = samples["target"].to_numpy()
    logits = generator.normal(size=(len(samples), len(classes))).astype(np.float32)
    logits[targets >= 0, targets[targets >= 0]] += quality
    feature = np.maximum(0, logits @ generator.normal(size=(len(classes), 6))).astype(np.float32)
    probability = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    spaces = {"feature": feature, "classifier": logits, "probability": probability}
    samples["prediction"] = logits.argmax(axis=1)
    samples["confidence"] = probability.max(axis=1)
    samples["correct"] = samples["prediction"] == targets
    place = folder / "audit"
    for space, values in spaces.items():
        (place / "spaces").mkdir(parents=True, exist_ok=True)
        np.save(place / "spaces" / f"{space}.npy", values)
    masks = _masks(samples, novelty)
    tables, samples = _tables(samples, spaces, masks, confusers, copies, classes, generator)
    for table, frame in {**tables, "samples": samples}.items():
        files.write_table(place / f"{table}.parquet", frame)
    np.save(place / "chips.npy", generator.integers(0, 255, (len(samples), 64, 64, 1), dtype=np.uint8))
    files.write_json(place / "audit.json", _facts(classes, list(spaces), novelty, copies, seed, name))
    return open_audit(folder)


def _samples(classes: tuple[str, ...], confusers: bool, novelty: bool) -> pd.DataFrame:
    frames = []
    for part, number in SIZES.items():
        if part == "confusers" and not confusers:
            continue
        targets = np.arange(number) % len(classes) if part != "confusers" else np.full(number, -1)
        frame = pd.DataFrame({"id": [f"{part}/{i}" for i in range(number)], "part": part, "target": targets})
        frame["label"] = [classes[t] if t >= 0 else "stranger" for t in targets]
        frame["serial"] = "a"
        if novelty and part == "test":
            frame["serial"] = np.where(np.arange(number) // len(classes) % 3 == 0, "$new$", "a")
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def _masks(samples: pd.DataFrame, novelty: bool) -> dict[str, np.ndarray]:
    test = samples[samples["part"] == "test"]
    if not novelty:
        return {}
    unseen = (test["serial"] == "$new$").to_numpy()
    return {"seen": ~unseen, "unseen": unseen, "serial=$new$": unseen, "serial=a": ~unseen}


def _tables(
    samples: pd.DataFrame,
    spaces: dict[str, np.ndarray],
    masks: dict[str, np.ndarray],
    confusers: bool,
    copies: int,
    classes: tuple[str, ...],
    generator: np.random.Generator,
) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    test = (samples["part"] == "test").to_numpy()
    floor, everyone = generator.normal(size=(len(samples), 9)), np.ones(len(samples), bool)
    labels, found = samples["target"].to_numpy()[test], samples["prediction"].to_numpy()[test]
    views = {}
    for weights in ("best", "last"):
        views[weights, "as stored"] = found[None]
        if copies:
            views[weights, f"and {copies} shifted copies"] = np.repeat(found[None], 1 + copies, axis=0)
    tables = {
        "accuracy": accuracy_table(views, labels, masks, 0),
        "confusion": confusion(labels, found, classes).rename_axis("class").reset_index(),
        "spaces": spaces_table({"pixels": floor, **spaces}, samples, everyone, masks),
    }
    if confusers:
        tables["rejection"], scores = rejection_table(spaces, samples, everyone, None, 0)
        samples = samples.assign(**{f"score:{name}": values for name, values in scores.items()})
    for mask in masks:
        samples[f"subset:{mask}"] = pd.Series(masks[mask], index=np.flatnonzero(test)).reindex(samples.index)
    return tables, samples


def _facts(
    classes: tuple[str, ...], spaces: list[str], novelty: bool, copies: int, seed: int, name: str
) -> dict[str, Any]:
    log = [
        {
            "epoch": epoch,
            "rate": 1e-3,
            "accuracy": 1 - 0.5**epoch,
            "total": 0.5**epoch + 0.1,
            "crossentropy@classifier": 0.5**epoch,
            "center@feature": 0.1,
            "validation_accuracy": 0.9 - 0.5**epoch,
            "seconds": 1.0,
            "images_per_second": 100.0,
        }
        for epoch in range(1, 5)
    ]
    split = {"name": "by-fact", "novelty": "serial"} if novelty else {"name": "stratified"}
    return {
        "run": name,
        "weights": "best",
        "experiment": {
            "data": {"source": {"name": "folder", "root": "chips"}, "split": split},
            "net": {"name": "aconvnet", "size": 64},
            "objective": ["crossentropy@classifier", "0.003*center@feature"],
            "regime": {"name": "supervised", "epochs": 4},
            "seed": seed,
        },
        "training": {
            "command": 'spacewise train "<i>x</i>"',
            "best_epoch": 3,
            "epochs": 4,
            "seconds": 12.0,
            "commit": "abc1234",
            "samples": {"train": 36, "validation": 4},
            "leaks": ["2 samples stand in <train> and test"],
            "spacewise": "0.1.0",
        },
        "log": log,
        "classes": list(classes),
        "spaces": spaces,
        "novelty": ["seen", "unseen"] if novelty else [],
        "copies": copies,
        "shift": 4,
        "seed": 0,
        "parts": SIZES,
        "seconds": 3.2,
    }
