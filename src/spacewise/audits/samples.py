"""Which samples are asked what compares all pairs, what that will cost, and where each part stands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pandas as pd

from spacewise.errors import InputError
from spacewise.measures.blocks import Advance
from spacewise.measures.cost import pairwise_cost, said
from spacewise.measures.sampling import stratified
from spacewise.progress import bar, console

FEW = 16_384  # samples whose pairs are compared before their cost is known
LONG = 20.0  # seconds above which a question says beforehand what it will cost


def check_sample(sample: int | None, approximate_above: int | None = None) -> None:
    """Raises `InputError` for fewer than 2 samples, or where an index was asked for, too."""
    if sample is None:
        return
    if sample < 2:
        raise InputError(f"sample is a number of samples of each part, 2 or more, not {sample}")
    if approximate_above is not None:
        raise InputError("a sample is searched exactly, an index is for all: give sample or approximate_above")


def where(samples: pd.DataFrame, part: str) -> slice:
    """The rows of a part, which stand together: an array cut by them is not copied.

    Raises:
        ValueError: they do not stand together.
    """
    rows = np.flatnonzero((samples["part"] == part).to_numpy())
    if not len(rows):
        return slice(0, 0)
    if rows[-1] - rows[0] >= len(rows):
        raise ValueError(f"the samples of the part '{part}' do not stand together")
    return slice(int(rows[0]), int(rows[-1]) + 1)


def drawn(samples: pd.DataFrame, sample: int | None, seed: int) -> np.ndarray:
    """Whether each sample is asked: bool (sample,); all of them in parts of no more than `sample`.

    Args:
        samples: with `part` and `target`; parts stand together.
        sample: how many of each part, class by class; None for all.
    """
    asked = np.ones(len(samples), bool)
    for part in samples["part"].unique():
        rows = where(samples, part)
        if sample is not None and rows.stop - rows.start > sample:
            labels = samples["target"].to_numpy()[rows]
            asked[rows] = False
            asked[rows.start + stratified(labels, sample, seed)] = True
    return asked


def at_random(samples: pd.DataFrame, sample: int | None, seed: int) -> np.ndarray:
    """As `drawn`, regardless of class: for what is no mean over samples."""
    asked = np.ones(len(samples), bool)
    for part in samples["part"].unique():
        rows = where(samples, part)
        size = rows.stop - rows.start
        if sample is not None and size > sample:
            asked[rows] = False
            asked[rows.start + np.random.default_rng(seed).choice(size, sample, replace=False)] = True
    return asked


def queries(asked: np.ndarray) -> np.ndarray | None:
    """Indices of those that are asked; None where all are."""
    return None if asked.all() else np.flatnonzero(asked)


def say_cost(name: str, values: np.ndarray, labels: np.ndarray, chosen: np.ndarray | None) -> None:
    """Says before a long comparison of pairs what it will cost."""
    if len(values) < FEW:
        return
    cost = pairwise_cost(name, values, labels, chosen)
    if cost.seconds > LONG:
        console.print(f"{said(cost)}{f' (--sample {cost.sample})' if cost.sample else ''}", highlight=False)


@contextmanager
def paced(what: str, total: int) -> Iterator[Advance]:
    """A bar over `total` queries; yields what is told how many more are answered."""
    with bar() as progress:
        task = progress.add_task(what, total=total, note="")
        yield lambda number: progress.advance(task, number)
