"""Binary cross-entropy, one class against the rest: each class decides for itself whether a sample is of it.

Source: Wightman et al., ResNet Strikes Back (2021), who train classifiers of one label an image with it.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from spacewise.losses.loss import Loss, check_batch
from spacewise.losses.pairs import prepared


def binary_crossentropy(embeddings: Tensor, labels: Tensor) -> Tensor:
    """Mean over samples of -log sigmoid(z_y) - sum_{j != y} log(1 - sigmoid(z_j)).

    The sum over classes, not their mean, as torch has it: of many classes almost all are wrong ones and
    soon cost nothing, and dividing by their number would leave little of the one that is right.

    Args:
        embeddings: (sample, class), the logits z; halves are computed in float32.
        labels: (sample,) class indices.

    Returns:
        Scalar; zero for an empty batch. NaN in the embeddings gives NaN.

    Raises:
        InputError: shapes do not fit.
    """
    check_batch(embeddings, labels)
    values = prepared(embeddings, normalise=False)
    if len(values) == 0:
        return values.sum() * 0
    own = functional.one_hot(labels, values.shape[1]).to(values.dtype)
    return functional.binary_cross_entropy_with_logits(values, own, reduction="sum") / len(values)


class BinaryCrossEntropy(Loss):
    """`binary_crossentropy` as a term of an objective, on the classifier space."""

    name = "binary_crossentropy"

    def __init__(self) -> None:
        super().__init__()

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return binary_crossentropy(embeddings, labels)
