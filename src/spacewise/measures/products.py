"""Squared distances by matrix product, with a bound of what rounding did to them.

A product over few bits is many times faster than measuring differences, and wrong in the last places. So
it only proposes: whoever uses it measures again, by `Space.distances`, each pair that the bound leaves open.
What comes out is exact, and the same for any block size, any number of threads and any processor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from spacewise.measures.blocks import blocks

TILE = 2048
"""Rows and columns of a product that are held at once: 8 MB in half precision."""

PARTS = 3  # numbers of the stored precision that together hold one of 24 bits or more
CACHED = 2**16  # numbers scaled at once: half a megabyte
REGULAR = 2.0**-300, 2.0**300  # largest coordinates whose squares are summed as they are
PAIR_VALUES = 2**15  # differences held at once: they stay in the nearest cache


@dataclass(frozen=True)
class Space:
    """Samples as points, with the copies among them found. Made by `space`; the points may lie on disk.

    Attributes:
        points: (sample, dimension) as they came, or of unit length already.
        scaled: whether rows come to unit length when they are taken.
        group: (sample,) code of the distinct point that each sample is a copy of.
        first: (group,) the first sample of each.
        keys: (sample,) group * samples + sample, ascending.
        starts: (group + 1,) where each group begins in `keys`.
        centre: (dimension,) mean; with `scale` the frame in which products lose least.
        scale: largest absolute coordinate around the centre.
    """

    points: np.ndarray
    scaled: bool
    group: np.ndarray
    first: np.ndarray
    keys: np.ndarray
    starts: np.ndarray
    centre: np.ndarray
    scale: float

    def __len__(self) -> int:
        return len(self.points)

    def take(self, samples: Any) -> np.ndarray:
        """The points of some samples, indices or a slice: (sample, dimension), contiguous."""
        return _take(self.points, self.scaled, samples)

    def copies_below(self, groups: np.ndarray, samples: np.ndarray) -> np.ndarray:
        """How many samples of each group come before each sample: (pair,)."""
        return np.searchsorted(self.keys, groups * len(self) + samples) - self.starts[groups]

    def distances(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Euclidean distances of the pairs (rows[i], columns[i]), difference by difference: (pair,) float64.

        A pair of copies is measured once.
        """
        if len(self.first) == len(self):
            return self._measured(rows, columns)
        pairs, where = np.unique(self.group[rows] * len(self) + self.group[columns], return_inverse=True)
        left, right = np.divmod(pairs, len(self))
        return self._measured(self.first[left], self.first[right])[where]

    def _measured(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        distances = np.empty(len(rows))
        step = max(1, PAIR_VALUES // self.points.shape[1])
        for start in range(0, len(rows), step):
            part = slice(start, start + step)
            gaps = self.take(rows[part]).astype(np.float64)
            gaps -= self.take(columns[part])
            gaps *= gaps
            distances[part] = np.sqrt(gaps.sum(axis=1))
        return distances


def space(points: np.ndarray, *, scaled: bool = False) -> Space:
    """The points (sample, dimension) with their copies found; finite numbers.

    They are walked in blocks and not copied, so that they may be larger than memory.

    Args:
        points: (sample, dimension).
        scaled: see the points at unit length, each brought there, as `unit` does, whenever it is taken.
    """
    marks, centre, reach = _walked(points, scaled)
    group, first = _copies(points, scaled, marks)
    keys = np.sort(group * len(points) + np.arange(len(points)))
    starts = np.searchsorted(keys, np.arange(len(first) + 1) * len(points))
    return Space(points, scaled, group, first, keys, starts, centre, reach or 1.0)


def _copies(points: np.ndarray, scaled: bool, marks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Group (sample,) of each sample and first sample (group,) of each; only samples of equal marks are compared."""
    group = np.arange(len(marks))
    alike = np.flatnonzero(pd.Series(marks).duplicated(keep=False))
    while len(alike):  # a second time only where points that differ have the same mark
        leaders = alike[pd.Series(marks[alike]).groupby(marks[alike]).transform("idxmin").to_numpy()]
        same = np.empty(len(alike), dtype=bool)
        for part, some in blocks(alike, width=points.shape[1]):
            same[part] = (_take(points, scaled, some) == _take(points, scaled, leaders[part])).all(axis=1)
        group[alike[same]] = leaders[same]
        alike = alike[~same]
    first, group = np.unique(group, return_inverse=True)
    return group, first


def _marks(points: np.ndarray) -> np.ndarray:
    """A number (sample,) that equal points share, and others hardly ever."""
    whole = np.add(points, 0.0, dtype=np.float64, order="C").view(np.uint64)  # a negative zero would hide a copy
    factors = np.random.default_rng(0).integers(2**63, size=points.shape[1], dtype=np.uint64) * 2 + 1
    mixed = whole >> np.uint64(29)  # low bits of round numbers are all zero
    mixed ^= whole
    return np.einsum("ij,j->i", mixed, factors)


def _take(points: np.ndarray, scaled: bool, samples: Any) -> np.ndarray:
    taken = np.ascontiguousarray(points[samples])
    return unit(taken) if scaled else taken


def _walked(points: np.ndarray, scaled: bool) -> tuple[np.ndarray, np.ndarray, float]:
    """Marks (sample,), mean (dimension,), and the largest absolute coordinate around it."""
    marks = np.empty(len(points), dtype=np.uint64)
    total = np.zeros(points.shape[1])
    highest, lowest = np.full(points.shape[1], -np.inf), np.full(points.shape[1], np.inf)
    for part, block in blocks(points, width=32 * points.shape[1]):  # small: what is made of one stays in the cache
        block = _take(block, scaled, slice(None))
        marks[part] = _marks(block)
        total += block.mean(axis=0, dtype=np.float64) * (len(block) / len(points))
        np.maximum(highest, block.max(axis=0), out=highest)
        np.minimum(lowest, block.min(axis=0), out=lowest)
    return marks, total, float(np.maximum(highest - total, total - lowest).max())


def unit(points: np.ndarray) -> np.ndarray:
    """Each row divided by its Euclidean length, in double precision; zeros stay zeros."""
    scaled = np.empty(points.shape)
    step = max(1, CACHED // points.shape[1])
    for start in range(0, len(points), step):
        block = scaled[start : start + step]
        block[:] = points[start : start + step]
        largest = np.maximum(block.max(axis=1, keepdims=True), -block.min(axis=1, keepdims=True))
        if largest.max() > REGULAR[1] or largest.min() < REGULAR[0]:  # squares could overflow or vanish
            np.ldexp(block, -np.frexp(largest)[1], out=block)  # exact: changes no bit of what follows
        lengths = np.sqrt((block * block).sum(axis=1, keepdims=True))
        block /= np.where(lengths > 0, lengths, 1)
    return scaled


@dataclass(frozen=True)
class Side:
    """Samples as rows or columns of a product.

    Attributes:
        stored: (sample, dimension + 2 PARTS) tensor: coordinates, ones, minus half the squared lengths.
        half: (sample,) half the squared length of what is stored.
        length: (sample,) length of what is stored.
        moved: (sample,) how far rounding moved the sample; no distance changes by more than two of these.
    """

    stored: Any
    half: np.ndarray
    length: np.ndarray
    moved: np.ndarray


def precisions() -> list[Any]:
    """Types to propose with, coarsest first; bfloat16 only where the processor multiplies it natively."""
    import torch

    can = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    return [torch.bfloat16, torch.float32, torch.float64] if can.get("amx_bf16") else [torch.float32, torch.float64]


def side(place: Space, samples: np.ndarray, precision: Any) -> Side:
    """The samples (sample,) of the space, stored in `precision`."""
    import torch

    reduced = place.take(samples) - place.centre
    reduced /= place.scale
    dimension = reduced.shape[1]
    stored = torch.ones(len(reduced), dimension + 2 * PARTS, dtype=precision)
    stored[:, :dimension] = torch.from_numpy(reduced)
    kept = stored[:, :dimension].double().numpy()
    half = np.einsum("ij,ij->i", kept, kept) / 2
    length = np.sqrt(2 * half)
    gaps = np.subtract(kept, reduced, out=reduced)
    moved = np.sqrt(np.einsum("ij,ij->i", gaps, gaps)) + 2.0**-51 * (length + 1e-6)
    stored[:, -PARTS:] = _parts(-half, precision)
    return Side(stored, half, length, moved)


def similarity(left: Side, right: Side, offsets: np.ndarray) -> Any:
    """Tensor (left, right): offsets of the left less half the squared distances, in the stored precision."""
    import torch

    precision, dimension = left.stored.dtype, left.stored.shape[1] - 2 * PARTS
    ones = torch.ones(len(left.half), PARTS, dtype=precision)
    rows = torch.cat([left.stored[:, :dimension], _parts(offsets - left.half, precision), ones], dim=1)
    return rows @ right.stored.T


def rounding(left: Side, right: Side) -> tuple[np.ndarray, np.ndarray]:
    """Bounds (left,) of how far any distance to the right moved by storing, and any half square by summing.

    The second is that of a dot product summed in any order (Higham, Accuracy and Stability of Numerical
    Algorithms, 3.1): terms times unit roundoff times the sum of absolute terms; once more in double
    precision for the measured distance that it is compared with.
    """
    import torch

    terms = left.stored.shape[1] + 16
    roundoff = 2.0**-53 if left.stored.dtype == torch.float64 else 2.0**-24
    summing = terms * (roundoff + 2.0**-53) * (left.length + right.length.max()) ** 2
    return left.moved + right.moved.max(), summing


def below(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """The values in another type, none rounded up."""
    return np.nextafter(values.astype(dtype), dtype.type(-np.inf))


def _parts(values: np.ndarray, precision: Any) -> Any:
    """Numbers of the precision, (value, PARTS), that add up to the values."""
    import torch

    rest = torch.from_numpy(values)
    parts = []
    for _ in range(PARTS):
        parts.append(rest.to(precision))
        rest = rest - parts[-1].double()
    return torch.stack(parts, dim=1)
