"""What three views of a set of losses come to, in plain sentences computed from their table."""

from __future__ import annotations

from typing import Any

import pandas as pd

from spacewise.explain.stored import FLOORS
from spacewise.report import comparison, explained
from spacewise.report.numbers import count, percent, probability, signed
from spacewise.report.views import clear
from spacewise.report.views_cells import definitions, ends, scale, text

LISTED = 4
"""Names in a sentence; of more, their number."""


def verdict(table: pd.DataFrame, unseen: str, method: str = "") -> list[str]:
    """Which loss is the most accurate, which separates best, and do the maps beat chance?

    Args:
        table: from `views.views`.
        unseen: what the subset `unseen` is, in words.
        method: of attribution; empty where nothing was explained.
    """
    sentences = [_accurate(table, unseen)]
    if (table["figure"] == "silhouette").any():
        sentences.append(_separated(table))
    if method and definitions(table):
        sentences += _attentive(table, method, definitions(table)[0])
    return sentences


def _ranked(table: pd.DataFrame, figure: str) -> pd.DataFrame:
    rows = table[(table["figure"] == figure) & table["mean"].notna()].set_index("method")
    return rows.sort_values("mean", ascending=False, kind="stable")


def _accurate(table: pd.DataFrame, unseen: str) -> str:
    key, first = comparison.key_figure(table), table["method"].iloc[0]
    where = unseen if key == "unseen" else "the test set"
    rows = _ranked(table, key)
    top = rows.index[0]
    reach = ends(key, rows["low"].iloc[0], rows["high"].iloc[0])
    shown = f"{percent(rows['mean'].iloc[0])} {reach}".strip()
    level = (rows["mean"].mul(100).round(1) == round(100 * rows["mean"].iloc[0], 1)).sum() - 1
    shown += f", level with {count(level)} more" if level else ""
    if len(rows) == 1:
        return f"“{top}” is right in {shown} on {where}."
    if top == first:
        second = rows.index[1]
        close = _difference(rows.loc[second], key)
        return f"No loss is more accurate than “{first}” on {where}: {shown}; next is “{second}” ({close})."
    return (
        f"“{top}” is the most accurate on {where}: {shown}, against {percent(rows.loc[first, 'mean'])} for “{first}” "
        f"({_difference(rows.loc[top], key)})."
    )


def _separated(table: pd.DataFrame) -> str:
    rows, first = _ranked(table, "silhouette"), table["method"].iloc[0]
    if rows.empty:
        return "Separation was not measured in the feature space."
    top = rows.index[0]
    shown = text("silhouette", rows["mean"].iloc[0])
    if len(rows) == 1:
        return f"The silhouette of its feature space is {shown}."
    if top == first or first not in rows.index:
        second = rows.index[1]
        near = f"next is “{second}” with {text('silhouette', rows.loc[second, 'mean'])}"
        tested = f" ({_difference(rows.loc[second], 'silhouette')})" if first in rows.index else ""
        return f"“{top}” keeps the classes farthest apart in the feature space, silhouette {shown}; {near}{tested}."
    base = text("silhouette", rows.loc[first, "mean"])
    return (
        f"“{top}” keeps the classes farthest apart in the feature space, silhouette {shown} against {base} "
        f"({_difference(rows.loc[top], 'silhouette')})."
    )


def _difference(row: Any, figure: str) -> str:
    """`+0.3 points [0.1, 0.5], p = 0.02, more than chance`."""
    times, digits = scale(figure)
    shown = signed(row["difference"], times, digits) + (" points" if times == 100 else "")
    found = clear(row)
    if found is None:
        return f"{shown}; without paired runs or images, not tested"
    parts = [f"{shown} {ends(figure, row['difference_low'], row['difference_high'])}".strip(), probability(row["p"])]
    parts.append("more than chance" if found else "no more than chance may give")
    return ", ".join(part for part in parts if part)


def _attentive(table: pd.DataFrame, method: str, definition: str) -> list[str]:
    """Where maps beat both floors, by the 95 % interval of their gain; and whose maps are worth the most."""
    gains = table[table["figure"].isin([f"gain:{definition}:{floor}" for floor in FLOORS])]
    known = gains.dropna(subset=["low"])
    names = list(dict.fromkeys(known["method"]))
    sentences = []
    if names:
        above = [name for name in names if (known.loc[known["method"] == name, "low"] > 0).all()]
        below = [name for name in names if (known.loc[known["method"] == name, "high"] < 0).any()]
        floors = " and ".join(FLOOR_WORDS[floor] for floor in FLOORS if known["figure"].str.endswith(floor).any())
        sentences.append(_beaten(names, above, below, explained.words(method), floors))
    rows = _ranked(table, f"difference:{definition}")
    if len(rows) > 1:
        top, last = rows.iloc[0], rows.iloc[-1]
        shown = [f"“{row.name}” ({text('difference', row['mean'])})" for row in (top, last)]
        sentences.append(f"Insertion less deletion is highest for {shown[0]}, lowest for {shown[1]}.")
    return sentences


FLOOR_WORDS = {"random": "a random order of pixels", "centre": "one from the centre outwards"}


def _beaten(names: list[str], above: list[str], below: list[str], method: str, floors: str) -> str:
    total = f"{count(len(names))} network" + ("s" if len(names) > 1 else "")
    claim = f"point to what counts better than {floors}"
    if len(above) == len(names):
        whole = "this network" if len(names) == 1 else f"all {total}"
        return f"The {method} maps of {whole} {claim}."
    shown = f"The {method} maps {claim} in {count(len(above))} of {total}{_listed(above)}"
    if below:
        shown += f"; worse than one of the two in {count(len(below))}{_listed(below)}"
    return f"{shown}."


def _listed(names: list[str]) -> str:
    return f" ({', '.join(f'“{name}”' for name in names)})" if 0 < len(names) <= LISTED else ""
