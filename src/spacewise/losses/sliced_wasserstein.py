"""Sliced Wasserstein distance between two domains: along random directions, what stands where after sorting.

Source: Bonneel et al., Sliced and Radon Wasserstein Barycenters of Measures (2015); as an alignment of two
domains Rostami et al., Deep Transfer Learning for Few-Shot SAR Image Classification, Remote Sensing (2019).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from spacewise.errors import InputError
from spacewise.losses.alignment import Alignment, Domains, check_domains
from spacewise.losses.directions import drawn
from spacewise.losses.pairs import prepared, products

BLOCK = 2**19  # projected samples at a time on a processor: they are read and written often, and stay in its cache

Sizes = list[tuple[int, int]]  # of each group of samples that is matched by itself: how many of source and target


def directions(projections: int, dimension: int, seed: int, *, like: Tensor) -> Tensor:
    """Random unit vectors (projection, dimension), drawn on the CPU: equal on every device and process.

    Of the device of `like`, and of its precision or float32, whichever is better.
    """
    precision = torch.promote_types(like.dtype, torch.float32)
    return drawn(projections, dimension, seed).to(like.device, precision)


def sliced_wasserstein(source: Tensor, target: Tensor, directions: Tensor, *, maximum: bool = False) -> Tensor:
    """Mean over directions of the squared 2-Wasserstein distance between the projections of both domains.

    On a line it is the integral over q from 0 to 1 of the squared difference of the two quantile functions: for
    equal numbers of samples the mean squared difference of the sorted projections, for others exact as well.

    Args:
        source: (source sample, dimension); halves are computed in float32.
        target: (target sample, dimension).
        directions: (projection, dimension) unit vectors; they are held and get no gradient.
        maximum: the largest over the given directions instead of the mean. This is the max-sliced distance of
            Deshpande et al., Max-Sliced Wasserstein Distance and its Use for GANs (2019), with the direction
            chosen among those drawn, not found by an ascent.

    Returns:
        Scalar in squared units of the space; with a first derivative only. NaN in the embeddings gives NaN.

    Raises:
        InputError: shapes do not fit, or a domain has no sample.
    """
    costs = costs_by_direction(source, target, directions, [(len(source), len(target))])
    return costs.amax() if maximum else costs.mean()


def costs_by_direction(source: Tensor, target: Tensor, directions: Tensor, sizes: Sizes) -> Tensor:
    """Squared 2-Wasserstein distances (projection,), each the sum over groups of samples.

    Args:
        source: (source sample, dimension), the samples of a group side by side.
        target: (target sample, dimension), the groups in the same order.
        directions: (projection, dimension).
        sizes: how many samples of source and of target each group has, one or more.

    Raises:
        InputError: shapes do not fit, or a domain has no sample.
    """
    check_domains(source, target)
    if directions.ndim != 2 or len(directions) == 0 or directions.shape[1] != source.shape[1]:
        expected = f"directions (projection, {source.shape[1]}), as many dimensions as the space"
        raise InputError(f"sliced Wasserstein takes {expected}, not {tuple(directions.shape)}")
    one, other = prepared(source, normalise=False), prepared(target, normalise=False)
    precision = torch.promote_types(one.dtype, other.dtype)
    return _Costs.apply(one.to(precision), other.to(precision), directions.detach().to(one.device, precision), sizes)


@dataclass(frozen=True)
class Matching:
    """Which of the sorted source samples are matched with which of the sorted target samples, alike for all lines.

    Attributes:
        sizes: of the groups.
        source: (segment,) where in the sorted source; none where a segment is a sample on both sides.
        target: (segment,) where in the sorted target.
        width: (segment,) share of its group, which sums to one in each.
    """

    sizes: Sizes
    source: Tensor | None
    target: Tensor | None
    width: Tensor


def matching(sizes: Sizes, like: Tensor) -> Matching:
    """The segments on which both quantile functions are constant, group after group."""
    found = [segments(n, m) for n, m in sizes]
    before = np.cumsum([(0, 0), *sizes], axis=0)
    width = torch.from_numpy(np.concatenate([width for _, _, width in found])).to(like)
    if all(n == m for n, m in sizes):
        return Matching(sizes, None, None, width)
    source = np.concatenate([at + start for (at, _, _), (start, _) in zip(found, before)])
    target = np.concatenate([at + start for (_, at, _), (_, start) in zip(found, before)])
    return Matching(sizes, torch.from_numpy(source).to(like.device), torch.from_numpy(target).to(like.device), width)


@lru_cache(maxsize=64)
def segments(n: int, m: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where quantile functions of n and of m samples are both constant: at most n + m - 1 segments.

    Their ends i / n and j / m are compared as i * m and j * n, whole numbers: rounding would leave out a
    segment, or add one of no width.

    Returns:
        Index of the sample of each side (segment,), width (segment,).
    """
    if n == m:
        return np.arange(n), np.arange(n), np.full(n, 1 / n)
    ends = np.union1d(np.arange(n + 1) * m, np.arange(m + 1) * n)
    return ends[:-1] // m, ends[:-1] // n, np.diff(ends) / (n * m)


class _Costs(torch.autograd.Function):
    """Costs (projection,) whose derivatives by the projections are found along with them.

    The directions go block by block, so that memory holds two numbers for each projected sample in the end.
    """

    @staticmethod
    def forward(ctx: Any, source: Tensor, target: Tensor, directions: Tensor, sizes: Sizes) -> Tensor:
        matched = matching(sizes, source)
        costs = directions.new_empty(len(directions))
        pulls = [directions.new_empty(len(directions), len(values)) for values in (source, target)]
        step = max(1, BLOCK // max(len(source), len(target))) if source.device.type == "cpu" else len(directions)
        for start in range(0, len(directions), step):
            rows = slice(start, start + step)
            one, other = (products(directions[rows], values) for values in (source, target))
            costs[rows] = _block(one, other, pulls[0][rows], pulls[1][rows], matched)
        ctx.save_for_backward(directions, *pulls)
        return costs

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grown: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        """2 sum_p g_p w_ps (x_s - y_s) theta_p for each sample, in one product of matrices a domain."""
        directions, *pulls = ctx.saved_tensors
        moved = [
            products(pull.T, (sign * grown[:, None] * directions).T) if needed else None
            for pull, sign, needed in zip(pulls, (2, -2), ctx.needs_input_grad)
        ]
        return moved[0], moved[1], None, None


def _block(one: Tensor, other: Tensor, pull_one: Tensor, pull_other: Tensor, matched: Matching) -> Tensor:
    """Costs (projection,) of projections (projection, sample); fills the pulls on the samples of both sides."""
    orders = [_order(values, [size[side] for size in matched.sizes]) for side, values in enumerate((one, other))]
    left, right = (values.gather(1, order) for values, order in zip((one, other), orders))
    if matched.source is not None and matched.target is not None:
        left, right = left.index_select(1, matched.source), right.index_select(1, matched.target)
    gaps = left.sub_(right)
    weighed = torch.mul(gaps, matched.width, out=right)
    pull_one.scatter_(1, orders[0], _by_sample(weighed, matched.source, one))
    pull_other.scatter_(1, orders[1], _by_sample(weighed, matched.target, other))
    return gaps.mul_(weighed).sum(dim=1)


def _by_sample(weighed: Tensor, at: Tensor | None, like: Tensor) -> Tensor:
    """Sums over the segments of each sorted sample."""
    return weighed if at is None else torch.zeros_like(like).index_add_(1, at, weighed)


def _order(values: Tensor, sizes: list[int]) -> Tensor:
    """What sorts each group of each row of (projection, sample), which may be said to be of any place."""
    if len(sizes) == 1:
        return _argsort(values)
    parts, start = [], 0
    for part, size in zip(values.split(sizes, dim=1), sizes):
        parts.append(_argsort(part).add_(start))
        start += size
    return torch.cat(parts, dim=1)


def _argsort(values: Tensor) -> Tensor:
    if values.device.type == "cpu":  # numpy sorts with vector instructions, in a fifth of the time
        return torch.from_numpy(np.argsort(values.numpy(), axis=1))
    return values.argsort(dim=1)


class SlicedWasserstein(Alignment):
    """`sliced_wasserstein` between all of the source and the target as `Domains.sampled`, as a term of an objective.

    Args:
        projections: how many directions are drawn, one or more.
        maximum: the largest over the directions instead of the mean.

    Raises:
        InputError: projections is no whole number above zero, or maximum neither True nor False.
    """

    name = "sliced_wasserstein"

    def __init__(self, projections: int = 50, maximum: bool = False) -> None:
        super().__init__(projections=projections, maximum=maximum)
        check_projections(self.name, projections)
        if not isinstance(maximum, bool):
            raise InputError(f"{self.name}: maximum must be True or False, not {maximum!r}")
        self.seed = 0

    def reseed(self, seed: int) -> None:
        self.seed = seed

    def align(self, domains: Domains) -> Tensor:
        source, target = domains.source, domains.sampled
        check_domains(source, target)
        ways = directions(self.options["projections"], source.shape[1], self.seed, like=source)
        return sliced_wasserstein(source, target, ways, maximum=self.options["maximum"])


def check_projections(name: str, projections: int) -> None:
    """Raises `InputError` unless projections is a whole number above zero."""
    if isinstance(projections, bool) or not isinstance(projections, int) or projections < 1:
        raise InputError(f"{name}: projections must be a whole number above zero, not {projections!r}")
