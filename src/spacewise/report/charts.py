"""Charts of one run: training, and accuracy by subset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator
from matplotlib.transforms import blended_transform_factory

from spacewise.report import labels, numbers, reading
from spacewise.report.style import (
    INK,
    MUTED,
    OVERALL,
    PAPER,
    SEEN,
    SMALL,
    SUBSETS,
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

SAMPLES = ("", "source", "target", "of unlabelled")


def training(audit: Audit) -> Figure:
    """Accuracy on training and validation, and every term of the objective, over epochs."""
    log = audit.table("log")
    best = audit.facts["training"].get("best_epoch") if "validation_accuracy" in log else None  # else the last
    figure = canvas(3.5)
    left, right = figure.subplots(1, 2)
    columns = {"training": "accuracy", "source": "source_accuracy", "validation": "validation_accuracy"}
    shown = {name: 100 * log[column] for name, column in columns.items() if column in log}
    inks = {"training": MUTED, "source": SEEN, "validation": OVERALL}
    _curves(left, log["epoch"], shown, inks, "accuracy, %", "{:.1f}")
    # behind a space stands what a term reports of itself, or of which samples it is
    terms = {name: log[name] for name in log.columns if "@" in name and name.partition(" ")[2] in SAMPLES}
    whole = {"total": log["total"]} if len(terms) > 1 else {}
    shades = {name: colour(index + 1) for index, name in enumerate(terms)}
    shades |= {"total": MUTED}
    values = {**terms, **whole}
    _logarithmic(right, values)
    _curves(right, log["epoch"], values, shades, "loss, each term before its weight", "{:.2g}")
    if best:
        for ax in (left, right):
            ax.axvline(best, color=MUTED, linewidth=0.8, linestyle=(0, (2, 2)), zorder=0)
        place = blended_transform_factory(left.transData, left.transAxes)
        text = f"chosen: epoch {best} "
        left.text(best, 0.03, text, transform=place, ha="right", fontsize=SMALL, color=MUTED)
    return figure


def _curves(
    ax: Axes, epochs: pd.Series, curves: dict[str, pd.Series], inks: dict[str, str], what: str, ending: str
) -> None:
    clean(ax, "y")
    heading(ax, what[0].upper() + what[1:])
    for name, values in curves.items():
        ax.plot(epochs, values, color=inks[name], linewidth=1.8, marker="o" if len(epochs) < 3 else "")
    ax.set_xlabel("epoch")
    ax.set_xlim(min(1, epochs.min()) if len(epochs) > 1 else 0.5, max(epochs.max(), 1.5))
    entries = [
        (float(values.iloc[-1]), f"{shortened(name, 26)} {ending.format(values.iloc[-1])}", inks[name])
        for name, values in curves.items()
        if np.isfinite(values.iloc[-1])
    ]
    labels.beside(ax, entries, 2.6)


def _logarithmic(ax: Axes, curves: dict[str, pd.Series]) -> None:
    """Loss falls by orders of magnitude; a term that reaches zero leaves the axis linear near it."""
    values = np.concatenate([np.asarray(curve, float) for curve in curves.values()])
    if (values > 0).all():
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter("{x:g}")
        narrow = values.max() < 30 * values.min()
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if narrow else (1,)))
        ax.yaxis.set_minor_locator(NullLocator())
    elif (values >= 0).all() and values.max() > 0:
        ax.set_yscale("symlog", linthresh=values[values > 0].min())


def accuracy(audit: Audit, weights: str | None = None) -> Figure:
    """Accuracy of every subset with its bootstrap interval, as stored and, where asked for, shifted."""
    chosen = reading.main_view(audit)
    tables = {view: reading.accuracy(audit, view, weights) for view in dict.fromkeys((chosen, reading.STORED))}
    groups = _grouped([name for name, n in tables[chosen]["n"].items() if n > 0])
    inks = _inks(audit)
    places = _rows(groups)
    figure = canvas(0.9 + 0.27 * (max(places.values()) + 1))
    ax = clean(figure.subplots(), "x")
    spread = 0.15 if len(tables) > 1 else 0.0
    for offset, (view, table) in zip((-spread, spread), tables.items()):
        for name, y in places.items():
            if not name.startswith("\0"):
                _interval(ax, table.loc[name], y + offset, inks.get(name, MUTED), filled=view == chosen)
    _row_labels(ax, places, tables[chosen])
    ax.set_ylim(max(places.values()) + 0.7, -0.7)
    ax.set_xlim(None, 100.5)
    ax.set_xlabel("accuracy, %")
    entries = [
        (dot(MUTED, markerfacecolor=MUTED if view == chosen else PAPER), reading.view_words(view)) for view in tables
    ]
    entries = entries if len(entries) > 1 else []
    if len(audit.facts["novelty"]) == 2:
        entries += [(dot(SEEN), "seen in training"), (dot(UNSEEN), "unseen")]
    if entries:
        legend(figure, entries, loc="outside upper left", ncols=len(entries))
    printed = f"Numbers at the right: images {reading.view_words(chosen)}. " if len(tables) > 1 else ""
    note(figure, f"{printed}Bars: 95 % bootstrap intervals over images; copies of an image are drawn together.")
    return figure


def _grouped(subsets: Sequence[str]) -> dict[str, list[str]]:
    """Subsets by the fact that they are of: `depression=15` under `depression`; the rest under nothing."""
    groups: dict[str, list[str]] = {}
    for name in subsets:
        fact, equals, _ = name.partition("=")
        groups.setdefault(fact if equals else "", []).append(name)
    return groups


def _rows(groups: dict[str, list[str]]) -> dict[str, float]:
    """y of every subset; headings of groups as `NUL + fact`."""
    places: dict[str, float] = {}
    y = 0.0
    for fact, names in groups.items():
        if fact:
            y += 0.35
            places[f"\0{fact}"] = y
            y += 1
        for name in names:
            places[name] = y
            y += 1
    return places


def _inks(audit: Audit) -> dict[str, str]:
    """Green where all samples of a subset are seen, orange where none is."""
    inks = dict(SUBSETS)
    if set(audit.facts["novelty"]) != {"seen", "unseen"}:
        return inks
    samples = reading.test_samples(audit)
    unseen = reading.mask(samples, "unseen")
    for column in samples.columns:
        if column.startswith("subset:") and "=" in column:
            share = unseen[reading.mask(samples, column[7:])]
            if len(share) and share.mean() in (0, 1):
                inks[column[7:]] = UNSEEN if share[0] else SEEN
    return inks


def _interval(ax: Axes, row: pd.Series, y: float, ink: str, filled: bool) -> None:
    ax.plot(
        [100 * row["low"], 100 * row["high"]],
        [y, y],
        color=ink,
        linewidth=2.2 if filled else 1.2,
        alpha=0.55,
        solid_capstyle="round",
    )
    ax.plot(
        100 * row["accuracy"],
        y,
        "o",
        color=ink,
        markersize=6 if filled else 5,
        markerfacecolor=ink if filled else PAPER,
    )


def _row_labels(ax: Axes, places: dict[str, float], table: pd.DataFrame) -> None:
    """Names at the left, figures with intervals and counts at the right."""
    ax.set_yticks([])
    for name, y in places.items():
        head = name.startswith("\0") or name == "overall"
        text = name[1:] if name.startswith("\0") else name.partition("=")[2] or name
        settings: dict[str, Any] = {"va": "center", "transform": ax.get_yaxis_transform(), "fontsize": TEXT}
        weight = "bold" if head else "normal"
        ax.text(-0.012, y, plain(shortened(text, 32)), ha="right", color=INK, fontweight=weight, **settings)
        if name.startswith("\0"):
            continue
        row = table.loc[name]
        shown = numbers.number(100 * row["accuracy"])
        ax.text(1.05, y, shown, ha="right", color=INK, fontweight=weight, **settings)
        ax.text(1.06, y, numbers.interval(row["low"], row["high"]), ha="left", color=MUTED, **settings)
        ax.text(1.305, y, f"n = {numbers.count(row['n'])}", ha="right", color=MUTED, **settings)
