"""How samples become batches. Every random number follows from (seed, epoch, step): nothing to save."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from spacewise.augment import check_shift, crops, enlarge, flips, mirror, offsets, translate
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
        per_class: samples of each class in a batch (see `ByClass`); 0 for batches without regard to class.
        flip, crop: mirrored and enlarged views, as the settings of the regime say.
        views: how often each sample stands in its batch, each time seen anew.
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
        per_class: int = 0,
        flip: bool = False,
        crop: float = 1.0,
        views: int = 1,
    ) -> None:
        _, processes = share
        if batch % processes:
            raise InputError(f"batch must be a multiple of the {processes} processes, not {batch}")
        if copies and not shift:
            raise InputError(f"copies={copies} needs a shift above 0: the copies would all be the same")
        if views > 1 and (copies or not (shift or flip or crop < 1)):
            raise InputError(
                f"views={views} needs a shift, flip or crop, and no fixed copies: they would all be the same"
            )
        check_shift(images, shift)
        self.images, self.shift, self.seed, self.share, self.views = images, shift, seed, share, views
        self.flip, self.crop = flip, crop
        self.rows = torch.from_numpy(part.rows)
        self.labels = torch.tensor(part.labels)
        self.table = fixed_copies(len(part), copies, shift, mixed(seed, 1)) if copies else None
        self.samples = len(part) * (1 + copies)
        self.batch = min(batch, self.samples // processes * processes)
        if self.batch < 2:
            raise InputError(f"{self.samples} training samples are too few for a batch of 2 or more")
        self.by_class = ByClass(part, batch, per_class, copies) if per_class else None

    def __len__(self) -> int:
        """Steps an epoch."""
        return self.samples // self.batch

    def epoch(self, number: int, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches (images, labels) of this process in epoch `number`, from step `start`."""
        rank, processes = self.share
        order = torch.randperm(self.samples, generator=generator(self.seed, 2, number))
        for step in range(start, len(self)):
            if self.by_class:
                chosen = self.by_class.draw(generator(self.seed, 7, number, step))
            else:
                chosen = order[step * self.batch : (step + 1) * self.batch]
            chosen = chosen.repeat(self.views)
            mine = slice(rank * len(chosen) // processes, (rank + 1) * len(chosen) // processes)
            shifts = self._shifts(chosen, number, step)[mine]
            sample = (chosen % len(self.rows))[mine]
            images = translate(self.images.index_select(0, self.rows[sample]), shifts, self.shift)
            yield self._view(images, len(chosen), mine, generator(self.seed, 8, number, step)), self.labels[sample]

    def _view(self, images: Tensor, whole: int, mine: slice, random: torch.Generator) -> Tensor:
        """This process's images, mirrored and cut out; drawn for the whole batch, so that processes do not matter."""
        if self.flip:
            images = mirror(images, flips(whole, random)[mine])
        return enlarge(images, crops(whole, self.crop, random)[mine]) if self.crop < 1 else images

    def _shifts(self, chosen: Tensor, epoch: int, step: int) -> Tensor:
        if self.table is not None:
            return self.table[chosen % len(self.rows), chosen // len(self.rows)]
        return offsets(len(chosen), self.shift, generator(self.seed, 3, epoch, step))


class ByClass:
    """Batches of p classes times k samples: what losses need that compare samples with one another.

    Classes are drawn in proportion to their size, without replacement, as in the released sampler of Vo and
    Hays; of each, k samples without replacement. A class with fewer than k gives all that it has, and some
    of them again.

    Args:
        part: the samples; copies of a sample count as samples of its class.
        batch: p times k.
        per_class: k, two or more.

    Raises:
        InputError: k does not divide the batch, there are fewer than p classes, or a class has one sample.
    """

    def __init__(self, part: Part, batch: int, per_class: int, copies: int = 0) -> None:
        if per_class < 2 or batch % per_class:
            raise InputError(f"per_class must be 2 or more and divide the batch of {batch}, not {per_class}")
        labels = torch.tensor(part.labels)
        self.order = torch.argsort(labels, stable=True)
        counts = torch.bincount(labels, minlength=len(part.classes))
        self.sizes = counts[counts > 0]
        self.firsts = self.sizes.cumsum(0) - self.sizes
        self.samples, self.times = len(part), 1 + copies
        self.per_class, self.number = per_class, batch // per_class
        if self.number < 2:
            raise InputError(
                f"per_class={per_class} fills the batch of {batch} with one class; take half of it or less"
            )
        if self.number > len(self.sizes):
            nearest = next(k for k in range(2, batch + 1) if batch % k == 0 and batch // k <= len(self.sizes))
            raise InputError(
                f"a batch of {batch} with per_class={per_class} needs {self.number} classes, training has "
                f"{len(self.sizes)}; take per_class={nearest} or more, or a smaller batch"
            )
        if int(self.sizes.min()) * self.times < 2:
            name = part.classes[int(torch.nonzero(counts == 1)[0])]
            raise InputError(f"class '{name}' has one training sample: too few to compare it with its own")

    def draw(self, random: torch.Generator) -> Tensor:
        """Indices (batch,) of samples, `copy * samples + sample`, class by class."""
        classes = torch.multinomial(self.sizes.double(), self.number, generator=random)
        return torch.cat([self._of(int(number), random) for number in classes])

    def _of(self, number: int, random: torch.Generator) -> Tensor:
        size, first = int(self.sizes[number]), int(self.firsts[number])
        order = torch.randperm(size * self.times, generator=random)
        drawn = order.repeat(-(-self.per_class // len(order)))[: self.per_class]
        return self.order[first + drawn % size] + self.samples * (drawn // size)


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
