"""Tasks of seconds, and places that strike: a process killed in the middle of its training."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from spacewise.experiment import Experiment
from spacewise.grid import Outcome, Place, Task


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
