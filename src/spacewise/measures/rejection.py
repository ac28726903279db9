"""Can what was never trained on be rejected without losing what was?

Scores are higher = known (see `scores`). A sample is accepted when its score reaches the threshold;
samples that tie are accepted together. Names carry their convention, because the same scores give
different numbers under different ones:

- `pfa_at_pd90`: known samples are positive. The share of unknown samples accepted (false alarms,
  Pfa) at the first, that is highest, threshold that accepts 90 % of the known (detection, Pd).
  Successive Embedding and Classification Loss for Aerial Image Classification, equations 9 and 10.
- `fpr95_unknown_positive`: unknown samples are positive, as in the open-set literature. The share of
  known samples flagged where 95 % of the unknown are.
- `auroc`: the same either way round.

The threshold is read off the known test samples to state one point of the curve; it is not a
threshold to deploy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from spacewise.errors import InputError
from spacewise.measures import bootstrap, checks

DETECTION = 0.9
"""The Pd of `pfa_at_pd90`."""

LARGE = 2**16
"""Samples above which resampled figures are drawn from their law, a thousand times as fast: another stream of random
numbers, the same distribution."""


def roc(known: Any, unknown: Any) -> pd.DataFrame:
    """The curve: threshold, pd, pfa, one row a distinct score from highest to lowest.

    The first row, at an infinite threshold, accepts nothing. Raises `InputError` for malformed scores.
    """
    known, unknown = _validate(known, unknown)
    thresholds = np.unique(np.concatenate([known, unknown]))[::-1]
    frame = {
        "threshold": np.concatenate([[np.inf], thresholds]),
        "pd": np.concatenate([[0.0], _at_or_above(known, thresholds) / len(known)]),
        "pfa": np.concatenate([[0.0], _at_or_above(unknown, thresholds) / len(unknown)]),
    }
    return pd.DataFrame(frame)


def pfa_at_pd(known: Any, unknown: Any, detection: float = DETECTION, correct: Any = None) -> float:
    """False-alarm rate at the highest threshold whose detection reaches `detection`.

    Equation 9 can be read in two ways. Without `correct`, a known sample is detected when it is
    accepted. With it, when it is accepted *and* classified correctly; where fewer than `detection` of
    the known samples are classified correctly no threshold gets there, and the figure is NaN.

    Args:
        known: (known sample,) scores, higher = known.
        unknown: (unknown sample,) scores.
        detection: share of known samples to detect, above 0, at most 1.
        correct: (known sample,) whether the known sample's class was right.

    Raises:
        InputError: no scores, NaN, a detection outside 0 to 1, `correct` of another length.
    """
    known, unknown = _validate(known, unknown)
    threshold = _threshold(known, _detection(detection), correct)
    return float(np.mean(unknown >= threshold)) if threshold is not None else float("nan")


def auroc(known: Any, unknown: Any) -> float:
    """Probability that a known sample scores above an unknown one, ties half.

    Raises `InputError` for malformed scores (known sample,), (unknown sample,).
    """
    known, unknown = _validate(known, unknown)
    ranked = np.sort(unknown)
    above = np.searchsorted(ranked, known, side="left") + np.searchsorted(ranked, known, side="right")
    return float(above.mean() / (2 * len(unknown)))


def fpr95_unknown_positive(known: Any, unknown: Any) -> float:
    """Share of known samples flagged at the strictest threshold that flags 95 % of the unknown.

    Scores are still higher = known; a sample is flagged when its score is at or below the threshold.
    Raises `InputError` for malformed scores (known sample,), (unknown sample,).
    """
    known, unknown = _validate(known, unknown)
    return pfa_at_pd(-unknown, -known, 0.95)


def rejection(
    scores: Mapping[str, tuple[Any, Any]],
    correct: Any = None,
    *,
    samples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    groups: tuple[Any, Any] | None = None,
) -> pd.DataFrame:
    """Every rejection figure of every score, one row a score.

    Args:
        scores: by name, the scores of the known and of the unknown samples.
        correct: (known sample,) whether the known sample's class was right; adds
            `pfa_at_pd90_correct`, the second reading of equation 9.
        samples: bootstrap resamples; known and unknown are resampled apart.
        confidence: share of resamples that the interval of `pfa_at_pd90` covers.
        seed: of the resamples, which are the same for every score.
        groups: (known sample,) and (unknown sample,) what each is a copy of.

    Returns:
        score, n_known, n_unknown, pfa_at_pd90, low, high, pd (the detection attained: above 0.9 where
        samples tie), auroc, fpr95_unknown_positive, and pfa_at_pd90_correct where asked for.

    Raises:
        InputError: no scores, malformed ones, lengths that differ.
    """
    if not scores:
        raise InputError("scores: none given, expected at least one, by name")
    resampling = (
        checks.whole("samples", samples),
        checks.share("confidence", confidence),
        checks.whole("seed", seed, least=0),
    )
    return pd.DataFrame(
        [
            {
                "score": name,
                **_row(*_validate(*pair, name=f"{name}, "), correct, groups or (None, None), resampling),
            }
            for name, pair in scores.items()
        ]
    )


def _row(
    known: np.ndarray,
    unknown: np.ndarray,
    correct: Any,
    groups: tuple[Any, Any],
    resampling: tuple[int, float, int],
) -> dict[str, float]:
    codes = (
        checks.groups("groups of the known", groups[0], length=len(known)),
        checks.groups("groups of the unknown", groups[1], length=len(unknown)),
    )
    low, high = _interval(known, unknown, codes, *resampling)
    row = {
        "n_known": len(known),
        "n_unknown": len(unknown),
        "pfa_at_pd90": pfa_at_pd(known, unknown),
        "low": low,
        "high": high,
        "pd": float(np.mean(known >= _threshold(known, DETECTION, None))),
        "auroc": auroc(known, unknown),
        "fpr95_unknown_positive": fpr95_unknown_positive(known, unknown),
    }
    second = {} if correct is None else {"pfa_at_pd90_correct": pfa_at_pd(known, unknown, correct=correct)}
    return row | second


def _threshold(known: np.ndarray, detection: float, correct: Any) -> float | None:
    """The highest score that detects at least `detection` of the known; None where none does."""
    counted = known if correct is None else known[checks.flags("correct", correct, length=len(known))]
    reached = np.arange(1, len(counted) + 1) / len(known) >= detection
    return float(np.sort(counted)[::-1][reached.argmax()]) if reached.any() else None


def _interval(
    known: np.ndarray,
    unknown: np.ndarray,
    codes: tuple[np.ndarray, np.ndarray],
    samples: int,
    confidence: float,
    seed: int,
) -> tuple[float, float]:
    """Bootstrap interval of `pfa_at_pd90`."""
    alone = all(code.max() + 1 == len(code) for code in codes)  # no sample is a copy of another
    large = max(len(known), len(unknown)) > LARGE
    resampled = (
        _by_law(known, unknown, samples, seed) if alone and large else _by_draws(known, unknown, codes, samples, seed)
    )
    return bootstrap.interval(resampled, confidence)


def _by_law(known: np.ndarray, unknown: np.ndarray, samples: int, seed: int) -> np.ndarray:
    """Resampled figures (resample,) where no sample is a copy: drawn from their law, without drawing samples.

    Of n positions drawn with replacement the k-th best is the whole part of n times the k-th of n uniform numbers,
    which is Beta(k, n - k + 1) (David and Nagaraja, Order Statistics, third edition, 2003, section 2.3); the unknown
    that are drawn from beyond that threshold are binomial.
    """
    number, generator = len(known), np.random.default_rng(seed)
    needed = int((np.arange(1, number + 1) / number >= DETECTION).argmax()) + 1
    position = (number * generator.beta(needed, number - needed + 1, size=samples)).astype(np.int64)
    thresholds = np.sort(known)[::-1][np.minimum(position, number - 1)]
    return generator.binomial(len(unknown), _at_or_above(unknown, thresholds) / len(unknown)) / len(unknown)


def _by_draws(
    known: np.ndarray, unknown: np.ndarray, codes: tuple[np.ndarray, np.ndarray], samples: int, seed: int
) -> np.ndarray:
    """Resampled figures (resample,): the samples stay sorted, only their weights change."""
    order, order_unknown = np.argsort(-known), np.argsort(-unknown)
    false_alarms = _at_or_above(unknown, known[order])
    figures = []
    for weight, weight_unknown in _weights(codes, samples, seed):
        detected = weight[:, order].cumsum(axis=1)
        position = (detected / detected[:, -1:] >= DETECTION).argmax(axis=1)
        accepted = np.pad(weight_unknown[:, order_unknown].cumsum(axis=1), ((0, 0), (1, 0)))
        figures.append(accepted[np.arange(len(weight)), false_alarms[position]] / accepted[:, -1])
    return np.concatenate(figures)


def _weights(codes: tuple[np.ndarray, np.ndarray], samples: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    generator = np.random.default_rng(seed)
    for size in bootstrap.resamples(samples, max(len(codes[0]), len(codes[1]))):
        yield (bootstrap.weights(codes[0], size, generator), bootstrap.weights(codes[1], size, generator))


def _at_or_above(scores: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """How many scores reach each threshold: (threshold,)."""
    return len(scores) - np.searchsorted(np.sort(scores), thresholds, side="left")


def _detection(value: Any) -> float:
    if not isinstance(value, int | float | np.number) or not 0 < value <= 1:
        raise InputError(f"detection: {value!r}, expected a share above 0, at most 1")
    return float(value)


def _validate(known: Any, unknown: Any, name: str = "") -> tuple[np.ndarray, np.ndarray]:
    return checks.vector(f"{name}known scores", known), checks.vector(f"{name}unknown scores", unknown)
