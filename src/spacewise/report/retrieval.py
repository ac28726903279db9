"""What figures and pages ask of an audit whose test classes were never trained on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pandas as pd

from spacewise.errors import InputError
from spacewise.report import numbers

if TYPE_CHECKING:
    from spacewise.audits import Audit

PIXELS = "pixels"
FIRST = "recall@1"
DEEPEST = 4
"""Spaces that are followed over epochs: the last ones of the network."""

WORDS = {"train": "training classes", "validation": "validation classes", "test": "test classes"}


def is_disjoint(audit: Audit) -> bool:
    """Whether no test class was trained on: the audit asks retrieval, not classification."""
    return bool(audit.facts.get("disjoint", False))


def chosen(audit: Audit, part: str) -> pd.DataFrame:
    """Retrieval under the chosen weights: one row a space (the index), in network order, raw pixels last.

    Raises:
        InputError: the part was not measured.
    """
    table = audit.table("retrieval")
    rows = table[(table["weights"] == audit.facts["weights"]) & (table["part"] == part)]
    rows = rows.drop_duplicates("space").set_index("space")  # a kept epoch's may have been chosen: it stands twice
    if rows.empty:
        raise InputError(f"{audit.folder} has no retrieval in the part '{part}' with {audit.facts['weights']} weights")
    return rows.loc[[name for name in (*audit.facts["spaces"], PIXELS) if name in rows.index]]


def parts(audit: Audit) -> list[str]:
    """The parts that were measured, test classes first."""
    measured = set(audit.table("retrieval")["part"])
    return [part for part in ("test", "validation", "train") if part in measured]


def spaces(audit: Audit) -> list[str]:
    """The network's measured spaces, in its order."""
    return [name for name in chosen(audit, "test").index if name != PIXELS]


def deepest(audit: Audit) -> list[str]:
    """The last spaces; the probability, which is the classifier's again, is left out."""
    return [name for name in spaces(audit) if name != "probability"][-DEEPEST:]


def floor(audit: Audit, part: str) -> float:
    """Recall at 1 on raw pixels; NaN where it was not measured."""
    found = chosen(audit, part)[FIRST]
    return float(found[PIXELS]) if PIXELS in found.index else math.nan


def over_epochs(audit: Audit, part: str) -> pd.DataFrame:
    """Recall at 1: rows the epochs that weights were kept of, columns the deepest spaces."""
    table = audit.table("retrieval")
    rows = table[table["part"] == part].drop_duplicates(["epoch", "space"])
    return rows.pivot(index="epoch", columns="space", values=FIRST).sort_index()[deepest(audit)]


def has_epochs(audit: Audit) -> bool:
    """Whether weights of more than one epoch were measured."""
    return bool(audit.table("retrieval")["epoch"].nunique() > 1)


def advice(audit: Audit) -> dict[str, Any]:
    """The recommendation: space, against (the space under the loss), recall, difference with its interval …"""
    return dict(audit.facts["recommendation"])


def under(audit: Audit) -> str:
    """The space under the loss that others are held against."""
    return str(advice(audit)["against"])


def before(audit: Audit) -> str:
    """The space before the one under the loss; empty where that is the network's first."""
    names = spaces(audit)
    place = names.index(under(audit))
    return names[place - 1] if place else ""


def under_words(audit: Audit) -> str:
    """What the space is that others are held against."""
    return "the space under the loss" if under(audit) in audit.facts["loss_spaces"] else "the last space"


def tested_on(audit: Audit) -> str:
    """`11 classes never seen`; where test classes were trained on, it says so."""
    tested, trained = (set(audit.facts["classes_of"].get(part, ())) for part in ("test", "train"))
    number = f"{numbers.count(len(tested))} {'class' if len(tested) == 1 else 'classes'}"
    new = len(tested - trained)
    if new == len(tested):
        return f"{number} never seen"
    return f"{number}, {numbers.count(new)} of them never seen" if new else f"new images of {number} trained on"


def best(audit: Audit) -> str:
    """The space with the highest recall at 1 on test classes, the deepest of equals: known only after the fact."""
    return str(chosen(audit, "test").loc[spaces(audit)[::-1], FIRST].idxmax())
