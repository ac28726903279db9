"""Mean distance of some samples to their own class and to the nearest other, over their pairs with all samples.

As `pairwise`, but the samples that ask are the rows of every product, and of the others one tile is held at a time:
memory does not grow with their number, so that they may lie on disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from spacewise.measures import pairwise
from spacewise.measures.blocks import Advance
from spacewise.measures.pairwise import TILE, Tile
from spacewise.measures.products import Space
from spacewise.measures.sampling import paced

APART = slice(0, 0)  # where columns stand among the queries: nowhere, they are other tiles than any rows


def own_and_other(
    place: Space, codes: np.ndarray, queries: np.ndarray, tile: int = TILE, advance: Advance | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Mean distances (query,) to the others of its class (0 where it is alone) and to the nearest other class.

    In units of the space's scale. The nearest other class is that of the least mean distance.

    Args:
        place: the samples.
        codes: (sample,) classes 0 … c-1, two or more.
        queries: (query,) samples that ask, each once.
        tile: samples of a tile, about.
        advance: is told how many more queries are done.
    """
    import torch

    own, other = np.zeros(len(queries)), np.full(len(queries), np.inf)
    room, more = torch.empty(4 * tile * tile), paced(advance, len(queries), len(codes))
    groups = list(pairwise.parts(codes, tile))
    group, column = _where(groups, codes)
    order = np.argsort(group[codes[queries]], kind="stable")  # a group's own queries stand together
    queries, bounds = queries[order], np.searchsorted(group[codes[queries[order]]], np.arange(len(groups) + 1))
    rows = _rows(place, queries, place.centre)
    for number, tiles in enumerate(groups):
        start, stop = bounds[number : number + 2]
        sums = np.zeros((len(queries), len(tiles[0])))
        sizes = np.sum([[len(members) for members in each] for each in tiles], axis=0)
        strangers = [*_pieces(rows, 0, start, tile), *_pieces(rows, stop, len(queries), tile)]
        _ask(place, strangers, tiles, place.centre, sums, room)
        if start < stop:  # in a frame of their own, where the class is not a distant dot
            origin = place.take(np.concatenate(tiles[0])).mean(axis=0, dtype=np.float64)
            mates = replace(_rows(place, queries[start:stop], origin), span=slice(start, stop))
            _ask(place, list(_pieces(mates, 0, stop - start, tile)), tiles, origin, sums, room)
            mine = np.arange(start, stop), column[codes[queries[start:stop]]]
            own[order[start:stop]] = sums[mine] / np.maximum(sizes[mine[1]] - 1, 1)
            sums[mine] = np.inf
        other[order] = np.minimum(other[order], (sums / sizes).min(axis=1))
        more(int(sizes.sum()))
    return own, other


def _where(groups: list[list[list[np.ndarray]]], codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The group (class,) of each class, and which of its classes it is there."""
    group, column = np.empty((2, codes.max() + 1), dtype=np.int64)
    for number, tiles in enumerate(groups):
        for place, members in enumerate(tiles[0]):
            group[codes[members[0]]], column[codes[members[0]]] = number, place
    return group, column


def _rows(place: Space, queries: np.ndarray, origin: np.ndarray) -> Tile:
    import torch

    blank = Tile(queries, slice(0, len(queries)), [], None, 0.0)
    return pairwise.turned(pairwise.seen_from(place, blank, origin, torch.float32))


def _pieces(rows: Tile, start: int, stop: int, tile: int) -> Iterator[Tile]:
    """Rows from `start` to `stop`, a tile at a time."""
    for first in range(start, stop, tile):
        part = slice(first, min(first + tile, stop))
        span = slice(rows.span.start + part.start, rows.span.start + part.stop)
        yield replace(rows, samples=rows.samples[part], span=span, stored=rows.stored[part])


def _ask(
    place: Space, pieces: list[Tile], tiles: list[list[np.ndarray]], origin: np.ndarray, sums: np.ndarray, room: Any
) -> None:
    """Adds to sums (query, class) the distances of the pieces' rows to the classes of the tiles."""
    import torch

    for part in tiles if pieces else ():
        bounds = np.cumsum([0, *map(len, part)]).tolist()
        blank = Tile(np.concatenate(part), APART, bounds, None, 0.0)
        columns = pairwise.seen_from(place, blank, origin, torch.float32)
        for rows in pieces:
            pairwise.add(sums[rows.span], pairwise.distances(place, rows, columns, room), bounds)
