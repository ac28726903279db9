"""Figures of a search: the best so far, each choice by itself, and what mattered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from spacewise.report import numbers
from spacewise.report.sidebyside import Panel
from spacewise.report.style import (
    INK,
    MUTED,
    OVERALL,
    PAPER,
    TEXT,
    canvas,
    clean,
    dot,
    heading,
    legend,
    note,
    plain,
    shortened,
)

if TYPE_CHECKING:
    from spacewise.tune.choices import Choice
    from spacewise.tune.table import Searched

ROW = 3  # panels of choices side by side

HISTORY = (
    "Every trial by its validation figure; the line is the best of the finished ones so far. A line that is still "
    "rising says that more trials may find more."
)
CHOICES = (
    "Every trial by the value that it had. Other choices vary along: a panel shows where good trials lie, not what "
    "one choice does by itself."
)
IMPORTANCE = (
    "The share of the variance between finished trials that each choice explains by itself (functional analysis of "
    "variance over a random forest, Hutter et al., ICML 2014, as in Optuna); the rest is what choices do together, "
    "and chance. The mark on each bar is the level that 95 % of permutations of the figures among the trials stay at "
    "or below, and a grey bar does not pass it. It is of the validation figure alone, within the ranges that were "
    "searched, and of few trials: an indication."
)


def panels(found: Searched) -> list[Panel]:
    """What the page of a search shows."""
    shown = [Panel("history", "Best so far", HISTORY, lambda: history(found))]
    shown.append(Panel("choices", "Each choice", CHOICES, lambda: choices(found)))
    if any(share.beyond for share in found.importance.values()):
        shown.append(Panel("importance", "Which choices mattered", IMPORTANCE, lambda: importance(found)))
    return shown


def history(found: Searched) -> Figure:
    """Figure over trials, and the best so far."""
    figure = canvas(3.4)
    ax = clean(figure.subplots(), "y")
    ended = found.trials[found.trials["status"] == "finished"]
    reach = [*ended["trial"], found.trials["trial"].max()]
    best = 100 * ended["figure"].cummax()
    ax.step(reach, [*best, best.iloc[-1]], where="post", color=OVERALL, linewidth=1.8, zorder=2)
    _points(ax, found, found.trials["trial"].to_numpy(float))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(xlabel="trial", ylabel=f"{found.measure}, %")
    _legend(figure, found)
    return figure


def choices(found: Searched) -> Figure:
    """One panel a choice: figure against value; categories side by side."""
    columns = 2 if len(found.choices) == 4 else min(ROW, len(found.choices))
    rows = -(-len(found.choices) // columns)
    figure = canvas(0.7 + 2.75 * rows)
    axes = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for ax in axes[len(found.choices) :]:
        ax.set_visible(False)
    for number, (ax, choice) in enumerate(zip(axes, found.choices)):
        heading(clean(ax, "y"), shortened(choice.name, 34))
        _panel(ax, found, choice)
        if number % columns == 0:
            ax.set_ylabel(f"{found.measure}, %")
    _legend(figure, found)
    if any(choice.options for choice in found.choices):
        note(figure, "Options: points are set apart sideways to be seen; bars are medians of finished trials.")
    return figure


def _panel(ax: Axes, found: Searched, choice: Choice) -> None:
    values = found.trials[choice.name]
    if choice.options:
        places = {option: place for place, option in enumerate(choice.options)}
        numbered = values.map(places).to_numpy(float)
        _points(ax, found, numbered + _aside(numbered))
        _medians(ax, found.finished, choice)
        narrow = max(6, 34 // len(choice.options))
        ax.set_xticks(range(len(places)), [plain(shortened(o, narrow)) for o in choice.options], color=INK)
        ax.set_xlim(-0.6, len(places) - 0.4)
        return
    if choice.log:
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter("{x:g}")
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 3) if choice.high < 300 * choice.low else (1,)))
        ax.xaxis.set_minor_locator(NullLocator())
    else:
        ax.xaxis.set_major_locator(MaxNLocator(5, integer=choice.whole))
    _points(ax, found, values.to_numpy(float))
    room = 0.04
    low, high = (np.log((choice.low, choice.high)) if choice.log else np.array((choice.low, choice.high))).tolist()
    ends = np.array([low - room * (high - low), high + room * (high - low)])
    ax.set_xlim(*(np.exp(ends) if choice.log else ends).tolist())


def _aside(values: np.ndarray) -> np.ndarray:
    """Offsets that spread points of one option evenly, the same every time."""
    golden = 0.618034
    return (np.arange(len(values)) * golden % 1 - 0.5) * 0.5


def _medians(ax: Axes, finished: pd.DataFrame, choice: Choice) -> None:
    for place, option in enumerate(choice.options):
        mine = 100 * finished.loc[finished[choice.name] == option, "figure"]
        if len(mine):
            ax.hlines(mine.median(), place - 0.36, place + 0.36, color=OVERALL, linewidth=2.2, alpha=0.55, zorder=2)


def _points(ax: Axes, found: Searched, places: np.ndarray) -> None:
    """Trials at their places: finished ones filled, stopped ones hollow, the best with a ring."""
    figures = 100 * found.trials["figure"].to_numpy(float)
    status = found.trials["status"].to_numpy()
    ended, stopped = status == "finished", status == "pruned"
    ax.plot(places[stopped], figures[stopped], "o", color=MUTED, markerfacecolor=PAPER, markersize=4.5, zorder=3)
    ax.plot(places[ended], figures[ended], "o", color=OVERALL, markersize=5.5, alpha=0.85, zorder=4)
    best = (found.trials["trial"] == found.finished["trial"].iloc[0]).to_numpy()
    ax.plot(
        places[best],
        figures[best],
        "o",
        color=INK,
        markersize=11,
        markerfacecolor="none",
        markeredgewidth=1.5,
        zorder=5,
    )


def _legend(figure: Figure, found: Searched) -> None:
    entries = [(dot(OVERALL), "finished")]
    if (found.trials["status"] == "pruned").any():
        entries.append((dot(MUTED, markerfacecolor=PAPER), "stopped early, best until then"))
    entries.append((dot(INK, markerfacecolor="none", markersize=9), "best"))
    legend(figure, entries, loc="outside upper left", ncols=len(entries))


def importance(found: Searched) -> Figure:
    """Share of the variance that each choice explains, grey where chance explains as much."""
    names = list(found.importance)
    figure = canvas(0.7 + 0.34 * len(names))
    ax = clean(figure.subplots(), "x")
    shares, chance = (
        [100 * getattr(found.importance[name], which) for name in names] for which in ("explained", "chance")
    )
    colors = [OVERALL if found.importance[name].beyond else MUTED for name in names]
    ax.barh(range(len(names)), shares, height=0.6, color=colors)
    ax.vlines(
        chance, [n - 0.4 for n in range(len(names))], [n + 0.4 for n in range(len(names))], color=INK, linewidth=1.2
    )
    for place, share in enumerate(shares):
        words: dict[str, Any] = {"va": "center", "fontsize": TEXT, "color": INK}
        shown = f"{numbers.number(share, 0)} %"
        ax.annotate(shown, (max(share, chance[place]), place), xytext=(5, 0), textcoords="offset points", **words)
    ax.set_yticks(range(len(names)), [plain(shortened(name, 40)) for name in names], color=INK)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_xlim(0, max(*shares, *chance, 1) * 1.1)
    ax.set_xlabel("share of the variance between finished trials, %")
    return figure
