"""Endless streams of samples, one for each role in a step; which samples a step takes follows from its number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from spacewise.augment import check_shift, crops, enlarge, flips, mirror, offsets, translate
from spacewise.errors import InputError
from spacewise.learn.batches import generator


@dataclass(frozen=True)
class View:
    """How a training image is seen: as the settings of a regime say."""

    shift: int = 0
    flip: bool = False
    crop: float = 1.0

    def of(self, images: Tensor, whole: int, mine: slice, random: torch.Generator) -> Tensor:
        """This process's images of a batch; drawn for the `whole` batch, so that processes do not matter."""
        images = translate(images, offsets(whole, self.shift, random)[mine], self.shift)
        if self.flip:
            images = mirror(images, flips(whole, random)[mine])
        return enlarge(images, crops(whole, self.crop, random)[mine]) if self.crop < 1 else images


class Stream:
    """Batches without an end: pass after pass through the samples, each in a new order.

    A batch may reach over the end of a pass, and be larger than the number of samples.

    Args:
        name: what the samples are, for an error.
        images: of the whole source, (sample, band, height, width).
        rows: which of them.
        labels: (row,) class indices; -1 for rows whose labels are not to be used.
        batch: samples a step, over all processes.
        share: (rank, processes): each takes its piece of every batch, in the order of the ranks.

    Raises:
        InputError: no sample, a batch that the processes cannot share, a shift beyond the image.
    """

    def __init__(
        self,
        name: str,
        images: Tensor,
        rows: Tensor,
        labels: Tensor,
        *,
        batch: int,
        view: View,
        seed: int,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        if len(rows) == 0:
            raise InputError(f"the stream of {name} is empty: there is no sample to take")
        if batch % share[1]:
            raise InputError(f"the batch of {name} must be a multiple of the {share[1]} processes, not {batch}")
        check_shift(images, view.shift)
        self.images, self.rows, self.labels = images, rows, labels
        self.batch, self.view, self.seed, self.share = batch, view, seed, share
        self.orders: dict[int, Tensor] = {}

    def at(self, step: int) -> tuple[Tensor, Tensor]:
        """Images (sample, band, height, width) and labels (sample,) of this process in a step."""
        rank, processes = self.share
        mine = slice(rank * self.batch // processes, (rank + 1) * self.batch // processes)
        chosen = self._chosen(torch.arange(step * self.batch, (step + 1) * self.batch))[mine]
        images = self.images.index_select(0, self.rows[chosen])
        return self.view.of(images, self.batch, mine, generator(self.seed, 11, step)), self.labels[chosen]

    def _chosen(self, positions: Tensor) -> Tensor:
        """Samples at these positions of the endless stream."""
        passes, places = positions // len(self.rows), positions % len(self.rows)
        chosen = torch.empty_like(positions)
        needed = passes.unique().tolist()
        self.orders = {number: order for number, order in self.orders.items() if number in needed}
        for number in needed:
            if number not in self.orders:
                self.orders[number] = self._order(number)
            here = passes == number
            chosen[here] = self.orders[number][places[here]]
        return chosen

    def _order(self, number: int) -> Tensor:
        return torch.randperm(len(self.rows), generator=generator(self.seed, 10, number))


@dataclass(frozen=True)
class Step:
    """What one step takes: images (sample, band, height, width) and labels (sample,) of each stream."""

    source: tuple[Tensor, Tensor] | None
    target: tuple[Tensor, Tensor]
    unlabelled: tuple[Tensor, Tensor] | None


class Streams:
    """The three streams of a transfer, `steps` steps an epoch."""

    def __init__(self, source: Stream | None, target: Stream, unlabelled: Stream | None, steps: int) -> None:
        self.source, self.target, self.unlabelled, self.steps = source, target, unlabelled, steps
        self.images = target.images

    def __len__(self) -> int:
        """Steps an epoch."""
        return self.steps

    def epoch(self, number: int, start: int = 0) -> Iterator[Step]:
        """The steps of epoch `number`, from step `start`."""
        for step in range(number * self.steps + start, (number + 1) * self.steps):
            source = self.source.at(step) if self.source else None
            unlabelled = self.unlabelled.at(step) if self.unlabelled else None
            yield Step(source, self.target.at(step), unlabelled)
