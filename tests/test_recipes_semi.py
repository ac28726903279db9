"""The recipe of few labels: its experiments, the choice of classes, and a small study from first step to page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from spacewise import runs
from spacewise.errors import InputError
from spacewise.methods import METHODS
from spacewise.recipes import RECIPES, Asked, plan, reproduce
from spacewise.recipes.recipe import Planned
from spacewise.recipes.semi import ARMS, CHOSEN, METHOD, choose
from spacewise.recipes.semi_printed import PRINTED, printed

pytestmark = pytest.mark.usefixtures("no_png")

TABLE2, TABLE3 = RECIPES["semi.table2"], RECIPES["semi.table3"]
SMALL = ("net.encoder=resnet20", "net.size=16", "batch=2", "steps=2")


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve classes of sixteen pictures: each class has a colour, which noise covers."""
    root, generator = tmp_path_factory.mktemp("scenes"), np.random.default_rng(0)
    for kind in range(12):
        (root / f"kind{kind:02}").mkdir()
        colour = generator.integers(0, 256, 3)
        for index in range(16):
            pixels = colour + generator.normal(0, 60, (16, 16, 3))
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(root / f"kind{kind:02}" / f"{index}.png")
    return root


def planned(scenes: Path, name: str = "semi.table3", **asked: Any) -> list[Planned]:
    return plan(RECIPES[name], Asked({"images": scenes}, **asked), Path("out"))


def test_the_rows_are_the_methods_with_the_papers_settings(scenes: Path) -> None:
    made = {each.key: each.experiment for each in planned(scenes)}
    assert [*made] == [*METHODS, "comatch-released"]
    for key, method in METHODS.items():
        regime = made[key].regime
        assert made[key].objective == list(method.objective), key
        assert (regime.batch, regime.epochs, regime.steps, regime.rate) == (32, 512, 1024, 0.03)
        assert regime.keep == [1, 5, 10]
        split = made[key].data.split.options
        assert (split["labels"], split.get("transductive", False)) == ("4/class", False)
        assert made[key].net.options == {"size": 60}  # the encoder is ResNet-18
    assert (made["comatch+ccssl-in"].regime.mu, made["comatch+ccssl-out"].regime.threshold) == (5, 0.6)


def test_as_released_differs_in_the_faults_alone(scenes: Path) -> None:
    made = {each.key: each.experiment.model_dump() for each in planned(scenes)}
    ours, theirs = made["comatch"], made["comatch-released"]
    regime = {key for key in ours["regime"] if ours["regime"][key] != theirs["regime"][key]}
    assert regime == {"choose", "statistics", "normalise"}
    split = {**ours["data"]["split"], **{"labels": "all", "transductive": True}}
    split.pop("labels")  # all is the default, which goes unsaid
    assert theirs["data"]["split"] == split
    assert {key for key in ours if ours[key] != theirs[key]} == {"data", "regime"}


def test_seeds_draw_labels_and_not_test_images(scenes: Path) -> None:
    first, second = (each.experiment for each in planned(scenes, only=["comatch"], folds=2))
    one, other = (made.split(made.source()) for made in (first, second))
    assert set(one.test.rows) == set(other.test.rows)
    assert set(one.validation.rows) == set(other.validation.rows)
    assert set(one.train.rows) != set(other.train.rows)
    assert (np.bincount(one.train.labels) == 4).all()


def test_networks_of_table_2(scenes: Path) -> None:
    made = {each.key: each.experiment.net.options.get("encoder") for each in planned(scenes, "semi.table2")}
    wide = {"name": "wrn28-2", "leak": 0.1, "momentum": 0.001}
    assert made == {"all-resnet18": None, "all-resnet50": "resnet50", "all-wrn28-2": wide}


@pytest.mark.parametrize(("asked", "kept"), [({"epochs": 7}, [1, 5]), ({"changes": ["epochs=1"]}, [])])
def test_epochs_that_there_are_not_are_not_kept(scenes: Path, asked: dict[str, Any], kept: list[int]) -> None:
    assert {tuple(each.experiment.regime.keep) for each in planned(scenes, **asked)} == {tuple(kept)}


@pytest.mark.parametrize("key", sorted(METHOD))
def test_what_tells_the_methods_apart_cannot_be_set(scenes: Path, key: str) -> None:
    with pytest.raises(InputError, match="would make other methods"):
        planned(scenes, changes=[f"{key}=1"])


def test_what_the_paper_prints_is_of_rows_that_there_are() -> None:
    assert {key for _, key in PRINTED} <= {*ARMS}
    table = pd.DataFrame({"set": ["AID, 10 classes", "mine, 3 classes"], "key": ["comatch", "comatch"]})
    assert printed(table).to_dict("records") == [
        {"set": "AID, 10 classes", "key": "comatch", "top1": 91.49, "best_top1": 92.19, "time": "247:58"}
    ]


def test_a_small_study(scenes: Path, tmp_path: Path) -> None:
    asked = Asked({"images": scenes}, epochs=1, folds=2, only=["supervised", "comatch", "comatch-released"])
    asked = Asked(asked.places, 2, 1, asked.only, SMALL)
    page = reproduce(TABLE3, asked, tmp_path)
    chosen = json.loads((tmp_path / "semi.classes.json").read_text())
    assert len(chosen["classes"]) == CHOSEN < len(chosen["errors"]) == 12
    errors = chosen["errors"]
    assert min(errors[name] for name in chosen["classes"]) >= max(
        errors[name] for name in errors if name not in chosen["classes"]
    )
    table = pd.read_csv(tmp_path / "semi.table3.csv")
    assert len(table) == 6
    labels = table.groupby("key")["labels"].first().to_dict()
    assert labels == {"comatch": 40, "supervised": 40, "comatch-released": 70}  # of 16 images 8 test, 1 validates
    assert table.set_index("key").loc["comatch-released", "transductive"].all()
    assert table["accuracy"].between(0, 1).all()
    run = runs.open_run(tmp_path / "runs" / "comatch-fold0")
    assert run.split.classes == tuple(chosen["classes"])
    text = page.read_text()
    for name in chosen["classes"]:
        assert name in text
    before = (tmp_path / "semi.classes.json").stat().st_mtime_ns
    assert choose(TABLE3, asked, tmp_path).found == chosen  # not chosen again
    assert (tmp_path / "semi.classes.json").stat().st_mtime_ns == before


def test_a_choice_of_another_training_is_not_taken(scenes: Path, tmp_path: Path) -> None:
    (tmp_path / "semi.classes.json").write_text(json.dumps({"classes": [], "errors": {}, "experiment": "other"}))
    with pytest.raises(InputError, match="was chosen by another training"):
        reproduce(TABLE3, Asked({"images": scenes}, 1, 1, ["supervised"], SMALL), tmp_path)


def test_a_set_of_few_classes_is_taken_whole(scenes: Path, tmp_path: Path) -> None:
    few = tmp_path / "few"
    few.mkdir()
    for name in ("kind00", "kind01", "kind02"):
        (few / name).symlink_to(scenes / name)
    asked = Asked({"images": few}, epochs=1, changes=SMALL)
    assert choose(TABLE3, asked, tmp_path / "out") == asked
    assert not (tmp_path / "out").exists()
