"""The figure of a transfer between two domains: accuracy over the budget of labels, a panel a class set."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spacewise.report import style
from spacewise.report.numbers import count
from spacewise.report.style import MUTED, canvas, clean, colour, dot, heading, legend, note, plain, shortened, wrapped
from spacewise.report.transfer_numbers import summary
from spacewise.report.transfer_runs import budgets, methods, sets, several_seeds

MARKERS = (*style.MARKERS, "P", "X", "p", "<", ">", "h", "*")
CHANCE = (0, (1, 1.6))
TITLE = "Accuracy over the budget of labels"


def caption(runs: pd.DataFrame) -> str:
    """What to look for."""
    shown = "Target test accuracy against the number of labelled target images; the budgets are evenly spaced. "
    shown += "Large: means over seeds; small and faint: single runs." if several_seeds(runs) else "One seed."
    return shown + (" Where a line ends or breaks, the method was not run." if _has_gaps(runs) else "")


def _has_gaps(runs: pd.DataFrame) -> bool:
    held = len(runs.drop_duplicates(["set", "method", "budget"]))
    whole = sum(len(budgets(runs, name)) * runs.loc[runs["set"] == name, "method"].nunique() for name in sets(runs))
    return held < whole


def over_budgets(runs: pd.DataFrame) -> Figure:
    """A panel a set, a line a method: means with standard errors, single runs behind them, chance dotted."""
    names, whole = methods(runs), summary(runs)
    figure, axes = _grid(sets(runs), -(-len(names) // 3))
    for of_set, ax in axes.items():
        places = {budget: x for x, budget in enumerate(budgets(runs, of_set))}
        for index, name in enumerate(names):
            aside = 0.07 * (index - (len(names) - 1) / 2) / max(1, len(names) / 4)
            _method(ax, _of(runs, of_set, name), _of(whole, of_set, name), places, index, aside)
        _axis(ax, budgets(runs, of_set))
        if "chance" in runs:
            chance = 100 * float(runs.loc[runs["set"] == of_set, "chance"].iloc[0])
            ax.axhline(chance, color=MUTED, linewidth=1.4, linestyle=CHANCE, zorder=1)
    next(iter(axes.values())).set_ylabel("target test accuracy, %")
    entries = [
        (dot(colour(i), MARKERS[i % len(MARKERS)], linestyle="-"), shortened(name, 44)) for i, name in enumerate(names)
    ]
    if "chance" in runs:
        entries.append((dot(MUTED, "", linestyle=CHANCE, linewidth=1.4), "chance"))
    legend(figure, entries, loc="outside upper left", ncols=_columns([text for _, text in entries]))
    note(figure, _note(runs))
    return figure


def _columns(texts: list[str]) -> int:
    """Of a legend: all beside one another where they fit, else three."""
    return len(texts) if sum(len(text) + 7 for text in texts) < 130 else min(3, len(texts))


def _note(runs: pd.DataFrame) -> str:
    shown = "Bars: ± a standard error of the mean over seeds; none where there is one." if several_seeds(runs) else ""
    scales = "Each panel has its own scale." if len(sets(runs)) > 1 else ""
    return f"{shown} {scales}".strip() or "One run each: no standard errors."


def _of(table: pd.DataFrame, of_set: str, method: str) -> pd.DataFrame:
    return table[(table["set"] == of_set) & (table["method"] == method)]


def _grid(names: list[str], lines: int) -> tuple[Figure, dict[str, Axes]]:
    """One to three panels a row, four as two by two."""
    columns = 2 if len(names) == 4 else min(3, len(names))
    rows = -(-len(names) // columns)
    figure = canvas(0.9 + 0.22 * lines + (3.9 if columns < 3 else 3.5) * rows)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes[len(names) :]:
        ax.set_visible(False)
    for ax, name in zip(axes, names):
        clean(ax, "y")
        if name:
            heading(ax, wrapped(name, 100 // columns - 2))
    return figure, dict(zip(names, axes))


def _method(
    ax: Axes, runs: pd.DataFrame, means: pd.DataFrame, places: Mapping[str, int], index: int, aside: float
) -> None:
    """One line, broken where the method was not run; a little beside its place, so that bars stay apart."""
    ink, shape = colour(index), MARKERS[index % len(MARKERS)]
    by, x = means.set_index("budget"), np.arange(len(places)) + aside
    mean, error = (100 * by[column].reindex(list(places)).to_numpy(float) for column in ("mean", "error"))
    if len(runs) > len(means):
        each = runs["budget"].map(places).to_numpy(float) + aside
        accuracy = 100 * runs["accuracy"].to_numpy(float)
        ax.plot(each, accuracy, shape, color=ink, markersize=4, alpha=0.3, markeredgewidth=0, zorder=2)
    ax.errorbar(x, mean, np.nan_to_num(error), fmt="none", ecolor=ink, elinewidth=1.6, capsize=3, zorder=3)
    ax.plot(x, mean, marker=shape, color=ink, linewidth=1.8, markersize=6.5, zorder=4)


def _axis(ax: Axes, labels: Mapping[str, int]) -> None:
    texts = [budget if budget == str(number) else f"{budget}\n{count(number)}" for budget, number in labels.items()]
    ax.set_xticks(range(len(labels)), [plain(text) for text in texts])
    ax.set_xlim(-0.4, len(labels) - 0.6)
    ax.set_xlabel("labelled target images")
