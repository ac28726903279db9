"""All triplets of a batch, block by block: every anchor with its positives and its negatives.

A block is the outer product of an anchor's positives and negatives; nothing of the batch's cube is ever held.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from spacewise.losses.pairs import products, same_class, squared_distances

BLOCK = 2**17  # triplets at a time: a block is read and written often, and stays in the processor's cache
WHOLE = 40  # samples; a batch up to this is one block as it comes, which costs less than to put it in order

# (anchor, positive), (anchor, negative) and a buffer -> weights (anchor, positive, negative) and their value
Weigh = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor | None]]


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
