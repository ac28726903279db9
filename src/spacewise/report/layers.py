"""Figures of the question which space generalises to classes never seen.

After figures 2 to 5 of Vo and Hays, Generalization in Metric Learning: Should the Embedding Layer be the
Embedding Layer?
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spacewise.report import labels, numbers, retrieval
from spacewise.report.retrieval import FIRST
from spacewise.report.style import (
    INK,
    MUTED,
    OVERALL,
    PAPER,
    SEEN,
    SMALL,
    TEXT,
    UNSEEN,
    canvas,
    clean,
    colour,
    dot,
    heading,
    legend,
    note,
    plain,
    shortened,
)

if TYPE_CHECKING:
    from spacewise.audits import Audit

INKS = {"train": SEEN, "test": UNSEEN}
SHAPES = {"train": "s", "test": "o"}
SPACE_SHAPES = ("o", "s", "^", "D", "v", "P", "X")
MEANING = (
    "Recall at 1: share of images whose nearest other image of the same part, by the cosine in that space, is of "
    "their class."
)


def layers(audit: Audit) -> Figure:
    """Recall at 1 of every space in network order, on training and on test classes."""
    names = retrieval.spaces(audit)
    found = {part: retrieval.chosen(audit, part) for part in INKS}
    figure = canvas(4.7)
    ax = clean(figure.subplots(), "y")
    for part, aside in zip(INKS, (-0.15, 0.15), strict=True):
        lollipops(ax, 100 * found[part].loc[names, FIRST], INKS[part], SHAPES[part], aside)
    ends = 100 * found["test"].loc[names, ["low", "high"]].to_numpy().T
    ax.vlines(np.arange(len(names)) + 0.15, *ends, color=UNSEEN, linewidth=4.5, alpha=0.4, zorder=4)
    small = len(names) > 12
    texts = [plain(shortened(name, max(8, 100 // len(names)))) for name in names]
    ax.set_xticks(range(len(names)), texts, color=INK, fontsize=SMALL if small else TEXT)
    ax.set(xlim=(-0.6, len(names) - 0.4), ylim=(0, 100))
    ax.set_ylabel("recall at 1, %")
    _figures_below(ax, found, names)
    _marks(ax, audit, names)
    floors = _floors(ax, audit)
    labels.beside(ax, floors, 3.2)
    entries = [(dot(INKS[part], SHAPES[part]), retrieval.WORDS[part]) for part in INKS]
    entries += [(dot(MUTED, "", linestyle=(0, (3, 2)), linewidth=1.2), "raw pixels")] if floors else []
    legend(figure, entries, loc="outside upper left", ncols=len(entries))
    note(figure, f"{MEANING} Thick bars: 95 % intervals of the test figure, drawing whole classes again.")
    return figure


def lollipops(ax: Axes, values: pd.Series, ink: str, shape: str, aside: float, size: float = 6) -> None:
    """Percent as heads on stems from zero, `aside` of the places 0, 1, 2 …"""
    x = np.arange(len(values)) + aside
    ax.vlines(x, 0, values, color=ink, linewidth=1.6, alpha=0.7)
    ax.plot(x, values, shape, color=ink, markersize=size, zorder=5, clip_on=False)


def _figures_below(ax: Axes, found: dict[str, pd.DataFrame], names: Sequence[str]) -> None:
    """The figures themselves, in a line a part, below the names of the spaces."""
    for line, (part, table) in enumerate(found.items()):
        drop = -23 - 13 * line
        _below(ax, -0.65, drop, "training" if part == "train" else part, INKS[part], "right")
        for x, name in enumerate(names):
            _below(ax, x, drop, numbers.number(100 * table.loc[name, FIRST]), INKS[part], "center")


def _below(ax: Axes, x: float, drop: float, text: str, ink: str, side: str) -> None:
    ax.annotate(
        plain(text),
        (x, 0),
        xycoords=ax.get_xaxis_transform(),
        xytext=(0, drop),
        textcoords="offset points",
        ha=side,
        va="top",
        color=ink,
        fontsize=SMALL,
        annotation_clip=False,
    )


def _marks(ax: Axes, audit: Audit, names: Sequence[str]) -> None:
    """Which spaces are under the objective, and which one is recommended: a band, and a word above it."""
    bands = [(name, "under the loss", MUTED, 5) for name in audit.facts["loss_spaces"] if name in names]
    bands.append((str(retrieval.advice(audit)["space"]), "recommended", OVERALL, 19))
    for name, text, ink, rise in bands:
        x = names.index(name)
        ax.axvspan(x - 0.45, x + 0.45, color=ink, alpha=0.1, linewidth=0, zorder=0)
        ax.annotate(
            text,
            (x, 1),
            xycoords=ax.get_xaxis_transform(),
            xytext=(0, rise),
            textcoords="offset points",
            ha="center",
            color=ink,
            fontsize=TEXT,
            fontweight="bold" if ink == OVERALL else "normal",
            annotation_clip=False,
        )


def _floors(ax: Axes, audit: Audit) -> list[tuple[float, str, str]]:
    """Dashed lines at raw pixels, and what is to be written at their ends."""
    found = []
    for part, ink in INKS.items():
        floor = 100 * retrieval.floor(audit, part)
        if not math.isnan(floor):
            ax.axhline(floor, color=ink, linewidth=1.1, linestyle=(0, (4, 3)), alpha=0.8, zorder=1)
            found.append((floor, f"pixels {numbers.number(floor)}", ink))
    return found


def layer_epochs(audit: Audit) -> Figure:
    """Recall at 1 of the deepest spaces over the epochs that weights were kept of."""
    tables = {part: 100 * retrieval.over_epochs(audit, part) for part in INKS}
    figure = canvas(3.7)
    axes = figure.subplots(1, 2, sharey=True)
    for ax, (part, table) in zip(axes, tables.items(), strict=True):
        clean(ax, "y")
        heading(ax, retrieval.WORDS[part].capitalize())
        for index, name in enumerate(table.columns):
            followed(ax, table[name], index)
        ax.set_xlabel("epoch")
        ax.set_xlim(table.index.min(), table.index.max() + 0.01)
        ax.axvline(_epoch(audit), color=MUTED, linewidth=0.8, linestyle=(0, (2, 2)), zorder=0)
    axes[0].set_ylabel("recall at 1, %")
    for ax, table in zip(axes, tables.values(), strict=True):
        ends = [(float(table[n].iloc[-1]), _ending(n, table[n]), colour(i)) for i, n in enumerate(table.columns)]
        labels.beside(ax, ends, 2.6)
    note(figure, f"{MEANING} Epoch 0: before training. Dotted: the weights that all other figures are of.")
    return figure


def followed(ax: Axes, values: pd.Series, index: int, style: Any = "-") -> None:
    """One space's figures over epochs (the index), in the colour and with the marker of its place."""
    shape = SPACE_SHAPES[index % len(SPACE_SHAPES)]
    settings: dict[str, Any] = {"color": colour(index), "marker": shape, "markersize": 5}
    ax.plot(values.index, values, linestyle=style, linewidth=1.8, clip_on=False, zorder=4, **settings)


def _epoch(audit: Audit) -> int:
    return int(retrieval.chosen(audit, "test")["epoch"].iloc[0])


def _ending(name: str, values: pd.Series) -> str:
    return f"{shortened(name, 16)} {numbers.number(float(values.iloc[-1]))}"


def train_test(audit: Audit) -> Figure:
    """Recall at 1 on test classes against that on training classes: a point a space, in network order."""
    names = retrieval.spaces(audit)
    x, y = (100 * retrieval.chosen(audit, part).loc[names, FIRST].to_numpy() for part in ("train", "test"))
    ends = 100 * retrieval.chosen(audit, "test").loc[names, ["low", "high"]].to_numpy().T
    figure = canvas(5.6, 8.2)
    ax = clean(figure.subplots(), "both")
    ax.axline((0, 0), slope=1, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    ax.plot(x, y, color=MUTED, linewidth=1.4, alpha=0.7, zorder=2)
    ax.vlines(x, *ends, color=UNSEEN, linewidth=2.2, alpha=0.4, zorder=3)
    under, recommended = retrieval.under(audit), retrieval.advice(audit)["space"]
    for point in zip(names, x, y, strict=True):
        _point(ax, *point, under, recommended)
    pad = 0.1 * np.ptp(x) + 1
    ax.set(xlim=(x.min() - pad, x.max() + pad), ylim=(ends[0].min() - 3, ends[1].max() + 3))
    ax.set_xticks([tick for tick in ax.get_xticks() if x.min() - pad <= tick <= 100])
    ax.set(xlabel="recall at 1 on training classes, %", ylabel="recall at 1 on test classes, %")
    _names(ax, names, x, y, {under: INK, recommended: OVERALL})
    entries = [(dot(MUTED, "D"), "under the loss"), (dot(OVERALL), "recommended")]
    entries += [(dot(UNSEEN, markersize=4.5), "other spaces"), (dot(MUTED, "", linestyle=(0, (3, 2))), "nothing lost")]
    legend(figure, entries, loc="outside upper left", ncols=4)
    note(figure, f"{MEANING} Bars: 95 % intervals, drawing whole classes again. The line follows the network.")
    return figure


def _point(ax: Axes, name: str, x: float, y: float, under: str, recommended: str) -> None:
    ink = OVERALL if name == recommended else MUTED if name == under else UNSEEN
    size = 8 if name in (under, recommended) else 4.5
    ax.plot(x, y, "D" if name == under else "o", color=ink, markersize=size, markeredgecolor=PAPER, zorder=5)


def _names(ax: Axes, names: Sequence[str], x: np.ndarray, y: np.ndarray, inks: dict[str, str]) -> None:
    """Names beside their points, where neither another name nor a point stands; call it once the limits stand."""
    low, high = np.array([ax.get_xlim(), ax.get_ylim()]).T
    scale = np.array([6.6, 4.2]) / (high - low)  # inches in the unit of an axis
    points = (np.array([x, y]).T - low) * scale
    boxes = [(px - 0.05, py - 0.05, px + 0.05, py + 0.05) for px, py in points]
    for index in sorted(range(len(names)), key=lambda i: names[i] not in inks):
        text = shortened(names[index], 16)
        wide, tall = 0.6 * SMALL / 72 * len(text), 1.25 * SMALL / 72
        places = [points[index] + offset for offset in _offsets(wide, tall)]
        found = [(px, py - tall / 2, px + wide, py + tall / 2) for px, py in places]
        box = next((box for box in found if not any(_meet(box, other) for other in boxes)), found[0])
        boxes.append(box)
        place = low + np.array([box[0], (box[1] + box[3]) / 2]) / scale
        weight = "bold" if names[index] in inks else "normal"
        ink = inks.get(names[index], MUTED)
        ax.text(place[0], place[1], plain(text), color=ink, fontsize=SMALL, fontweight=weight, va="center", zorder=6)


def _offsets(wide: float, tall: float) -> list[np.ndarray]:
    """From a point to the left end of its name, inches: right of it, left of it, then higher and lower."""
    sides = (0.1, -0.1 - wide)
    return [np.array([side, rise * tall]) for rise in (0, 0.9, -0.9, 1.8, -1.8, 2.7, -2.7) for side in sides]


def _meet(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
