"""How often is the predicted class the true one, overall and in each subset?

Labels and predictions are integer class indices. Accuracy is a share, 0 to 1, not percent.
Intervals are percentile bootstraps; give `groups` where samples are copies of one another.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from spacewise.measures import checks
from spacewise.measures.bootstrap import mean_interval


def correct(predictions: Any, labels: Any) -> np.ndarray:
    """Whether each prediction is right: bool (sample,).

    Args:
        predictions: (sample,) integer class indices.
        labels: (sample,) integer class indices.

    Raises:
        InputError: no samples, lengths that differ, anything but integers.
    """
    predictions = checks.labels("predictions", predictions)
    return predictions == checks.labels("labels", labels, length=len(predictions))


def accuracy(
    predictions: Any,
    labels: Any,
    subsets: Mapping[str, Any] | None = None,
    *,
    samples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    groups: Any = None,
) -> pd.DataFrame:
    """Accuracy of all samples and of every subset, with a bootstrap interval.

    A subset's interval does not depend on which other subsets are asked for.

    Args:
        predictions: (sample,) integer class indices.
        labels: (sample,) integer class indices.
        subsets: by name, a boolean mask (sample,); subsets may overlap.
        samples: bootstrap resamples.
        confidence: share of resamples that the interval covers.
        seed: of the resamples.
        groups: (sample,) what each sample is a copy of; groups are resampled whole.

    Returns:
        One row a subset, `overall` first: subset, n, accuracy, low, high (shares). An empty subset
        has n 0 and NaN.

    Raises:
        InputError: malformed arrays, a subset called `overall`, a confidence outside 0 to 1.
    """
    right = correct(predictions, labels)
    codes = checks.groups("groups", groups, length=len(right))
    resampling = {
        "samples": checks.whole("samples", samples),
        "confidence": checks.share("confidence", confidence),
        "seed": checks.whole("seed", seed, least=0),
    }
    rows = []
    for name, mask in checks.subsets(subsets, len(right)).items():
        rows.append({"subset": name, "n": int(mask.sum()), **_row(right[mask], codes[mask], resampling)})
    return pd.DataFrame(rows, columns=["subset", "n", "accuracy", "low", "high"])


def _row(right: np.ndarray, codes: np.ndarray, resampling: Mapping[str, Any]) -> dict[str, float]:
    if len(right) == 0:
        return {"accuracy": np.nan, "low": np.nan, "high": np.nan}
    present = np.unique(codes, return_inverse=True)[1]
    low, high = mean_interval(right, present, **resampling)
    return {"accuracy": float(right.mean()), "low": low, "high": high}
