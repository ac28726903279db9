"""At which rank is the first hit? Exact, without sorting anything.

The nearest sample of the query's own class is found first: within classes there are few pairs. Its rank
is one more than the number of samples that come before it, and to count them is one matrix product in
which half precision settles nearly every pair; the rest are measured. Memory stays at a few tiles.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from spacewise.measures import products
from spacewise.measures.blocks import Advance
from spacewise.measures.products import Side, Space
from spacewise.measures.sampling import paced

COLUMNS = 4
"""Tiles of a large class that are searched at once."""

OPEN_SHARE = 1 / 256
"""Share of a tile left open above which a finer product costs less than measuring."""


def first_hits(place: Space, codes: np.ndarray, queries: np.ndarray, advance: Advance | None = None) -> np.ndarray:
    """Rank (query,) from 1 of the nearest sample of the same class; 0 where there is no other.

    Samples at equal distance are ordered by index; a sample does not find itself.

    Args:
        place: the samples.
        codes: (sample,) classes 0 … c-1.
        queries: (query,) samples that ask, each once; all are searched.
        advance: is told how many more are answered.
    """
    reach, hits = nearest_of_class(place, codes, queries)
    asking = np.flatnonzero(hits >= 0)
    ranks = np.zeros(len(queries), dtype=np.int64)
    rows, reach, hits = queries[asking], reach[asking], hits[asking]
    # a query was counted itself: nearer than its hit, or tied and of a lower index
    itself = (reach > 0) | (rows < hits)
    tiles = len(_starts(len(place.first)))
    ranks[asking] = 1 + _before(place, rows, reach, hits, paced(advance, len(queries), tiles)) - itself
    return ranks


def nearest_of_class(place: Space, codes: np.ndarray, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance (query,) and index (query,) of the nearest other sample of the class; infinite and -1 without."""
    reach, hits = np.full(len(codes), np.inf), np.full(len(codes), -1)
    asking = np.zeros(len(codes), dtype=bool)
    asking[queries] = True
    order = np.argsort(codes, kind="stable")
    sizes = np.bincount(codes)
    ends = np.cumsum(sizes)
    start = 0
    while start < len(order):  # whole classes, as many as fit a quarter of a tile
        fitting = int(np.searchsorted(ends, start + products.TILE // 4, side="right"))
        end = int(ends[max(fitting - 1, codes[order[start]])])
        members = np.sort(order[start:end])
        same = pd.DataFrame({"class": codes[members], "group": place.group[members]})
        columns = members[same.groupby(["class", "group"]).cumcount() < 2]  # a third copy is nobody's nearest
        rows = members[asking[members]]
        for first in range(0, len(columns) if len(rows) else 0, COLUMNS * products.TILE):
            _search_classes(place, codes, rows, columns[first : first + COLUMNS * products.TILE], reach, hits)
        start = end
    return reach[queries], hits[queries]


def _search_classes(
    place: Space, codes: np.ndarray, members: np.ndarray, columns: np.ndarray, reach: np.ndarray, hits: np.ndarray
) -> None:
    """Lowers reach and hits of the members where one of the columns is nearer than what is there already."""
    step = max(1, products.TILE**2 // len(columns))
    rights: dict[Any, Side] = {}
    for start in range(0, len(members), step):
        rows = members[start : start + step]
        barred = (codes[rows][:, None] != codes[columns]) | (rows[:, None] == columns)
        for precision in products.precisions()[-2:]:
            if precision not in rights:
                rights[precision] = products.side(place, columns, precision)
            same = np.array_equal(rows, columns)
            left = rights[precision] if same else products.side(place, rows, precision)
            near = _maybe_nearest(left, rights[precision], barred)
            if np.count_nonzero(near) <= 4 * len(rows):
                break
        row, column = np.nonzero(near)
        _keep_best(place, rows[row], columns[column], reach, hits)


def _maybe_nearest(left: Side, right: Side, barred: np.ndarray) -> np.ndarray:
    """Which of the right could be the nearest that is not barred: bool (left, right)."""
    near = products.similarity(left, right, np.zeros(len(left.half))).numpy()
    near[barred] = -np.inf
    moved, summing = products.rounding(left, right)
    best = np.maximum(2 * (summing - near.max(axis=1)), 0)
    farthest = np.sqrt(best) + 2 * moved
    return (near >= products.below(-(farthest**2) / 2 - summing, near.dtype)[:, None]) & ~barred


def _keep_best(place: Space, rows: np.ndarray, columns: np.ndarray, reach: np.ndarray, hits: np.ndarray) -> None:
    """Keeps the nearest of the pairs of each row, the first of several, where it is nearer than what was kept."""
    found = place.distances(rows, columns)
    order = np.lexsort((columns, found, rows))
    best = order[np.flatnonzero(np.diff(rows[order], prepend=-1))]
    best = best[found[best] < reach[rows[best]]]  # of equal distance: what was kept has the lower index
    reach[rows[best]], hits[rows[best]] = found[best], columns[best]


def _before(place: Space, queries: np.ndarray, reach: np.ndarray, hits: np.ndarray, more: Advance) -> np.ndarray:
    """How many samples, the query among them, come before its hit: (query,)."""
    precision = products.precisions()[0]
    parts = [slice(start, start + products.TILE) for start in _starts(len(queries))]
    lefts = [products.side(place, queries[part], precision) for part in parts]
    before = np.zeros(len(queries), dtype=np.int64)
    for number, start in enumerate(_starts(len(place.first))):
        tile = np.arange(start, min(start + products.TILE, len(place.first)))
        same = number < len(parts) and np.array_equal(place.first[tile], queries[parts[number]])
        right = lefts[number] if same else products.side(place, place.first[tile], precision)
        for part, left in zip(parts, lefts, strict=True):
            _count_tile(place, queries[part], tile, (left, right), (reach[part], hits[part]), before[part])
        more(1)
    return before


def _count_tile(
    place: Space,
    rows: np.ndarray,
    groups: np.ndarray,
    sides: tuple[Side, Side],
    best: tuple[np.ndarray, np.ndarray],
    counts: np.ndarray,
) -> None:
    """Adds to counts (row,) the copies in the groups that come before each row's best hit."""
    reach, hits = best
    left, right = sides
    sizes = np.diff(place.starts)
    finer = [precision for precision in products.precisions() if precision.itemsize > left.stored.dtype.itemsize]
    row, column, nearer = _closer(left, right, reach / place.scale)
    while finer and np.count_nonzero(~nearer) > OPEN_SHARE * len(rows) * len(groups):
        precision = finer.pop(0)
        left, right = (products.side(place, samples, precision) for samples in (rows, place.first[groups]))
        row, column, nearer = _closer(left, right, reach / place.scale)
    group = groups[column]
    number = sizes[group]
    unsure = np.flatnonzero(~nearer)
    row_open, group_open = row[unsure], group[unsure]
    distances = place.distances(rows[row_open], place.first[group_open])
    tied = np.where(distances == reach[row_open], place.copies_below(group_open, hits[row_open]), 0)
    number[unsure] = np.where(distances < reach[row_open], number[unsure], tied)
    counts += np.bincount(row, weights=number, minlength=len(rows)).astype(np.int64)


def _closer(left: Side, right: Side, reach: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs (row, column) that may lie within reach (row,), and whether they are nearer for certain.

    The limit is part of the product, so that a pair is proposed by its sign, which no rounding to few bits changes.
    """
    import torch

    moved, summing = products.rounding(left, right)
    limit = (reach + moved) ** 2 / 2 + summing
    surplus = products.similarity(left, right, limit)
    bits = surplus.view(torch.int16) if surplus.dtype == torch.bfloat16 else surplus
    flat = np.flatnonzero(bits.numpy().ravel() >= 0)
    row, column = np.divmod(flat, len(right.half))
    certain = limit - np.maximum(reach - moved, 0) ** 2 / 2 + summing
    values = surplus.view(-1)[torch.from_numpy(flat)].double().numpy()
    return row, column, values > (1 + 2.0**-7) * certain[row]


def _starts(length: int) -> range:
    return range(0, length, products.TILE)
