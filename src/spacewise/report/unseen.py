"""Where what training never saw comes to lie, class by class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spacewise.errors import InputError
from spacewise.report import layouts, numbers, reading
from spacewise.report.style import MUTED, SEEN, SMALL, UNSEEN, blank, canvas, dot, heading, legend, note, shortened

if TYPE_CHECKING:
    from spacewise.audits import Audit


def representation(audit: Audit, classes: list[str] | None = None, space: str = "classifier", seed: int = 0) -> Figure:
    """Where unseen test samples of a class come to lie beside what was seen, one panel a class."""
    chosen = _with_unseen(audit) if classes is None else list(classes)
    for name in chosen:
        reading.class_index(audit, name)
    if not chosen:
        raise InputError("representation: no class to show; this split has no unseen test samples, name classes")
    columns = min(2, len(chosen))
    rows = -(-len(chosen) // columns)
    figure = canvas(4.0 * rows + 0.9 if columns > 1 else 6.2)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes[len(chosen) :]:
        ax.set_visible(False)
    samples = layouts.placed(audit, space, seed)
    for ax, name in zip(axes, chosen):
        _one_class(ax, audit, samples, name)
    note(figure, layouts.made(audit, space, seed))
    return figure


def _with_unseen(audit: Audit, most: int = 6) -> list[str]:
    """Classes of which some test samples are unseen; of more than `most`, those with the most."""
    samples = reading.test_samples(audit)
    if "unseen" not in audit.facts["novelty"]:
        return []
    number = samples.loc[reading.mask(samples, "unseen"), "label"].value_counts()
    kept = set(number.sort_index().sort_values(ascending=False, kind="stable").index[:most])
    return [name for name in audit.classes if name in kept]


def _one_class(ax: Axes, audit: Audit, samples: pd.DataFrame, name: str) -> None:
    blank(ax)
    index = reading.class_index(audit, name)
    others = samples[samples["target"] != index]
    ax.scatter(others["x"], others["y"], s=5, color=MUTED, alpha=0.16, linewidths=0, rasterized=True)
    mine = samples[samples["target"] == index]
    train, test = mine[mine["part"] == "train"], mine[mine["part"] == "test"]
    ax.scatter(train["x"], train["y"], s=16, marker="x", color=SEEN, alpha=0.35, linewidths=0.8, rasterized=True)
    entries = [(dot(SEEN, "x", alpha=0.6), "training")]
    for text, ink, rows in _groups(audit, test):
        ax.scatter(rows["x"], rows["y"], s=15, color=ink, alpha=0.85, linewidths=0, rasterized=True)
        entries.append((dot(ink), f"{text}: {numbers.percent(rows['correct'].mean())} right"))
    heading(ax, f"{shortened(name, 30)}: {numbers.percent(test['correct'].mean())} right" if len(test) else name)
    legend(ax, entries, loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=2, fontsize=SMALL, columnspacing=1.2)


def _groups(audit: Audit, test: pd.DataFrame) -> list[tuple[str, str, pd.DataFrame]]:
    """(words, colour, samples): seen, then each unseen value of the fact, or all unseen where they are many."""
    if "unseen" not in audit.facts["novelty"]:
        return [("test", SEEN, test)]
    unseen = reading.mask(test, "unseen")
    groups = [("seen", SEEN, test[~unseen])] if (~unseen).any() else []
    fact = reading.novelty_fact(audit)
    values = sorted(test.loc[unseen, fact].unique()) if fact in test else []
    if not 1 <= len(values) <= 4:
        return [*groups, ("unseen", UNSEEN, test[unseen])] if unseen.any() else groups
    inks = (UNSEEN, "#0072B2", "#CC79A7", "#B8A800")
    return groups + [
        (f"unseen {shortened(value, 14)}", ink, test[unseen & (test[fact] == value).to_numpy()])
        for value, ink in zip(values, inks)
    ]
