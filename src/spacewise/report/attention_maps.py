"""Attention maps of several networks side by side (Ito et al., figures 3 and 4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from spacewise.report import explained, numbers
from spacewise.report.gallery import WRONG, spread_over_classes
from spacewise.report.style import (
    GRID,
    INK,
    MUTED,
    PAPER,
    SMALL,
    TEXT,
    WIDTH,
    blank,
    canvas,
    note,
    plain,
    shortened,
    wrapped,
)

if TYPE_CHECKING:
    from spacewise.explain.stored import Explanation

MOST, IMAGES = 6, 6
"""Networks and images that are set side by side: of more networks, the first."""

SIDE = 128
"""Pixels of a picture's side, at most."""

CAPTION = (
    "A row: an image, and where each network looks, from dark (little) to yellow (most); below, the class that it "
    "takes the image for, with its posterior. Cross and dashed frame: wrong."
)
STEP, FEWEST = 1.1, 5
"""In pictures: from one column to the next; columns that there is room for, at least."""

LINES, MARK = 0.5, 0.09
"""Inches: the room of the words below a picture, and half a mark's side."""


def shared(explanations: Mapping[str, Explanation], number: int = IMAGES) -> pd.DataFrame:
    """Images that all networks were explained on, in the order in which they are shown.

    First those that some get right and others wrong, then those that they take for different classes, then the
    others; in each group the classes take turns, by id. Nothing is picked by eye.

    Returns:
        The first network's rows of `samples`, the index the image's id, and `label`.
    """
    tables = [made.table("samples").set_index("id") for made in explanations.values()]
    ids = [name for name in tables[0].index if all(name in table.index for table in tables[1:])]
    first = tables[0].loc[ids]
    classes = next(iter(explanations.values())).facts["classes"]
    right = pd.concat([table.loc[ids, "correct"] for table in tables], axis=1)
    taken = pd.concat([table.loc[ids, "prediction"] for table in tables], axis=1)
    rank = np.where(right.nunique(axis=1) > 1, 0, np.where(taken.nunique(axis=1) > 1, 1, 2))
    found = first.assign(label=[classes[int(target)] for target in first["target"]], id=first.index, rank=rank)
    found = found.rename_axis(None)
    order = [spread_over_classes(rows) for _, rows in found.groupby("rank")]
    kept = [name for group in order for name in group][:number]
    return found.loc[kept]


def attention(explanations: Mapping[str, Explanation], number: int = IMAGES) -> Figure:
    """One row an image: the picture, then the map of every network upon it, and what it takes the image for.

    Args:
        explanations: of one run of each method.
        number: of images.
    """
    samples = shared(explanations, number)
    width = max(FEWEST, 1 + len(explanations)) * STEP
    inch = width / (WIDTH - 0.3)  # in pictures
    room = int(13 * STEP / inch / TEXT * 8)  # letters in a column
    names = [wrapped(shortened(name, 3 * room), room) for name in ("", *explanations)]
    head, row = (0.15 * max(name.count("\n") + 1 for name in names) + 0.1) * inch, 1 + LINES * inch
    figure = canvas((len(samples) * row + head) / inch + 0.75)
    ax = blank(figure.subplots())
    ax.set(xlim=(-0.02, width), ylim=(len(samples) * row, -head), aspect="equal", anchor="N")
    for column, name in enumerate(names):
        ax.text(column * STEP, -0.05 * inch, plain(name), fontsize=SMALL, fontweight="bold", color=INK, va="bottom")
    tables = [made.table("samples") for made in explanations.values()]
    for line, (identity, sample) in enumerate(samples.iterrows()):
        y = line * row
        for column, (made, table) in enumerate(zip(explanations.values(), tables, strict=True), start=1):
            place = int(np.flatnonzero(table["id"] == identity)[0])
            picture = colours(made.pictures()[place])
            if column == 1:
                _picture(ax, picture, 0, y)
                _below(ax, shortened(sample["label"], room), "true class", 0, y, INK)
            heat = np.asarray(made.maps(explained.attribution(made))[place], float)
            _picture(ax, overlay(picture, heat), column * STEP, y)
            _verdict(ax, made, table.iloc[place], column * STEP, y, room, inch, bool((heat > 0).any()))
    note(figure, _made(explanations))
    return figure


def _made(explanations: Mapping[str, Explanation]) -> str:
    first = next(iter(explanations.values()))
    run = "" if len(explanations) == 1 else " First run of each loss."
    class_ = (
        "class that is predicted" if first.facts["explained"] == "predicted" else f"{first.facts['explained']} class"
    )
    return (
        f"{explained.words(explained.attribution(first))} of the {class_}, each map on its own scale.{run} First the "
        "images that some networks get right and others wrong, then other disagreements, then the rest; the classes "
        f"take turns, by id. Of {numbers.count(len(shared(explanations, 10**9)))} test images explained."
    )


def colours(picture: np.ndarray) -> np.ndarray:
    """A picture (side, side, band) uint8 as (side, side, 3) in 0 to 1: one band is grey."""
    shown = np.asarray(picture, float) / 255
    return np.repeat(shown, 3, axis=2) if shown.shape[2] == 1 else shown[..., :3]


def overlay(picture: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """The map (side, side), zero or more, upon the picture in grey (side, side, 3): most attended yellow."""
    grey = np.repeat(picture.mean(axis=2, keepdims=True), 3, axis=2)
    top = float(heat.max(initial=0.0))
    share = np.clip(heat / top, 0, 1) if top > 0 else np.zeros(heat.shape)
    paint = matplotlib.colormaps["inferno"](0.15 + 0.75 * share)[..., :3]
    weight = 0.15 + 0.5 * share[..., None]
    return (1 - weight) * grey + weight * paint if top > 0 else grey


def _picture(ax: Axes, picture: np.ndarray, x: float, y: float) -> None:
    step = max(1, -(-len(picture) // SIDE))
    shown = picture[::step, ::step]
    ax.imshow(shown, extent=(x, x + 1, y + 1, y), interpolation="none", aspect="equal", zorder=2, vmin=0, vmax=1)
    ax.add_patch(Rectangle((x, y), 1, 1, fill=False, edgecolor=GRID, linewidth=0.8, zorder=3))


def _verdict(ax: Axes, made: Explanation, row: Any, x: float, y: float, room: int, inch: float, heat: bool) -> None:
    """What the network takes the image for; a wrong one is framed and crossed."""
    taken = shortened(made.facts["classes"][int(row["prediction"])], room)
    below = numbers.percent(float(row["confidence"])) + ("" if heat else ", map is zero")
    _below(ax, taken, below, x, y, INK if row["correct"] else WRONG)
    if not row["correct"]:
        frame: dict[str, Any] = {"edgecolor": WRONG, "linewidth": 2.2, "linestyle": (0, (3, 1.4))}
        ax.add_patch(Rectangle((x, y), 1, 1, fill=False, zorder=4, **frame))
        corner = (x + 1 - MARK * inch, y + 1 - MARK * inch)
        ax.plot(*corner, "s", color=WRONG, markersize=2 * 72 * MARK, markeredgewidth=0, zorder=5)
        ax.plot(*corner, "x", color=PAPER, markersize=5.5, markeredgewidth=1.6, zorder=6)


def _below(ax: Axes, text: str, small: str, x: float, y: float, ink: str) -> None:
    settings: dict[str, Any] = {"va": "top", "ha": "left", "textcoords": "offset points", "annotation_clip": False}
    ax.annotate(plain(text), (x, y + 1), (0, -3), fontsize=SMALL + 0.5, color=ink, **settings)
    ax.annotate(plain(small), (x, y + 1), (0, -15), fontsize=SMALL, color=MUTED, **settings)
