"""Focal loss: cross-entropy in which samples that are already recognised weigh little.

Source: Lin et al., Focal Loss for Dense Object Detection (2017), equation 4, with the softmax in place of
the sigmoid.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from spacewise.errors import InputError
from spacewise.losses.loss import Loss, check_batch
from spacewise.losses.pairs import prepared


def focal(embeddings: Tensor, labels: Tensor, *, gamma: float = 2.0) -> Tensor:
    """Mean over samples of -(1 - p_y)^gamma log p_y, p = softmax(z).

    Args:
        embeddings: (sample, class), the logits z; halves are computed in float32.
        labels: (sample,) class indices.
        gamma: zero or more; zero is cross-entropy.

    Returns:
        Scalar; zero for an empty batch. NaN in the embeddings gives NaN.

    Raises:
        InputError: shapes do not fit.
    """
    check_batch(embeddings, labels)
    values = prepared(embeddings, normalise=False)
    if len(values) == 0:
        return values.sum() * 0
    log_p = values.log_softmax(dim=1)
    own = functional.one_hot(labels, values.shape[1]).bool()
    # (1 - p_y)^gamma through its logarithm: as a power it has no gradient at p_y = 1 where gamma is below 1.
    # The lowest finite number, not -inf, which gamma = 0 would turn to NaN for a single class.
    log_rest = log_p.masked_fill(own, torch.finfo(log_p.dtype).min).logsumexp(dim=1)
    log_own = log_p.gather(1, labels[:, None]).squeeze(1)
    return -((gamma * log_rest).exp() * log_own).mean()


class Focal(Loss):
    """`focal` as a term of an objective, on the classifier space. A gamma below zero raises `InputError`."""

    name = "focal"

    def __init__(self, gamma: float = 2.0) -> None:
        super().__init__(gamma=gamma)
        if not (isinstance(gamma, int | float) and math.isfinite(gamma) and gamma >= 0):
            raise InputError(f"focal: gamma must be zero or more, not {gamma!r}")

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return focal(embeddings, labels, **self.options)
