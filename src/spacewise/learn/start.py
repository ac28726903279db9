"""From an experiment to a run."""

from __future__ import annotations

from pathlib import Path

from spacewise import runs
from spacewise.errors import InputError
from spacewise.experiment import Experiment
from spacewise.learn.supervised import supervised
from spacewise.learn.training import Logger


def start(experiment: Experiment, folder: Path, *, resume: bool = False, logger: Logger | None = None) -> runs.Run:
    """Builds what an experiment describes, and trains it. Arguments and errors as `supervised`."""
    if folder.exists() and not resume:  # before minutes of decoding
        raise InputError(runs.occupied(folder))
    source = experiment.source()
    split = experiment.split(source)
    net = experiment.chain(source, len(split.classes))
    settings = experiment.regime.model_dump(exclude={"name"})
    return supervised(
        net,
        experiment.goal(),
        split,
        out=folder,
        seed=experiment.seed,
        resume=resume,
        logger=logger,
        **settings,
    )


def ensure(experiment: Experiment, folder: Path) -> runs.Run:
    """The finished run of an experiment: trained, continued, or read back if it is there already.

    Raises:
        InputError: the folder holds another experiment.
    """
    if not folder.exists():
        return start(experiment, folder)
    if runs.read_experiment(folder) != experiment:
        raise InputError(f"{folder} holds another experiment (other epochs or data?); give another --out")
    if runs.status(folder) == "finished":
        return runs.open_run(folder)
    return start(experiment, folder, resume=True)
