"""The table of runs of a transfer between two domains: what it holds, and what may not stand in it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from spacewise.errors import InputError, suggest, unknown

KEYS = ("set", "method", "budget", "seed")
MEASURES = ("source_accuracy", "separability", "distance", "matched")
COLUMNS = (*KEYS, "labels", "accuracy", *MEASURES)
SHARES = ("accuracy", "source_accuracy", "separability", "matched", "chance")
DOMAINS = (*KEYS, "space", "class", "distance", "nearest", "matched")


def check(runs: pd.DataFrame, baselines: Sequence[str] = ()) -> None:
    """Raises `InputError` for a table of runs that is none.

    That is: no row, a column missing, a key without a value, the same set, method, budget and seed twice, figures
    that are no numbers or no shares, a budget with two numbers of labels, an unnamed set beside others, a set with
    two levels of chance, a baseline that is no method.
    """
    _columns("runs", runs, COLUMNS)
    if runs.empty:
        raise InputError("runs: a table without rows, expected one row a run")
    for key in (*KEYS, "labels"):
        if runs[key].isna().any():
            raise InputError(f"runs: no '{key}' in row {_row(runs[key].isna())}")
    twice = runs.duplicated([*KEYS])
    if twice.any():
        found = runs.loc[twice.to_numpy(), [*KEYS]].iloc[0]
        raise InputError(f"runs: more than one run of {', '.join(f'{key} {found[key]!r}' for key in KEYS)}")
    for column in ("labels", "accuracy", *MEASURES, *(["chance"] if "chance" in runs else [])):
        _numbers(runs, column)
    if runs["accuracy"].isna().any():
        raise InputError(f"runs: no accuracy in row {_row(runs['accuracy'].isna())}")
    if len(sets(runs)) > 1 and (runs["set"] == "").any():
        raise InputError("runs: a set without a name beside others, expected a name for each")
    _one_each(runs, ["set", "budget"], "labels")
    if "chance" in runs:
        _one_each(runs, ["set"], "chance")
    for name in baselines:
        if name not in methods(runs):
            raise unknown("baseline", name, methods(runs))


def check_domains(domains: pd.DataFrame, runs: pd.DataFrame) -> None:
    """Raises `InputError` for a table of distances by class that lacks columns, rows, or the sets of the runs."""
    _columns("domains", domains, DOMAINS)
    if domains.empty:
        raise InputError("domains: a table without rows, expected one row a run, space and class")
    known = set(zip(runs["set"], runs["budget"], strict=True))
    for pair in dict.fromkeys(zip(domains["set"], domains["budget"], strict=True)):
        if pair not in known:
            raise InputError(f"domains: set '{pair[0]}' with budget '{pair[1]}' is in no run")


def _columns(name: str, table: pd.DataFrame, wanted: Sequence[str]) -> None:
    for column in wanted:
        if column not in table.columns:
            raise InputError(f"{name}: no column '{column}': {suggest(column, map(str, table.columns))}")


def _row(flags: pd.Series) -> int:
    return int(np.flatnonzero(flags.to_numpy())[0]) + 1


def _numbers(runs: pd.DataFrame, column: str) -> None:
    values = runs[column]
    if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        raise InputError(f"runs: column '{column}' is {values.dtype}, expected numbers")
    wrong = values.abs() == math.inf
    if column in SHARES:
        wrong |= (values < 0) | (values > 1)
    if wrong.any():
        what = "a share, 0 to 1" if column in SHARES else "a finite number"
        raise InputError(f"runs: {column} {values[wrong.to_numpy()].iloc[0]:g} in row {_row(wrong)}, expected {what}")


def _one_each(runs: pd.DataFrame, by: list[str], column: str) -> None:
    found = runs.groupby(by, sort=False)[column].agg(lambda values: sorted(set(values)))
    for key, values in found.items():
        if len(values) > 1:
            names = zip(by, key if isinstance(key, tuple) else (key,), strict=True)
            where = ", ".join(f"{name} '{value}'" for name, value in names)
            raise InputError(f"runs: {where} has {column} {values[0]:g} and {values[1]:g}, expected one number")


def sets(runs: pd.DataFrame) -> list[str]:
    """The class sets, in order of appearance."""
    return list(dict.fromkeys(runs["set"]))


def methods(runs: pd.DataFrame) -> list[str]:
    """The methods, in order of appearance."""
    return list(dict.fromkeys(runs["method"]))


def budgets(runs: pd.DataFrame, of_set: str) -> dict[str, int]:
    """budget -> labels, the fewest first: those that any method of the set has."""
    mine = runs[runs["set"] == of_set].drop_duplicates("budget").sort_values("labels", kind="stable")
    return {str(budget): int(labels) for budget, labels in zip(mine["budget"], mine["labels"], strict=True)}


def challengers(runs: pd.DataFrame, baselines: Sequence[str]) -> list[str]:
    """The methods that are no baselines."""
    return [name for name in methods(runs) if name not in baselines]


def several_seeds(runs: pd.DataFrame) -> bool:
    """Whether any method has more than one run at any budget."""
    return bool(runs.groupby(["set", "method", "budget"]).size().max() > 1)


def words(budget: str, labels: int) -> str:
    """`32 labels`, `all 12,345 labels`."""
    unit = "label" if labels == 1 else "labels"
    if budget == str(labels):
        return f"{budget} {unit}"
    return f"all {labels:,} {unit}" if budget == "all" else f"{budget} ({labels:,} {unit})"
