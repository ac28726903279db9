"""From measurements to what the page says: medians, exponents, who is faster."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from benchmarks.growth.operation import LIMIT, OURS

COLUMNS = ("operation", "contender", "size", "seconds", "processor", "megabytes", "rounds", "others", "commit")
EVEN = 1.05
"""A ratio up to this, either way, is no difference."""


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """b of the least-squares fit values = a * sizes ** b, on logarithms; NaN for fewer than two, or none above zero."""
    x, y = np.asarray(sizes, float), np.asarray(values, float)
    there = (x > 0) & (y > 0)
    if len(set(x[there])) < 2:
        return float("nan")
    return float(np.polyfit(np.log(x[there]), np.log(y[there]), 1)[0])


def medians(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """One row an operation, contender and size, `COLUMNS`: medians over rounds, of memory the most."""
    good = [row for row in rows if not row.get("error")]
    if not good:
        return pd.DataFrame(columns=list(COLUMNS))
    by = pd.DataFrame(good).groupby(["operation", "contender", "size"], sort=False)
    found = by.agg(
        seconds=("seconds", "median"),
        processor=("processor", "median"),
        megabytes=("megabytes", "max"),
        rounds=("round", "nunique"),
        others=("others", "median"),
        commit=("commit", "last"),
    )
    return found.reset_index().sort_values(["operation", "size"], kind="stable", ignore_index=True)[list(COLUMNS)]


@dataclass(frozen=True)
class Verdict:
    """An operation in one line, at the largest size that spacewise and any peer were measured at.

    Attributes:
        size: see above.
        peer: the fastest peer there.
        ours, theirs, limit: seconds; limit NaN where it failed.
        our_memory, their_memory: megabytes beyond the input.
        our_exponent, their_exponent: of the fits over all sizes.
    """

    size: int
    peer: str
    ours: float
    theirs: float
    limit: float
    our_memory: float
    their_memory: float
    our_exponent: float
    their_exponent: float

    @property
    def ratio(self) -> float:
        """How many times as long as spacewise the peer takes."""
        return self.theirs / self.ours

    @property
    def word(self) -> str:
        """`faster`, `even` or `slower`: spacewise, than the best peer."""
        if self.ratio > EVEN:
            return "faster"
        return "slower" if self.ratio < 1 / EVEN else "even"


def verdict(table: pd.DataFrame, operation: str) -> Verdict | None:
    """What `medians` say of an operation; None where spacewise or every peer is missing."""
    mine = table[table["operation"] == operation].set_index(["contender", "size"])
    places = {name: set(part.index.get_level_values("size")) for name, part in mine.groupby(level="contender")}
    peers = {name: sizes & places.get(OURS, set()) for name, sizes in places.items() if name not in (OURS, LIMIT)}
    if not any(peers.values()):
        return None
    size = max(max(sizes) for sizes in peers.values() if sizes)
    best = min((name for name in peers if size in peers[name]), key=lambda name: mine.loc[(name, size), "seconds"])
    own, peer = mine.loc[(OURS, size)], mine.loc[(best, size)]
    return Verdict(
        size=size,
        peer=best,
        ours=float(own["seconds"]),
        theirs=float(peer["seconds"]),
        limit=float(mine["seconds"].get((LIMIT, size), np.nan)),
        our_memory=float(own["megabytes"]),
        their_memory=float(peer["megabytes"]),
        our_exponent=growth(table, operation, OURS),
        their_exponent=growth(table, operation, best),
    )


def growth(table: pd.DataFrame, operation: str, contender: str, of: str = "seconds") -> float:
    """The exponent of one contender's seconds or megabytes."""
    part = table[(table["operation"] == operation) & (table["contender"] == contender)]
    return exponent(part["size"].tolist(), part[of].tolist())
