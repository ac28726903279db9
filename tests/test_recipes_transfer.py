"""Recipes of the transfer between two domains: experiments, shared runs, shared classes, and one run to its page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from spacewise import runs
from spacewise.errors import InputError
from spacewise.experiment import Experiment
from spacewise.recipes import RECIPES, Asked, places, plan, reproduce
from spacewise.recipes.eo_sar import METHOD
from spacewise.recipes.recipe import Planned
from spacewise.recipes.shared_classes import common_name, shared_classes
from spacewise.sources.zones import ZONES

pytestmark = pytest.mark.usefixtures("no_png")

FIGURES = [name for name in RECIPES if name.startswith("eo-sar.") and name != "eo-sar.transfer"]
UCM = """
    agricultural airplane baseballdiamond beach buildings chaparral denseresidential forest freeway golfcourse harbor
    intersection mediumresidential mobilehomepark overpass parkinglot river runway sparseresidential storagetanks
    tenniscourt
"""
AID = """
    Airport BareLand BaseballField Beach Bridge Center Church Commercial DenseResidential Desert Farmland Forest
    Industrial Meadow MediumResidential Mountain Park Parking Playground Pond Port RailwayStation Resort River School
    SparseResidential Square Stadium StorageTanks Viaduct
"""


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`aerial`, four classes in colour, and `grey`, four others of which three are the same under another name."""
    root, generator = tmp_path_factory.mktemp("scenes"), np.random.default_rng(0)
    names = {"aerial": ["beach", "harbor", "river", "runway"], "grey": ["Beach", "Port", "River", "Meadow"]}
    rows, columns = np.indices((16, 16))
    for place, kinds in names.items():
        for kind, name in enumerate(kinds):
            (root / place / name).mkdir(parents=True)
            for index in range(24):
                stripes = 128 + 80 * np.sin((rows * np.sin(kind) + columns * np.cos(kind)) + 6 * generator.random())
                pixels = stripes + generator.normal(0, 10, (16, 16))
                image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
                image.convert("RGB" if place == "aerial" else "L").save(root / place / name / f"{index}.png")
    return root


def planned(name: str, given: dict[str, Path] | None = None, **asked: Any) -> list[Planned]:
    return plan(RECIPES[name], Asked(given or {}, **asked), Path("out"))


@pytest.fixture
def unsplit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Saves the time of dividing the images of many experiments, of which only the descriptions are looked at."""
    monkeypatch.setattr(Experiment, "splits", lambda self: None)


def so2sat_of(root: Path, each: dict[str, int]) -> Path:
    """So2Sat LCZ42 with so many patches of every zone, of zero reflectance: a file takes no room for what is unset."""
    h5py = pytest.importorskip("h5py")
    root.mkdir()
    for name, count in each.items():
        with h5py.File(root / f"{name}.h5", "w") as opened:
            labels = np.tile(np.eye(len(ZONES)), (count, 1))
            opened["label"] = labels
            for sensor, bands in (("sen1", 8), ("sen2", 10)):
                opened.create_dataset(sensor, (len(labels), 32, 32, bands), "f8")
    return root


# Experiments


@pytest.mark.usefixtures("unsplit")
def test_a_curve_has_a_budget_a_point() -> None:
    made = planned("eo-sar.figure1", folds=2)
    assert len(made) == 2 * 3 * 3 * 4  # folds, sets of classes, methods, budgets
    for each in made:
        zones, method, labels = re.fullmatch(r"(.*)-(target|finetune|swd)-(\w+)", each.key).groups()
        experiment = each.experiment
        assert experiment.data.source.options.get("classes", "all") == zones
        assert str(experiment.target.split.options.get("labels", "all")) == labels
        assert (experiment.regime.pretraining is None) == (method == "target")
        assert (experiment.regime.batch == 0) == (method != "swd") == (not experiment.regime.alternate)
        assert experiment.seed == experiment.target.split.options.get("seed", 0) == each.fold
        assert experiment.net.options["normalisation"] == "instance"


@pytest.mark.usefixtures("unsplit")
def test_figures_share_their_runs() -> None:
    """The same folder means the same experiment, and the same experiment the same folder."""
    made = [each for name in FIGURES for each in planned(name)]
    by_folder: dict[Path, Experiment] = {}
    for each in made:
        assert by_folder.setdefault(each.folder, each.experiment) == each.experiment, each.folder
    assert len({each.experiment.yaml() for each in made}) == len(by_folder) < len(made)
    first, second = ({each.folder for each in planned(f"eo-sar.figure{n}")} for n in (1, 2))
    assert len(first & second) == 3 * 2 * 4  # fine-tuning and SWD transfer


def test_budgets_and_methods_share_their_pretraining() -> None:
    made = planned("eo-sar.figure2", only=["low-rise-*"])
    first = {each.experiment.pretraining().yaml() for each in made if each.experiment.regime.pretraining}
    assert len(first) == 2  # of either normalisation


def test_the_figures_take_real_data_where_they_are_named(tmp_path: Path) -> None:
    root = so2sat_of(tmp_path / "so2sat", {"training": 4, "validation": 1, "testing": 2})
    (each,) = planned("eo-sar.figure1", {"so2sat": root}, only=["urban-swd-32"])
    sources = [domain.source.model_dump() for domain in (each.experiment.data, each.experiment.target)]
    assert [named["name"] for named in sources] == ["so2sat", "so2sat"]
    assert {named["root"] for named in sources} == {str(root)}
    split, origin = each.experiment.splits()
    assert [len(part) for part in (split.train, split.unlabelled, split.test, origin.train)] == [32, 8, 20, 40]
    (simulated,) = planned("eo-sar.figure1", only=["urban-swd-32"])
    assert simulated.experiment.data.source.name == "simulated-zones"


def test_real_data_are_pretrained_on_for_as_many_steps_whatever_the_zones(tmp_path: Path) -> None:
    root = so2sat_of(tmp_path / "so2sat", {"training": 200, "validation": 1, "testing": 1})
    made = {each.key: each.experiment for each in planned("eo-sar.figure1", {"so2sat": root}, only=["*-32"])}
    for name, zones in (("low-rise", 4), ("urban", 10), ("all", 17)):
        steps = 200 * zones // 64  # of an epoch, which leaves its remainder out
        assert len(made[f"{name}-swd-32"].splits()[1].train) == 200 * zones
        for method in ("finetune", "swd"):
            epochs = made[f"{name}-{method}-32"].regime.pretraining.epochs
            assert abs(epochs * steps - 10_000) <= steps / 2, name
        assert made[f"{name}-target-32"].regime.pretraining is None
    assert {(each.regime.epochs, each.regime.steps) for each in made.values()} == {(50, 100)}


def test_a_change_of_the_pretraining_gives_none_to_a_baseline() -> None:
    changes = ["pretraining.epochs=1", "regime.pretraining.batch=8", "steps=2"]
    made = {each.key: each.experiment for each in planned("eo-sar.figure1", changes=changes, only=["urban-*-32"])}
    assert made["urban-target-32"].regime.pretraining is None
    for method in ("finetune", "swd"):
        pretraining = made[f"urban-{method}-32"].regime.pretraining
        assert (pretraining.epochs, pretraining.batch) == (1, 8)
    assert {each.regime.steps for each in made.values()} == {2}
    with pytest.raises(InputError, match="did you mean 'epochs'"):
        planned("eo-sar.figure1", changes=["pretraining.epohs=1"], only=["urban-swd-32"])


@pytest.mark.parametrize("prefix", ["", "regime.", " "])
@pytest.mark.parametrize("key", sorted(METHOD))
def test_what_tells_the_methods_apart_cannot_be_set(scenes: Path, key: str, prefix: str) -> None:
    given = {"batch": "8", "alternate": "[]", "pretraining": "{epochs: 1}", "objective": "[crossentropy@classifier]"}
    two = {"source": scenes / "aerial", "target": scenes / "grey"}
    for name, places_ in (("eo-sar.figure3", {}), ("eo-sar.transfer", two)):
        with pytest.raises(InputError) as caught:
            planned(name, places_, changes=["steps=2", f"{prefix}{key}={given.get(key, '{}')}"])
        assert str(caught.value) == (f"--set {key} would make other methods or budgets of the rows of {name}")


# Refused before anything is written


@pytest.mark.parametrize("only", [["swd-128"], ["target-128"], ["swd-32", "finetune-128"]])
def test_a_budget_beyond_the_data_is_met_before_the_first_training(
    scenes: Path, tmp_path: Path, only: list[str]
) -> None:
    asked = Asked({"source": scenes / "aerial", "target": scenes / "grey"}, only=only)
    with pytest.raises(InputError) as caught:
        reproduce(RECIPES["eo-sar.transfer"], asked, tmp_path / "out")
    assert f"{scenes / 'grey'}: labels must be 2 to 36, the number of training images" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_one_folder_is_no_transfer(scenes: Path, tmp_path: Path) -> None:
    asked = Asked({"source": scenes / "grey", "target": scenes / "aerial" / ".." / "grey"}, only=["swd-32"])
    with pytest.raises(InputError) as caught:
        reproduce(RECIPES["eo-sar.transfer"], asked, tmp_path / "out")
    assert str(caught.value) == (
        f"source and target are the same folder, {scenes / 'grey'}: a transfer goes from one set to another"
    )
    assert not (tmp_path / "out").exists()


# Places


def test_places_of_a_transfer(scenes: Path) -> None:
    given = {"source": scenes / "aerial", "target": scenes / "grey"}
    assert places(RECIPES["eo-sar.transfer"], [f"{name}={path}" for name, path in given.items()]) == given
    assert places(RECIPES["eo-sar.figure1"], []) == {}
    assert places(RECIPES["eo-sar.figure1"], [f"so2sat={scenes}"]) == {"so2sat": scenes}
    assert RECIPES["eo-sar.transfer"].usage == "--data source=DIR --data target=DIR"
    assert RECIPES["eo-sar.figure1"].usage == "[--data so2sat=DIR]"


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("transfer", [], "eo-sar.transfer needs --data source=DIR, the folder of the source"),
        ("transfer", ["source={root}"], "eo-sar.transfer needs --data target=DIR, the folder of the target"),
        ("transfer", ["target={root}"], "eo-sar.transfer needs --data source=DIR, the folder of the source"),
        ("transfer", ["source={root}", "target=nowhere"], "nowhere is no folder; --data target=DIR takes that of"),
        ("transfer", ["source={root}", "tagret={root}"], "'tagret': did you mean 'target'?"),
        ("figure1", ["so2sat=nowhere"], "nowhere is no folder; --data so2sat=DIR takes that of the images"),
        ("figure1", ["source={root}"], "unknown name for --data of eo-sar.figure1 'source'"),
    ],
)  # fmt: skip
def test_places_that_are_not_there_are_one_line(scenes: Path, name: str, given: list[str], message: str) -> None:
    with pytest.raises(InputError) as caught:
        places(RECIPES[f"eo-sar.{name}"], [option.format(root=scenes) for option in given])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


# Shared classes


def test_the_classes_that_two_sets_of_scenes_share() -> None:
    ours, theirs = shared_classes(UCM.split(), AID.split())
    assert len(ours) == len(theirs) == 12
    assert set(ours.values()) == set(theirs.values())
    assert all(common_name(name) == common for each in (ours, theirs) for name, common in each.items())
    assert (ours["harbor"], theirs["Port"], theirs["Farmland"], theirs["Viaduct"]) == (
        "harbor", "harbor", "agricultural", "overpass",
    )  # fmt: skip
    assert not {"airplane", "buildings", "runway"} & {*ours}
    assert not {"Airport", "Commercial", "Park"} & {*theirs}
    back, forth = shared_classes(AID.split(), UCM.split())
    assert (back, forth) == (theirs, ours)


def test_names_are_compared_without_case_and_spaces() -> None:
    assert shared_classes(["Storage Tanks", "river", "x"], ["storage_tanks", "RIVER", "y"]) == (
        {"Storage Tanks": "storagetanks", "river": "river"},
        {"storage_tanks": "storagetanks", "RIVER": "river"},
    )


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        (["a", "b"], ["c", "d"], "source and target share 0 classes, two are needed; there are a, b … and c, d …"),
        (["a", "b"], ["A", "d"], "source and target share 1 classes: a, two are needed"),
        ([], [], "source and target share 0 classes"),
    ],
)
def test_folders_that_share_too_little_are_one_line(source: list[str], target: list[str], message: str) -> None:
    with pytest.raises(InputError) as caught:
        shared_classes(source, target)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


# Run


def test_two_folders_to_a_page(scenes: Path, tmp_path: Path) -> None:
    changes = ["net.size=16", "steps=2", "target_batch=6", "unlabelled_batch=8", "precision=float32"]
    changes += ["pretraining.epochs=1", "pretraining.batch=24", "pretraining.precision=float32"]
    asked = Asked(
        {"source": scenes / "aerial", "target": scenes / "grey"},
        epochs=1,
        only=["target-32", "finetune-32", "swd-32"],
        changes=changes,
    )
    page = reproduce(RECIPES["eo-sar.transfer"], asked, tmp_path)
    assert "beach" in page.read_text(encoding="utf-8")
    table = pd.read_csv(tmp_path / "eo-sar.transfer.csv").set_index("method")
    assert [*table.index] == ["target labels only", "source, then fine-tune", "SWD transfer"]
    figures = ["source_accuracy", "separability", "distance", "matched"]
    assert table["accuracy"].between(0, 1).all()
    assert np.isfinite(table.drop(index="target labels only")[figures].to_numpy(float)).all()
    assert table.loc["target labels only", figures].isna().all()
    assert (table["labels"] == 32).all()
    assert table["chance"].tolist() == pytest.approx([1 / 3] * 3, abs=1e-4)
    folders = sorted(path.name for path in (tmp_path / "runs").iterdir())
    assert len([name for name in folders if name.startswith("pretraining-")]) == 1
    assert len(folders) == 4
    run = runs.open_run(tmp_path / "runs" / "swd-32-fold0")
    assert run.split.classes == run.origin.classes == ("beach", "harbor", "river")
