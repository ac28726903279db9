"""Which samples of an archive are nearest to a query? By an index that is built once, its recall measured.

    _SPACE.hnsw.faiss     a graph over all vectors (Malkov and Yashunin, 2018): fast, and held in memory whole
    _SPACE.ivfpq.faiss    lists of codes, a byte for every four numbers or so (Jégou, Douze and Schmid, 2011): small

An index proposes samples, whose similarity is then measured. Beside each lies a JSON with what it was built of, and
with its recall: it is built anew where it no longer fits the shards. Needs faiss: `pip install 'spacewise[index]'`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from spacewise import files
from spacewise.archive.building import drawn_from, opened, place
from spacewise.archive.search import Hits, checked, exact, measured, merge
from spacewise.archive.stored import Embeddings
from spacewise.errors import InputError, unknown
from spacewise.measures import products

KINDS = ("hnsw", "ivfpq")
LEAST = 10_000
"""Samples below which exact search takes no longer than reading an index."""

WIDEN = {"hnsw": 1, "ivfpq": 4}  # proposals a hit that are measured: a code tells only about where a vector lies
EFFORT = {"hnsw": 64, "ivfpq": 8}  # candidates kept, lists looked into: doubled until recall is as wanted
WANTED, GAIN = 0.95, 0.005
"""Recall at which doubling the effort stops, and the gain below which it is not worth it."""

TRIED = 200  # samples of the archive as queries, to measure recall
SINGLE = 1e-6  # similarities closer than this are the same to an index
PROPOSALS = 2**17  # measured at a time


@dataclass(frozen=True)
class Recall:
    """How much of the exact answer an index finds.

    Attributes:
        share: of the k most similar samples, mean over queries; one that is as similar, to single precision, as the
            k-th of the exact answer counts as one of them.
        k: how many were asked for.
        queries: samples of the archive that were tried, drawn without replacement.
    """

    share: float
    k: int
    queries: int

    def __str__(self) -> str:
        return f"recall at {self.k} against exact search: {self.share:.2f} (measured on {self.queries} queries)"


def approximate(
    embeddings: Embeddings, space: str, kind: str, queries: Any, k: int, *, own: Any = None
) -> tuple[Hits, Recall]:
    """The k most similar samples of each query that an index finds, and its recall; builds it where there is none.

    HNSW is linked by one thread: several would link it differently each time. The means of IVF-PQ may differ in
    their last places with the number of threads.

    Args:
        kind: `hnsw` or `ivfpq`.
        queries, k, own: as `search.exact`.

    Raises:
        InputError: as `search.exact`; an unknown kind, faiss not installed, fewer than `LEAST` samples, as many
            hits as samples, a folder that cannot be written, an index that cannot be read.
    """
    if kind not in KINDS:
        raise unknown("index", kind, ("exact", *KINDS))
    units, own = checked(embeddings, space, queries, k, own)
    check_size(embeddings, kind, k)
    index, facts = opened(embeddings, space, kind)
    known = facts["recall"].get(str(k)) or _measure(embeddings, space, kind, index, facts, k)
    found = _search(embeddings, space, kind, index, units, own, k, known["effort"])
    return found, Recall(known["share"], k, known["queries"])


def check_size(embeddings: Embeddings, kind: str, k: int) -> None:
    """Raises `InputError` for an archive that is too small for an index, or for so many hits of it."""
    if len(embeddings) < LEAST:
        raise InputError(
            f"{embeddings.folder}: {len(embeddings):,} samples are too few for the index {kind} ({LEAST:,} or more); "
            "exact search is as fast: --index exact"
        )
    if k >= len(embeddings):
        raise InputError(
            f"k: {k}, where an index over the {len(embeddings):,} samples of {embeddings.folder} is asked for "
            f"{len(embeddings) - 1:,} at most: its recall is measured with samples that do not find themselves"
        )


def _depth(kind: str, k: int, samples: int) -> int:
    """Proposals a query: one more than are kept, should it find itself."""
    return min(samples, WIDEN[kind] * (k + 1))


def _propose(index: Any, kind: str, units: np.ndarray, k: int, effort: int) -> np.ndarray:
    """Samples (query, proposal), -1 where the index finds no more."""
    depth = _depth(kind, k, index.ntotal)
    if kind == "hnsw":
        index.hnsw.efSearch = effort
    else:
        index.nprobe = effort
    return index.search(np.ascontiguousarray(units, dtype=np.float32), depth)[1]


def _search(
    embeddings: Embeddings, space: str, kind: str, index: Any, units: np.ndarray, own: np.ndarray, k: int, effort: int
) -> Hits:
    """Asks the index, and measures what it proposes; queries in blocks."""
    found = Hits(np.full((len(units), k), -np.inf), np.full((len(units), k), -1))
    step = max(1, PROPOSALS // _depth(kind, k, len(embeddings)))
    for start in range(0, len(units), step):
        part = slice(start, start + step)
        proposed = _propose(index, kind, units[part], k, effort)
        rows, places = np.nonzero((proposed >= 0) & (proposed != own[part, None]))
        if len(rows):
            used, columns = np.unique(indices := proposed[rows, places], return_inverse=True)
            # a graph holds the vectors, of the others only the shards do
            values = index.reconstruct_batch(used) if kind == "hnsw" else embeddings.take(space, used)
            mine = Hits(found.similarity[part], found.indices[part])  # views: what is merged stays
            merge(mine, rows, indices, measured(units[part], values, rows, columns))
    return found


def _measure(
    embeddings: Embeddings, space: str, kind: str, index: Any, facts: dict[str, Any], k: int
) -> dict[str, Any]:
    """Finds the effort at which recall at k is as wanted, and writes both down."""
    drawn = drawn_from(len(embeddings), TRIED)
    queries = embeddings.take(space, drawn)
    truth = exact(embeddings, space, queries, k, own=drawn, what="measuring recall")
    units = products.unit(queries)

    def tried(effort: int) -> float:
        return recall(_search(embeddings, space, kind, index, units, drawn, k, effort), truth)

    effort = max(EFFORT[kind], _depth(kind, k, len(embeddings)) if kind == "hnsw" else 1)
    share = tried(effort)
    most = facts["settings"].get("lists", len(embeddings))
    while share < WANTED and effort < most:
        harder = min(2 * effort, most)
        if (more := tried(harder)) < share + GAIN:
            break
        effort, share = harder, more
    known = {"share": share, "queries": len(drawn), "effort": effort}
    facts["recall"][str(k)] = known
    files.write_json(place(embeddings, space, kind).with_suffix(".json"), facts)
    return known


def recall(found: Hits, truth: Hits) -> float:
    """Share of the k found that are as similar as the true k-th, mean over queries; copies stand for one another."""
    return float((found.similarity >= truth.similarity[:, -1:] - SINGLE).mean())
