"""Figures of a study of several networks, one panel each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spacewise.report import labels, layers, numbers, retrieval
from spacewise.report.layers import INKS, SHAPES
from spacewise.report.retrieval import PIXELS
from spacewise.report.sidebyside import Panel
from spacewise.report.study_tables import ordered
from spacewise.report.style import (
    INK,
    MUTED,
    PAPER,
    SMALL,
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
    wrapped,
)

if TYPE_CHECKING:
    from spacewise.audits import Audit

Methods = Mapping[str, "Sequence[Audit]"]

CAPTIONS = {
    "pairs": "Right of the line the space before the one under the loss is better. If it generalises better and fits "
    "less, orange lies right and green left.",
    "layers": "Every space in network order. Grey: under the loss.",
    "epochs": "The deepest spaces of each network: full lines test classes, dashed ones training classes.",
}


def panels(audits: Methods, whole: pd.DataFrame, paired: pd.DataFrame) -> list[Panel]:
    """What a study shows.

    Args:
        whole: from `layer_study.summary`.
        paired: from `layer_study.differences`.
    """
    found = []
    if not paired.empty:
        title = "The space before the loss against the one under it"
        found.append(Panel("pairs", title, CAPTIONS["pairs"], lambda: pairs(paired)))
    title = "Every space, on classes of training and of test"
    found.append(Panel("layers", title, CAPTIONS["layers"], lambda: spaces(audits, whole)))
    kept = {name: runs for name, runs in audits.items() if len(mean_over_epochs(runs, "test")) > 1}
    if kept:
        found.append(Panel("epochs", "As training goes on", CAPTIONS["epochs"], lambda: epochs(kept)))
    return found


def pairs(paired: pd.DataFrame) -> Figure:
    """The paired difference of every network: a dot a run, the mean with its interval."""
    names = list(dict.fromkeys(paired["method"]))
    figure = canvas(1.2 + 0.62 * len(names))
    ax = clean(figure.subplots(), "x")
    ax.axvline(0, color=MUTED, linewidth=1.2, zorder=1)
    for part, aside in (("test", -0.16), ("train", 0.16)):
        for y, row in enumerate(paired[paired["part"] == part].to_dict("records")):
            _pair(ax, row, y + aside, INKS[part], SHAPES[part])
    firsts = paired.drop_duplicates("method").set_index("method")
    texts = [f"{shortened(n, 34)}\n{firsts.loc[n, 'before']} − {firsts.loc[n, 'under']}" for n in names]
    ax.set_yticks(range(len(names)), [plain(text) for text in texts], color=INK)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xlabel("difference of recall at 1, points")
    entries = [(dot(INKS[part], SHAPES[part]), f"{retrieval.WORDS[part]}, mean") for part in ("test", "train")]
    entries.append((dot(MUTED, "o", markersize=4, markerfacecolor=PAPER), "each run"))
    legend(figure, entries, loc="outside upper left", ncols=3)
    note(figure, "Bars: 95 % Student intervals of the mean over runs; none where there is one.")
    return figure


def _pair(ax: Axes, row: dict, y: float, ink: str, shape: str) -> None:
    ends = [100 * row["low"], 100 * row["high"]]
    ax.plot(ends, [y, y], color=ink, linewidth=2.6, alpha=0.5, solid_capstyle="round", zorder=2)
    values = 100 * np.array(row["values"])
    ax.plot(values, np.full(len(values), y), "o", color=ink, markersize=4, markerfacecolor=PAPER, zorder=3)
    ax.plot(100 * row["difference"], y, shape, color=ink, markersize=7, zorder=4)


def _grid(names: Sequence[str], height: float) -> tuple[Figure, dict[str, Axes]]:
    """Two panels a row, one scale for all."""
    rows = -(-len(names) // 2)
    figure = canvas(0.9 + height * rows)
    axes = figure.subplots(rows, 2, squeeze=False, sharey=True).ravel()
    for ax in axes[len(names) :]:
        ax.set_visible(False)
    for ax, name in zip(axes, names):
        heading(clean(ax, "y"), wrapped(name, 48))
        ax.tick_params(labelleft=True)
    return figure, dict(zip(names, axes))


def spaces(audits: Methods, whole: pd.DataFrame) -> Figure:
    """Recall at 1 of every space, a panel a network: means with deviations over runs, the paper's beside them."""
    figure, axes = _grid(list(audits), 3.1)
    for name, ax in axes.items():
        _network(ax, audits[name][0], whole[whole["method"] == name].set_index(["part", "space"]))
    entries = [(dot(INKS[part], SHAPES[part]), retrieval.WORDS[part]) for part in INKS]
    if whole["paper"].notna().any():
        entries.append((dot(UNSEEN, "D", markerfacecolor=PAPER), "the paper's, test classes"))
    if (whole["space"] == PIXELS).any():
        entries.append((dot(MUTED, "", linestyle=(0, (3, 2)), linewidth=1.2), "raw pixels"))
    legend(figure, entries, loc="outside upper left", ncols=len(entries))
    note(figure, f"{layers.MEANING} Means over runs; bars: ± a standard deviation over runs.")
    return figure


def _network(ax: Axes, audit: Audit, found: pd.DataFrame) -> None:
    names = retrieval.spaces(audit)
    for part, aside in zip(INKS, (-0.17, 0.17), strict=True):
        rows = found.loc[part]
        layers.lollipops(ax, 100 * rows.loc[names, "mean"], INKS[part], SHAPES[part], aside, 4.5)
        x = np.arange(len(names)) + aside
        low, high = (100 * (rows.loc[names, "mean"] + sign * rows.loc[names, "std"]) for sign in (-1, 1))
        ax.vlines(x, low, high, color=INKS[part], linewidth=4, alpha=0.4, zorder=4)
        if PIXELS in rows.index:
            floor = 100 * rows.loc[PIXELS, "mean"]
            ax.axhline(floor, color=INKS[part], linewidth=1, linestyle=(0, (4, 3)), alpha=0.8, zorder=1)
    printed = 100 * found.loc["test"].loc[names, "paper"]
    ax.plot(np.arange(len(names)) + 0.17, printed, "D", color=UNSEEN, markersize=5, markerfacecolor=PAPER, zorder=6)
    for name in audit.facts["loss_spaces"]:
        if name in names:
            place = names.index(name)
            ax.axvspan(place - 0.45, place + 0.45, color=MUTED, alpha=0.14, linewidth=0, zorder=0)
    texts = [plain(shortened(name, 12)) for name in names]
    ax.set_xticks(range(len(names)), texts, color=INK, fontsize=SMALL, rotation=60, ha="right", rotation_mode="anchor")
    ax.set(xlim=(-0.6, len(names) - 0.4), ylim=(0, 100))
    ax.set_ylabel("recall at 1, %")


def epochs(audits: Methods) -> Figure:
    """Recall at 1 of the deepest spaces over epochs, a panel a network: test full, training dashed; means over runs."""
    figure, axes = _grid(list(audits), 3.0)
    followed = {space for runs in audits.values() for space in retrieval.deepest(runs[0])}
    places = {space: i for i, space in enumerate(name for name in ordered(audits) if name in followed)}
    ends = {name: _followed(ax, audits[name], places) for name, ax in axes.items()}
    for name, ax in axes.items():
        labels.beside(ax, ends[name], 2.1)
    entries = [
        (dot(MUTED, "", linestyle="-"), "test classes"),
        (dot(MUTED, "", linestyle=(0, (3, 2))), "training classes"),
    ]
    legend(figure, entries, loc="outside upper left", ncols=2)
    note(figure, f"{layers.MEANING} Means over runs. Numbers: test classes after the last epoch. Epoch 0: untrained.")
    return figure


def _followed(ax: Axes, audits: Sequence[Audit], places: Mapping[str, int]) -> list[tuple[float, str, str]]:
    """One network's curves; returns what is to be written at the ends of those of test classes."""
    tested, trained = (100 * mean_over_epochs(audits, part) for part in ("test", "train"))
    ends = []
    for space, values in tested.items():
        layers.followed(ax, trained[space], places[str(space)], (0, (3, 2)))
        layers.followed(ax, values, places[str(space)])
        last = float(values.iloc[-1])
        ends.append((last, f"{shortened(space, 14)} {numbers.number(last)}", colour(places[str(space)])))
    ax.set(xlabel="epoch", ylabel="recall at 1, %", xlim=(tested.index.min(), tested.index.max() + 0.01))
    return ends


def mean_over_epochs(audits: Sequence[Audit], part: str) -> pd.DataFrame:
    """Recall at 1, mean over runs, at the epochs that all runs have: rows epochs, columns the deepest spaces."""
    tables = [retrieval.over_epochs(audit, part) for audit in audits]
    shared = sorted(set.intersection(*(set(table.index) for table in tables)))
    columns = list(tables[0].columns)
    mean = np.mean([table.loc[shared, columns].to_numpy() for table in tables], axis=0)
    return pd.DataFrame(mean, index=pd.Index(shared, name="epoch"), columns=columns)
