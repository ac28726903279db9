"""Over seeds and folds: how much, how steady, and is a difference more than chance?

Two different questions, two different samples. Of *these two trained networks*, the samples are the
chips: `mcnemar`, `paired_interval`. Of *the two ways to train*, the samples are the seeds or folds:
`paired_difference`. Differences are second less first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from spacewise.errors import InputError, unknown
from spacewise.measures import checks
from spacewise.measures.bootstrap import mean_interval


@dataclass(frozen=True)
class Difference:
    """Second less first, with its interval and, where there is a test, its two-sided p-value."""

    difference: float
    low: float
    high: float
    p: float = float("nan")


def summarise(values: pd.DataFrame, by: Sequence[str], value: str) -> pd.DataFrame:
    """Mean and standard deviation of `value` within each combination of `by`.

    Returns:
        The columns of `by`, in order of appearance, then mean, std (n - 1 below; NaN for one), n. A
        NaN among the values makes its mean NaN: it is not left out in silence.

    Raises:
        InputError: an unknown or non-numeric column, an empty table, `by` empty or using a name above.
    """
    by = list(by)
    for column in (*by, value):
        if column not in values.columns:
            raise unknown("column", column, map(str, values.columns))
    if len(values) == 0 or not by or {"mean", "std", "n"} & set(by):
        raise InputError(f"by: {by} of {len(values)} rows, expected rows, and names other than mean, std, n")
    if not pd.api.types.is_numeric_dtype(values[value]):
        raise InputError(f"column '{value}': {values[value].dtype}, expected numbers")
    grouped = values.astype({value: float}).groupby(by, sort=False, dropna=False)[value]
    return grouped.agg(
        mean=lambda column: column.mean(skipna=False),
        std=lambda column: column.std(ddof=1, skipna=False),
        n="size",
    ).reset_index()


def mcnemar(correct_first: Any, correct_second: Any) -> float:
    """Exact two-sided p-value that two classifiers err equally often on the same samples.

    Samples must be independent: for copies of the same chip use `paired_interval` with groups.
    (McNemar, Psychometrika 1947; the exact form is a binomial test of the samples that only one gets
    right. 1 where there are none.)

    Args:
        correct_first: (sample,) booleans.
        correct_second: (sample,) booleans, the same samples.

    Raises:
        InputError: malformed arrays, lengths that differ.
    """
    first, second = _validate(correct_first, correct_second)
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    if only_first + only_second == 0:
        return 1.0
    from scipy import stats  # here and below: a second to import

    return float(stats.binomtest(only_first, only_first + only_second).pvalue)


def paired_interval(
    correct_first: Any,
    correct_second: Any,
    groups: Any = None,
    *,
    samples: int = 10_000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Difference:
    """Difference of two accuracies on the same samples, with a bootstrap interval over samples.

    Args:
        correct_first: (sample,) booleans.
        correct_second: (sample,) booleans, the same samples.
        groups: (sample,) what each sample is a copy of; groups are resampled whole.
        samples: bootstrap resamples.
        confidence: share of resamples that the interval covers.
        seed: of the resamples.

    Returns:
        Difference and interval in shares, -1 to 1; p stays NaN.

    Raises:
        InputError: malformed arrays, lengths that differ, a confidence outside 0 to 1.
    """
    first, second = _validate(correct_first, correct_second)
    gains = second.astype(np.int64) - first
    low, high = mean_interval(
        gains,
        checks.groups("groups", groups, length=len(gains)),
        samples=checks.whole("samples", samples),
        confidence=checks.share("confidence", confidence),
        seed=checks.whole("seed", seed, least=0),
    )
    return Difference(float(gains.mean()), low, high)


def paired_difference(first: Any, second: Any, *, confidence: float = 0.95) -> Difference:
    """Difference of two ways to train, paired by seed or fold, with Student's t interval and p-value.

    One pair has a difference but no interval: NaN. Where every pair differs by the same amount the
    interval has no width, and p is 0, or 1 when that amount is 0.

    Args:
        first: (run,) a figure of each run of the first way.
        second: (run,) the same of the second; run i of both shares its seed or fold.
        confidence: of the interval.

    Raises:
        InputError: malformed figures, NaN, numbers of runs that differ.
    """
    first = checks.vector("first", first)
    gains = checks.vector("second", second, length=len(first)) - first
    difference = float(gains.mean())
    tail = (1 - checks.share("confidence", confidence)) / 2
    if len(gains) == 1:
        return Difference(difference, float("nan"), float("nan"))
    error = float(gains.std(ddof=1)) / np.sqrt(len(gains))
    if error == 0:
        return Difference(difference, difference, difference, float(difference == 0))
    from scipy import stats

    reach = float(stats.t.ppf(1 - tail, len(gains) - 1)) * error
    p = 2 * float(stats.t.sf(abs(difference) / error, len(gains) - 1))
    return Difference(difference, difference - reach, difference + reach, p)


def _validate(correct_first: Any, correct_second: Any) -> tuple[np.ndarray, np.ndarray]:
    first = checks.flags("correct of the first", correct_first)
    return first, checks.flags("correct of the second", correct_second, length=len(first))
