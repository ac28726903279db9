"""Counts, means and scatter of classes in one pass over the samples, block by block; parts add up to the whole.

Every number is seen from the first sample of its class, in double precision, before it is multiplied: what a
class shares costs no digits, and a class that is one point has scatter zero. Parts are put together as Chan,
Golub and LeVeque do (Algorithms for Computing the Sample Variance, 1983): squares are only added.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from spacewise.errors import InputError
from spacewise.measures import checks
from spacewise.measures.blocks import Advance, blocks

APART = 16  # how much larger blocks are for scatter of single classes: each adds the products of all its rows at once


@dataclass(frozen=True, eq=False)
class Moments:
    """What is known of the classes of some samples. Moments of disjoint samples add up: `first + second`.

    Attributes:
        classes: (class,) labels, ascending.
        counts: (class,) samples of each.
        means: (class, dimension).
        squares: (class,) sum of squared distances to the class mean.
        within: (dimension, dimension) scatter about the class means, all classes together; None: not asked for.
        apart: scatter (dimension, dimension) of single classes about their mean, by label.
    """

    classes: np.ndarray
    counts: np.ndarray
    means: np.ndarray
    squares: np.ndarray
    within: np.ndarray | None = None
    apart: Mapping[int, np.ndarray] = field(default_factory=dict)

    @property
    def mean(self) -> np.ndarray:
        """Of all samples: (dimension,)."""
        return self.means[0] + self.counts @ (self.means - self.means[0]) / self.counts.sum()

    @property
    def total(self) -> np.ndarray:
        """Scatter (dimension, dimension) of all samples about their mean.

        Raises `InputError` where no scatter was asked for.
        """
        return _known(self.within) + _outer(self.counts, self.means - self.mean)

    def covariance(self, label: int | None = None) -> np.ndarray:
        """Scatter over count (dimension, dimension): about the class means, or of one class.

        Raises `InputError` where that was not asked for.
        """
        if label is None:
            return _known(self.within) / self.counts.sum()
        if label not in self.apart:
            raise InputError(f"covariance of class {label}: not kept, expected one of {sorted(self.apart)}")
        return self.apart[label] / self.counts[np.searchsorted(self.classes, label)]

    def __add__(self, other: Moments) -> Moments:
        _check_parts(self, other)
        classes, codes = np.unique(np.concatenate([self.classes, other.classes]), return_inverse=True)
        sizes = np.concatenate([self.counts, other.counts])
        counts = np.bincount(codes, sizes).astype(np.int64)
        gaps = np.concatenate([self.means, other.means])
        origins = gaps[np.unique(codes, return_index=True)[1]]
        gaps -= origins[codes]
        shifts = sums_by(codes, sizes[:, None] * gaps, len(classes)) / counts[:, None]
        gaps -= shifts[codes]  # now from the mean of both parts to that of each
        squares = np.concatenate([self.squares, other.squares]) + sizes * np.einsum("ij,ij->i", gaps, gaps)
        within = None
        if self.within is not None and other.within is not None:
            within = self.within + other.within + _outer(sizes, gaps)
        apart = {}
        for label in sorted(self.apart.keys() | other.apart.keys()):
            rows = codes == np.searchsorted(classes, label)
            apart[label] = self.apart.get(label, 0) + other.apart.get(label, 0) + _outer(sizes[rows], gaps[rows])
        return Moments(classes, counts, origins + shifts, np.bincount(codes, squares), within, apart)


def class_moments(
    features: Any,
    labels: Any,
    *,
    scatter: bool = False,
    apart: Sequence[int] | Literal["all"] = (),
    advance: Advance | None = None,
) -> Moments:
    """Counts, means and squares of the classes, and the scatter matrices that are asked for.

    Memory beyond the features: one block, 16 bytes a class and dimension, and 8 bytes a number of every matrix
    that is asked for (`apart="all"`: 8 · class · dimension²; 100 classes of 256 dimensions: 52 MB).

    Args:
        features: (sample, dimension), in memory or a memory map.
        labels: (sample,) integer class indices.
        scatter: whether `within` is wanted.
        apart: labels whose own scatter is wanted; those that do not occur are left out.
        advance: called with the number of samples of each block that is through.

    Raises:
        InputError: malformed arrays, lengths that differ.
    """
    values = checks.matrix("features", features)
    classes, codes = np.unique(checks.labels("labels", labels, length=len(values)), return_inverse=True)
    return of_codes(values, classes, codes, scatter=scatter, apart=apart, advance=advance)


def moments_of_parts(
    parts: Iterable[tuple[Any, Any]],
    *,
    scatter: bool = False,
    apart: Sequence[int] | Literal["all"] = (),
    advance: Advance | None = None,
) -> Moments:
    """`class_moments` of features that come in parts (sample, dimension) with labels (sample,), a shard at a time.

    Arguments and errors as `class_moments`; also raises `InputError` where there is no part, or where
    dimensions differ.
    """
    found = None
    for features, labels in parts:
        part = class_moments(features, labels, scatter=scatter, apart=apart, advance=advance)
        found = part if found is None else found + part
    if found is None:
        raise InputError("parts: none, expected at least one (features, labels)")
    return found


def of_codes(
    values: np.ndarray,
    classes: np.ndarray,
    codes: np.ndarray,
    *,
    scatter: bool = False,
    apart: Sequence[int] | Literal["all"] = (),
    advance: Advance | None = None,
) -> Moments:
    """`class_moments` of what is already checked: classes (class,), each with a sample, and codes (sample,) of them."""
    counts = np.bincount(codes)
    origins = values[np.unique(codes, return_index=True)[1]].astype(np.float64)
    sums, squares = np.zeros_like(origins), np.zeros(len(classes))
    square = 2 * values.shape[1:]
    within = np.zeros(square) if scatter else None
    wanted = np.flatnonzero(np.isin(classes, classes if apart == "all" else list(apart)))
    single = {int(number): np.zeros(square) for number in wanted}
    for part, block in blocks(values, factor=APART if single else 1, advance=advance):
        present, mine = np.unique(codes[part], return_inverse=True)
        gaps = origins[codes[part]]
        np.subtract(block, gaps, out=gaps)
        sums[present] += sums_by(mine, gaps, len(present))
        squares[present] += np.bincount(mine, np.einsum("ij,ij->i", gaps, gaps))
        if within is not None:
            within += gaps.T @ gaps
        if single:
            _add_single(single, gaps, codes[part])
    shifts = sums / counts[:, None]
    squares = np.maximum(squares - counts * np.einsum("ij,ij->i", shifts, shifts), 0)
    if within is not None:
        within -= _outer(counts, shifts)
    for number, found in single.items():
        found -= _outer(counts[number, None], shifts[number, None])
    kept = {int(classes[number]): found for number, found in single.items()}
    return Moments(classes.astype(np.int64), counts, origins + shifts, squares, within, kept)


def sums_by(codes: np.ndarray, values: np.ndarray, number: int) -> np.ndarray:
    """Sums (class, dimension) of the rows (row, dimension) of each class."""
    from scipy.sparse import csc_array  # half a second to import

    rows = np.arange(len(codes) + 1)
    return csc_array((np.ones(len(codes)), codes, rows), shape=(number, len(codes))) @ values


def mean_distances(
    values: np.ndarray, codes: np.ndarray, moments: Moments, *, advance: Advance | None = None
) -> np.ndarray:
    """Mean Euclidean distance (class,) of the samples of each class to the class mean: a second pass."""
    sums = np.zeros(len(moments.classes))
    for part, block in blocks(values, advance=advance):
        gaps = moments.means[codes[part]]
        np.subtract(block, gaps, out=gaps)
        sums += np.bincount(codes[part], np.sqrt(np.einsum("ij,ij->i", gaps, gaps)), minlength=len(sums))
    return sums / moments.counts


def nearest_mean(points: np.ndarray, means: np.ndarray, skip: np.ndarray | None = None) -> np.ndarray:
    """Squared Euclidean distance (point,) to the nearest of the means.

    A matrix product proposes the nearest; its distance is measured difference by difference. Should the product's
    rounding have taken another one, that one is nearest to 1e-13 of the squared distance from the origin.

    Args:
        points: (point, dimension) float64, seen from an origin among the means.
        means: (class, dimension), seen from the same.
        skip: (point,) index of a mean that does not count for the point.
    """
    near = points @ means.T
    near -= np.einsum("ij,ij->i", means, means) / 2
    if skip is not None:
        near[np.arange(len(points)), skip] = -np.inf
    gaps = means[near.argmax(axis=1)]
    np.subtract(points, gaps, out=gaps)
    return np.einsum("ij,ij->i", gaps, gaps)


def _add_single(single: Mapping[int, np.ndarray], gaps: np.ndarray, codes: np.ndarray) -> None:
    """Adds what the rows (row, dimension) of each class give to its scatter."""
    order = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[order], np.array([[each, each + 1] for each in single]))
    for found, (start, end) in zip(single.values(), bounds, strict=True):
        if end > start:
            mine = gaps[order[start:end]]
            found += mine.T @ mine


def _outer(weights: np.ndarray, gaps: np.ndarray) -> np.ndarray:
    """Sum over rows of weight (row,), 0 or more, times the row's (row, dimension) product with itself."""
    scaled = np.sqrt(weights)[:, None] * gaps
    return scaled.T @ scaled


def _known(within: np.ndarray | None) -> np.ndarray:
    if within is None:
        raise InputError("scatter: was not asked for, expected moments made with scatter=True")
    return within


def _check_parts(one: Moments, other: Moments) -> None:
    if one.means.shape[1] != other.means.shape[1]:
        raise InputError(f"moments: of {one.means.shape[1]} and {other.means.shape[1]} dimensions, expected the same")
    shared = set(np.intersect1d(one.classes, other.classes).tolist())
    same = (one.within is None) == (other.within is None) and one.apart.keys() & shared == other.apart.keys() & shared
    if not same:
        raise InputError("moments: one holds scatter that the other lacks, expected both made with the same options")
