"""Rejection of what was never trained on: detection against false alarms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spacewise.errors import unknown
from spacewise.measures.rejection import DETECTION, pfa_at_pd
from spacewise.measures.rejection import roc as curve
from spacewise.report import numbers, reading
from spacewise.report.style import INK, MUTED, PAPER, canvas, clean, colour, dot, legend, note, wrapped

if TYPE_CHECKING:
    from spacewise.audits import Audit


def roc(audit: Audit, score: str | None = None) -> Figure:
    """Detection of known classes against false alarms from confusers, for each score or for one."""
    table = audit.table("rejection")
    known = list(table.sort_values("pfa_at_pd90", kind="stable")["score"])
    if score is not None and score not in known:
        raise unknown("score", score, known)
    shown = {name: scores_of(audit, name) for name in known if score in (None, name)}
    inks = {name: colour(i) for i, name in enumerate(n for n in table["score"] if n != reading.POSTERIOR)}
    inks[reading.POSTERIOR] = INK
    figure = canvas(4.6)
    draw(figure.subplots(), {reading.score_words(n): (*s, inks[n]) for n, s in shown.items()}, inks)
    parts = audit.facts["parts"]
    note(
        figure,
        f"{numbers.count(parts['test'])} test images of known classes, {numbers.count(parts['confusers'])} images "
        "of confusers. An image is accepted when its score reaches the threshold. Numbers: false alarms at the "
        "first threshold that accepts 90 % of the known.",
    )
    return figure


def scores_of(audit: Audit, score: str) -> tuple[pd.Series, pd.Series]:
    """A score's values of the known test samples and of the confusers."""
    samples = audit.table("samples")
    values = samples[f"score:{score}"]
    return values[samples["part"] == "test"], values[samples["part"] == "confusers"]


def draw(ax: Axes, scores: Mapping[str, tuple[pd.Series, pd.Series, str]], _: object = None) -> None:
    """One curve a name, its false alarms at 90 % detection marked and printed in the legend."""
    clean(ax, "both")
    ax.axhline(100 * DETECTION, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    ax.text(99.5, 100 * DETECTION - 1, "90 % detection", ha="right", va="top", color=MUTED, fontsize=8)
    entries = []
    for name, (known, unknown_scores, ink) in scores.items():
        found = curve(known, unknown_scores)
        alarms = 100 * pfa_at_pd(known, unknown_scores)
        wide = 2.2 if ink == INK or len(scores) <= 8 else 1.3
        ax.step(100 * found["pfa"], 100 * found["pd"], where="post", color=ink, linewidth=wide)
        ax.plot(alarms, 100 * DETECTION, "o", color=ink, markersize=5.5, markerfacecolor=PAPER, zorder=5)
        label = wrapped(f"{numbers.number(alarms)} %  {name}", 44)
        entries.append((dot(ink, "", linestyle="-", linewidth=wide), label))
    ax.set(xlim=(-1, 100.5), ylim=(0, 101))
    ax.set_xlabel("confusers accepted (false alarms), %")
    ax.set_ylabel("known classes accepted (detection), %")
    legend(
        ax,
        entries,
        loc="upper left",
        bbox_to_anchor=(1.02, 1.0),
        title="false alarms at 90 % detection",
        alignment="left",
        labelspacing=0.7,
        title_fontproperties={"size": 9, "weight": "bold"},
    )
