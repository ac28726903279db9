"""Figures of several methods together, one run of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spacewise.report import curves, layouts, maps, matrices, numbers, reading
from spacewise.report.comparison import FALSE_ALARMS, value
from spacewise.report.style import (
    INK,
    MUTED,
    PAPER,
    SUBSETS,
    TEXT,
    canvas,
    clean,
    colour,
    dot,
    heading,
    legend,
    note,
    plain,
    wrapped,
)

if TYPE_CHECKING:
    from spacewise.audits import Audit

MOST = 8
"""Methods with a map of their own: of more, the first."""


@dataclass(frozen=True)
class Panel:
    """A figure to be drawn, and its words."""

    name: str
    title: str
    caption: str
    draw: Callable[[], Figure]


def panels(table: pd.DataFrame, audits: Mapping[str, Audit], floors: Mapping[str, float]) -> list[Panel]:
    """What a comparison shows.

    Args:
        table: from `comparison.compare`.
        audits: method -> its first run.
        floors: subset -> accuracy on raw pixels.
    """
    some = dict(list(audits.items())[:MOST])
    base = next(iter(audits))
    left_out = f" The first {MOST} methods." if len(audits) > MOST else ""
    found = [Panel("methods", "Accuracy by method", CAPTIONS["methods"], lambda: methods(table, floors))]
    if (table["figure"] == FALSE_ALARMS).any():
        title = "Rejecting what was never trained on"
        found.append(Panel("roc", title, CAPTIONS["roc"], lambda: roc(audits)))
    title = "The classifier space of each method"
    found.append(Panel("tsne", title, CAPTIONS["tsne"] + left_out, lambda: tsne(some)))
    if reading.classes_tested(audits[base]) >= 2:
        first, second = reading.most_confused(audits[base])
        title = f"{first} and {second} along their own axes"
        caption = f"The two classes that {base} confuses most, in the classifier space of each method.{left_out}"
        found.append(Panel("projections", title, caption, lambda: projections(some, first, second)))
    title = "Which class is taken for which"
    found.append(Panel("confusions", title, CAPTIONS["confusions"] + left_out, lambda: confusions(some)))
    return found


CAPTIONS = {
    "methods": "Dots: ours, with 95 % intervals. What lies left of the dashed line of its colour does no better than a "
    "nearest neighbour on raw pixels.",
    "roc": "Detection of known classes against false alarms from confusers. Up and to the left is better; rings: false "
    "alarms at 90 % detection.",
    "tsne": "One point an image, colour the true class, rings the misclassified test images. Compare how tight and how "
    "separate the clusters are, and how many rings lie in foreign ones; where a cluster lies is chance.",
    "confusions": "Blue: right; orange: wrong, drawn by the root of its share so that single percents are seen.",
}


def methods(table: pd.DataFrame, floors: Mapping[str, float]) -> Figure:
    """Seen, unseen and overall accuracy of every method with intervals, the paper's beside them.

    Args:
        table: from `comparison.compare`.
        floors: subset -> accuracy on raw pixels.
    """
    names = list(dict.fromkeys(table["method"]))
    subsets = [figure for figure in ("unseen", "overall", "seen") if (table["figure"] == figure).any()]
    figure = canvas(1.3 + 0.62 * len(names))
    ax = clean(figure.subplots(), "x")
    lines = np.linspace(-0.2, 0.2, len(subsets)) if len(subsets) > 1 else [0.0]
    for offset, subset in zip(lines, subsets):
        ink = SUBSETS[subset]
        ax.axvline(100 * floors[subset], color=ink, linewidth=1.1, linestyle=(0, (4, 3)), alpha=0.8, zorder=1)
        for y, name in enumerate(names):
            row = value(table, name, subset)
            ax.plot(
                [100 * row["low"], 100 * row["high"]],
                [y + offset] * 2,
                color=ink,
                linewidth=2.4,
                alpha=0.55,
                solid_capstyle="round",
            )
            ax.plot(100 * row["mean"], y + offset, "o", color=ink, markersize=6.5)
            ax.plot(100 * row["paper"], y + offset, "D", color=ink, markersize=5.5, markerfacecolor=PAPER)
    ax.set_yticks(range(len(names)), [plain(wrapped(name, 34)) for name in names], color=INK)
    ax.set_ylim(len(names) - 0.5, -0.5)
    for y in range(1, len(names)):
        ax.axhline(y - 0.5, color=MUTED, linewidth=0.5, alpha=0.25)
    ax.set_xlim(None, 100.5)
    ax.set_xlabel("accuracy, %")
    entries = [(dot(SUBSETS[subset]), subset) for subset in reversed(subsets)]
    entries.append((dot(MUTED, "", linestyle=(0, (3, 2)), linewidth=1.2), "nearest neighbour on pixels"))
    if table["paper"].notna().any():
        entries.append((dot(MUTED, "D", markerfacecolor=PAPER), "the paper's"))
    legend(figure, entries, loc="outside upper left", ncols=len(entries))
    return figure


def roc(audits: Mapping[str, Audit], score: str = reading.POSTERIOR) -> Figure:
    """One curve a method, for one score."""
    figure = canvas(4.6)
    shown = {
        name: (*curves.scores_of(audit, score), colour(index)) for index, (name, audit) in enumerate(audits.items())
    }
    curves.draw(figure.subplots(), shown)
    parts = next(iter(audits.values())).facts["parts"]
    note(
        figure,
        f"Score: {reading.score_words(score)}. {numbers.count(parts['test'])} test images of known classes, "
        f"{numbers.count(parts['confusers'])} images of confusers. First run of each method.",
    )
    return figure


def _grid(names: Sequence[str], columns: int, height: float) -> tuple[Figure, dict[str, Axes]]:
    rows = -(-len(names) // columns)
    figure = canvas(0.7 + height * rows)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes[len(names) :]:
        ax.set_visible(False)
    for ax, name in zip(axes, names):
        heading(ax, wrapped(name, 106 // columns - 3))
        ax.title.set_fontsize(TEXT + 0.5)
    return figure, dict(zip(names, axes))


def tsne(audits: Mapping[str, Audit], space: str = "classifier", seed: int = 0) -> Figure:
    """The same space of every method as a map."""
    figure, axes = _grid(list(audits), 2, 3.9)
    for name, ax in axes.items():
        maps.draw_plane(ax, audits[name], space, seed, (4.7, 3.5))
    legend(figure, maps.MAP_MARKS, loc="outside upper left", ncols=3)
    note(figure, layouts.made(next(iter(audits.values())), space, seed, " in each map"))
    return figure


def projections(audits: Mapping[str, Audit], first: str, second: str) -> Figure:
    """The same two class axes of every method's classifier space."""
    figure, axes = _grid(list(audits), 2, 5.6)
    for name, ax in axes.items():
        maps.draw_projection(ax, audits[name], first, second, 3.9)
    entries = [(dot(colour(0)), first), (dot(colour(1)), second)]
    legend(figure, [*entries, *maps.MAP_MARKS[:2]], loc="outside upper left", ncols=4)
    note(
        figure,
        f"Logits of {first} and {second}. Below the line {first} has the larger logit. Table: percent of the row's "
        "class. Each panel has its own scale: the losses set how long logits grow.",
    )
    return figure


def confusions(audits: Mapping[str, Audit]) -> Figure:
    """The confusion matrices of all methods."""
    classes = len(next(iter(audits.values())).classes)
    figure, axes = _grid(list(audits), 2, 4.2)
    for name, ax in axes.items():
        matrices.draw(ax, reading.counts(audits[name]), 3.7 / classes)
    note(
        figure,
        "Rows: true class, with its number of test images. Columns: predicted class. Percent of the row; cells of 0 "
        "are empty. Images as stored.",
    )
    return figure
