"""Multi-class hinge loss: the logit of the class above those of the others by a margin.

Sources: Crammer and Singer, On the Algorithmic Implementation of Multiclass Kernel-based Vector Machines
(2001); Weston and Watkins, Support Vector Machines for Multi-Class Pattern Recognition (1999).
"""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional

from spacewise.errors import InputError, unknown
from spacewise.losses.loss import Loss, check_batch
from spacewise.losses.pairs import prepared

FORMS = ("crammer_singer", "weston_watkins")


def hinge(embeddings: Tensor, labels: Tensor, *, form: str = "crammer_singer", margin: float = 1.0) -> Tensor:
    """Mean over samples of the violations max(0, margin + z_j - z_y) of the classes j other than y.

    `form="crammer_singer"` takes the largest violation of a sample, `form="weston_watkins"` their sum:
    K times `multi_margin_loss` of torch, which divides by the number K of classes.

    Args:
        embeddings: (sample, class), the logits z; halves are computed in float32.
        labels: (sample,) class indices.
        form: `"crammer_singer"` or `"weston_watkins"`.
        margin: zero or more, in the unit of the logits.

    Returns:
        Scalar; zero for an empty batch. NaN in the embeddings gives NaN.

    Raises:
        InputError: shapes do not fit, or the form is unknown.
    """
    _check_form(form)
    check_batch(embeddings, labels)
    values = prepared(embeddings, normalise=False)
    if len(values) == 0:
        return values.sum() * 0
    # differences first: the margin would be lost beside large logits
    violations = (margin + (values - values.gather(1, labels[:, None]))).clamp(min=0)
    others = violations.masked_fill(functional.one_hot(labels, values.shape[1]).bool(), 0)
    return (others.amax(dim=1) if form == "crammer_singer" else others.sum(dim=1)).mean()


def _check_form(form: str) -> None:
    if form not in FORMS:
        raise unknown("form of hinge", form, FORMS)


class Hinge(Loss):
    """`hinge` as a term of an objective, on the classifier space.

    Raises:
        InputError: the margin is below zero, or the form is unknown.
    """

    name = "hinge"

    def __init__(self, form: str = "crammer_singer", margin: float = 1.0) -> None:
        super().__init__(form=form, margin=margin)
        _check_form(form)
        if not (isinstance(margin, int | float) and math.isfinite(margin) and margin >= 0):
            raise InputError(f"hinge: margin must be zero or more, not {margin!r}")

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return hinge(embeddings, labels, **self.options)
