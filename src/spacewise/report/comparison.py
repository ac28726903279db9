"""Several methods side by side: each one's figures over its runs, and its difference from the first."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from spacewise.errors import InputError
from spacewise.measures.summary import Difference, mcnemar, paired_difference, paired_interval, summarise
from spacewise.report import numbers, reading

if TYPE_CHECKING:
    from spacewise.audits import Audit

Methods = Mapping[str, "Sequence[Audit]"]

ACCURACIES = ("overall", "seen", "unseen")
FALSE_ALARMS = "pfa_at_pd90"
MCNEMAR, STUDENT, NO_TEST = "McNemar", "paired t", ""


def compare(methods: Methods, paper: Mapping[str, Mapping[str, float]] | None = None) -> pd.DataFrame:
    """One row a method and figure.

    Figures are `overall`, `seen`, `unseen` (accuracy), and where there are confusers `pfa_at_pd90` (false
    alarms, largest posterior), `pfa_at_pd90:SCORE` and `auroc:SCORE` of every score that all audits have.

    Args:
        methods: name -> audits of its runs; the first is what the others are compared with.
        paper: name -> figure -> what a paper prints, in percent.

    Returns:
        method, figure, view, runs, mean, std (over runs), low, high (95 %: Student over runs, bootstrap over
        samples where there is one run), paper, difference, difference_low, difference_high, p, test, pairs
        (runs, or samples). All in shares, paper's too. The difference is from the first method; with one run
        each it is of the samples as stored.

    Raises:
        InputError: no method, a method without audits, classes that differ.
    """
    _check(methods)
    view = common_view(methods)
    runs = pd.concat(
        [_figures(audit, view).assign(method=name) for name, audits in methods.items() for audit in audits],
        ignore_index=True,
    )
    shared = [figure for figure in dict.fromkeys(runs["figure"]) if _everywhere(runs, figure, methods)]
    runs = runs[runs["figure"].isin(shared)]
    table = summarise(runs, ["method", "figure"], "value").rename(columns={"n": "runs"})
    table["view"] = [view if figure in ACCURACIES else reading.STORED for figure in table["figure"]]
    ends = [_ends(runs, row.method, row.figure) for row in table.itertuples()]
    table[["low", "high"]] = np.array(ends)
    printed = [_printed(paper, row.method, row.figure) for row in table.itertuples()]
    against = pd.DataFrame([_against(methods, runs, row.method, row.figure) for row in table.itertuples()])
    table = pd.concat([table.assign(paper=printed), against], axis=1)
    columns = ["method", "figure", "view", "runs", "mean", "std", "low", "high", "paper", *against.columns]
    return table[columns]


def common_view(methods: Methods) -> str:
    """The main view where all audits share it, else the samples as stored."""
    views = {reading.main_view(audit) for audits in methods.values() for audit in audits}
    return views.pop() if len(views) == 1 else reading.STORED


def value(table: pd.DataFrame, method: str, figure: str) -> pd.Series:
    """The row of one method and figure."""
    return table[(table["method"] == method) & (table["figure"] == figure)].iloc[0]


def best(table: pd.DataFrame, figure: str) -> list[str]:
    """The methods that lead in a figure, as printed: more than one where they tie."""
    rows = table[table["figure"] == figure]
    printed = (100 * rows["mean"]).round(1)
    leading = printed.min() if figure.startswith(FALSE_ALARMS) else printed.max()
    return list(rows.loc[printed == leading, "method"])


def key_figure(table: pd.DataFrame) -> str:
    """What methods are ranked by: accuracy on unseen samples where there are any."""
    return "unseen" if (table["figure"] == "unseen").any() else "overall"


def floors(methods: Methods, table: pd.DataFrame) -> dict[str, float]:
    """subset -> accuracy on raw pixels, the mean over the first method's runs."""
    runs = next(iter(methods.values()))
    subsets = [name for name in ACCURACIES if (table["figure"] == name).any()]
    return {name: float(np.mean([reading.pixel_floor(run, name)[0] for run in runs])) for name in subsets}


def _check(methods: Methods) -> None:
    if not methods:
        raise InputError("a comparison needs at least one method, there is none")
    for name, audits in methods.items():
        if not audits:
            raise InputError(f"method '{name}' has no audit to compare")
    first = next(iter(methods.values()))[0].classes
    for name, audits in methods.items():
        for audit in audits:
            if audit.classes != first:
                raise InputError(
                    f"method '{name}' knows the classes {', '.join(audit.classes)}, the first method "
                    f"{', '.join(first)}: compare audits of the same classes"
                )


def _figures(audit: Audit, view: str) -> pd.DataFrame:
    """One run's figures: figure, value, low, high."""
    table = reading.accuracy(audit, view)
    rows = [(name, *table.loc[name, ["accuracy", "low", "high"]]) for name in reading.main_subsets(audit)]
    if audit.has("rejection"):
        for row in audit.table("rejection").to_dict("records"):
            found = (row[FALSE_ALARMS], row["low"], row["high"])
            if row["score"] == reading.POSTERIOR:
                rows.append((FALSE_ALARMS, *found))
            rows.append((f"{FALSE_ALARMS}:{row['score']}", *found))
            rows.append((f"auroc:{row['score']}", row["auroc"], math.nan, math.nan))
    return pd.DataFrame(rows, columns=["figure", "value", "low", "high"]).assign(pair=[pair_key(audit)] * len(rows))


def pair_key(audit: Audit) -> str:
    """What a run shares with the run that it is paired with: its seed, and seed and fold of what it is tested on."""
    split = reading.tested_split(audit)
    return f"{audit.facts['experiment']['seed']}/{split.get('seed', 0)}/{split.get('fold', 0)}"


def _everywhere(runs: pd.DataFrame, figure: str, methods: Methods) -> bool:
    return int((runs["figure"] == figure).sum()) == sum(map(len, methods.values()))


def _ends(runs: pd.DataFrame, method: str, figure: str) -> tuple[float, float]:
    rows = runs[(runs["method"] == method) & (runs["figure"] == figure)]
    if len(rows) == 1:
        return float(rows["low"].iloc[0]), float(rows["high"].iloc[0])
    return numbers.mean_interval(rows["value"].to_numpy())


def _printed(paper: Mapping[str, Mapping[str, float]] | None, method: str, figure: str) -> float:
    return (paper or {}).get(method, {}).get(figure, math.nan) / 100


def _against(methods: Methods, runs: pd.DataFrame, method: str, figure: str) -> dict[str, Any]:
    """The difference from the first method, and how it was tested."""
    first = next(iter(methods))
    found, test, pairs = Difference(math.nan, math.nan, math.nan), NO_TEST, 0
    if method != first:
        one, other = (runs[(runs["method"] == name) & (runs["figure"] == figure)] for name in (first, method))
        if len(one) > 1 or len(other) > 1:
            found, test, pairs = _over_runs(one, other)
        elif figure in ACCURACIES:
            found, test, pairs = _over_samples(methods[first][0], methods[method][0], figure)
        if test == NO_TEST:
            found = Difference(float(other["value"].mean() - one["value"].mean()), math.nan, math.nan)
    return {
        "difference": found.difference,
        "difference_low": found.low,
        "difference_high": found.high,
        "p": found.p,
        "test": test,
        "pairs": pairs,
    }


def _over_runs(one: pd.DataFrame, other: pd.DataFrame) -> tuple[Difference, str, int]:
    """Of two ways to train: paired by seed and fold; no test with fewer than two pairs."""
    pairs = one.set_index("pair")["value"].to_frame("first").join(other.set_index("pair")["value"], how="inner")
    if len(pairs) < 2 or pairs.index.has_duplicates:
        return Difference(math.nan, math.nan, math.nan), NO_TEST, 0
    return paired_difference(pairs["first"].to_numpy(), pairs["value"].to_numpy()), STUDENT, len(pairs)


def _over_samples(one: Audit, other: Audit, subset: str) -> tuple[Difference, str, int]:
    """Of two trained networks: paired by sample; no test where they were tested on different ones."""
    first, second = (reading.test_samples(audit) for audit in (one, other))
    chosen = first.loc[reading.mask(first, subset), ["id", "correct"]].set_index("id")["correct"]
    others = second.loc[reading.mask(second, subset), ["id", "correct"]].set_index("id")["correct"]
    if set(chosen.index) != set(others.index) or chosen.index.has_duplicates:
        return Difference(math.nan, math.nan, math.nan), NO_TEST, 0
    before, after = chosen.to_numpy(bool), others.loc[chosen.index].to_numpy(bool)
    found = paired_interval(before, after)
    return Difference(found.difference, found.low, found.high, mcnemar(before, after)), MCNEMAR, len(before)
