"""What the spaces of a transfer between two domains look like: how near the domains lie, and class by class."""

from __future__ import annotations

import math
from collections import Counter

import pandas as pd

from spacewise.report.numbers import count
from spacewise.report.tables import Cell, Table
from spacewise.report.transfer_numbers import summary
from spacewise.report.transfer_runs import budgets, methods, several_seeds, words
from spacewise.report.transfer_tables import DASH, EMPTY, heads, spread

MEASURES = {
    "source_accuracy": "source accuracy, %",
    "separability": "separability",
    "distance": "distance",
    "matched": "matched, %",
}


def spaces(runs: pd.DataFrame, of_set: str) -> Table | None:
    """What the embedding looks like, by method and budget; None where nothing was measured."""
    mine = runs[runs["set"] == of_set]
    found = {name: summary(mine, name).set_index(["method", "budget"]) for name in MEASURES}
    found = {name: table for name, table in found.items() if len(table)}
    if not found:
        return None
    made = mine.groupby(["method", "budget"]).size()
    formats = {name: _format(name, table) for name, table in found.items()}
    rows, before = [], ""
    for method in methods(mine):
        for budget, head in zip(budgets(mine, of_set), heads(budgets(mine, of_set)), strict=True):
            key = (method, budget)
            if any(key in table.index for table in found.values()):
                cells = [_measure(table, key, formats[name], made[key]) for name, table in found.items()]
                rows.append([Cell("" if method == before else method), Cell(head), *cells])
                before = method
    first = ["method", "labels", *(MEASURES[name] for name in found)]
    return Table(first, rows, "")


def _format(name: str, table: pd.DataFrame) -> tuple[float, int]:
    """Factor and decimals: percent with one, separability with three, distances with three digits in all."""
    if name in ("source_accuracy", "matched"):
        return 100, 1
    if name == "separability":
        return 1, 3
    largest = float(table["mean"].abs().max())
    return 1, max(0, 2 - math.floor(math.log10(largest))) if largest > 0 else 1


def _measure(table: pd.DataFrame, key: tuple[str, str], form: tuple[float, int], made: int) -> Cell:
    if key not in table.index:
        return DASH
    row = table.loc[key]
    return Cell(spread(row, *form), "" if row["runs"] == made else f"{count(row['runs'])} of {count(made)} runs")


EXPLAINED = {
    "source_accuracy": "Source accuracy: on source test images.",
    "separability": "Separability: how well a classifier tells the two domains apart in the embedding; 0.5: not at "
    "all, 1: always.",
    "distance": "Distance: between the domains, class by class, mean over classes.",
    "matched": "Matched: classes whose nearest class in the other domain is the same class.",
}


def spaces_words(runs: pd.DataFrame) -> str:
    """What all tables of the spaces show."""
    shown = [text for name, text in EXPLAINED.items() if runs[name].notna().any()]
    over = "Mean ± standard error over runs (seeds)." if several_seeds(runs) else "One run each."
    return " ".join([*shown, over, "A dash: not measured."])


def largest(domains: pd.DataFrame, runs: pd.DataFrame) -> tuple[str, str]:
    """The set with the most classes, and its smallest budget that was measured."""
    classes = domains.groupby("set", sort=False)["class"].nunique()
    of_set = str(classes.idxmax())
    held = set(domains.loc[domains["set"] == of_set, "budget"])
    return of_set, next(budget for budget in budgets(runs, of_set) if budget in held)


def domains_by_class(domains: pd.DataFrame, runs: pd.DataFrame) -> list[tuple[str, Table]]:
    """A table a space for the largest set and smallest budget: how far each class lies from itself, by method."""
    of_set, budget = largest(domains, runs)
    mine = domains[(domains["set"] == of_set) & (domains["budget"] == budget)]
    where = [*filter(None, [of_set]), words(budget, budgets(runs, of_set)[budget])]
    titles = {space: ", ".join([f"Class by class in the space {space}", *where]) for space in mine["space"].unique()}
    return [(title, _by_class(mine[mine["space"] == space], methods(runs))) for space, title in titles.items()]


def _by_class(domains: pd.DataFrame, names: list[str]) -> Table:
    names = [name for name in names if (domains["method"] == name).any()]
    by = domains.groupby(["class", "method"], sort=False)
    form = _format("distance", by["distance"].agg(["mean"]))
    found = {key: _class(rows.dropna(subset=["distance"]), form) for key, rows in by}
    classes = list(dict.fromkeys(domains["class"]))
    rows = [[Cell(str(each)), *(found.get((each, name), EMPTY) for name in names)] for each in classes]
    return Table(["class", *names], rows, _class_caption(bool(by.size().max() > 1)))


def _class(rows: pd.DataFrame, form: tuple[float, int]) -> Cell:
    """The distance, and what the nearest class of the other domain was."""
    if rows.empty:
        return DASH
    error = rows["distance"].std(ddof=1) / math.sqrt(len(rows))
    shown = spread({"mean": rows["distance"].mean(), "error": error}, *form)
    matched = int(rows["matched"].astype(bool).sum())
    others = Counter(str(name) for name in rows.loc[~rows["matched"].astype(bool), "nearest"]).most_common(1)
    if len(rows) == 1:
        return Cell(shown, "itself" if matched else others[0][0])
    taken = f"\nelse {others[0][0]}" if others else ""
    return Cell(shown, f"itself {matched} of {len(rows)}{taken}")


def _class_caption(several: bool) -> str:
    start = "Distance between the two domains, class by class"
    if not several:
        return f"{start}. Small: the nearest class in the other domain."
    return (
        f"{start}, mean ± standard error over runs. Small: in how many runs the nearest class in the other domain is "
        "the class itself, and which it is most often otherwise."
    )
