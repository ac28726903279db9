"""Contrast among both views of all images, in which images of one pseudo-label attract one another.

Source: Yang et al., Class-Aware Contrastive Semi-Supervised Learning (2022), the image-level weights and their push.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from spacewise.errors import InputError
from spacewise.losses.agreement import Agreement, Views, check_views
from spacewise.losses.pairs import prepared, products, same_class


def class_aware_contrast(
    first: Tensor, second: Tensor, targets: Tensor, *, temperature: float = 0.07, push: float = 0.0
) -> Tensor:
    """Mean over vectors i of both views of -sum_j m_ij log S_ij / sum_j m_ij: each finds its image, and its class.

    S_ij = exp(z_i . z_j / T) / sum_{k != i} exp(z_i . z_k / T), with z of unit length. m_ij is 1 for the other view of
    the same image; for vectors of two images that are taken for the same class (the largest of p, the first of equal
    ones) it is max p_i max p_j; else zero. With images whose largest p stays below `push` no other image counts: they
    keep the plain contrast of their two views. The released code has max p_i^2 in place of 1.

    Args:
        first, second: (sample, dimension); zero vectors stay zero; halves are computed in float32.
        targets: (sample, class) pseudo-labels p.
        temperature: T, above zero.
        push: 0 to 1.

    Returns:
        Scalar; zero for one image, which has nothing to differ from. NaN in a vector gives NaN.

    Raises:
        InputError: shapes do not fit, or there is no sample.
    """
    check_views(first, second, targets)
    one, other = prepared(first), prepared(second)
    both = torch.cat([one, other])
    itself = torch.eye(len(both), dtype=torch.bool, device=both.device)
    competing = (products(both) / temperature).masked_fill(itself, -math.inf).logsumexp(dim=1)
    weights = _between_images(targets.to(one.dtype), push)
    # sum_j m_ij z_i . z_j is z_i . sum_j m_ij z_j, and m between images is the same for all views
    pulled = products(weights, (one + other).T)
    partners = torch.cat([pulled + other, pulled + one])
    counts = 1 + 2 * weights.sum(dim=1).repeat(2)
    return (competing - (both * partners).sum(dim=1) / (temperature * counts)).mean()


def _between_images(targets: Tensor, push: float) -> Tensor:
    """m_ij of a vector of image i and one of image j: (sample, sample), zero on the diagonal."""
    largest = targets.amax(dim=1)
    reaching = largest * (largest >= push)
    return (same_class(targets.argmax(dim=1)) * reaching[:, None] * reaching[None, :]).fill_diagonal_(0)


class ClassAwareContrast(Agreement):
    """`class_aware_contrast` as a term of an objective.

    Raises:
        InputError: a temperature that is not above zero, or a push outside 0 to 1.
    """

    name = "class_aware_contrast"

    def __init__(self, temperature: float = 0.07, push: float = 0.0) -> None:
        super().__init__(temperature=temperature, push=push)
        if not (isinstance(temperature, int | float) and math.isfinite(temperature) and temperature > 0):
            raise InputError(f"class_aware_contrast: temperature must be above zero, not {temperature!r}")
        if not (isinstance(push, int | float) and 0 <= push <= 1):
            raise InputError(f"class_aware_contrast: push must be 0 to 1, not {push!r}")

    def agree(self, views: Views) -> Tensor:
        return class_aware_contrast(views.first, views.second, views.targets, **self.options)
