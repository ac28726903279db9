"""What a transfer begins with: a supervised training of the source's branch, which is a run of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from spacewise import runs
from spacewise.errors import InputError
from spacewise.experiment import Experiment
from spacewise.learn.supervised import check_supervised, supervised
from spacewise.learn.training import Logger
from spacewise.nets.branch import Branch
from spacewise.objective import Objective
from spacewise.regime import Pretraining, Supervised
from spacewise.splits import Split

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def check_pretraining(
    branch: Branch, settings: Pretraining | None, source: Split, given: Path | None, seed: int, lightning: Fabric
) -> None:
    """Raises `InputError` for a pretraining that cannot be, or a `given` run that is not it; writes nothing."""
    if settings is None:
        if given:
            raise InputError(f"pretrained is given, and the settings ask for no pretraining: leave {given} out")
    elif given:
        _check_given(given, _experiment(branch, settings, source, seed))
    else:
        check_supervised(branch, Objective(*settings.objective), source, _supervised(settings), seed, lightning)


def pretrain(
    branch: Branch,
    settings: Pretraining,
    source: Split,
    given: Path | None,
    own: Path,
    seed: int,
    logger: Logger | None,
) -> None:
    """Gives the source's branch the weights of its pretraining: a `given` run's, or that in the folder `own`.

    What is not there is made, and what was interrupted continued.

    Raises:
        InputError: a run that is there is not the pretraining that the settings ask for.
    """
    wanted = _experiment(branch, settings, source, seed)
    if given or (own.exists() and runs.status(own) == "finished"):
        folder = given or own
        _check_given(folder, wanted)
        runs.Run(folder, wanted, branch, source).load("best")
        return
    options = _supervised(settings).model_dump(exclude={"name"})
    goal = Objective(*settings.objective)
    supervised(branch, goal, source, out=own, seed=seed, resume=own.exists(), logger=logger, **options)


def _supervised(settings: Pretraining) -> Supervised:
    """The same without the objective, which is no setting of the supervised regime."""
    return Supervised(**settings.model_dump(exclude={"objective"}))


def _experiment(branch: Branch, settings: Pretraining, source: Split, seed: int) -> Experiment:
    return runs.describe(branch, settings.objective, source, _supervised(settings), seed)


def _check_given(folder: Path, wanted: Experiment) -> None:
    if runs.read_experiment(folder) != wanted or runs.status(folder) != "finished":
        raise InputError(f"{folder} is not the finished pretraining that this transfer asks for")
