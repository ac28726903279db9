"""First hits by an approximate index, for galleries too large to be exact, with the loss measured beside them.

Nothing here is called by the other measures: whoever has a size above which exact is too slow calls this,
and prints the loss. Needs faiss: `pip install 'spacewise[index]'`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from spacewise.errors import InputError
from spacewise.measures import checks
from spacewise.measures.nearest import nearest_neighbours
from spacewise.measures.products import unit

LINKS = 32
"""Neighbours that each sample of the graph is linked to."""


@dataclass(frozen=True)
class RecallLost:
    """What the index lost, on queries that were answered exactly as well.

    Attributes:
        queries: how many were asked.
        recall_at_1: exact recall at 1 less that of the index (share).
        neighbours_missed: share of the queries whose nearest the index did not find first.
    """

    queries: int
    recall_at_1: float
    neighbours_missed: float


def approximate_first_hits(
    embeddings: Any,
    labels: Any,
    *,
    depth: int = 32,
    queries: int = 1000,
    seed: int = 0,
    normalise: bool = True,
) -> tuple[np.ndarray, RecallLost]:
    """Rank (sample,) of each query's first hit among the `depth` nearest that an index finds, and the loss.

    0 where the class has no other sample, depth + 1 where no hit is among those found: so recall at any
    k up to depth follows as from `retrieval.first_hits`. The index is a graph (FAISS, HNSW: Malkov and
    Yashunin, 2018), built by one thread, because several would link it differently each time.

    Args:
        embeddings: (sample, dimension).
        labels: (sample,) integer class indices.
        depth: neighbours looked at, 1 to the number of samples less one.
        queries: queries answered exactly, drawn without replacement, to measure the loss; all where fewer.
        seed: of the queries drawn.
        normalise: scale to unit length first, as in `retrieval.first_hits`.

    Raises:
        InputError: malformed arrays, a single sample, a depth out of range, faiss not installed.
    """
    points = checks.matrix("embeddings", embeddings)
    labels = checks.labels("labels", labels, length=len(points))
    if len(points) < 2:
        raise InputError("embeddings: 1 sample, expected at least two: a query and one to find")
    checks.whole("depth", depth, most=len(points) - 1)
    checks.whole("queries", queries)
    checks.whole("seed", seed, least=0)
    points = unit(points) if normalise else points
    found = _search(np.ascontiguousarray(points, dtype=np.float32), depth)
    codes, sizes = np.unique(labels, return_inverse=True, return_counts=True)[1:]
    hit = (labels[found] == labels[:, None]) & (found >= 0)
    ranks = np.where(hit.any(axis=1), hit.argmax(axis=1) + 1, depth + 1)
    ranks[sizes[codes] == 1] = 0
    return ranks, _lost(points, labels, found[:, 0], ranks, queries, seed)


def _search(points: np.ndarray, depth: int) -> np.ndarray:
    """Indices (sample, depth) of the neighbours found, a sample itself left out; -1 where fewer were."""
    try:
        import faiss
    except ImportError as error:
        raise InputError("faiss is not installed: pip install 'spacewise[index]'") from error
    index = faiss.IndexHNSWFlat(points.shape[1], LINKS)
    index.hnsw.efSearch = max(64, 2 * depth)
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        index.add(points)
    finally:
        faiss.omp_set_num_threads(threads)
    _, found = index.search(points, depth + 1)
    others = found != np.arange(len(points))[:, None]
    others[others.all(axis=1), -1] = False  # itself lost among its copies
    return found[others].reshape(len(points), depth)


def _lost(
    points: np.ndarray, labels: np.ndarray, nearest: np.ndarray, ranks: np.ndarray, queries: int, seed: int
) -> RecallLost:
    answered = np.flatnonzero(ranks > 0)
    if len(answered) == 0:
        return RecallLost(0, float("nan"), float("nan"))
    drawn = np.random.default_rng(seed).choice(answered, min(queries, len(answered)), replace=False)
    two, indices = nearest_neighbours(points[drawn], points, 2)
    second = indices[:, 0] == drawn  # else the sample itself is second, or lost among its copies
    exact = np.where(second, indices[:, 1], indices[:, 0])
    least = np.where(second, two[:, 1], two[:, 0])
    gaps = points[drawn].astype(np.float64) - points[nearest[drawn]]
    missed = (nearest[drawn] < 0) | (np.sqrt((gaps * gaps).sum(axis=1)) > least)
    recall = (labels[exact] == labels[drawn]).mean()
    return RecallLost(len(drawn), float(recall - (ranks[drawn] == 1).mean()), float(missed.mean()))
