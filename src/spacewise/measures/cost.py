"""What will it cost to compare all pairs? Said before it starts, from a pilot on the very vectors.

A measure is timed on some thousand samples, here and now: two runs tell what grows with samples and what with
pairs. The figure is rough (expect it right to a factor of two), and includes whatever else the machine is doing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from spacewise.errors import unknown
from spacewise.measures import checks, hits, retrieval, separation
from spacewise.measures.sampling import chosen, stratified

PILOT = 6000
"""Samples of a pilot."""

FEW, MANY = 64, 1024
"""Queries of the two runs of a pilot where a sample asks."""

SAMPLE = 5000
"""Queries of the sample that is offered; not where there are no more than twice as many."""

KEPT = 120  # bytes a sample of codes, groups, keys and results
BLOCKS = 150 * 2**20  # bytes of tiles and what is made of them


@dataclass(frozen=True)
class Cost:
    """What a comparison of all pairs will take.

    Attributes:
        name: what is asked, of which space.
        queries, samples, dimension: how many ask how many, of how many numbers each.
        threads: that it will run on.
        seconds: about; of the clock.
        memory: bytes beyond the vectors, about.
        sample: queries of a stratified sample that is offered instead; 0 where none is.
        sample_seconds: what that takes, about.
        half_width: how far its mean may be from that of all, 95 % confidence, in units of the measure.
        worst: whether that is the worst case of a share; else it follows from the spread of the pilot.
    """

    name: str
    queries: int
    samples: int
    dimension: int
    threads: int
    seconds: float
    memory: int
    sample: int = 0
    sample_seconds: float = 0.0
    half_width: float = 0.0
    worst: bool = False

    @property
    def pairs(self) -> int:
        """How many pairs are compared."""
        return self.queries * self.samples


@dataclass(frozen=True)
class Kind:
    """A measure: what each query gets (query,), whether that is a share, and its memory.

    Attributes:
        ask: of values, labels and queries (None: all).
        share: whether the mean is a share.
        whole: bytes beyond the vectors, for each of their numbers, where all ask.
        band: bytes that queries and samples together take, for each pair that is held, where a sample asks.
    """

    ask: Callable[[np.ndarray, np.ndarray, Any], Any]
    share: bool
    whole: int
    band: int


def _silhouette(values: np.ndarray, labels: np.ndarray, queries: Any) -> np.ndarray:
    return separation.silhouette(values, labels, queries=queries)


def _recall(values: np.ndarray, labels: np.ndarray, queries: Any) -> np.ndarray:
    return retrieval.first_hits(values, labels, queries=queries)


def _retrieval(values: np.ndarray, labels: np.ndarray, queries: Any) -> Any:
    return retrieval.retrieval_samples(values, labels, queries=queries)


MEASURES = {
    "silhouette": Kind(_silhouette, share=False, whole=4, band=0),
    "recall": Kind(_recall, share=True, whole=12, band=0),
    "retrieval": Kind(_retrieval, share=True, whole=20, band=12),
}


def pairwise_cost(name: str, values: Any, labels: Any, queries: Any = None) -> Cost:
    """What a measure will take on these vectors; a second or so to find out.

    Args:
        name: what is asked and of what, such as "silhouette in feature"; its first word is one of `MEASURES`:
            silhouette, recall (`retrieval.first_hits`), retrieval (`retrieval.retrieval_samples`).
        values: (sample, dimension), in memory or a memory map.
        labels: (sample,) integer class indices.
        queries: (query,) indices of the samples that ask. None: all, and a sample is offered where it saves much.

    Raises:
        InputError: a name that begins with no measure, malformed arrays, lengths that differ, what the measure raises.
    """
    word = name.split()[0] if name.split() else name
    if word not in MEASURES:
        raise unknown("measure", word, MEASURES)
    kind = MEASURES[word]
    values = checks.shaped("values", values)
    labels = checks.labels("labels", labels, length=len(values))
    asked = len(chosen(queries, len(values)))
    pilot = _pilot(labels)
    some, named = np.ascontiguousarray(values[pilot]), labels[pilot]
    kind.ask(some[: 2 * FEW], np.arange(2 * FEW)[: len(some)] % 2, None)  # what the first call alone takes
    samples, dimension = values.shape
    sizes = (asked, samples, dimension, _threads())
    if queries is not None:
        seconds = _seconds_of_sample(kind, some, named, asked, samples)
        return Cost(name, *sizes, seconds, _memory(kind, asked, samples, dimension))
    seconds, found = _seconds_of_all(kind, some, named, samples)
    whole = kind.whole * values.size + KEPT * samples + BLOCKS
    if samples <= 2 * SAMPLE:
        return Cost(name, *sizes, seconds, whole)
    deviation = 0.5 if kind.share else float(np.std(found))
    from scipy.special import ndtri  # half a second to import

    half = float(ndtri(0.975)) * deviation / SAMPLE**0.5
    fast = _seconds_of_sample(kind, some, named, SAMPLE, samples)
    return Cost(name, *sizes, seconds, whole, SAMPLE, fast, half, kind.share)


def said(cost: Cost) -> str:
    """The cost in one line."""
    size = f"{cost.queries:,} x {cost.samples:,} pairs"
    threads = f"{cost.threads} thread" + "s" * (cost.threads > 1)
    line = f"{cost.name}: {size}, about {_time(cost.seconds)} on {threads} and {_bytes(cost.memory)} of memory"
    if not cost.sample:
        return line
    width = (
        f"{100 * cost.half_width:.1f} points at worst" if cost.worst else f"{cost.half_width:.2g}, as a pilot spreads"
    )
    return (
        f"{line}; a sample of {cost.sample:,} takes about {_time(cost.sample_seconds)} and knows the mean to ± {width}"
    )


def _pilot(labels: np.ndarray) -> np.ndarray:
    """Indices of the samples of a pilot: every class in proportion or, where those are many, whole classes."""
    if len(np.unique(labels)) <= PILOT // 4:
        return stratified(labels, PILOT, 0)
    classes, codes = np.unique(labels, return_inverse=True)
    shuffled = np.random.default_rng(0).permutation(len(classes))[codes]
    return np.sort(np.argsort(shuffled, kind="stable")[:PILOT])


def _seconds_of_all(kind: Kind, values: np.ndarray, labels: np.ndarray, samples: int) -> tuple[float, Any]:
    """Seconds for so many samples where all ask, and what the pilot found."""
    half = slice(0, None, 2)
    short = _timed(kind, values[half], labels[half], None)[0]
    long, found = _timed(kind, values, labels, None)
    of_pairs = max(long - 2 * short, long / 4)  # half of it: what twice the samples took beyond twice the time
    squares = min(2 * of_pairs, long)
    factor = samples / len(values)
    return (long - squares) * factor + squares * factor**2, found


def _seconds_of_sample(kind: Kind, values: np.ndarray, labels: np.ndarray, queries: int, samples: int) -> float:
    """Seconds for so many queries, each against so many samples."""
    many = min(MANY, len(values))
    few = min(FEW, many // 2)
    short = _timed(kind, values, labels, stratified(labels, few, 0))[0]
    long = _timed(kind, values, labels, stratified(labels, many, 0))[0]
    each = max(long - short, long / 10) / (many - few)
    walk = max(long - each * many, 0.0)
    passes = -(-queries * samples // hits.BAND_VALUES) if kind.band else 1
    return (walk * passes + each * queries) * samples / len(values)


def _timed(kind: Kind, values: np.ndarray, labels: np.ndarray, queries: Any) -> tuple[float, Any]:
    began = time.perf_counter()
    found = kind.ask(values, labels, queries)
    return time.perf_counter() - began, found


def _memory(kind: Kind, queries: int, samples: int, dimension: int) -> int:
    held = kind.band * min(queries * samples, hits.BAND_VALUES)
    return held + KEPT * samples + 8 * queries * dimension + BLOCKS


def _threads() -> int:
    import torch

    return torch.get_num_threads()


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _bytes(number: int) -> str:
    return f"{number / 1e9:.1f} GB" if number >= 1e9 else f"{number / 1e6:.0f} MB"
