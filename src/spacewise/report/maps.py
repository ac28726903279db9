"""Maps of a space: two of its axes, and t-SNE."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from spacewise.errors import InputError
from spacewise.measures.projection import orthogonal, pair_confusion
from spacewise.report import labels, layouts, numbers, reading
from spacewise.report.style import (
    GRID,
    INK,
    MUTED,
    PAPER,
    SMALL,
    TEXT,
    blank,
    canvas,
    clean,
    colour,
    dot,
    legend,
    marker,
    note,
    plain,
    shortened,
)

if TYPE_CHECKING:
    from spacewise.audits import Audit

MOST_NAMED = 30
"""Classes whose names a small map has room for."""

MAP_MARKS = (
    (dot(MUTED), "test"),
    (dot(MUTED, "x", alpha=0.6), "training"),
    (dot(INK, markerfacecolor="none", markersize=7), "test, misclassified"),
)


def projection(audit: Audit, first: str | None = None, second: str | None = None) -> Figure:
    """Two class axes of the classifier space; the two classes most often confused unless named."""
    first, second = pair(audit, first, second)
    figure = canvas(5.6, 7.4)
    draw_projection(figure.subplots(), audit, first, second, 4.5)
    inks = (colour(0), colour(1))
    entries = [(dot(ink), name) for ink, name in zip(inks, (first, second), strict=True)]
    legend(figure, [*entries, *MAP_MARKS[:2]], loc="outside upper left", ncols=4)
    note(figure, projection_note(audit, first, second))
    return figure


def projection_note(audit: Audit, first: str, second: str) -> str:
    """What the plane is, and how often the two are taken for one another."""
    samples = reading.test_samples(audit)
    found = pair_confusion(
        samples["target"].to_numpy(),
        samples["prediction"].to_numpy(),
        reading.class_index(audit, first),
        reading.class_index(audit, second),
    )
    return (
        f"The classifier space seen along two of its axes; below the line {first} has the larger logit. "
        f"{first} taken for {second}: {numbers.percent(found.first_as_second)} of its test images; the other way: "
        f"{numbers.percent(found.second_as_first)}. Table: percent of the row's class."
    )


def pair(audit: Audit, first: str | None, second: str | None) -> tuple[str, str]:
    """Two classes by name; those most often confused where none is named."""
    if first is None and second is None:
        return reading.most_confused(audit)
    if first is None or second is None:
        raise InputError("a projection needs both classes, first and second, or none")
    for name in (first, second):
        reading.class_index(audit, name)
    return first, second


def draw_projection(ax: Axes, audit: Audit, first: str, second: str, size: float) -> None:
    """Points, the line where both logits are equal, and the small table of the two; the axes' `size` in inches."""
    samples = audit.table("samples")
    indices = [reading.class_index(audit, name) for name in (first, second)]
    points = orthogonal(audit.space("classifier"), *indices)
    clean(ax)
    for part, settings in (
        ("train", {"marker": "x", "s": 14, "alpha": 0.4, "linewidths": 0.8}),
        ("test", {"marker": "o", "s": 14, "alpha": 0.85, "linewidths": 0}),
    ):
        for ink, index in zip((colour(0), colour(1)), indices, strict=True):
            chosen = ((samples["part"] == part) & (samples["target"] == index)).to_numpy()
            ax.scatter(*points[chosen].T, color=ink, rasterized=True, **settings)  # type: ignore[arg-type]
    shown = points[(samples["part"].isin(["train", "test"]) & samples["target"].isin(indices)).to_numpy()]
    low, high = shown.min(), shown.max()
    room = 0.04 * (high - low or 1)
    ax.set(xlim=(low - room, high + room), ylim=(low - room, high + room), aspect="equal")
    ax.axline((low, low), slope=1, color=MUTED, linewidth=0.8, linestyle=(0, (3, 3)), zorder=0)
    ax.set_xlabel(plain(f"logit of {shortened(first, 24)}"))
    ax.set_ylabel(plain(f"logit of {shortened(second, 24)}"))
    extent = (shown - low) / (high - low or 1)
    _small_table(ax, reading.counts(audit), (first, second), extent, (1.95 / size, 0.75 / size))


def _small_table(
    ax: Axes, counts: pd.DataFrame, two: tuple[str, str], points: np.ndarray, size: tuple[float, float]
) -> None:
    """Percent of both rows, in that corner of the axes that holds the fewest points; `size` in axes."""
    names = [shortened(name, 7) for name in two]
    cells = [["", *names, "others"]]
    for name, row in zip(two, names, strict=True):
        shares = 100 * counts.loc[name] / max(1, counts.loc[name].sum())
        both = [shares[other] for other in two]
        cells.append([row, *(numbers.number(share) for share in (*both, max(0.0, 100 - sum(both))))])
    wide, tall = size
    corners = [(x, y) for x in (0.99 - wide, 0.01) for y in (0.01, 0.99 - tall)]
    held = [_inside(points, x, y, wide, tall) for x, y in corners]
    x, y = corners[int(np.argmin(held))]
    table = ax.table(cells, cellLoc="right", bbox=Bbox.from_bounds(x, y, wide, tall), zorder=8)
    table.auto_set_font_size(False)
    for (line, column), cell in table.get_celld().items():
        cell.set(facecolor=PAPER, alpha=0.9, edgecolor=GRID, linewidth=0.6)
        head = line == 0 or column == 0
        cell.get_text().set(color=MUTED if head else INK, fontsize=SMALL if head else TEXT)
        cell.get_text().set_text(plain(cell.get_text().get_text()))


def _inside(points: np.ndarray, x: float, y: float, wide: float, tall: float) -> int:
    corner = np.array([x, y])
    return int(((points >= corner) & (points <= corner + np.array([wide, tall]))).all(axis=1).sum())


def tsne(audit: Audit, space: str = "classifier", seed: int = 0, fit: str = "both") -> Figure:
    """A space laid out in a plane: test bold, training faint, colour the true class, wrong ones ringed."""
    return plane(audit, "tsne", space, seed, fit)


def umap(audit: Audit, space: str = "feature", seed: int = 0, fit: str = "both") -> Figure:
    """The same by UMAP (extra `umap`), fitted on training and test samples, or on `train` alone."""
    return plane(audit, "umap", space, seed, fit)


def pacmap(audit: Audit, space: str = "feature", seed: int = 0, fit: str = "both") -> Figure:
    """The same by PaCMAP (extra `viz`)."""
    return plane(audit, "pacmap", space, seed, fit)


def plane(audit: Audit, method: str, space: str, seed: int, fit: str) -> Figure:
    """A map by any method, with the words that say how it was made."""
    figure = canvas(6.6)
    draw_plane(figure.subplots(), audit, space, seed, (9.6, 5.6), method, fit)
    legend(figure, MAP_MARKS, loc="outside upper left", ncols=3)
    note(figure, layouts.made(audit, space, seed, method=method, fit=fit))
    return figure


def draw_plane(
    ax: Axes,
    audit: Audit,
    space: str,
    seed: int,
    size: tuple[float, float],
    method: str = "tsne",
    fit: str = "both",
) -> None:
    """Points and the names of classes; `size` of the axes in inches."""
    samples = layouts.placed(audit, space, seed, method, fit)
    classes = audit.classes
    blank(ax)
    test = samples[samples["part"] == "test"]
    train = samples[samples["part"] == "train"]
    small = 14 if size[0] > 6 else 8
    for index in range(len(classes)):
        mine = train[train["target"] == index]
        ax.scatter(
            mine["x"], mine["y"], s=small, marker="x", color=colour(index), alpha=0.3, linewidths=0.7, rasterized=True
        )
    for index in range(len(classes)):
        mine = test[test["target"] == index]
        ax.scatter(
            mine["x"],
            mine["y"],
            s=small,
            marker=marker(index, len(classes)),
            color=colour(index),
            alpha=0.85,
            linewidths=0,
            rasterized=True,
        )
    wrong = test[~test["correct"]]
    ax.scatter(
        wrong["x"],
        wrong["y"],
        s=2.6 * small,
        marker="o",
        facecolors="none",
        edgecolors=INK,
        linewidths=0.8,
        zorder=6,
        rasterized=len(wrong) > 1500,
    )
    ax.margins(0.03)
    if size[0] > 6 or len(classes) <= MOST_NAMED:
        _name_classes(ax, samples, classes, size)


def _name_classes(ax: Axes, samples: pd.DataFrame, classes: list[str], size: tuple[float, float]) -> None:
    present = [index for index in range(len(classes)) if (samples["target"] == index).any()]
    points = np.array([_heart(samples.loc[samples["target"] == i, ["x", "y"]].to_numpy()) for i in present])
    ax.set(xlim=ax.get_xlim(), ylim=ax.get_ylim())
    names = [shortened(classes[index], 18) for index in present]
    labels.among(ax, points, names, [colour(index) for index in present], size)


def _heart(points: np.ndarray) -> np.ndarray:
    """The point with the closest company: in the middle of the class's largest cluster, not between two."""
    some = points[:: max(1, len(points) // 300)]
    gaps = np.sort(np.linalg.norm(some[:, None] - some[None], axis=2), axis=1)
    return some[gaps[:, : max(2, len(some) // 3)].mean(axis=1).argmin()]
