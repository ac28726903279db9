"""Three views of a set of losses: how accurate, how well separated, and does the network look at the right thing?

After Ito et al., Analyzing the Accuracy, Representations, and Explainability of Various Loss Functions, Tables
II to V.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from spacewise.errors import InputError, unknown
from spacewise.measures.bootstrap import mean_interval
from spacewise.measures.summary import Difference, summarise
from spacewise.report import comparison, explained, numbers, reading, retrieval
from spacewise.report.comparison import ACCURACIES, MCNEMAR, NO_TEST, STUDENT, Methods

if TYPE_CHECKING:
    from spacewise.audits import Audit
    from spacewise.explain.stored import Explanation

Paper = Mapping[str, Mapping[str, float]]
Samples = Mapping[str, Mapping[str, pd.Series]]

SEPARATIONS = ("silhouette", "calinski_harabasz", "davies_bouldin")
HEADS = ("classifier", "probability")
RESAMPLES = 2000
BOOTSTRAP = "bootstrap"
PRINTED = {"insertion": "insertion:accuracy", "deletion": "deletion:accuracy"}
"""The paper's areas are of accuracy."""

COLUMNS = (
    *("method", "figure", "runs", "mean", "std", "low", "high", "paper"),
    *("difference", "difference_low", "difference_high", "p", "test", "pairs"),
)


def views(audits: Methods, explanations: explained.Explained, paper: Paper | None = None) -> pd.DataFrame:
    """One row a method and figure.

    Figures are `overall`, `seen`, `unseen` (accuracy as stored, shares); `silhouette`, `calinski_harabasz`,
    `davies_bouldin` of the feature space, or of the deepest one before the classifier; what
    `explained.each` and `explained.changes` give. A figure that not all runs of a method have is left out.

    Args:
        audits: name of a method -> audits of its runs (seeds, folds); the first is what others are held against.
        explanations: the same names -> explanations of the same runs in the same order; none for some.
        paper: method -> accuracy (percent), silhouette, calinski_harabasz, insertion, deletion, as printed.

    Returns:
        method, figure, runs, mean, std (over runs), low, high (95 %: Student over runs, bootstrap over samples
        where there is one run), paper; difference (from the first method), its ends and p, test (paired t;
        with one run each McNemar or bootstrap over samples), pairs (runs, or samples).

    Raises:
        InputError: no method, a method without audits, classes that differ, audits by retrieval, explanations
            that do not belong to the audits.
    """
    _check(audits, explanations)
    runs = pd.concat(_all(audits, explanations), ignore_index=True)
    number = {name: len(made) for name, made in audits.items()}
    held = runs.groupby(["method", "figure"])["value"].transform("size")
    runs = runs[held == runs["method"].map(number)]
    table = summarise(runs, ["method", "figure"], "value").rename(columns={"n": "runs"})
    samples = {name: each(made[0], _first(explanations, name)) for name, made in audits.items() if len(made) == 1}
    rows = [_row(audits, samples, runs, row.method, row.figure, paper or {}) for row in table.itertuples()]
    return pd.concat([table, pd.DataFrame(rows)], axis=1)[list(COLUMNS)]


def feature_space(audit: Audit) -> str:
    """`feature`, or the deepest space before the classifier; empty where nothing of it was measured."""
    if not audit.has("separation"):
        return ""
    measured = [space for space in audit.table("separation")["space"] if space not in HEADS]
    return "feature" if "feature" in measured else str(measured[-1]) if measured else ""


def limits(figure: str) -> tuple[float, float]:
    """Between which values a figure can lie."""
    kind = figure.partition(":")[0]
    if kind in SEPARATIONS[1:]:
        return 0.0, math.inf
    return {"silhouette": (-1.0, 1.0), "difference": (-1.0, 1.0), "gain": (-2.0, 2.0)}.get(kind, (0.0, 1.0))


def _check(audits: Methods, explanations: explained.Explained) -> None:
    comparison._check(audits)
    for name, made in audits.items():
        for audit in made:
            if retrieval.is_disjoint(audit) or not audit.has("accuracy"):
                raise InputError(f"method '{name}': {audit.folder} is judged by retrieval, it has no accuracy to show")
    methods: dict[str, str] = {}
    for name, made in audits.items():
        for audit, explanation in zip(made, explanations.get(name) or (), strict=False):
            of = (explanation.facts["run"], explanation.facts["weights"])
            if of != (audit.facts["run"], audit.facts["weights"]):
                raise InputError(
                    f"{explanation.folder} explains the {of[1]} weights of {of[0]}, {audit.folder} is of others"
                )
    for name, found in explanations.items():
        if name not in audits:
            raise unknown("method of explanations", name, audits)
        if len(found) not in (0, len(audits[name])):
            raise InputError(
                f"method '{name}' has {len(audits[name])} runs and {len(found)} explanations: one each, or none"
            )
        methods |= {explained.attribution(one): f"{one.folder}" for one in found}
    if len(methods) > 1:
        (one, here), (other, there) = list(methods.items())[:2]
        raise InputError(f"{there} is explained by {other}, {here} by {one}: set maps of one method side by side")


def _all(audits: Methods, explanations: explained.Explained) -> list[pd.DataFrame]:
    """Figures of every run: method, pair, figure, value, low, high."""
    frames = []
    for name, made in audits.items():
        given: Sequence[Explanation | None] = explanations.get(name) or [None] * len(made)
        for audit, explanation in zip(made, given, strict=True):
            pieces = [_accuracies(audit), _separations(audit)]
            if explanation is not None:
                pieces += [_attributions(explanation, len(made) == 1), explained.changes(explanation)]
            rows = pd.concat([piece.astype({"value": float}) for piece in pieces if len(piece)])
            frames.append(rows.assign(method=name, pair=comparison.pair_key(audit)))
    return frames


def _accuracies(audit: Audit) -> pd.DataFrame:
    table = reading.accuracy(audit, reading.STORED).loc[reading.main_subsets(audit), ["accuracy", "low", "high"]]
    return table.rename(columns={"accuracy": "value"}).rename_axis("figure").reset_index()


def _separations(audit: Audit) -> pd.DataFrame:
    space = feature_space(audit)
    if not space:
        return pd.DataFrame()
    row = audit.table("separation").set_index("space").loc[space]
    ends = {"silhouette": (row["silhouette_low"], row["silhouette_high"])}
    rows = [(figure, row[figure], *ends.get(figure, (math.nan, math.nan))) for figure in SEPARATIONS]
    return pd.DataFrame(rows, columns=["figure", "value", "low", "high"])


def _attributions(explanation: Explanation, alone: bool) -> pd.DataFrame:
    """Means over images; their bootstrap intervals where there is one run."""
    rows = []
    for figure, values in explained.each(explanation).items():
        known = values.dropna()
        ends = _resampled(known) if alone and len(known) else (math.nan, math.nan)
        rows.append((figure, known.mean(), *ends))
    return pd.DataFrame(rows, columns=["figure", "value", "low", "high"])


def _resampled(values: pd.Series) -> tuple[float, float]:
    array = values.to_numpy(float)
    return mean_interval(array, np.arange(len(array)), samples=RESAMPLES, confidence=0.95, seed=0)


def _first(explanations: explained.Explained, method: str) -> Explanation | None:
    return next(iter(explanations.get(method, ())), None)


def _row(audits: Methods, samples: Samples, runs: pd.DataFrame, method: str, figure: str, paper: Paper) -> dict:
    mine = runs[(runs["method"] == method) & (runs["figure"] == figure)]
    low, high = float(mine["low"].iloc[0]), float(mine["high"].iloc[0])
    if len(mine) > 1:
        low, high = numbers.mean_interval(mine["value"].to_numpy(), *limits(figure))
    found, test, pairs = _against(audits, samples, runs, method, figure)
    ends = {"low": low, "high": high, "paper": printed(paper.get(method, {}), figure)}
    against = {"difference": found.difference, "difference_low": found.low, "difference_high": found.high, "p": found.p}
    return ends | against | {"test": test, "pairs": pairs}


def printed(found: Mapping[str, float], figure: str) -> float:
    """What a paper prints for a figure, on our scale; its difference of areas follows from its areas."""
    if figure == "overall":
        return found.get("accuracy", math.nan) / 100
    if figure == "difference:accuracy":
        return found.get("insertion", math.nan) - found.get("deletion", math.nan)
    return {PRINTED.get(name, name): value for name, value in found.items()}.get(figure, math.nan)


def _against(
    audits: Methods, samples: Samples, runs: pd.DataFrame, method: str, figure: str
) -> tuple[Difference, str, int]:
    """The difference from the first method, the test, and over how many pairs."""
    first, none = next(iter(audits)), Difference(math.nan, math.nan, math.nan)
    one, other = (runs[(runs["method"] == name) & (runs["figure"] == figure)] for name in (first, method))
    if method == first or one.empty:
        return none, NO_TEST, 0
    found, test, pairs = none, NO_TEST, 0
    if len(one) > 1 or len(other) > 1:
        if np.isfinite([*one["value"], *other["value"]]).all():
            found, test, pairs = comparison._over_runs(one, other)
    elif figure in ACCURACIES:
        found, test, pairs = comparison._over_samples(audits[first][0], audits[method][0], figure)
    else:
        found, test, pairs = _paired(samples[first].get(figure), samples[method].get(figure))
    if test == NO_TEST:
        found = Difference(float(other["value"].mean() - one["value"].mean()), math.nan, math.nan)
    return found, test, pairs


def each(audit: Audit, explanation: Explanation | None) -> dict[str, pd.Series]:
    """The figures of one run that every sample has by itself, by the samples' ids."""
    found: dict[str, pd.Series] = {}
    samples, column = reading.test_samples(audit), f"silhouette:{feature_space(audit)}"
    if column in samples:
        found["silhouette"] = samples.set_index("id")[column]
    if explanation is not None:
        found |= dict(explained.each(explanation).items()) | explained.changed(explanation)
    return found


def _paired(one: pd.Series | None, other: pd.Series | None) -> tuple[Difference, str, int]:
    """Of two trained networks, over the samples that both have a figure of; none where those are not the same."""
    none = Difference(math.nan, math.nan, math.nan), NO_TEST, 0
    if one is None or other is None or set(one.index) != set(other.index) or one.index.has_duplicates:
        return none
    gains = (other.loc[one.index] - one).dropna()
    if len(gains) < 2:
        return none
    return Difference(float(gains.mean()), *_resampled(gains)), BOOTSTRAP, len(gains)


def clear(row: pd.Series | Any) -> bool | None:
    """Whether a row's difference is more than chance may give (95 %); None where it was not tested."""
    if row.test == NO_TEST:
        return None
    if row.test in (MCNEMAR, STUDENT):
        return bool(row.p < 0.05)
    return bool(row.difference_low > 0 or row.difference_high < 0)
