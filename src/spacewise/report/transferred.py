"""What pages ask of the audit of a transfer: both domains' accuracy, and how they lie to one another in a space."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from spacewise.errors import InputError, unknown
from spacewise.report.numbers import count, interval, number, percent

if TYPE_CHECKING:
    from spacewise.audits import Audit

SHARED = "embedding"
"""The space of a Y-shaped network that transfers align, and figures show."""


def has_domains(audit: Audit) -> bool:
    """Whether both domains were measured: not of a run of one domain, and not of other data than the run's own."""
    return audit.has("domains")


def check(audit: Audit) -> None:
    """Raises `InputError` where there is no second domain to show."""
    if has_domains(audit):
        return
    if audit.facts["experiment"].get("target"):
        raise InputError(f"{audit.folder} tests other data than its run's: its domains are in the audit of the run")
    raise InputError(f"{audit.folder}: its run is of one domain, there is no source to compare with")


def accuracy(audit: Audit, domain: str) -> pd.Series:
    """Of `source` or `target`, on its test images as stored: samples, accuracy, low, high."""
    return audit.table("domain_accuracy").set_index("domain").loc[domain]


def accuracy_words(audit: Audit, domain: str) -> str:
    """`79.5 % [75.5, 83.5]`."""
    row = accuracy(audit, domain)
    return f"{percent(row['accuracy'])} {interval(row['low'], row['high'])}"


def space(audit: Audit, name: str = SHARED) -> pd.Series:
    """One space's row of the table `domains`; raises `InputError` for one that both branches do not share."""
    check(audit)
    table = audit.table("domains").set_index("space")
    if name not in table.index:
        raise unknown("space of both domains", name, table.index)
    return table.loc[name]


def classes(audit: Audit, name: str = SHARED) -> pd.DataFrame:
    """One row a class: the table `domain_classes` of one space."""
    space(audit, name)
    table = audit.table("domain_classes")
    return table[table["space"] == name].reset_index(drop=True)


def matched(audit: Audit, name: str = SHARED) -> tuple[int, int]:
    """Of how many classes the nearest class of the target is the same class, and how many are in both domains."""
    found = classes(audit, name)["matched"].dropna()
    return int(found.sum()), len(found)


def matched_words(audit: Audit, name: str = SHARED) -> str:
    """`3 of 4`."""
    return " of ".join(count(figure) for figure in matched(audit, name))


def separability_words(row: pd.Series) -> str:
    """`0.998 [0.994, 1.000]`."""
    return f"{number(row['separability'], 3)} {interval(row['low'], row['high'], 1, 3)}"


def told_apart(audit: Audit, name: str = SHARED) -> str:
    """How well a probe tells the domains apart in a space."""
    row = space(audit, name)
    if pd.isna(row["separability"]):
        return f"In the space {name} there are too few test images to ask a probe which domain they are of."
    verb = "tells" if row["low"] > 0.5 else "does not clearly tell"
    return (
        f"In the space {name} a linear probe {verb} source from target: separability {separability_words(row)}, where "
        "0.5 is guessing and 1 never wrong."
    )


def answer(audit: Audit) -> str:
    """How the domains lie to one another in the space that they share."""
    right, both = matched(audit)
    lie = "lies" if right == 1 else "lie"
    return (
        f"{told_apart(audit)} Of {count(both)} classes, {count(right)} {lie} nearest to the same class of the target."
    )


def by_class(audit: Audit, name: str = SHARED) -> str:
    """How many classes are matched, which are not, and which lies farthest."""
    table = classes(audit, name).dropna(subset=["distance"])
    if table.empty:
        return "No class has test images in both domains."
    wrong = table[~table["matched"].astype(bool)]
    last = table.loc[table["distance"].idxmax()]
    text = (
        f"In the space {name}, {matched_words(audit, name)} classes of the source lie nearest to the same class of the "
        f"target; farthest from itself is {last['class']} with {number(last['distance'], 2)}."
    )
    if wrong.empty:
        return text
    first = wrong.loc[(wrong["distance"] - wrong["nearest_distance"]).idxmax()]
    most = "" if len(wrong) == 1 else ", most clearly of those matched wrongly"
    return f"{text} {first['class']} lies nearer to the target's {first['nearest']}{most}."


def line(audit: Audit) -> str:
    """The transfer in one line for a terminal."""
    row, source = space(audit), accuracy(audit, "source")
    apart = "not asked" if pd.isna(row["separability"]) else f"{row['separability']:.3f}"
    return (
        f"{'source':>10}  [bold]{100 * source['accuracy']:5.1f} %[/]  [dim]{100 * source['low']:.1f} to "
        f"{100 * source['high']:.1f}, n = {int(source['samples'])}; {SHARED}: separability {apart}, "
        f"{matched_words(audit)} classes matched[/]"
    )
