"""A second step in every batch, and a start with the first term alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import nn

from spacewise import files, runs, splits
from spacewise.errors import InputError
from spacewise.experiment import Experiment
from spacewise.learn import state, supervised, training
from spacewise.learn.batches import Batches, mixed
from spacewise.learn.schedule import SCHEDULES
from spacewise.losses import complement_entropy
from spacewise.nets import Chain
from spacewise.objective import Objective
from spacewise.sources import Source
from spacewise.splits import Split

COMPLEMENT = "complement_entropy@classifier"
SETTINGS = {"epochs": 2, "batch": 6, "rate": 0.05, "optimizer": "sgd", "precision": "float32", "schedule": "constant"}


@pytest.fixture(scope="module")
def split(chips: Source) -> Split:
    return splits.stratified(chips, test=0.25, validation=0.25)


@pytest.fixture
def train(split: Split, tiny_chain: Callable[..., Chain], tmp_path: Path) -> Callable[..., runs.Run]:
    def run(name: str, *terms: str, **options: object) -> runs.Run:
        objective = Objective(*(terms or ("crossentropy@classifier",)))
        return supervised(tiny_chain(), objective, split, out=tmp_path / name, **(SETTINGS | options))

    return run


def weights(run: runs.Run) -> dict[str, torch.Tensor]:
    return files.read_tensors(run.folder / "weights" / "last.safetensors")[0]


def same(one: runs.Run, other: runs.Run) -> bool:
    first, second = weights(one), weights(other)
    return all(torch.equal(first[name], second[name]) for name in first)


def test_it_is_the_loop_of_the_authors(
    train: Callable[..., runs.Run], split: Split, tiny_chain: Callable[..., Chain], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cross-entropy step, another forward pass, complement step, each with an SGD of its own, on the same batches."""
    batches: list[tuple[torch.Tensor, torch.Tensor]] = []
    drawn = Batches.epoch

    def noted(self: Batches, *args: int) -> object:
        for images, labels in drawn(self, *args):
            batches.append((images, labels))
            yield images, labels

    monkeypatch.setattr(Batches, "epoch", noted)
    run = train("run", alternate=[COMPLEMENT], alternate_rate=0.02, weight_decay=0.1)
    net = tiny_chain()
    net.preprocess.load_state_dict(run.net.preprocess.state_dict())
    groups = [
        {"params": [p for p in net.parameters() if p.ndim > 1], "weight_decay": 0.1},
        {"params": [p for p in net.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    optimizers = [torch.optim.SGD([dict(group) for group in groups], rate, momentum=0.9) for rate in (0.05, 0.02)]
    net.train()
    losses = (nn.functional.cross_entropy, complement_entropy)
    for step, (images, labels) in enumerate(batches):
        for turn, (loss, optimizer) in enumerate(zip(losses, optimizers, strict=True)):
            torch.manual_seed(mixed(0, (5, 9)[turn], step, 0))  # of the dropout
            optimizer.zero_grad()
            loss(net(images)["classifier"], labels).backward()
            optimizer.step()
    found = weights(run)
    for name, value in net.state_dict().items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-5, msg=name)


def test_both_steps_are_in_the_log(train: Callable[..., runs.Run]) -> None:
    log = train("run", alternate=[COMPLEMENT]).log
    assert (log[COMPLEMENT] < 0).all()
    assert (log["total"] == log["crossentropy@classifier"]).all()  # what chooses the rate of the first step


def test_its_rate_is_a_tenth_unless_given(train: Callable[..., runs.Run]) -> None:
    tenth = train("tenth", alternate=[COMPLEMENT])
    assert same(tenth, train("given", alternate=[COMPLEMENT], alternate_rate=0.005))
    assert not same(tenth, train("other", alternate=[COMPLEMENT], alternate_rate=0.01))


@pytest.mark.parametrize("step", [1, 4])
def test_an_interrupted_training_ends_as_an_undisturbed_one(
    train: Callable[..., runs.Run], step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"alternate": [COMPLEMENT], "momentum": 0.9}
    terms = ("crossentropy@classifier", "0.1*prototype_conformity@feature")
    whole = train("whole", *terms, **options)
    saved = state.save
    calls: list[int] = []

    class Stop(Exception):
        pass

    def save(*args: object, **more: object) -> None:
        saved(*args, **more)
        calls.append(1)
        if len(calls) == step:
            raise Stop

    monkeypatch.setattr(training, "SAVE_AFTER", 0.0)
    monkeypatch.setattr(state, "save", save)
    with pytest.raises(Stop):
        train("cut", *terms, **options)
    monkeypatch.setattr(state, "save", saved)
    cut = train("cut", *terms, resume=True, **options)
    assert same(cut, whole)
    times = ["seconds", "images_per_second"]
    pd.testing.assert_frame_equal(cut.log.drop(columns=times), whole.log.drop(columns=times))


def test_the_experiment_reads_back(train: Callable[..., runs.Run]) -> None:
    run = train("run", alternate=["1.0*complement_entropy(form='printed')@classifier"], pretrain=0.5)
    again = runs.read_experiment(run.folder)
    assert again == run.experiment
    assert again.regime.alternate == [COMPLEMENT]
    assert Experiment(**again.model_dump()) == again


@pytest.mark.parametrize(
    ("alternate", "said"),
    [
        (["complement_entropi@classifier"], "complement_entropy"),
        (["complement_entropy@clasifier"], "classifier"),
        ([COMPLEMENT, COMPLEMENT], "stands twice"),
        (["0.5*crossentropy@classifier"], "stands in the objective and in alternate"),
    ],
)
def test_wrong_terms_are_refused_before_anything_is_written(
    train: Callable[..., runs.Run], tmp_path: Path, alternate: list[str], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        train("run", alternate=alternate)
    assert not (tmp_path / "run").exists()


def test_the_first_term_trains_alone_at_the_start(train: Callable[..., runs.Run]) -> None:
    """With the other terms at weight zero for the same steps, and logged all the same."""
    alone = train("alone", epochs=1)
    pretrained = train("pretrained", "crossentropy@classifier", "5*contrastive@feature", pretrain=0.99, epochs=1)
    log = pretrained.log
    assert same(alone, train("zero", "crossentropy@classifier", "0*contrastive@feature", epochs=1))
    assert (log["contrastive@feature"] > 0).all()
    half = train("half", "crossentropy@classifier", "5*contrastive@feature", pretrain=0.5)
    whole = train("whole", "crossentropy@classifier", "5*contrastive@feature")
    assert not same(half, whole)
    first = train("first", "crossentropy@classifier", keep=[1])
    kept = train("kept", "crossentropy@classifier", "5*contrastive@feature", pretrain=0.5, keep=[1])
    one, other = (files.read_tensors(run.folder / "weights" / "epoch1.safetensors")[0] for run in (first, kept))
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("loss", ["center", "prototype_conformity"])
def test_centres_wait_for_their_term(train: Callable[..., runs.Run], loss: str) -> None:
    """Moved from the start, they would be far away from every sample when it comes in."""
    terms = ("crossentropy@classifier", f"0.1*{loss}@feature")
    states = {}
    for name, options in (("waiting", {"pretrain": 0.99}), ("at once", {})):
        folder = train(name, *terms, epochs=1, **options).folder
        states[name] = files.read_tensors(folder / state.FILE)[0]["objective.losses.1.centers"]
    fresh = Objective(*terms)
    fresh.losses[1].bind(3, 16, 0)
    assert torch.equal(states["waiting"], fresh.losses[1].centers)
    assert not torch.equal(states["at once"], fresh.losses[1].centers)


def test_a_term_that_runs_away_is_noticed(train: Callable[..., runs.Run]) -> None:
    with pytest.raises(InputError, match=r"training diverged: .* (has reached|is no longer finite) .*lower the rate"):
        train("run", "crossentropy@classifier", "100*prototype_conformity@feature", epochs=60, rate=1.0)


def test_a_tenth_after_a_third_and_after_half() -> None:
    tenths = SCHEDULES["tenths"]
    assert [tenths(share) for share in (0.0, 0.33, 1 / 3, 0.49, 0.5, 0.99)] == pytest.approx(
        [1, 1, 0.1, 0.1, 0.01, 0.01]
    )
