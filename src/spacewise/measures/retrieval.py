"""Does a query find samples of its own class among its neighbours, and how early?

Every sample is a query, or a chosen few are; the gallery is all other samples; a hit is one of the query's
class. Exact, never approximate. Vectors are scaled to unit length first unless told otherwise (Euclidean and
cosine order then agree; a zero vector stays zero). Samples at equal distance are ordered by the lowest index, so
in a space collapsed to a point each query meets the samples in the order in which they were given.

Recall at k, as in metric learning, is the share of queries with a hit among the k nearest. Queries of one
class are not independent: intervals are bootstraps over whole classes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from spacewise.errors import InputError
from spacewise.measures import checks, hits, products
from spacewise.measures import ranks as counting
from spacewise.measures.blocks import Advance
from spacewise.measures.bootstrap import interval, mean_interval
from spacewise.measures.products import Space
from spacewise.measures.sampling import chosen, paced, sample_interval

RANKS = (1, 2, 4, 8, 16, 32)


def first_hits(
    embeddings: Any,
    labels: Any,
    *,
    queries: Any = None,
    normalise: bool = True,
    advance: Advance | None = None,
) -> np.ndarray:
    """Rank (query,) of each query's first hit, from 1; 0 where its class has no other sample.

    Args:
        embeddings: (sample, dimension); with `queries` they may be larger than memory, as a memory map.
        labels: (sample,) integer class indices.
        queries: (query,) indices of the samples that ask, each once; all other samples are searched. None: all ask.
        normalise: scale to unit length first.
        advance: is told how many more queries are answered.

    Raises:
        InputError: malformed arrays, lengths that differ, a single sample, queries that are no samples or come twice.
    """
    place, codes, asking = _validate(embeddings, labels, queries, normalise)
    return counting.first_hits(place, codes, asking, advance)


def retrieval_samples(
    embeddings: Any,
    labels: Any,
    *,
    queries: Any = None,
    normalise: bool = True,
    advance: Advance | None = None,
) -> pd.DataFrame:
    """What each query finds.

    Args:
        embeddings, labels, queries, normalise, advance: as `first_hits`.

    Returns:
        One row a query, its index the sample's: first_hit (as `first_hits`), hits (R, the other samples of its
        class), r_precision (share of hits among the R nearest), average_precision_at_r (mean over i = 1 … R of
        the precision at i where the i-th nearest is a hit, else 0: MAP@R of Musgrave, Belongie and Lim,
        A Metric Learning Reality Check, 2020). Where R is 0: 0, 0, NaN, NaN.

    Raises:
        InputError: as `first_hits`.
    """
    place, codes, asking = _validate(embeddings, labels, queries, normalise)
    more = paced(advance, len(asking), 2 * len(asking))
    share, average = hits.precision_at_hits(place, codes, asking, more, keep=queries is None)
    return pd.DataFrame(
        {
            "first_hit": counting.first_hits(place, codes, asking, more),
            "hits": np.bincount(codes)[codes[asking]] - 1,
            "r_precision": share,
            "average_precision_at_r": average,
        },
        index=None if queries is None else asking,
    )


def retrieval(
    embeddings: Any,
    labels: Any,
    *,
    queries: Any = None,
    ranks: Iterable[int] = RANKS,
    normalise: bool = True,
    advance: Advance | None = None,
    seed: int = 0,
    samples: int = 1000,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Recall at every rank, R-precision and MAP@R of a space.

    Args:
        embeddings, labels, queries, normalise, advance: as `first_hits`.
        ranks: the k of recall at k, 1 to the number of samples less one.
        seed: of the bootstrap.
        samples: bootstrap resamples.
        confidence: share of resamples that the interval covers.

    Returns:
        One row: n (queries with an answer), lone (queries without: alone in their class), recall@k for
        each rank, r_precision, map_at_r (shares, over the n), low and high (interval of the first
        recall, by whole classes). NaN where n is 0. With `queries` all shares are those of all samples, as a
        stratified sample knows them, and there are the further columns of `recall_row`.

    Raises:
        InputError: as `first_hits`; ranks that are not whole numbers in their range.
    """
    resampling = _resampling(samples, confidence, seed)
    embeddings = checks.matrix("embeddings", embeddings)
    ranks = _ranks(ranks, len(embeddings) - 1)
    table = retrieval_samples(embeddings, labels, queries=queries, normalise=normalise, advance=advance)
    labels = np.asarray(labels)
    asked, gallery = (labels, None) if queries is None else (labels[table.index], labels)
    row = recall_row(table["first_hit"], asked, gallery=gallery, ranks=ranks, **resampling)
    ends = {name: row.pop(name) for name in ("low", "high", "sample_low", "sample_high") if name in row}
    means = shares(table[["r_precision", "average_precision_at_r"]].to_numpy(), table["hits"] > 0, asked, gallery)
    return pd.DataFrame([row | dict(zip(("r_precision", "map_at_r"), means, strict=True)) | ends])


def recall_row(
    first_hits: Any,
    labels: Any,
    *,
    gallery: Any = None,
    ranks: Iterable[int] = RANKS,
    seed: int = 0,
    samples: int = 1000,
    confidence: float = 0.95,
) -> dict[str, float]:
    """n, lone, recall at every rank, low and high of `retrieval`, from ranks that are there already.

    Args:
        first_hits: (query,) as `first_hits` returns them.
        labels: (query,) integer class indices; whole classes are resampled.
        gallery: (sample,) integer class indices of all samples, where the queries are a stratified sample of them:
            then recall is that of all samples, each class by its size, and there are further entries: gallery, how
            many samples there are, and sample_low and sample_high, between which the first recall of all of them
            lies (`sampling.sample_interval`). That of whole classes holds what sampling adds.
        ranks, seed, samples, confidence: as `retrieval`.

    Raises:
        InputError: as `recall`; lengths that differ, queries of a class that the gallery lacks.
    """
    found = _first_hits("first hits", first_hits)
    labels = checks.labels("labels", labels, length=len(found))
    everyone = labels if gallery is None else checks.labels("gallery", gallery)
    ranks, answered = _ranks(ranks, len(everyone) - 1), found > 0
    row: dict[str, float] = {"n": int(answered.sum()), "lone": int((~answered).sum())}
    at_rank = found[:, None] <= np.array(ranks)
    recalls = shares(at_rank, answered, labels, gallery)
    row |= {f"recall@{k}": float(share) for k, share in zip(ranks, recalls, strict=True)}
    resampling = _resampling(samples, confidence, seed)
    if gallery is None:
        low, high = _interval(at_rank[answered, 0], labels[answered], resampling)
        return row | {"low": low, "high": high}
    first, mine = at_rank[answered, 0], labels[answered]
    low, high = _weighted_interval(first, mine, everyone, **resampling)
    ends = sample_interval(first, mine, _findable(everyone), confidence)[1:] if len(first) else (np.nan, np.nan)
    row |= {"gallery": len(everyone), "low": low, "high": high}
    return row | {"sample_low": ends[0], "sample_high": ends[1]}


def shares(values: np.ndarray, answered: Any, labels: np.ndarray, gallery: Any = None) -> np.ndarray:
    """Mean (column,) of what queries with an answer found; of a sample, that of all samples.

    Args:
        values: (query, column).
        answered: (query,) bool.
        labels: (query,) integer class indices.
        gallery: (sample,) those of all, where the queries are a stratified sample: each class counts by its size.
    """
    answered = np.asarray(answered)
    if not answered.any():
        return np.full(values.shape[1], np.nan)
    if gallery is None:
        return values[answered].mean(axis=0)
    everyone = _findable(np.asarray(gallery))
    return np.array([sample_interval(column, labels[answered], everyone)[0] for column in values[answered].T])


def _findable(labels: np.ndarray) -> np.ndarray:
    """The labels of samples that are not alone in their class."""
    codes, sizes = np.unique(labels, return_inverse=True, return_counts=True)[1:]
    return labels[sizes[codes] > 1]


def _weighted_interval(
    values: np.ndarray, labels: np.ndarray, everyone: np.ndarray, samples: int, confidence: float, seed: int
) -> tuple[float, float]:
    """Bootstrap interval of the mean over whole classes (class,), each known by a sample and counted by its size."""
    if len(values) == 0:
        return np.nan, np.nan
    classes, codes, drawn = np.unique(labels, return_inverse=True, return_counts=True)
    names, sizes = np.unique(everyone, return_counts=True)
    weight = sizes[np.searchsorted(names, classes)]
    sums = np.bincount(codes, weights=values) / drawn * weight
    generator = np.random.default_rng(seed)
    figures = np.empty(samples)
    for number in range(samples):
        times = np.bincount(generator.integers(len(classes), size=len(classes)), minlength=len(classes))
        figures[number] = times @ sums / (times @ weight)
    return interval(figures, confidence)


def recall(first_hits: Any, ranks: Iterable[int] = RANKS) -> np.ndarray:
    """Share of the queries with an answer whose first hit is among the k nearest: (rank,); NaN without any.

    Args:
        first_hits: (sample,) as `first_hits` returns them.
        ranks: each k, 1 to the number of samples less one.

    Raises:
        InputError: malformed or negative first hits, ranks that are not whole numbers in their range.
    """
    found = _first_hits("first hits", first_hits)
    ranks = _ranks(ranks, len(found) - 1)
    found = found[found > 0]
    return np.array([(found <= k).mean() if len(found) else np.nan for k in ranks])


def compare_recall(
    first_hits_a: Any,
    first_hits_b: Any,
    labels: Any,
    *,
    gallery: Any = None,
    k: int = 1,
    seed: int = 0,
    samples: int = 1000,
    confidence: float = 0.95,
) -> tuple[float, float, float]:
    """Recall at k of space b less that of space a on the same queries, and its interval (difference, low, high).

    Shares, -1 to 1; NaN where no query has an answer.

    Args:
        first_hits_a, first_hits_b: (sample,) as `first_hits` returns them.
        labels: (sample,) integer class indices; whole classes are resampled.
        gallery: as `recall_row`: those of all samples, where the queries are a stratified sample of them.
        k: how many nearest count, 1 to the number of samples less one.
        seed: of the resamples.
        samples: bootstrap resamples.
        confidence: share of resamples that the interval covers.

    Raises:
        InputError: malformed arrays, lengths that differ, queries with an answer in one space only.
    """
    first = _first_hits("first hits of a", first_hits_a)
    second = _first_hits("first hits of b", first_hits_b, length=len(first))
    labels = checks.labels("labels", labels, length=len(first))
    resampling = _resampling(samples, confidence, seed)
    checks.whole("k", k, most=max(len(first) - 1, 1))
    if ((first > 0) != (second > 0)).any():
        sample = int(np.argmax((first > 0) != (second > 0)))
        raise InputError(f"first hits: sample {sample} has an answer in one space only, expected the same samples")
    answered = first > 0
    gains = (second[answered] <= k).astype(np.int64) - (first[answered] <= k)
    if gallery is not None and len(gains):
        difference = float(shares(gains[:, None], np.ones(len(gains), bool), labels[answered], gallery)[0])
        return difference, *_weighted_interval(gains, labels[answered], np.asarray(gallery), **resampling)
    difference = float(gains.mean()) if len(gains) else np.nan
    return difference, *_interval(gains, labels[answered], resampling)


def _interval(values: np.ndarray, labels: np.ndarray, resampling: dict[str, Any]) -> tuple[float, float]:
    if len(values) == 0:
        return np.nan, np.nan
    return mean_interval(values, np.unique(labels, return_inverse=True)[1], **resampling)


def _resampling(samples: int, confidence: float, seed: int) -> dict[str, Any]:
    return {
        "samples": checks.whole("samples", samples),
        "confidence": checks.share("confidence", confidence),
        "seed": checks.whole("seed", seed, least=0),
    }


def _ranks(ranks: Any, most: int) -> list[int]:
    if not isinstance(ranks, Iterable) or isinstance(ranks, str | dict):
        raise InputError(f"ranks: {ranks!r}, expected whole numbers such as 1, 2, 4")
    found = [checks.whole("ranks", k, most=max(most, 1)) for k in ranks]
    if not found or len(set(found)) < len(found):
        raise InputError(f"ranks: {found}, expected at least one, each once")
    return found


def _first_hits(name: str, values: Any, length: int | None = None) -> np.ndarray:
    found = checks.labels(name, values, length=length)
    if found.min() < 0:
        raise InputError(f"{name}: {found.min()} at sample {int(found.argmin())}, expected ranks from 1, or 0 for none")
    return found


def _validate(embeddings: Any, labels: Any, queries: Any, normalise: bool) -> tuple[Space, np.ndarray, np.ndarray]:
    """The space, codes (sample,) and the samples (query,) that ask."""
    points = checks.matrix("embeddings", embeddings)
    labels = checks.labels("labels", labels, length=len(points))
    if len(points) < 2:
        raise InputError("embeddings: 1 sample, expected at least two: a query and one to find")
    asking = chosen(queries, len(points))
    codes = np.unique(labels, return_inverse=True)[1]
    if normalise and queries is None:
        return products.space(products.unit(points)), codes, asking
    return products.space(points, scaled=normalise), codes, asking
