"""The figure of a semi-supervised training: both networks' accuracy and the pseudo-labels, over epochs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spacewise.errors import InputError
from spacewise.report import taught
from spacewise.report.charts import _curves
from spacewise.report.numbers import percent
from spacewise.report.style import MUTED, OVERALL, canvas, colour, note

if TYPE_CHECKING:
    from spacewise.audits import Audit

INKS = {
    "trained": OVERALL,
    "averaged": colour(1),
    "confident (coverage)": colour(4),
    "right of these (purity)": colour(3),
    "right of known (purity)": colour(3),
}


def pseudo_labels(audit: Audit) -> Figure:
    """Accuracy of the trained and of the averaged network, coverage and purity of the pseudo-labels, over epochs.

    Raises:
        InputError: the run is not semi-supervised, or its log has none of them.
    """
    panels = taught.curves(audit)
    if not panels:
        raise InputError(f"{audit.folder}: its log has neither a held-out accuracy nor pseudo-labels to draw")
    epochs = audit.table("log")["epoch"]
    figure = canvas(3.7)
    for ax, (heading, values) in zip(figure.subplots(1, len(panels), squeeze=False).ravel(), panels.items()):
        _curves(ax, epochs, values, INKS, heading, "{:.1f}")
        if not taught.chosen_by_nothing(audit):
            _chosen(ax, audit.facts["training"].get("best_epoch"))
    if how := _how(audit):
        note(figure, how)
    return figure


def _chosen(ax: Axes, best: int | None) -> None:
    """A line at the epoch whose weights are the best."""
    if best:
        ax.axvline(best, color=MUTED, linewidth=0.8, linestyle=(0, (2, 2)), zorder=0)


def _how(audit: Audit) -> str:
    regime, known = audit.facts["experiment"]["regime"], taught.judged(audit)
    text = "" if taught.chosen_by_nothing(audit) else "Upright line: the epoch of the best weights."
    if not regime["mu"]:
        return text
    among = "." if known == 1 else f" whose true label is known, at the end {percent(known)} of them."
    return (
        f"{text} A pseudo-label is confident from a probability of {regime['threshold']:g} on. Coverage: share of "
        f"unlabelled images with a confident one; purity: share of right ones among the confident{among}"
    ).strip()
