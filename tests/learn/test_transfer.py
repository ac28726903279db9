"""Short transfers between two tiny domains: what a step is, what the pretraining is, what stays still."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.learn.two_domains import (
    CONDITIONAL,
    ENTROPY,
    FIRST,
    SETTINGS,
    SLICED,
    assert_same_run,
    built,
    in_table,
    optical,
    radar,
    same,
    tensors,
    transferred,
    write_domains,
)
from torch import Tensor, nn

import spacewise as sw
from spacewise import runs
from spacewise.learn import supervised
from spacewise.learn.batches import mixed
from spacewise.learn.streams import Step, Streams
from spacewise.losses import ALIGNMENTS
from spacewise.losses.sliced_wasserstein import directions
from spacewise.nets.y_shaped import YShaped, start_target_from_source
from spacewise.objective import Objective

Train = Callable[..., runs.Run]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with in_table():
        yield write_domains(tmp_path_factory.mktemp("domains"))


@pytest.fixture
def train(root: Path, tmp_path: Path) -> Train:
    """Transfers in tmp_path/NAME."""
    return lambda name, *terms, **options: transferred(root, tmp_path / name, *terms, **options)


# A step


def naive_sliced(source: Tensor, target: Tensor, ways: Tensor) -> Tensor:
    """Both sides repeated until they are of one number, sorted along each way, squared."""
    common = math.lcm(len(source), len(target))
    one, other = (each.repeat_interleave(common // len(each), dim=0) @ ways.T for each in (source, target))
    return (one.sort(dim=0).values - other.sort(dim=0).values).square().mean(dim=0).mean()


def naive_step(net: YShaped, terms: Sequence[str], step: Step, seed: int) -> Tensor:
    """Classification of the labelled samples of both domains, or both alignments."""
    (theirs, their_labels), (ours, labels) = step.source, step.target
    if terms == [ENTROPY]:
        target, source = net.branch("target")(ours), net.branch("source")(theirs)
        return sum(
            nn.functional.cross_entropy(spaces["classifier"], known)
            for spaces, known in ((source, their_labels), (target, labels))
        )
    target = net.branch("target")(torch.cat([ours, step.unlabelled[0]]))["embedding"]
    source = net.branch("source")(theirs)["embedding"]
    ways = [directions(50, 5, seed + number, like=source) for number in range(2)]
    total = naive_sliced(source, target[len(ours) :], ways[0])  # the unlabelled stand for the target
    for label in set(their_labels.tolist()) & set(labels.tolist()):
        mine = target[: len(ours)][labels == label]
        total = total + 0.5 * naive_sliced(source[their_labels == label], mine, ways[1])
    return total


@pytest.mark.parametrize("normalisation", ["instance", "batch"])
@pytest.mark.parametrize(
    "turns", [([ENTROPY], [SLICED, f"0.5*{CONDITIONAL}"]), ([SLICED, f"0.5*{CONDITIONAL}"], [ENTROPY])]
)
def test_it_is_a_plain_loop(
    train: Train, monkeypatch: pytest.MonkeyPatch, turns: tuple[list[str], list[str]], normalisation: str
) -> None:
    """Two forward passes a step, each with an SGD of its own, on the same samples; in either order."""
    steps: list[Step] = []
    drawn = Streams.epoch

    def noted(self: Streams, *args: int) -> Iterator[Step]:
        for step in drawn(self, *args):
            steps.append(step)
            yield step

    monkeypatch.setattr(Streams, "epoch", noted)
    run = train("run", *turns[0], alternate=turns[1], weight_decay=0.1, net=built(normalisation=normalisation))
    net = built(normalisation=normalisation)
    for name in ("preprocess", "source_preprocess"):
        getattr(net, name).load_state_dict(getattr(run.net, name).state_dict())
    groups = [
        {"params": [p for p in net.parameters() if p.ndim > 1], "weight_decay": 0.1},
        {"params": [p for p in net.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    optimizers = [torch.optim.SGD([dict(group) for group in groups], rate, momentum=0.9) for rate in (0.05, 0.02)]
    net.train()
    for number, step in enumerate(steps):
        for turn, (terms, optimizer) in enumerate(zip(turns, optimizers)):
            torch.manual_seed(mixed(0, (5, 9)[turn], number, 0))  # of the dropout
            optimizer.zero_grad()
            naive_step(net, terms, step, mixed(0, 12, turn, number)).backward()
            optimizer.step()
    found = tensors(run)
    assert len(steps) == 6
    for name, value in net.state_dict().items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-5, msg=name)


def test_one_step_together_is_the_sum(train: Train) -> None:
    """Alignments in the objective: unlabelled samples are seen, and counted in no accuracy."""
    run = train("run", ENTROPY, f"0.5*{SLICED}")
    log = run.log
    entropy = log[f"{ENTROPY} source"] + log[f"{ENTROPY} target"]
    np.testing.assert_allclose(log["total"], entropy + 0.5 * log[SLICED], rtol=1e-6)
    assert run.experiment.regime.alternate == []
    assert (log["images_per_second"] * log["seconds"]).tolist() == pytest.approx([45, 45])
    for name, samples in (("accuracy", 9), ("source_accuracy", 18)):
        assert (log[name] * samples).tolist() == pytest.approx((log[name] * samples).round().tolist())


def test_fine_tuning_sees_the_target_alone(train: Train) -> None:
    pretraining = FIRST | {"epochs": 1}
    run = train("run", batch=0, pretraining=pretraining, weight_decay=0.1)
    started = built()
    first = runs.open_run(run.folder / "source").net.state_dict()
    assert same({k: v for k, v in run.net.branch("source").state_dict().items() if k.startswith("encoder")},
                {k: v for k, v in first.items() if k.startswith("encoder")})  # fmt: skip
    assert not same(dict(run.net.encoder.state_dict()), dict(started.encoder.state_dict()))
    assert not {"source_accuracy", f"{ENTROPY} source"} & set(run.log)
    assert {"accuracy", f"{ENTROPY} target"} <= set(run.log)
    alone = train("alone", batch=0)
    assert same(dict(alone.net.source_encoder.state_dict()), dict(started.source_encoder.state_dict()))


@pytest.mark.parametrize("name", ALIGNMENTS)
def test_every_alignment_trains(train: Train, name: str) -> None:
    run = train("run", alternate=[f"{name}@embedding", f"{name}@classifier"], epochs=1, steps=2)
    assert np.isfinite(run.log.to_numpy(float)).all()
    assert not same(tensors(run), dict(built().state_dict()))


def test_the_classifier_of_domains_learns_and_is_saved(train: Train) -> None:
    term = "domain_adversarial(hidden=4)@embedding"
    run = train("run", alternate=[term], weight_decay=0.0)
    fresh = Objective(term)
    fresh.losses[0].bind(3, 5, 0)
    kept = {name: v for name, v in tensors(run, "state").items() if name.startswith("alternate.losses")}
    assert kept.keys() == {f"alternate.{name}" for name in fresh.state_dict()}
    for name, value in fresh.state_dict().items():
        assert not torch.equal(kept[f"alternate.{name}"], value), name
    assert run.log["domain_adversarial@embedding domain_accuracy"].between(0, 1).all()


# Degenerate embeddings


@pytest.mark.parametrize("name", ALIGNMENTS)
def test_embeddings_that_are_all_equal_train_on(train: Train, name: str) -> None:
    net = built()
    with torch.no_grad():
        for part in (net.source_encoder, net.encoder, net.embed):
            for weight in part.parameters():
                weight.zero_()
    run = train("run", alternate=[f"{name}@embedding"], net=net)
    assert np.isfinite(run.log.to_numpy(float)).all()
    assert not torch.equal(tensors(run)["head.bias"], built().head.bias)


def test_guesses_that_are_all_of_one_class_train_on(train: Train) -> None:
    net = built()
    with torch.no_grad():
        net.head.weight.zero_()
        net.head.bias.copy_(torch.tensor([9.0, 0, 0]))
    term = "conditional_sliced_wasserstein(confidence=0.9)@embedding"
    log = train("run", alternate=[term], net=net, rate=1e-5, alternate_rate=0.05).log
    assert (log[f"{CONDITIONAL} pseudo_labelled"] == 1).all()
    assert np.isfinite(log.to_numpy(float)).all()


# The pretraining


def test_the_pretraining_is_a_run_of_its_own(train: Train, root: Path, tmp_path: Path) -> None:
    """The one of a branch by itself; shared, it leads to the same transfer."""
    goal = ["crossentropy@classifier", "supcon@embedding"]
    options = {"pretraining": {**FIRST, "objective": goal, "views": 2, "shift": 2}, "alternate": [SLICED]}
    inside = train("inside", **options)
    opened = runs.open_run(inside.folder / "source")
    assert (opened.experiment.net.name, opened.origin, opened.facts["epochs"]) == ("branch", None, 2)
    alone = tmp_path / "alone"
    supervised(built().branch("source"), Objective(*goal), optical(root), out=alone, **FIRST, views=2, shift=2)
    assert same(tensors(alone), tensors(opened))
    shared = train("shared", pretrained=alone, **options)
    assert not (shared.folder / "source").exists()
    assert_same_run(shared, inside)


def test_the_target_starts_where_the_source_came_to(train: Train) -> None:
    run = train("run", pretraining=FIRST, keep=[0])
    start = built()
    start.branch("source").load_state_dict(tensors(run.folder / "source"))
    left = start_target_from_source(start)
    assert left == ["encoder.convolution.weight"]  # three bands, one band
    kept = tensors(run, "epoch0")
    for name, value in start.state_dict().items():
        assert torch.equal(kept[name], value) or name.startswith("preprocess"), name
    fitted = radar_pixels(run)
    assert float(kept["preprocess.mean"]) == pytest.approx(float(fitted.mean()), rel=0.02)


def radar_pixels(run: runs.Run) -> Tensor:
    """Training images of the target, with and without a label."""
    split = run.split
    rows = [*split.train.rows, *split.unlabelled.rows]
    return torch.stack([torch.from_numpy(np.array(split.source.read(row))) for row in rows]).float()


# What stays still


def start_and_end(run: runs.Run, part: str) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    prefix = {"source": "source_encoder.", "target": "encoder.", "embedding": "embed.", "head": "head."}[part]
    first, last = tensors(run, "epoch0"), tensors(run)
    return tuple({k: v for k, v in each.items() if k.startswith(prefix)} for each in (first, last))


@pytest.mark.parametrize("frozen", [["source"], ["target"], ["embedding", "head"], ["source", "target", "embedding"]])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_frozen_parts_stay_as_they_were(train: Train, frozen: list[str], optimizer: str) -> None:
    """With their running statistics, over epochs with a validation in between."""
    options: dict[str, Any] = {"optimizer": optimizer, "weight_decay": 0.5, "keep": [0]}
    net = built(normalisation="batch")
    run = train("run", ENTROPY, SLICED, net=net, freeze=frozen, **options)
    for part in ("source", "target", "embedding", "head"):
        first, last = start_and_end(run, part)
        assert first
        assert same(first, last) == (part in frozen), part


def test_the_second_step_leaves_parts_alone(train: Train) -> None:
    """Seen where the first moves hardly anything; where it does, it moves them all the same."""
    held = ["source", "head"]
    run = train("run", alternate=[SLICED], freeze_alternate=held, keep=[0], weight_decay=0.5, rate=1e-30)
    for part in ("source", "target", "embedding", "head"):
        first, last = start_and_end(run, part)
        still = all(torch.allclose(value, last[name], rtol=0, atol=1e-20) for name, value in first.items())
        assert still == (part in held), part
    again = train("again", alternate=[SLICED], freeze_alternate=held, keep=[0])
    assert not any(same(*start_and_end(again, part)) for part in held)


# What it leaves


def test_a_run_is_the_targets(train: Train, root: Path) -> None:
    run = train("run", alternate=[SLICED], target=radar(root, labels=2))
    again = runs.open_run(run.folder)
    assert again.split.digest() == run.split.digest() == runs.read_facts(run.folder)["split"]
    assert again.origin.digest() == optical(root).digest()
    assert isinstance(again.net, YShaped)
    assert same(dict(again.net.state_dict()), dict(run.net.state_dict()))
    unlabelled = next(name for name in run.split.classes if name not in set(run.split.train.facts["label"]))
    assert (run.facts["untaught"], run.facts["leaks"]) == ([unlabelled], [])
    assert run.facts["samples"]["unlabelled"] == 16
    assert run.facts["source_samples"] == 18


def test_it_can_be_audited(train: Train) -> None:
    run = train("run", pretraining=FIRST)
    audits = [sw.audit(run), sw.audit(runs.open_run(run.folder / "source"))]
    for audit, tested in zip(audits, (run.split.test, run.origin.test)):
        right = audit.table("accuracy").set_index("subset").loc["overall"]
        assert right["n"] == len(tested) == 6
        samples = audit.table("samples")
        assert [*samples[samples["part"] == "test"]["id"]] == [*tested.facts["id"]]


def test_the_settings_reach_the_log(train: Train) -> None:
    run = train("run", alternate=[SLICED])
    assert [*run.log.columns[:5]] == ["epoch", "rate", "accuracy", "source_accuracy", "total"]
    assert run.experiment.regime.steps == SETTINGS["steps"]
