"""A transfer that was interrupted ends where an undisturbed one ends, and reads back as what it was."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.learn.two_domains import (
    CONDITIONAL,
    ENTROPY,
    FIRST,
    SLICED,
    assert_same_run,
    described_in_yaml,
    in_table,
    radar,
    same,
    tensors,
    transferred,
    write_domains,
)

from spacewise import runs
from spacewise.errors import InputError
from spacewise.experiment import Experiment
from spacewise.learn import ensure, start, state, training
from spacewise.losses import SlicedWasserstein

DANN = "domain_adversarial(hidden=4)@embedding"
OPTIONS: dict[str, Any] = {
    "alternate": [SLICED, CONDITIONAL, DANN],
    "optimizer": "adamw",
    "freeze": ["head"],
    "pretraining": FIRST | {"optimizer": "adamw", "shift": 1},
}
PRETRAINING_SAVES = 8  # two epochs of three steps, each with its end


class Stop(Exception):
    """Stands for a process that ends."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with in_table():
        yield write_domains(tmp_path_factory.mktemp("domains"))


@pytest.fixture(scope="module")
def undisturbed(root: Path, tmp_path_factory: pytest.TempPathFactory) -> runs.Run:
    """What an interrupted training must come to."""
    place = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPACEWISE_CACHE", str(place / "cache"))
        return transferred(root, place / "run", **OPTIONS)


@pytest.mark.parametrize("saves", [2, PRETRAINING_SAVES, PRETRAINING_SAVES + 1, PRETRAINING_SAVES + 6])
def test_it_ends_as_an_undisturbed_one(
    root: Path, undisturbed: runs.Run, tmp_path: Path, saves: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut within the pretraining, at its end, after the first step behind it, within the second epoch."""
    saved = state.save
    calls: list[int] = []

    def save(*args: Any, **more: Any) -> None:
        saved(*args, **more)
        calls.append(1)
        if len(calls) == saves:
            raise Stop

    with monkeypatch.context() as patch:
        patch.setattr(training, "SAVE_AFTER", 0.0)
        patch.setattr(state, "save", save)
        with pytest.raises(Stop):
            transferred(root, tmp_path / "cut", **OPTIONS)
    assert runs.status(tmp_path / "cut") == "training"
    assert (tmp_path / "cut" / state.FILE).is_file() == (saves > PRETRAINING_SAVES)
    torch.manual_seed(saves)  # of whoever went before
    assert_same_run(transferred(root, tmp_path / "cut", resume=True, **OPTIONS), undisturbed)


class Impatient:
    """A logger that asks to stop after some epochs."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        self.epochs -= 1
        if self.epochs == 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("epochs", [1, 2, 3, 4])
def test_an_interruption_by_the_user_can_be_continued(
    root: Path, undisturbed: runs.Run, tmp_path: Path, epochs: int
) -> None:
    """Two epochs of pretraining, two of transfer."""
    with pytest.raises(KeyboardInterrupt):
        transferred(root, tmp_path / "cut", logger=Impatient(epochs), **OPTIONS)
    assert_same_run(transferred(root, tmp_path / "cut", resume=True, **OPTIONS), undisturbed)


def test_an_interruption_within_a_loss_can_be_continued(
    root: Path, undisturbed: runs.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the two steps of a batch: it begins again with the first, from the last state."""
    calls: list[int] = []
    align = SlicedWasserstein.align

    def stopping(self: SlicedWasserstein, domains: Any) -> torch.Tensor:
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return align(self, domains)

    with monkeypatch.context() as patch:
        patch.setattr(SlicedWasserstein, "align", stopping)
        with pytest.raises(KeyboardInterrupt):
            transferred(root, tmp_path / "cut", **OPTIONS)
    assert_same_run(transferred(root, tmp_path / "cut", resume=True, **OPTIONS), undisturbed)


def test_an_experiment_is_the_same_training(root: Path, undisturbed: runs.Run, tmp_path: Path) -> None:
    experiment = Experiment(**described_in_yaml(root, **OPTIONS))
    assert experiment == undisturbed.experiment == runs.read_experiment(undisturbed.folder)
    with pytest.raises(KeyboardInterrupt):
        start(experiment, tmp_path / "run", logger=Impatient(3))
    resumed = start(experiment, tmp_path / "run", resume=True)
    assert_same_run(resumed, undisturbed)
    assert_same_run(start(experiment, tmp_path / "run", resume=True), undisturbed)
    assert_same_run(ensure(experiment, tmp_path / "run"), undisturbed)


def test_a_pretraining_made_beforehand_is_the_one_inside(root: Path, undisturbed: runs.Run, tmp_path: Path) -> None:
    experiment = Experiment(**described_in_yaml(root, **OPTIONS))
    first = experiment.pretraining()
    assert first is not None
    assert first == runs.read_experiment(undisturbed.folder / "source")
    start(first, tmp_path / "first")
    assert same(tensors(tmp_path / "first"), tensors(undisturbed.folder / "source"))
    with pytest.raises(KeyboardInterrupt):
        start(experiment, tmp_path / "run", pretrained=tmp_path / "first", logger=Impatient(1))
    assert_same_run(ensure(experiment, tmp_path / "run", pretrained=tmp_path / "first"), undisturbed)


def test_terms_may_be_written_with_their_defaults(root: Path, tmp_path: Path) -> None:
    """Of the pretraining, too: what was written otherwise is the same experiment when it is continued."""
    written = FIRST | {"objective": ["1.0*crossentropy()@classifier"], "epochs": 1}
    written |= {"alternate": ["1*complement_entropy()@classifier"]}
    options = {"pretraining": written, "alternate": ["1.0*coral()@embedding"]}
    with pytest.raises(KeyboardInterrupt):
        transferred(root, tmp_path / "run", logger=Impatient(1), **options)
    run = transferred(root, tmp_path / "run", resume=True, **options)
    assert run.experiment == runs.read_experiment(run.folder)
    assert run.experiment.regime.pretraining.objective == [ENTROPY]
    assert transferred(root, tmp_path / "again", pretrained=run.folder / "source", **options).facts["epochs"] == 2


# What is not the same any more


def test_another_experiment_is_not_continued(root: Path, tmp_path: Path) -> None:
    transferred(root, tmp_path / "run", pretraining=FIRST | {"epochs": 1})
    for options, said in (
        ({"steps": 4}, r"regime.steps was 3, now 4"),
        ({"pretraining": FIRST}, r"regime.pretraining.epochs was 1, now 2"),
        ({"target": radar(root, labels=7)}, r"target.split.labels was 6, now 7"),
    ):
        with pytest.raises(InputError, match=said):
            transferred(root, tmp_path / "run", resume=True, **({"pretraining": FIRST | {"epochs": 1}} | options))
    with pytest.raises(InputError, match="already holds a finished run"):
        transferred(root, tmp_path / "run")


@pytest.mark.parametrize(("domain", "named"), [("radar", "the split was"), ("optical", "the source split was")])
def test_changed_data_of_either_domain_are_refused(tmp_path: Path, root: Path, domain: str, named: str) -> None:
    shutil.copytree(root, tmp_path / "data")
    run = transferred(tmp_path / "data", tmp_path / "run", epochs=1, steps=1)
    (tmp_path / "data" / domain / "field" / "0.png").rename(tmp_path / "data" / domain / "field" / "x.png")
    with pytest.raises(InputError, match=f"its data have changed: {named}"):
        runs.open_run(run.folder)
    with pytest.raises(InputError, match=f"its data have changed: {named}"):
        transferred(tmp_path / "data", tmp_path / "run", resume=True, epochs=1, steps=1)
