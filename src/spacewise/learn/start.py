"""From an experiment to a run."""

from __future__ import annotations

from pathlib import Path

from spacewise import runs
from spacewise.experiment import Experiment
from spacewise.learn.supervised import Logger, supervised


def start(
    experiment: Experiment, folder: Path, *, resume: bool = False, logger: Logger | None = None
) -> runs.Run:
    """Builds what an experiment describes, and trains it."""
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
