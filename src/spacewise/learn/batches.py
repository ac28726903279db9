"""How samples become batches. Every random number follows from (seed, epoch, step): nothing to save."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from spacewise.augment import check_shift, offsets, translate
from spacewise.augment import copies as fixed_copies
from spacewise.errors import InputError
from spacewise.splits import Part


def mixed(*numbers: int) -> int:
    """One seed from several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)


def generator(*numbers: int) -> torch.Generator:
    """A generator that follows from the numbers alone."""
    return torch.Generator().manual_seed(mixed(*numbers))


class Batches:
    """Shuffled, translated batches of one part.

    Args:
        images: of the whole source, (sample, band, height, width).
        part: which of them, and their labels.
        batch: samples a batch, over all processes; the remainder of an epoch is left out, another
            one each time.
        shift: largest translation in pixels.
        copies: 0 for fresh shifts, n for n fixed translated copies beside each image.
        share: (rank, processes): each takes its piece of every batch, in the order of the ranks.
    """

    def __init__(
        self,
        images: Tensor,
        part: Part,
        *,
        batch: int,
        shift: int,
        copies: int,
        seed: int,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        _, processes = share
        if batch % processes:
            raise InputError(f"batch must be a multiple of the {processes} processes, not {batch}")
        if copies and not shift:
            raise InputError(f"copies={copies} needs a shift above 0: the copies would all be the same")
        check_shift(images, shift)
        self.images, self.shift, self.seed, self.share = images, shift, seed, share
        self.rows = torch.from_numpy(part.rows)
        self.labels = torch.tensor(part.labels)
        self.table = fixed_copies(len(part), copies, shift, mixed(seed, 1)) if copies else None
        self.samples = len(part) * (1 + copies)
        self.batch = min(batch, self.samples // processes * processes)
        if self.batch < 2:
            raise InputError(f"{self.samples} training samples are too few for a batch of 2 or more")

    def __len__(self) -> int:
        """Steps an epoch."""
        return self.samples // self.batch

    def epoch(self, number: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches (images, labels) of this process in epoch `number`, from step `start`."""
        rank, processes = self.share
        order = torch.randperm(self.samples, generator=generator(self.seed, 2, number))
        for step in range(start, len(self)):
            chosen = order[step * self.batch : (step + 1) * self.batch]
            mine = slice(rank * len(chosen) // processes, (rank + 1) * len(chosen) // processes)
            shifts = self._shifts(chosen, number, step)[mine]
            sample = (chosen % len(self.rows))[mine]
            images = translate(self.images.index_select(0, self.rows[sample]), shifts, self.shift)
            yield images, self.labels[sample]

    def _shifts(self, chosen: Tensor, epoch: int, step: int) -> Tensor:
        if self.table is not None:
            return self.table[chosen % len(self.rows), chosen // len(self.rows)]
        return offsets(len(chosen), self.shift, generator(self.seed, 3, epoch, step))


def in_order(
    images: Tensor, part: Part, *, shift: int = 0, copies: int = 0, seed: int = 0, batch: int = 256
) -> Iterator[Tensor]:
    """Batches of a part in its order; copy 0 (untouched) of all samples first, then copy 1 of all, …"""
    rows = torch.from_numpy(part.rows)
    table = fixed_copies(len(part), copies, shift, mixed(seed, 4))
    for copy in range(1 + copies):
        for first in range(0, len(rows), batch):
            piece = images.index_select(0, rows[first : first + batch])
            yield translate(piece, table[first : first + batch, copy], shift) if copy else piece
