"""Tasks of seconds, and places that strike: a process killed in the middle of its training."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from safetensors.numpy import load_file

from spacewise import runs
from spacewise.experiment import Experiment
from spacewise.grid import Outcome, Place, Task
from spacewise.recipes import RECIPES, Asked, Recipe

TRANSFER = RECIPES["eo-sar.transfer"]
CHANGES = ["net.size=16", "steps=2", "target_batch=6", "unlabelled_batch=8", "precision=float32"]
CHANGES += ["pretraining.epochs=1", "pretraining.batch=24", "pretraining.precision=float32"]


def experiment(pictures: Path, *, epochs: int = 2, **regime: object) -> Experiment:
    """A small network on the pictures."""
    return Experiment(
        data={"source": {"name": "folder", "root": str(pictures)}, "split": {"name": "stratified", "validation": 0.2}},
        net={"name": "aconvnet", "size": 16, "padding": "same"},
        objective=["crossentropy@classifier"],
        regime={"epochs": epochs, "batch": 6, "precision": "float32", **regime},
    )


def task(pictures: Path, folder: Path, *, epochs: int = 2, **regime: object) -> Task:
    """Its training."""
    return Task(folder.name, experiment(pictures, epochs=epochs, **regime), folder)


def weights(folder: Path) -> dict[str, np.ndarray]:
    """The last weights of a run."""
    return dict(load_file(folder / "weights" / "last.safetensors"))


def same_weights(one: Path, other: Path) -> bool:
    """Whether two runs ended with the same weights, bit for bit."""
    left, right = weights(one), weights(other)
    return left.keys() == right.keys() and all(np.array_equal(left[name], right[name]) for name in left)


def trainer(folder: Path) -> int:
    """Who trains in a folder: the process that its lock names."""
    return int((folder.parent / f".{folder.name}.lock").read_text().split()[1])


class Struck:
    """A place in which the process of one task is killed, once, when its first epoch is done."""

    def __init__(self, place: Place, folder: Path) -> None:
        self.place, self.folder, self.struck = place, folder, 0

    @property
    def slots(self) -> int:
        return self.place.slots

    def submit(self, task: Task) -> None:
        self.place.submit(task)

    def wait(self, seconds: float) -> Sequence[Outcome]:
        if not self.struck and (self.folder / "log.csv").is_file():
            self.struck = trainer(self.folder)
            os.kill(self.struck, signal.SIGKILL)
        return self.place.wait(0.05)

    def __enter__(self) -> Place:
        self.place.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.place.__exit__(*error)


def write_scenes(root: Path) -> Asked:
    """Two folders of four classes each, of which three are shared; the asked transfers between them."""
    generator = np.random.default_rng(0)
    names = {"aerial": ["beach", "harbor", "river", "runway"], "grey": ["Beach", "Port", "River", "Meadow"]}
    for place, kinds in names.items():
        for kind, name in enumerate(kinds):
            (root / place / name).mkdir(parents=True)
            for index in range(24):
                pixels = 60 * kind + generator.normal(40, 10, (16, 16))
                image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
                image.convert("RGB" if place == "aerial" else "L").save(root / place / name / f"{index}.png")
    given = {"source": root / "aerial", "target": root / "grey"}
    return Asked(given, epochs=1, only=["finetune-32", "swd-32"], changes=CHANGES)


def tabulate(recipe: Recipe, finished: dict[str, list[runs.Run]], asked: Asked, out: Path) -> Path:
    """The logs of all runs, in the order of the plan."""
    logs = [run.log.assign(row=key) for key, folds in finished.items() for run in folds]
    table = pd.concat(logs).drop(columns=["seconds", "images_per_second", "waiting"], errors="ignore")
    table.to_csv(out / "table.csv", index=False)
    return out / "table.csv"


STUDY = replace(TRANSFER, finish=tabulate)
