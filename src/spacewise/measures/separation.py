"""How far do the classes of a space lie apart, against how far each spreads?

The representation measures of Ito et al., Analyzing the Accuracy, Representations, and Explainability of
Various Loss Functions: silhouette per sample, distances per class, and the two indices of scikit-learn.
Euclidean distances of the features as they are; features of unit length must come so.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from spacewise.errors import InputError
from spacewise.measures import checks, pairwise, pairwise_sample, products
from spacewise.measures.blocks import Advance, blocks
from spacewise.measures.moments import Moments, mean_distances, of_codes
from spacewise.measures.sampling import chosen


def silhouette(features: Any, labels: Any, *, queries: Any = None, advance: Advance | None = None) -> np.ndarray:
    """Silhouette (query,), -1 to 1: (b - a) / max(a, b) (Rousseeuw, 1987), as scikit-learn to 1e-6.

    a: mean distance to the other samples of its class; b: the least mean distance to another class. 0 for
    a sample that is alone in its class, and where all distances are zero. All pairs are looked at, in
    blocks; memory is about that of the features, and with `queries` that of a few blocks.

    Args:
        features: (sample, dimension); with `queries` they may be larger than memory, as a memory map.
        labels: (sample,) integer class indices.
        queries: (query,) indices of the samples whose silhouette is asked for, each once, against all samples.
            None: all.
        advance: is told how many more queries are done.

    Raises:
        InputError: malformed arrays, one class only, as many classes as samples, queries that are no samples or
            come twice.
    """
    values, _, codes = _checked(features, labels)
    place, asking = products.space(values), chosen(queries, len(values))
    if queries is None:
        own, other = pairwise.own_and_other(place, codes, advance=advance)
    else:
        own, other = pairwise_sample.own_and_other(place, codes, asking, advance=advance)
    larger = np.maximum(own, other)
    shared = (np.bincount(codes) > 1)[codes[asking]]
    return np.divide(other - own, larger, out=np.zeros(len(asking)), where=shared & (larger > 0))


def calinski_harabasz(features: Any, labels: Any, *, advance: Advance | None = None) -> float:
    """Calinski-Harabasz index: squared distances between class means and the whole, over those within classes.

    scikit-learn's, with squared norms in the denominator too (the formula that Ito et al. print lacks that
    square). Each sum is divided by its degrees of freedom; more is better, without bound. 1 where no
    class spreads at all. One pass over the samples. Arguments and errors as `class_distances`.
    """
    return _calinski_harabasz(of_codes(*_checked(features, labels), advance=advance))


def davies_bouldin(features: Any, labels: Any, *, advance: Advance | None = None) -> float:
    """Davies-Bouldin index: mean over classes of (spread of both) / (distance of means) to the worst other.

    scikit-learn's; spread is the mean distance to the class mean. Less is better; 0 where no class spreads
    or all means coincide. Two passes over the samples. Arguments and errors as `class_distances`.
    """
    return _davies_bouldin(_distances(*_checked(features, labels), advance=advance)[1])


def class_distances(features: Any, labels: Any, *, advance: Advance | None = None) -> pd.DataFrame:
    """How far each class spreads and how far it lies from the others, in units of the features.

    Two passes over the samples, in blocks; memory beyond the features is that of a block and of the means.

    Args:
        features: (sample, dimension), in memory or a memory map.
        labels: (sample,) integer class indices.
        advance: called with the number of samples of each block that is through, in every pass.

    Returns:
        One row a class: class, n, intra (mean distance of its samples to the class mean), inter (mean
        distance of its mean to those of the other classes), nearest (the class whose mean is nearest; the
        first of several), nearest_distance.

    Raises:
        InputError: as `silhouette`.
    """
    table = _distances(*_checked(features, labels), advance=advance)[1]
    return table[["class", "n", "intra", "inter", "nearest", "nearest_distance"]]


def separation(features: Any, labels: Any) -> dict[str, float]:
    """A space's row in a table.

    silhouette: mean over samples; calinski_harabasz, davies_bouldin; intra: mean over samples of the distance
    to the own class mean; inter: mean over classes of the mean distance of their means to the others'.
    Arguments and errors as `silhouette`.
    """
    return {"silhouette": float(silhouette(features, labels).mean())} | indices(features, labels)


def indices(features: Any, labels: Any, *, advance: Advance | None = None) -> dict[str, float]:
    """What `separation` holds beside the silhouette: two passes over the samples, not over their pairs."""
    moments, classes = _distances(*_checked(features, labels), advance=advance)
    return {
        "calinski_harabasz": _calinski_harabasz(moments),
        "davies_bouldin": _davies_bouldin(classes),
        "intra": float(np.average(classes["intra"], weights=classes["n"])),
        "inter": float(classes["inter"].mean()),
    }


def _calinski_harabasz(moments: Moments) -> float:
    within = moments.squares.sum()
    if within == 0:
        return 1.0
    number, gaps = len(moments.classes), moments.means - moments.mean
    between = moments.counts @ np.einsum("ij,ij->i", gaps, gaps)
    return float(between / (number - 1) / (within / (moments.counts.sum() - number)))


def _davies_bouldin(classes: pd.DataFrame) -> float:
    """From the table of `_distances`; below 1e-8 scikit-learn takes spreads, and distances of means, for none."""
    still = np.allclose(classes["intra"], 0) or np.allclose(classes["farthest"], 0)
    return 0.0 if still else float(classes["worst"].mean())


def _distances(
    values: np.ndarray, classes: np.ndarray, codes: np.ndarray, advance: Advance | None
) -> tuple[Moments, pd.DataFrame]:
    """Moments of the classes, and the table of `class_distances` with what `_davies_bouldin` needs.

    farthest: distance to the mean that is farthest; worst: the largest (spread of both) / (distance of means).
    """
    moments = of_codes(values, classes, codes, advance=advance)
    intra = mean_distances(values, codes, moments, advance=advance)
    table = pd.DataFrame({"class": classes, "n": moments.counts, "intra": intra})
    return moments, pd.concat([table, _between(moments.means, intra, classes)], axis=1)


def _between(means: np.ndarray, intra: np.ndarray, classes: np.ndarray) -> pd.DataFrame:
    """What each mean (class, dimension) is to the others: inter, nearest, nearest_distance, farthest, worst."""
    from scipy.spatial.distance import cdist  # of all of it only this: a quarter of a second to import

    parts = []
    for part, block in blocks(means, width=len(means)):
        found = cdist(block, means)
        rows = np.arange(len(found))
        columns = {"inter": found.sum(axis=1) / (len(means) - 1), "farthest": found.max(axis=1)}
        found[rows, part.start + rows] = np.inf
        nearest = found.argmin(axis=1)
        columns |= {"nearest": classes[nearest], "nearest_distance": found[rows, nearest]}
        found[found == 0] = np.inf  # as in scikit-learn: means that coincide are no worst
        parts.append(pd.DataFrame(columns | {"worst": ((intra[part, None] + intra) / found).max(axis=1)}))
    return pd.concat(parts, ignore_index=True)


def _checked(features: Any, labels: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features in their own dtype, the classes (class,) and codes (sample,) into them."""
    values = checks.matrix("features", features)
    classes, codes = np.unique(checks.labels("labels", labels, length=len(values)), return_inverse=True)
    if len(classes) < 2:
        raise InputError(f"labels: one class ({classes[0]}), expected at least two to compare")
    if len(classes) == len(values):
        raise InputError(f"labels: {len(classes)} classes of one sample each, expected at least two samples of one")
    return values, classes, codes
