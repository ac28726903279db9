"""Short trainings with few labels: what a step is, what may not matter, what is logged and kept."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.learn.few_labels import (
    COMATCH,
    COSTS,
    ENTROPY,
    FIXED,
    SETTINGS,
    assert_same_run,
    built,
    few,
    fix_views,
    in_table,
    trained,
    write_pictures,
)
from tests.learn.two_domains import Tiny, same, tensors, tiny
from torch import Tensor
from torch.nn import functional

import spacewise as sw
from spacewise import runs
from spacewise.learn.batches import mixed
from spacewise.learn.pseudo_labels import PseudoLabels
from spacewise.learn.semi_supervised_training import GIVEN, Pair, Step
from spacewise.losses import Contrastive
from spacewise.methods import METHODS, TRIPLET
from spacewise.nets.chain import Chain, Spaces
from spacewise.splits import Part, Split

Train = Callable[..., runs.Run]
HINGE = "hinge_triplet@embedding of unlabelled"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with in_table():
        yield write_pictures(tmp_path_factory.mktemp("pictures"))


@pytest.fixture
def train(root: Path, tmp_path: Path) -> Train:
    """Trainings in tmp_path/NAME."""
    return lambda name, *terms, **options: trained(root, tmp_path / name, *terms, **options)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[Step]:
    """What every step took."""
    taken: list[Step] = []
    drawn = Pair.epoch

    def noted(self: Pair, *args: int) -> Iterator[Step]:
        for step in drawn(self, *args):
            taken.append(step)
            yield step

    monkeypatch.setattr(Pair, "epoch", noted)
    return taken


# A step, next to the equations of Li et al. (2021), Yang et al. (2022) and of the cosine triplets


class Loop:
    """Training in plain torch: five steps of SGD, queues of Python."""

    def __init__(self, net: Chain, objective: tuple[str, ...], settings: dict[str, Any], total: int) -> None:
        self.net, self.objective, self.settings, self.total = net.train(), objective, settings, total
        groups = [
            {"params": [p for p in net.parameters() if p.ndim > 1], "weight_decay": 0.05},
            {"params": [p for p in net.parameters() if p.ndim <= 1], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.SGD(groups, 1.0, momentum=0.9, nesterov=True)
        self.means: deque[Tensor] = deque(maxlen=32)
        self.bank: deque[tuple[Tensor, Tensor]] = deque(maxlen=2)
        self.average = [parameter.detach().clone() for parameter in net.parameters()]

    def step(self, number: int, step: Step) -> dict[str, float]:
        """One step; its row of the log."""
        images, labels = step.labelled
        views = [FIXED["labelled"](images)]
        if step.unlabelled is not None:
            views += [FIXED[name](step.unlabelled[0]) for name in ("weak", "first", "second")[: self.views]]
        torch.manual_seed(mixed(0, 5, number, 0))  # of the dropout
        spaces = self.net(torch.cat(views))
        seen = [{k: v.split([len(view) for view in views])[i] for k, v in spaces.items()} for i in range(len(views))]
        terms = {ENTROPY: functional.cross_entropy(seen[0]["classifier"], labels)}
        row = {}
        if step.unlabelled is not None:
            p = self.pseudo_labels(seen[1], seen[0], labels)
            mask = p.max(1).values >= self.settings["threshold"]  # (4)
            row = shares(mask, p.argmax(1), step.unlabelled[1])
            for text in self.objective[1:]:
                name, value = self.term(text, p, mask, *seen[2:])
                terms[name] = value
        total = sum(self.weight(text) * value for text, value in zip(self.objective, terms.values()))
        self.optimizer.zero_grad()
        total.backward()
        for group in self.optimizer.param_groups:
            group["lr"] = SETTINGS["rate"] * math.cos(7 * math.pi * number / (16 * self.total))
        self.optimizer.step()
        share = min(0.999, (2 + number) / (11 + number))
        self.average = [share * a + (1 - share) * p.detach() for a, p in zip(self.average, self.net.parameters())]
        right = seen[0]["classifier"].argmax(1) == labels
        row |= {name: float(value.detach()) for name, value in terms.items()}
        return row | {"total": float(total.detach()), "accuracy": float(right.float().mean())}

    @property
    def views(self) -> int:
        """Views of unlabelled images that the network sees: FixMatch has no second strong one."""
        return 3 if any(name in text for text in self.objective for name in ("graph", "class_aware")) else 2

    def weight(self, text: str) -> float:
        return float(text.partition("*")[0]) if "*" in text.partition("@")[0].partition("(")[0] else 1.0

    def pseudo_labels(self, weak: Spaces, labelled: Spaces, labels: Tensor) -> Tensor:
        """(2) alignment, (3) smoothing once the memory is full, then the batch joins it."""
        p = weak["classifier"].detach().softmax(1)
        if self.settings["alignment"]:
            self.means.append(p.mean(0))
            p = p / torch.stack([*self.means]).mean(0)
            p = p / p.sum(1, keepdim=True)
        if not self.settings["memory"]:
            return p
        own, z = p, weak["embedding"].detach()
        if len(self.bank) == 2:
            vectors, taken = (torch.cat(each) for each in zip(*self.bank))
            a = torch.exp(z @ vectors.T / 0.2)
            a = a / a.sum(1, keepdim=True)
            p = 0.9 * own + 0.1 * a @ taken
        self.bank.append((torch.cat([z, labelled["embedding"].detach()]), torch.cat([own, torch.eye(3)[labels]])))
        return p

    def term(self, text: str, p: Tensor, mask: Tensor, first: Spaces, *second: Spaces) -> tuple[str, Tensor]:
        """The name and the value of one term of unlabelled images."""
        z0 = first["embedding"]
        if "consistency" in text:
            wanted = torch.eye(3)[p.argmax(1)] if "hard" in text else p
            log = first["classifier"].log_softmax(1)
            return "consistency@classifier", (mask * -(wanted * log).sum(1)).mean()  # (5)
        if "graph_contrast" in text:
            return "graph_contrast@embedding", graph(p, z0, second[0]["embedding"])
        if "class_aware" in text:
            push = 0.9 if "push=0.9" in text else 0.0
            return "class_aware_contrast@embedding", class_aware(p, z0, second[0]["embedding"], push)
        assert text == TRIPLET
        return HINGE, 2 * cosine_triplets(z0, p.argmax(1))  # d^2 = 2 - 2 cos


def shares(mask: Tensor, guesses: Tensor, hidden: Tensor) -> dict[str, float]:
    """How many of the images without a label are confident, and how many of those are right, by counting."""
    counted = [(bool(m), int(g) == int(h)) for m, g, h in zip(mask, guesses, hidden) if int(h) != GIVEN]
    judged = [right for confident, right in counted if confident]
    found = {"coverage": len(judged) / len(counted)}
    return found | ({"purity": sum(judged) / len(judged)} if judged else {})


def graph(p: Tensor, z0: Tensor, z1: Tensor) -> Tensor:
    """(6)"""
    q = p @ p.T
    q.fill_diagonal_(1)
    q = q * (q >= 0.8)
    q = q / q.sum(1, keepdim=True)
    s = torch.exp(z0 @ z1.T / 0.2)
    return -(q * torch.log(s / s.sum(1, keepdim=True))).sum(1).mean()


def class_aware(p: Tensor, z0: Tensor, z1: Tensor, push: float) -> Tensor:
    z, number = torch.cat([z0, z1]), len(p)
    largest, classes = p.max(1)
    total = torch.zeros(())
    for i in range(2 * number):
        others = [j for j in range(2 * number) if j != i]
        below = torch.stack([torch.exp(z[i] @ z[k] / 0.07) for k in others]).sum()
        weights = []
        for j in others:
            a, b = i % number, j % number
            reach = bool(largest[a] >= push and largest[b] >= push)
            alike = classes[a] == classes[b] and reach
            weights.append(1.0 if a == b else float(largest[a] * largest[b]) if alike else 0.0)
        logs = [m * torch.log(torch.exp(z[i] @ z[j] / 0.07) / below) for m, j in zip(weights, others)]
        total = total - torch.stack(logs).sum() / sum(weights)
    return total / (2 * number)


def cosine_triplets(z: Tensor, labels: Tensor) -> Tensor:
    """Semi-hard ones, 0 < sim(a, p) - sim(a, n) <= 0.2, averaged over those above zero."""
    sim = z @ z.T
    values = []
    for a, p, n in np.ndindex(len(z), len(z), len(z)):
        if a != p and labels[a] == labels[p] and labels[a] != labels[n]:
            gap = sim[a, p] - sim[a, n]
            if 0 < gap <= 0.2 and 0.2 - gap > 0:
                values.append(0.2 - gap)
    return torch.stack(values).mean() if values else z.sum() * 0


@pytest.mark.parametrize("method", METHODS)
def test_it_is_a_plain_loop(train: Train, steps: list[Step], method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of five epochs of one step each: total, terms, shares, weights and their average."""
    fix_views(monkeypatch)
    chosen = METHODS[method]
    options = SETTINGS | {"alignment": 32, "weight_decay": 0.05, "epochs": 5, "steps": 1, "threshold": 0.7}
    options |= {key: value for key, value in chosen.regime.items() if key == "alignment" or value == 0}
    run = train("run", *chosen.objective, **options)
    net = built().to(memory_format=torch.channels_last)  # as the regime has it: sums are in the same order
    net.preprocess.load_state_dict(run.net.preprocess.state_dict())
    loop = Loop(net, chosen.objective, options, total=5)
    log = run.log
    coverages = []
    for number, step in enumerate(steps):
        row = loop.step(number, step)
        for name, value in row.items():
            assert log[name][number] == pytest.approx(value, rel=1e-5, abs=1e-5), (number, name)
        assert ("purity" in log and not math.isnan(log["purity"][number])) == ("purity" in row)
        coverages.append(row.get("coverage", 0.5))
    assert len(steps) == 5
    assert 0 < np.mean(coverages) < 1  # else nothing was masked
    found = tensors(run)
    for name, value in net.state_dict().items():
        torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-5)
    averaged = tensors(run, "averaged")
    for (name, _), value in zip(net.named_parameters(), loop.average, strict=True):
        torch.testing.assert_close(averaged[name], value, rtol=1e-5, atol=1e-5, msg=name)
    started = built().state_dict()
    assert not torch.allclose(found["encoder.embed.weight"], started["encoder.embed.weight"], atol=1e-3)


def test_labelled_images_are_among_those_without(train: Train, steps: list[Step], root: Path) -> None:
    """As in CoMatch: all 27 training images are taken in turn; the six with a label are marked, and not counted."""
    train("run", epochs=1, steps=9)
    split = few(root)
    taken = torch.cat([step.unlabelled[0] for step in steps])
    hidden = torch.cat([step.unlabelled[1] for step in steps])
    assert len(taken) == 4 * 27
    for part, marked in ((split.train, True), (split.unlabelled, False)):
        for row, label in zip(part.rows, part.labels):
            here = (taken == torch.from_numpy(split.source.read(row))).flatten(1).all(1)
            assert here.sum() == 4
            assert set(hidden[here].tolist()) == {GIVEN if marked else label}
    labels = torch.cat([step.labelled[1] for step in steps])
    assert torch.bincount(labels).tolist() == [12, 12, 12]


def test_labels_alone_are_plain_sgd(train: Train, steps: list[Step], root: Path) -> None:
    """With any network, and no unlabelled image taken; the drawn views of the labelled ones are the batch."""
    torch.manual_seed(0)
    net = tiny(3, 3, 16)
    options = {"mu": 0, "epochs": 1, "steps": 4, "weight_decay": 0.0, "momentum": 0.0, "nesterov": False}
    seen: list[Tensor] = []
    start = {name: value.clone() for name, value in net.state_dict().items()}
    hook = net.preprocess.register_forward_pre_hook(lambda it, given: seen.append(given[0]) if it.training else None)
    run = train("run", ENTROPY, net=net, schedule="constant", **options)
    hook.remove()
    plain = Tiny(3, 3, 16)
    plain.load_state_dict(start | {name: v for name, v in run.net.state_dict().items() if "preprocess" in name})
    assert len(seen) == len(steps) == 4
    for number, (images, step) in enumerate(zip(seen, steps)):
        assert step.unlabelled is None
        torch.manual_seed(mixed(0, 5, number, 0))
        plain.zero_grad()
        functional.cross_entropy(plain.train()(images)["classifier"], step.labelled[1]).backward()
        with torch.no_grad():
            for parameter in plain.parameters():
                parameter -= 0.02 * parameter.grad
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(tensors(run)[name], value, rtol=1e-5, atol=1e-6, msg=name)
    assert not {"purity", "coverage"} & {*run.log}
    assert (run.log["images_per_second"] * run.log["seconds"]).tolist() == pytest.approx([16])


# What may not matter, and what does


def with_other_labels(split: Split) -> Split:
    """The same parts; every unlabelled image is said to be of another class."""
    facts = split.source.facts.copy()
    rows = split.unlabelled.rows
    after = dict(zip(split.classes, (*split.classes[1:], split.classes[0])))
    column = facts.columns.get_loc("label")
    facts.iloc[rows, column] = [after[name] for name in facts["label"].iloc[rows]]
    source = replace(split.source, facts=facts)
    names = ("train", "validation", "test", "confusers", "unlabelled")
    return Split(source, **{name: Part(source, getattr(split, name).rows, split.classes) for name in names})


def test_true_labels_of_unlabelled_images_are_for_counting_alone(train: Train, root: Path) -> None:
    terms = (*COMATCH, "class_aware_contrast@embedding", TRIPLET, "center@feature of unlabelled")
    one, other = train("one", *terms), train("other", *terms, split=with_other_labels(few(root)))
    for name in ("best", "last", "averaged", "state"):
        assert same(tensors(one, name), tensors(other, name)), name
    kept = [name for name in one.log if name not in (*COSTS, "purity")]
    assert one.log[kept].equals(other.log[kept])
    assert not one.log["purity"].equals(other.log["purity"])


def test_a_seed_is_a_training(train: Train) -> None:
    runs_ = [train(str(number), seed=seed) for number, seed in enumerate((3, 3, 4))]
    assert_same_run(runs_[0], runs_[1])
    assert not same(tensors(runs_[0]), tensors(runs_[2]))
    assert not runs_[0].log["total"].equals(runs_[2].log["total"])


def test_whoever_draws_before_and_after_does_not_notice(train: Train) -> None:
    torch.manual_seed(1)
    one = train("one", epochs=1)
    drawn = torch.rand(3)
    torch.manual_seed(1)
    assert torch.equal(torch.rand(3), drawn)
    torch.manual_seed(2)
    assert_same_run(train("other", epochs=1), one)


def test_confident_images_alone_where_asked_for(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    """`confidence` masks terms of unlabelled images; the threshold masks the consistency."""
    counts: list[int] = []
    largest: list[Tensor] = []
    forward, guess = Contrastive.forward, PseudoLabels.forward

    def counting(self: Contrastive, embeddings: Tensor, labels: Tensor) -> Tensor:
        counts.append(len(labels))
        return forward(self, embeddings, labels)

    def noted(self: PseudoLabels, *args: Tensor) -> Tensor:
        targets = guess(self, *args)
        largest.append(targets.amax(1))
        return targets

    monkeypatch.setattr(Contrastive, "forward", counting)
    monkeypatch.setattr(PseudoLabels, "forward", noted)
    terms = (ENTROPY, "contrastive@feature of unlabelled")
    train("run", *terms, confidence=0.6, threshold=0.9)
    assert counts == [number for each in largest if (number := int((each >= 0.6).sum()))]
    assert 0 < sum(counts) < 12 * len(largest) == 72
    counts.clear()
    assert train("all", *terms).log["total"].notna().all()
    assert counts == [12] * 6
    counts.clear()
    none = train("none", *terms, confidence=1.0)
    assert counts == []
    assert none.log["contrastive@feature of unlabelled"].tolist() == [0, 0]


def test_a_loss_with_state_sees_unlabelled_images(train: Train) -> None:
    term = "0.1*center@feature of unlabelled"
    run = train("run", ENTROPY, term)
    centres = {name: v for name, v in tensors(run, "state").items() if name.startswith("objective.losses.1")}
    assert centres
    assert any(value.abs().sum() > 0 for value in centres.values())
    expected = run.log[ENTROPY] + 0.1 * run.log["center@feature of unlabelled"]
    np.testing.assert_allclose(run.log["total"], expected, rtol=1e-6)


# What is logged and kept


def test_the_columns_of_the_log(train: Train) -> None:
    log = train("run", *COMATCH, TRIPLET, threshold=0.4).log
    names = ["epoch", "rate", "accuracy", "purity", "coverage", "judged", "total", *COMATCH, HINGE]
    assert [*log] == [*names, "validation_accuracy", "averaged_accuracy", *COSTS]
    assert (
        log.drop(columns=["total", "rate", *COMATCH, HINGE, *COSTS, "epoch"]).map(lambda v: 0 <= v <= 1).all(axis=None)
    )
    assert log["data_share"].between(0, 1).all()
    assert (log["images_per_second"] * log["seconds"]).tolist() == pytest.approx([48, 48])
    assert (log["peak_memory_mb"] > 10).all()
    rates = [0.02 * math.cos(7 * math.pi * step / (16 * 6)) for step in (2, 5)]
    assert log["rate"].tolist() == pytest.approx(rates)


def test_no_confident_image_is_no_purity(train: Train) -> None:
    """1.0 is never reached: nothing to judge, nothing covered, no consistency."""
    log = train("run", threshold=1.0).log
    assert "purity" not in log or log["purity"].isna().all()
    assert log["coverage"].tolist() == [0, 0]
    assert log["consistency@classifier"].tolist() == [0, 0]


def test_unknown_true_labels_are_no_purity(train: Train, tmp_path: Path) -> None:
    root = write_pictures(tmp_path / "more", unlabelled=15)
    run = train("run", split=few(root, labels="all"), threshold=0.4)
    assert "purity" not in run.log
    assert (run.log["coverage"] > 0).all()
    assert run.facts["samples"]["unlabelled"] == 15
    both = train("both", split=few(root), threshold=0.4)
    assert both.log["purity"].between(0, 1).all()
    assert both.facts["samples"]["unlabelled"] == 36


def test_weights_are_kept(train: Train) -> None:
    run = train("run", keep=[0, 1, 2])
    names = {path.stem for path in (run.folder / "weights").glob("*.safetensors")}
    assert names == {"best", "last", "averaged", "epoch0", "epoch1", "epoch2"}
    assert same(tensors(run, "epoch2"), tensors(run, "last"))
    assert not same(tensors(run, "epoch1"), tensors(run, "last"))
    for name in ("best", "averaged", "epoch1"):
        opened = runs.open_run(run.folder, weights=name)
        assert same(dict(opened.net.state_dict()), tensors(run, name))
    assert not same(tensors(run, "averaged"), tensors(run, "last"))


def right(run: runs.Run, weights: str, part: str) -> float:
    """Accuracy of kept weights on a part, one image at a time."""
    run.load(weights)
    images = [run.split.source.read(row) for row in getattr(run.split, part).rows]
    with torch.no_grad():
        guesses = [int(run.net.eval()(torch.from_numpy(each)[None])["classifier"].argmax()) for each in images]
    return float(np.mean(np.array(guesses) == getattr(run.split, part).labels))


def test_validation_chooses_and_both_networks_are_asked(train: Train) -> None:
    run = train("run", epochs=4, rate=0.1)
    log = run.log
    best = log["validation_accuracy"][::-1].idxmax()
    assert run.facts["best_epoch"] == log["epoch"][best]
    assert right(run, "best", "validation") == pytest.approx(log["validation_accuracy"][best])
    assert right(run, "last", "validation") == pytest.approx(log["validation_accuracy"].iloc[-1])
    assert right(run, "averaged", "validation") == pytest.approx(log["averaged_accuracy"].iloc[-1])


def test_the_test_part_chooses_where_asked_for(train: Train) -> None:
    """The same training: only what is asked of it, and what is called best, is another."""
    run, other = (train(name, epochs=4, rate=0.1, choose=name) for name in ("test", "validation"))
    log = run.log
    assert "validation_accuracy" not in log
    best = log["test_accuracy"][::-1].idxmax()
    assert run.facts["best_epoch"] == log["epoch"][best]
    assert right(run, "best", "test") == pytest.approx(log["test_accuracy"][best])
    assert right(run, "averaged", "test") == pytest.approx(log["averaged_accuracy"].iloc[-1])
    assert same(tensors(run), tensors(other))
    assert run.log["total"].equals(other.log["total"])


def test_without_an_average(train: Train) -> None:
    run = train("run", average=0.0)
    assert "averaged_accuracy" not in run.log
    assert not (run.folder / "weights" / "averaged.safetensors").exists()
    assert not [name for name in tensors(run, "state") if name.startswith("average.")]
    with_it = train("with", average=0.9)
    assert same(tensors(run), tensors(with_it))


@pytest.mark.parametrize("statistics", ["copied", "estimated"])
def test_statistics_of_the_averaged_network(train: Train, statistics: str, root: Path) -> None:
    run = train("run", statistics=statistics, average=0.5)
    layer = "encoder.normalisation.running_mean"
    found, trained_, averaged = tensors(run, "averaged")[layer], tensors(run)[layer], tensors(run, "averaged")
    assert torch.equal(found, trained_) == (statistics == "copied")
    if statistics == "estimated":  # of all 27 training images, in one batch
        rows = np.union1d(run.split.train.rows, run.split.unlabelled.rows)
        assert len(rows) == 27
        images = torch.stack([torch.from_numpy(run.split.source.read(row)) for row in rows])
        net = built()
        net.load_state_dict(averaged)
        maps = net.encoder.convolution(net.preprocess(images))
        torch.testing.assert_close(found, maps.mean(dim=(0, 2, 3)), rtol=1e-4, atol=1e-4)
    for name in ("mean", "deviation"):
        assert torch.equal(averaged[f"preprocess.{name}"], tensors(run)[f"preprocess.{name}"])


@pytest.mark.parametrize("normalise", [True, False])
def test_a_view_that_is_not_normalised(
    train: Train, steps: list[Step], normalise: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first layer sees its pixels from 0 to 1; all other views are pixels less their mean, over the deviation."""
    fix_views(monkeypatch)
    net, seen = built(), []
    hook = net.encoder.convolution.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    run = train("run", net=net, epochs=1, steps=1, normalise=normalise, average=0.0, split=None)
    hook.remove()
    batch = next(each for each in seen if len(each) == 40)
    mean, deviation = run.net.preprocess.mean[:, None, None], run.net.preprocess.deviation[:, None, None]
    (images, _), (others, _) = steps[0].labelled, steps[0].unlabelled
    views = [FIXED["labelled"](images), *(FIXED[name](others) for name in ("weak", "first", "second"))]
    expected = [(view.float() - mean) / deviation for view in views]
    if not normalise:
        expected[3] = views[3].float() / 255
    for found, wanted in zip(batch.split([4, 12, 12, 12]), expected):
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


def test_it_can_be_audited(train: Train) -> None:
    run = train("run")
    audit = sw.audit(run)
    table = audit.table("accuracy")
    assert {*table[table["subset"] == "overall"]["n"]} == {len(run.split.test)} == {12}


def test_every_view_reaches_the_network_once(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    """One forward pass a step, of labelled and unlabelled images: normalisation sees all views together."""
    sizes: list[int] = []
    net = built()
    hook = net.register_forward_pre_hook(lambda module, given: sizes.append(len(given[0])) if module.training else None)
    train("run", net=net, epochs=1)
    hook.remove()
    assert sizes == [4 + 3 * 12] * 3
