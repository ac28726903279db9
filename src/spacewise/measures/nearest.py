"""Who are the nearest neighbours, and do they carry the right label?

Euclidean distance. Exact, never approximate: equal distances are ordered by the lowest gallery index.
Memory stays at one block of distances however many samples there are; the gallery may lie on disk.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from spacewise.errors import InputError
from spacewise.measures import checks, products
from spacewise.measures.blocks import Advance
from spacewise.measures.products import Space
from spacewise.measures.sampling import paced

BLOCK_VALUES = 2**23
"""Numbers held at once: 32 MB of single precision."""

COLUMNS = 8192
"""Samples of the gallery that are searched at once."""


@dataclass(frozen=True)
class Found:
    """The k nearest so far, nearest first: distances (query, k) and gallery indices (query, k); infinite and -1."""

    distances: np.ndarray
    indices: np.ndarray


def nearest_neighbours(
    queries: Any,
    gallery: Any,
    k: int,
    *,
    exclude_self: bool = False,
    normalise: bool = False,
    advance: Advance | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Distances (query, k) and gallery indices (query, k) of the k nearest, nearest first.

    A matrix product proposes every gallery row that its rounding error could not exclude; those few are
    measured again, difference by difference, in double precision. So copies in the gallery tie exactly.

    Args:
        queries: (query, dimension).
        gallery: (sample, dimension); it may be larger than memory, as a memory map.
        k: how many neighbours.
        exclude_self: queries *are* the gallery; row i is not its own neighbour.
        normalise: scale both to unit length first; a zero vector stays zero.
        advance: is told how many more queries are answered.

    Raises:
        InputError: malformed arrays, dimensions that differ, k above the number of neighbours there are,
            `exclude_self` with queries that are not the gallery.
    """
    queries, gallery = _validate(queries, gallery, k, exclude_self)
    place = products.space(gallery, scaled=normalise)
    queries = products.unit(queries) if normalise else queries
    kept = _few_copies(place, k + exclude_self)
    frame = _frame(queries, place)
    found = Found(np.full((len(queries), k), np.inf), np.full((len(queries), k), -1))
    more = paced(advance, len(queries), len(kept))
    for first in range(0, len(kept), COLUMNS):
        columns = kept[first : first + COLUMNS]
        reduced = _reduced(place.take(columns), frame)
        step = max(1, BLOCK_VALUES // (len(columns) + gallery.shape[1]))
        for start in range(0, len(queries), step):
            part = slice(start, start + step)
            own = np.arange(len(queries))[part] if exclude_self else None
            mine = Found(found.distances[part], found.indices[part])  # views: what is found stays
            _search(mine, queries[part], place, columns, reduced, frame, own)
        more(len(columns))
    return found.distances, found.indices


def nearest_accuracy(queries: Any, query_labels: Any, gallery: Any, gallery_labels: Any, k: int = 1) -> np.ndarray:
    """Whether a vote of the k nearest gallery samples gives each query's label: bool (query,).

    On pixels it is the floor that a network has to beat; on a space it asks what the space knows
    without its classifier. A tied vote goes to the lowest class index, as in scikit-learn.

    Args:
        queries: (query, dimension).
        query_labels: (query,) integer class indices.
        gallery: (sample, dimension).
        gallery_labels: (sample,) integer class indices.
        k: how many neighbours vote.

    Raises:
        InputError: malformed arrays, lengths or dimensions that differ, k above the gallery's size.
    """
    queries, gallery = _validate(queries, gallery, k, False)
    query_labels = checks.labels("query labels", query_labels, length=len(queries))
    gallery_labels = checks.labels("gallery labels", gallery_labels, length=len(gallery))
    _, indices = nearest_neighbours(queries, gallery, k)
    classes, codes = np.unique(gallery_labels, return_inverse=True)
    offsets = len(classes) * np.arange(len(queries))[:, None]
    votes = np.bincount((codes[indices] + offsets).ravel(), minlength=len(classes) * len(queries))
    return classes[votes.reshape(len(queries), -1).argmax(axis=1)] == query_labels


def _validate(queries: Any, gallery: Any, k: int, exclude_self: bool) -> tuple[np.ndarray, np.ndarray]:
    gallery = checks.matrix("gallery", gallery)
    queries = checks.matrix("queries", queries, columns=gallery.shape[1])
    if exclude_self and len(queries) != len(gallery):
        raise InputError(f"queries: {len(queries)} samples, expected the gallery's {len(gallery)} to leave itself out")
    checks.whole("k", k, most=len(gallery) - exclude_self)
    return queries, gallery


def _few_copies(gallery: Space, most: int) -> np.ndarray:
    """Indices of the gallery less what has `most` earlier copies: a later one is never among the nearest.

    Without this a space collapsed to a few points would make every row a candidate.
    """
    return np.flatnonzero(gallery.copies_below(gallery.group, np.arange(len(gallery))) < most)


def _frame(queries: np.ndarray, gallery: Space) -> tuple[np.ndarray, float]:
    """Centre and scale in which less is lost to cancellation and nothing overflows."""
    centre = gallery.centre
    points = gallery.points if not gallery.scaled else np.ones(1)
    largest = [max(float(values.max()), -float(values.min())) for values in (queries, points, centre)]
    return centre, max(largest[:2]) + largest[2] or 1.0


def _reduced(values: np.ndarray, frame: tuple[np.ndarray, float]) -> np.ndarray:
    return (values - frame[0]) / frame[1]


def _search(
    found: Found,
    queries: np.ndarray,
    gallery: Space,
    columns: np.ndarray,
    reduced: np.ndarray,
    frame: tuple[np.ndarray, float],
    own: np.ndarray | None,
) -> None:
    """Puts what the columns hold of the k nearest where it belongs among what is found already."""
    reach = found.distances[:, -1] / frame[1]
    rows, places = _candidates(_reduced(queries, frame), reduced, found.indices.shape[1], reach, columns, own)
    if len(rows) == 0:
        return
    measured = _measure(queries, gallery, rows, columns[places])
    touched, k = np.unique(rows), found.indices.shape[1]
    rows = np.concatenate([np.repeat(touched, k), rows])
    indices = np.concatenate([found.indices[touched].ravel(), columns[places]])
    measured = np.concatenate([found.distances[touched].ravel(), measured])
    order = np.lexsort((indices, measured, rows))
    best = order[np.searchsorted(rows[order], touched)[:, None] + np.arange(k)]
    found.distances[touched], found.indices[touched] = measured[best], indices[best]


def _candidates(
    queries: np.ndarray, gallery: np.ndarray, k: int, reach: np.ndarray, columns: np.ndarray, own: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (query row, gallery row), by row, that hold for certain what belongs among the k nearest.

    Single precision usually leaves few; where tight clusters leave many, double precision decides.

    Args:
        reach: (query,) distance of the k-th found before, infinite where there are fewer.
        columns: (gallery row,) indices, of which `own` (query,) are the queries' own.
    """
    for precision in (np.float32, np.float64):
        squared, error = _squared(queries.astype(precision), gallery.astype(precision))
        if own is not None:
            mine = np.flatnonzero(np.isin(own, columns, assume_unique=True))
            squared[mine, np.searchsorted(columns, own[mine])] = np.inf
        near = squared <= (reach**2 * (1 + 2.0**-40) + error)[:, None]
        if np.count_nonzero(near) > 8 * k * len(queries) and k < len(columns):
            kth = np.partition(squared, k - 1, axis=1)[:, k - 1]
            near &= squared <= (kth + 2 * error)[:, None]
        if np.count_nonzero(near) <= 8 * k * len(queries):
            break
    rows, places = np.nonzero(near & np.isfinite(squared))
    return rows, places


def _squared(queries: np.ndarray, gallery: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Squared distances (query, sample) and a bound of their rounding error (query,).

    The bound is that of a dot product summed in any order (Higham, Accuracy and Stability of Numerical
    Algorithms, 3.1), plus a few roundings for the norms and the frame.
    """
    lengths = np.linalg.norm(queries, axis=1)
    gallery_lengths = np.linalg.norm(gallery, axis=1)
    squared = queries @ gallery.T
    squared *= -2
    squared += (lengths**2)[:, None]
    squared += gallery_lengths**2
    roundings = (queries.shape[1] / 2 + 16) * np.finfo(squared.dtype).eps / 2
    return squared, roundings * (lengths + gallery_lengths.max()) ** 2


def _measure(queries: np.ndarray, gallery: Space, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Distances of the pairs (query rows[i], gallery columns[i]) in double precision: (pair,)."""
    distances = np.empty(len(rows))
    step = max(1, BLOCK_VALUES // (8 * queries.shape[1]))
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        gaps = queries[rows[part]].astype(np.float64) - gallery.take(columns[part])
        distances[part] = np.sqrt((gaps * gaps).sum(axis=1))
    return distances
