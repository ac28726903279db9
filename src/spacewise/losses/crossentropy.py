"""Softmax cross-entropy: the classification loss of every recipe."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from spacewise.losses.loss import Loss, check_batch


class CrossEntropy(Loss):
    """Mean over the batch of -log softmax(z)_y, on the classifier space (logits)."""

    name = "crossentropy"

    def __init__(self) -> None:
        super().__init__()

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        check_batch(embeddings, labels)
        if len(labels) == 0:
            return embeddings.sum() * 0
        return functional.cross_entropy(embeddings.float() if embeddings.dtype.itemsize < 4 else embeddings, labels)
