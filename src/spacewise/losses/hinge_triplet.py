"""Hinge triplet loss over every triplet of a batch, or over those that a rule of mining chooses.

Sources: Schroff et al., FaceNet (2015), equations 1 to 4 (the loss; semihard); Hermans et al., In Defense of
the Triplet Loss (2017), equations 5 and 7 (hard; all); Xuan et al., Improved Embeddings with Easy Positive
Triplet Mining (2020), section 3.2 (easy positive).
"""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor

from spacewise.errors import InputError, unknown
from spacewise.losses.loss import Loss, check_batch
from spacewise.losses.pairs import prepared, squared_distances
from spacewise.losses.triplets import Layout, OfDistances, layout, over_blocks

TRIPLETS = ("all", "semihard", "hard", "easy_positive")
AVERAGES = ("all", "violating")


def hinge_triplet(
    embeddings: Tensor,
    labels: Tensor,
    *,
    margin: float = 0.2,
    triplets: str = "all",
    average: str = "all",
    normalise: bool = True,
) -> Tensor:
    """Mean over triplets (a, p, n) of max(0, d(a, p) - d(a, n) + margin), p of a's class, n of another.

    d is the squared Euclidean distance.

    Args:
        embeddings: (sample, dimension); halves are computed in float32.
        labels: (sample,) class indices.
        margin: zero or more, in the unit of d.
        triplets: `"all"` of the batch; `"semihard"`: all with d(a, p) < d(a, n) < d(a, p) + margin; for each
            anchor its nearest negative, with its farthest positive (`"hard"`) or its nearest
            (`"easy_positive"`).
        average: over `"all"` of these triplets, or over the `"violating"`, whose value is above zero.
        normalise: whether vectors are brought to unit length first.

    Returns:
        Scalar; zero where there is no triplet to average, NaN where a vector of the batch is not finite.

    Raises:
        InputError: shapes do not fit, or a name is unknown.
    """
    _check_names(triplets, average)
    check_batch(embeddings, labels)
    values = prepared(embeddings, normalise=normalise)
    batch = layout(labels)
    if batch.triplets == 0:
        return values.sum() * 0
    ordered = batch.ordered(values)
    if triplets in ("hard", "easy_positive"):
        return _one_an_anchor(squared_distances(ordered), batch, margin, triplets, average)
    mean = partial(_value_and_gradient, batch=batch, margin=margin, triplets=triplets, average=average)
    return OfDistances.apply(ordered, mean)


def _check_names(triplets: str, average: str) -> None:
    if triplets not in TRIPLETS:
        raise unknown("triplets of hinge_triplet", triplets, TRIPLETS)
    if average not in AVERAGES:
        raise unknown("average of hinge_triplet", average, AVERAGES)


def _value_and_gradient(
    distances: Tensor, batch: Layout, margin: float, triplets: str, average: str
) -> tuple[Tensor, Tensor]:
    """By counting: the sum over violating triplets is each distance times how many it stands in, and margins."""
    weigh = partial(_violating, margin=margin, semihard=triplets == "semihard")
    _, pull, push = over_blocks(batch.near(distances), batch.far(distances), batch, weigh)
    violating = int(pull.sum(dtype=torch.float64))
    count = batch.triplets if (triplets, average) == ("all", "all") else max(violating, 1)
    counts = batch.scattered(pull, push)
    # large sums that nearly cancel: the wider accumulator keeps a small loss exact
    total = torch.dot(counts.flatten().double(), distances.flatten().double()) + margin * violating
    return (total / count).to(distances.dtype), counts.div_(count)


def _violating(near: Tensor, far: Tensor, buffer: Tensor, *, margin: float, semihard: bool) -> tuple[Tensor, None]:
    """One where a triplet counts, zero elsewhere."""
    weights = torch.gt((near + margin)[:, :, None], far[:, None, :], out=buffer[0])
    if semihard:
        weights *= torch.lt(near[:, :, None], far[:, None, :], out=buffer[1])
    return weights, None


def _one_an_anchor(distances: Tensor, batch: Layout, margin: float, triplets: str, average: str) -> Tensor:
    """Of the anchors that have a positive and a negative, the one triplet each that the rule chooses."""
    near, far = batch.near(distances), batch.far(distances)
    there = near != -math.inf
    positive = near.amax(1) if triplets == "hard" else near.where(there, math.inf).amin(1)
    values = (positive - far.amin(1) + margin)[there.any(1)].relu()
    return values.mean() if average == "all" else values.sum() / (values > 0).sum().clamp(min=1)


class HingeTriplet(Loss):
    """`hinge_triplet` as a term of an objective.

    Raises:
        InputError: the margin is no number of zero or more, a name is unknown, or `normalise` is neither
            True nor False.
    """

    name = "hinge_triplet"

    def __init__(
        self, margin: float = 0.2, triplets: str = "all", average: str = "all", normalise: bool = True
    ) -> None:
        super().__init__(margin=margin, triplets=triplets, average=average, normalise=normalise)
        if not (isinstance(margin, int | float) and math.isfinite(margin) and margin >= 0):
            raise InputError(f"hinge_triplet: margin must be zero or more, not {margin!r}")
        _check_names(triplets, average)
        if not isinstance(normalise, bool):
            raise InputError(f"hinge_triplet: normalise must be True or False, not {normalise!r}")

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return hinge_triplet(embeddings, labels, **self.options)
