"""Figures of two domains in one space: a map of both, and how far apart each class of them lies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spacewise.errors import InputError
from spacewise.measures import checks
from spacewise.measures.domains import _codes, _drawn
from spacewise.measures.planes import METHODS, lay_out
from spacewise.report import numbers, reading, transferred
from spacewise.report.style import (
    INK,
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
)

if TYPE_CHECKING:
    from spacewise.audits import Audit

LIMIT = 1500
"""Samples of a domain in one map; of more, so many are drawn at random."""

ROWS = 24
"""Classes in one column of a legend."""

# source filled, target a cross: both are seen where they lie on one another
MARKS: dict[str, dict[str, Any]] = {
    "source": {"marker": "o", "s": 13, "alpha": 0.75, "linewidths": 0},
    "target": {"marker": "x", "s": 18, "alpha": 0.9, "linewidths": 0.9},
}
COLUMNS = ("class", "source_samples", "target_samples", "distance", "nearest", "nearest_distance", "matched")


def map_of_audit(audit: Audit, space: str = transferred.SHARED, seed: int = 0) -> Figure:
    """Test images of both domains of a transfer in one space; arguments and errors as `domain_map`."""
    transferred.space(audit, space)
    source, target = audit.table("source_samples"), reading.test_samples(audit)
    return domain_map(
        audit.source_space(space),
        source["target"].to_numpy(),
        audit.space(space)[target.index.to_numpy()],
        target["target"].to_numpy(),
        audit.classes,
        title=f"{space}, test images",
        seed=seed,
    )


def distances_of_audit(audit: Audit, space: str = transferred.SHARED) -> Figure:
    """How far each class of a transfer's source lies from the same class of its target, as `distance_bars`."""
    return distance_bars(transferred.classes(audit, space))


def domain_map(
    source: Any,
    source_labels: Any,
    target: Any,
    target_labels: Any,
    classes: Sequence[str],
    *,
    title: str,
    seed: int = 0,
) -> Figure:
    """Both domains of one space in one t-SNE: colour the class, filled circles the source, crosses the target.

    Args:
        source: (source sample, dimension).
        source_labels: (source sample,) integer class indices.
        target: (target sample, dimension).
        target_labels: (target sample,) integer class indices.
        classes: (class,) names.
        title: at the head of the map, as `embedding after alignment`.
        seed: of the samples drawn where a domain has more than `LIMIT`, and of the layout.

    Raises:
        InputError: malformed arrays, dimensions that differ, an index without a name, too few samples for t-SNE.
    """
    one = checks.matrix("source", source)
    both = {"source": one, "target": checks.matrix("target", target, columns=one.shape[1])}
    seed = checks.whole("seed", seed, least=0, most=2**32 - 1)
    labels = {
        name: _codes(f"{name}_labels", codes, len(both[name]), len(classes))
        for name, codes in (("source", source_labels), ("target", target_labels))
    }
    rows = {name: _drawn(len(values), LIMIT, seed) for name, values in both.items()}
    made = lay_out("tsne", np.concatenate([both[name][rows[name]] for name in both]), seed=seed)
    points = dict(zip(both, np.split(made.points, [len(rows["source"])]), strict=True))
    figure = canvas(6.6)
    ax = blank(figure.subplots())
    heading(ax, title)
    for name in both:
        _scatter(ax, points[name], labels[name][rows[name]], name)
    ax.margins(0.03)
    _legends(figure, {name: set(codes.tolist()) for name, codes in labels.items()}, classes)
    held = " and ".join(_held(name, len(rows[name]), len(both[name])) for name in both)
    note(
        figure,
        f"{METHODS['tsne']} of both domains together ({one.shape[1]} dimensions): {held}. {made.method}, perplexity "
        f"{made.perplexity:g}, seed {seed}. Neighbours mean something; the size of clusters and the distance between "
        "them do not.",
    )
    return figure


def _scatter(ax: Axes, points: np.ndarray, labels: np.ndarray, domain: str) -> None:
    for index in np.unique(labels):
        settings = MARKS[domain] | {"color": colour(int(index)), "label": f"{domain} {index}", "rasterized": True}
        ax.scatter(*points[labels == index].T, **settings)


def _legends(figure: Figure, present: dict[str, set[int]], classes: Sequence[str]) -> None:
    """Domains above the map, classes that have samples at its right."""
    marks = [(dot(MUTED, MARKS[name]["marker"]), name) for name in present]
    legend(figure, marks, loc="outside upper left", ncols=2)
    named = []
    for index in sorted(present["source"] | present["target"]):
        only = [name for name in present if index in present[name]]
        where = f" ({only[0]} only)" if len(only) == 1 else ""
        named.append((dot(colour(index), "s"), f"{shortened(classes[index], 24)}{where}"))
    legend(figure, named, loc="outside right upper", ncols=-(-len(named) // ROWS))


def _held(name: str, drawn: int, available: int) -> str:
    chosen = f", drawn at random from {numbers.count(available)}," if drawn < available else ""
    return f"{numbers.count(drawn)} {name} samples{chosen}"


def distance_bars(table: pd.DataFrame) -> Figure:
    """How far each class of the source lies from the same class of the target, one bar a class.

    A class that has another class of the target nearest to it is orange, and a tick stands where that one lies.

    Args:
        table: from `measures.domains.domain_distances`.

    Raises:
        InputError: a table without its columns, or without rows.
    """
    _check(table)
    figure = canvas(1.3 + 0.3 * len(table))
    ax = clean(figure.subplots(), "x")
    for y, row in enumerate(table.itertuples(index=False)):
        _bar(ax, y, row)
    ax.set_yticks(range(len(table)), [plain(shortened(name, 32)) for name in table["class"]], color=INK)
    longest = table["distance"].max()
    ax.set(xlim=(0, 1.04 * longest if longest > 0 else 1), ylim=(len(table) - 0.4, -0.6))
    ax.set_xlabel("distance between the domains, deviations of all samples along a direction")
    entries = [(dot(OVERALL, "s", markersize=8), "the same class is nearest")]
    entries.append(
        (dot(UNSEEN, "s", markersize=8), "matched wrongly: another class of the target is nearer, at the tick")
    )
    legend(figure, entries, loc="outside upper left", ncols=2)
    lacking = int(table["matched"].isna().sum())
    without = f" {lacking} of {len(table)} classes are not in both domains." if lacking else ""
    note(
        figure,
        "Root of the sliced squared Wasserstein distance between the samples of a class in the source and in the "
        f"target, divided by the deviation of all samples along the same directions.{without} Few samples lie apart by "
        "chance, too.",
    )
    return figure


def _bar(ax: Axes, y: int, row: Any) -> None:
    """One class: its bar, and in words at the right how far, and who is nearer; or which domain lacks it."""
    place: dict[str, Any] = {
        "va": "center_baseline",
        "ha": "left",
        "transform": ax.get_yaxis_transform(),
        "fontsize": TEXT,
    }
    if np.isnan(row.distance):
        lacking = [name for name in MARKS if getattr(row, f"{name}_samples") == 0]
        ax.text(0.005, y, f"no samples in the {' and the '.join(lacking)}", color=MUTED, **place)
        return
    ink = OVERALL if row.matched else UNSEEN
    ax.barh(y, row.distance, 0.56, color=ink, zorder=2)
    ax.text(1.015, y, numbers.number(row.distance, 2), color=INK, **place)
    if not row.matched:
        tick = row.nearest_distance
        ax.vlines(tick, y - 0.4, y + 0.4, color=INK, linewidth=1.8, zorder=4)
        ax.text(1.08, y, f"{plain(shortened(row.nearest, 22))} {numbers.number(tick, 2)}", color=UNSEEN, **place)


def _check(table: pd.DataFrame) -> None:
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing or len(table) == 0:
        what = f"no column '{missing[0]}'" if missing else "no rows"
        raise InputError(f"table of distances: {what}, expected what domain_distances gives: {', '.join(COLUMNS)}")
