"""Trainings under losses that compare samples: on some classes, judged on others."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from spacewise import files, nets, runs, splits
from spacewise.audits.retrieval import kept_epochs
from spacewise.cache import decoded
from spacewise.errors import InputError
from spacewise.experiment import Experiment
from spacewise.learn import start, state, supervised
from spacewise.learn.batches import Batches, in_order
from spacewise.learn.embed import embed, unreached
from spacewise.learn.schedule import optimizer, set_rate
from spacewise.learn.training import Training
from spacewise.nets import Chain
from spacewise.nets.embedding import EmbeddingVGG
from spacewise.nets.vgg import convolutions
from spacewise.objective import Objective
from spacewise.regime import Supervised
from spacewise.sources import folder
from spacewise.splits import Split

CLASSES, EACH, SIDE = 10, 8, 24
STEPS = 4  # an epoch: three classes of eight train, six samples a batch
SPLIT = {"validation": 0.4}
SETTINGS: dict[str, Any] = {"epochs": 3, "batch": 6, "per_class": 2, "rate": 0.003, "precision": "float32"}
VIEWS = {"flip": True, "crop": 0.7}
TERM = "smooth_triplet@fc6"
TIMES = ["seconds", "images_per_second"]


def wave(kind: int, seed: int) -> np.ndarray:
    """Stripes: direction and distance are the class, place and noise the sample."""
    generator = np.random.default_rng([kind, seed])
    rows, columns = np.indices((SIDE, SIDE))
    angle, length = np.pi * kind / CLASSES, 4 + kind % 3
    phase = (rows * np.sin(angle) + columns * np.cos(angle)) / length + generator.random()
    return (128 + 80 * np.sin(2 * np.pi * phase) + generator.normal(0, 12, (SIDE, SIDE))).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def waves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("waves")
    for kind in range(CLASSES):
        (root / f"wave{kind}").mkdir()
        for index in range(EACH):
            Image.fromarray(wave(kind, index)).save(root / f"wave{kind}" / f"{index}.png")
    return root


@pytest.fixture(scope="module")
def split(waves: Path) -> Split:
    return splits.class_disjoint(folder(waves), **SPLIT)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Convolutions that somebody trained."""
    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("given") / "vgg16_bn.pth"
    torch.save(nn.ModuleDict({"features": convolutions(1, normalisation=True, width=8)}).state_dict(), path)
    return path


def built(name: str = "netA", **options: Any) -> EmbeddingVGG:
    given = {"width": 8} | ({} if name == "netD" else {"dimension": 8}) | options
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nets.NETS[name](3, 1, 32, **given)


@pytest.fixture
def train(split: Split, tmp_path: Path) -> Callable[..., runs.Run]:
    """Trains NetA in tmp_path/NAME; anything can be given otherwise."""

    def run(name: str = "run", *, net: Chain | None = None, terms: tuple[str, ...] = (TERM,), **options: Any):
        data = options.pop("split", split)
        return supervised(net or built(), Objective(*terms), data, out=tmp_path / name, **(SETTINGS | options))

    return run


def tensors(run: runs.Run | Path, weights: str) -> dict[str, Tensor]:
    place = run.folder if isinstance(run, runs.Run) else run
    return files.read_tensors(place / "weights" / f"{weights}.safetensors")[0]


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> set[str]:
    """Names of the tensors that are equal bit for bit."""
    assert one.keys() == other.keys()
    return {name for name, value in one.items() if torch.equal(value, other[name])}


def assert_same_run(one: runs.Run, other: runs.Run, *kept: str) -> None:
    """Bit for bit, but for the times."""
    for name in ("best", "last", *kept):
        first, second = tensors(one, name), tensors(other, name)
        assert same(first, second) == first.keys(), name
    logs = [run.log.drop(columns=TIMES) for run in (one, other)]
    pd.testing.assert_frame_equal(*logs, check_exact=True)
    first, second = (files.read_tensors(run.folder / state.FILE)[0] for run in (one, other))
    assert same(first, second) == first.keys()


# Judged on classes that are not trained


def recall(values: np.ndarray, labels: np.ndarray) -> float:
    """Share of samples whose nearest other one, by angle, is of their class."""
    unit = values.astype(np.float64) / np.linalg.norm(values.astype(np.float64), axis=1, keepdims=True)
    right = 0
    for index, query in enumerate(unit):
        distances = ((unit - query) ** 2).sum(axis=1)
        distances[index] = np.inf
        right += labels[distances.argmin()] == labels[index]
    return right / len(labels)


def test_the_log_says_recall_on_classes_that_are_not_trained(train: Callable[..., runs.Run], split: Split) -> None:
    run = train()
    assert list(run.log.columns) == ["epoch", "rate", "total", TERM, "validation_recall", *TIMES]
    images = decoded(split.source, 32).images
    run.load("last")
    values = embed(run.net, in_order(images, split.validation), ["fc6"])["fc6"]
    assert len(split.validation.classes) == 2
    assert run.log["validation_recall"].iloc[-1] == pytest.approx(recall(values, split.validation.labels))
    assert run.log["validation_recall"].between(0, 1).all()
    best = run.log[run.log["validation_recall"] == run.log["validation_recall"].max()]
    assert run.facts["best_epoch"] == best["epoch"].max()


def test_the_deepest_space_under_the_objective_is_judged(train: Callable[..., runs.Run], split: Split) -> None:
    run = train(net=built("netE"), terms=("0.5*smooth_triplet@pool5.3", TERM), epochs=1)
    values = embed(run.net, in_order(decoded(split.source, 32).images, split.validation), ["fc6"])["fc6"]
    assert run.log["validation_recall"].iloc[-1] == pytest.approx(recall(values, split.validation.labels))


def test_a_classifier_of_the_trained_classes_is_judged_by_recall_too(train: Callable[..., runs.Run]) -> None:
    run = train(net=built(head=True), terms=("crossentropy@classifier",), epochs=1)
    assert "validation_recall" in run.log
    assert "validation_accuracy" not in run.log
    assert run.log["accuracy"].between(0, 1).all()


def test_without_held_out_classes_the_last_weights_are_kept(train: Callable[..., runs.Run], waves: Path) -> None:
    run = train(split=splits.class_disjoint(folder(waves), validation=0))
    assert "validation_recall" not in run.log
    assert run.facts["best_epoch"] == 3


def test_the_loss_goes_down(train: Callable[..., runs.Run]) -> None:
    log = train(epochs=12, rate=0.01).log
    assert log["total"].iloc[-1] < 0.5 * log["total"].iloc[0]


def test_views_are_trained_on(train: Callable[..., runs.Run]) -> None:
    plain, seen, again = train("plain"), train("seen", **VIEWS), train("again", **VIEWS)
    assert "fc6.weight" not in same(tensors(plain, "last"), tensors(seen, "last"))
    assert_same_run(seen, again)


# Kept epochs


def test_the_start_and_the_epochs_asked_for_are_kept(train: Callable[..., runs.Run], split: Split) -> None:
    net = built()
    first = {name: value.clone() for name, value in net.state_dict().items()}
    run = train(net=net, keep=[0, 2, 3])
    kept = sorted(path.stem for path in (run.folder / "weights").iterdir())
    assert kept == ["best", "epoch0", "epoch2", "epoch3", "last"]
    started = tensors(run, "epoch0")
    assert first.keys() - same(first, started) == {"preprocess.mean", "preprocess.deviation"}
    assert float(started["preprocess.deviation"]) > 1
    assert same(tensors(run, "epoch3"), tensors(run, "last")) == first.keys()
    assert "features.0.weight" not in same(tensors(run, "epoch2"), tensors(run, "last"))
    run.load("epoch0")
    assert run.weights == "epoch0"
    assert same(dict(run.net.state_dict()), started) == first.keys()


@pytest.mark.parametrize(("keep", "named"), [([0, 4], 4), ([-1], -1), ([1, 2, 9, 10], 9)])
def test_epochs_that_there_are_not_cannot_be_kept(
    train: Callable[..., runs.Run], tmp_path: Path, keep: list[int], named: int
) -> None:
    with pytest.raises(InputError, match=rf"keep names epoch {named}, the training has epochs 0 \(its start\) to 3"):
        train(keep=keep)
    assert not (tmp_path / "run").exists()


def test_weights_that_were_not_kept_are_named(train: Callable[..., runs.Run]) -> None:
    run = train(keep=[1])
    with pytest.raises(InputError, match=r"unknown weights 'epoch2': did you mean 'epoch1'"):
        run.load("epoch2")


def test_epochs_that_patience_never_came_to_are_not_there(
    train: Callable[..., runs.Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Training, "validate", lambda self: {"validation_recall": 1 / (1 + self.facts["epoch"])})
    run = train(keep=[0, 1, 3], patience=1)
    assert (run.facts["epochs"], run.facts["best_epoch"]) == (2, 1)
    with pytest.raises(InputError, match="has no epoch3 weights; it has: best, epoch0, epoch1, last"):
        run.load("epoch3")
    table = pd.concat([part.facts.assign(part=name, target=part.labels) for name, part in run.split.parts.items()])
    found = kept_epochs(tmp_path / "epoch", run, run.split.parts, table, np.ones(len(table), bool), 0)
    assert set(found["weights"]) == {"epoch0", "epoch1"}


# Layers that started from given weights


@pytest.mark.parametrize("name", ["adamw", "sgd"])
@pytest.mark.parametrize("net", ["netA", "netB", "netD"])
def test_given_layers_are_held_and_then_move(
    train: Callable[..., runs.Run], weights: Path, net: str, name: str
) -> None:
    chain = built(net, weights=str(weights))
    space = chain.spaces[-1]
    run = train(net=chain, terms=(f"smooth_triplet@{space}",), optimizer=name, freeze=STEPS, keep=[0, 1], epochs=2)
    learnt = {key for key, _ in chain.named_parameters()}
    given = set(chain.given)
    assert given == {key for key in learnt if key.startswith("features.")} - (
        {key for key in learnt if key.startswith(("features.40.", "features.41."))} if net == "netB" else set()
    )
    started, held, moved = (tensors(run, kept) for kept in ("epoch0", "epoch1", "last"))
    source = torch.load(weights, weights_only=True)
    assert given <= {key for key, value in source.items() if torch.equal(value, started[key])}
    # a bias before a normalisation has no gradient to speak of: it may stay where it was
    biases = {key for key in learnt if key.endswith("bias")}
    assert same(started, held) & learnt >= given
    assert not same(started, held) & (learnt - given - biases)
    assert not same(held, moved) & (learnt - biases)


def test_without_freezing_given_layers_move_at_once(train: Callable[..., runs.Run], weights: Path) -> None:
    run = train(net=built(weights=str(weights)), keep=[0], epochs=1)
    assert "features.0.weight" not in same(tensors(run, "epoch0"), tensors(run, "last"))


def test_without_given_weights_nothing_is_held(train: Callable[..., runs.Run]) -> None:
    held, free = train("held", freeze=99, epochs=1), train("free", epochs=1)
    first = tensors(free, "last")
    assert same(tensors(held, "last"), first) == first.keys()


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_given_parameters_have_groups_of_their_own(name: str) -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(2, 2))
    settings = Supervised(optimizer=name, weight_decay=0.3, rate=0.5, schedule="cosine")
    made = optimizer([net], settings, ("0.weight", "0.bias"))
    groups = [(group["given"], group["weight_decay"], [id(p) for p in group["params"]]) for group in made.param_groups]
    assert groups == [
        (False, 0.3, [id(net[2].weight)]),
        (False, 0.0, [id(net[1].weight), id(net[1].bias), id(net[2].bias)]),
        (True, 0.3, [id(net[0].weight)]),
        (True, 0.0, [id(net[0].bias)]),
    ]
    assert set_rate(made, settings, 0.5, hold=True) == pytest.approx(0.25)
    assert [group["lr"] for group in made.param_groups] == pytest.approx([0.25, 0.25, 0, 0])
    set_rate(made, settings, 0.5)
    assert [group["lr"] for group in made.param_groups] == pytest.approx([0.25] * 4)


# Interruptions


def interrupting(monkeypatch: pytest.MonkeyPatch, epoch: int, step: int) -> None:
    """Asks the training to stop before the given step of the given epoch."""
    steady = Batches.epoch

    def drawn(self: Batches, number: int, first: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        for count, batch in enumerate(steady(self, number, first), start=first):
            if (number, count) == (epoch, step):
                os.kill(os.getpid(), signal.SIGINT)
            yield batch

    monkeypatch.setattr(Batches, "epoch", drawn)


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_interrupted_and_resumed_as_undisturbed(
    train: Callable[..., runs.Run], weights: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """While layers are held, at their release, and after it."""
    options = {**VIEWS, "keep": [0, 1], "freeze": STEPS + 1, "optimizer": name}
    undisturbed = train("undisturbed", net=built(weights=str(weights)), **options)
    places = ((0, 2), (1, 1), (2, STEPS - 1))
    for number, (epoch, step) in enumerate(places if name == "sgd" else places[1:2]):
        with monkeypatch.context() as patch:
            interrupting(patch, epoch, step)
            with pytest.raises(KeyboardInterrupt):
                train(f"run{number}", net=built(weights=str(weights)), **options)
        resumed = train(f"run{number}", net=built(weights=str(weights)), resume=True, **options)
        assert_same_run(undisturbed, resumed, "epoch0", "epoch1")


# The file of given weights


def experiment(waves: Path, weights: Path, **regime: Any) -> Experiment:
    return Experiment(
        data={"source": {"name": "folder", "root": str(waves)}, "split": {"name": "class-disjoint", **SPLIT}},
        net={"name": "netA", "size": 32, "width": 8, "dimension": 8, "weights": str(weights)},
        objective=[TERM],
        regime=SETTINGS | regime,
    )


def test_a_run_is_opened_without_the_file_that_it_started_from(waves: Path, weights: Path, tmp_path: Path) -> None:
    mine = Path(shutil.copy(weights, tmp_path / "mine.pth"))
    run = start(experiment(waves, mine, epochs=1, keep=[0]), tmp_path / "run")
    mine.unlink()
    opened = runs.open_run(tmp_path / "run")
    assert opened.experiment == run.experiment
    assert opened.net.given == ()
    first = dict(run.net.state_dict())
    assert same(first, dict(opened.net.state_dict())) == first.keys()
    runs.open_run(tmp_path / "run", weights="epoch0")


def test_a_missing_file_is_named_before_a_folder_is_made(waves: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.pth do not exist; fetch torchvision's vgg16_bn"):
        start(experiment(waves, tmp_path / "none.pth"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_experiment_names_its_file_from_the_root(waves: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(waves)
    assert experiment(waves, Path("a.pth")).net.options["weights"] == str(waves / "a.pth")


# Two processes


@pytest.mark.parametrize(
    ("spaces", "above"),
    [
        (["fc6"], {"embeddings.fc7", "head"}),
        (["pool5.3"], {"embeddings.fc6", "embeddings.fc7", "head"}),
        (["pool4.1", "fc7"], {"head"}),
        (["probability"], set()),
    ],
)
def test_layers_above_every_loss_are_reached_by_no_gradient(spaces: list[str], above: set[str]) -> None:
    """No process may wait for their gradients."""
    net = built("netE", head=True)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    found = unreached(net, spaces)
    assert {name.rpartition(".")[0] for name in found} == above
    assert net.training
    assert same(before, dict(net.state_dict())) == before.keys()
    assert all(parameter.grad is None for parameter in net.parameters())


TWO = """
import json, sys
import torch
from spacewise import nets, splits
from spacewise.learn import supervised
from spacewise.objective import Objective
from spacewise.sources import folder

torch.set_num_threads(1)
split = splits.class_disjoint(folder(sys.argv[1]), validation=0.4)
torch.manual_seed(0)
net = nets.ding(3, 1, 48, feature=8)  # its last layer has no loss
supervised(net, Objective("smooth_triplet@feature"), split, out=sys.argv[2], **json.loads(sys.argv[3]))
assert torch.distributed.get_world_size() == 2
"""


def test_two_processes_agree_with_one(
    two_processes: Callable[..., None], train: Callable[..., runs.Run], waves: Path, tmp_path: Path
) -> None:
    settings = SETTINGS | VIEWS | {"epochs": 2, "shift": 1}
    two_processes(TWO, waves, tmp_path / "two", json.dumps(settings))
    torch.manual_seed(0)
    one = train("one", net=nets.ding(3, 1, 48, feature=8), terms=("smooth_triplet@feature",), **settings)
    found, expected = tensors(tmp_path / "two", "last"), tensors(one, "last")
    for name, values in expected.items():
        torch.testing.assert_close(found[name], values, rtol=0, atol=1e-5, msg=name)
    columns = ["epoch", "total", "validation_recall"]
    logs = [pd.read_csv(tmp_path / name / "log.csv")[columns] for name in ("one", "two")]
    pd.testing.assert_frame_equal(*logs, check_exact=False, rtol=1e-4)
