"""Recipes: which experiments make a table or figure, and which runs they share."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from tests.sources.classification_files import write_cifar10, write_cifar100
from torch import nn

from spacewise import runs, sources
from spacewise.errors import InputError
from spacewise.explain.make import Question
from spacewise.nets.vgg import convolutions
from spacewise.recipes import RECIPES, Asked, places, plan, reproduce
from spacewise.recipes.layers import ARMS, LAST, PAPER, STUDIES
from spacewise.recipes.losses_printed import printed
from spacewise.recipes.recipe import Planned, first_of_its_kind
from spacewise.recipes.three_views import known_set

pytestmark = pytest.mark.usefixtures("no_png")

FIGURE5 = RECIPES["layers.figure5"]
EPOCHS = 25  # of the recipe


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight classes of six pictures: stripes of eight directions."""
    root, generator = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    rows, columns = np.indices((16, 16))
    for kind in range(8):
        (root / f"kind{kind}").mkdir()
        for index in range(6):
            angle, phase = np.pi * kind / 8, generator.random()
            values = np.sin(2 * np.pi * ((rows * np.sin(angle) + columns * np.cos(angle)) / 5 + phase))
            pixels = 128 + 90 * values + generator.normal(0, 10, (16, 16))
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(root / f"kind{kind}" / f"{index}.png")
    return root


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "vgg16_bn.pth"
    torch.save(nn.ModuleDict({"features": convolutions(1, normalisation=True, width=8)}).state_dict(), path)
    return path


def planned(images: Path, name: str = "layers.figure5", weights: Path | None = None, **asked: Any) -> list[Planned]:
    given = {"images": images} | ({"weights": weights} if weights else {})
    return plan(RECIPES[name], Asked(given, **asked), Path("out"))


# Experiments


def test_a_figure_has_an_experiment_a_network(images: Path, weights: Path) -> None:
    made = planned(images, weights=weights)
    assert [each.key for each in made] == ["netA", "netD", "netE", "netF"]
    for each in made:
        experiment = each.experiment
        assert experiment.net.name == each.key
        assert experiment.net.options == {"weights": str(weights), "size": 224}
        assert experiment.objective == [f"smooth_triplet@{LAST[each.key]}"]
        assert experiment.data.source.model_dump() == {"name": "folder", "root": str(images)}
        assert experiment.data.split.model_dump() == {"name": "class-disjoint"}
        regime = experiment.regime
        assert (regime.epochs, regime.batch, regime.per_class, regime.freeze) == (EPOCHS, 32, 4, 100)
        assert (regime.optimizer, regime.momentum, regime.weight_decay, regime.rate) == ("sgd", 0.9, 5e-4, 0.01)
        assert experiment.seed == 0
        assert each.folder == Path(f"out/runs/{each.key}-fold0")


def test_a_network_from_scratch_takes_no_weights(images: Path, weights: Path) -> None:
    options = {each.key: each.experiment.net.options for each in planned(images, "layers.figure4", weights)}
    assert {key for key, given in options.items() if "weights" in given} == {"netA", "netB"}
    assert all("weights" not in each.experiment.net.options for each in planned(images, "layers.figure4"))


def test_folds_differ_in_classes_and_seed(images: Path) -> None:
    made = planned(images, folds=3, only=["netD"])
    assert [each.fold for each in made] == [each.experiment.seed for each in made] == [0, 1, 2]
    assert [each.experiment.data.split.options.get("fold", 0) for each in made] == [0, 1, 2]
    assert len({each.folder for each in made}) == 3
    splits = [each.experiment.split(each.experiment.source()).digest() for each in made]
    assert len(set(splits)) == 3


def test_changes_reach_every_experiment(images: Path, weights: Path) -> None:
    changes = ["net.width=8", "net.size=32", "rate=0.5", "data.split.validation=0", "epochs=3"]
    for each in planned(images, weights=weights, changes=changes):
        experiment = each.experiment
        assert experiment.net.options == {"weights": str(weights), "width": 8, "size": 32}
        assert experiment.regime.rate == 0.5
        assert experiment.data.split.options == {"validation": 0}
        source = experiment.source()
        split = experiment.split(source)
        assert split.disjoint
        chain = experiment.chain(split)
        assert chain.size == 32
        assert chain.given


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        ({}, [0, 6, 12, 18]),
        ({"epochs": 8}, [0, 2, 4, 6]),
        ({"epochs": 2}, [0, 1]),
        ({"epochs": 1}, [0]),
        ({"changes": ["epochs=8"]}, [0, 2, 4, 6]),
        ({"epochs": 9, "changes": ["epochs=4"]}, [0, 1, 2, 3]),
        ({"changes": ["keep=[0, 25]"]}, [0, 25]),
    ],
)
def test_weights_are_kept_at_moments_of_the_training(images: Path, asked: dict[str, Any], kept: list[int]) -> None:
    for each in planned(images, **asked):
        assert each.experiment.regime.keep == kept
        assert max(kept) <= each.experiment.regime.epochs


def test_other_recipes_keep_no_moments(images: Path) -> None:
    made = plan(RECIPES["dual-loss.table2"], Asked({"mstar": images}, epochs=4), Path("out"))
    assert {tuple(each.experiment.regime.keep) for each in made} == {()}
    assert {each.experiment.regime.epochs for each in made} == {4}


# Shared runs


def test_figures_share_their_runs(images: Path, weights: Path) -> None:
    """The same folder means the same experiment, and the same experiment the same folder."""
    made = [each for study in STUDIES for each in planned(images, study.name, weights)]
    by_folder: dict[Path, Planned] = {}
    for each in made:
        assert by_folder.setdefault(each.folder, each).experiment == each.experiment, each.folder
    assert len({each.experiment.yaml() for each in made}) == len(by_folder) == len(ARMS)
    shared = [study.name for study in STUDIES if "netA" in study.arms]
    assert len(shared) == 10


@pytest.mark.parametrize("name", RECIPES)
def test_arms_that_train_the_same_share_a_run(name: str) -> None:
    recipe = RECIPES[name]
    assert recipe.name == name
    for key in recipe.arms:
        first = recipe.catalogue[first_of_its_kind(recipe.catalogue, key)]
        wanted = recipe.catalogue[key]
        assert (first.net, first.objective, first.given) == (wanted.net, wanted.objective, wanted.given)


def test_the_papers_figures_are_of_arms_and_spaces_that_there_are() -> None:
    for figures in PAPER.values():
        assert set(figures) <= set(ARMS)
        for key, spaces in figures.items():
            assert LAST.get(key, "fc6") in spaces
            assert all(0 < figure < 100 for figure in spaces.values())


# What is refused, before anything is trained


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"folds": 0}, "folds must be 1 or more, not 0"),
        ({"epochs": 0}, "regime.epochs: input should be greater than or equal to 1, not 0"),
        ({"only": ["netd"]}, "unknown row of layers.figure5 'netd': did you mean 'netD'?"),
        ({"only": ["netB"]}, "unknown row of layers.figure5 'netB'"),
        ({"changes": ["rates=3"]}, "unknown key 'rates': did you mean 'rate'?"),
        ({"changes": ["rate"]}, "--set takes key=value"),
        ({"changes": ["rate=-1"]}, "regime.rate: input should be greater than 0, not -1"),
    ],
)
def test_what_cannot_be_planned_is_one_line(images: Path, asked: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        planned(images, **asked)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_places_are_named(images: Path, weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = [f"images={images}", f"weights={weights}"]
    assert places(FIGURE5, given) == {"images": images, "weights": weights}
    assert places(FIGURE5, given[:1]) == {"images": images}
    monkeypatch.setenv("HOME", str(images.parent))
    assert places(FIGURE5, [f"images=~/{images.name}"]) == {"images": images}


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("layers.figure5", [], "layers.figure5 needs --data images=DIR, the folder of the images"),
        ("layers.figure5", ["weights={weights}"], "layers.figure5 needs --data images=DIR"),
        ("layers.figure5", ["{images}"], "--data takes NAME=DIR, such as images=chips, not '"),
        ("layers.figure5", ["images="], "--data takes NAME=DIR, such as images=chips, not 'images='"),
        ("layers.figure5", ["image={images}"], "unknown name for --data of layers.figure5 'image': did you mean"),
        ("layers.figure5", ["images={images}", "images={images}"], "--data names images twice: "),
        ("layers.figure5", ["images=nowhere"], "nowhere is no folder; --data images=DIR takes that of the images"),
        ("layers.figure5", ["images={weights}"], "is no folder"),
        ("layers.figure5", ["images={images}", "weights=none.pth"], "none.pth do not exist; fetch torchvision's"),
        ("layers.figure5", ["images={images}", "weights={images}"], "do not exist; fetch torchvision's"),
        ("dual-loss.table2", ["mstar={images}", "weights={weights}"], "unknown name for --data of dual-loss.table2"),
    ],
)
def test_places_that_are_not_there_are_one_line(
    images: Path, weights: Path, name: str, given: list[str], message: str
) -> None:
    with pytest.raises(InputError) as caught:
        places(RECIPES[name], [option.format(images=images, weights=weights) for option in given])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


# Run


def test_a_small_study_from_given_weights(images: Path, weights: Path, tmp_path: Path) -> None:
    changes = ["net.width=8", "net.dimension=6", "net.size=16", "batch=8", "freeze=1", "precision=float32"]
    asked = Asked(
        {"images": images, "weights": weights},
        epochs=2,
        changes=[*changes, "data.split.validation=0.5"],
    )
    page = reproduce(RECIPES["layers.figure2"], asked, tmp_path)
    assert page.is_file()
    table = pd.read_csv(tmp_path / "layers.figure2.csv")
    assert {"pool5.3", "fc6"} <= set(table["space"])
    run = runs.open_run(tmp_path / "runs" / "netA-fold0", weights="last")
    assert run.facts["epochs"] == 2
    assert sorted(path.stem for path in (run.folder / "weights").iterdir()) == ["best", "epoch0", "epoch1", "last"]
    trained = (run.folder / "weights" / "last.safetensors").stat().st_mtime_ns
    assert reproduce(RECIPES["layers.figure1"], asked, tmp_path) != page
    assert (run.folder / "weights" / "last.safetensors").stat().st_mtime_ns == trained, "a run that there was"
    with pytest.raises(InputError, match="holds another experiment"):
        reproduce(RECIPES["layers.figure1"], Asked(asked.places, epochs=3, changes=asked.changes), tmp_path)


# Losses


def losses_plan(images: Path, name: str = "losses.table2", **asked: Any) -> list[Planned]:
    return plan(RECIPES[name], Asked({"images": images}, **asked), Path("out"))


def test_the_losses_are_the_rows_of_the_table(images: Path) -> None:
    made = losses_plan(images, only=["resnet20*"])
    assert [each.key for each in made] == [
        f"resnet20{loss}{complement}" for complement in ("", "-complement") for loss in ("", "-center", "-conformity")
    ]
    assert [bool(each.experiment.regime.alternate) for each in made] == [False] * 3 + [True] * 3
    assert made[5].experiment.objective == ["crossentropy@classifier", "0.1*prototype_conformity@feature"]
    assert {each.experiment.data.split.name for each in made} == {"stratified"}


def test_tables_and_figures_of_the_losses_share_their_runs(images: Path) -> None:
    tables = {each.folder for each in losses_plan(images)}
    for number in ("table3", "table4", "table5", "figure1", "figure2", "figure3", "figure4"):
        assert {each.folder for each in losses_plan(images, f"losses.{number}")} <= tables


@pytest.mark.parametrize("only", [["resnet21*"], ["resnet20", "center"]])
def test_a_pattern_that_names_no_row_is_one_line(images: Path, only: list[str]) -> None:
    with pytest.raises(InputError, match=r"row of losses.table2"):
        losses_plan(images, only=only)


def test_what_the_paper_prints_is_of_rows_that_there_are() -> None:
    for source in ("svhn", "cifar10", "cifar100", "tiny-imagenet"):
        assert set(printed(source)) <= set(RECIPES["losses.table2"].arms)
    assert printed("folder") == {}
    # Table II, last row; Table III, first; Table V, second
    assert printed("tiny-imagenet")["wrn28-10-64-conformity-complement"]["accuracy"] == 63.95
    assert printed("svhn")["resnet20"]["silhouette"] == 0.544
    assert printed("cifar10")["resnet20-center-complement"]["deletion"] == 0.726
    assert "resnet20" not in printed("tiny-imagenet")
    assert printed("cifar100")["resnet20-conformity-complement"] == {
        "accuracy": 77.89,
        "silhouette": 0.256,
        "calinski_harabasz": 227.568,
        "insertion": 0.272,
        "deletion": 0.317,
    }


@pytest.mark.parametrize(("write", "name"), [(write_cifar10, "cifar10"), (write_cifar100, "cifar100")])
def test_a_set_is_known_by_the_papers_name(tmp_path: Path, write: Callable[[Path], object], name: str) -> None:
    write(tmp_path)
    assert known_set(sources.open_source(str(tmp_path))) == name
    assert printed(known_set(sources.open_source(str(tmp_path))))


def test_networks_for_tiny_imagenet_take_its_size(images: Path) -> None:
    tiny = [each for each in losses_plan(images) if each.key in printed("tiny-imagenet")]
    assert {each.experiment.net.options["size"] for each in tiny} == {64}


def test_the_three_views_of_two_losses(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spacewise.recipes.three_views.Question", partial(Question, steps=6))
    asked = Asked(
        {"images": images},
        folds=2,
        epochs=1,
        only=["resnet20", "resnet20-center"],
        changes=["net.size=16", "batch=8", "precision=float32", "shift=2", "data.split.validation=0.2"],
    )
    page = reproduce(RECIPES["losses.figure1"], asked, tmp_path)
    text = page.read_text()
    assert "ResNet-20, + center loss" in text
    table = pd.read_csv(tmp_path / "losses.figure1.csv")
    assert list(zip(table["row"], table["fold"])) == [(r, f) for r in ("resnet20", "resnet20-center") for f in (0, 1)]
    for column in (
        "overall",
        "silhouette",
        "calinski_harabasz",
        "insertion_accuracy_gradcam",
        "deletion_accuracy_random",
    ):
        assert table[column].notna().all(), column
    assert not [column for column in table if column.startswith("paper_")]
