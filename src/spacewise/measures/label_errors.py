"""Which labels does a network's own confidence speak against?

Confident learning (Northcutt, Jiang and Chuang, JAIR 2021): a sample is suspected where another class is as
probable as that class usually is on its own samples. Of samples that the network was trained on, that finds fewer
than there are: it has learnt their labels.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from spacewise.errors import InputError
from spacewise.measures import checks

ROUNDING = 1e-6  # of a mean of probabilities in single precision


def suspected(probabilities: Any, labels: Any) -> np.ndarray:
    """Whether a sample's label is suspected: bool (sample,).

    The threshold of a class is its mean probability over the samples labelled with it. Among the classes that
    reach their threshold, the most probable one is the sample's, its label where it is as probable as another; where
    that is not its label, the label is suspected. A class without samples has no threshold and suspects nothing.

    Args:
        probabilities: (sample, class), 0 to 1.
        labels: (sample,) integer class indices.

    Raises:
        InputError: malformed arrays, a label without a column.
    """
    values = checks.matrix("probabilities", probabilities).astype(np.float64)
    labels = checks.labels("labels", labels, length=len(values))
    if labels.min() < 0 or labels.max() >= values.shape[1]:
        raise InputError(f"labels: expected 0 to {values.shape[1] - 1}, the classes of the probabilities")
    own = values[np.arange(len(labels)), labels]
    counts = np.bincount(labels, minlength=values.shape[1])
    sums = np.bincount(labels, weights=own, minlength=values.shape[1])
    thresholds = np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)
    reaching = np.where(values >= thresholds - ROUNDING, values, -1.0)
    return reaching.max(axis=1) > reaching[np.arange(len(labels)), labels]
