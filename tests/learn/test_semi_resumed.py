"""A training with few labels that was interrupted ends where an undisturbed one ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.learn.few_labels import (
    COMATCH,
    assert_same_run,
    described_in_yaml,
    few,
    in_table,
    trained,
    write_pictures,
)

from spacewise import files, nets, runs
from spacewise.errors import InputError
from spacewise.experiment import Experiment
from spacewise.learn import ensure, start, state, training
from spacewise.learn.pseudo_labels import PseudoLabels
from spacewise.methods import TRIPLET

TERMS = (*COMATCH, TRIPLET, "0.1*center@feature of unlabelled")
# the memory fills over the end of the first epoch; both queues go round before the end
OPTIONS: dict[str, Any] = {"epochs": 3, "memory": 4, "alignment": 5, "average": 0.9, "keep": [1], "weight_decay": 0.01}
SAVES = 12  # three epochs of three steps, each with its end


class Stop(Exception):
    """Stands for a process that ends."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with in_table():
        yield write_pictures(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def undisturbed(root: Path, tmp_path_factory: pytest.TempPathFactory) -> runs.Run:
    """What an interrupted training must come to."""
    place = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPACEWISE_CACHE", str(place / "cache"))
        return trained(root, place / "run", *TERMS, **OPTIONS)


def cut(root: Path, out: Path, patch: pytest.MonkeyPatch, saves: int, **options: Any) -> None:
    """A training that ends after so many states, one after every step and one at the end of every epoch."""
    saved, calls = state.save, []

    def save(*args: Any, **more: Any) -> None:
        saved(*args, **more)
        calls.append(1)
        if len(calls) == saves:
            raise Stop

    with patch.context() as within:
        within.setattr(training, "SAVE_AFTER", 0.0)
        within.setattr(state, "save", save)
        with pytest.raises(Stop):
            trained(root, out, *TERMS, **(OPTIONS | options))


@pytest.mark.parametrize("saves", [1, 3, 4, 5, 7, 8, SAVES])
def test_it_ends_as_an_undisturbed_one(
    root: Path, undisturbed: runs.Run, tmp_path: Path, saves: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut after the first step, before and after the first validation, while the memory fills, behind all epochs."""
    out = tmp_path / "cut"
    cut(root, out, monkeypatch, saves)
    assert runs.status(out) == "training"
    kept, facts = files.read_tensors(out / state.FILE)
    assert int(kept["pseudo_labels.batches"]) == int(kept["average.steps"]) == saves - saves // 4
    assert (facts["epoch"], facts["step"]) == divmod(saves, 4)
    torch.manual_seed(saves)  # of whoever went before
    assert_same_run(
        trained(root, out, *TERMS, resume=True, **OPTIONS), undisturbed, ("best", "last", "averaged", "epoch1")
    )


def test_cut_twice(root: Path, undisturbed: runs.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cut(root, tmp_path / "cut", monkeypatch, 2)
    cut(root, tmp_path / "cut", monkeypatch, 5, resume=True)
    assert_same_run(trained(root, tmp_path / "cut", *TERMS, resume=True, **OPTIONS), undisturbed)


class Impatient:
    """A logger that asks to stop after some epochs."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        self.epochs -= 1
        if self.epochs == 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_exactly_between_epochs(root: Path, undisturbed: runs.Run, tmp_path: Path, epochs: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        trained(root, tmp_path / "cut", *TERMS, logger=Impatient(epochs), **OPTIONS)
    assert_same_run(trained(root, tmp_path / "cut", *TERMS, resume=True, **OPTIONS), undisturbed)


def test_an_interruption_within_a_step_can_be_continued(
    root: Path, undisturbed: runs.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind the pseudo-labels, before the weights moved: the step begins again, from the last state."""
    calls: list[int] = []
    guess = PseudoLabels.forward

    def stopping(self: PseudoLabels, *args: torch.Tensor) -> torch.Tensor:
        found = guess(self, *args)
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return found

    with monkeypatch.context() as patch:
        patch.setattr(PseudoLabels, "forward", stopping)
        with pytest.raises(KeyboardInterrupt):
            trained(root, tmp_path / "cut", *TERMS, **OPTIONS)
    assert_same_run(trained(root, tmp_path / "cut", *TERMS, resume=True, **OPTIONS), undisturbed)


@pytest.mark.parametrize("options", [{"mu": 0}, {"statistics": "copied", "choose": "test"}, {"optimizer": "adamw"}])
def test_other_settings_are_continued_too(
    root: Path, tmp_path: Path, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    terms = COMATCH[:1] if options.get("mu") == 0 else COMATCH
    whole = trained(root, tmp_path / "whole", *terms, **options)
    with pytest.raises(KeyboardInterrupt):
        trained(root, tmp_path / "cut", *terms, logger=Impatient(1), **options)
    assert_same_run(trained(root, tmp_path / "cut", *terms, resume=True, **options), whole)


def test_an_experiment_is_the_same_training(root: Path, tmp_path: Path) -> None:
    experiment = Experiment(**described_in_yaml(root, *TERMS, **OPTIONS))
    split, _ = experiment.splits()
    whole = trained(root, tmp_path / "whole", *TERMS, net=experiment.chain(split, None), split=few(root), **OPTIONS)
    assert experiment == whole.experiment == runs.read_experiment(whole.folder)
    with pytest.raises(KeyboardInterrupt):
        start(experiment, tmp_path / "run", logger=Impatient(2))
    assert_same_run(start(experiment, tmp_path / "run", resume=True), whole)
    assert_same_run(ensure(experiment, tmp_path / "run"), whole)


def test_another_experiment_is_not_continued(root: Path, tmp_path: Path) -> None:
    run = trained(root, tmp_path / "run", epochs=1)
    for options, said in (
        ({"mu": 2}, "regime.mu was 3, now 2"),
        ({"memory": 3}, "regime.memory was 2, now 3"),
        ({"split": few(root, labels="3/class")}, "data.split.labels was 2/class, now 3/class"),
        ({"net": nets.projected(3, 3, 16, encoder="tiny", hidden=8, dimension=6)}, "net.dimension was 5, now 6"),
    ):
        with pytest.raises(InputError, match=f"the run began with another experiment: .*{said}"):
            trained(root, run.folder, resume=True, **({"epochs": 1} | options))
