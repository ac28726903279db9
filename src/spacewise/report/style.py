"""How every figure looks: colours, ink, sizes. Matplotlib's objects only, never its global state.

Ink, muted, grid and paper are colours of their own that nothing else uses: in a saved file they are dark
on white, and where a figure stands inside a page they become the page's own, light or dark.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from spacewise.report import numbers

WIDTH = 10.0
"""Inches: 960 pixels of a page."""

INK, MUTED, GRID, PAPER = "#1f2430", "#687080", "#e2e5ea", "#fffffe"
SMALL, TEXT, TITLE = 8.5, 9.5, 10.5

SEEN, UNSEEN, OVERALL = "#009E73", "#D55E00", "#0072B2"
SUBSETS = {"overall": OVERALL, "seen": SEEN, "unseen": UNSEEN}
"""One meaning, one colour, in every figure that speaks of subsets."""

COLOURS = (
    *("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#B8A800", "#6B7280"),
    *("#A32933", "#85338F", "#006600", "#3DCC99", "#8F7AEB", "#FF9999", "#EB8FF5", "#AD52AD"),
    *("#CC4766", "#707A29", "#0099B8", "#295C70", "#B88F66", "#ADB8C2", "#5CA329", "#705C47"),
    *("#1452AD", "#994770", "#5CADA3", "#A35200", "#C2B87A", "#7A52C2"),
)
"""Eight after Okabe and Ito (yellow darker and grey for black, to hold on white and on dark), then each
the farthest in OKLab from those before it, to normal, protan and deutan eyes together."""

MARKERS = ("o", "s", "^", "D", "v")


def colour(index: int) -> str:
    """The colour of class or method `index`."""
    return COLOURS[index % len(COLOURS)]


def marker(index: int, number: int) -> str:
    """The marker of class `index` of `number`: from eleven on, colour alone does not tell them apart."""
    return "o" if number <= 10 else MARKERS[(index + index // len(COLOURS)) % len(MARKERS)]


def plain(text: object) -> str:
    """Text that is shown as it is written: a `$` in a class name starts no formula."""
    return str(text).replace("$", r"\$")


def shortened(text: object, most: int) -> str:
    """At most `most` characters, the middle left out: names often differ at their ends."""
    whole = str(text)
    if len(whole) <= most:
        return whole
    front = (most - 1) // 2
    return f"{whole[:front]}…{whole[len(whole) - (most - 1 - front) :]}"


def wrapped(text: object, width: int) -> str:
    """Text in lines of at most `width` characters."""
    return "\n".join(textwrap.wrap(numbers.tight(str(text)), width)) or str(text)


def canvas(height: float, width: float = WIDTH) -> Figure:
    """An empty figure, inches, that makes room for whatever is put into it."""
    figure = Figure(figsize=(width, height), layout="constrained", facecolor=PAPER)
    engine: Any = figure.get_layout_engine()
    engine.set(w_pad=0.08, h_pad=0.06, wspace=0.03, hspace=0.04)
    return figure


def clean(ax: Axes, grid: str = "") -> Axes:
    """No box, no tick marks, a light grid along `x`, `y` or `both`."""
    ax.set_facecolor("none")
    for side, spine in ax.spines.items():
        spine.set_visible(side in ("bottom", "left") and not grid)
        spine.set_color(GRID)
    ax.tick_params(which="both", length=0, labelsize=TEXT, labelcolor=MUTED, pad=5)
    for axis in (ax.xaxis, ax.yaxis):
        axis.label.set(fontsize=TEXT, color=MUTED)
    if grid:
        ax.grid(axis=grid, color=GRID, linewidth=0.8)  # type: ignore[arg-type]
        ax.set_axisbelow(True)
    return ax


def blank(ax: Axes) -> Axes:
    """For maps and pictures: neither axes nor ticks."""
    ax.set_facecolor("none")
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set_visible(False)
    return ax


def heading(ax: Axes, text: object) -> None:
    """The title of an axes, at its left."""
    ax.set_title(plain(text), loc="left", fontsize=TITLE, color=INK, fontweight="bold", pad=8)


def note(figure: Figure, text: str) -> None:
    """How a figure was made, in small letters below it."""
    lines = wrapped(text, int(figure.get_figwidth() * 15.5))
    figure.supxlabel(plain(lines), x=0.01, ha="left", fontsize=SMALL, color=MUTED, linespacing=1.4)


def legend(place: Axes | Figure, entries: Sequence[tuple[Line2D, str]], **options: Any) -> None:
    """A legend without a frame; entries with an underscore first are shown like all others."""
    handles = [handle for handle, _ in entries]
    settings: dict[str, Any] = {"frameon": False, "fontsize": TEXT, "labelcolor": INK, "handlelength": 1.8}
    shown = place.legend(handles, ["-"] * len(handles), **(settings | {"borderpad": 0} | options))
    for text, (_, label) in zip(shown.get_texts(), entries, strict=True):
        text.set_text(plain(label))
    shown.get_title().set_color(INK)


def dot(colour: str, marker: str = "o", **options: Any) -> Line2D:
    """A legend's point."""
    settings: dict[str, Any] = {"linestyle": "none", "markersize": 6, "color": colour, "marker": marker}
    return Line2D([], [], **(settings | options))
