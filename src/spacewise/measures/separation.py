"""How far do the classes of a space lie apart, against how far each spreads?

The representation measures of Ito et al., Analyzing the Accuracy, Representations, and Explainability of
Various Loss Functions: silhouette per sample, distances per class, and the two indices of scikit-learn.
Euclidean distances of the features as they are; features of unit length must come so.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.spatial.distance import cdist

from spacewise.errors import InputError
from spacewise.measures import checks, pairwise, products

ROWS = 512  # class means whose distances to all others are held at once


def silhouette(features: Any, labels: Any) -> np.ndarray:
    """Silhouette (sample,), -1 to 1: (b - a) / max(a, b) (Rousseeuw, 1987), as scikit-learn to 1e-6.

    a: mean distance to the other samples of its class; b: the least mean distance to another class. 0 for
    a sample that is alone in its class, and where all distances are zero. All pairs are looked at, in
    blocks; memory is about that of the features.

    Args:
        features: (sample, dimension).
        labels: (sample,) integer class indices.

    Raises:
        InputError: malformed arrays, one class only, as many classes as samples.
    """
    values, _, codes = _validate(features, labels)
    own, other = pairwise.own_and_other(products.space(values), codes)
    larger = np.maximum(own, other)
    shared = (np.bincount(codes) > 1)[codes]
    return np.divide(other - own, larger, out=np.zeros(len(codes)), where=shared & (larger > 0))


def calinski_harabasz(features: Any, labels: Any) -> float:
    """Calinski-Harabasz index: squared distances between class means and the whole, over those within classes.

    scikit-learn's, with squared norms in the denominator too (the formula that Ito et al. print lacks that
    square). Each sum is divided by its degrees of freedom; more is better, without bound. 1 where no
    class spreads at all. Arguments and errors as `silhouette`.
    """
    from sklearn.metrics import calinski_harabasz_score  # here and below: seconds to import

    values, _, codes = _validate(features, labels)
    return float(calinski_harabasz_score(_moved(values), codes))


def davies_bouldin(features: Any, labels: Any) -> float:
    """Davies-Bouldin index: mean over classes of (spread of both) / (distance of means) to the worst other.

    scikit-learn's; spread is the mean distance to the class mean. Less is better; 0 where no class spreads
    or all means coincide. Arguments and errors as `silhouette`.
    """
    from sklearn.metrics import davies_bouldin_score

    values, _, codes = _validate(features, labels)
    return float(davies_bouldin_score(_moved(values), codes))


def class_distances(features: Any, labels: Any) -> pd.DataFrame:
    """How far each class spreads and how far it lies from the others, in units of the features.

    Returns:
        One row a class: class, n, intra (mean distance of its samples to the class mean), inter (mean
        distance of its mean to those of the other classes), nearest (the class whose mean is nearest; the
        first of several), nearest_distance.

    Arguments and errors as `silhouette`.
    """
    values, classes, codes = _validate(features, labels)
    values = _moved(values)
    sizes = np.bincount(codes)
    order = np.argsort(codes, kind="stable")
    means = np.stack([part.mean(axis=0) for part in np.split(values[order], np.cumsum(sizes)[:-1])])
    intra = np.bincount(codes, np.linalg.norm(values - means[codes], axis=1)) / sizes
    inter, nearest, distance = _between(means)
    return pd.DataFrame(
        {
            "class": classes,
            "n": sizes,
            "intra": intra,
            "inter": inter,
            "nearest": classes[nearest],
            "nearest_distance": distance,
        }
    )


def separation(features: Any, labels: Any) -> dict[str, float]:
    """A space's row in a table.

    silhouette: mean over samples; calinski_harabasz, davies_bouldin; intra: mean over samples of the distance
    to the own class mean; inter: mean over classes of the mean distance of their means to the others'.
    Arguments and errors as `silhouette`.
    """
    return {"silhouette": float(silhouette(features, labels).mean())} | indices(features, labels)


def indices(features: Any, labels: Any) -> dict[str, float]:
    """What `separation` holds beside the silhouette: one pass over the samples each, not over their pairs."""
    classes = class_distances(features, labels)
    return {
        "calinski_harabasz": calinski_harabasz(features, labels),
        "davies_bouldin": davies_bouldin(features, labels),
        "intra": float(np.average(classes["intra"], weights=classes["n"])),
        "inter": float(classes["inter"].mean()),
    }


def _between(means: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean distance (class,) to the other means, index of the nearest and its distance."""
    inter, distance = np.empty(len(means)), np.empty(len(means))
    nearest = np.empty(len(means), dtype=np.int64)
    for start in range(0, len(means), ROWS):
        part = slice(start, start + ROWS)
        found = cdist(means[part], means)
        rows = np.arange(len(found))
        inter[part] = found.sum(axis=1) / (len(means) - 1)
        found[rows, start + rows] = np.inf
        nearest[part] = found.argmin(axis=1)
        distance[part] = found[rows, nearest[part]]
    return inter, nearest, distance


def _moved(values: np.ndarray) -> np.ndarray:
    """The same points around the first: what all share costs no digits, and constant features are zero."""
    return values - values[0].astype(np.float64)


def _validate(features: Any, labels: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features in single or double precision, the classes (class,) and codes (sample,) into them."""
    values = checks.matrix("features", features)
    classes, codes = np.unique(checks.labels("labels", labels, length=len(values)), return_inverse=True)
    if len(classes) < 2:
        raise InputError(f"labels: one class ({classes[0]}), expected at least two to compare")
    if len(classes) == len(values):
        raise InputError(f"labels: {len(classes)} classes of one sample each, expected at least two samples of one")
    return values if values.dtype in (np.float32, np.float64) else values.astype(np.float64), classes, codes
