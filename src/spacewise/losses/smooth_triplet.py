"""Smooth triplet loss over every triplet of a batch, in the memory of the batch's square.

Source: Vo and Hays, Generalization in Metric Learning: Should the Embedding Layer Be Embedding Layer?,
section 3.4. The printed exponent has its sign reversed: there, the loss would fall as classes mix.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from spacewise.errors import InputError
from spacewise.losses.loss import Loss, check_batch
from spacewise.losses.pairs import prepared, products, same_class, squared_distances

BLOCK = 2**17  # triplets at a time: a block is read and written often, and stays in the processor's cache
WHOLE = 40  # samples; a batch up to this is one block as it comes, which costs less than to put it in order

# (anchor, positive), (anchor, negative) and a buffer -> weights (anchor, positive, negative) and their value
Weigh = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor | None]]


def smooth_triplet(
    embeddings: Tensor, labels: Tensor, *, scale: float | Tensor = 4.0, normalise: bool = True
) -> Tensor:
    """Mean over all triplets (a, p, n) of log(1 + exp(d(a, p) - d(a, n))), p of a's class, n of another.

    d is the squared Euclidean distance of vectors of unit length times `scale`.

    Args:
        embeddings: (sample, dimension); halves are computed in float32.
        labels: (sample,) class indices.
        scale: length of the vectors; without `normalise`, what their own lengths are multiplied by.
        normalise: whether vectors are brought to unit length first.

    Returns:
        Scalar; zero where the batch has no triplet, NaN where a vector of a triplet is not finite.

    Raises:
        InputError: shapes do not fit.
    """
    check_batch(embeddings, labels)
    values = prepared(embeddings, normalise=normalise) * scale
    batch = layout(labels)
    if batch.triplets == 0:
        return values.sum() * 0
    return OfDistances.apply(batch.ordered(values), partial(_value_and_gradient, batch=batch))


def _value_and_gradient(distances: Tensor, batch: Layout) -> tuple[Tensor, Tensor]:
    near, far = batch.near(distances), batch.far(distances)
    left, right, weigh = _factors(near, far)
    total, pull, push = over_blocks(left, right, batch, weigh)
    gradient = batch.scattered(pull, push).div_(batch.triplets)
    return (total / batch.triplets).to(distances.dtype), gradient


def _factors(near: Tensor, far: Tensor) -> tuple[Tensor, Tensor, Weigh]:
    """t = exp(d(a, p) - d(a, n)) as a product of two vectors an anchor, unless it could overflow."""
    farthest, nearest = near.amax(1, keepdim=True), far.amin(1, keepdim=True)
    if not (farthest - nearest).max() < math.log(torch.finfo(near.dtype).max) - 1:  # NaN goes the way that keeps it
        return near, far, _plain
    middle = torch.where(farthest > -math.inf, (farthest + nearest) / 2, nearest)
    return near.sub_(middle).exp_(), far.neg_().add_(middle).exp_(), _factored


def _factored(left: Tensor, right: Tensor, buffer: Tensor) -> tuple[Tensor, Tensor]:
    """Weights t / (1 + t) and the sum of log(1 + t), without an exponential a triplet."""
    terms = torch.mul(left[:, :, None], right[:, None, :], out=buffer[0])
    weights = torch.add(terms, 1, out=buffer[1])
    torch.div(terms, weights, out=weights)
    return weights, terms.log1p_().sum(-1).sum(dtype=torch.float64)


def _plain(near: Tensor, far: Tensor, buffer: Tensor) -> tuple[Tensor, Tensor]:
    """The same from the differences themselves, which may be of any size."""
    gaps = torch.sub(near[:, :, None], far[:, None, :], out=buffer[0])
    # above its threshold softplus(x) is x: at 40 the difference is below the last digit of float64
    value = functional.softplus(gaps, threshold=40).sum(-1).sum(dtype=torch.float64)
    return torch.sigmoid(gaps, out=buffer[1]), value


class SmoothTriplet(Loss):
    """`smooth_triplet` as a term of an objective.

    Args:
        scale: length of the vectors, above zero.
        learnt_scale: `scale` is where a learnt parameter starts, as in the paper's released code.
        normalise: whether vectors are brought to unit length first.

    Raises:
        InputError: the scale is no number above zero, or a switch is neither True nor False.
    """

    name = "smooth_triplet"

    def __init__(self, scale: float = 4.0, learnt_scale: bool = False, normalise: bool = True) -> None:
        super().__init__(scale=scale, learnt_scale=learnt_scale, normalise=normalise)
        if not (isinstance(scale, int | float) and math.isfinite(scale) and scale > 0):
            raise InputError(f"smooth_triplet: scale must be above zero, not {scale!r}")
        for option, switch in (("learnt_scale", learnt_scale), ("normalise", normalise)):
            if not isinstance(switch, bool):
                raise InputError(f"smooth_triplet: {option} must be True or False, not {switch!r}")
        self.scale = nn.Parameter(torch.tensor(float(scale))) if learnt_scale else float(scale)

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return smooth_triplet(embeddings, labels, scale=self.scale, normalise=self.options["normalise"])


@dataclass(frozen=True)
class Whole:
    """A small batch as it comes: all pairs of samples stand as positives and as negatives, or are filled."""

    same: Tensor  # bool (sample, sample)

    @cached_property
    def triplets(self) -> int:
        sizes = self.same.sum(dim=1)
        return int(((sizes - 1) * (len(sizes) - sizes)).sum())

    def ordered(self, values: Tensor) -> Tensor:
        return values

    def near(self, distances: Tensor) -> Tensor:
        return distances.where(self.same, -math.inf).fill_diagonal_(-math.inf)

    def far(self, distances: Tensor) -> Tensor:
        return distances.masked_fill(self.same, math.inf)

    def scattered(self, pull: Tensor, push: Tensor) -> Tensor:
        return pull.sub_(push)

    def blocks(self) -> list[tuple[slice, int, int]]:
        return [(slice(None), len(self.same), len(self.same))]


@dataclass(frozen=True)
class ByClass:
    """A batch ordered so that the samples of a class stand together, small classes first."""

    order: Tensor  # (sample,) where in the batch
    start: Tensor  # (sample, 1) where the class of a sample begins, in this order
    size: Tensor  # (sample, 1) of the class of a sample
    sizes: list[int]  # the same, as numbers

    @cached_property
    def triplets(self) -> int:
        return sum((size - 1) * (len(self.sizes) - size) for size in self.sizes)

    def ordered(self, values: Tensor) -> Tensor:
        return values.index_select(0, self.order)

    @cached_property
    def near_at(self) -> Tensor:
        """Where the others of an anchor's class stand: (anchor, positive), filled up where there are fewer."""
        at = self.start + torch.arange(self.sizes[-1] - 1, device=self.start.device)
        return at.add_(at >= torch.arange(len(at), device=at.device)[:, None]).clamp_(max=len(at) - 1)

    @cached_property
    def far_at(self) -> Tensor:
        """Where the samples of other classes stand: (anchor, negative), filled up where there are fewer."""
        at = torch.arange(len(self.sizes) - self.sizes[0], device=self.start.device)
        return torch.where(at < self.start, at, at + self.size).clamp_(max=len(self.sizes) - 1)

    def near(self, distances: Tensor) -> Tensor:
        """Distances (anchor, positive); -inf, which no triplet can violate, where there are fewer."""
        return _filled(distances.gather(1, self.near_at), self.size - 1, -math.inf)

    def far(self, distances: Tensor) -> Tensor:
        """Distances (anchor, negative); inf where there are fewer."""
        return _filled(distances.gather(1, self.far_at), len(self.sizes) - self.size, math.inf)

    def scattered(self, pull: Tensor, push: Tensor) -> Tensor:
        """Sums of weights by pair, pull (anchor, positive) less push (anchor, negative), as (sample, sample)."""
        both = pull.new_zeros(len(pull), len(pull)).scatter_add_(1, self.near_at, pull)
        return both.scatter_add_(1, self.far_at, push.neg_())

    def blocks(self) -> list[tuple[slice, int, int]]:
        """Runs of anchors that have a positive, with the most positives and negatives that one of them has."""
        sizes, found = self.sizes, []
        begin = sizes.count(1)
        while begin < len(sizes):
            negatives = len(sizes) - sizes[begin]
            end = begin + 1
            while end < len(sizes) and (end + 1 - begin) * (sizes[end] - 1) * negatives <= BLOCK:
                end += 1
            found.append((slice(begin, end), sizes[end - 1] - 1, negatives))
            begin = end
        return found


Layout = Whole | ByClass


def layout(labels: Tensor) -> Layout:
    """How the triplets of a batch with these labels (sample,) are laid out."""
    if len(labels) <= WHOLE:
        return Whole(same_class(labels))
    _, classes, counts = labels.unique(return_inverse=True, return_counts=True)
    key, order = (counts[classes] * len(labels) + classes).sort()
    size = key // len(labels)
    return ByClass(order, torch.searchsorted(key, key)[:, None], size[:, None], size.tolist())


def _filled(values: Tensor, counts: Tensor, fill: float) -> Tensor:
    return values.masked_fill_(torch.arange(values.shape[1], device=values.device) >= counts, fill)


def over_blocks(left: Tensor, right: Tensor, batch: Layout, weigh: Weigh) -> tuple[Tensor, Tensor, Tensor]:
    """Values and weights of all triplets, in blocks of anchors.

    Args:
        left: (anchor, positive), what `weigh` is to know of the pairs of one class.
        right: (anchor, negative), the same of the pairs of two.

    Returns:
        Sum of values in float64, sums of weights (anchor, positive) and (anchor, negative).
    """
    total = left.new_zeros((), dtype=torch.float64)
    pull, push = torch.zeros_like(left), torch.zeros_like(right)
    blocks = batch.blocks()
    room = left.new_empty(2, max(len(left[rows]) * p * n for rows, p, n in blocks))
    for rows, p, n in blocks:
        one, other = left[rows, :p], right[rows, :n]
        shape = (len(one), p, n)
        weights, value = weigh(one, other, room[:, : math.prod(shape)].view(2, *shape))
        torch.sum(weights, 2, out=pull[rows, :p])
        torch.sum(weights, 1, out=push[rows, :n])
        total += 0 if value is None else value
    return total, pull, push


class OfDistances(torch.autograd.Function):
    """A mean over triplets of vectors (sample, dimension) whose gradient is found along with its value.

    `mean` takes the squared distances (sample, sample) and returns the value and its derivative by each.
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor, mean: Callable[[Tensor], tuple[Tensor, Tensor]]) -> Tensor:
        value, gradient = mean(squared_distances(values))
        ctx.save_for_backward(values, gradient)
        return value

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grown: Tensor) -> tuple[Tensor, None]:
        """2 sum_j (g_ij + g_ji) (x_i - x_j), in one product of matrices."""
        values, gradient = ctx.saved_tensors
        weights = (gradient + gradient.T).mul_(2 * grown)
        # the sums of weights may cancel where the vectors are far from the origin
        centred = values - values.mean(dim=0, keepdim=True)
        moved = products(weights, centred.T)
        return centred.mul_(weights.sum(dim=1, keepdim=True)).sub_(moved), None
