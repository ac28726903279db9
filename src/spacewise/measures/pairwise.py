"""Mean distance of every sample to its own class and to the nearest other, over all pairs of samples.

A pair is looked at once: tiles of samples meet on and above the diagonal, and one tile of distances serves
its rows and its columns. A class is either alone in its tiles or whole within one tile, so that its mean
distances are known as soon as those are through: memory is that of the samples.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from spacewise.measures.blocks import Advance
from spacewise.measures.products import Space
from spacewise.measures.sampling import paced

TILE = 512
"""Samples of a tile, about: 1 MB of single-precision distances, which a processor's second cache holds."""

NEAR = 2.0**20
"""Unit roundoffs of the longest vectors' squares below which a product does not give a squared distance; at
that limit the distance is right to one part in two million."""

OPEN_SHARE = 1 / 128
"""Share of a tile left open above which a finer product costs less than measuring."""

FEW = 8  # classes of a tile that are summed one by one, which rounds least; where there are more, each is small


@dataclass(frozen=True)
class Tile:
    """Some samples as columns of a product, or as rows.

    Attributes:
        samples: (sample,) indices in the space.
        span: where they stand among all, class by class.
        bounds: (class + 1,) where each class begins in `samples`.
        stored: (sample, dimension + 2) tensor: y, 1, |y|² as columns; -2 x, |x|², 1 as rows.
        doubt: with that of the other side, the least squared distance that their product gives.
    """

    samples: np.ndarray
    span: slice
    bounds: list[int]
    stored: Any
    doubt: float


@dataclass(frozen=True)
class Group:
    """Tiles that hold one class in parts, or the one tile that holds several; `sizes` (class,) of the classes."""

    tiles: list[Tile]
    sizes: np.ndarray


def own_and_other(
    place: Space, codes: np.ndarray, tile: int = TILE, advance: Advance | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Mean distances (sample,) to the others of its class (0 where it is alone) and to the nearest other class.

    In units of the space's scale. The nearest other class is that of the least mean distance.

    Args:
        place: the samples.
        codes: (sample,) classes 0 … c-1, two or more.
        tile: samples of a tile, about.
        advance: is told how many more samples are done.
    """
    import torch

    own, other = np.zeros(len(codes)), np.full(len(codes), np.inf)  # class by class
    order = np.empty(len(codes), dtype=np.int64)
    room = torch.empty(4 * tile * tile)
    groups = _groups(place, codes, tile)
    tiles = sum(len(group.tiles) for group in groups)
    more = paced(advance, len(codes), tiles * (tiles + 1) // 2)
    for number, group in enumerate(groups):
        _within(place, group, own, other, room, more)
        rows = replace(group, tiles=[turned(columns) for columns in group.tiles])
        for columns in groups[number + 1 :]:
            _between(place, rows, columns, other, room, more)
        for each in group.tiles:
            order[each.samples] = np.arange(each.span.start, each.span.stop)
    return own[order], other[order]


def distances(place: Space, rows: Tile, columns: Tile, room: Any) -> Any:
    """Tensor (row, column) of Euclidean distances in units of the space's scale; lies in `room` where it can.

    Single precision where that is enough, double around an origin of their own where many pairs lie close
    together; pairs that are too close for either are measured.
    """
    import torch

    shape = len(rows.samples), len(columns.samples)
    found = torch.mm(rows.stored, columns.stored.T, out=room[: shape[0] * shape[1]].view(shape))
    near = _near(place, found, rows, columns)
    if near is not None and near[0].size > OPEN_SHARE * found.numel():
        origin = _mean(place, rows, columns)
        rows, columns = (seen_from(place, each, origin, torch.float64) for each in (rows, columns))
        rows = turned(rows)
        found = rows.stored @ columns.stored.T
        near = _near(place, found, rows, columns)
    found.sqrt_()
    if near is not None:
        row, column = near
        found.numpy()[near] = place.distances(rows.samples[row], columns.samples[column]) / place.scale
    return found.fill_diagonal_(0) if rows.span == columns.span else found


def _groups(place: Space, codes: np.ndarray, tile: int) -> list[Group]:
    import torch

    groups, start = [], 0
    for shared in parts(codes, tile):
        tiles = []
        for part in shared:
            samples, bounds = np.concatenate(part), np.cumsum([0, *map(len, part)])
            span = slice(start, start + len(samples))
            blank = Tile(samples, span, bounds.tolist(), None, 0.0)
            tiles.append(seen_from(place, blank, place.centre, torch.float32))
            start = span.stop
        sizes = np.sum([np.diff(each.bounds) for each in tiles], axis=0)
        groups.append(Group(tiles, sizes))
    return groups


def parts(codes: np.ndarray, tile: int) -> Iterator[list[list[np.ndarray]]]:
    """Samples by group, by tile, by class: a class too large for a tile in parts, smaller ones several to a tile."""
    classes = np.split(np.argsort(codes, kind="stable"), np.cumsum(np.bincount(codes))[:-1])
    waiting: list[np.ndarray] = []
    held = 0
    for members in sorted(classes, key=len, reverse=True):  # those that share a tile are then of about one size
        if waiting and held + len(members) > tile:
            yield [waiting]
            waiting, held = [], 0
        if len(members) > tile:
            yield [[part] for part in np.array_split(members, round(len(members) / tile))]
        else:
            waiting.append(members)
            held += len(members)
    if waiting:
        yield [waiting]


def seen_from(place: Space, tile: Tile, origin: np.ndarray, precision: Any) -> Tile:
    """The tile's samples as columns, seen from the origin (dimension,)."""
    import torch

    points = place.take(tile.samples)
    if precision == torch.float64 or points.dtype != np.float32:
        points = points.astype(np.float64)
    points = points - origin.astype(points.dtype)  # any origin serves, if it is the same for rows and columns
    points /= place.scale
    stored = torch.ones(points.shape[0], points.shape[1] + 2, dtype=precision)
    stored[:, :-2] = torch.from_numpy(points)
    squares = torch.linalg.vector_norm(stored[:, :-2], dim=1, dtype=torch.float64).square()
    stored[:, -1] = squares
    return replace(tile, stored=stored, doubt=NEAR * torch.finfo(precision).eps / 2 * float(squares.max()))


def _mean(place: Space, *tiles: Tile) -> np.ndarray:
    return place.take(np.concatenate([each.samples for each in tiles])).mean(axis=0, dtype=np.float64)


def turned(columns: Tile) -> Tile:
    """Columns as rows, so that the product of both is the squared distance."""
    stored = columns.stored.clone()
    stored[:, :-2] *= -2
    stored[:, -2:] = columns.stored[:, -2:].flip(1)
    return replace(columns, stored=stored)


def _near(place: Space, squares: Any, rows: Tile, columns: Tile) -> tuple[np.ndarray, np.ndarray] | None:
    """Pairs (row, column) that are too close for the product that gave the squares, if any; copies are none.

    Their squares become zero.
    """
    limit = rows.doubt + columns.doubt
    if rows.span == columns.span:
        squares.fill_diagonal_(np.inf)  # a sample and itself: `distances` knows
    if squares.amin().item() > limit:
        return None
    row, column = np.nonzero(squares.numpy() <= limit)
    squares.numpy()[row, column] = 0
    apart = place.group[rows.samples[row]] != place.group[columns.samples[column]]
    return row[apart], column[apart]


def add(sums: np.ndarray, found: Any, bounds: list[int]) -> None:
    """Adds to sums (row, class) the distances (row, column) to the columns of each class."""
    if len(bounds) == 2:
        sums[:, 0] += found.sum(dim=1).numpy()
        return
    if len(bounds) - 1 <= FEW:
        for number, start in enumerate(bounds[:-1]):
            sums[:, number] += found[:, start : bounds[number + 1]].sum(dim=1).numpy()
        return
    import torch

    classes = torch.from_numpy(np.repeat(np.arange(len(bounds) - 1), np.diff(bounds)))
    sums += (found @ torch.nn.functional.one_hot(classes).to(found.dtype)).numpy()


def _within(place: Space, group: Group, own: np.ndarray, other: np.ndarray, room: Any, more: Advance) -> None:
    """Fills in what the samples of one group are to one another."""
    import torch

    origin = _mean(place, *group.tiles)
    tiles = [seen_from(place, each, origin, torch.float32) for each in group.tiles]
    for number, columns in enumerate(tiles):
        rows, lengths = turned(columns), np.diff(columns.bounds)
        mine = np.arange(len(columns.samples)), np.repeat(np.arange(len(lengths)), lengths)
        sums = np.zeros((len(columns.samples), len(lengths)))
        add(sums, distances(place, rows, columns, room), columns.bounds)
        own[columns.span] += sums[mine]
        sums[mine] = np.inf
        _lower(other, columns, sums, group.sizes)
        more(len(tiles) - number)
        for further in tiles[number + 1 :]:  # of the same class
            found = distances(place, rows, further, room)
            add(own[columns.span, None], found, further.bounds)
            add(own[further.span, None], found.T, columns.bounds)
    for columns in tiles:
        mates = np.repeat(group.sizes, np.diff(columns.bounds)) - 1 if len(tiles) == 1 else group.sizes - 1
        own[columns.span] /= np.maximum(mates, 1)


def _between(place: Space, rows: Group, columns: Group, other: np.ndarray, room: Any, more: Advance) -> None:
    """Lowers the distance to the nearest other class for the samples of two groups."""
    right_sums = [np.zeros((len(right.samples), len(rows.sizes))) for right in columns.tiles]
    for left in rows.tiles:
        left_sums = np.zeros((len(left.samples), len(columns.sizes)))
        for right, sums in zip(columns.tiles, right_sums, strict=True):
            found = distances(place, left, right, room)
            add(left_sums, found, right.bounds)
            add(sums, found.T, left.bounds)
        _lower(other, left, left_sums, columns.sizes)
        more(len(columns.tiles))
    for right, sums in zip(columns.tiles, right_sums, strict=True):
        _lower(other, right, sums, rows.sizes)


def _lower(other: np.ndarray, tile: Tile, sums: np.ndarray, sizes: np.ndarray) -> None:
    """Lowers what the tile's samples have to the least mean distance (sample, class) that the sums give."""
    sums /= sizes
    np.minimum(other[tile.span], sums[:, 0] if len(sizes) == 1 else sums.min(axis=1), out=other[tile.span])
