"""What stands in a cell of the three views: how each figure is printed, which end is the better, what leads."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from spacewise.report import numbers
from spacewise.report.comparison import ACCURACIES
from spacewise.report.numbers import interval, large, number
from spacewise.report.tables import Cell

PERCENT = (*ACCURACIES, "share", "area", "changed")
LOWER = ("deletion", "davies_bouldin")
UNRANKED = ("share", "area", "changed")
"""Figures of which more is not better or worse by itself."""

HEADS = {"silhouette": "silhouette", "calinski_harabasz": "Calinski-Harabasz", "davies_bouldin": "Davies-Bouldin"}
SHARES = "Attention on, %"
DASH = Cell("–")


def figures(table: pd.DataFrame) -> dict[str, list[str]]:
    """The columns of the main table that there are, by what they say."""
    held = set(table["figure"])
    definition = next(iter(definitions(table)), "")
    attention = [f"{kind}:{definition}" for kind in ("insertion", "deletion", "difference")]
    wanted = {
        "Accurate, %": ["overall", "unseen"],
        "Separated": ["silhouette", "calinski_harabasz"],
        "Looks at the right thing": attention,
        SHARES: ["share:target", "share:clutter"],
    }
    found = {words: [figure for figure in names if figure in held] for words, names in wanted.items()}
    return {words: names for words, names in found.items() if names}


def definitions(table: pd.DataFrame) -> list[str]:
    """What areas are of, the paper's (accuracy) first."""
    found = [name.split(":")[1] for name in table["figure"] if name.startswith("difference:")]
    return sorted(dict.fromkeys(found), key=lambda name: name != "accuracy")


def head(figure: str) -> str:
    """What stands above a figure's column."""
    kind, _, rest = figure.partition(":")
    return rest if kind == "share" else HEADS.get(kind, kind)


def scale(figure: str) -> tuple[float, int]:
    """By what a figure is multiplied, and its decimals."""
    kind = figure.partition(":")[0]
    if kind in PERCENT:
        return 100, 1
    return (1, 2) if kind == "davies_bouldin" else (1, 3)


def text(figure: str, value: float) -> str:
    """A figure as it is printed: accuracy and shares in percent."""
    if figure == "calinski_harabasz":
        return large(value)
    times, digits = scale(figure)
    return number(times * value, digits)


def ends(figure: str, low: float, high: float) -> str:
    """Its interval."""
    if figure == "calinski_harabasz" and not math.isnan(low):
        return f"[{large(low)}, {large(high)}]"
    return interval(low, high, *scale(figure))


def cell(row: Any, figure: str, leads: bool = False) -> Cell:
    """`95.3`; below it `± 0.1`, or the interval where there is one run, and what the paper prints."""
    small = ends(figure, row["low"], row["high"])
    if row["runs"] > 1:
        small = f"±{numbers.SPACE}{text(figure, row['std'])}"
    if not math.isnan(row["paper"]):
        small = f"{small}\npaper {text(figure, row['paper'])}".strip()
    return Cell(text(figure, row["mean"]), small, leads)


def best(table: pd.DataFrame, figure: str) -> list[str]:
    """The methods that lead in a figure, as printed; none where one stands alone or no end is the better."""
    kind = figure.partition(":")[0]
    rows = table[(table["figure"] == figure) & table["mean"].notna()]
    if kind in UNRANKED or len(rows) < 2:
        return []
    as_shown = rows["mean"].round(scale(figure)[1] + (2 if kind in PERCENT else 0))
    leading = as_shown.min() if kind in LOWER else as_shown.max()
    return list(rows.loc[as_shown == leading, "method"])


def spread_words(table: pd.DataFrame) -> str:
    """What stands behind ± and in brackets."""
    if (table["runs"] == 1).all():
        return "One run each: in brackets 95 % bootstrap intervals over images; another training would differ too. "
    return "Mean ± standard deviation over runs (seeds or folds). "


def change_words(figure: str) -> str:
    """`on another's meadow, its label` for the figure of a change."""
    _, change, *label = figure.split(":")
    return f"{change}, the meadow's label" if label else change
