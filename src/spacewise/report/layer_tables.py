"""Tables and key figures of a page that asks which space generalises to classes never seen."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd

from spacewise.report import numbers, retrieval
from spacewise.report.numbers import count, interval, number, percent
from spacewise.report.retrieval import FIRST, PIXELS
from spacewise.report.tables import Cell, Table
from spacewise.report.tiles import Tile

if TYPE_CHECKING:
    from spacewise.audits import Audit


def part(audit: Audit, name: str) -> Table:
    """Retrieval within one part, in every space."""
    found = retrieval.chosen(audit, name)
    columns = _measured(found)
    leading = found[columns].mul(100).round(1).max()
    rows = [_row(space, row, columns, leading) for space, row in found.iterrows()]
    heads = [column.replace("recall@", "").replace("map_at_r", "MAP@R") for column in columns]
    heads = ["R-precision" if head == "r_precision" else head for head in heads]
    ranks = sum(column.startswith("recall@") for column in columns)
    groups = (("", 2), ("recall at k, %", ranks), ("", len(columns) - ranks))
    return Table(["space", "dimensions", *heads], rows, _words(found, name), groups)


def _measured(found: pd.DataFrame) -> list[str]:
    ranks = [column for column in found.columns if column.startswith("recall@")]
    return [column for column in (*ranks, "r_precision", "map_at_r") if column in found and found[column].notna().any()]


def _row(space: object, row: pd.Series, columns: list[str], leading: pd.Series) -> list[Cell]:
    cells = [Cell("raw pixels" if space == PIXELS else str(space)), Cell(count(row["dimension"]))]
    for column in columns:
        ends = interval(row["low"], row["high"]) if column == FIRST else ""
        cells.append(Cell(number(100 * row[column]), ends, round(100 * row[column], 1) == leading[column]))
    return cells


def _words(found: pd.DataFrame, name: str) -> str:
    first = found.iloc[0]
    lone = int(first["lone"])
    alone = f" {count(lone)} more, alone in their class, have nothing to find and are no queries." if lone else ""
    return (
        f"In percent, {count(first['n'])} queries of {count(first['classes'])} {retrieval.WORDS[name]}; each is "
        f"compared with all other images of its part.{alone} In brackets: 95 % intervals of recall at 1, drawing whole "
        "classes again. Bold: the highest of its column. R-precision: share of right ones among as many neighbours as "
        "the class has other images; MAP@R: mean average precision at that rank."
    )


def tiles(audit: Audit) -> list[Tile]:
    """The recommended space, the one under the loss, their difference, and the floor of raw pixels."""
    advice, tested = retrieval.advice(audit), retrieval.chosen(audit, "test")
    space, under = str(advice["space"]), retrieval.under(audit)
    shown = [_tile(f"{space}, recommended", tested.loc[space], "unseen")]
    if space != under:
        what = retrieval.under_words(audit).removeprefix("the space ")
        shown.append(_tile(f"{under}, {what}", tested.loc[under], ""))
        ends = "" if math.isnan(advice["low"]) else interval(advice["low"], advice["high"])
        value, words = numbers.signed(advice["difference"]), "points of recall at 1, same queries"
        shown.append(Tile("difference", value, ends, words, "overall"))
    if PIXELS in tested.index:
        shown.append(_tile("pixel floor", tested.loc[PIXELS], ""))
    return shown


def _tile(label: str, row: pd.Series, tone: str) -> Tile:
    return Tile(label, percent(row[FIRST]), interval(row["low"], row["high"]), "recall at 1, test classes", tone)


def classes(audit: Audit) -> list[tuple[str, str]]:
    """(part with its number of classes, their names) of every part."""
    found = audit.facts["classes_of"]
    return [(f"{retrieval.WORDS[part].capitalize()} ({count(len(found[part]))})", ", ".join(found[part]))
            for part in retrieval.WORDS if found.get(part)]  # fmt: skip
