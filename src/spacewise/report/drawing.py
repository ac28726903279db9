"""From a figure to a file, or to a piece of a page."""

from __future__ import annotations

import io
import re
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from spacewise import files
from spacewise.report.style import GRID, INK, MUTED, OVERALL, PAPER

RESOLUTION = 200
"""Dots an inch of PNG files, and of the layers of points inside an SVG."""

THEMED = {INK: "currentColor", MUTED: "var(--muted)", GRID: "var(--grid)", PAPER: "var(--paper)"}
THEMED[OVERALL.lower()] = "var(--blue)"  # the one colour of the palette that is too dark on dark


def settle(figure: Figure) -> Figure:
    """Places everything once and for all: matplotlib would do so again before every file."""
    if figure.get_layout_engine() is not None:
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
    return figure


def svg(figure: Figure, name: str) -> str:
    """The figure as SVG: the same figure gives the same text. `name` keeps its ids apart from others'."""
    stream = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with matplotlib.rc_context({"svg.hashsalt": name, "svg.fonttype": "none"}):
        settle(figure).savefig(stream, format="svg", dpi=RESOLUTION, metadata=nothing)
    return stream.getvalue()


def png(figure: Figure) -> bytes:
    """The figure as PNG, on white."""
    stream = io.BytesIO()
    settle(figure).savefig(stream, format="png", dpi=RESOLUTION, metadata={"Software": None})
    return stream.getvalue()


def save(figure: Figure, folder: Path, name: str) -> str:
    """Writes `NAME.svg` and `NAME.png`, and returns the SVG."""
    drawn = svg(figure, name)
    files.write_text(folder / f"{name}.svg", drawn)
    with files.atomic(folder / f"{name}.png") as partial:
        partial.write_bytes(png(figure))
    return drawn


def inline(drawn: str, label: str) -> str:
    """An SVG to stand inside a page: as wide as there is room, its ink the page's."""
    body = drawn[drawn.index("<svg") :]
    body = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>|<defs>\s*<style.*?</style>\s*</defs>", "", body, flags=re.S)
    body = re.sub(r'\sxmlns(:xlink)?="[^"]*"', "", body)
    opening, rest = body.split(">", 1)
    width, height = (float(size) for size in re.findall(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', opening)[0])
    pixels = round(width * 96 / 72)
    opening = (
        f'<svg viewBox="0 0 {width:g} {height:g}" style="max-width:{pixels}px" role="img" '
        f'aria-label="{_attribute(label)}"'
    )
    used = set(re.findall(r"#([\w.:-]+)", rest))
    rest = re.sub(r'\sid="([^"]*)"', lambda found: found[0] if found[1] in used else "", rest)
    for colour, themed in THEMED.items():
        rest = rest.replace(colour, themed)
    rest = re.sub(r"\n\s*", "\n", rest)
    return f"{opening}>{rest.strip()}"


def _attribute(text: str) -> str:
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(character, entity)
    return text
