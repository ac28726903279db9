"""Labels beside the things that they name, moved apart where they would cover one another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from spacewise.report.style import INK, PAPER, SMALL, TEXT, plain


def spread(values: Sequence[float], gap: float) -> np.ndarray:
    """Values moved as little as needed to lie `gap` apart, their order kept.

    Blocks that touch are merged and centred on what they hold, as when labels are placed by hand.
    """
    order = np.argsort(values, kind="stable")
    blocks: list[list[float]] = []  # [sum of (value - own offset), number]
    for value in np.asarray(values, float)[order]:
        blocks.append([value, 1])
        while len(blocks) > 1 and _end(blocks[-2], gap) + gap > _start(blocks[-1], gap):
            upper = blocks.pop()
            lower = blocks[-1]
            lower[0] += upper[0] - upper[1] * lower[1] * gap
            lower[1] += upper[1]
    placed = [_start(block, gap) + gap * i for block in blocks for i in range(int(block[1]))]
    result = np.empty(len(order))
    result[order] = placed
    return result


def _start(block: Sequence[float], gap: float) -> float:
    total, number = block
    return total / number


def _end(block: Sequence[float], gap: float) -> float:
    return _start(block, gap) + (block[1] - 1) * gap


def beside(ax: Axes, entries: Sequence[tuple[float, str, str]], height: float) -> None:
    """Direct labels at the right of an axes: (y in data, text, colour); `height` of the axes in inches.

    Call it once the limits stand.
    """
    to_axes = ax.transData + ax.transAxes.inverted()
    wanted = [float(to_axes.transform((0, y))[1]) for y, _, _ in entries]
    for y, (_, text, colour) in zip(spread(wanted, TEXT * 1.35 / 72 / height), entries, strict=True):
        ax.text(1.012, y, plain(text), color=colour, fontsize=TEXT, va="center", ha="left", transform=ax.transAxes)


def among(
    ax: Axes, points: np.ndarray, names: Sequence[str], colours: Sequence[str], size: tuple[float, float]
) -> None:
    """Names at their points, on a translucent ground, pushed up or down off one another.

    Args:
        points: (name, 2) in data.
        size: of the axes, inches.
    """
    low, high = np.array([ax.get_xlim(), ax.get_ylim()]).T
    per_inch = np.array(size) / (high - low)
    taken: list[tuple[float, float, float]] = []  # x, y, half width in inches
    height = TEXT * 1.5 / 72
    for index in np.argsort(-points[:, 1], kind="stable"):
        x, y = (points[index] - low) * per_inch
        half = 0.32 * TEXT / 72 * len(names[index]) + 0.05
        steps = sorted(range(-6, 7), key=abs)
        offset = next((s for s in steps if _free(taken, x, y + s * height / 2, half, height)), 0)
        y += offset * height / 2
        taken.append((x, y, half))
        place = low + np.array([x, y]) / per_inch
        ax.text(
            place[0],
            place[1],
            plain(names[index]),
            color=INK,
            fontsize=TEXT if len(names) <= 20 else SMALL,
            ha="center",
            va="center",
            bbox={
                "boxstyle": "round,pad=0.25",
                "facecolor": PAPER,
                "edgecolor": colours[index],
                "linewidth": 1.0,
                "alpha": 0.85,
            },
            zorder=9,
        )


def _free(taken: Sequence[tuple[float, float, float]], x: float, y: float, half: float, height: float) -> bool:
    return all(abs(x - u) >= half + w or abs(y - v) >= height for u, v, w in taken)
