"""A training that is killed twenty times at random ends where an undisturbed one ends, bit for bit."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from spacewise import files, runs
from spacewise.experiment import Experiment
from spacewise.learn import start, training

KILLS = 20


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    generator = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / "chips" / name).mkdir(parents=True)
        for number in range(40):
            pixels = generator.integers(0, 255, (24, 24), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "chips" / name / f"{number}.png")
    return Experiment(
        data={
            "source": {"name": "folder", "root": str(tmp_path / "chips")},
            "split": {"name": "stratified", "test": 0.2},
        },
        net={"name": "aconvnet", "size": 24, "padding": "same"},
        objective=["crossentropy@classifier", "0.1*center@feature", "contrastive@classifier"],
        regime={"epochs": 24, "batch": 16, "shift": 2, "precision": "float32"},
    )


def in_child(experiment: Experiment, out: Path) -> int:
    """Starts or continues the training in a forked process; returns its id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        training.SAVE_AFTER = 0.0  # a state after every step: the more to be caught in
        start(experiment, out, resume=out.exists())
        code = 0
    finally:
        os._exit(code)


def whole(folder: Path) -> None:
    """Reads every file of a run, but for those whose name says that they are partial."""
    for path in folder.rglob("*"):
        if path.name.endswith(".partial") or path.is_dir():
            continue
        if path.suffix == ".safetensors":
            files.read_tensors(path)
        elif path.suffix == ".json":
            files.read_json(path)
        elif path.suffix == ".yaml":
            runs.read_experiment(folder)


@pytest.mark.timeout(240)
def test_killed_twenty_times(experiment: Experiment, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    straight = start(experiment, tmp_path / "straight")
    out, kills, dice = tmp_path / "killed", 0, random.Random(0)
    while True:
        child = in_child(experiment, out)
        if kills < KILLS:
            time.sleep(dice.uniform(0.02, 0.4))
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            kills += os.WIFSIGNALED(status)
        else:
            _, status = os.waitpid(child, 0)
        if out.exists():
            whole(out)
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0
            break
    assert kills >= KILLS / 2, "the training ended before it could be killed often enough"
    assert not list(out.rglob("*.partial"))
    for weights in ("best", "last"):
        kept, _ = files.read_tensors(out / "weights" / f"{weights}.safetensors")
        wanted, _ = files.read_tensors(straight.folder / "weights" / f"{weights}.safetensors")
        assert kept.keys() == wanted.keys()
        assert all(torch.equal(kept[name], wanted[name]) for name in kept)
