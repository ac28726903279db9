"""Multi-class N-pair loss: the positive of an anchor against all negatives of the batch at once.

Source: Sohn, Improved Deep Metric Learning with Multi-class N-pair Loss Objective (2016), section 3.2.
"""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional

from spacewise.errors import InputError
from spacewise.losses.loss import Loss, check_batch
from spacewise.losses.pairs import prepared, products, same_class


def npair(embeddings: Tensor, labels: Tensor, *, normalise: bool = False, length_weight: float = 0.0) -> Tensor:
    """Mean over ordered pairs (i, p) of one class of log(1 + sum_n exp(f_i . f_n - f_i . f_p)).

    n runs over all samples of other classes. Sohn draws two samples of each class, takes the first as
    anchor and compares it with the second ones only, so that the value depends on who comes first. Here
    both are anchors and both are negatives, and classes may have any number of samples: the value does
    not depend on the order of the batch. It is NT-Xent on dot products with temperature 1.

    Args:
        embeddings: (sample, dimension); halves are computed in float32.
        labels: (sample,) class indices.
        normalise: compare unit vectors; zero vectors stay zero. The paper does not, and holds the
            lengths small instead.
        length_weight: adds this times the mean squared length of the vectors, zero or more.

    Returns:
        Scalar; zero (but for the lengths) where the batch has no positive or no negative pair. NaN in
        the embeddings gives NaN.

    Raises:
        InputError: shapes do not fit.
    """
    check_batch(embeddings, labels)
    values = prepared(embeddings, normalise=normalise)
    loss = _over_pairs(values, labels)
    if length_weight and len(values):
        loss = loss + length_weight * values.square().sum(dim=1).mean()
    return loss


def _over_pairs(values: Tensor, labels: Tensor) -> Tensor:
    same = same_class(labels)
    positive = same.clone().fill_diagonal_(False)
    if not positive.any() or same.all():
        return values.sum() * 0
    # only differences f_i . (f_n - f_p) count: a common shift of the right-hand side saves their digits
    similarity = products(values, values - values.detach().mean(dim=0))
    negatives = similarity.masked_fill(same, -math.inf).logsumexp(dim=1, keepdim=True)
    return functional.softplus(negatives - similarity)[positive].mean()


class NPair(Loss):
    """`npair` as a term of an objective.

    Raises:
        InputError: the weight of the lengths is no number of zero or more, `normalise` is neither True
            nor False, or vectors of unit length have their lengths weighed.
    """

    name = "npair"

    def __init__(self, normalise: bool = False, length_weight: float = 0.0) -> None:
        super().__init__(normalise=normalise, length_weight=length_weight)
        if not isinstance(normalise, bool):
            raise InputError(f"npair: normalise must be True or False, not {normalise!r}")
        if not (isinstance(length_weight, int | float) and math.isfinite(length_weight) and length_weight >= 0):
            raise InputError(f"npair: length_weight must be zero or more, not {length_weight!r}")
        if normalise and length_weight:
            raise InputError("npair: length_weight moves nothing where normalise=True; leave one of them out")

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return npair(embeddings, labels, **self.options)
