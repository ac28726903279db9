"""Where among its R nearest does a query find its hits? R: how many there are to find.

Exact: a product orders the samples as far as its rounding allows, and those left in doubt are measured
where it matters, that is where hits and others lie too close together. Memory stays at one band of rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from spacewise.measures import products
from spacewise.measures.blocks import Advance
from spacewise.measures.products import Side, Space
from spacewise.measures.sampling import paced

BLOCK_VALUES = 2**22
"""Similarities ordered at once, and held at once where the gallery is: 16 MB of single precision."""

BAND_VALUES = 2**26
"""Similarities held at once where the gallery is not, so that it is walked seldom: 256 MB of single precision."""

COLUMNS = 8192
"""Columns of a product."""

OPEN_SHARE = 1 / 128
"""Share of a block left open above which a finer product costs less than measuring."""


@dataclass(frozen=True)
class Band:
    """Similarities of some rows to all columns.

    Attributes:
        similar: (row, column) in the precision of the product.
        error: (row,) bound of what rounding did to each.
        span: more than any two similarities are apart.
    """

    similar: np.ndarray
    error: np.ndarray
    span: float


@dataclass(frozen=True)
class Gallery:
    """What is searched: columns of the space, and the products' right sides where they are kept.

    Attributes:
        columns: (column,) samples.
        kept: sides by precision and first column; None where each is made anew, so that memory stays small.
    """

    place: Space
    columns: np.ndarray
    kept: dict[Any, Side] | None

    def side(self, start: int, precision: Any) -> Side:
        """Columns from `start` as the right side of a product."""
        if self.kept is not None and (precision, start) in self.kept:
            return self.kept[precision, start]
        made = products.side(self.place, self.columns[start : start + COLUMNS], precision)
        if self.kept is not None:
            self.kept[precision, start] = made
        return made


def precision_at_hits(
    place: Space, codes: np.ndarray, queries: np.ndarray, advance: Advance | None = None, *, keep: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """R-precision (query,) and average precision at R (query,), shares; NaN where R is 0.

    Musgrave, Belongie and Lim, A Metric Learning Reality Check, 2020, section 3.2. Samples at equal
    distance are ordered by index; a sample does not find itself.

    Args:
        place: the samples.
        codes: (sample,) classes 0 … c-1.
        queries: (query,) samples that ask, each once; all are searched.
        advance: is told how many more are answered.
        keep: hold the gallery as products want it, which takes as much memory as the samples.
    """
    sought = np.bincount(codes)[codes[queries]] - 1
    share, average = np.full(len(queries), np.nan), np.full(len(queries), np.nan)
    order = np.argsort(sought, kind="stable")  # rows of a block want about as many neighbours
    order = order[sought[order] > 0]
    columns = np.flatnonzero(place.copies_below(place.group, np.arange(len(codes))) <= sought.max())
    gallery = Gallery(place, columns, {} if keep else None)
    precisions = products.precisions()[-2:]
    step = max(1, (BLOCK_VALUES if keep else BAND_VALUES) // len(columns))
    more = paced(advance, len(queries), len(queries))
    more(len(queries) - len(order))  # those without an answer
    for start in range(0, len(order), step):
        rows = order[start : start + step]
        for part, row, hit in _nearest(gallery, codes, queries[rows], sought[rows], precisions):
            share[rows[part]], average[rows[part]] = _precisions(row, hit, sought[rows[part]])
        more(len(rows))
    return share, average


def _nearest(
    gallery: Gallery, codes: np.ndarray, rows: np.ndarray, sought: np.ndarray, precisions: list[Any]
) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """Some rows at a time: pairs (row of those, whether it is a hit), by row and then from near to far.

    As many as are sought, or more. Neighbours that are all hits or all others may stand in any order among
    themselves. A precision that leaves too many pairs open is struck off the list: what one block needed, others will.
    """
    step = max(1, BLOCK_VALUES // len(gallery.columns))
    band = _band(gallery, rows, precisions[0])
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        row, column, run = _runs(band, part, rows[part, None] == gallery.columns, sought[part])
        hit = codes[gallery.columns[column]] == codes[rows[part][row]]
        mixed = _mixed(run, hit)
        if len(mixed) > OPEN_SHARE * len(rows[part]) * len(gallery.columns) and len(precisions) > 1:
            precisions.pop(0)
            band = _band(gallery, rows, precisions[0])
            row, column, run = _runs(band, part, rows[part, None] == gallery.columns, sought[part])
            hit = codes[gallery.columns[column]] == codes[rows[part][row]]
            mixed = _mixed(run, hit)
        samples = gallery.columns[column[mixed]]
        distances = gallery.place.distances(rows[part][row[mixed]], samples)
        hit[mixed] = hit[mixed][np.lexsort((samples, distances, run[mixed]))]
        yield part, row, hit


def _band(gallery: Gallery, rows: np.ndarray, precision: Any) -> Band:
    left = products.side(gallery.place, rows, precision)
    similar = np.empty((len(rows), len(gallery.columns)), np.float64 if precision.itemsize == 8 else np.float32)
    error, longest = np.zeros(len(rows)), 0.0
    for start in range(0, len(gallery.columns), COLUMNS):
        right = gallery.side(start, precision)
        similar[:, start : start + COLUMNS] = products.similarity(left, right, np.zeros(len(rows))).numpy()
        moved, summing = products.rounding(left, right)
        np.maximum(error, summing + moved * (left.length + right.length.max() + moved), out=error)
        longest = max(longest, float(right.length.max()))
    return Band(similar, error, 2.0 ** np.ceil(np.log2(4 * (left.length.max() + longest) ** 2 + 1)))


def _runs(band: Band, part: slice, itself: np.ndarray, sought: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs (row, column) that may be among the sought nearest, in order, and the run (pair,) of each.

    Within a run rounding leaves the order open; from run to run it is certain.
    """
    similar, error = band.similar[part], band.error[part]
    similar[itself] = -np.inf
    most = int(sought.max())
    top = np.sort(np.partition(similar, -most, axis=1)[:, -most:], axis=1)
    least = top[np.arange(len(sought)), most - sought]
    flat = np.flatnonzero(similar >= products.below(least - 2 * error, similar.dtype)[:, None])
    row, column = np.divmod(flat, similar.shape[1])
    keys = -similar.ravel()[flat].astype(np.float64)
    keys += row * band.span  # one number to sort by; its rounding widens the error
    error = error + np.spacing(len(error) * band.span)
    order = np.argsort(keys)
    row, column = row[order], column[order]
    apart = np.diff(keys[order], prepend=-np.inf) > 2 * error[row]
    return row, column, np.cumsum(apart) - 1


def _mixed(run: np.ndarray, hit: np.ndarray) -> np.ndarray:
    """The pairs whose run holds both hits and others."""
    hits = np.bincount(run, weights=hit)
    return np.flatnonzero(((hits > 0) & (hits < np.bincount(run)))[run])


def _precisions(row: np.ndarray, hit: np.ndarray, sought: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share of hits among the sought nearest of each row, and mean precision at those hits over all sought."""
    starts = np.searchsorted(row, np.arange(len(sought)))
    place = np.arange(len(row)) - starts[row] + 1
    hit = hit & (place <= sought[row])
    found = np.cumsum(hit)
    found -= (found[starts] - hit[starts])[row]
    share = np.bincount(row, weights=hit, minlength=len(sought)) / sought
    return share, np.bincount(row, weights=hit * found / place, minlength=len(sought)) / sought
