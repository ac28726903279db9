"""What figures and pages ask of an audit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from spacewise.errors import InputError, unknown

if TYPE_CHECKING:
    from spacewise.audits import Audit

STORED = "as stored"
POSTERIOR = "maximum_softmax"
"""The score of the dual-loss paper's rejection."""


def test_samples(audit: Audit) -> pd.DataFrame:
    """The test part; its index is the row in every space."""
    samples = audit.table("samples")
    return samples[samples["part"] == "test"]


def mask(samples: pd.DataFrame, subset: str) -> np.ndarray:
    """Which samples belong to a subset: bool (sample,)."""
    if subset == "overall":
        return np.ones(len(samples), bool)
    return samples[f"subset:{subset}"].eq(True).to_numpy(bool)


def main_view(audit: Audit) -> str:
    """The view that figures are quoted in: with shifted copies where there are any."""
    views = list(audit.table("accuracy")["view"].unique())
    return next((view for view in views if view != STORED), STORED)


def view_words(view: str) -> str:
    """`with 10 shifted copies` for the view `and 10 shifted copies`."""
    return view if view == STORED else view.replace("and ", "with ", 1).replace(" 1 shifted copies", " a shifted copy")


def accuracy(audit: Audit, view: str, weights: str | None = None) -> pd.DataFrame:
    """Accuracy by subset (the index) under one view, of the audited weights."""
    table = audit.table("accuracy")
    weights = weights or audit.facts["weights"]
    if weights not in set(table["weights"]):
        raise unknown("weights", weights, table["weights"].unique())
    return table[(table["view"] == view) & (table["weights"] == weights)].set_index("subset")


def main_subsets(audit: Audit) -> list[str]:
    """overall, then seen and unseen where the split tells them apart and both hold samples."""
    held = accuracy(audit, STORED)["n"]
    return ["overall", *(name for name in audit.facts["novelty"] if held.get(name, 0) > 0)]


def tested_split(audit: Audit) -> dict[str, Any]:
    """The experiment's split that tests: that of the data, or of a transfer's target."""
    experiment = audit.facts["experiment"]
    return dict((experiment.get("target") or experiment["data"])["split"])


def novelty_fact(audit: Audit) -> str:
    """The fact whose values make a test sample seen or unseen; empty where the split has none."""
    split = tested_split(audit)
    split = split.get("within") or split  # of a label budget, the split that it is drawn from
    fact = {"mstar-seen-unseen": "serial", "roles": "serial"}.get(split["name"], split.get("novelty", ""))
    return str(fact) if "unseen" in audit.facts["novelty"] else ""


def unseen_words(audit: Audit) -> str:
    """`unseen serial numbers`: what the subset `unseen` is, in words."""
    fact = novelty_fact(audit)
    if not fact:
        return "the unseen subset"
    return "unseen serial numbers" if fact == "serial" else f"unseen values of {fact}"


def telling_fact(audit: Audit) -> str:
    """The fact to name a sample by: that of novelty, else the first that subsets are made of; or none."""
    names = [str(name).partition("=") for name in accuracy(audit, STORED).index]
    return novelty_fact(audit) or next((fact for fact, equals, _ in names if equals), "")


def class_index(audit: Audit, name: str) -> int:
    """The index of a class; an unknown one lists those that there are."""
    classes = audit.classes
    if name not in classes:
        raise unknown("class", name, classes)
    return classes.index(name)


def counts(audit: Audit) -> pd.DataFrame:
    """Confusion counts: rows true classes, columns predicted ones."""
    return audit.table("confusion").set_index("class")


def classes_tested(audit: Audit) -> int:
    """How many classes have test samples."""
    return int((counts(audit).sum(axis=1) > 0).sum())


def pixel_floor(audit: Audit, subset: str) -> tuple[float, int]:
    """Accuracy of the nearest training sample's class on raw pixels, and of how many samples."""
    table = audit.table("spaces")
    row = table[(table["space"] == "pixels") & (table["subset"] == subset)].iloc[0]
    return float(row["nearest"]), int(row["n"])


def most_confused(audit: Audit) -> tuple[str, str]:
    """The two classes taken for one another most often, as a share of both classes' samples.

    Raises `InputError` where fewer than two classes were tested.
    """
    table = counts(audit)
    values, totals = table.to_numpy(float), table.sum(axis=1).to_numpy(float)
    crossed = values + values.T
    shares = np.divide(crossed, totals[:, None] + totals, where=crossed > 0, out=np.zeros_like(crossed))
    shares[:, totals == 0] = shares[totals == 0] = -1
    shares[np.tril_indices(len(shares))] = -1
    if shares.max() < 0:
        raise InputError("a pair of classes needs test samples of two classes, there are fewer")
    first, second = np.unravel_index(shares.argmax(), shares.shape)
    return str(table.index[first]), str(table.index[second])


def score_words(score: str) -> str:
    """`nearest_neighbours@feature` as `nearest neighbours, feature`; the paper's as `largest posterior`."""
    if score == POSTERIOR:
        return "largest posterior"
    name, _, space = score.partition("@")
    words = {"react": "ReAct", "vim": "ViM", "mahalanobis": "Mahalanobis"}
    words["relative_mahalanobis"] = "relative Mahalanobis"
    shown = words.get(name, name.replace("_", " "))
    return f"{shown}, {space} space" if space else shown
