"""Figures of the three views of a set of losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spacewise.explain.stored import FLOORS, MEADOW
from spacewise.report import attention_maps, explained, layouts, maps
from spacewise.report.comparison import Methods
from spacewise.report.explained import AREAS, OWN, REGIONS, change_figure
from spacewise.report.sidebyside import MOST, Panel, _grid
from spacewise.report.style import (
    INK,
    MUTED,
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
from spacewise.report.views import feature_space
from spacewise.report.views_cells import change_words

if TYPE_CHECKING:
    from spacewise.audits import Audit
    from spacewise.explain.stored import Explanation

REGION_INKS = {"target": colour(9), "clutter": colour(6), "shadow": colour(7)}
FLOOR_STYLES = {"random": (0, (5, 2)), "centre": (0, (1, 1.5))}
CAPTIONS = {
    "maps": "One point an image, colour the true class, rings the misclassified test images. Compare how tight and how "
    "separate the clusters are; where a cluster lies is chance.",
    "curves": "The map's most attended pixels first. Insertion should rise early, deletion fall early; a map that does "
    "no better than the grey lines says nothing about the network.",
    "regions": "Bars: the share of the attribution that lies on the region. Dashed line: the share of the picture that "
    "the region covers, which is what a map that knows nothing would give it.",
    "changes": "On another's meadow: the target, with its shadow, is cut out and set on the surroundings of an image "
    "of another class. Own label: how often the prediction is the target's class; the meadow's label: how often it is "
    "the class whose meadow this was. A network that looks at the target keeps the first high and the second near "
    "zero; one that is right on clutter alone has learnt the place, not the thing.",
}


def panels(audits: Methods, explanations: explained.Explained, table: pd.DataFrame) -> list[Panel]:
    """What the page shows.

    Args:
        table: from `views.views`.
    """
    mapped = {name: made[0] for name, made in audits.items() if feature_space(made[0])}
    known, found = explained.with_any(explanations), []
    some = dict(list(mapped.items())[:MOST])
    if some:
        caption = CAPTIONS["maps"] + _left_out(len(mapped))
        found.append(Panel("maps", "The feature space of each loss", caption, lambda: planar(some)))
    if known:
        firsts = {name: made[0] for name, made in list(known.items())[: attention_maps.MOST]}
        if len(attention_maps.shared(firsts)):
            caption = attention_maps.CAPTION + _left_out(len(known), attention_maps.MOST)
            title = "Where each network looks"
            found.append(Panel("attention", title, caption, lambda: attention_maps.attention(firsts)))
        title = "Insertion and deletion"
        found.append(Panel("curves", title, CAPTIONS["curves"], lambda: curves(known)))
    if (table["figure"] == "share:target").any():
        title = "Attribution by region"
        found.append(Panel("regions", title, CAPTIONS["regions"], lambda: regions(table)))
    if table["figure"].str.startswith("changed:").any():
        caption = CAPTIONS["changes"] + _left_out(len(known))
        classes = len(next(iter(audits.values()))[0].classes)
        found.append(Panel("changes", "With a region taken away", caption, lambda: changes(table, classes)))
    return found


def _left_out(number: int, most: int = MOST) -> str:
    return f" The first {most} of {number} networks." if number > most else ""


def planar(audits: Mapping[str, Audit], seed: int = 0) -> Figure:
    """The feature space of every method as a map, first run of each."""
    figure, axes = _grid(list(audits), 2, 3.9)
    for name, ax in axes.items():
        maps.draw_plane(ax, audits[name], feature_space(audits[name]), seed, (4.7, 3.5))
    legend(figure, maps.MAP_MARKS, loc="outside upper left", ncols=3)
    first = next(iter(audits.values()))
    named = "" if len(first.classes) <= maps.MOST_NAMED else " Too many classes to name them."
    note(figure, f"{layouts.made(first, feature_space(first), seed, ' in each map')} First run of each loss.{named}")
    return figure


def curves(explanations: Mapping[str, Sequence[Explanation]]) -> Figure:
    """A panel a definition and curve: a line a method with its band, the floors in grey."""
    first = next(iter(explanations.values()))[0]
    rows = list(first.facts["definitions"])
    lines = -(-len(explanations) // 3)
    figure = canvas(0.9 + 0.2 * lines + 3.0 * len(rows))
    axes = figure.subplots(len(rows), 2, squeeze=False, sharex=True)
    for line, definition in zip(axes, rows, strict=True):
        for ax, name in zip(line, AREAS, strict=True):
            heading(clean(ax, "y"), f"{name.capitalize()}, {definition}")
            _panel(ax, explanations, definition, name)
            ax.set_ylabel("accuracy, %" if definition == "accuracy" else f"{definition}, %")
            ax.set_xlabel(f"pixels {'inserted' if name == 'insertion' else 'deleted'}, %")
            ax.tick_params(labelbottom=True)
    entries = [(dot(colour(i), "", linestyle="-"), shortened(name, 40)) for i, name in enumerate(explanations)]
    entries += [
        (dot(MUTED, "", linestyle=FLOOR_STYLES[floor]), f"{explained.words(floor)}, mean of all networks")
        for floor in FLOORS
        if floor in first.facts["methods"]
    ]
    legend(figure, entries, loc="outside upper left", ncols=min(3, len(entries)))
    method = explained.attribution(first)
    tied = 100 * first.table("scores").query("method == @method")["tied"].mean()
    open_order = f"{tied:.0f} % of a map's pixels share their value with another and go by index."
    note(figure, f"Maps by {explained.words(method)}. {open_order} {_bands(explanations)}".strip())
    return figure


def _bands(explanations: Mapping[str, Sequence[Explanation]]) -> str:
    if len(explanations) > MOST:
        return ""
    if all(len(made) == 1 for made in explanations.values()):
        return "Bands: 95 % bootstrap intervals over images."
    return "Bands: ± a standard deviation over runs; where there is one run, 95 % bootstrap intervals over images."


def _panel(ax: Axes, explanations: Mapping[str, Sequence[Explanation]], definition: str, name: str) -> None:
    for index, made in enumerate(explanations.values()):
        table = 100 * explained.curve(made, definition, name, explained.attribution(made[0]))
        x = 100 * table.index.to_numpy(float)
        ax.plot(x, table["mean"], color=colour(index), linewidth=1.8, zorder=4)
        if len(explanations) <= MOST:  # of more, bands cover everything
            ax.fill_between(x, table["low"], table["high"], color=colour(index), alpha=0.16, linewidth=0, zorder=2)
    for floor in FLOORS:
        known = [made for made in explanations.values() if floor in made[0].facts["methods"]]
        if known:
            means = [explained.curve(made, definition, name, floor)["mean"] for made in known]
            mean = 100 * pd.concat(means, axis=1, join="inner").mean(axis=1)
            ax.plot(100 * mean.index.to_numpy(float), mean, color=MUTED, linewidth=1.4, linestyle=FLOOR_STYLES[floor])
    ax.set(xlim=(0, 100), ylim=(0, 101))


def regions(table: pd.DataFrame) -> Figure:
    """A panel a region: the share of attribution of every method as a bar, the region's area as a line."""
    names = list(dict.fromkeys(table.loc[table["figure"] == "share:target", "method"]))
    figure = canvas(1.1 + 0.42 * len(names))
    axes = figure.subplots(1, len(REGIONS), sharey=True)
    for ax, region in zip(axes, REGIONS, strict=True):
        heading(clean(ax, "x"), region.capitalize())
        rows = table[table["figure"] == f"share:{region}"].set_index("method").loc[names]
        ax.barh(range(len(names)), 100 * rows["mean"], 0.56, color=REGION_INKS[region], zorder=2)
        ax.hlines(range(len(names)), 100 * rows["low"], 100 * rows["high"], color=INK, linewidth=1.4, zorder=3)
        area = 100 * table.loc[table["figure"] == f"area:{region}", "mean"].mean()
        ax.axvline(area, color=UNSEEN, linewidth=1.4, linestyle=(0, (4, 3)), zorder=4)
        ax.set(xlim=(0, None), ylim=(len(names) - 0.5, -0.5))
        ax.set_xlabel("% of the attribution")
    axes[0].set_yticks(range(len(names)), [plain(wrapped(shortened(name, 44), 24)) for name in names], color=INK)
    entries = [(dot(UNSEEN, "", linestyle=(0, (3, 2))), "share of the picture's area")]
    entries.append((dot(INK, "", linestyle="-"), "95 % interval"))
    legend(figure, entries, loc="outside upper left", ncols=2)
    note(figure, "Mean over images whose map is not zero everywhere. Each panel has its own scale.")
    return figure


def changes(table: pd.DataFrame, classes: int) -> Figure:
    """Accuracy under every change, a dot a method with its interval."""
    rows = table[table["figure"].str.startswith("changed:")]
    names, figures = list(dict.fromkeys(rows["method"]))[:MOST], list(dict.fromkeys(rows["figure"]))
    figures.sort(key=lambda figure: figure.startswith(change_figure(MEADOW, OWN)))  # stable: last of all
    figure = canvas(1.3 + (0.28 + 0.13 * len(names)) * len(figures))
    ax = clean(figure.subplots(), "x")
    offsets = np.linspace(-0.3, 0.3, len(names)) if len(names) > 1 else [0.0]
    for index, (name, offset) in enumerate(zip(names, offsets, strict=True)):
        mine = rows[rows["method"] == name].set_index("figure")
        for y, shown in enumerate(figures):
            if shown in mine.index:
                _interval(ax, mine.loc[shown], y + offset, colour(index))
    ax.axvline(100 / classes, color=MUTED, linewidth=1.1, linestyle=(0, (4, 3)), zorder=1)
    for y in range(1, len(figures)):
        ax.axhline(y - 0.5, color=MUTED, linewidth=0.5, alpha=0.25)
    ax.set_yticks(range(len(figures)), [plain(wrapped(change_words(name), 26)) for name in figures], color=INK)
    ax.set(xlim=(-1, 101), ylim=(len(figures) - 0.5, -0.5))
    ax.set_xlabel("accuracy, %")
    entries = [(dot(colour(i)), shortened(name, 40)) for i, name in enumerate(names)]
    entries.append((dot(MUTED, "", linestyle=(0, (3, 2))), "one class of all, at random"))
    legend(figure, entries, loc="outside upper left", ncols=min(3, len(entries)))
    note(
        figure,
        "Target and shadow are filled with pixels of the image's own clutter, clutter with its median. Clutter "
        "shuffled: what filling costs by itself; on its class's meadow: what cutting out costs. Bars: 95 % "
        "intervals, Student over runs, bootstrap over images where there is one run.",
    )
    return figure


def _interval(ax: Axes, row: Any, y: float, ink: str) -> None:
    reach = [100 * row["low"], 100 * row["high"]]
    ax.plot(reach, [y, y], color=ink, linewidth=2.4, alpha=0.5, solid_capstyle="round", zorder=2)
    ax.plot(100 * row["mean"], y, "o", color=ink, markersize=5.5, zorder=3)
