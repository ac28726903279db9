"""Some samples in place of all: which to ask, and how far their mean may be from that of all.

What compares all pairs is asked of a sample of queries, each against everything. Classes are strata (Cochran,
Sampling Techniques, third edition, 1977, chapters 5 and 5A).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from spacewise.errors import InputError
from spacewise.measures import checks
from spacewise.measures.blocks import Advance


def stratified(labels: Any, number: int, seed: int) -> np.ndarray:
    """Indices (query,), ascending, of `number` samples drawn without replacement from every class in proportion.

    Shares are rounded by the largest remainder; each class has two samples, as many as it takes to know its
    spread, or all that it has; one where two of each would be too many; and where there are more classes than
    `number`, samples are drawn regardless of class, so that each is as likely. All samples where `number` is
    theirs or more.

    Args:
        labels: (sample,) integer class indices.
        number: how many to draw.
        seed: of the draw.

    Raises:
        InputError: malformed labels, a number below 1.
    """
    labels = checks.labels("labels", labels)
    checks.whole("number", number)
    generator = np.random.default_rng(checks.whole("seed", seed, least=0))
    if number >= len(labels):
        return np.arange(len(labels))
    codes, sizes = np.unique(labels, return_inverse=True, return_counts=True)[1:]
    if number < len(sizes):
        return np.sort(generator.choice(len(labels), number, replace=False))
    shuffled = generator.permutation(len(labels))
    order = shuffled[np.argsort(codes[shuffled], kind="stable")]  # class by class, by chance within
    place = np.arange(len(labels)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.sort(order[place < np.repeat(_quotas(sizes, number), sizes)])


def _quotas(sizes: np.ndarray, number: int) -> np.ndarray:
    """How many of each class (class,), of `number`, at least one of each."""
    least = np.minimum(sizes, 2)
    if least.sum() > number:
        least = np.ones(len(sizes), dtype=np.int64)
    fixed = np.zeros(len(sizes), dtype=bool)
    while True:  # who gets more than its share leaves less to the others
        share = np.where(fixed, least, 0).astype(np.float64)
        share[~fixed] = sizes[~fixed] * (number - least[fixed].sum()) / max(sizes[~fixed].sum(), 1)
        below = ~fixed & (share < least)
        if not below.any():
            break
        fixed |= below
    quotas = np.floor(share + 1e-9).astype(np.int64)
    rest = np.argsort(quotas - share, kind="stable")[: number - quotas.sum()]
    quotas[rest] += 1
    return quotas


def sample_interval(
    values: Any, sample_labels: Any, labels: Any, confidence: float = 0.95
) -> tuple[float, float, float]:
    """Mean of all samples as a stratified sample knows it, and its interval: (mean, low, high).

    Each class counts by its share of all; the variance is the stratified estimator's, with the correction for
    finite classes (Cochran, equations 5.1 and 5.12). Classes of which one alone was drawn, and not all, are compared
    with one another (collapsed strata, 5A.12); where a class was not drawn at all, the sample counts as drawn
    regardless of class. Real values: Student's t with the effective degrees of freedom (5.16). Shares (booleans,
    or whole numbers 0 and 1): Wilson's interval with the effective number of samples, at most those drawn (Korn
    and Graubard, Survey Methodology 24, 1998): it has a width where all values are the same, and ends where what
    was not drawn could not take the share any further. Where one sample of each class was drawn, intervals are
    too wide. No width where all were drawn; NaN ends where one was, of several.

    Args:
        values: (query,) of the samples drawn, as by `stratified`: numbers or booleans.
        sample_labels: (query,) their integer class indices.
        labels: (sample,) integer class indices of all that the mean is of, drawn or not.
        confidence: how often such an interval holds the mean of all.

    Raises:
        InputError: malformed arrays, lengths that differ, more drawn of a class than there are.
    """
    if isinstance(values, np.ndarray | pd.Series) and values.dtype == np.bool_:
        values = np.asarray(values, dtype=np.int64)
    found = checks.vector("values", values)
    share = np.asarray(values).dtype.kind in "iu"
    strata, sizes = _strata(checks.labels("sample labels", sample_labels, length=len(found)), labels)
    confidence = checks.share("confidence", confidence)
    drawn, shares = np.bincount(strata, minlength=len(sizes)), sizes / sizes.sum()
    means = np.bincount(strata, found, minlength=len(sizes)) / drawn
    mean = float(shares @ means)
    if drawn.sum() == sizes.sum() or len(found) == 1:
        return (mean, mean, mean) if drawn.sum() == sizes.sum() else (mean, np.nan, np.nan)
    left = 1 - drawn / sizes
    spread = np.bincount(strata, (found - means[strata]) ** 2, minlength=len(sizes)) / np.maximum(drawn - 1, 1)
    alone = (drawn == 1) & (sizes > 1)
    spread[alone] = _collapsed(means[alone], shares[alone], mean)
    parts = shares**2 * left * spread / drawn
    variance = float(parts.sum())
    if share and np.isin(found, (0, 1)).all():
        low, high = _wilson(mean, variance, len(found) / (1 - len(found) / sizes.sum()), confidence)
        known = float(shares @ (means * drawn / sizes))
        return mean, min(mean, max(low, known)), max(mean, min(high, known + float(shares @ left)))
    return mean, *_student(mean, parts, drawn, confidence)


def _strata(sample_labels: np.ndarray, labels: Any) -> tuple[np.ndarray, np.ndarray]:
    """Stratum (query,) of each sample drawn and size (stratum,) of each: classes, or all where one was not drawn."""
    classes, sizes = np.unique(checks.labels("labels", labels), return_counts=True)
    codes = np.minimum(np.searchsorted(classes, sample_labels), len(classes) - 1)
    drawn = np.bincount(codes, minlength=len(classes))
    wrong = np.flatnonzero((classes[codes] != sample_labels) | (drawn > sizes)[codes])
    if len(wrong):
        name = sample_labels[wrong[0]]
        held = int(sizes[classes == name].sum())
        raise InputError(f"sample labels: {(sample_labels == name).sum()} of class {name}, expected at most {held}")
    return (codes, sizes) if drawn.all() else (np.zeros_like(codes), sizes.sum(keepdims=True))


def _collapsed(values: np.ndarray, shares: np.ndarray, mean: float) -> np.ndarray:
    """Squared differences (class,) of values from their mean, or from the mean of all where there is but one."""
    if len(values) < 2:
        return (values - mean) ** 2
    return (values - np.average(values, weights=shares)) ** 2 * len(values) / (len(values) - 1)


def _student(mean: float, parts: np.ndarray, drawn: np.ndarray, confidence: float) -> tuple[float, float]:
    """Interval of a mean whose variance is the sum of the parts (stratum,)."""
    variance, squares = parts.sum(), (parts**2 / np.maximum(drawn - 1, 1)).sum()
    if squares == 0:
        return mean, mean
    from scipy.special import stdtrit  # here and below: half a second to import

    half = float(stdtrit(max(variance**2 / squares, 1), (1 + confidence) / 2) * np.sqrt(variance))
    return mean - half, mean + half


def _wilson(mean: float, variance: float, most: float, confidence: float) -> tuple[float, float]:
    """Wilson's interval of a share whose estimate has this variance; as if of `most` samples, or fewer."""
    from scipy.special import ndtri

    quantile = float(ndtri((1 + confidence) / 2))
    number = min(mean * (1 - mean) / variance, most) if variance > 0 else most
    factor = 1 + quantile**2 / number
    middle = (mean + quantile**2 / (2 * number)) / factor
    half = quantile * (max(mean * (1 - mean), 0) / number + quantile**2 / (4 * number**2)) ** 0.5 / factor
    return middle - half, middle + half


def paced(advance: Advance | None, queries: int, work: int) -> Advance:
    """Turns work done, `work` in all, into queries answered, `queries` in all, for `advance`."""
    done = told = 0

    def more(amount: int) -> None:
        nonlocal done, told
        done += amount
        now = queries * done // work
        if advance is not None and now > told:
            advance(now - told)
            told = now

    return more


def chosen(queries: Any, number: int) -> np.ndarray:
    """`queries` as indices (query,) of samples 0 … number - 1, each once; all of them for None.

    Raises:
        InputError: no whole numbers in that range, one twice.
    """
    if queries is None:
        return np.arange(number)
    found = checks.labels("queries", queries)
    if found.min() < 0 or found.max() >= number:
        wrong = found.min() if found.min() < 0 else found.max()
        raise InputError(f"queries: {wrong}, expected indices of samples, 0 to {number - 1}")
    if len(np.unique(found)) < len(found):
        raise InputError(f"queries: {len(found) - len(np.unique(found))} of {len(found)} twice, expected each once")
    return found.astype(np.int64)
