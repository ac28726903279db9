"""Who are the nearest neighbours of a test image, in one space and in another? (Vo and Hays, figure 8.)"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from spacewise.errors import InputError, unknown
from spacewise.measures import checks
from spacewise.measures.nearest import nearest_neighbours
from spacewise.report import reading, retrieval
from spacewise.report.style import (
    GRID,
    INK,
    MUTED,
    PAPER,
    SEEN,
    SMALL,
    TEXT,
    WIDTH,
    blank,
    canvas,
    note,
    plain,
    shortened,
)

if TYPE_CHECKING:
    from spacewise.audits import Audit

SHOWN = 5
RIGHT, WRONG = SEEN, "#CC3311"
STEP, LABEL, TITLE = 1.14, 1.1, 0.62
"""In chips: from one to the next, the room of a space's name, and that of a class's name."""

BLOCK = STEP + LABEL + SHOWN * STEP
ACROSS = 2 * BLOCK + 0.5


def gallery(audit: Audit, spaces: Sequence[str] | None = None, number: int = 6) -> Figure:
    """The nearest neighbours of test images that one space gets right and another wrong, both ways.

    Args:
        audit: of a run whose test classes were never trained on.
        spaces: two or more; queries are those that the first and the last differ on. The recommended space
            and the one under the loss, where none are given.
        number: queries, half of each way where there are as many.

    Raises:
        InputError: fewer than two spaces, an unknown one, a number below 1.
    """
    names = _spaces(audit, spaces)
    samples = reading.test_samples(audit)
    ways = differing(samples, names[0], names[-1])
    half = -(-checks.whole("number", number) // 2)
    left, right = (list(spread_over_classes(samples.loc[rows]))[:half] for rows in ways)
    height = TITLE + len(names) * STEP + 0.25
    rows = max(len(left), len(right), 1)
    figure = canvas((rows * height + 0.7) * WIDTH / ACROSS + 0.75)
    ax = blank(figure.subplots())
    ax.set(xlim=(0, ACROSS), ylim=(rows * height, -0.7), aspect="equal")
    neighbours = {name: _neighbours(audit, samples, name, [*left, *right]) for name in names}
    for column, (queries, way) in enumerate(((left, (0, -1)), (right, (-1, 0)))):
        x = column * (BLOCK + 0.5)
        head = f"Right in {shortened(names[way[0]], 16)}, wrong in {shortened(names[way[1]], 16)}"
        ax.text(x, -0.45, plain(head), fontsize=TEXT, fontweight="bold", color=INK, va="center")
        if not queries:
            ax.text(x, 0.2, "No test image.", fontsize=TEXT, color=MUTED, va="center")
        for row, query in enumerate(queries):
            found = {name: rows_of[query] for name, rows_of in neighbours.items()}
            _block(ax, audit, samples, query, found, x, row * height)
    note(
        figure,
        "Shown are those that come first when the classes take turns, each in the order of its ids. A row: the "
        f"{SHOWN} nearest other test images by the cosine in that space. Tick: same class; cross and dashed frame: "
        "another class.",
    )
    return figure


def _spaces(audit: Audit, spaces: Sequence[str] | None) -> list[str]:
    known = retrieval.spaces(audit)
    spaces = compared(audit) if spaces is None else spaces
    for name in spaces:
        if name not in known:
            raise unknown("space", name, known)
    if len(set(spaces)) < 2:
        raise InputError(f"spaces: {', '.join(spaces)}; a gallery sets two or more side by side")
    return list(spaces)


def compared(audit: Audit) -> tuple[str, str]:
    """The recommended space and the one under the loss; where they are one, the space before it and it."""
    under, recommended = retrieval.under(audit), str(retrieval.advice(audit)["space"])
    return (retrieval.before(audit) or retrieval.spaces(audit)[-1]) if recommended == under else recommended, under


def differing(samples: pd.DataFrame, first: str, second: str) -> tuple[pd.Index, pd.Index]:
    """Rows of test images whose nearest image is right in the first space only, and in the second only."""
    one, other = (samples[f"first_hit@{name}"] == 1 for name in (first, second))
    return samples.index[one & ~other], samples.index[other & ~one]


def spread_over_classes(samples: pd.DataFrame) -> pd.Index:
    """Rows in the order in which they are shown: one of each class by turns, by id. Nothing is picked by eye."""
    ordered = samples.sort_values("id", kind="stable")
    turn = ordered.groupby("label", sort=False).cumcount()
    return ordered.assign(turn=turn).sort_values(["turn", "id"], kind="stable").index


def _neighbours(audit: Audit, samples: pd.DataFrame, space: str, queries: Sequence[int]) -> dict[int, list[int]]:
    """Rows of the nearest other test images of each query, nearest first."""
    if not queries:
        return {}
    place = {row: index for index, row in enumerate(samples.index)}
    values = np.asarray(audit.space(space)[samples.index.to_numpy()], np.float32)
    units = values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)
    own = [place[query] for query in queries]
    _, found = nearest_neighbours(units[own], units, min(SHOWN + 1, len(units)))
    kept = ([i for i in row if i != itself][:SHOWN] for row, itself in zip(found, own, strict=True))
    return {query: [int(samples.index[i]) for i in row] for query, row in zip(queries, kept, strict=True)}


def _block(
    ax: Axes, audit: Audit, samples: pd.DataFrame, query: int, found: dict[str, list[int]], x: float, y: float
) -> None:
    """A query with its class above it, and a row of neighbours for each space."""
    label = samples.loc[query, "label"]
    ax.text(x, y + 0.32, plain(shortened(label, 54)), fontsize=SMALL, color=INK, va="center")
    y += TITLE
    _chip(ax, audit, query, x, y)
    for line, (name, rows) in enumerate(found.items()):
        top = y + line * STEP
        middle = x + STEP + LABEL - 0.12
        ax.text(middle, top + 0.5, plain(shortened(name, 9)), fontsize=SMALL, color=MUTED, ha="right", va="center")
        for rank, row in enumerate(rows):
            left = x + STEP + LABEL + rank * STEP
            _chip(ax, audit, row, left, top)
            _verdict(ax, left, top, samples.loc[row, "label"] == label)


def _chip(ax: Axes, audit: Audit, row: int, x: float, y: float) -> None:
    picture = np.asarray(audit.chips()[row])
    shown = np.repeat(picture, 3, axis=2) if picture.shape[-1] == 1 else picture
    ax.imshow(shown, extent=(x, x + 1, y + 1, y), interpolation="none", aspect="equal", zorder=2)
    ax.add_patch(Rectangle((x, y), 1, 1, fill=False, edgecolor=GRID, linewidth=0.8, zorder=3))


def _verdict(ax: Axes, x: float, y: float, right: bool) -> None:
    """A green frame and a tick, or a red one, dashed, and a cross."""
    ink = RIGHT if right else WRONG
    style = "-" if right else (0, (3, 1.4))
    ax.add_patch(Rectangle((x, y), 1, 1, fill=False, edgecolor=ink, linewidth=2.4, linestyle=style, zorder=4))
    ax.add_patch(Rectangle((x + 0.66, y + 0.66), 0.34, 0.34, color=ink, linewidth=0, zorder=5))
    u, v = x + 0.83, y + 0.83
    strokes = [([-0.09, -0.03, 0.1], [0.0, 0.07, -0.09])]
    if not right:
        strokes = [([-0.08, 0.08], [-0.08, 0.08]), ([-0.08, 0.08], [0.08, -0.08])]
    for across, down in strokes:
        ax.plot(u + np.array(across), v + np.array(down), color=PAPER, linewidth=1.6, zorder=6)
