"""Time and memory over size, both axes logarithmic."""

from __future__ import annotations

from typing import Any

import pandas as pd
from benchmarks.growth.operation import LIMIT, OURS
from benchmarks.page.fit import growth
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from spacewise.report.numbers import number
from spacewise.report.style import COLOURS, MARKERS, MUTED, OVERALL, canvas, clean, heading, legend

FLOOR = {"seconds": 1e-6, "megabytes": 0.1}  # what is drawn for less
DASHED = (0, (4, 2))
PEERS = COLOURS[1:4] + COLOURS[5:]  # neither ours nor sky blue, which is near it


def grown(table: pd.DataFrame, operation: str, unit: str) -> Figure:
    """Left seconds, right megabytes, every contender of an operation; exponents in the legends."""
    figure = canvas(3.9)
    for ax, of, title in zip(figure.subplots(1, 2), FLOOR, ("Time, s", "Memory beyond the input, MB")):
        heading(clean(ax, "both"), title)
        _curves(ax, table[table["operation"] == operation], of)
        ax.set_xlabel(unit)
    return figure


def _curves(ax: Axes, part: pd.DataFrame, of: str) -> None:
    ax.set_xscale("log", base=2)
    ax.set_yscale("log")
    names, entries = _ordered(part), []
    for place, name in enumerate(names):
        mine = part[part["contender"] == name]
        look = _look(name, place)
        ax.plot(mine["size"], mine[of].clip(lower=FLOOR[of]), **look)
        rises = growth(part, part["operation"].iloc[0], name, of) if (mine[of] > FLOOR[of]).all() else float("nan")
        power = "" if rises != rises else f", n^{number(rises, 2)}"
        entries.append((Line2D([], [], **look), f"{name}{power}"))
    sizes = sorted(part["size"].unique())
    ax.xaxis.set_major_locator(FixedLocator(sizes))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_locator(NullLocator())
    low, high = part[of].clip(lower=FLOOR[of]).agg(["min", "max"])
    ax.set_ylim(low / 2, high * 3)
    legend(ax, entries, loc="upper left", bbox_to_anchor=(0, -0.2), ncols=2)


def _ordered(part: pd.DataFrame) -> list[str]:
    """spacewise, the peers, the limit."""
    names = list(dict.fromkeys(part["contender"]))
    return sorted(names, key=lambda name: (name == LIMIT, name != OURS))


def _look(name: str, place: int) -> dict[str, Any]:
    common: dict[str, Any] = {"linewidth": 1.8, "markersize": 5}
    if name == LIMIT:
        return common | {"color": MUTED, "marker": "", "linestyle": DASHED}
    ink = OVERALL if name == OURS else PEERS[place % len(PEERS)]
    return common | {"color": ink, "marker": MARKERS[place % len(MARKERS)], "linestyle": "-"}
