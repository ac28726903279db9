"""Where among its R nearest does a query find its hits? R: how many there are to find.

Exact: a product orders the samples as far as its rounding allows, and those left in doubt are measured
where it matters, that is where hits and others lie too close together. Memory stays at one block of rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from spacewise.measures import products
from spacewise.measures.products import Side, Space

BLOCK_VALUES = 2**22
"""Similarities held at once: 16 MB of single precision."""

OPEN_SHARE = 1 / 128
"""Share of a block left open above which a finer product costs less than measuring."""


def precision_at_hits(place: Space, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """R-precision (sample,) and average precision at R (sample,), shares; NaN where R is 0.

    Musgrave, Belongie and Lim, A Metric Learning Reality Check, 2020, section 3.2. Samples at equal
    distance are ordered by index; a sample does not find itself.

    Args:
        place: the samples.
        codes: (sample,) classes 0 … c-1.
    """
    sought = np.bincount(codes)[codes] - 1
    share, average = np.full(len(codes), np.nan), np.full(len(codes), np.nan)
    queries = np.argsort(sought, kind="stable")  # rows of a block want about as many neighbours
    queries = queries[sought[queries] > 0]
    columns = np.flatnonzero(place.copies_below(place.group, np.arange(len(codes))) <= sought.max())
    rights: dict[Any, Side] = {}
    step = max(1, BLOCK_VALUES // len(columns))
    for start in range(0, len(queries), step):
        rows = queries[start : start + step]
        row, column = _nearest(place, codes, rows, columns, sought[rows], rights)
        share[rows], average[rows] = _precisions(row, codes[column] == codes[rows[row]], sought[rows])
    return share, average


def _nearest(
    place: Space,
    codes: np.ndarray,
    rows: np.ndarray,
    columns: np.ndarray,
    sought: np.ndarray,
    rights: dict[Any, Side],
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (row, sample), by row and then from near to far: at least as many as are sought.

    Neighbours that are all hits or all others may stand in any order among themselves.
    """
    itself = rows[:, None] == columns
    *coarse, finest = products.precisions()[-2:]
    for precision in [*coarse, finest] if finest not in rights else [finest]:  # what one block needed, others will
        if precision not in rights:
            rights[precision] = products.side(place, columns, precision)
        row, column, run = _runs(products.side(place, rows, precision), rights[precision], itself, sought)
        hit = codes[columns[column]] == codes[rows[row]]
        mixed = _mixed(run, hit)
        if len(mixed) <= OPEN_SHARE * itself.size:
            break
    column = columns[column]
    distances = place.distances(rows[row[mixed]], column[mixed])
    column[mixed] = column[mixed][np.lexsort((column[mixed], distances, run[mixed]))]
    return row, column


def _runs(left: Side, right: Side, itself: np.ndarray, sought: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs (row, column) that may be among the sought nearest, in order, and the run (pair,) of each.

    Within a run rounding leaves the order open; from run to run it is certain.
    """
    similar = products.similarity(left, right, np.zeros(len(left.half))).numpy()
    similar[itself] = -np.inf
    moved, summing = products.rounding(left, right)
    error = summing + moved * (left.length + right.length.max() + moved)
    most = int(sought.max())
    top = np.sort(np.partition(similar, -most, axis=1)[:, -most:], axis=1)
    least = top[np.arange(len(sought)), most - sought]
    flat = np.flatnonzero(similar >= products.below(least - 2 * error, similar.dtype)[:, None])
    row, column = np.divmod(flat, similar.shape[1])
    keys = -similar.ravel()[flat].astype(np.float64)
    span = 2.0 ** np.ceil(np.log2(4 * (left.length.max() + right.length.max()) ** 2 + 1))
    keys += row * span  # one number to sort by; its rounding widens the error
    error += np.spacing(len(error) * span)
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
