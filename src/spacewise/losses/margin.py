"""Margin loss: a boundary between near and far for each class, negatives weighed by their distance.

Source: Wu et al., Sampling Matters in Deep Embedding Learning (2017), section 4.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from spacewise.errors import InputError
from spacewise.losses.loss import Loss, check_batch
from spacewise.losses.pairs import prepared, same_class, squared_distances

NEAREST = 0.5  # closer negatives are weighed as if they were so far: the cut-off of 1 / q
FARTHEST = 1.4  # farther negatives are left out, as in the released code


def margin(embeddings: Tensor, labels: Tensor, beta: Tensor | float = 1.2, *, margin: float = 0.2) -> Tensor:
    """Mean over ordered pairs (a, p) of one class of the pull on the pair and the expected push on a.

    With D the Euclidean distance of unit vectors and beta that of the anchor's class, the pull is
    max(0, D_ap - beta + margin), the push sum_n w_an max(0, beta + margin - D_an). The paper draws one
    negative for each pair with the probabilities w of `distance_weights`; here is the expectation over
    the draw: no randomness, less variance. As in a draw, w is held in the backward pass.

    The mean is over all pairs; the released code divides by the number of terms above zero. The paper's
    regulariser nu * beta is left out (it ends at nu = 0).

    Args:
        embeddings: (sample, dimension); zero vectors stay zero; halves are computed in float32.
        labels: (sample,) class indices.
        beta: (class,), or one for all, in the unit of D.
        margin: half the gap between near and far, in the unit of D.

    Returns:
        Scalar; zero where the batch has no positive pair, the pull alone where it has no negative one.
        NaN in the embeddings gives NaN.

    Raises:
        InputError: shapes do not fit.
    """
    check_batch(embeddings, labels)
    values = prepared(embeddings)
    same = same_class(labels)
    positive = same.clone().fill_diagonal_(False)
    if not positive.any():
        return values.sum() * 0
    # the square root has no gradient at zero: coincident vectors are held, not moved
    distance = squared_distances(values).clamp(min=torch.finfo(values.dtype).tiny).sqrt()
    boundary = beta[labels, None].to(values.dtype) if isinstance(beta, Tensor) else beta
    pull = (distance - boundary + margin).relu()
    push = (distance_weights(distance.detach(), ~same, values.shape[1]) * (boundary + margin - distance).relu()).sum(1)
    return (pull + push[:, None])[positive].mean()


def distance_weights(distance: Tensor, negative: Tensor, dimension: int) -> Tensor:
    """Probability (anchor, sample) of each negative: the inverse of how common its distance is by chance.

    Two random points of the unit sphere are d apart with a density q(d) that is proportional to
    d^(dimension - 2) (1 - d^2 / 4)^((dimension - 3) / 2).

    Args:
        distance: (anchor, sample) of unit vectors. Below 0.5 it counts as 0.5; above 1.4 it weighs
            nothing, unless all negatives of the anchor are so far: then they weigh the same.
        negative: bool (anchor, sample).
        dimension: of the space.

    Returns:
        (anchor, sample); each row sums to one, or to zero without a negative.
    """
    near = negative & (distance < FARTHEST)
    none = ~near.any(dim=1, keepdim=True)
    bounded = distance.clamp(NEAREST, FARTHEST)
    rarity = (2 - dimension) * bounded.log() - (dimension - 3) / 2 * torch.log1p(-bounded.square() / 4)
    rarity = rarity.masked_fill(none, 0.0).masked_fill(~torch.where(none, negative, near), -math.inf)
    top = rarity.amax(dim=1, keepdim=True).clamp(min=torch.finfo(distance.dtype).min)
    weights = (rarity - top).exp()
    return weights / weights.sum(dim=1, keepdim=True).clamp(min=1)  # at least one, of the rarest


class Margin(Loss):
    """`margin` as a term of an objective, with its boundaries.

    Args:
        margin: half the gap between near and far, zero or more.
        beta: the boundary, or where it starts; above zero.
        learn_beta: whether each class learns a boundary of its own, the parameter `betas` (class,).

    Raises:
        InputError: an option is outside its range; or, with a batch, the boundaries are to be learnt and
            `bind` has not been called.
    """

    name = "margin"
    betas: nn.Parameter

    def __init__(self, margin: float = 0.2, beta: float = 1.2, learn_beta: bool = True) -> None:
        super().__init__(margin=margin, beta=beta, learn_beta=learn_beta)
        if not (isinstance(margin, int | float) and math.isfinite(margin) and margin >= 0):
            raise InputError(f"margin: margin must be zero or more, not {margin!r}")
        if not (isinstance(beta, int | float) and math.isfinite(beta) and beta > 0):
            raise InputError(f"margin: beta must be above zero, not {beta!r}")
        if not isinstance(learn_beta, bool):
            raise InputError(f"margin: learn_beta must be True or False, not {learn_beta!r}")
        if learn_beta:
            self.betas = nn.Parameter(torch.zeros(0))

    def bind(self, classes: int, dimension: int, seed: int = 0) -> None:
        if self.options["learn_beta"]:
            self.betas = nn.Parameter(torch.full_like(self.betas.new_empty(classes), self.options["beta"]))

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        if not self.options["learn_beta"]:
            return margin(embeddings, labels, self.options["beta"], margin=self.options["margin"])
        if self.betas.numel() == 0:
            raise InputError("margin: learnt boundaries need bind(classes, dimension) before the first batch")
        return margin(embeddings, labels, self.betas, margin=self.options["margin"])
