"""Angular loss: the angle at the negative of a triangle with anchor and positive stays below a bound.

Source: Wang et al., Deep Metric Learning with Angular Loss (2017), the form over a batch.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from spacewise.errors import InputError
from spacewise.losses.loss import Loss, check_batch
from spacewise.losses.pairs import prepared, products, same_class


def angular(embeddings: Tensor, labels: Tensor, *, angle: float = 40.0) -> Tensor:
    """Mean over ordered pairs (a, p) of one class of log(1 + sum_n exp(f_apn)), on unit vectors, with

    f_apn = 4 tan^2(angle) (x_a + x_p) . x_n - 2 (1 + tan^2(angle)) x_a . x_p, n over the other classes.

    a and p have the same negatives, so the sum over n is a product of two matrices, and no tensor of
    triplets is made. Its entries are held above the smallest normal number, which matters beyond 73
    degrees in float32 (83 in float64) alone: there, the sum of a pair of which no negative is near both
    ends may stand at that floor, too high, and then moves no negative.

    Args:
        embeddings: (sample, dimension); zero vectors stay zero; halves are computed in float32.
        labels: (sample,) class indices.
        angle: the bound, in degrees, between 0 and 90.

    Returns:
        Scalar; zero where the batch has no positive or no negative pair. NaN in the embeddings gives NaN.

    Raises:
        InputError: shapes do not fit.
    """
    check_batch(embeddings, labels)
    values = prepared(embeddings)
    same = same_class(labels)
    positive = same.clone().fill_diagonal_(False)
    if not positive.any() or same.all():
        return values.sum() * 0
    squared_tangent = math.tan(math.radians(angle)) ** 2
    cosine = products(values)
    summed = _log_sums(4 * squared_tangent * cosine, same)
    return functional.softplus(summed - 2 * (1 + squared_tangent) * cosine)[positive].mean()


def _log_sums(similarity: Tensor, same: Tensor) -> Tensor:
    """log sum_n exp(s_an + s_pn) (anchor, positive) over the n outside the class of both."""
    similarity = similarity.masked_fill(same, -math.inf)
    top = similarity.detach().amax(dim=1, keepdim=True)
    sums = products((similarity - top).exp())
    return sums.clamp(min=torch.finfo(sums.dtype).tiny).log() + top + top.T


class Angular(Loss):
    """`angular` as a term of an objective. An angle outside 0 to 90 degrees raises `InputError`."""

    name = "angular"

    def __init__(self, angle: float = 40.0) -> None:
        super().__init__(angle=angle)
        if not (isinstance(angle, int | float) and math.isfinite(angle) and 0 < angle < 90):
            raise InputError(f"angular: angle must lie between 0 and 90 degrees, not {angle!r}")

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return angular(embeddings, labels, **self.options)
