"""Figures of what semi-supervised methods are worth: by epoch, confusions, maps, and how classes were chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spacewise.report import matrices
from spacewise.report.numbers import count, percent
from spacewise.report.semi_verdict import CORRECTED, RELEASED, Confusion, Map, company, floor, main
from spacewise.report.style import (
    COLOURS,
    INK,
    MARKERS,
    MUTED,
    OVERALL,
    TEXT,
    UNSEEN,
    blank,
    canvas,
    clean,
    colour,
    dot,
    heading,
    legend,
    note,
    plain,
    shortened,
    wrapped,
)
from spacewise.report.transfer_figures import _columns
from spacewise.report.transfer_runs import methods, sets

DASHED = (0, (4, 2))
ALIKE = (4, 7)  # of the palette: sky blue, which on dark is too near to blue, and the grey of labels alone
CHOOSING = {CORRECTED: "validation", RELEASED: "test"}  # preset -> part whose accuracy chooses the best epoch
HELD_OUT = "held_out"  # the accuracy on that part, of the trained network
MEASURES = {
    HELD_OUT: "{} accuracy, %",
    "averaged_accuracy": "averaged network, {} accuracy, %",
    "purity": "purity, %",
    "coverage": "coverage, %",
}


def inks(table: pd.DataFrame) -> dict[str, str]:
    """method -> colour, the same on the whole page; labels alone are grey."""
    floors = {floor(table, of_set) for of_set in sets(table)}
    learners = [name for name in methods(table) if name not in floors]
    shades = [colour(index) for index in range(len(COLOURS)) if index not in ALIKE]
    found = dict.fromkeys(methods(table), MUTED)
    return found | {name: shades[place % len(shades)] for place, name in enumerate(learners)}


def measured(curves: pd.DataFrame, table: pd.DataFrame, figures: Sequence[str]) -> list[str]:
    """Those of the figures (of `MEASURES`) that any run that answers has by epoch."""
    mine = _of_main(curves, table)
    return [name for name in figures if name in mine and mine[name].notna().any()]


def _of_main(curves: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """The curves of the runs that answer, with what the part says that chose the best epoch as `HELD_OUT`."""
    if curves.empty:
        return curves
    known = main(table)[["set", "preset"]].drop_duplicates()
    mine = curves.merge(known, on=["set", "preset"])
    columns = mine["preset"].map(CHOOSING) + "_accuracy"
    held = [row.get(column, np.nan) for row, column in zip(mine.to_dict("records"), columns, strict=True)]
    return mine.assign(**{HELD_OUT: np.asarray(held, float)})


def parts(curves: pd.DataFrame, table: pd.DataFrame) -> dict[str, str]:
    """set -> the part of its images, `validation` or `test`, that its accuracy by epoch is of."""
    mine = _of_main(curves, table)
    return {} if mine.empty else mine.groupby("set", sort=False)["preset"].first().map(CHOOSING).to_dict()


def by_epoch(curves: pd.DataFrame, table: pd.DataFrame, figures: Sequence[str]) -> Figure:
    """A column a set, a row a figure: mean line of every method, and a band of ± a standard error over seeds."""
    of = parts(curves, table)
    mine, shades = _of_main(curves, table), inks(table)
    names = [of_set for of_set in sets(table) if (mine["set"] == of_set).any()]
    panels = [(figure, of_set) for figure in figures for of_set in names]
    held = set(mine.loc[mine[list(figures)].notna().any(axis=1), "method"])
    shown = [name for name in methods(table) if name in held]
    columns = min(3, len(names)) if len(names) > 1 else len(figures)
    drawn, axes = _grid(len(panels), columns, 3.0, -(-len(shown) // 3))
    for (figure, of_set), ax in zip(panels, axes):
        clean(ax, "y")
        heading(ax, wrapped(of_set, 100 // columns - 2))
        for name in shown:
            part = mine[(mine["set"] == of_set) & (mine["method"] == name)]
            _line(ax, part, figure, shades[name])
        ax.set_xlabel("epoch")
        ax.set_ylabel(MEASURES[figure].format(of[of_set]))
    entries = [(dot(shades[name], "", linestyle=_style(shades[name]), linewidth=2), name) for name in shown]
    legend(drawn, entries, loc="outside upper left", ncols=_columns(shown))
    note(drawn, _seeds(mine))
    return drawn


def _style(ink: str) -> Any:
    return DASHED if ink == MUTED else "-"


def _line(ax: Axes, part: pd.DataFrame, figure: str, ink: str) -> None:
    """Over the seeds that have the figure at an epoch; no band where that is one."""
    values = part.dropna(subset=[figure]).groupby("epoch")[figure]
    if not len(values):
        return
    mean, error = 100 * values.mean(), 100 * values.std(ddof=1) / np.sqrt(values.size())
    ax.plot(mean.index, mean, color=ink, linestyle=_style(ink), linewidth=1.9, marker="o" if len(mean) < 3 else "")
    known = error.notna().to_numpy()
    low, high = (mean - error).to_numpy(), (mean + error).to_numpy()
    ax.fill_between(mean.index, low, high, where=list(known), color=ink, alpha=0.14, linewidth=0)


def _seeds(curves: pd.DataFrame) -> str:
    each = set(curves.groupby(["set", "method"])["seed"].nunique())
    if max(each) == 1:
        return "One seed: no bands. Each panel has its own scale."
    seeds = count(max(each)) if len(each) == 1 else f"{count(min(each))} to {count(max(each))}"
    bands = "bands: ± a standard error, none where there is one seed"
    return f"Lines: means over {seeds} seeds; {bands}. Each panel has its own scale."


def _grid(number: int, columns: int, height: float, lines: float = 0) -> tuple[Figure, list[Axes]]:
    """So many panels, the last row's empty places left blank; `lines` of a legend above them."""
    rows = -(-number // columns)
    figure = canvas(0.7 + 0.22 * lines + height * rows)
    axes = list(figure.subplots(rows, columns, squeeze=False).ravel())
    for ax in axes[number:]:
        ax.set_visible(False)
    return figure, axes[:number]


def confusion(found: Sequence[Confusion]) -> Figure:
    """The matrices of one set, two beside one another: percent of each true class, summed over seeds."""
    columns = min(2, len(found))
    drawn, axes = _grid(len(found), columns, 4.6 if columns > 1 else 7.0)
    for (_, method, matrix, classes), ax in zip(found, axes):
        matrices.draw(ax, pd.DataFrame(matrix, list(classes), list(classes)), 5.0 / columns / len(classes))
        heading(ax, wrapped(method, 50))
    note(
        drawn,
        "Rows: true class, with its number of test images times seeds. Columns: predicted class. Percent of the row; "
        "cells of 0 are empty. Last weights.",
    )
    return drawn


def maps(found: Sequence[Map]) -> Figure:
    """The maps of one set: a row a method, a column an epoch, every class in one colour throughout."""
    names, epochs = list(dict.fromkeys(each[1] for each in found)), sorted({each[2] for each in found})
    classes = list(dict.fromkeys(name for each in found for name in each[5]))
    wide = 9.6 / len(epochs)
    columns = max(1, min(5, 120 // (max(len(shortened(name, 22)) for name in classes) + 6)))
    drawn, axes = _grid(len(names) * len(epochs), len(epochs), min(4.2, wide) + 0.3, -(-len(classes) // columns))
    for ax in axes:
        blank(ax)
    for _, method, epoch, points, labels, own in found:
        ax = axes[names.index(method) * len(epochs) + epochs.index(epoch)]
        _points(ax, points, [classes.index(own[label]) for label in labels])
        share = company(points, labels)
        heading(ax, f"{wrapped(method, int(11 * wide))}\nepoch {epoch}: {percent(share)}")
        ax.title.set_fontsize(TEXT)
    entries = [
        (dot(colour(i), MARKERS[i % len(MARKERS)], linestyle="none"), shortened(name, 22))
        for i, name in enumerate(classes)
    ]
    legend(drawn, entries, loc="outside upper left", ncols=columns)
    note(
        drawn,
        "t-SNE, each panel laid out by itself: neighbours mean something; the size of clusters and the distance "
        "between them do not. Percent: points whose nearest neighbour in the panel is of their own class.",
    )
    return drawn


def _points(ax: Axes, points: np.ndarray, places: Sequence[int]) -> None:
    of, look = np.asarray(places), {"s": 11, "alpha": 0.8, "linewidths": 0, "rasterized": len(points) > 500}
    for index in np.unique(of):
        x, y = points[of == index].T
        ax.scatter(x, y, marker=MARKERS[index % len(MARKERS)], color=colour(index), **look)  # type: ignore[arg-type]
    ax.margins(0.04)


def classes(choice: Mapping[str, Any]) -> Figure:
    """Of every class of a set the share of its test images that were taken for another, the most first."""
    errors = sorted(choice["errors"].items(), key=lambda item: -item[1])
    figure = canvas(0.9 + 0.24 * len(errors))
    ax = clean(figure.subplots(), "x")
    chosen = set(choice["classes"])
    for y, (name, share) in enumerate(errors):
        ax.barh(y, 100 * share, height=0.66, color=UNSEEN if name in chosen else OVERALL, alpha=0.85)
        ax.text(100 * share, y, f" {percent(share)}", va="center", fontsize=TEXT, color=INK)
    ax.set_yticks(range(len(errors)), [plain(shortened(name, 34)) for name, _ in errors], color=INK)
    ax.set_ylim(len(errors) - 0.4, -0.6)
    ax.set_xlim(0, 100 * max(0.01, *(share for _, share in errors)) * 1.12)
    ax.set_xlabel("test images taken for another class, %")
    entries = [(dot(UNSEEN, "s"), f"chosen, {len(chosen)}"), (dot(OVERALL, "s"), "left out")]
    legend(figure, entries, loc="outside upper left", ncols=2)
    return figure
