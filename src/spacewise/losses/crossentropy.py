"""Softmax cross-entropy: the classification loss of every recipe."""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional

from spacewise.errors import InputError
from spacewise.losses.loss import Loss, check_batch


class CrossEntropy(Loss):
    """Mean over the batch of -log softmax(z)_y, on the classifier space (logits).

    Args:
        smoothing: share of each label that is spread evenly over all K classes, the sample's own among
            them (Szegedy et al., Rethinking the Inception Architecture, 2016, section 7): zero or more,
            below 1. The label of the own class becomes 1 - smoothing + smoothing / K.

    Raises:
        InputError: the smoothing is outside that range.
    """

    name = "crossentropy"

    def __init__(self, smoothing: float = 0.0) -> None:
        super().__init__(smoothing=smoothing)
        if not (isinstance(smoothing, int | float) and math.isfinite(smoothing) and 0 <= smoothing < 1):
            raise InputError(f"crossentropy: smoothing must be zero or more and below 1, not {smoothing!r}")

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        check_batch(embeddings, labels)
        if len(labels) == 0:
            return embeddings.sum() * 0
        values = embeddings.float() if embeddings.dtype.itemsize < 4 else embeddings
        return functional.cross_entropy(values, labels, label_smoothing=self.options["smoothing"])
