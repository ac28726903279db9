"""Tables of the three views of a set of losses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from spacewise.explain.stored import FLOORS
from spacewise.measures.summary import summarise
from spacewise.report import explained
from spacewise.report.comparison import MCNEMAR, NO_TEST, STUDENT, Methods
from spacewise.report.numbers import count, large, probability, signed
from spacewise.report.tables import Cell, Table
from spacewise.report.views import BOOTSTRAP, clear
from spacewise.report.views_cells import (
    DASH,
    SHARES,
    best,
    cell,
    change_words,
    definitions,
    ends,
    figures,
    head,
    scale,
    spread_words,
    text,
)


def main(table: pd.DataFrame, objectives: Mapping[str, str]) -> Table:
    """THE table: a row a method, the three views beside one another, the paper's figures below ours."""
    groups = figures(table)
    columns = [figure for names in groups.values() for figure in names]
    below = {name: "" if text == name else text for name, text in objectives.items()}  # runs are named by it themselves
    rows = [[Cell(name, below[name]), *_cells(table, name, columns)] for name in objectives]
    rows += _floor_rows(table, columns)
    spans = tuple((words, len(names)) for words, names in groups.items())
    heads = ["loss", *(head(figure) for figure in columns)]
    return Table(heads, rows, _main_caption(table), (("", 1), *spans))


def _cells(table: pd.DataFrame, method: str, columns: list[str]) -> list[Cell]:
    mine = table[table["method"] == method].set_index("figure")
    leading = {figure: best(table, figure) for figure in columns}
    return [
        cell(mine.loc[figure], figure, method in leading[figure]) if figure in mine.index else DASH
        for figure in columns
    ]


def _floor_rows(table: pd.DataFrame, columns: list[str]) -> list[list[Cell]]:
    rows = []
    for floor in FLOORS:
        found = [table.loc[table["figure"] == f"{figure}:{floor}", "mean"].dropna() for figure in columns]
        if any(len(values) for values in found):
            first = Cell(explained.words(floor), "floor, mean of all networks", muted=True)
            rows.append([first, *(_floor(figure, values) for figure, values in zip(columns, found, strict=True))])
    return rows


def _floor(figure: str, values: pd.Series) -> Cell:
    if values.empty:
        return Cell("")
    reach = f"{text(figure, values.min())} to {text(figure, values.max())}" if len(values) > 1 else ""
    return Cell(text(figure, values.mean()), reach, muted=True)


def _main_caption(table: pd.DataFrame) -> str:
    groups = figures(table)
    shown = "Accuracy on test images as stored. "
    if "Separated" in groups:
        shown += "Separation in the feature space, on vectors as they are: silhouette −1 to 1. "
    if "Looks at the right thing" in groups:
        what = "accuracy" if "accuracy" in definitions(table)[:1] else "the predicted class's probability"
        shown += (
            f"Insertion and deletion: area below the curve of {what} as pixels come or go, those under the most "
            "attention first; high insertion, low deletion and a high difference are good. "
        )
    shown += spread_words(table)
    if table["paper"].notna().any():
        shown += "Small: what the paper prints, of other trainings and other images. "
    return f"{shown}Bold: the best of its column. A dash: not measured."


def differences(table: pd.DataFrame) -> Table | None:
    """Every method's difference from the first in the main figures; None where there is nothing to compare."""
    names = list(dict.fromkeys(table["method"]))
    groups = {words: found for words, found in figures(table).items() if words != SHARES}
    columns = [figure for found in groups.values() for figure in found]
    if len(names) < 2:
        return None
    rows = []
    for name in names[1:]:
        mine = table[table["method"] == name].set_index("figure")
        cells = [_change(mine.loc[figure], figure) if figure in mine.index else DASH for figure in columns]
        rows.append([Cell(name), *cells])
    spans = tuple((words, len(found)) for words, found in groups.items())
    heads = [f"against {names[0]}", *(head(figure) for figure in columns)]
    return Table(heads, rows, _differences_caption(table[table["figure"].isin(columns)]), (("", 1), *spans))


def _change(row: Any, figure: str) -> Cell:
    if math.isnan(row["difference"]):
        return DASH
    shown, reach = signed(row["difference"], *scale(figure)), ""
    if figure == "calinski_harabasz":
        shown = large(row["difference"]) if row["difference"] < 0 else f"+{large(row['difference'])}"
    if not math.isnan(row["difference_low"]):
        reach = ends(figure, row["difference_low"], row["difference_high"])
        reach = f"{reach}\n{probability(row['p'])}".strip()
    return Cell(shown, reach, clear(row) is True)


def _differences_caption(table: pd.DataFrame) -> str:
    others = table[table["method"] != table["method"].iloc[0]]
    shown = (
        "Accuracy in percentage points, with 95 % intervals. Bold: more than chance may give (p below "
        "0.05, or an interval without zero), not corrected for the number of comparisons. "
    )
    tests = set(others["test"])
    if STUDENT in tests:
        shown += (
            f"Paired by seed and fold ({int(others['pairs'][others['test'] == STUDENT].max())} pairs), Student's t. "
        )
    if tests & {MCNEMAR, BOOTSTRAP}:
        shown += (
            "Where there is one run each, the question is of these two trained networks: paired by image, McNemar's "
            "test of accuracy, bootstrap intervals over images; whether training again would give the same takes "
            "several runs. "
        )
    if NO_TEST in tests:
        shown += "Without brackets: nothing to pair, not tested. "
    return shown.strip()


def separation(audits: Methods) -> Table | None:
    """Silhouette of every space of every method; None where it was measured nowhere."""
    found = [
        audit.table("separation").assign(method=name)
        for name, made in audits.items()
        for audit in made
        if audit.has("separation")
    ]
    if not found:
        return None
    runs = pd.concat(found, ignore_index=True)
    table = summarise(runs, ["method", "space"], "silhouette").rename(columns={"n": "runs"})
    firsts = runs.drop_duplicates(["method", "space"]).set_index(["method", "space"])
    table[["low", "high"]] = [
        tuple(firsts.loc[(row.method, row.space), ["silhouette_low", "silhouette_high"]]) for row in table.itertuples()
    ]
    spaces = ordered(audits)
    tops = table.groupby("space")["mean"].max().round(3)
    by, rows = table.assign(paper=np.nan).set_index(["method", "space"]), []
    for name in audits:
        cells = [Cell(name)]
        for space in spaces:
            if (name, space) not in by.index:
                cells.append(DASH)
                continue
            row = by.loc[(name, space)]
            cells.append(cell(row, "silhouette", len(audits) > 1 and round(row["mean"], 3) == tops[space]))
        rows.append(cells)
    return Table(
        ["loss", *spaces],
        rows,
        "Silhouette of test images in every space in network order, the classes being the clusters: 1 far apart, 0 "
        f"touching, below 0 mixed. {spread_words(table)}Bold: the highest of its column. A dash: no such space.",
    )


def ordered(audits: Methods) -> list[str]:
    """Every measured space of any method, in the networks' order."""
    names: list[str] = []
    for made in audits.values():
        place = 0
        for space in made[0].table("separation")["space"] if made[0].has("separation") else ():
            if space not in names:
                names.insert(place, space)
            place = names.index(space) + 1
    return names


def attention(table: pd.DataFrame, definition: str) -> Table:
    """Areas by one definition, and how far they lie above each floor."""
    kinds = [f"{kind}:{definition}" for kind in ("insertion", "deletion", "difference")]
    gains = [f"gain:{definition}:{floor}" for floor in FLOORS]
    columns = [figure for figure in (*kinds, *gains) if (table["figure"] == figure).any()]
    names = dict.fromkeys(table.loc[table["figure"].isin(columns), "method"])
    rows = [[Cell(name), *_cells(table, name, columns)] for name in names]
    over = {gain: f"above {explained.words(floor)}" for gain, floor in zip(gains, FLOORS, strict=True)}
    heads = ["loss", *(over.get(figure, head(figure)) for figure in columns)]
    caption = f"{DEFINITIONS.get(definition, definition)} Above a floor: the difference less that of the floor's maps."
    return Table(heads, [*rows, *_floor_rows(table, columns)], f"{caption} {spread_words(table)}".strip())


DEFINITIONS = {
    "accuracy": "Areas of accuracy: the share of images whose true class comes out on top, pixels to come or gone set "
    "to zero after normalisation.",
    "probability": "Areas of probability: that of the class predicted on the whole image; inserted into a blurred "
    "picture, deleted to zero.",
}


def changed(table: pd.DataFrame) -> Table | None:
    """Accuracy of every method under every change of the images; None without masks."""
    columns = [name for name in dict.fromkeys(table["figure"]) if name.startswith("changed:")]
    if not columns:
        return None
    names = dict.fromkeys(table.loc[table["figure"].isin(columns), "method"])
    rows = [[Cell(name), *_cells(table, name, columns)] for name in names]
    heads = [change_words(figure) for figure in columns]
    return Table(
        ["loss", *heads], rows, f"Accuracy in percent on all masked test images. {spread_words(table)}".strip()
    )


def explanations(made: explained.Explained) -> list[tuple[str, str]]:
    """How the maps were made, of the first one."""
    facts = next(iter(explained.with_any(made).values()))[0].facts
    found = {
        "explained by": explained.words(next(name for name in facts["methods"] if name not in FLOORS)),
        "of the space": facts["space"],
        "class explained": facts["explained"],
        "weights": facts["weights"],
        "images": count(facts["images"]),
        "steps of a curve": count(facts["steps"]),
        "seed": facts["seed"],
    }
    return [(name, str(value)) for name, value in found.items() if value not in (None, "")]
