"""Are test samples embedded where training put their class?

The numbers behind a picture of training and test points in one space: unseen serials that are
recognised lie near the training samples of their class, the others do not. Euclidean distance.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from spacewise.errors import InputError
from spacewise.measures import checks
from spacewise.measures.blocks import Advance, blocks
from spacewise.measures.moments import nearest_mean, of_codes
from spacewise.measures.nearest import nearest_accuracy
from spacewise.measures.sampling import chosen, sample_interval


def margin_ratio(
    features: Any, labels: Any, train_features: Any, train_labels: Any, *, advance: Advance | None = None
) -> np.ndarray:
    """Distance to the own class's training mean over that to the nearest other's (sample,).

    Below 1 the sample lies with its own class. 1 where both distances are zero (a space collapsed to
    a point), infinite on top of another class's mean, NaN for a class without a training sample.

    Args:
        features: (sample, dimension).
        labels: (sample,) integer class indices.
        train_features: (train sample, dimension).
        train_labels: (train sample,) integer class indices.
        advance: called with the number of samples of each block that is through, of training and then of these.

    Raises:
        InputError: malformed arrays, fewer than two classes in training.
    """
    features, labels, train, train_labels = _validate(features, labels, train_features, train_labels)
    classes, codes = np.unique(train_labels, return_inverse=True)
    means = of_codes(train, classes, codes, advance=advance).means
    known = np.isin(labels, classes)
    own = np.where(known, np.searchsorted(classes, labels), 0)
    to_own, to_other = np.empty((2, len(labels)))
    for part, block in blocks(features, width=len(classes), advance=advance):
        points, origin = block - means[0], means - means[0]
        gaps = points - origin[own[part]]
        to_own[part] = np.einsum("ij,ij->i", gaps, gaps)
        to_other[part] = nearest_mean(points, origin, own[part])
    to_own, to_other = np.where(known, np.sqrt(to_own), np.nan), np.sqrt(to_other)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((to_own == 0) & (to_other == 0), 1.0, to_own / to_other)


def same_class_neighbour(features: Any, labels: Any, train_features: Any, train_labels: Any) -> np.ndarray:
    """Whether the nearest training sample is of the same class: bool (sample,); never for a class without any.

    Arguments and errors as `margin_ratio`.
    """
    features, labels, train, train_labels = _validate(features, labels, train_features, train_labels)
    return nearest_accuracy(features, labels, train, train_labels)


def representation(
    features: Any,
    labels: Any,
    train_features: Any,
    train_labels: Any,
    subsets: Mapping[str, Any] | None = None,
    *,
    queries: Any = None,
) -> pd.DataFrame:
    """Training against test representation by subset (what dual loss, figure 8 shows).

    Args:
        features, labels, train_features, train_labels: as `margin_ratio`.
        subsets: by name, a boolean mask (sample,).
        queries: (query,) indices of a stratified sample; they alone look for a neighbour, which compares all pairs.

    Returns:
        One row a subset, `overall` first: subset, n, margin_ratio (median of those that have one), own_side
        (share with a ratio below 1), same_class_neighbour (share). An empty subset has n 0 and NaN. With `queries`
        also asked, how many of them are of the subset, and sample_low and sample_high, between which the share of
        same_class_neighbour of all of it lies (`sampling.sample_interval`).

    Raises:
        InputError: as `margin_ratio`; malformed subsets.
    """
    ratios = margin_ratio(features, labels, train_features, train_labels)
    masks = checks.subsets(subsets, len(ratios))
    labels, asking = np.asarray(labels), chosen(queries, len(ratios))
    some = slice(None) if queries is None else asking  # a slice is no copy
    beside = same_class_neighbour(features[some], labels[some], train_features, train_labels)
    rows = []
    for name, mask in masks.items():
        mine = mask[asking]
        near = _near(beside[mine], labels[asking[mine]], labels[mask], sampled=queries is not None)
        rows.append({"subset": name, "n": int(mask.sum()), **_sides(ratios[mask]), **near})
    return pd.DataFrame(rows)


def _sides(ratios: np.ndarray) -> dict[str, float]:
    """Median of the ratios that there are, and the share below 1."""
    if not len(ratios):
        return {"margin_ratio": np.nan, "own_side": np.nan}
    return {"margin_ratio": float(pd.Series(ratios).median()), "own_side": float((ratios < 1).mean())}


def _near(beside: np.ndarray, labels: np.ndarray, gallery: np.ndarray, *, sampled: bool) -> dict[str, float]:
    """Share of those beside their own class; of a sample, that of all, with its ends."""
    if not sampled:
        return {"same_class_neighbour": float(beside.mean()) if len(beside) else np.nan}
    mean, low, high = sample_interval(beside, labels, gallery) if len(beside) else (np.nan,) * 3
    return {"same_class_neighbour": mean, "asked": len(beside), "sample_low": low, "sample_high": high}


def _validate(features: Any, labels: Any, train_features: Any, train_labels: Any) -> tuple[np.ndarray, ...]:
    train = checks.matrix("train features", train_features)
    train_labels = checks.labels("train labels", train_labels, length=len(train))
    features = checks.matrix("features", features, columns=train.shape[1])
    labels = checks.labels("labels", labels, length=len(features))
    classes = np.unique(train_labels)
    if len(classes) < 2:
        raise InputError(f"train labels: one class ({classes[0]}), expected at least two to compare")
    return features, labels, train, train_labels
