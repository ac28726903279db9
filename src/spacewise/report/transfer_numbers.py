"""What a transfer between two domains is worth, in numbers: a mean a budget, and differences on the same seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from spacewise.measures.summary import paired_difference, summarise
from spacewise.report import study_tables
from spacewise.report.transfer_runs import budgets, challengers, sets


def summary(runs: pd.DataFrame, figure: str = "accuracy") -> pd.DataFrame:
    """A figure over seeds: set, method, budget, mean, std, runs, error (standard error; NaN for one run).

    Runs in which it was not measured are left out: `runs` counts the others. Empty where it was measured nowhere.
    """
    known = runs.dropna(subset=[figure])
    if known.empty:
        return pd.DataFrame(columns=["set", "method", "budget", "mean", "std", "runs", "error"])
    table = summarise(known, ["set", "method", "budget"], figure).rename(columns={"n": "runs"})
    return table.assign(error=table["std"] / np.sqrt(table["runs"]))


def paired(runs: pd.DataFrame, of_set: str, budget: str, method: str, other: str) -> dict[str, Any]:
    """One method less another, over the seeds that both have.

    Returns:
        set, budget, method, other, seeds (number of pairs), ahead (of them, those with the method higher),
        difference (mean, a share), low, high (95 %, Student), p; NaN where there is no pair, of one pair only
        the difference.
    """
    here = runs[(runs["set"] == of_set) & (runs["budget"] == budget)]
    first, second = (here[here["method"] == name].set_index("seed")["accuracy"] for name in (method, other))
    seeds = sorted(set(first.index) & set(second.index))
    row: dict[str, Any] = {"set": of_set, "budget": budget, "method": method, "other": other, "seeds": len(seeds)}
    if not seeds:
        return row | {"ahead": 0} | dict.fromkeys(("difference", "low", "high", "p"), math.nan)
    found = paired_difference(second.loc[seeds].to_numpy(float), first.loc[seeds].to_numpy(float))
    row["ahead"] = int((first.loc[seeds] > second.loc[seeds]).sum())
    return row | {name: getattr(found, name) for name in ("difference", "low", "high", "p")}


def outcome(row: Any) -> str:
    """`holds`, `reversed`, `open`; of one pair `higher`, `lower`; of none `unpaired`."""
    if not row["seeds"]:
        return "unpaired"
    return study_tables.outcome(row)


def differences(runs: pd.DataFrame, baselines: Sequence[str]) -> pd.DataFrame:
    """Every other method less every baseline, at every budget that both have: rows as `paired` gives them."""
    held = set(zip(runs["set"], runs["budget"], runs["method"], strict=True))
    rows = [
        paired(runs, of_set, budget, method, base)
        for of_set in sets(runs)
        for method in challengers(runs, baselines)
        for base in baselines
        for budget in budgets(runs, of_set)
        if {(of_set, budget, method), (of_set, budget, base)} <= held
    ]
    return pd.DataFrame(rows)


def ranked(runs: pd.DataFrame, of_set: str, budget: str) -> pd.Series:
    """method -> mean accuracy at a budget, the best first; of equals, the first to appear."""
    whole = summary(runs[(runs["set"] == of_set) & (runs["budget"] == budget)])
    return whole.set_index("method")["mean"].sort_values(ascending=False, kind="stable")


def duels(runs: pd.DataFrame, baselines: Sequence[str]) -> list[dict[str, Any]]:
    """At each budget of each set the best other method less the best baseline.

    Where a budget has no baseline, or nothing else, the best method less the second.

    Returns:
        Rows as `paired` gives them; a budget with a single method has none.
    """
    rows = []
    for of_set in sets(runs):
        for budget in budgets(runs, of_set):
            order = list(ranked(runs, of_set, budget).index)
            own, base = ([n for n in order if (n in baselines) == kind] for kind in (False, True))
            pair = (own[0], base[0]) if own and base else order[:2]
            if len(pair) == 2:
                rows.append(paired(runs, of_set, budget, *pair))
    return rows


def leading(runs: pd.DataFrame, duel: dict[str, Any]) -> dict[str, Any]:
    """A duel told from the side of the higher mean."""
    means = ranked(runs, duel["set"], duel["budget"])
    if means[duel["method"]] >= means[duel["other"]]:
        return duel
    return paired(runs, duel["set"], duel["budget"], duel["other"], duel["method"])


def overtaking(runs: pd.DataFrame, baselines: Sequence[str]) -> pd.DataFrame:
    """From which budget on a baseline is above the best other method, up to the largest budget that both have.

    Returns:
        One row a set and baseline: set, baseline, first (the budget; "" where it is not above at the largest),
        clear (from which budget on each interval leaves zero out; "" where none does), always (above from the
        smallest budget on), largest (the last budget that both have), tested (on more than one seed there).
    """
    rows = []
    for of_set in sets(runs):
        for base in baselines:
            found = [
                paired(runs, of_set, budget, base, rivals[0])
                for budget in budgets(runs, of_set)
                if (rivals := _rivals(runs, baselines, of_set, budget, base))
            ]
            found = [row for row in found if row["seeds"]]
            if found:
                first = _from(found, [row["difference"] > 0 for row in found])
                clear = _from(found, [outcome(row) == "holds" for row in found])
                row = {"set": of_set, "baseline": base, "first": first, "clear": clear}
                last = {"largest": found[-1]["budget"], "tested": found[-1]["seeds"] > 1}
                rows.append(row | {"always": first == found[0]["budget"]} | last)
    return pd.DataFrame(rows, columns=["set", "baseline", "first", "clear", "always", "largest", "tested"])


def _rivals(runs: pd.DataFrame, baselines: Sequence[str], of_set: str, budget: str, base: str) -> list[str]:
    """The methods that are no baselines at a budget that the baseline has, the best first."""
    order = list(ranked(runs, of_set, budget).index)
    return [name for name in order if name not in baselines] if base in order else []


def _from(rows: list[dict[str, Any]], above: list[bool]) -> str:
    """The first budget from which on all hold; "" where the last does not."""
    falls = [i for i, holds in enumerate(above) if not holds]
    start = falls[-1] + 1 if falls else 0
    return str(rows[start]["budget"]) if start < len(rows) else ""
