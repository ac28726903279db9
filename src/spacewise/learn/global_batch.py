"""Layers that look across the samples of a batch, while each process holds a piece of it.

Batch normalisation takes the statistics of all pieces, and dropout is drawn for all of them: the network computes what
it would in one process. Both are met where they are computed and not by the kind of their layer, so that the network
stays as it is: its parameters and their names, layers that two branches share, layers of other libraries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, distributed
from torch.autograd.function import once_differentiable
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from spacewise.errors import InputError

Share = tuple[int, int]  # rank, processes


def global_batch(pieces: Sequence[int], share: Share) -> AbstractContextManager[Any]:
    """A forward pass within it is one over the batch of all processes; with one process nothing happens.

    Args:
        pieces: rows that this process holds of each block of the batch. Every process holds as many, and the block
            is their pieces in the order of the ranks.
    """
    return GlobalBatch(pieces, share) if share[1] > 1 else nullcontext()


class GlobalBatch(TorchFunctionMode):
    """Which rows of the batch of all processes are here; `REPLACED` says what is computed with it."""

    def __init__(self, pieces: Sequence[int], share: Share) -> None:
        super().__init__()
        rank, processes = share
        self.rows = torch.arange(sum(pieces))  # of the whole batch, for each row that is here
        first = 0
        for piece in pieces:
            self.rows[first : first + piece] += first * (processes - 1) + rank * piece
            first += piece
        self.whole = first * processes

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        given: Mapping[str, Any] = kwargs or {}
        replaced = REPLACED.get(function)
        return replaced(self, function, *args, **given) if replaced else function(*args, **given)

    def ones(self, values: Tensor) -> Tensor:
        """Ones for the whole batch, of the type and in the memory order of the rows that are here.

        Random numbers are drawn in the order of the memory.
        """
        order = [0, *sorted(range(1, values.ndim), key=lambda axis: values.stride()[axis], reverse=True)]
        shape = (self.whole, *values.shape[1:])
        return torch.empty_permuted(shape, order, dtype=values.dtype, device=values.device).fill_(1)

    def mine(self, values: Tensor) -> Tensor:
        """The rows that are here of values for the whole batch."""
        return values.index_select(0, self.rows.to(values.device))


def _normalised(
    _batch: GlobalBatch,
    function: Callable[..., Tensor],
    input: Tensor,  # the names of torch: they come by keyword, too
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    if not training:
        return function(input, running_mean, running_var, weight, bias, False, momentum, eps)
    result: Tensor = Normalised.apply(input, weight, bias, running_mean, running_var, momentum, eps)
    return result


class Normalised(torch.autograd.Function):
    """Batch normalisation over the batch of all processes. Source: Ioffe and Szegedy (2015), algorithm 1.

    Each process adds count, mean and variance of its piece, and in the backward pass its sums; the passes over the
    maps are torch's own kernels. Gradients of scale and offset are those of the piece, which the data-parallel
    wrapper brings together.
    """

    @staticmethod
    def forward(
        ctx: Any,
        maps: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        momentum: float,
        eps: float,
    ) -> Tensor:
        count = maps.numel() // maps.shape[1]
        # torch gives statistics the type of these two: float32 also of bfloat16
        blank = maps.new_zeros(maps.shape[1], dtype=torch.promote_types(maps.dtype, torch.float32))
        mean, variance, whole = combined(*torch.batch_norm_update_stats(maps, blank, blank.clone(), 0.0), count)
        for running, value in ((running_mean, mean), (running_var, variance * (whole / (whole - 1)))):
            if running is not None:
                running.mul_(1 - momentum).add_(value, alpha=momentum)
        ctx.save_for_backward(maps, weight, mean, variance)
        ctx.whole, ctx.eps = whole, eps
        return _scaled(maps, weight, bias, mean, variance, eps)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        maps, weight, mean, variance = ctx.saved_tensors
        scale = torch.ones_like(mean) if weight is None else weight
        through, by_scale, by_offset = torch.ops.aten.native_batch_norm_backward(
            gradient, maps, scale, mean, variance, None, None, False, ctx.eps, [True, True, True]
        )
        sums = torch.stack([by_scale, by_offset])
        distributed.all_reduce(sums)
        # what the maps do by way of their mean and deviation: (sum g x^ * x^ + sum g) * scale / deviation / count
        slope, level = sums * (scale * (variance + ctx.eps).rsqrt() / ctx.whole)
        through = through - _scaled(maps, slope, level, mean, variance, ctx.eps)
        by_scale, by_offset = (each if weight is not None else None for each in (by_scale, by_offset))
        return through, by_scale, by_offset, None, None, None, None


def _scaled(
    maps: Tensor, weight: Tensor | None, bias: Tensor | None, mean: Tensor, variance: Tensor, eps: float
) -> Tensor:
    """Maps minus mean over deviation, times weight, plus bias."""
    return torch.batch_norm(maps, weight, bias, mean, variance, False, 0.0, eps, torch.backends.cudnn.enabled)


def combined(mean: Tensor, variance: Tensor, count: int) -> tuple[Tensor, Tensor, int]:
    """Mean, biased variance (channel,) and count of all processes' values from those of each.

    Source: Chan, Golub and LeVeque (1983), Algorithms for computing the sample variance, equation 2.1; nothing is
    lost where the mean is large beside the deviation.
    """
    mine = torch.cat([mean.double(), variance.double(), mean.new_tensor([count], dtype=torch.float64)])
    found = Gathered.apply(mine[None])
    means, variances, counts = found.split([len(mean), len(mean), 1], dim=1)
    whole = counts.sum()
    center = (counts * means).sum(dim=0) / whole
    spread = (counts * (variances + (means - center) ** 2)).sum(dim=0) / whole
    return center.to(mean.dtype), spread.to(mean.dtype), int(whole)


def _dropped(
    batch: GlobalBatch,
    function: Callable[..., Tensor],
    input: Tensor,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,
) -> Tensor:
    """Dropout of any kind: what it makes of ones is what it multiplies by."""
    if not training or p == 0:
        return function(input, p, training, inplace)
    if len(input) != len(batch.rows):
        raise InputError(
            f"{function.__name__} meets values {tuple(input.shape)} whose first axis is not the batch of "
            f"{len(batch.rows)}: over several processes it cannot be drawn as in one; train this network in one"
        )
    kept = batch.mine(function(batch.ones(input), p, True))
    return input.mul_(kept) if inplace else input * kept


def _drawn(batch: GlobalBatch, function: Callable[..., Tensor], values: Tensor, *args: Any, **given: Any) -> Tensor:
    """Coins for each sample, as stochastic depth draws them; for all samples alike they are the same everywhere."""
    if values.ndim == 0 or len(values) != len(batch.rows):
        return function(values, *args, **given)
    return values.copy_(batch.mine(function(batch.ones(values), *args, **given)))


def _refused(_batch: GlobalBatch, function: Callable[..., Tensor], *args: Any, **given: Any) -> Tensor:
    """What draws for each sample in a way that cannot be told apart from its values."""
    if given.get("training"):
        raise InputError(f"{function.__name__} cannot be drawn for several processes as for one; train in one process")
    return function(*args, **given)


class Gathered(torch.autograd.Function):
    """Rows of all processes, in the order of their ranks.

    Every process goes on with the same values to the same loss, and its rows get that loss's gradient times the number
    of processes: the data-parallel wrapper takes the mean of the processes' gradients, and their sum is wanted.
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        pieces = [torch.empty_like(values, memory_format=torch.contiguous_format) for _ in range(_processes())]
        distributed.all_gather(pieces, values.contiguous())
        return torch.cat(pieces)

    @staticmethod
    @once_differentiable
    def backward(_ctx: Any, gradient: Tensor) -> Tensor:
        return gradient.chunk(_processes())[distributed.get_rank()] * _processes()


def _processes() -> int:
    number: int = distributed.get_world_size()
    return number


REPLACED: dict[Callable[..., Any], Callable[..., Tensor]] = {
    functional.batch_norm: _normalised,
    functional.dropout: _dropped,
    functional.dropout1d: _dropped,
    functional.dropout2d: _dropped,
    functional.dropout3d: _dropped,
    Tensor.bernoulli_: _drawn,
    functional.alpha_dropout: _refused,
    functional.feature_alpha_dropout: _refused,
    functional.rrelu: _refused,
}
