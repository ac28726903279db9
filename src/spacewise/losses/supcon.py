"""Supervised contrastive loss: each positive against all other samples of the batch.

Source: Khosla et al., Supervised Contrastive Learning (2020), equation 2.
"""

from __future__ import annotations

import math

from torch import Tensor

from spacewise.errors import InputError
from spacewise.losses.loss import Loss, check_batch
from spacewise.losses.pairs import prepared, products, same_class


def supcon(embeddings: Tensor, labels: Tensor, *, temperature: float = 0.1) -> Tensor:
    """Mean over anchors i of -1 / |P(i)| sum_p log(exp(z_i . z_p / T) / sum_{k != i} exp(z_i . z_k / T)).

    z are unit vectors, P(i) the other samples of the class of i. Anchors without one are left out.

    Args:
        embeddings: (sample, dimension); zero vectors stay zero; halves are computed in float32.
        labels: (sample,) class indices.
        temperature: T, above zero.

    Returns:
        Scalar; zero where the batch has no positive pair. A batch of one class is not an error: the
        positives then compete among themselves. NaN in the embeddings gives NaN.

    Raises:
        InputError: shapes do not fit.
    """
    check_batch(embeddings, labels)
    values = prepared(embeddings)
    positive = same_class(labels).fill_diagonal_(False)
    if not positive.any():
        return values.sum() * 0
    similarity = products(values) / temperature
    itself = positive.new_ones(len(values)).diag()
    others = similarity.masked_fill(itself, -math.inf).logsumexp(dim=1)
    counts = positive.sum(dim=1)
    mean = (similarity * positive).sum(dim=1) / counts.clamp(min=1)
    return (others - mean)[counts > 0].mean()


class SupCon(Loss):
    """`supcon` as a term of an objective. A temperature that is not above zero raises `InputError`."""

    name = "supcon"

    def __init__(self, temperature: float = 0.1) -> None:
        super().__init__(temperature=temperature)
        if not (isinstance(temperature, int | float) and math.isfinite(temperature) and temperature > 0):
            raise InputError(f"supcon: temperature must be above zero, not {temperature!r}")

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return supcon(embeddings, labels, **self.options)
