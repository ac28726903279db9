"""The tables of an audit, from spaces and samples."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from torch import nn

from spacewise.measures import scores
from spacewise.measures.accuracy import accuracy
from spacewise.measures.bootstrap import mean_interval
from spacewise.measures.rejection import rejection
from spacewise.measures.representation import representation
from spacewise.measures.separation import indices, silhouette


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


def separation_table(
    spaces: Mapping[str, np.ndarray], samples: pd.DataFrame, seed: int
) -> tuple[pd.DataFrame, dict[str, pd.Series]]:
    """How well each space keeps the test classes apart, one row a space, and the silhouette of every test sample.

    On raw vectors, without any reduction of dimensions (Ito et al., equations 7 and 8). Silhouette in -1 to 1
    with its 95 % bootstrap interval over samples; `intra` is the mean distance of samples to the mean of their
    class, `inter` that between the means of two classes.
    """
    test = (samples["part"] == "test").to_numpy()
    labels = samples["target"].to_numpy()[test]
    rows, columns = [], {}
    for name, values in spaces.items():
        vectors = values[test]
        each = silhouette(vectors, labels)
        low, high = mean_interval(each, np.arange(len(each)), samples=1000, confidence=0.95, seed=seed)
        columns[f"silhouette:{name}"] = pd.Series(each, index=np.flatnonzero(test)).reindex(samples.index)
        found = {"silhouette": float(each.mean()), "silhouette_low": low, "silhouette_high": high}
        said = {"space": name, "dimension": values.shape[1], "n": len(labels)}
        rows.append(said | found | indices(vectors, labels))
    return pd.DataFrame(rows), columns


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
