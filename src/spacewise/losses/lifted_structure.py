"""Lifted structured loss: each positive pair against the negatives of both its ends.

Source: Oh Song et al., Deep Metric Learning via Lifted Structured Feature Embedding (2016), equation 4.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from spacewise.errors import InputError
from spacewise.losses.loss import Loss, check_batch
from spacewise.losses.pairs import prepared, same_class, squared_distances


def lifted_structure(embeddings: Tensor, labels: Tensor, *, margin: float = 1.0, normalise: bool = False) -> Tensor:
    """Half the mean over pairs (i, j) of one class of max(0, J_ij)^2, with D the Euclidean distance and

    J_ij = log(sum_n exp(margin - D_in) + sum_n exp(margin - D_jn)) + D_ij, n over the other classes.

    Args:
        embeddings: (sample, dimension); halves are computed in float32.
        labels: (sample,) class indices.
        margin: in the unit of D.
        normalise: compare unit vectors; zero vectors stay zero. Not by default: the released layer takes
            the vectors as they come, and a margin of 1 is wide for distances that end at 2.

    Returns:
        Scalar; zero where the batch has no positive or no negative pair. NaN in the embeddings gives NaN.

    Raises:
        InputError: shapes do not fit.
    """
    check_batch(embeddings, labels)
    values = prepared(embeddings, normalise=normalise)
    same = same_class(labels)
    pairs = same.triu(1)
    if not pairs.any() or same.all():
        return values.sum() * 0
    # the square root has no gradient at zero: coincident vectors are held, not moved
    distance = squared_distances(values).clamp(min=torch.finfo(values.dtype).tiny).sqrt()
    negatives = (margin - distance).masked_fill(same, -math.inf).logsumexp(dim=1)
    return (torch.logaddexp(negatives[:, None], negatives[None, :]) + distance)[pairs].relu().square().mean() / 2


class LiftedStructure(Loss):
    """`lifted_structure` as a term of an objective.

    Raises:
        InputError: the margin is no number of zero or more, or `normalise` is neither True nor False.
    """

    name = "lifted_structure"

    def __init__(self, margin: float = 1.0, normalise: bool = False) -> None:
        super().__init__(margin=margin, normalise=normalise)
        if not (isinstance(margin, int | float) and math.isfinite(margin) and margin >= 0):
            raise InputError(f"lifted_structure: margin must be zero or more, not {margin!r}")
        if not isinstance(normalise, bool):
            raise InputError(f"lifted_structure: normalise must be True or False, not {normalise!r}")

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return lifted_structure(embeddings, labels, **self.options)
