"""Figures made of the images themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from spacewise.measures import checks
from spacewise.report import layouts, numbers, reading
from spacewise.report.style import (
    GRID,
    INK,
    MUTED,
    SMALL,
    TEXT,
    UNSEEN,
    blank,
    canvas,
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

CHIP, FRAME = 48, 3
SHEET = (1900, 1300)
"""Pixels of the map of images: two for each of the page's."""


def tsne_chips(audit: Audit, space: str = "classifier", seed: int = 0) -> Figure:
    """The map of `tsne` with the test images in place of points, framed by class."""
    samples = layouts.placed(audit, space, seed)
    test = samples[samples["part"] == "test"]
    kept, corners = _gridded(test[["x", "y"]].to_numpy())
    figure = canvas(7.4)
    ax = blank(figure.subplots())
    ax.imshow(_sheet(audit, test.iloc[kept], corners), interpolation="none", interpolation_stage="data")
    classes = audit.classes
    entries = [(dot(colour(i), "s", markersize=8), shortened(name, 20)) for i, name in enumerate(classes)]
    size, columns = (TEXT if len(classes) < 25 else SMALL), -(-len(classes) // 40)
    legend(figure, entries, loc="outside right upper", labelspacing=0.5, ncols=columns, fontsize=size)
    note(
        figure,
        f"{len(kept)} of {numbers.count(len(test))} test images: in each cell of a grid the one nearest its middle. "
        "Frame: true class. A square in the corner: misclassified, in the colour of the predicted class. "
        + layouts.made(audit, space, seed),
    )
    return figure


def _gridded(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which images are shown (chip,), and their corners on the sheet (chip, 2) in pixels, y down.

    Both axes keep one scale. Images never cover one another: each cell of a grid shows one.
    """
    cell = CHIP + 2 * FRAME + 2
    room = np.array(SHEET) - cell
    low, high = points.min(axis=0), points.max(axis=0)
    scale = (room / np.maximum(high - low, 1e-9)).min()
    placed = (room - scale * (high - low)) / 2 + scale * (points - low)
    placed[:, 1] = room[1] - placed[:, 1]
    cells = (placed / cell).round().astype(int)
    off = np.abs(placed / cell - cells).max(axis=1)
    order = np.lexsort((off, cells[:, 0], cells[:, 1]))
    first = np.unique(cells[order], axis=0, return_index=True)[1]
    kept = np.sort(order[first])
    return kept, cells[kept] * cell


def _sheet(audit: Audit, samples: pd.DataFrame, places: np.ndarray) -> np.ndarray:
    """All images on one see-through picture (height, width, 4)."""
    sheet = np.zeros((SHEET[1], SHEET[0], 4), np.uint8)
    chips = audit.chips()
    whole = CHIP + 2 * FRAME
    rows = zip(samples.index, samples["target"], samples["prediction"], places, strict=True)
    for row, target, prediction, (x, y) in rows:
        sheet[y : y + whole, x : x + whole] = _ink(target)
        picture = _small(chips[row])
        inner = sheet[y + FRAME : y + FRAME + CHIP, x + FRAME : x + FRAME + CHIP]
        inner[..., :3] = picture
        if prediction != target:
            sheet[y : y + 16, x + whole - 16 : x + whole] = _ink(prediction)
    return sheet


def _small(picture: np.ndarray) -> np.ndarray:
    """A picture (side, side, band) at the size of the sheet's images (48, 48, band)."""
    image = Image.fromarray(picture[..., 0] if picture.shape[2] == 1 else picture)
    return np.asarray(image.resize((CHIP, CHIP), Image.Resampling.BOX)).reshape(CHIP, CHIP, -1)


def _ink(index: int) -> np.ndarray:
    return np.array([*(round(255 * part) for part in to_rgb(colour(index))), 255], np.uint8)


def mistakes(audit: Audit, number: int = 24) -> Figure:
    """The test images that are wrong with the most confidence."""
    samples = reading.test_samples(audit)
    wrong = samples[~samples["correct"]].sort_values(["confidence", "id"], ascending=[False, True])
    shown = wrong.iloc[: checks.whole("number", number)]
    columns = 6
    rows = max(1, -(-len(shown) // columns))
    figure = canvas(0.5 + 2.2 * rows)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes:
        blank(ax)
    fact = reading.telling_fact(audit)
    novel = "unseen" in audit.facts["novelty"]
    unseen = reading.mask(samples, "unseen") if novel else np.zeros(len(samples), bool)
    strange = dict(zip(samples.index, unseen, strict=True))
    for ax, (row, sample) in zip(axes, shown.iterrows()):
        _mistake(ax, audit, int(str(row)), sample, fact, strange[row])
    if shown.empty:
        heading(axes[0], "No test image is misclassified.")
    note(
        figure,
        f"{len(shown)} of {numbers.count(len(wrong))} misclassified test images (of {numbers.count(len(samples))}), "
        "the most confident first. True class, then the predicted one with its posterior. Images as stored.",
    )
    return figure


def _mistake(ax: Axes, audit: Audit, row: int, sample: pd.Series, fact: str, unseen: bool) -> None:
    picture = audit.chips()[row]
    shown = picture[..., 0] if picture.shape[-1] == 1 else picture
    ax.imshow(shown, cmap="gray", vmin=0, vmax=255, interpolation="none")
    for spine in ax.spines.values():
        spine.set(visible=True, color=GRID, linewidth=0.8)
    classes = audit.classes
    true = shortened(sample["label"], 20)
    taken = shortened(classes[int(sample["prediction"])], 12)
    ax.set_title(plain(true), loc="left", fontsize=TEXT, color=INK, fontweight="bold", pad=4)
    below = f"as {taken}, {numbers.percent(float(sample['confidence']))}"
    facts = f"{fact} {shortened(sample[fact], 12)}" if fact in sample.index else ""
    facts += ", unseen" if unseen else ""
    ax.set_xlabel("\n ", fontsize=SMALL, labelpad=4)  # the room of both lines; their width must not move the columns
    settings: dict[str, Any] = {"transform": ax.transAxes, "fontsize": SMALL, "va": "top", "in_layout": False}
    ax.text(0, -0.035, plain(below), color=INK, **settings)
    ax.text(0, -0.155, plain(facts), color=UNSEEN if unseen else MUTED, **settings)
