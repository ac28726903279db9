"""Smooth triplet loss over every triplet of a batch, in the memory of the batch's square.

Source: Vo and Hays, Generalization in Metric Learning: Should the Embedding Layer be the Embedding Layer?,
section 3.4. The printed exponent has its sign reversed: there, the loss would fall as classes mix.
"""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from spacewise.errors import InputError
from spacewise.losses.loss import Loss, check_batch
from spacewise.losses.pairs import prepared
from spacewise.losses.triplets import Layout, OfDistances, Weigh, layout, over_blocks


def smooth_triplet(
    embeddings: Tensor, labels: Tensor, *, scale: float | Tensor = 4.0, normalise: bool = True
) -> Tensor:
    """Mean over all triplets (a, p, n) of log(1 + exp(d(a, p) - d(a, n))), p of a's class, n of another.

    d is the squared Euclidean distance of vectors of unit length times `scale`.

    Args:
        embeddings: (sample, dimension); halves are computed in float32.
        labels: (sample,) class indices.
        scale: length of the vectors; without `normalise`, what their own lengths are multiplied by.
        normalise: whether vectors are brought to unit length first.

    Returns:
        Scalar; zero where the batch has no triplet, NaN where a vector of a triplet is not finite.

    Raises:
        InputError: shapes do not fit.
    """
    check_batch(embeddings, labels)
    values = prepared(embeddings, normalise=normalise) * scale
    batch = layout(labels)
    if batch.triplets == 0:
        return values.sum() * 0
    return OfDistances.apply(batch.ordered(values), partial(_value_and_gradient, batch=batch))


def _value_and_gradient(distances: Tensor, batch: Layout) -> tuple[Tensor, Tensor]:
    near, far = batch.near(distances), batch.far(distances)
    left, right, weigh = _factors(near, far)
    total, pull, push = over_blocks(left, right, batch, weigh)
    gradient = batch.scattered(pull, push).div_(batch.triplets)
    return (total / batch.triplets).to(distances.dtype), gradient


def _factors(near: Tensor, far: Tensor) -> tuple[Tensor, Tensor, Weigh]:
    """t = exp(d(a, p) - d(a, n)) as a product of two vectors an anchor, unless it could overflow."""
    farthest, nearest = near.amax(1, keepdim=True), far.amin(1, keepdim=True)
    if not (farthest - nearest).max() < math.log(torch.finfo(near.dtype).max) - 1:  # NaN goes the way that keeps it
        return near, far, _plain
    middle = torch.where(farthest > -math.inf, (farthest + nearest) / 2, nearest)
    return near.sub_(middle).exp_(), far.neg_().add_(middle).exp_(), _factored


def _factored(left: Tensor, right: Tensor, buffer: Tensor) -> tuple[Tensor, Tensor]:
    """Weights t / (1 + t) and the sum of log(1 + t), without an exponential a triplet."""
    terms = torch.mul(left[:, :, None], right[:, None, :], out=buffer[0])
    weights = torch.add(terms, 1, out=buffer[1])
    torch.div(terms, weights, out=weights)
    return weights, terms.log1p_().sum(-1).sum(dtype=torch.float64)


def _plain(near: Tensor, far: Tensor, buffer: Tensor) -> tuple[Tensor, Tensor]:
    """The same from the differences themselves, which may be of any size."""
    gaps = torch.sub(near[:, :, None], far[:, None, :], out=buffer[0])
    # above its threshold softplus(x) is x: at 40 the difference is below the last digit of float64
    value = functional.softplus(gaps, threshold=40).sum(-1).sum(dtype=torch.float64)
    return torch.sigmoid(gaps, out=buffer[1]), value


class SmoothTriplet(Loss):
    """`smooth_triplet` as a term of an objective.

    Args:
        scale: length of the vectors, above zero.
        learnt_scale: `scale` is where a learnt parameter starts, as in the paper's released code.
        normalise: whether vectors are brought to unit length first.

    Raises:
        InputError: the scale is no number above zero, or a switch is neither True nor False.
    """

    name = "smooth_triplet"

    def __init__(self, scale: float = 4.0, learnt_scale: bool = False, normalise: bool = True) -> None:
        super().__init__(scale=scale, learnt_scale=learnt_scale, normalise=normalise)
        if not (isinstance(scale, int | float) and math.isfinite(scale) and scale > 0):
            raise InputError(f"smooth_triplet: scale must be above zero, not {scale!r}")
        for option, switch in (("learnt_scale", learnt_scale), ("normalise", normalise)):
            if not isinstance(switch, bool):
                raise InputError(f"smooth_triplet: {option} must be True or False, not {switch!r}")
        self.scale = nn.Parameter(torch.tensor(float(scale))) if learnt_scale else float(scale)

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return smooth_triplet(embeddings, labels, scale=self.scale, normalise=self.options["normalise"])
