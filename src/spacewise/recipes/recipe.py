"""The experiments that make one table or figure of a paper, with the paper's figures beside ours."""

from __future__ import annotations

import fnmatch
import functools
import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spacewise import runs
from spacewise.errors import InputError, unknown
from spacewise.experiment import Experiment, changed_experiment
from spacewise.grid import Place, Task, run_all
from spacewise.learn import ensure
from spacewise.nets.weights import FETCH
from spacewise.progress import console
from spacewise.sources import open_source, recognise
from spacewise.splits import default


@dataclass(frozen=True)
class Arm:
    """One method: a network and an objective. Arms of several tables share their runs.

    Attributes:
        title: as the paper names it.
        net, objective: as in an experiment.
        regime: settings that differ from the recipe's.
        given: the network starts from the weights that `--data weights=FILE` names, where it does.
        about: what else tells this arm from others, for the recipe's own `build` and `finish`.
    """

    title: str
    net: Mapping[str, Any]
    objective: Sequence[str]
    regime: Mapping[str, Any] = field(default_factory=dict)
    given: bool = False
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Recipe:
    """One table or figure.

    Attributes:
        name: `dual-loss.table2`.
        title: what it shows, and where in which paper.
        data: the name in `--data NAME=DIR`.
        source: the format of the data; recognised where it is empty.
        split: as in an experiment, or empty for the one that the source is made for; the fold is added.
        arms: key -> paper's figures for it (percent), in the paper's order; empty where it prints none.
        catalogue: key -> arm.
        regime: settings of all arms.
        copies: translated copies of each test sample.
        finish: turns the finished runs into tables, figures and a page; returns what it made.
        masks: `--data masks=DIR` may name masks of the images.
        moments: at how many moments, evenly spaced from the start on, the weights are kept.
        also: names of further folders that it needs, beside `data`.
        optional: without `--data` it runs on simulated images.
        build: the experiment of an arm and fold, where it is not of one source, net, objective and regime.
        method: with `build`: keys that tell the rows apart, and that `--set` must leave alone.
        prepare: what must be known before the experiments can be: returns what was asked, with what it `found`.
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
    finish: Callable[[Recipe, Mapping[str, Sequence[runs.Run]], Asked, Path], Path]
    moments: int = 0
    masks: bool = False
    also: Sequence[str] = ()
    optional: bool = False
    build: Callable[[Recipe, str, int, Asked], Experiment] | None = None
    method: Collection[str] = ()
    prepare: Callable[[Recipe, Asked, Path], Asked] | None = None

    @property
    def usage(self) -> str:
        """How its data are named on the command line."""
        named = " ".join(f"--data {name}=DIR" for name in (self.data, *self.also))
        return f"[{named}]" if self.optional else named


@dataclass(frozen=True)
class Asked:
    """How a recipe is run.

    Attributes:
        places: what `--data NAME=PATH` options name: the images, the weights to start from, the masks.
        folds: repetitions; each holds out other samples (or draws other classes) and starts from other weights.
        epochs: instead of the recipe's.
        only: keys of arms to cut it down to, or patterns of keys (`resnet20*`).
        changes: `key=value` changes of every experiment, such as `net.size=64`.
        found: what the recipe's `prepare` found.
    """

    places: Mapping[str, Path]
    folds: int = 1
    epochs: int | None = None
    only: Sequence[str] = ()
    changes: Sequence[str] = ()
    found: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Planned:
    """One experiment of a recipe, and the folder of its run."""

    key: str
    fold: int
    experiment: Experiment
    folder: Path


def plan(recipe: Recipe, asked: Asked, out: Path) -> list[Planned]:
    """The experiments of a recipe, fold by fold, with runs in `out`; recipes with the same split share them.

    Raises:
        InputError: an unknown arm, no fold, a change that does not fit.
    """
    if asked.folds < 1:
        raise InputError(f"folds must be 1 or more, not {asked.folds}")
    for pattern in asked.only:
        if not fnmatch.filter(recipe.arms, pattern):
            raise unknown(f"row of {recipe.name}", pattern, recipe.arms)
    planned = [
        Planned(
            key,
            fold,
            experiment(recipe, key, fold, asked),
            out / "runs" / f"{first_of_its_kind(recipe.catalogue, key)}-fold{fold}",
        )
        for fold in range(asked.folds)
        for key in recipe.arms
        if not asked.only or any(fnmatch.fnmatchcase(key, pattern) for pattern in asked.only)
    ]
    if recipe.build:
        _split_once([each.experiment for each in planned if each.fold == 0])
    return planned


def _split_once(experiments: Sequence[Experiment]) -> None:
    """Makes the splits of every budget: one beyond the data is met before the first training."""
    different = {str([each.data, each.target]): each for each in experiments}
    for each in different.values():
        each.splits()


def first_of_its_kind(catalogue: Mapping[str, Arm], key: str) -> str:
    """The first arm that trains the same thing: rows of several tables that are one experiment share a run."""
    wanted = catalogue[key]
    return next(
        name
        for name, arm in catalogue.items()
        if (arm.net, arm.objective, arm.regime, arm.about)
        == (wanted.net, wanted.objective, wanted.regime, wanted.about)
    )


def experiment(recipe: Recipe, key: str, fold: int, asked: Asked) -> Experiment:
    """The experiment of one arm and fold."""
    if recipe.build:
        epochs = [] if asked.epochs is None else [f"epochs={asked.epochs}"]
        made = recipe.build(recipe, key, fold, asked)
        for change in asked.changes:
            key = change.partition("=")[0].strip().removeprefix("regime.")
            if key in recipe.method:
                raise InputError(f"--set {key} would make other methods or budgets of the rows of {recipe.name}")
        # what is set of a pretraining is for those arms that have one: it must not give one to a baseline
        without = ("pretraining.", "regime.pretraining.") if made.pretraining() is None else ()
        changes = [change for change in asked.changes if not change.strip().startswith(without)]
        return changed_experiment(made, [*epochs, *changes])
    arm = recipe.catalogue[key]
    regime = {**recipe.regime, **arm.regime} | ({} if asked.epochs is None else {"epochs": asked.epochs})
    weights = {"weights": str(asked.places["weights"])} if arm.given and "weights" in asked.places else {}
    root = asked.places[recipe.data]
    source = {"name": recipe.source or recognise(root), "root": str(root)}
    split = dict(recipe.split) or {"name": split_of(source["name"], root)}
    made = changed_experiment(
        Experiment(
            data={
                "source": source,
                "split": split | ({"fold": fold} if fold else {}),
            },
            net=dict(arm.net) | weights,
            objective=list(arm.objective),
            regime=regime,
            seed=fold,
        ),
        asked.changes,
    )
    if not recipe.moments or made.regime.keep:
        return made
    kept = sorted({moment * made.regime.epochs // recipe.moments for moment in range(recipe.moments)})
    return changed_experiment(made, [f"keep={kept}"])


@functools.cache
def split_of(source: str, root: Path) -> str:
    """The name of the split that a source is made for; listing its files once is enough."""
    return default(open_source(str(root), source))


def reproduce(recipe: Recipe, asked: Asked, out: Path, place: Place | None = None) -> Path:
    """Runs a recipe as far as it has not been run, and returns the page that it made.

    Args:
        place: where its experiments run, many at once; none: one after another in this process.

    Raises:
        InputError: what cannot be; with a place, an experiment that failed, once all others have ended.
    """
    if recipe.prepare:
        plan(recipe, asked, out)  # what cannot be is met before the first training
        asked = recipe.prepare(recipe, asked, out)
    experiments = plan(recipe, asked, out)
    if place is not None:
        with place:
            run_all(tasks(experiments, out), place, table=out / "experiments.csv")
    finished: dict[str, list[runs.Run]] = {}
    for number, planned in enumerate(experiments, start=1):
        if place is None:
            console.print(f"[bold]{recipe.name}[/] {number}/{len(experiments)}: {planned.key}, fold {planned.fold}")
        first = shared_pretraining(planned.experiment, out)
        finished.setdefault(planned.key, []).append(ensure(planned.experiment, planned.folder, pretrained=first))
    return recipe.finish(recipe, finished, asked, out)


def tasks(experiments: Sequence[Planned], out: Path) -> list[Task]:
    """A task for each run and, before them, for each pretraining that runs share."""
    first: dict[Path, Task] = {}
    then: dict[Path, Task] = {}
    for planned in experiments:
        folder = None
        if (pretraining := planned.experiment.pretraining()) is not None:
            folder = pretraining_folder(pretraining, out)
            first[folder] = Task(folder.name, pretraining, folder)
        then[planned.folder] = Task(planned.folder.name, planned.experiment, planned.folder, pretrained=folder)
    return [*first.values(), *then.values()]


def shared_pretraining(experiment: Experiment, out: Path) -> Path | None:
    """The pretraining that a transfer begins with, made if it is not there; transfers that agree in it share it."""
    first = experiment.pretraining()
    if first is None:
        return None
    folder = pretraining_folder(first, out)
    if not folder.exists() or runs.status(folder) != "finished":
        console.print(f"pretraining on the source: {folder.name}")
        ensure(first, folder)
    return folder


def pretraining_folder(pretraining: Experiment, out: Path) -> Path:
    """Where runs that agree in their pretraining find it."""
    return out / "runs" / f"pretraining-{hashlib.sha256(pretraining.yaml().encode()).hexdigest()[:8]}"


def places(recipe: Recipe, given: Sequence[str]) -> dict[str, Path]:
    """What `NAME=PATH` options name for a recipe.

    Raises:
        InputError: an option of another form or name, one given twice, a missing folder or file, or none for
            this recipe's images.
    """
    takes = [
        recipe.data,
        *recipe.also,
        *(["weights"] if any(recipe.catalogue[key].given for key in recipe.arms) else []),
    ]
    takes += ["masks"] if recipe.masks else []
    found: dict[str, Path] = {}
    for option in given:
        name, _, path = option.partition("=")
        if not path:
            raise InputError(f"--data takes NAME=DIR, such as {recipe.data}=chips, not '{option}'")
        if name not in takes:
            raise unknown(f"name for --data of {recipe.name}", name, takes)
        if name in found:
            raise InputError(f"--data names {name} twice: {found[name]} and {path}")
        found[name] = Path(path).expanduser()
    for name in () if recipe.optional and not found else (recipe.data, *recipe.also):
        if name not in found:
            raise InputError(f"{recipe.name} needs --data {name}=DIR, the folder of the {name}")
        if not found[name].is_dir():
            raise InputError(f"{found[name]} is no folder; --data {name}=DIR takes that of the images")
    if "masks" in found and not found["masks"].is_dir():
        raise InputError(f"{found['masks']} is no folder; --data masks=DIR takes that of the masks")
    if "weights" in found and not found["weights"].is_file():
        raise InputError(f"weights {found['weights']} do not exist; fetch {FETCH} and name it here")
    return found
