"""Learning with few labels by name: methods, and the faults of a released code to measure them under."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from spacewise.errors import unknown
from spacewise.experiment import changed
from spacewise.objective import Objective

ENTROPY = "crossentropy@classifier"
COMATCH = (ENTROPY, "consistency@classifier", "graph_contrast@embedding")
# cosine triplets of margin 0.2 between unit vectors: d^2 = 2 - 2 cos doubles margin and loss
TRIPLET = "0.5*hinge_triplet(margin=0.4, triplets='semihard', average='violating')@embedding of unlabelled"


@dataclass(frozen=True)
class Method:
    """What a name stands for in the semi-supervised regime.

    Attributes:
        title: as tables write it.
        objective: terms; `graph_contrast` weighs 1 beside CCSSL too, as in the released trainer.
        regime: settings that differ from those of `SemiSupervised`, or that the paper gives for this method.
    """

    title: str
    objective: tuple[str, ...]
    regime: Mapping[str, Any] = field(default_factory=dict)


METHODS: dict[str, Method] = {
    "supervised": Method("labels alone", (ENTROPY,), {"mu": 0}),
    "fixmatch": Method("FixMatch", (ENTROPY, "consistency(hard=True)@classifier"), {"alignment": 0, "memory": 0}),
    "comatch": Method("CoMatch", COMATCH),
    "comatch+ccssl-in": Method(
        "CoMatch + CCSSL, in distribution",
        (*COMATCH, "class_aware_contrast@embedding"),
        {"mu": 5, "threshold": 0.95},
    ),
    "comatch+ccssl-out": Method(
        "CoMatch + CCSSL, out of distribution",
        (*COMATCH, "2.0*class_aware_contrast(push=0.9)@embedding"),
        {"mu": 7, "threshold": 0.6},
    ),
    "comatch+triplet": Method("CoMatch + Triplet", (*COMATCH, TRIPLET)),
}

# preset -> changes as --set writes them -> what each does
PRESETS: dict[str, dict[str, str]] = {
    "corrected": {},
    "as-released": {
        "data.split.labels=all": "every training image keeps its label, whatever the budget",
        "data.split.transductive=true": "test images are learnt from, without their labels",
        "regime.choose=test": "the test images choose the best epoch",
        "regime.statistics=copied": "the averaged network has the normalisation statistics of the trained one",
        "regime.normalise=false": "the second strong view is not normalised as the other views are",
    },
}


def named_method(name: str) -> Method:
    """The method of this name; an unknown one raises `InputError`."""
    if name not in METHODS:
        raise unknown("method", name, METHODS)
    return METHODS[name]


def preset(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The values of a semi-supervised experiment with the changes of a preset.

    Args:
        values: as `Experiment` takes them.
        name: `"corrected"` changes nothing; `"as-released"` brings in the faults of the code released with CoMatch
            + Triplet: all that it does otherwise than its paper says, as far as the method has what they are about.

    Raises:
        InputError: an unknown preset.
    """
    if name not in PRESETS:
        raise unknown("preset", name, PRESETS)
    without = set()
    if Objective(*values["objective"]).strong_views < 2:  # FixMatch has no second view that could be left as it is
        without.add("regime.normalise=false")
    if values["regime"].get("mu") == 0:
        without.add("data.split.transductive=true")
    return changed(values, [change for change in PRESETS[name] if change not in without])
