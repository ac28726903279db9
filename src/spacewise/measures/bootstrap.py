"""How far would a figure move on other samples like these? Percentile bootstrap, by groups.

Copies of one chip are not independent, so whole groups are drawn with replacement (cluster
bootstrap); without groups each sample is its own. Efron and Tibshirani, An Introduction to the
Bootstrap, 1993, chapters 13 and 8.

An interval of a figure that nothing in the sample contradicts (every sample correct) has no width:
the bootstrap knows only what it has seen.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

BLOCK_VALUES = 2**21
"""Numbers of resamples held at once: 16 MB."""


def mean_interval(
    values: np.ndarray, groups: np.ndarray, *, samples: int, confidence: float, seed: int
) -> tuple[float, float]:
    """Bootstrap interval of the mean of `values` (sample,).

    Groups with the same sum and size are interchangeable, so how often each *kind* of group is drawn
    is multinomial. This is the bootstrap itself, not an approximation, at the cost of a few kinds.

    Args:
        values: (sample,) booleans, integers or real numbers; of real numbers each group is a kind of its own, and
            time grows with samples times resamples (a million and a thousand: about a minute).
        groups: (sample,) codes 0 … g-1.
        samples: number of resamples.
        confidence: covered share, 0.95.
        seed: of the resamples.
    """
    sizes = np.bincount(groups)
    sums = np.bincount(groups, weights=values)
    kinds, number = np.unique(sums + 1j * sizes, return_counts=True)  # a pair as one number
    generator = np.random.default_rng(seed)
    figures = []
    for size in resamples(samples, len(kinds)):
        drawn = generator.multinomial(len(sizes), number / len(sizes), size=size).astype(np.float64)
        figures.append((drawn @ kinds.real) / (drawn @ kinds.imag))
    return interval(np.concatenate(figures), confidence)


def resamples(samples: int, width: int) -> Iterator[int]:
    """How many resamples to draw at once, in turn, where each takes `width` numbers."""
    step = max(1, BLOCK_VALUES // width)
    for start in range(0, samples, step):
        yield min(step, samples - start)


def weights(groups: np.ndarray, samples: int, generator: np.random.Generator) -> np.ndarray:
    """How often each sample is drawn: (resample, sample), groups drawn whole."""
    number = int(groups.max()) + 1
    drawn = generator.integers(number, size=(samples, number))
    drawn += number * np.arange(samples)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=samples * number).reshape(samples, number)
    return counts[:, groups]


def interval(figures: np.ndarray, confidence: float) -> tuple[float, float]:
    """The central `confidence` share of resampled figures (resample,)."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(figures, [tail, 1 - tail])
    return float(low), float(high)
