"""Contrastive loss: pairs of a class closer than one margin, pairs of two classes farther than another.

Source: Wang et al., Successive Embedding and Classification Loss, equations 5 to 7.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from spacewise.errors import InputError, unknown
from spacewise.losses.loss import Loss, check_batch
from spacewise.losses.pairs import prepared, same_class, squared_distances

FORMS = ("squared", "distance")
PAIRS = ("all", "siamese")


def contrastive(
    embeddings: Tensor,
    labels: Tensor,
    *,
    similar_margin: float = 0.0,
    dissimilar_margin: float = 1.0,
    form: str = "squared",
    pairs: str = "all",
) -> Tensor:
    """Mean over pairs, with d the Euclidean distance of the two vectors.

    `form="squared"` is the paper's: max(0, d^2 - m_s) for pairs of one class, max(0, m_d - d^2) for
    pairs of two. `form="distance"` is the form of Hadsell et al. (2006) that the paper's released
    configuration computes: max(0, d - m_s)^2 / 2 and max(0, m_d - d)^2 / 2.

    Args:
        embeddings: (sample, dimension); halves are computed in float32.
        labels: (sample,) class indices.
        similar_margin: m_s, zero or more, in the unit of d^2 (squared) or d (distance).
        dissimilar_margin: m_d, zero or more, in the same unit.
        form: `"squared"` or `"distance"`.
        pairs: `"all"` pairs of the batch, or `"siamese"`: the i-th sample of the first half with the
            i-th of the second, as two networks with shared weights would see them.

    Returns:
        Scalar; zero where the batch has no pair. A batch without a positive (or a negative) pair is
        not an error: the mean is over the pairs that there are.

    Raises:
        InputError: shapes do not fit, a name is unknown, or `"siamese"` meets an odd batch.
    """
    _check_names(form, pairs)
    check_batch(embeddings, labels)
    values = prepared(embeddings, normalise=False)
    if pairs == "siamese":
        squared, same = _siamese(values, labels)
    else:
        squared, same = _all_pairs(values, labels)
    if squared.numel() == 0:
        return values.sum() * 0
    if form == "squared":
        return torch.where(same, squared - similar_margin, dissimilar_margin - squared).relu().mean()
    # the square root has no gradient at zero: coincident vectors are held, not moved
    distance = squared.clamp(min=torch.finfo(values.dtype).tiny).sqrt()
    return torch.where(same, distance - similar_margin, dissimilar_margin - distance).relu().square().mean() / 2


def _check_names(form: str, pairs: str) -> None:
    if form not in FORMS:
        raise unknown("form of contrastive", form, FORMS)
    if pairs not in PAIRS:
        raise unknown("pairs of contrastive", pairs, PAIRS)


def _siamese(values: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    if len(values) % 2:
        raise InputError(f"contrastive(pairs='siamese') needs an even batch, not {len(values)} samples")
    left, right = values.chunk(2) if len(values) else (values, values)
    first, second = labels.chunk(2) if len(labels) else (labels, labels)
    return (left - right).square().sum(dim=1), first == second


def _all_pairs(values: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Squared distances and sameness of the pairs i < j, in the memory of the batch's square."""
    upper = torch.ones(len(values), len(values), dtype=torch.bool, device=values.device).triu(1)
    return squared_distances(values)[upper], same_class(labels)[upper]


class Contrastive(Loss):
    """`contrastive` as a term of an objective. Margins below zero and unknown names raise `InputError`."""

    name = "contrastive"

    def __init__(
        self,
        similar_margin: float = 0.0,
        dissimilar_margin: float = 1.0,
        form: str = "squared",
        pairs: str = "all",
    ) -> None:
        super().__init__(similar_margin=similar_margin, dissimilar_margin=dissimilar_margin, form=form, pairs=pairs)
        for option, margin in (("similar_margin", similar_margin), ("dissimilar_margin", dissimilar_margin)):
            if not (isinstance(margin, int | float) and math.isfinite(margin) and margin >= 0):
                raise InputError(f"contrastive: {option} must be zero or more, not {margin!r}")
        _check_names(form, pairs)

    def check_batch(self, size: int) -> None:
        if self.options["pairs"] == "siamese" and size % 2:
            raise InputError(f"contrastive(pairs='siamese') needs an even batch, not {size} samples")

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return contrastive(embeddings, labels, **self.options)
