"""Guided complement entropy: the wrong classes equally unlikely, the more so the likelier the right one.

Source: Chen et al., Improving Adversarial Robustness via Guided Complement Entropy (2019), and its
released code, for the sign and for what the entropy is divided by.
"""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional

from spacewise.errors import InputError
from spacewise.losses.loss import Loss, check_batch
from spacewise.losses.pairs import prepared


def guided_complement_entropy(embeddings: Tensor, labels: Tensor, *, alpha: float = 0.333) -> Tensor:
    """Mean over samples of -(p_y + 1e-7)^alpha H / log K, to be minimised: never above zero.

    p = softmax(z) over K classes, and H is the entropy of the wrong classes, -sum_{j != y} q_j log q_j
    with q_j = p_j / (1 - p_y). The least value, -log(K - 1) / log K, has p_y = 1. The released code adds
    1e-7 to 1 - p_y, so that H fades where p_y is that near to one; here q is exact throughout.

    Args:
        embeddings: (sample, class), the logits z, three classes or more; halves are computed in float32.
        labels: (sample,) class indices.
        alpha: above zero: how much p_y guides. At zero the complement entropy alone would be left, which
            does not learn the right class.

    Returns:
        Scalar; zero for an empty batch. NaN in the embeddings gives NaN.

    Raises:
        InputError: shapes do not fit, or there are fewer than three classes.
    """
    check_batch(embeddings, labels)
    _check_classes(embeddings.shape[1])
    values = prepared(embeddings, normalise=False)
    if len(values) == 0:
        return values.sum() * 0
    own = functional.one_hot(labels, values.shape[1]).bool()
    # log q, and 0 in place of -inf for the own class: 0 * -inf would be NaN
    log_q = values.masked_fill(own, -math.inf).log_softmax(dim=1).masked_fill(own, 0)
    guide = (values.softmax(dim=1).gather(1, labels[:, None]).squeeze(1) + 1e-7) ** alpha
    return (guide * (log_q.exp() * log_q).sum(dim=1)).mean() / math.log(values.shape[1])


def _check_classes(classes: int) -> None:
    if classes < 3:
        raise InputError(f"guided_complement_entropy: two wrong classes or more are needed: 3 in all, not {classes}")


class GuidedComplementEntropy(Loss):
    """`guided_complement_entropy` as a term of an objective, on the classifier space; it stands alone.

    Raises:
        InputError: alpha is not above zero, or `bind` meets fewer than three classes.
    """

    name = "guided_complement_entropy"

    def __init__(self, alpha: float = 0.333) -> None:
        super().__init__(alpha=alpha)
        if not (isinstance(alpha, int | float) and math.isfinite(alpha) and alpha > 0):
            raise InputError(f"guided_complement_entropy: alpha must be above zero, not {alpha!r}")

    def bind(self, classes: int, dimension: int, seed: int = 0) -> None:
        _check_classes(classes)

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return guided_complement_entropy(embeddings, labels, **self.options)
