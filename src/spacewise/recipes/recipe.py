"""The experiments that make one table or figure of a paper, with the paper's figures beside ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spacewise import runs
from spacewise.errors import InputError, unknown
from spacewise.experiment import Experiment
from spacewise.learn import ensure
from spacewise.progress import console


@dataclass(frozen=True)
class Arm:
    """One method: a network and an objective. Arms of several tables share their runs.

    Attributes:
        title: as the paper names it.
        net, objective: as in an experiment.
        regime: settings that differ from the recipe's.
    """

    title: str
    net: Mapping[str, Any]
    objective: Sequence[str]
    regime: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Recipe:
    """One table or figure.

    Attributes:
        name: `dual-loss.table2`.
        title: what it shows, and where in which paper.
        data: the name in `--data NAME=DIR`.
        source: the format of the data.
        split: as in an experiment; the fold is added.
        arms: key -> paper's figures for it (percent), in the paper's order; empty where it prints none.
        catalogue: key -> arm.
        regime: settings of all arms.
        copies: translated copies of each test sample.
        finish: turns the finished runs into tables, figures and a page; returns what it made.
    """

    name: str
    title: str
    data: str
    source: str
    split: Mapping[str, Any]
    arms: Mapping[str, Mapping[str, float]]
    catalogue: Mapping[str, Arm]
    regime: Mapping[str, Any]
    copies: int
    finish: Callable[[Recipe, Mapping[str, Sequence[runs.Run]], Path], Path]


@dataclass(frozen=True)
class Planned:
    """One experiment of a recipe, and the folder of its run."""

    key: str
    fold: int
    experiment: Experiment
    folder: Path


def plan(
    recipe: Recipe,
    data: Path,
    out: Path,
    *,
    folds: int = 1,
    epochs: int | None = None,
    only: Sequence[str] = (),
) -> list[Planned]:
    """The experiments of a recipe, fold by fold.

    Args:
        data: the source's folder.
        out: where runs go; runs of recipes with the same split are shared.
        folds: each holds out other validation samples and starts from other weights.
        epochs: instead of the recipe's.
        only: keys of arms to cut it down to.

    Raises:
        InputError: an unknown arm, no fold.
    """
    if folds < 1:
        raise InputError(f"folds must be 1 or more, not {folds}")
    for key in only:
        if key not in recipe.arms:
            raise unknown(f"row of {recipe.name}", key, recipe.arms)
    chosen = [key for key in recipe.arms if not only or key in only]
    return [
        Planned(
            key,
            fold,
            experiment(recipe, key, data, fold, epochs),
            out / "runs" / f"{first_of_its_kind(recipe.catalogue, key)}-fold{fold}",
        )
        for fold in range(folds)
        for key in chosen
    ]


def first_of_its_kind(catalogue: Mapping[str, Arm], key: str) -> str:
    """The first arm that trains the same thing: rows of several tables that are one experiment share a run."""
    wanted = catalogue[key]
    return next(
        name
        for name, arm in catalogue.items()
        if (arm.net, arm.objective, arm.regime) == (wanted.net, wanted.objective, wanted.regime)
    )


def experiment(recipe: Recipe, key: str, data: Path, fold: int, epochs: int | None) -> Experiment:
    """The experiment of one arm and fold."""
    arm = recipe.catalogue[key]
    regime = {**recipe.regime, **arm.regime} | ({"epochs": epochs} if epochs else {})
    split = dict(recipe.split) | ({"fold": fold} if fold else {})
    return Experiment(
        data={"source": {"name": recipe.source, "root": str(data)}, "split": split},
        net=dict(arm.net),
        objective=list(arm.objective),
        regime=regime,
        seed=fold,
    )


def reproduce(
    recipe: Recipe,
    data: Path,
    out: Path,
    *,
    folds: int = 1,
    epochs: int | None = None,
    only: Sequence[str] = (),
) -> Path:
    """Runs a recipe as far as it has not been run, and returns the page that it made."""
    experiments = plan(recipe, data, out, folds=folds, epochs=epochs, only=only)
    finished: dict[str, list[runs.Run]] = {}
    for number, planned in enumerate(experiments, start=1):
        console.print(f"[bold]{recipe.name}[/] {number}/{len(experiments)}: {planned.key}, fold {planned.fold}")
        finished.setdefault(planned.key, []).append(ensure(planned.experiment, planned.folder))
    return recipe.finish(recipe, finished, out)


def place_of(recipe: Recipe, given: Sequence[str]) -> Path:
    """The folder that `NAME=DIR` options name for a recipe.

    Raises:
        InputError: an option of another form or name, a missing folder, or none for this recipe.
    """
    places = {}
    for option in given:
        name, equals, folder = option.partition("=")
        if not equals:
            raise InputError(f"--data takes NAME=DIR, such as {recipe.data}=chips, not '{option}'")
        places[name] = Path(folder)
    if recipe.data not in places:
        raise InputError(f"{recipe.name} needs --data {recipe.data}=DIR, the folder of the {recipe.data} images")
    if not places[recipe.data].is_dir():
        raise InputError(f"{places[recipe.data]} is no folder; --data {recipe.data}=DIR takes that of the images")
    return places[recipe.data]
