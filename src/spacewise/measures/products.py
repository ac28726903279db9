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

TILE = 2048
"""Rows and columns of a product that are held at once: 8 MB in half precision."""

PARTS = 3  # numbers of the stored precision that together hold one of 24 bits or more
PAIR_VALUES = 2**15  # differences held at once: they stay in the nearest cache


@dataclass(frozen=True)
class Space:
    """Samples as points, with the copies among them found.

    Attributes:
        points: (sample, dimension), contiguous, without negative zeros.
        group: (sample,) code of the distinct point that each sample is a copy of.
        first: (group,) the first sample of each.
        keys: (sample,) group * samples + sample, ascending.
        starts: (group + 1,) where each group begins in `keys`.
        centre: (dimension,) mean; with `scale` the frame in which products lose least.
        scale: largest absolute coordinate around the centre.
    """

    points: np.ndarray
    group: np.ndarray
    first: np.ndarray
    keys: np.ndarray
    starts: np.ndarray
    centre: np.ndarray
    scale: float

    def __len__(self) -> int:
        return len(self.points)

    def copies_below(self, groups: np.ndarray, samples: np.ndarray) -> np.ndarray:
        """How many samples of each group come before each sample: (pair,)."""
        return np.searchsorted(self.keys, groups * len(self) + samples) - self.starts[groups]

    def distances(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Euclidean distances of the pairs (rows[i], columns[i]), difference by difference: (pair,) float64.

        A pair of copies is measured once.
        """
        if len(self.first) == len(self):
            return _measure(self.points, rows, columns)
        pairs, where = np.unique(self.group[rows] * len(self) + self.group[columns], return_inverse=True)
        left, right = np.divmod(pairs, len(self))
        return _measure(self.points, self.first[left], self.first[right])[where]


def space(points: np.ndarray) -> Space:
    """The points (sample, dimension) with their copies found; finite numbers."""
    points = np.ascontiguousarray(points)
    points = points + points.dtype.type(0)  # a negative zero would hide a copy
    group, first = _copies(points)
    keys = np.sort(group * len(points) + np.arange(len(points)))
    starts = np.searchsorted(keys, np.arange(len(first) + 1) * len(points))
    centre = points.mean(axis=0, dtype=np.float64)
    reach = np.maximum(points.max(axis=0) - centre, centre - points.min(axis=0)).max()
    return Space(points, group, first, keys, starts, centre, float(reach) or 1.0)


def unit(points: np.ndarray) -> np.ndarray:
    """Each row divided by its Euclidean length, in double precision; zeros stay zeros."""
    scaled = np.empty(points.shape)
    for start in range(0, len(points), TILE):
        block = points[start : start + TILE].astype(np.float64)
        _, exponents = np.frexp(np.abs(block).max(axis=1, keepdims=True))
        block = np.ldexp(block, -exponents)  # exact; squares neither overflow nor vanish
        lengths = np.sqrt((block * block).sum(axis=1, keepdims=True))
        scaled[start : start + TILE] = block / np.where(lengths > 0, lengths, 1)
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

    reduced = (place.points[samples] - place.centre) / place.scale
    coordinates = torch.from_numpy(reduced).to(precision)
    kept = coordinates.double().numpy()
    half = (kept * kept).sum(axis=1) / 2
    length = np.sqrt(2 * half)
    gaps = kept - reduced
    moved = np.sqrt((gaps * gaps).sum(axis=1)) + 2.0**-51 * (length + 1e-6)
    ones = torch.ones(len(samples), PARTS, dtype=precision)
    return Side(torch.cat([coordinates, ones, _parts(-half, precision)], dim=1), half, length, moved)


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


def _copies(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Group of each sample and first sample of each group; only rows of equal sum are compared."""
    sums = pd.Series(points.sum(axis=1))
    group = np.arange(len(points))
    alike = np.flatnonzero(sums.duplicated(keep=False))
    if len(alike):
        rows = points[alike].view(np.dtype((np.void, points.dtype.itemsize * points.shape[1]))).ravel()
        _, first, inverse = np.unique(rows, return_index=True, return_inverse=True)
        group[alike] = alike[first[inverse]]
    first, group = np.unique(group, return_inverse=True)
    return group, first


def _measure(points: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    distances = np.empty(len(rows))
    step = max(1, PAIR_VALUES // points.shape[1])
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        gaps = points[rows[part]].astype(np.float64)
        gaps -= points[columns[part]]
        gaps *= gaps
        distances[part] = np.sqrt(gaps.sum(axis=1))
    return distances
