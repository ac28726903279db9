"""What every regime checks before its first step."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spacewise import files, runs
from spacewise.cache import Decoded
from spacewise.errors import InputError
from spacewise.experiment import Experiment
from spacewise.learn.processes import restarted
from spacewise.nets.chain import Chain, output_sizes
from spacewise.regime import SemiSupervised, Settings
from spacewise.splits import Part, Split


def check_keep(settings: Settings) -> None:
    """Raises `InputError` for kept epochs that the training does not have."""
    beyond = [epoch for epoch in settings.keep if not 0 <= epoch <= settings.epochs]
    if beyond:
        raise InputError(f"keep names epoch {beyond[0]}, the training has epochs 0 (its start) to {settings.epochs}")


def refuse_or_resume(
    out: Path, experiment: Experiment, split: Split, resume: bool, *, origin: Split | None = None
) -> bool:
    """Whether a run is continued: as asked for, or because this torchrun job has begun it.

    Raises:
        InputError: the folder exists, or, where a run is continued, is of another experiment or data.
    """
    resume = resume or restarted(out)
    if resume:
        _same(experiment, runs.read_experiment(out))
        runs.check_data(out, split, origin)
        files.sweep(out)
    elif out.exists():
        raise InputError(runs.occupied(out))
    return resume


def _same(now: Experiment, then: Experiment) -> None:
    """Raises `InputError` when a run would be continued with another experiment than it began with."""
    one, other = _flat(now.model_dump()), _flat(then.model_dump())
    for key in {**one, **other}:
        if one.get(key) != other.get(key):
            raise InputError(f"the run began with another experiment: {key} was {other.get(key)}, now {one.get(key)}")


def _flat(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Nested values by dotted key."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= _flat(value, f"{above}{key}.") if isinstance(value, Mapping) else {f"{above}{key}": value}
    return found


def fits(net: Chain, images: Decoded, split: Split, *, option: str = "bands") -> None:
    """Raises `InputError` where the network is made for other bands or fewer classes than the data have.

    Args:
        option: with which the network is given its bands.
    """
    bands = images.images.shape[1]
    if bands != net.bands:
        raise InputError(
            f"the images have {bands} bands, the network takes {net.bands}; build it with {option}={bands}"
        )
    if "classifier" in net.spaces:
        (classes,) = output_sizes(net)["classifier"]
        if classes < len(split.classes):
            raise InputError(f"the split has {len(split.classes)} classes, the network tells {classes} apart")


def seen_images(settings: SemiSupervised, split: Split) -> Part:
    """The images that a semi-supervised training sees: with mu=0 those with a label alone."""
    return training_images(split) if settings.mu else split.train


def training_images(split: Split) -> Part:
    """All training images, with and without a label; those of a transductive split are tested, too."""
    rows = np.union1d(split.train.rows, split.unlabelled.rows)
    return Part(split.source, rows, split.classes)


def some(images: Decoded, part: Part) -> Tensor:
    """At most 2,000 images of a part, evenly spaced: enough for a mean and a deviation."""
    rows = part.rows
    return images.images[torch.from_numpy(rows[:: -(-len(rows) // 2000)])]
