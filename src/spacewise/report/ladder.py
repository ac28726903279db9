"""What each space knows by itself, from the first to the network's decision."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spacewise.report import labels, numbers, reading
from spacewise.report.style import MUTED, SUBSETS, canvas, clean, dot, legend, note, plain, shortened

if TYPE_CHECKING:
    from spacewise.audits import Audit


def spaces(audit: Audit) -> Figure:
    """Each space by itself: the class of the nearest training sample, against the same on raw pixels."""
    table = audit.table("spaces")
    subsets = reading.main_subsets(audit)
    names = [name for name in table["space"].unique() if name != "pixels"]
    figure = canvas(4.2)
    ax = clean(figure.subplots(), "y")
    own = reading.accuracy(audit, reading.STORED)["accuracy"]
    floors = []
    for number, subset in enumerate(subsets):
        rows = table[table["subset"] == subset].set_index("space")
        _rungs(ax, rows.loc[names], SUBSETS[subset], 0.05 * (number - 1))
        ax.plot(len(names), 100 * own[subset], "D", color=SUBSETS[subset], markersize=6)
        floor = 100 * float(rows["nearest"]["pixels"])
        ax.axhline(floor, color=SUBSETS[subset], linewidth=1.1, linestyle=(0, (4, 3)), alpha=0.8)
        floors.append((floor, f"{subset}, pixels {numbers.number(floor)}", SUBSETS[subset]))
    sizes = table.drop_duplicates("space").set_index("space")["dimension"]
    texts = [f"{shortened(name, 14)}\n{sizes[name]}-d" for name in names]
    ax.set_xticks(range(len(names) + 1), [plain(text) for text in [*texts, "network's\ndecision"]])
    ax.set_xlim(-0.4, len(names) + 0.4)
    ax.set_ylim(None, 101)
    ax.set_ylabel("accuracy, %")
    labels.beside(ax, floors, 3.3)
    entries = [(dot(SUBSETS[subset], linestyle="-"), subset) for subset in subsets]
    entries.append((dot(MUTED, "", linestyle=(0, (3, 2)), linewidth=1.2), "the same on raw pixels"))
    entries.append((dot(MUTED, "D"), "the network's own decision"))
    legend(figure, entries, loc="outside upper left", ncols=len(entries))
    note(
        figure,
        "A test image counts as right when its nearest training image, by Euclidean distance in that space, is of "
        "its class. Bars: 95 % Wilson intervals. Pixels: centred 64 x 64, of unit length, root of the magnitude "
        "for radar. Images as stored.",
    )
    return figure


def _rungs(ax: Axes, found: pd.DataFrame, ink: str, aside: float) -> None:
    """One subset's accuracy in every space, with intervals; `aside` keeps those of subsets apart."""
    ends = np.array([numbers.wilson(share, n) for share, n in zip(found["nearest"], found["n"], strict=True)]).T
    x = np.arange(len(found)) + aside
    ax.plot(x, 100 * found["nearest"], color=ink, linewidth=1.6, marker="o", markersize=6)
    ax.vlines(x, *(100 * ends), color=ink, linewidth=2.2, alpha=0.55)
