"""The key figures at the top of a run's page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spacewise.report import numbers, reading, transferred

if TYPE_CHECKING:
    from spacewise.audits import Audit


@dataclass(frozen=True)
class Tile:
    """A label, a figure with its interval, how it was measured, and whose colour it has."""

    label: str
    value: str
    ends: str
    note: str
    tone: str = ""


def tiles(audit: Audit) -> list[Tile]:
    """Overall, seen, unseen, a transfer's source, the pixel floor, false alarms: as many as the audit can tell."""
    view = reading.main_view(audit)
    table, transfer = reading.accuracy(audit, view), transferred.has_domains(audit)
    of = " on the target" if transfer else ""
    shown = [
        Tile(
            subset,
            numbers.percent(table.loc[subset, "accuracy"]),
            numbers.interval(table.loc[subset, "low"], table.loc[subset, "high"]),
            f"accuracy{of}, {reading.view_words(view)}",
            subset,
        )
        for subset in reading.main_subsets(audit)
    ]
    shown += [_source(audit)] if transfer else []
    return [*shown, _floor(audit), *([_false_alarms(audit)] if audit.has("rejection") else [])]


def _source(audit: Audit) -> Tile:
    row = transferred.accuracy(audit, "source")
    ends = numbers.interval(row["low"], row["high"])
    return Tile("source", numbers.percent(row["accuracy"]), ends, "accuracy on the source, as stored")


def _floor(audit: Audit) -> Tile:
    subset = reading.main_subsets(audit)[-1]
    share, number = reading.pixel_floor(audit, subset)
    label = "pixel floor" if subset == "overall" else f"pixel floor, {subset}"
    ends = numbers.interval(*numbers.wilson(share, number))
    return Tile(label, numbers.percent(share), ends, "nearest neighbour on raw pixels, as stored")


def _false_alarms(audit: Audit) -> Tile:
    row = audit.table("rejection").set_index("score").loc[reading.POSTERIOR]
    ends = numbers.interval(row["low"], row["high"])
    value = numbers.percent(row["pfa_at_pd90"])
    return Tile("false alarms", value, ends, "confusers accepted at 90 % detection, largest posterior")
