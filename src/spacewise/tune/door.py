"""What is met at the door: before the first training, and before anything is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

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
        InputError: a name, option or space that is not there; where they are searched, no figure of validation, or
            figures that cannot be compared.
    """
    splits: dict[str, tuple[Split, Split | None]] = {}
    judged: dict[str, Any] = {}
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
            mine = _judged(experiment, net, split)
            _refuse_other_judges(judged or mine, mine)
            judged = mine


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


def _judged(experiment: Experiment, net: Chain, split: Split) -> dict[str, Any]:
    """What a trial's figure comes from, beside its training: where data agree, so do the validation samples."""
    data, retrieval = experiment.model_dump(mode="json", include={"data", "target"}), by_retrieval(net, split)
    return {
        "seed": experiment.seed,
        "data": data["data"]["source"],
        "split": data["data"]["split"],
        "target": data["target"],
        "measure": "recall" if retrieval else "accuracy",
        # accuracy is also that of one translated copy of each image
        "shift": 0 if retrieval else getattr(experiment.regime, "shift", 0),
    }


def _refuse_other_judges(first: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    """Raises `InputError` where two trials would be scored by different samples, or in different ways."""
    differ = next((key for key in first if first[key] != other[key]), "")
    if differ:
        raise InputError(
            f"a search cannot range over what scores its trials, and their {differ} differs: {first[differ]} and "
            f"{other[differ]}; write one of them, or compare all of them with spacewise grid"
        )
