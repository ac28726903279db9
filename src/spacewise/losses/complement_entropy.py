"""Complement entropy: the wrong classes, equally unlikely.

Sources: Chen et al., Complement Objective Training (ICLR 2019), equation 2; Ito et al., Analyzing the
Accuracy, Representations, and Explainability of Various Loss Functions, equation 5.
"""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional

from spacewise.errors import InputError, unknown
from spacewise.losses.loss import Loss, check_batch

FORMS = ("printed", "released")


def complement_entropy(embeddings: Tensor, labels: Tensor, *, form: str = "printed") -> Tensor:
    """Minus the complement entropy: mean over samples of sum_(j != y) q_j log q_j, q_j = p_j / (1 - p_y).

    The entropy is what complement training maximises, so that its negative is the loss. q is the softmax of
    the wrong classes' logits alone, and is computed as that: the true class cannot make it lose digits.

    Args:
        embeddings: logits (sample, class), three classes or more; halves are computed in float32.
        labels: (sample,) class indices.
        form: `"printed"`, or `"released"`: also divided by the number of classes, as in the authors' code.

    Returns:
        Scalar between -log(classes - 1) (printed) and 0; zero for an empty batch.
    """
    check_batch(embeddings, labels)
    values = embeddings.float() if embeddings.dtype.itemsize < 4 else embeddings
    if len(values) == 0:
        return values.sum() * 0
    own = functional.one_hot(labels, values.shape[1]).bool()
    logs = values.masked_fill(own, -math.inf).log_softmax(dim=1).masked_fill(own, 0.0)
    unseen = values[own].detach() * 0  # the true logit is not in q; where it is NaN, the loss is to be
    total = ((logs.exp() * logs).sum(dim=1) + unseen).mean()
    return total / values.shape[1] if form == "released" else total


class ComplementEntropy(Loss):
    """`complement_entropy` on the classifier space, made for the second step of every batch (`alternate`).

    Args:
        form: `"printed"` (the default) or `"released"`.

    Raises:
        InputError: an unknown form; fewer than three classes, where the wrong ones have no entropy.
    """

    name = "complement_entropy"

    def __init__(self, form: str = "printed") -> None:
        super().__init__(form=form)
        if form not in FORMS:
            raise unknown("form of complement_entropy", form, FORMS)

    def bind(self, classes: int, dimension: int, seed: int = 0) -> None:
        if classes < 3:
            raise InputError(f"complement_entropy: the wrong classes of {classes} have no entropy, expected 3 or more")

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return complement_entropy(embeddings, labels, **self.options)
