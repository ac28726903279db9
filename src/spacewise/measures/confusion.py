"""Which class is taken for which?

Rows are the true classes, columns the predicted ones, both in the order of `classes`; class index i
carries the name `classes[i]`. Counts, or percent of the row as papers print them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from spacewise.errors import InputError
from spacewise.measures import checks


def confusion(labels: Any, predictions: Any, classes: Sequence[str]) -> pd.DataFrame:
    """Counts of samples by true (rows) and predicted (columns) class.

    Args:
        labels: (sample,) integer class indices.
        predictions: (sample,) integer class indices.
        classes: (class,) names, each once.

    Raises:
        InputError: malformed arrays, an index without a name, a name given twice.
    """
    labels = checks.labels("labels", labels)
    predictions = checks.labels("predictions", predictions, length=len(labels))
    names = [str(name) for name in classes]
    if len(set(names)) != len(names):
        raise InputError(f"classes: {len(names)} names of which {len(set(names))} differ, expected each once")
    _within("labels", labels, len(names))
    _within("predictions", predictions, len(names))
    pairs = labels.astype(np.int64) * len(names) + predictions.astype(np.int64)
    counts = np.bincount(pairs, minlength=len(names) ** 2).reshape(len(names), len(names))
    return pd.DataFrame(counts, pd.Index(names, name="true"), pd.Index(names, name="predicted"))


def normalised(counts: pd.DataFrame) -> pd.DataFrame:
    """Percent of each true class's samples; NaN in the row of a class that has none."""
    totals = counts.sum(axis=1)
    return counts.div(totals.where(totals > 0), axis=0) * 100


def _within(name: str, indices: np.ndarray, number: int) -> None:
    outside = (indices < 0) | (indices >= number)
    if outside.any():
        raise InputError(f"{name}: class index {indices[outside][0]}, expected 0 to {number - 1} (named classes)")
