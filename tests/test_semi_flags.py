"""Few labels from command-line flags: which images keep them, which method, which views."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from spacewise import learn
from spacewise.errors import InputError
from spacewise.experiment import Experiment, changed_experiment
from spacewise.flags import check_together, few_labels_from_flags, transfer_from_flags
from spacewise.methods import METHODS

pytestmark = pytest.mark.usefixtures("no_png")

Command = Callable[..., tuple[int, str, str]]
CLASSES = ("field", "port", "wood")


def write_scenes(root: Path, bands: int = 3, number: int = 10) -> Path:
    generator = np.random.default_rng(0)
    for name in CLASSES:
        (root / name).mkdir(parents=True)
        for index in range(number):
            pixels = generator.integers(0, 255, (16, 16, bands)[: 3 if bands > 1 else 2])
            Image.fromarray(pixels.astype(np.uint8)).save(root / name / f"{index:02}.png")
    return root


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of ten small RGB pictures."""
    return write_scenes(tmp_path_factory.mktemp("scenes"))


def made(data: object, **flags: Any) -> Experiment:
    given: dict[str, Any] = {"labels": "4/class", "method": "comatch", "faults": "", "source": "", "net": ""}
    given |= {"losses": [], "split": "", "size": None, "seed": 0}
    return few_labels_from_flags(str(data), **(given | flags))


# Which images keep their labels


def test_so_many_labels_of_each_class(scenes: Path) -> None:
    split = made(scenes).splits()[0]
    labels = split.train.facts["label"].value_counts()
    assert labels.to_dict() == dict.fromkeys(CLASSES, 4)
    assert len(split.unlabelled) == 30 - 12 - len(split.test)
    assert len(split.validation) == 0
    assert not set(split.unlabelled.rows) & {*split.train.rows, *split.test.rows}


def test_the_seed_draws_the_labels_and_not_the_test_images(scenes: Path) -> None:
    experiments = [made(scenes, seed=seed) for seed in (0, 7)]
    assert [each.seed for each in experiments] == [0, 7]
    first, second = (each.splits()[0] for each in experiments)
    assert set(first.test.rows) == set(second.test.rows)
    assert set(first.train.rows) != set(second.train.rows)


def test_a_number_in_all_and_all(scenes: Path) -> None:
    assert made(scenes, labels="7").data.split.options["labels"] == 7
    assert len(made(scenes, labels="7").splits()[0].train) == 7
    every = made(scenes, labels="all").splits()[0]
    assert (len(every.train) + len(every.test), len(every.unlabelled)) == (30, 0)


def test_as_released_learns_from_all_there_is(scenes: Path) -> None:
    experiment = made(scenes, faults="as-released")
    assert (experiment.regime.choose, experiment.regime.statistics) == ("test", "copied")
    assert not experiment.regime.normalise
    split = experiment.splits()[0]
    assert len(split.train) + len(split.test) == 30
    assert set(split.test.rows) <= set(split.unlabelled.rows)
    assert made(scenes, faults="corrected") == made(scenes)


def test_a_transfer_takes_so_many_of_each_class(scenes: Path, tmp_path: Path) -> None:
    radar = write_scenes(tmp_path / "radar", bands=1)
    flags = ("", "", ["crossentropy@classifier"], "", None, 0)
    experiment = transfer_from_flags(str(scenes), str(radar), "2/class", *flags)
    assert experiment.target.split.options["labels"] == "2/class"
    split = experiment.splits()[0]
    assert split.train.facts["label"].value_counts().to_dict() == dict.fromkeys(CLASSES, 2)


@pytest.mark.parametrize("labels", ["0/class", "-1/class", "4/clas", "/class", "1000/class", "1", "²", "many", "1000"])
def test_a_budget_that_is_none_is_one_line(scenes: Path, labels: str) -> None:
    with pytest.raises(InputError) as caught:
        made(scenes, labels=labels).splits()
    assert "labels" in str(caught.value) or f"too few for {labels}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_split_of_ones_own_holds_the_budget(scenes: Path) -> None:
    assert made(scenes, split="kfold").data.split.options["within"] == {"name": "kfold", "seed": 0}


# Method and network


@pytest.mark.parametrize("method", METHODS)
def test_a_method_is_its_objective_and_settings(scenes: Path, method: str) -> None:
    experiment = made(scenes, method=method)
    assert experiment.objective == list(METHODS[method].objective)
    settings = experiment.regime.model_dump()
    assert settings["name"] == "semi-supervised"
    assert METHODS[method].regime.items() <= settings.items()
    assert Experiment(**yaml.safe_load(experiment.yaml())) == experiment
    assert experiment.target is None


def test_the_experiment_of_the_docs_is_that_of_the_flags(scenes: Path) -> None:
    page = (Path(__file__).parents[1] / "docs" / "concepts.md").read_text(encoding="utf-8")
    blocks = [block for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if "semi-supervised" in block]
    assert len(blocks) == 1
    values = yaml.safe_load(blocks[0])
    values["data"]["source"]["root"] = str(scenes)
    assert Experiment(**values) == made(scenes, method="comatch+triplet")


def test_a_loss_stands_besides_the_methods(scenes: Path) -> None:
    more = ["0.5*supcon@embedding of unlabelled", "0.1*center@feature"]
    assert made(scenes, losses=more).objective == [*METHODS["comatch"].objective, *more]


def test_a_loss_that_the_method_has_is_refused(scenes: Path) -> None:
    with pytest.raises(InputError) as caught:
        made(scenes, losses=["2*crossentropy@classifier"])
    assert str(caught.value) == (
        "--loss 2*crossentropy@classifier: the method comatch has that term itself (crossentropy@classifier + "
        "consistency@classifier + graph_contrast@embedding); --loss adds others"
    )


@pytest.mark.parametrize(
    ("flags", "encoder", "size"), [({}, "resnet18", 60), ({"net": "wrn28-2", "size": 32}, "wrn28-2", 32)]
)
def test_the_network_is_an_encoder_with_a_projection(
    scenes: Path, flags: dict[str, Any], encoder: str, size: int
) -> None:
    experiment = made(scenes, **flags)
    assert experiment.net.model_dump() == {"name": "projected", "encoder": {"name": encoder}, "size": size}
    chain = experiment.chain(experiment.splits()[0])
    assert (chain.bands, chain.size) == (3, size)
    assert {"embedding", "classifier"} <= set(chain.spaces)


def test_the_views_suit_the_images(scenes: Path, tmp_path: Path) -> None:
    grey = write_scenes(tmp_path / "grey", bands=1, number=2)
    found = {str(data): made(data).regime.augmentation for data in (scenes, grey, "simulated", "simulated-zones")}
    assert found == {str(scenes): "optical", str(grey): "bands", "simulated": "radar", "simulated-zones": "bands"}


def test_settings_are_those_of_the_regime(scenes: Path) -> None:
    changes = ["epochs=2", "steps=200", "mu=3", "threshold=0.8", "augmentation=bands", "data.split.validation=0.1"]
    regime = changed_experiment(made(scenes), changes).regime
    assert (regime.epochs, regime.steps, regime.mu, regime.threshold) == (2, 200, 3, 0.8)
    assert regime.augmentation == "bands"


# Flags that do not go together


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("radar", "4", "comatch", ""), ["--method", "--target", "give one"]),
        (("", "", "comatch", ""), ["--labels is missing", "4/class"]),
        (("", "", "", "as-released"), ["--preset as-released", "--method comatch"]),
        (("radar", "32", "", "corrected"), ["--preset corrected", "--method comatch"]),
        (("", "32", "", ""), ["--labels 32 is the budget of a target: give --target", "--method comatch"]),
        (("", "all", "", ""), ["--labels all", "--target", "--method"]),
    ],
)
def test_flags_that_do_not_go_together(flags: tuple[str, str, str, str], words: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        check_together(*flags)
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    "flags", [("", "", "", ""), ("radar", "", "", ""), ("radar", "32", "", ""), ("", "all", "comatch", "as-released")]
)
def test_flags_that_go_together(flags: tuple[str, str, str, str]) -> None:
    check_together(*flags)


# The command


def train(spacewise: Command, data: Path, out: Path, *more: object, method: str = "comatch", labels: str = "4/class"):
    given = [word for flag, value in (("--method", method), ("--labels", labels)) if value for word in (flag, value)]
    return spacewise("train", "--data", data, *given, "--out", out, *more)


@pytest.mark.parametrize(
    ("given", "more", "words"),
    [
        ({"method": "comatc"}, (), ("unknown method 'comatc'", "did you mean 'comatch'?", "comatch+ccssl-out")),
        ({}, ("--preset", "asreleased"), ("unknown preset 'asreleased'", "did you mean 'as-released'?")),
        ({"labels": ""}, (), ("--labels is missing", "4/class")),
        ({"method": ""}, (), ("--labels 4/class is the budget of a target", "--method")),
        ({"method": "", "labels": ""}, ("--preset", "corrected"), ("--preset corrected", "--method")),
        ({}, ("--target", "radar"), ("--method", "--target")),
        ({"labels": "0/class"}, (), ("labels", "0/class")),
        ({}, ("--set", "threshold=1.5"), ("regime.threshold: input should be less than or equal to 1, not 1.5",)),
        ({}, ("--set", "threshold=-0.5"), ("regime.threshold: input should be greater than or equal to 0",)),
        ({}, ("--set", "mu=-1"), ("regime.mu: input should be greater than or equal to 0, not -1",)),
        ({}, ("--set", "augmentation=opticl"), ("regime.augmentation", "'optical', 'bands' or 'radar'", "'opticl'")),
        ({}, ("--set", "stps=3"), ("unknown key 'stps'", "did you mean 'steps'?")),
        ({}, ("--set", "shifts=3"), ("unknown key 'shifts'", "did you mean 'shift'?")),
        ({}, ("--net", "resnet19"), ("unknown encoder 'resnet19'", "did you mean 'resnet18'?")),
        ({}, ("--loss", "supco@embedding"), ("unknown loss 'supco'", "did you mean 'supcon'?")),
        ({}, ("--loss", "supcon@embedding of unlabeled"), ("unknown samples of a term 'unlabeled'", "'unlabelled'")),
    ],
)
def test_bad_input_is_one_line_and_leaves_no_folder(
    spacewise: Command, scenes: Path, tmp_path: Path, given: dict[str, str], more: tuple[str, ...], words: tuple[str]
) -> None:
    code, _, error = train(spacewise, scenes, tmp_path / "run", *more, **given)
    lines = [line for line in error.splitlines() if line.startswith("spacewise: ")]
    assert (code, len(lines)) == (2, 1), error
    assert "Traceback" not in error
    for word in words:
        assert word in lines[0]
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("flag", [("--method", "comatch"), ("--preset", "corrected"), ("--labels", "all")])
def test_a_method_is_refused_beside_an_experiment(spacewise: Command, tmp_path: Path, flag: tuple[str, str]) -> None:
    file = tmp_path / "experiment.yaml"
    for given, words in (((file, "--out", tmp_path / "run"), "--set seed=1"), (("--resume", tmp_path), "--resume")):
        code, _, error = spacewise("train", *given, *flag)
        assert (code, words in error) == (2, True), error


# The closing lines


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the training would have found out; it is left out."""
    facts = {"samples": {"train": 84, "validation": 0, "test": 420, "unlabelled": 1596}, "epochs": 10} | {
        "best_epoch": 10, "seconds": 7.0, "leaks": [], "status": "finished",
    }  # fmt: skip

    def start(experiment: Experiment, folder: Path, **_: Any) -> SimpleNamespace:
        return SimpleNamespace(folder=folder, experiment=experiment, facts=facts)

    monkeypatch.setattr(learn, "start", start)
    return facts


def closing(result: tuple[int, str, str]) -> list[str]:
    code, _, error = result
    assert code == 0, error
    return error.splitlines()


def test_it_says_what_it_learnt_from(spacewise: Command, scenes: Path, tmp_path: Path, trained: dict) -> None:
    lines = closing(train(spacewise, scenes, tmp_path / "run"))
    assert lines[0].endswith("(10 epochs, the last one is kept, 7 s)")
    assert lines[1] == "learnt from 84 labels and 1,596 images without one, views: optical"
    assert [line for line in lines if "skipped" in line] == []
    alone = closing(train(spacewise, scenes, tmp_path / "run", method="supervised"))
    assert alone[1] == "learnt from 84 labels alone, views: optical"


def test_it_says_what_was_skipped(spacewise: Command, scenes: Path, tmp_path: Path, trained: dict) -> None:
    trained |= {"unused": 2, "skipped": "2 of the unlabelled files cannot be read, such as [a].png"}
    lines = closing(train(spacewise, scenes, tmp_path / "run", "--preset", "as-released"))
    assert lines[0].endswith("(10 epochs, best on test: 10, 7 s)")
    assert lines[1].startswith("learnt from 84 labels and 1,594 images without one, views: ")
    assert lines[2] == "skipped: 2 of the unlabelled files cannot be read, such as [a].png"


def test_other_regimes_do_not_say_it(spacewise: Command, scenes: Path, tmp_path: Path, trained: dict) -> None:
    loss = ("--loss", "crossentropy@classifier")
    lines = closing(train(spacewise, scenes, tmp_path / "run", *loss, method="", labels=""))
    assert not [line for line in lines if "learnt from" in line]
