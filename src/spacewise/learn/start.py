"""From an experiment to a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spacewise import runs
from spacewise.errors import InputError
from spacewise.experiment import Experiment
from spacewise.learn.processes import restarted
from spacewise.learn.semi_supervised import semi_supervised
from spacewise.learn.supervised import supervised
from spacewise.learn.training import Logger
from spacewise.learn.transfer import transfer
from spacewise.nets.y_shaped import YShaped
from spacewise.regime import SemiSupervised


def start(
    experiment: Experiment,
    folder: Path,
    *,
    resume: bool = False,
    pretrained: Path | None = None,
    logger: Logger | None = None,
) -> runs.Run:
    """Builds what an experiment describes, and trains it. Arguments and errors as the regimes'."""
    if folder.exists() and not (resume or restarted(folder)):  # before minutes of decoding
        raise InputError(runs.occupied(folder))
    split, origin = experiment.splits()
    net, goal = experiment.chain(split, origin), experiment.goal()
    given: dict[str, Any] = experiment.regime.model_dump(exclude={"name"})
    given |= {"out": folder, "seed": experiment.seed, "resume": resume, "logger": logger}
    if origin is None:
        if pretrained:
            raise InputError(f"a pretraining is for a transfer; this experiment has no target, leave {pretrained} out")
        regime = semi_supervised if isinstance(experiment.regime, SemiSupervised) else supervised
        return regime(net, goal, split, **given)
    if not isinstance(net, YShaped):
        raise InputError(f"the regime transfer needs a network of two branches, y-shaped, not {experiment.net.name}")
    return transfer(net, goal, origin, split, pretrained=pretrained, **given)


def ensure(
    experiment: Experiment, folder: Path, *, pretrained: Path | None = None, logger: Logger | None = None
) -> runs.Run:
    """The finished run of an experiment: trained, continued, or read back if it is there already.

    Raises:
        InputError: the folder holds another experiment.
    """
    if is_finished(experiment, folder):
        return runs.open_run(folder)
    return start(experiment, folder, resume=folder.exists(), pretrained=pretrained, logger=logger)


def is_finished(experiment: Experiment, folder: Path) -> bool:
    """Whether the folder holds the finished run of an experiment; False where it is begun, or not there.

    Raises:
        InputError: the folder holds another experiment, or no run.
    """
    if not folder.exists():
        return False
    if runs.read_experiment(folder) != experiment:
        raise InputError(f"{folder} holds another experiment (other epochs or data?); give another --out")
    return runs.status(folder) == "finished"
