"""Short trainings on tiny pictures: what they leave, and that an interruption changes nothing."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from spacewise import files, nets, runs, splits
from spacewise.cache import Decoded, decoded
from spacewise.errors import InputError
from spacewise.learn import state, supervised, training
from spacewise.learn.batches import Batches, in_order
from spacewise.learn.embed import embed
from spacewise.learn.prepare import some
from spacewise.learn.training import Training
from spacewise.losses import Loss
from spacewise.nets import Chain, wrap
from spacewise.objective import Objective
from spacewise.sources import Source, folder
from spacewise.splits import Split

TERMS = ("crossentropy@classifier", "0.1*center@feature", "0.5*contrastive@maps:max")
SETTINGS = {"epochs": 3, "batch": 6, "shift": 2, "rate": 0.01, "precision": "float32"}
STEPS = 3  # an epoch: 21 images train, 6 a batch
TIMES = ["seconds", "images_per_second"]
LOOP = vars(training)


class Killed(BaseException):
    """Stands for a process that ends between two lines: nothing catches it."""


@pytest.fixture(scope="module")
def split(chips: Source) -> Split:
    return splits.stratified(chips, test=0.25, validation=0.25)


@pytest.fixture(scope="module")
def undisturbed(split: Split, tiny_chain: Callable[..., Chain], tmp_path_factory: pytest.TempPathFactory) -> runs.Run:
    """What an interrupted training must come to."""
    place = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPACEWISE_CACHE", str(place / "cache"))
        return supervised(tiny_chain(), Objective(*TERMS), split, out=place / "run", **SETTINGS)


@pytest.fixture
def train(split: Split, tiny_chain: Callable[..., Chain], tmp_path: Path) -> Callable[..., runs.Run]:
    """Trains the tiny chain in tmp_path/NAME; anything can be given otherwise."""

    def run(name: str = "run", *, terms: tuple[Any, ...] = TERMS, **options: Any) -> runs.Run:
        net = options.pop("net", None) or tiny_chain()
        data = options.pop("split", split)
        return supervised(net, Objective(*terms), data, out=tmp_path / name, **(SETTINGS | options))

    return run


def tensors(run: runs.Run | Path, weights: str) -> dict[str, Tensor]:
    place = run.folder if isinstance(run, runs.Run) else run
    return files.read_tensors(place / "weights" / f"{weights}.safetensors")[0]


def assert_same_run(one: runs.Run, other: runs.Run) -> None:
    """Bit for bit, but for the times."""
    for weights in ("best", "last"):
        first, second = tensors(one, weights), tensors(other, weights)
        assert first.keys() == second.keys()
        assert all(torch.equal(first[name], second[name]) for name in first), weights
    logs = [run.log.drop(columns=TIMES) for run in (one, other)]
    pd.testing.assert_frame_equal(*logs, check_exact=True, check_like=True)
    assert one.facts["best_epoch"] == other.facts["best_epoch"]
    first, second = (files.read_tensors(run.folder / state.FILE)[0] for run in (one, other))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


# What a training leaves


def test_a_run_folder_holds_what_it_says(train: Callable[..., runs.Run]) -> None:
    run = train()
    left = sorted(path.relative_to(run.folder).as_posix() for path in run.folder.rglob("*") if path.is_file())
    assert left == [
        "experiment.yaml", "log.csv", "run.json", "split.parquet", "state.safetensors",
        "weights/best.safetensors", "weights/last.safetensors",
    ]  # fmt: skip
    assert runs.status(run.folder) == "finished"
    assert run.facts["epochs"] == 3
    assert run.facts["best_epoch"] in (1, 2, 3)
    assert run.facts["seconds"] >= 0
    assert list(run.folder.parent.iterdir()) == [run.folder]


def test_the_log_has_a_row_an_epoch_and_a_column_a_term(train: Callable[..., runs.Run]) -> None:
    log = train().log
    terms = ["crossentropy@classifier", "center@feature", "contrastive@maps:max"]
    validation = ["validation_accuracy"]
    assert set(log.columns) == {"epoch", "rate", "accuracy", "total", *terms, *validation, *TIMES}
    assert log["epoch"].tolist() == [1, 2, 3]
    weighted = log[terms[0]] + 0.1 * log[terms[1]] + 0.5 * log[terms[2]]
    np.testing.assert_allclose(log["total"], weighted, rtol=1e-6)
    assert log["accuracy"].between(0, 1).all()
    assert log["validation_accuracy"].between(0, 1).all()
    assert (log[TIMES] > 0).all().all()


def test_the_loss_goes_down_and_classes_are_learnt(train: Callable[..., runs.Run]) -> None:
    log = train(epochs=14, terms=TERMS[:1], rate=0.03).log
    assert log["total"].iloc[-1] < 0.5 * log["total"].iloc[0]
    assert log["validation_accuracy"].iloc[-1] > 0.6


def test_the_run_has_the_weights_that_did_best(train: Callable[..., runs.Run]) -> None:
    run = train()
    best, last = tensors(run, "best"), tensors(run, "last")
    assert run.weights == "best"
    assert all(torch.equal(value, best[name]) for name, value in run.net.state_dict().items())
    run.load("last")
    assert all(torch.equal(value, last[name]) for name, value in run.net.state_dict().items())
    log = run.log
    assert run.facts["best_epoch"] == log[log["validation_accuracy"] == log["validation_accuracy"].max()]["epoch"].max()


def test_without_validation_the_last_weights_are_kept(train: Callable[..., runs.Run], chips: Source) -> None:
    run = train(split=splits.stratified(chips, test=0.25, validation=0))
    assert "validation_accuracy" not in run.log
    assert run.facts["best_epoch"] == 3
    best, last = tensors(run, "best"), tensors(run, "last")
    assert all(torch.equal(best[name], last[name]) for name in last)


def test_the_input_is_standardised_by_the_training_images(train: Callable[..., runs.Run], split: Split) -> None:
    net = train(epochs=1).net
    pixels = torch.stack([torch.from_numpy(np.array(split.source.read(row))) for row in split.train.rows]).float()
    assert not bool(net.preprocess.root)
    assert float(net.preprocess.mean) == pytest.approx(float(pixels.mean()), rel=0.02)
    assert 0 < float(net.preprocess.deviation) < 255


def test_a_training_of_thousands_fits_on_two_thousand_images(split: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.zeros(3999, np.int64)
    part = splits.Part(split.source, rows, split.classes)
    images = Decoded(torch.zeros(1, 1, 1, 1), np.zeros((1, 2)), np.zeros(1))
    chosen = some(images, part)
    assert len(chosen) <= 2000


def test_settings_rule_the_rate(train: Callable[..., runs.Run]) -> None:
    log = train(schedule="cosine", rate=0.02).log
    steps = np.array([2, 5, 8])  # the last of each epoch, counted from 0
    np.testing.assert_allclose(log["rate"], 0.02 * (1 + np.cos(np.pi * steps / 9)) / 2)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_fixed_copies_lengthen_the_epoch(train: Callable[..., runs.Run], optimizer: str) -> None:
    run = train(copies=2, epochs=1, optimizer=optimizer)
    assert run.log["images_per_second"].iloc[0] * run.log["seconds"].iloc[0] == pytest.approx(60, rel=1e-6)


def test_spaces_without_a_classifier_are_trained_too(train: Callable[..., runs.Run], split: Split) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    run = train(net=wrap(module, {"feature": "3"}, 1, 16), terms=("contrastive(dissimilar_margin=4.0)@feature",))
    assert run.log["total"].iloc[-1] < run.log["total"].iloc[0]
    assert run.facts["best_epoch"] == 3
    assert "accuracy" not in run.log, "an accuracy that nobody can measure"


def test_a_module_of_ones_own_is_trained(train: Callable[..., runs.Run], split: Split) -> None:
    torch.manual_seed(0)
    trunk = nn.Sequential(nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(2))
    module = nn.Sequential(trunk, nn.Flatten(), nn.Linear(24, 3))
    before = trunk[0].weight.clone()
    net = wrap(module, {"maps": "0.2", "feature": "1", "classifier": "2"}, 1, 16)
    run = train(net=net, terms=("crossentropy@classifier", "0.1*contrastive@maps"))
    assert not torch.equal(trunk[0].weight, before)
    assert run.experiment.net.name == "custom"
    torch.manual_seed(1)
    twin = nn.Sequential(nn.Sequential(nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.AdaptiveAvgPool2d(2)),
                         nn.Flatten(), nn.Linear(24, 3))  # fmt: skip
    opened = runs.open_run(run.folder, net=wrap(twin, {"maps": "0.2", "feature": "1", "classifier": "2"}, 1, 16))
    assert torch.equal(opened.net.module[2].weight, module[2].weight)


def test_weights_that_are_shared_are_trained_and_kept(train: Callable[..., runs.Run]) -> None:
    torch.manual_seed(0)
    one, other = nn.Linear(16, 16), nn.Linear(16, 16)
    other.weight = one.weight
    module = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), one, nn.ReLU(), other, nn.Linear(16, 3))
    run = train(net=wrap(module, {"feature": "4", "classifier": "5"}, 1, 16), terms=TERMS[:1], epochs=1)
    assert torch.equal(one.weight, tensors(run, "last")["module.2.weight"])


def test_in_half_precision(train: Callable[..., runs.Run]) -> None:
    run = train(precision="bf16", epochs=1)
    assert run.facts["precision"] == "bf16-mixed"
    assert {value.dtype for name, value in run.net.state_dict().items() if name.endswith("weight")} == {torch.float32}


def test_outside_the_main_thread(train: Callable[..., runs.Run], undisturbed: runs.Run) -> None:
    """Signals are then whoever's business who runs it."""
    with ThreadPoolExecutor(1) as pool:
        assert_same_run(undisturbed, pool.submit(train).result())


class Listening:
    """A logger that keeps what it hears."""

    def __init__(self) -> None:
        self.heard: dict[int, dict[str, float]] = {}

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        self.heard[step] = metrics


def test_a_logger_is_called_every_epoch(train: Callable[..., runs.Run]) -> None:
    logger = Listening()
    run = train(logger=logger)
    assert list(logger.heard) == [1, 2, 3]
    assert [metrics["total"] for metrics in logger.heard.values()] == run.log["total"].tolist()


def test_the_global_generator_is_left_alone(train: Callable[..., runs.Run]) -> None:
    """Else the next network that somebody draws depends on what was trained before it."""
    torch.manual_seed(5)
    expected = torch.rand(4)
    torch.manual_seed(5)
    train(epochs=1)
    assert torch.equal(torch.rand(4), expected)


# Determinism


def test_one_seed_one_result(train: Callable[..., runs.Run]) -> None:
    first = train("first")
    torch.manual_seed(123)
    assert_same_run(first, train("second"))
    other = tensors(train("other", seed=1), "last")
    assert any(not torch.equal(value, other[name]) for name, value in tensors(first, "last").items())


def test_an_objective_that_was_used_before_starts_anew(
    split: Split, tiny_chain: Callable[..., Chain], tmp_path: Path
) -> None:
    goal = Objective(*TERMS)
    one, other = (supervised(tiny_chain(), goal, split, out=tmp_path / name, **SETTINGS) for name in ("one", "other"))
    assert_same_run(one, other)


# Interruptions


def interrupting(monkeypatch: pytest.MonkeyPatch, epoch: int, step: int, stop: Callable[[], None]) -> None:
    """Calls `stop` before the given step of the given epoch."""
    steady = Batches.epoch

    def drawn(self: Batches, number: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        for count, batch in enumerate(steady(self, number, start), start=start):
            if (number, count) == (epoch, step):
                stop()
            yield batch

    monkeypatch.setattr(Batches, "epoch", drawn)


PLACES = [(0, 0), (0, STEPS - 1), (1, 1), (2, STEPS - 1)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(("epoch", "step"), PLACES)
def test_interrupted_and_resumed_as_undisturbed(
    train: Callable[..., runs.Run],
    undisturbed: runs.Run,
    monkeypatch: pytest.MonkeyPatch,
    epoch: int,
    step: int,
    number: int,
) -> None:
    before = signal.getsignal(number)
    with monkeypatch.context() as patch:
        interrupting(patch, epoch, step, lambda: os.kill(os.getpid(), number))
        with pytest.raises(KeyboardInterrupt):
            train()
    assert signal.getsignal(number) == before
    assert_same_run(undisturbed, train(resume=True))


def test_an_interrupted_run_says_that_it_is_not_finished(
    train: Callable[..., runs.Run], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with monkeypatch.context() as patch:
        interrupting(patch, 1, 1, lambda: os.kill(os.getpid(), signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            train()
    assert runs.status(tmp_path / "run") == "training"
    assert len(pd.read_csv(tmp_path / "run" / "log.csv")) == 1


def test_the_columns_of_the_log_keep_their_order(
    train: Callable[..., runs.Run], undisturbed: runs.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        interrupting(patch, 0, 1, lambda: os.kill(os.getpid(), signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            train()
    assert train(resume=True).log.columns.tolist() == undisturbed.log.columns.tolist()


def kill() -> None:
    raise Killed


@pytest.mark.parametrize(("epoch", "step"), PLACES)
def test_killed_and_resumed_from_the_last_state_as_undisturbed(
    train: Callable[..., runs.Run], undisturbed: runs.Run, monkeypatch: pytest.MonkeyPatch, epoch: int, step: int
) -> None:
    """Nothing is saved on the way out; at (0, 0) nothing has ever been saved."""
    with monkeypatch.context() as patch:
        patch.setitem(LOOP, "SAVE_AFTER", 0.0)
        interrupting(patch, epoch, step, kill)
        with pytest.raises(Killed):
            train()
    assert_same_run(undisturbed, train(resume=True))


def killing(monkeypatch: pytest.MonkeyPatch, after: int) -> list[str]:
    """Ends the training in place of its n-th file taking its name; notes those that did."""
    written: list[str] = []
    steady = Path.replace

    def replace(self: Path, target: Path) -> Path:
        if len(written) == after:
            raise Killed
        written.append(target.name)
        return steady(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    return written


@pytest.mark.parametrize("after", range(3, 14))
def test_killed_between_two_files_and_resumed_as_undisturbed(
    train: Callable[..., runs.Run],
    undisturbed: runs.Run,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    after: int,
) -> None:
    """Three files make the folder; best, state and log follow each epoch; last and run.json end it."""
    with monkeypatch.context() as patch:
        written = killing(patch, after)
        try:
            train()
        except Killed:
            assert len(written) == after
        else:
            assert len(written) <= after
            pytest.skip("the training was over: not every epoch is the best")
    for partial in tmp_path.rglob(".*.partial"):
        assert partial.is_file()
    resumed = train(resume=True)
    assert_same_run(undisturbed, resumed)
    assert resumed.facts["epochs"] == 3
    assert runs.status(resumed.folder) == "finished"
    assert not list(resumed.folder.rglob("*.partial"))


def test_a_finished_run_that_is_resumed_stays_as_it_is(train: Callable[..., runs.Run], tmp_path: Path) -> None:
    run = train()
    shutil.copytree(run.folder, tmp_path / "before")
    again = train(resume=True)
    assert_same_run(again, runs.Run(tmp_path / "before", run.experiment, run.net, run.split))


# What is refused, in one line and before anything is written


def test_a_run_that_exists_is_not_overwritten(train: Callable[..., runs.Run], tmp_path: Path) -> None:
    train(epochs=1)
    weights = (tmp_path / "run" / "weights" / "last.safetensors").read_bytes()
    with pytest.raises(InputError, match="already holds a finished run; give another --out"):
        train(epochs=1)
    (tmp_path / "mine").mkdir()
    with pytest.raises(InputError, match="already exists and is no run"):
        train("mine")
    assert (tmp_path / "run" / "weights" / "last.safetensors").read_bytes() == weights


def test_what_was_never_begun_cannot_be_resumed(train: Callable[..., runs.Run], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no run: it does not exist"):
        train("none", resume=True)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"epochs": 4}, "epochs"),
        ({"seed": 1}, "seed"),
        ({"terms": TERMS[:2]}, "contrastive@maps:max"),
        ({"terms": (*TERMS, "center@classifier")}, "center@classifier"),
    ],
)
def test_another_experiment_does_not_continue_a_run(
    train: Callable[..., runs.Run], monkeypatch: pytest.MonkeyPatch, other: dict[str, Any], said: str
) -> None:
    with monkeypatch.context() as patch:
        interrupting(patch, 1, 1, lambda: os.kill(os.getpid(), signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            train()
    with pytest.raises(InputError, match="the run began with another experiment") as caught:
        train(resume=True, **other)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_data_do_not_continue_a_run(
    train: Callable[..., runs.Run], pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Path(shutil.copytree(pictures, tmp_path / "pictures"))

    def split() -> Split:
        return splits.stratified(folder(place), test=0.25, validation=0.25)

    with monkeypatch.context() as patch:
        interrupting(patch, 1, 1, lambda: os.kill(os.getpid(), signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            train(split=split())
    for name in ("dots", "checks", "stripes"):
        for number in range(4):
            shutil.copy(place / name / f"{name}{number:02d}.png", place / name / f"{name}{90 + number}.png")
    with pytest.raises(InputError, match="data have changed"):
        train(split=split(), resume=True)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "unknown setting": ({"epoch": 3}, "unknown key 'epoch': did you mean 'epochs'"),
    "unknown space": ({"terms": ("crossentropy@clasifier",)}, "unknown space 'clasifier': did you mean 'classifier'"),
    "copies without shift": ({"copies": 2, "shift": 0}, "copies=2 needs a shift above 0"),
    "shift as large as the image": ({"shift": 16}, "shift must be 0 to 15 pixels"),
    "odd batch of pairs": ({"batch": 7, "terms": ("contrastive(pairs='siamese')@feature",)}, "even batch"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_trained_is_refused_before_a_folder_is_made(
    train: Callable[..., runs.Run], tmp_path: Path, what: str
) -> None:
    options, message = REFUSED[what]
    with pytest.raises(InputError) as caught:
        train(**options)
    assert message in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("wrong", [{"bands": 3}, {"classes": 2}])
def test_a_network_for_other_data_is_refused_before_a_folder_is_made(
    train: Callable[..., runs.Run], tiny_chain: Callable[..., Chain], tmp_path: Path, wrong: dict[str, int]
) -> None:
    with pytest.raises(InputError) as caught:
        train(net=tiny_chain(**wrong))
    assert "3" in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_pairs_of_halves_validate_on_any_number_of_samples(train: Callable[..., runs.Run], chips: Source) -> None:
    odd = splits.stratified(chips, test=0.25, validation=0.3)
    assert len(odd.validation) % 2
    run = train(split=odd, shift=0, terms=("crossentropy@classifier", "contrastive(pairs='siamese')@feature"))
    assert run.log["validation_accuracy"].notna().all()


# Stopping early


def scored(monkeypatch: pytest.MonkeyPatch, rows: list[tuple[float, float]]) -> None:
    """Validation says what it is told to, epoch by epoch: accuracy and objective."""

    def validate(self: Training) -> dict[str, float]:
        accuracy, _ = rows[self.facts["epoch"]]
        return {"validation_accuracy": accuracy}

    monkeypatch.setattr(Training, "validate", validate)


@pytest.mark.parametrize(
    ("accuracies", "patience", "epochs", "best"),
    [
        ([0.5, 0.6, 0.5, 0.5, 0.9], 2, 4, 2),
        ([0.5, 0.6, 0.5, 0.7, 0.5, 0.5, 0.5], 2, 6, 4),
        ([0.5, 0.4, 0.3, 0.2, 0.1], 0, 5, 1),
        ([0.9, 0.8], 1, 2, 1),
    ],
)
def test_patience_ends_a_training(
    train: Callable[..., runs.Run],
    monkeypatch: pytest.MonkeyPatch,
    accuracies: list[float],
    patience: int,
    epochs: int,
    best: int,
) -> None:
    scored(monkeypatch, [(accuracy, 1.0) for accuracy in accuracies])
    run = train(epochs=len(accuracies), patience=patience, terms=TERMS[:1])
    assert (run.facts["epochs"], run.facts["best_epoch"]) == (epochs, best)


def test_patience_without_validation_never_ends_a_training(train: Callable[..., runs.Run], chips: Source) -> None:
    run = train(split=splits.stratified(chips, test=0.25, validation=0), epochs=4, patience=1, terms=TERMS[:1])
    assert run.facts["epochs"] == 4


@pytest.mark.parametrize(("each", "column"), [(0.3, True), (0.01, False)])
def test_without_a_classifier_recall_chooses_where_it_can_tell(
    train: Callable[..., runs.Run], chips: Source, each: float, column: bool
) -> None:
    """One held-out image of each class has none of its own to find."""
    module = nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    split = splits.stratified(chips, test=0.25, validation=each)
    terms = ("contrastive(dissimilar_margin=4.0)@feature",)
    run = train(net=wrap(module, {"feature": "2"}, 1, 16), split=split, terms=terms, epochs=2)
    assert ("validation_recall" in run.log) == column


def test_patience_waits_for_accuracy_alone(train: Callable[..., runs.Run], monkeypatch: pytest.MonkeyPatch) -> None:
    """A lower objective at the same accuracy makes better weights, but does not prolong the training."""
    scored(monkeypatch, [(0.8, 1.0), (0.8, 0.9), (0.8, 0.8), (0.8, 0.7), (0.8, 0.6), (0.8, 0.5)])
    run = train(epochs=6, patience=2, terms=TERMS[:1])
    assert (run.facts["epochs"], run.facts["best_epoch"]) == (3, 3)


def test_of_equal_accuracies_the_later_epoch_wins(
    train: Callable[..., runs.Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    scored(monkeypatch, [(0.8, 1.0), (0.8, 0.5), (0.8, 0.7), (0.8, 0.6), (0.7, 0.1)])
    assert train(epochs=5, terms=TERMS[:1]).facts["best_epoch"] == 4


def test_a_loss_of_ones_own_is_trained(train: Callable[..., runs.Run]) -> None:
    class Length(Loss):
        name = "length"

        def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
            return embeddings.square().sum(dim=1).mean()

    run = train(terms=("crossentropy@classifier", 0.01 * Length() @ "feature"), epochs=1)
    assert "length@feature" in run.log


# Divergence


class Poison(Loss):
    """Not a number from the n-th training batch on."""

    name = "poison"

    def __init__(self, after: int) -> None:
        super().__init__()
        self.left = after

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        self.left -= self.training
        return embeddings.sum() * (float("nan") if self.left < 0 else 0.0)


def assert_sound(place: Path) -> None:
    """The state can be read, and all that it holds is finite."""
    kept, _ = files.read_tensors(place / state.FILE)
    assert all(value.isfinite().all() for value in kept.values() if value.is_floating_point())


@pytest.mark.parametrize("every", [0.0, 10.0])
def test_divergence_is_one_line_and_the_last_good_state_stays(
    train: Callable[..., runs.Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: float
) -> None:
    monkeypatch.setitem(LOOP, "SAVE_AFTER", every)
    with pytest.raises(InputError, match=r"diverged: .* no longer finite in epoch 2; lower the rate") as caught:
        train(terms=(*TERMS, Poison(STEPS + 1) @ "feature"))
    assert "poison@feature" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert_sound(tmp_path / "run")
    assert len(pd.read_csv(tmp_path / "run" / "log.csv")) == 1
    assert all(value.isfinite().all() for value in tensors(tmp_path / "run", "best").values())


@pytest.mark.parametrize("epochs", [1, 2])
def test_weights_that_leave_the_numbers_in_the_last_step_are_noticed(
    train: Callable[..., runs.Run], tmp_path: Path, epochs: int
) -> None:
    """The loss of a step is that of the weights before it: the last step's harm shows in no loss."""
    with pytest.raises(InputError, match="training diverged"):
        train(epochs=epochs, batch=21, rate=1e38, optimizer="sgd", schedule="constant", terms=TERMS[:1])
    for file in (tmp_path / "run").rglob("*.safetensors"):
        kept, _ = files.read_tensors(file)
        assert all(value.isfinite().all() for value in kept.values() if value.is_floating_point()), file.name


# Applying a network to a part


def test_embedding_a_part_is_the_forward_pass_in_order(split: Split, tiny_chain: Callable[..., Chain]) -> None:
    chain = tiny_chain().train()
    images = decoded(split.source, 16).images
    names = ["maps:max", "feature", "classifier"]
    found = embed(chain, in_order(images, split.test, batch=4), names)
    assert chain.training
    with torch.no_grad():
        spaces = chain.eval()(images[torch.from_numpy(split.test.rows)])
    expected = {
        "maps:max": spaces["maps"].amax((2, 3)),
        "feature": spaces["feature"],
        "classifier": spaces["classifier"],
    }
    assert list(found) == names
    for name in names:
        assert found[name].dtype == np.float32
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5, atol=1e-6)


# Two processes

TWO = """
import sys
import torch
from spacewise import nets, splits
from spacewise.learn import supervised
from spacewise.objective import Objective
from spacewise.sources import folder

torch.set_num_threads(1)
split = splits.stratified(folder(sys.argv[1]), test=0.25, validation=0.25)
torch.manual_seed(0)
net = nets.ding(3, 1, 48, feature=8)
goal = Objective("crossentropy@classifier", "0.1*center@feature", "0.5*contrastive@block2:max")
supervised(net, goal, split, out=sys.argv[2], epochs=2, batch=6, shift=2, rate=0.01, precision="float32")
assert torch.distributed.is_initialized(), "each process trained by itself"
assert torch.distributed.get_world_size() == 2
"""


def test_two_processes_agree_with_one(
    two_processes: Callable[..., None], split: Split, pictures: Path, tmp_path: Path
) -> None:
    two_processes(TWO, pictures, tmp_path / "two")
    torch.manual_seed(0)
    net = nets.ding(3, 1, 48, feature=8)
    goal = Objective("crossentropy@classifier", "0.1*center@feature", "0.5*contrastive@block2:max")
    settings = {"epochs": 2, "batch": 6, "shift": 2, "rate": 0.01, "precision": "float32"}
    one = supervised(net, goal, split, out=tmp_path / "one", **settings)
    found = tensors(tmp_path / "two", "last")
    for name, values in tensors(one, "last").items():
        torch.testing.assert_close(found[name], values, rtol=0, atol=1e-5, msg=name)
    columns = ["epoch", "accuracy", "total", "center@feature", "validation_accuracy"]
    logs = [pd.read_csv(tmp_path / name / "log.csv")[columns] for name in ("one", "two")]
    pd.testing.assert_frame_equal(*logs, check_exact=False, rtol=1e-4)
    states = [files.read_tensors(tmp_path / name / state.FILE)[0] for name in ("one", "two")]
    torch.testing.assert_close(*(each["objective.losses.1.centers"] for each in states), rtol=0, atol=1e-5)
