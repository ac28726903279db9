"""Which samples of an archive are nearest to a query? Exact, in one pass over the shards for all queries.

Similarity is the cosine: vectors are scaled to unit length, zero vectors stay zero. A product in single precision
proposes every sample that its rounding error could not exclude; those few are measured again in double precision,
to twelve decimals, so that copies and parallel vectors tie. Samples of equal similarity are ordered by the lowest
index.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from spacewise.archive.ahead import ahead
from spacewise.archive.stored import Embeddings, read_part
from spacewise.errors import InputError, unknown
from spacewise.measures import checks, products
from spacewise.progress import track

TILE, QUERIES = 4096, 256
"""Samples and queries of one product: 4 MB of similarities, which stay in the cache."""

FEW = 8  # proposals a hit that are measured without looking closer
PAIR_VALUES = 2**15  # products held at once: they stay in the nearest cache
DECIMALS = 12  # of a similarity: what is beyond is rounding
REGULAR = (1e-12, 1e12)  # lengths whose squares single precision holds


@dataclass(frozen=True)
class Hits:
    """What queries find, most similar first.

    Attributes:
        similarity: (query, k) cosine, -1 to 1; -inf where nothing was found.
        indices: (query, k) among the samples of the embeddings; -1 where nothing was found.
    """

    similarity: np.ndarray
    indices: np.ndarray


def exact(
    embeddings: Embeddings, space: str, queries: Any, k: int, *, own: Any = None, what: str = "searching"
) -> Hits:
    """The k most similar samples of each query; memory for a block, the queries and k hits of each.

    Args:
        queries: (query, dimension) in that space.
        own: (query,) index of the sample that a query is, which is left out of its hits; -1 for a query of no archive.
        what: is done; shown beside the bar.

    Raises:
        InputError: an unknown space, malformed queries, k above the number of samples that there are to find, a
            damaged shard, vectors that are not finite.
    """
    units, own = checked(embeddings, space, queries, k, own)
    found = Hits(np.full((len(units), k), -np.inf), np.full((len(units), k), -1))
    shards = sum(length > 0 for length in embeddings.lengths)
    where = f"{embeddings.folder}, space '{space}'"
    with closing(ahead(embeddings.blocks(space), 1)) as blocks:
        for block in track(blocks, what, shards):
            for start in range(0, len(block.values), TILE):
                values, first = block.values[start : start + TILE], block.first + start
                tile = torch.from_numpy(directions(values, where, first))
                for begin in range(0, len(units), QUERIES):
                    part = slice(begin, begin + QUERIES)
                    mine = Hits(found.similarity[part], found.indices[part])  # views: what is merged stays
                    _scan(mine, units[part], own[part], values, tile, first)
    return found


def facts_of(embeddings: Embeddings, indices: Any) -> pd.DataFrame:
    """Row, id and all facts of some samples (sample,), in the order that was asked for."""
    indices = np.asarray(indices, dtype=np.int64)
    ends = np.cumsum(embeddings.lengths)
    shards = np.searchsorted(ends, indices, side="right")
    pieces, places = [], []
    for number in np.unique(shards):
        mine = np.flatnonzero(shards == number)
        within = indices[mine] - (ends[number] - embeddings.lengths[number])
        pieces.append(read_part(embeddings.folder, int(number), embeddings.columns).take(within).to_pandas())
        places.append(mine)
    if not pieces:
        return pd.DataFrame(columns=embeddings.columns)
    return pd.concat(pieces, ignore_index=True).iloc[np.argsort(np.concatenate(places))].reset_index(drop=True)


def checked(embeddings: Embeddings, space: str, queries: Any, k: int, own: Any = None) -> tuple[np.ndarray, np.ndarray]:
    """Queries (query, dimension) float64 of unit length and `own` (query,), both checked as `exact` says."""
    if space not in embeddings.spaces:
        raise unknown(f"space of {embeddings.folder}", space, embeddings.spaces)
    queries = checks.matrix("queries", queries, columns=embeddings.spaces[space])
    own = np.full(len(queries), -1) if own is None else checks.labels("own", own, length=len(queries))
    check_number(embeddings, k, len(embeddings) - int((own >= 0).any()))
    return products.unit(queries), own


def check_number(embeddings: Embeddings, k: int, most: int) -> None:
    """Raises `InputError` for a k that is not 1 to `most`, the samples that there are to find."""
    if k > most:
        raise InputError(f"k: {k}, where {embeddings.folder} holds {most:,} samples to find; expected 1 to {most}")
    checks.whole("k", k, most=most)


def directions(values: np.ndarray, where: str, first: int = 0) -> np.ndarray:
    """Vectors (sample, dimension) scaled to unit length, float32; zero vectors stay zero.

    Raises:
        InputError: vectors that are not finite, naming `where` they are, counted from `first`.
    """
    with np.errstate(all="ignore"):
        lengths = np.sqrt(np.einsum("ij,ij->i", values, values))
        odd = ~((lengths > REGULAR[0]) & (lengths < REGULAR[1]))
        units = values / lengths[:, None]
    if odd.any():
        finite = np.isfinite(values[odd]).all(axis=1)
        if not finite.all():
            sample = first + int(np.flatnonzero(odd)[~finite][0])
            raise InputError(f"{where}: NaN or infinite in {int((~finite).sum())} samples, first {sample}")
        units[odd] = products.unit(values[odd])
    return units


def measured(units: np.ndarray, values: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Cosines (pair,) float64 of units[rows[i]] and values[columns[i]]; the same in whichever block they stand."""
    used, place = np.unique(columns, return_inverse=True)
    others = products.unit(values[used])
    found = np.empty(len(rows))
    step = max(1, PAIR_VALUES // units.shape[1])
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        found[part] = (units[rows[part]] * others[place[part]]).sum(axis=1)
    return found.round(DECIMALS) + 0.0  # no negative zeros


def merge(found: Hits, rows: np.ndarray, indices: np.ndarray, similarity: np.ndarray) -> None:
    """Puts pairs (query row, sample index) where they belong among the hits, in place; none is there already."""
    touched, k = np.unique(rows), found.indices.shape[1]
    rows = np.concatenate([np.repeat(touched, k), rows])
    indices = np.concatenate([found.indices[touched].ravel(), indices])
    similarity = np.concatenate([found.similarity[touched].ravel(), similarity])
    order = np.lexsort((indices, -similarity, rows))
    best = order[np.searchsorted(rows[order], touched)[:, None] + np.arange(k)]
    found.indices[touched], found.similarity[touched] = indices[best], similarity[best]


def _scan(found: Hits, units: np.ndarray, own: np.ndarray, values: np.ndarray, tile: torch.Tensor, first: int) -> None:
    """Merges what a tile holds into the hits of a block of queries."""
    rows, columns = _proposed(units, values, tile, found.similarity[:, -1], found.indices.shape[1] + 1)
    others = own[rows] != first + columns
    rows, columns = rows[others], columns[others]
    if len(rows):
        merge(found, rows, first + columns, measured(units, values, rows, columns))


def _proposed(
    units: np.ndarray, values: np.ndarray, tile: torch.Tensor, floor: np.ndarray, depth: int
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (query row, sample of the tile) that hold for certain what belongs among the hits.

    Args:
        floor: (query,) the similarity that has to be reached, -inf where nothing is found yet.
        depth: how many of the tile at most belong there.
    """
    near = _near(torch.from_numpy(units.astype(np.float32)) @ tile.T, floor, depth, units.shape[1])
    if near.shape[1] <= FEW * depth * len(units):
        return near[0], near[1]
    others = products.unit(values)  # a space collapsed to a few points, or nearly so
    kept = _few_copies(others, depth)
    near = _near(torch.from_numpy(units) @ torch.from_numpy(others[kept]).T, floor, depth, units.shape[1])
    return near[0], kept[near[1]]


def _near(similarity: torch.Tensor, floor: np.ndarray, depth: int, dimension: int) -> np.ndarray:
    """Pairs (2, pair) that may reach the floor and, where those are many, the tile's own `depth`-th similarity.

    The rounding error is bounded by that of a dot product summed in any order (Higham, Accuracy and Stability of
    Numerical Algorithms, 3.1), of the lengths as well, with a few roundings to spare.
    """
    kind = np.dtype(np.float32 if similarity.dtype == torch.float32 else np.float64)
    margin = (dimension + 16) * torch.finfo(similarity.dtype).eps + 10.0**-DECIMALS
    reached = similarity >= torch.from_numpy(products.below(floor - margin, kind))[:, None]
    if similarity.shape[1] > depth and reached.sum() > FEW * depth * len(similarity):
        last = similarity.topk(depth).values[:, -1].double().numpy() - 2 * margin
        reached &= similarity >= torch.from_numpy(products.below(last, kind))[:, None]
    return torch.nonzero(reached).T.numpy()


def _few_copies(values: np.ndarray, most: int) -> np.ndarray:
    """Rows less those that have `most` earlier copies: a later one is never among the nearest."""
    place = products.space(values)
    return np.flatnonzero(place.copies_below(place.group, np.arange(len(values))) < most)
