"""Which class is taken for which, as a matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from spacewise.measures.confusion import normalised
from spacewise.report import numbers, reading
from spacewise.report.style import INK, MUTED, OVERALL, UNSEEN, blank, canvas, note, plain, shortened

if TYPE_CHECKING:
    from spacewise.audits import Audit

WHITE = "#fefefe"


def confusion(audit: Audit) -> Figure:
    """Percent of each true class by predicted class, and how many samples each row is of."""
    counts = reading.counts(audit)
    figure = canvas(min(9.5, 2.2 + 0.42 * len(counts)))
    draw(figure.subplots(), counts, 8.0 / len(counts))
    note(
        figure,
        "Rows: true class, with its number of test images. Columns: predicted class. Percent of the row; "
        f"cells of 0 are empty. Images as stored, {audit.facts['weights']} weights.",
    )
    return figure


def draw(ax: Axes, counts: pd.DataFrame, cell: float) -> None:
    """The matrix; numbers where a cell, `cell` inches wide, has room for them."""
    shares = normalised(counts).to_numpy()
    number = len(shares)
    blank(ax)
    ax.pcolormesh(np.arange(number + 1), np.arange(number + 1), _paint(shares), rasterized=number > 40)
    for i in range(number + 1):
        ax.axhline(i, color=INK, alpha=0.12, linewidth=0.5)
        ax.axvline(i, color=INK, alpha=0.12, linewidth=0.5)
    ax.set(xlim=(0, number), ylim=(number, 0))
    size = min(9.0, 26 * cell)
    if size >= 4.5:
        _numbers(ax, shares, size, decimals=cell > 0.36)
    names = [shortened(name, 22) for name in counts.index]
    _names(ax, names, counts.sum(axis=1).to_numpy(), min(9.0, max(4.5, 260 / number * min(1, cell / 0.3))))


def _paint(shares: np.ndarray) -> np.ndarray:
    """Blue where right, orange where wrong, see-through at zero so that the page shows.

    Errors are drawn by the root of their share: 2 % must be seen beside 98 %.
    """
    share = np.nan_to_num(shares) / 100
    right = np.eye(len(share), dtype=bool)
    colours = np.where(right[..., None], to_rgb(OVERALL), to_rgb(UNSEEN))
    alpha = np.where(right, 0.75 * share, 0.9 * np.sqrt(share))
    return np.concatenate([colours, alpha[..., None]], axis=2)


def _numbers(ax: Axes, shares: np.ndarray, size: float, decimals: bool) -> None:
    for (row, column), value in np.ndenumerate(shares):
        shown = numbers.number(value, 1 if decimals and value < 99.95 else 0)
        if not np.isfinite(value) or value == 0:
            continue
        strong = value > (60 if row == column else 40)
        ax.text(
            column + 0.5,
            row + 0.5,
            "<1" if shown == "0" else shown,
            ha="center",
            va="center",
            fontsize=size,
            color=WHITE if strong else INK,
        )


def _names(ax: Axes, names: list[str], totals: np.ndarray, size: float) -> None:
    ticks = np.arange(len(names)) + 0.5
    shown = [numbers.count(total) for total in totals]
    room = 10 + 0.62 * size * max(map(len, shown))
    beside: dict[str, Any] = {"textcoords": "offset points", "ha": "right", "va": "center", "fontsize": size}
    for y, name, total in zip(ticks, names, shown, strict=True):
        ax.annotate(plain(name), (0, y), (-room, 0), color=INK, **beside)
        ax.annotate(total, (0, y), (-5, 0), color=MUTED, **beside)
    slanted = max(map(len, names)) > 5
    ax.xaxis.tick_top()
    ax.set_xticks(
        ticks,
        [plain(name) for name in names],
        fontsize=size,
        color=INK,
        rotation=40 if slanted else 0,
        ha="left" if slanted else "center",
        rotation_mode="anchor" if slanted else "default",
    )
    ax.tick_params(length=0, pad=4)
