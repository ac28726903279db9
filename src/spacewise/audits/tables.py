"""The tables of an audit, from spaces and samples."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from torch import nn

from spacewise.measures import scores
from spacewise.measures.accuracy import accuracy
from spacewise.measures.rejection import rejection
from spacewise.measures.representation import representation


def accuracy_table(
    views: Mapping[tuple[str, str], np.ndarray],
    labels: np.ndarray,
    masks: Mapping[str, np.ndarray],
    seed: int,
) -> pd.DataFrame:
    """Accuracy by weights, view and subset; copies of a sample are resampled together.

    Args:
        views: (weights, view) -> predictions (copy, sample).
        labels: (sample,).
        masks: subset -> (sample,) bool.
    """
    rows = []
    for (weights, view), predictions in views.items():
        copies = len(predictions)
        table = accuracy(
            predictions.ravel(),
            np.tile(labels, copies),
            {name: np.tile(mask, copies) for name, mask in masks.items()},
            groups=np.tile(np.arange(len(labels)), copies),
            seed=seed,
        )
        rows.append(table.assign(weights=weights, view=view))
    return pd.concat(rows, ignore_index=True)[["weights", "view", "subset", "n", "accuracy", "low", "high"]]


def spaces_table(
    spaces: Mapping[str, np.ndarray],
    pixels: np.ndarray,
    samples: pd.DataFrame,
    masks: Mapping[str, np.ndarray],
) -> pd.DataFrame:
    """Each space by itself: nearest training neighbour right, and test against training representation.

    One row a space and subset, raw pixels first: the floor that a network has to beat.
    """
    train = (samples["part"] == "train").to_numpy()
    test = (samples["part"] == "test").to_numpy()
    labels = samples["target"].to_numpy()
    rows = []
    for name, values in {"pixels": pixels, **spaces}.items():
        table = representation(values[test], labels[test], values[train], labels[train], masks)
        table = table.rename(columns={"same_class_neighbour": "nearest"})
        rows.append(table.assign(space=name, dimension=values.shape[1]))
    columns = ["space", "dimension", "subset", "n", "nearest", "own_side", "margin_ratio"]
    return pd.concat(rows, ignore_index=True)[columns]


def rejection_table(
    spaces: Mapping[str, np.ndarray], samples: pd.DataFrame, head: nn.Linear | None, seed: int
) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """Rejection of confusers by every score, and the scores of every sample (higher = known)."""
    train = (samples["part"] == "train").to_numpy()
    labels = samples["target"].to_numpy()[train]
    logits = spaces["classifier"]
    found = {
        "maximum_softmax": scores.maximum_softmax(logits),
        "maximum_logit": scores.maximum_logit(logits),
        "energy": scores.energy(logits),
    }
    for name in [space for space in ("feature", "embedding", "classifier") if space in spaces]:
        values = spaces[name]
        found[f"mahalanobis@{name}"] = scores.mahalanobis(values, values[train], labels)
        found[f"relative_mahalanobis@{name}"] = scores.relative_mahalanobis(values, values[train], labels)
        found[f"nearest_neighbours@{name}"] = scores.nearest_neighbour_score(values, values[train])
    if head is not None and "feature" in spaces:
        feature = spaces["feature"]
        weight, bias = head.weight.detach().cpu().numpy(), head.bias.detach().cpu().numpy()
        found["react"] = scores.react(feature, weight, bias, feature[train])
        found["vim"] = scores.vim(feature, logits, weight, bias, feature[train])
    known, strange = (samples["part"] == "test").to_numpy(), (samples["part"] == "confusers").to_numpy()
    pairs = {name: (values[known], values[strange]) for name, values in found.items()}
    return rejection(pairs, samples["correct"].to_numpy()[known], seed=seed), found
