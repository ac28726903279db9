"""What is met at the door: before the first training, and before anything is written."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from spacewise.errors import InputError
from spacewise.experiment import Experiment
from spacewise.learn.prepare import check_keep
from spacewise.learn.validation import by_retrieval
from spacewise.nets.chain import Chain, output_sizes
from spacewise.regime import SemiSupervised
from spacewise.splits import Split


def check(experiments: Iterable[Experiment], *, searched: bool = False) -> None:
    """Builds split, network and objective of each experiment; splits that agree are made once.

    Args:
        searched: whether validation is to choose between the experiments.

    Raises:
        InputError: a name, option or space that is not there; where they are searched, no figure of validation.
    """
    splits: dict[str, tuple[Split, Split | None]] = {}
    for experiment in experiments:
        data = repr((experiment.data, experiment.target))
        if data not in splits:
            splits[data] = experiment.splits()
        split, origin = splits[data]
        check_keep(experiment.regime)
        net = experiment.chain(split, origin)
        _bind(experiment, net, split, origin)
        if searched:
            check_chosen_by_validation(experiment, net, split)


def _bind(experiment: Experiment, net: Chain, split: Split, origin: Split | None) -> None:
    """The objective on the network, as the regime does."""
    goal, regime = experiment.goal(), experiment.regime
    guesses = isinstance(regime, SemiSupervised) and regime.mu > 0
    sizes, domains = output_sizes(net), 2 if origin else 1
    goal.bind(net, len(split.classes), sizes, experiment.seed, domains=domains, unlabelled=guesses)
    if not origin:
        goal.check_batch(regime.batch)


def check_chosen_by_validation(experiment: Experiment, net: Chain, split: Split) -> None:
    """Raises `InputError` where validation has no figure for a search to go by."""
    if getattr(experiment.regime, "choose", "validation") != "validation":
        raise InputError("a search goes by validation alone, and choose=test goes by the test set: leave it out")
    part = split.validation
    advice = "hold samples out, such as --split stratified"
    if len(part) == 0:
        raise InputError(f"a search goes by validation, and the split has no validation samples: {advice}")
    pairs = np.bincount(part.labels).max() > 1 and len(part.classes) > 1
    if by_retrieval(net, split) and not pairs:
        raise InputError(f"a search goes by validation, and no held-out sample has another of its class: {advice}")
