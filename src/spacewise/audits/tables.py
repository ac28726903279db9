"""The tables of an audit, from spaces and samples."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from torch import nn

from spacewise.audits.samples import paced, queries, say_cost, where
from spacewise.measures import scores
from spacewise.measures.accuracy import accuracy
from spacewise.measures.bootstrap import mean_interval
from spacewise.measures.rejection import rejection
from spacewise.measures.representation import representation
from spacewise.measures.sampling import sample_interval
from spacewise.measures.separation import indices, silhouette

NEIGHBOURS = "nearest_neighbours"  # the one score that compares all pairs


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
    samples: pd.DataFrame,
    asked: np.ndarray,
    masks: Mapping[str, np.ndarray],
) -> pd.DataFrame:
    """Each space by itself: nearest training neighbour right, and test against training representation.

    One row a space and subset. Raw pixels first: the floor that a network has to beat. Where not all test samples
    were asked for a neighbour, `asked` says how many, and `nearest` of all lies between `sample_low` and `sample_high`.
    """
    train, test = where(samples, "train"), where(samples, "test")
    labels = samples["target"].to_numpy()
    chosen = queries(asked[test])
    rows = []
    for name, values in spaces.items():
        table = representation(values[test], labels[test], values[train], labels[train], masks, queries=chosen)
        table = table.rename(columns={"same_class_neighbour": "nearest"})
        rows.append(table.assign(space=name, dimension=values.shape[1]))
    columns = ["space", "dimension", "subset", "n", "nearest", "own_side", "margin_ratio"]
    columns += [] if chosen is None else ["asked", "sample_low", "sample_high"]
    return pd.concat(rows, ignore_index=True)[columns]


def separation_table(
    spaces: Mapping[str, np.ndarray], samples: pd.DataFrame, asked: np.ndarray, seed: int
) -> tuple[pd.DataFrame, dict[str, pd.Series]]:
    """How well each space keeps the test classes apart, one row a space, and the silhouette of every test sample.

    On raw vectors, without any reduction of dimensions (Ito et al., equations 7 and 8). Silhouette in -1 to 1
    with its 95 % interval, by bootstrap over samples or, where only `n` of the `gallery` were asked, of the sample;
    `intra` is the mean distance of samples to the mean of their class, `inter` that between the means of two classes.
    """
    test = where(samples, "test")
    labels = samples["target"].to_numpy()[test]
    chosen = queries(asked[test])
    index = samples.index[test] if chosen is None else samples.index[test][chosen]
    rows, columns, everyone = [], {}, {}
    with paced("silhouette", len(spaces) * len(index)) as advance:
        for name, values in spaces.items():
            say_cost(f"silhouette in {name}", values[test], labels, chosen)
            everyone[name] = silhouette(values[test], labels, queries=chosen, advance=advance)
    for name, each in everyone.items():
        vectors = spaces[name][test]
        columns[f"silhouette:{name}"] = pd.Series(each, index=index).reindex(samples.index)
        mean, low, high = _silhouette_of_all(each, labels, chosen, seed)
        found = {"silhouette": mean, "silhouette_low": low, "silhouette_high": high}
        said = {"space": name, "dimension": vectors.shape[1], "n": len(each), "gallery": len(labels)}
        rows.append(said | found | indices(vectors, labels))
    return pd.DataFrame(rows), columns


def _silhouette_of_all(
    each: np.ndarray, labels: np.ndarray, chosen: np.ndarray | None, seed: int
) -> tuple[float, float, float]:
    """The mean and its interval: over samples, or from some to all of them."""
    if chosen is None:
        low, high = mean_interval(each, np.arange(len(each)), samples=1000, confidence=0.95, seed=seed)
        return float(each.mean()), low, high
    return sample_interval(each, labels[chosen], labels)


def rejection_table(
    spaces: Mapping[str, np.ndarray], samples: pd.DataFrame, asked: np.ndarray, head: nn.Linear | None, seed: int
) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """Rejection of confusers by every score, and the scores of every sample (higher = known).

    Args:
        asked: bool (sample,): those that look for their neighbours in training, drawn regardless of class: a figure
            of theirs is then one of all. The score is NaN of others, and the table counts those asked.
    """
    train = where(samples, "train")
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
        found[f"{NEIGHBOURS}@{name}"] = _of_those_asked(values, values[train], asked)
    if head is not None and "feature" in spaces:
        feature = spaces["feature"]
        weight, bias = head.weight.detach().cpu().numpy(), head.bias.detach().cpu().numpy()
        found["react"] = scores.react(feature, weight, bias, feature[train])
        found["vim"] = scores.vim(feature, logits, weight, bias, feature[train])
    known, strange = where(samples, "test"), where(samples, "confusers")
    correct = samples["correct"].to_numpy()
    rows = []
    for name, values in found.items():
        some = asked if name.startswith(NEIGHBOURS) else np.ones(len(asked), bool)
        pair = (values[known][some[known]], values[strange][some[strange]])
        rows.append(rejection({name: pair}, correct[known][some[known]], seed=seed))
    return pd.concat(rows, ignore_index=True), found


def _of_those_asked(values: np.ndarray, train: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """The score by the nearest neighbours in training (sample,); NaN where nobody asked."""
    found = np.full(len(values), np.nan)
    found[asked] = scores.nearest_neighbour_score(values if asked.all() else values[asked], train)
    return found
