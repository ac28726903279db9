"""Who are the nearest neighbours, and do they carry the right label?

Euclidean distance. Exact, never approximate: equal distances are ordered by the lowest gallery index.
Memory stays at one block of distances however many samples there are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from spacewise.errors import InputError
from spacewise.measures import checks

BLOCK_VALUES = 2**23
"""Numbers held at once: 32 MB of single precision."""


def nearest_neighbours(
    queries: Any, gallery: Any, k: int, *, exclude_self: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Distances (query, k) and gallery indices (query, k) of the k nearest, nearest first.

    A matrix product proposes every gallery row that its rounding error could not exclude; those few are
    measured again, difference by difference, in double precision. So copies in the gallery tie exactly.

    Args:
        queries: (query, dimension).
        gallery: (sample, dimension).
        k: how many neighbours.
        exclude_self: queries *are* the gallery; row i is not its own neighbour.

    Raises:
        InputError: malformed arrays, dimensions that differ, k above the number of neighbours there are,
            `exclude_self` with queries that are not the gallery.
    """
    queries, gallery = _validate(queries, gallery, k, exclude_self)
    kept = _few_copies(gallery, k + exclude_self)
    own = np.full(len(gallery), -1)
    own[kept] = np.arange(len(kept))
    gallery = gallery[kept]
    frame = _frame(queries, gallery)
    step = max(1, BLOCK_VALUES // sum(gallery.shape))
    distances = np.empty((len(queries), k))
    indices = np.empty((len(queries), k), dtype=np.int64)
    for start in range(0, len(queries), step):
        part = slice(start, start + step)
        block = queries[part]
        rows, columns = _candidates(block, gallery, k, frame, own[part] if exclude_self else None)
        found = _measure(block, gallery, rows, columns)
        order = np.lexsort((columns, found, rows))
        best = order[np.searchsorted(rows, np.arange(len(block)))[:, None] + np.arange(k)]
        distances[part], indices[part] = found[best], kept[columns[best]]
    return distances, indices


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


def _few_copies(gallery: np.ndarray, most: int) -> np.ndarray:
    """Indices of the gallery less what has `most` earlier copies: a later one is never among the nearest.

    Without this a space collapsed to a few points would make every row a candidate.
    """
    rows = np.ascontiguousarray(gallery).view(np.dtype((np.void, gallery.dtype.itemsize * gallery.shape[1])))
    copies = pd.Series(np.unique(rows.ravel(), return_inverse=True)[1])
    return np.flatnonzero(copies.groupby(copies).cumcount() < most)


def _frame(queries: np.ndarray, gallery: np.ndarray) -> tuple[np.ndarray, float]:
    """Centre and scale in which less is lost to cancellation and nothing overflows."""
    centre = gallery.mean(axis=0, dtype=np.float64)
    largest = [max(float(values.max()), -float(values.min())) for values in (queries, gallery, centre)]
    return centre, max(largest[:2]) + largest[2] or 1.0


def _candidates(
    queries: np.ndarray, gallery: np.ndarray, k: int, frame: tuple[np.ndarray, float], own: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (query row, gallery row), by row, that hold the k nearest of each query for certain.

    Single precision usually leaves few; where tight clusters leave many, double precision decides.
    """
    centre, scale = frame
    for precision in (np.float32, np.float64):
        reduced = [((values - centre) / scale).astype(precision) for values in (queries, gallery)]
        squared, error = _squared(*reduced)
        if own is not None:
            squared[np.flatnonzero(own >= 0), own[own >= 0]] = np.inf
        kth = np.partition(squared, k - 1, axis=1)[:, k - 1]
        near = squared <= (kth + 2 * error)[:, None]
        if np.count_nonzero(near) <= 8 * k * len(queries):
            break
    rows, columns = np.nonzero(near)
    return rows, columns


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


def _measure(queries: np.ndarray, gallery: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Distances of the pairs (query rows[i], gallery columns[i]) in double precision: (pair,)."""
    distances = np.empty(len(rows))
    step = max(1, BLOCK_VALUES // (8 * queries.shape[1]))
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        gaps = queries[rows[part]].astype(np.float64) - gallery[columns[part]]
        distances[part] = np.sqrt((gaps * gaps).sum(axis=1))
    return distances
