"""From command-line flags to an experiment: one network on one set, a transfer, or a method for few labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spacewise import sources, splits
from spacewise.describe import description
from spacewise.errors import InputError
from spacewise.experiment import Experiment, changed_experiment, read
from spacewise.methods import named_method, preset
from spacewise.objective import Objective, one_line, parse_term
from spacewise.sources.source import Source

SENSORS = {  # of one set that both a source and a target come from
    "simulated-zones": ({"view": "optical"}, {"view": "radar"}),
    "so2sat": ({"sensor": "optical"}, {"sensor": "radar"}),
}
ALIGNED = ("sliced_wasserstein@embedding", "conditional_sliced_wasserstein@embedding")  # Rostami et al. (2019)


@dataclass(frozen=True)
class Given:
    """What describes an experiment on the command line, as it was typed; empty where it was not given.

    Attributes:
        experiment: a file as YAML, which says all but what `epochs` and `changes` say.
        loss: terms.
        changes: `key=value`, as `--set` takes them.
    """

    experiment: str = ""
    data: str = ""
    source: str = ""
    target: str = ""
    labels: str = ""
    method: str = ""
    preset: str = ""
    net: str = ""
    loss: tuple[str, ...] = ()
    split: str = ""
    size: str = ""
    epochs: str = ""
    seed: str = ""
    changes: tuple[str, ...] = ()

    @property
    def more(self) -> list[str]:
        """Changes, also of the epochs, as `changed` takes them."""
        return [*([f"epochs={_whole('epochs', self.epochs)}"] if self.epochs else []), *self.changes]


def described(given: Given) -> Experiment:
    """The experiment of a file, of a method, of a transfer, or of one network on one set.

    Raises:
        InputError: flags that do not go together, or a wrong name or value.
    """
    if given.experiment:
        check_beside_file(given)
        return read(Path(given.experiment), given.more)
    return changed_experiment(_unchanged(given), given.more)


def check_beside_file(given: Given) -> None:
    """Raises `InputError` for flags that say what the experiment's file says itself."""
    says = (given.data, given.source, given.target, given.labels, given.method, given.preset, given.net, given.loss)
    if any(says) or given.split or given.size or given.seed:
        raise InputError(
            "an experiment file says data, network, losses and seed itself; change it with --set, such as --set seed=1"
        )


def _unchanged(given: Given) -> Experiment:
    check_together(given.target, given.labels, given.method, given.preset)
    size = _whole("size", given.size) if given.size else None
    how = (given.source, given.net, given.loss, given.split, size, _whole("seed", given.seed or "0"))
    if given.method:
        return few_labels_from_flags(given.data, given.labels, given.method, given.preset, *how)
    if given.target:
        return transfer_from_flags(given.data, given.target, given.labels or "all", *how)
    return from_flags(given.data, *how)


def _whole(flag: str, written: str) -> int:
    try:
        return int(written)
    except ValueError:
        raise InputError(f"--{flag} takes a whole number, not '{written}'") from None


def check_together(target: str, labels: str, method: str, preset: str) -> None:
    """Raises `InputError` for flags of a transfer and of few labels within one set that do not go together."""
    if method and target:
        raise InputError("--method is for few labels within --data, --target for a transfer to other images; give one")
    if method and not labels:
        raise InputError(
            "--labels is missing: how many images keep their label, such as --labels 4/class, or --labels all where "
            "others never had one"
        )
    if preset and not method:
        raise InputError(f"--preset {preset} is of a method: give one, such as --method comatch")
    if labels and not (method or target):
        raise InputError(
            f"--labels {labels} is the budget of a target: give --target, the images with few labels; or --method, "
            "such as --method comatch, for few labels within --data"
        )


def from_flags(
    data: str, source: str, net: str, losses: Sequence[str], split: str, size: int | None, seed: int
) -> Experiment:
    """The experiment that command-line flags describe.

    Raises:
        InputError: no data, no loss, an unknown source or split.
    """
    _check_losses(losses)
    opened = sources.open_source(data, source)
    named: dict[str, Any] = {"name": net or "aconvnet"} | ({"size": size} if size else {})
    if opened.name in sources.SIMULATED and not size and named["name"] == "aconvnet":
        named |= {"size": opened.read(0).shape[1], "padding": "same"}  # its chips are smaller than MSTAR's
    return Experiment(
        data={"source": description(opened), "split": {"name": split or splits.default(opened)}},
        net=named,
        objective=list(losses),
        seed=seed,
    )


def transfer_from_flags(
    data: str,
    target: str,
    labels: str,
    source: str,
    net: str,
    losses: Sequence[str],
    split: str,
    size: int | None,
    seed: int,
) -> Experiment:
    """The transfer that command-line flags describe: SWD-transfer, unless a term of `losses` aligns the domains.

    Args:
        data, target: folders of images; `simulated-zones`, or one folder of So2Sat LCZ42, for both: the optical
            images, then the radar's.
        labels: budget of the target: a number, `4/class`, or `all`.
        net: the encoder of both branches; "" for A-ConvNet.

    Raises:
        InputError: as `from_flags`; the same images twice; a budget that is no number.
    """
    _check_losses(losses)
    side = size or 32
    encoder = {"name": net or "aconvnet"}
    encoder |= {"padding": "same"} if encoder["name"] == "aconvnet" and side < 96 else {}
    opened = [sources.open_source(folder, source) for folder in (data, target)]
    described = [description(each) for each in opened]
    if described[0] == described[1]:
        views = SENSORS.get(opened[0].name)
        if views is None:
            raise InputError(
                f"--data and --target name the same images ({data}): a transfer goes from one set to another"
            )
        described = [made | view for made, view in zip(described, views, strict=True)]
    aligned = Objective(*losses).aligns
    return Experiment(
        data={"source": described[0], "split": {"name": split or splits.default(opened[0])}},
        target={"source": described[1], "split": _few_label(opened[1], split, labels, seed)},
        net={"name": "y-shaped", "encoder": encoder, "normalisation": "instance", "size": side},
        objective=list(losses),
        regime={"name": "transfer", "pretraining": {}, "alternate": [] if aligned else list(ALIGNED)},
        seed=seed,
    )


def few_labels_from_flags(
    data: str,
    labels: str,
    method: str,
    faults: str,
    source: str,
    net: str,
    losses: Sequence[str],
    split: str,
    size: int | None,
    seed: int,
) -> Experiment:
    """The semi-supervised experiment that command-line flags describe.

    Args:
        labels: how many training images keep their label: a number, `4/class`, or `all`.
        method: of `METHODS`.
        faults: of `PRESETS`; "" for none.
        net: the encoder; "" for ResNet-18.
        losses: terms besides those of the method.

    Raises:
        InputError: as `from_flags`; an unknown method or preset; a term that the method has itself.
    """
    chosen = named_method(method)
    terms = [*chosen.objective, *_others(method, chosen.objective, losses)]
    opened = sources.open_source(data, source)
    values = {
        "data": {"source": description(opened), "split": _few_label(opened, split, labels, seed)},
        "net": {"name": "projected", "encoder": {"name": net or "resnet18"}, "size": size or 60},
        "objective": terms,
        "regime": {"name": "semi-supervised", "augmentation": _augmentation(opened), **chosen.regime},
        "seed": seed,
    }
    return Experiment(**preset(values, faults or "corrected"))


def _few_label(source: Source, split: str, labels: str, seed: int) -> dict[str, Any]:
    """A budget within a split: the seed draws which images are labelled, not which are tested."""
    within = {"name": split or splits.default(source), "seed": 0}
    budget = int(labels) if labels.isdecimal() else labels
    return {"name": "few-label", "labels": budget, "seed": seed, "within": within}


def _augmentation(source: Source) -> str:
    """How the images of a source are varied, by the look of its first one."""
    if source.amplitude == "magnitude":
        return "radar"
    image = source.read(0)
    return "optical" if image.dtype == np.uint8 and len(image) == 3 else "bands"


def _check_losses(losses: Sequence[str]) -> None:
    if not losses:
        raise InputError("--loss is missing: at least one, such as --loss crossentropy@classifier")


def _others(method: str, objective: Sequence[str], losses: Sequence[str]) -> Sequence[str]:
    """The losses; raises `InputError` for one that cannot be read, or stands in the method's objective."""
    taken = {parse_term(term).name for term in objective}
    for loss in losses:
        if parse_term(loss).name in taken:
            raise InputError(
                f"--loss {loss}: the method {method} has that term itself ({one_line(objective)}); --loss adds others"
            )
    return losses
