"""Tables of what a transfer between two domains is worth, and its lines for a terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd
from rich.markup import escape

from spacewise.report import numbers
from spacewise.report.numbers import SPACE, count, interval, number, percent, probability, signed
from spacewise.report.tables import Cell, Table
from spacewise.report.transfer_numbers import duels, leading, outcome, paired, ranked, summary
from spacewise.report.transfer_runs import budgets, check, methods, sets, several_seeds

EMPTY, DASH = Cell(""), Cell("–")


def accuracy(runs: pd.DataFrame, of_set: str) -> Table:
    """Target test accuracy: a row a method, a column a budget."""
    uniform = _runs_each(runs) > 0
    mine = runs[runs["set"] == of_set]
    whole, columns = summary(mine).set_index(["method", "budget"]), budgets(mine, of_set)
    clear = {budget: _clear_leader(mine, of_set, budget) for budget in columns}
    rows = [
        [Cell(name), *(_mean(whole, (name, budget), clear[budget] == name, uniform) for budget in columns)]
        for name in methods(mine)
    ]
    remarks = [f"Chance: {percent(float(mine['chance'].iloc[0]))}."] if "chance" in mine else []
    remarks += ["An empty cell: not run."] if len(whole) < len(rows) * len(columns) else []
    return Table(["method", *heads(columns)], rows, " ".join(remarks), _over(len(columns)))


def accuracy_words(runs: pd.DataFrame) -> str:
    """What all tables of accuracy show."""
    if not several_seeds(runs):
        return (
            "Accuracy on target test images in percent, one run each: what another seed would give is not known, and "
            "none is marked as the best."
        )
    each = _runs_each(runs)
    over = f"{count(each)} runs (seeds) each" if each else "runs (seeds)"
    return (
        f"Accuracy on target test images in percent, mean ± standard error over {over}. Bold: the best of its column, "
        "where it is better than the second on the same seeds by more than chance would give (paired, p below 0.05, "
        "not corrected)."
    )


def _runs_each(runs: pd.DataFrame) -> int:
    """How many runs every method has at every budget; 0 where that differs."""
    found = set(runs.groupby(["set", "method", "budget"]).size())
    return int(found.pop()) if len(found) == 1 else 0


def heads(columns: dict[str, int]) -> list[str]:
    """What stands above the columns of budgets: `32`, `all (12,345)`."""
    return [budget if budget == str(labels) else f"{budget} ({count(labels)})" for budget, labels in columns.items()]


def _over(columns: int, first: int = 1) -> tuple[tuple[str, int], ...]:
    return (("", first), ("labelled target images", columns))


def _mean(whole: pd.DataFrame, key: tuple[str, str], best: bool, uniform: bool) -> Cell:
    if key not in whole.index:
        return EMPTY
    row = whole.loc[key]
    runs = f"{count(row['runs'])} {'run' if row['runs'] == 1 else 'runs'}"
    return Cell(spread(row, 100, 1), "" if uniform else runs, best)


def spread(row: Any, scale: float, digits: int) -> str:
    """`61.2 ± 0.8`, mean and standard error; of one run, the mean."""
    shown = number(scale * row["mean"], digits)
    if math.isnan(row["error"]):
        return shown
    return f"{shown}{SPACE}±{SPACE}{number(scale * row['error'], digits)}"


def _clear_leader(runs: pd.DataFrame, of_set: str, budget: str) -> str:
    """The method that is better than the second on the same seeds by more than chance would give; else "" ."""
    order = list(ranked(runs, of_set, budget).index)
    if len(order) < 2:
        return ""
    return order[0] if outcome(paired(runs, of_set, budget, *order[:2])) == "holds" else ""


def differences(paired_rows: pd.DataFrame, runs: pd.DataFrame, of_set: str) -> Table | None:
    """Every method less every baseline on the same seeds; None where nothing is held against a baseline.

    Args:
        paired_rows: from `transfer_numbers.differences`.
    """
    if paired_rows.empty or not (paired_rows["set"] == of_set).any():
        return None
    mine, columns = paired_rows[paired_rows["set"] == of_set], budgets(runs, of_set)
    rows = []
    for (method, base), found in mine.groupby(["method", "other"], sort=False):
        by = {row["budget"]: row for row in found.to_dict("records")}
        cells = [_gain(by[budget]) if budget in by else EMPTY for budget in columns]
        rows.append([Cell(str(method), f"less {base}"), *cells])
    remarks = ["An empty cell: one of the two was not run."] if len(mine) < len(rows) * len(columns) else []
    remarks += ["A dash: no seed in common."] if (mine["seeds"] == 0).any() else []
    return Table(["method less baseline", *heads(columns)], rows, " ".join(remarks), _over(len(columns)))


def differences_words(paired_rows: pd.DataFrame) -> str:
    """What all tables of differences show."""
    if paired_rows.empty or paired_rows["seeds"].max() < 2:
        return "Difference in percentage points. One seed: no interval, no p."
    return (
        "Difference in percentage points, mean over the seeds that both have; in brackets 95 % Student intervals, then "
        "p and the seeds on which the method is ahead. Bold: p below 0.05, not corrected for the number of comparisons."
    )


def _gain(row: dict[Any, Any]) -> Cell:
    if not row["seeds"]:
        return DASH
    small = ""
    if row["seeds"] > 1:
        ahead = f"{row['ahead']} of {row['seeds']}"
        small = f"{interval(row['low'], row['high'])}\n{probability(row['p'])}, {ahead}"
    return Cell(signed(row["difference"]), small, bool(row["p"] < 0.05))


MADE = {"steps": "steps", "seconds": "training took", "precision": "precision", "commit": "commit"}


def every_run(runs: pd.DataFrame) -> Table:
    """Every run, and what made it as far as the table tells."""
    known = [name for name in MADE if name in runs and runs[name].notna().any()]
    several = len(sets(runs)) > 1
    rows = []
    for row in runs.to_dict("records"):
        cells = [Cell(str(row["method"]), str(row.get("run", ""))), *([Cell(str(row["set"]))] if several else [])]
        cells += [Cell(str(row["budget"])), Cell(str(row["seed"])), Cell(number(100 * row["accuracy"]))]
        rows.append([*cells, *(_made(name, row[name]) for name in known)])
    first = ["method", *(["class set"] if several else []), "labels", "seed", "accuracy, %"]
    plus = " A + behind a commit: the code had been changed." if "commit" in known else ""
    return Table([*first, *(MADE[name] for name in known)], rows, f"Accuracy on target test images.{plus}")


def _made(name: str, value: Any) -> Cell:
    if pd.isna(value):
        return DASH
    if name == "seconds":
        return Cell(numbers.duration(float(value)))
    return Cell(count(value) if name == "steps" else str(value))


def transfer_lines(runs: pd.DataFrame, baselines: Sequence[str] = ()) -> list[str]:
    """A line a set and budget for a terminal: the leading method, its accuracy, and by how much it leads which other.

    Args:
        runs: as `transfer_study.write_transfer` takes them.
        baselines: the methods that others are held against; without any, the leader is held against the second.

    Raises:
        InputError: as `transfer_runs.check`.
    """
    check(runs, baselines)
    found = {(row["set"], row["budget"]): leading(runs, row) for row in duels(runs, baselines)}
    wide = max(len(name) for name in sets(runs))
    lines = []
    for of_set in sets(runs):
        for budget in budgets(runs, of_set):
            means = ranked(runs, of_set, budget)
            duel = found.get((of_set, budget))
            top = duel["method"] if duel else str(means.index[0])
            first = (
                f"{escape(of_set.ljust(wide))}  {escape(budget):>6}  [bold]{100 * means[top]:5.1f} %  {escape(top)}[/]"
            )
            lines.append(f"{first}{_lead(duel)}")
    return lines


def _lead(duel: dict[str, Any] | None) -> str:
    """`  +9.4 over source then fine-tune, 7.1 to 11.8, p = 0.001`."""
    if duel is None or not duel["seeds"]:
        return ""
    shown = f"{100 * duel['difference']:+.1f} against {escape(duel['other'])}"
    if not math.isnan(duel["low"]):
        shown += f", {100 * duel['low']:.1f} to {100 * duel['high']:.1f}, p = {duel['p']:.2g}"
    return f"  [dim]{shown}[/]"
