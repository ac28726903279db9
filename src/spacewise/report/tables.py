"""Tables of a run's page: text in cells, figures with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from spacewise.report import numbers, reading
from spacewise.report.numbers import count, interval, large, number

if TYPE_CHECKING:
    from spacewise.audits import Audit


@dataclass(frozen=True)
class Cell:
    """What stands in a cell, in smaller letters below it, whether it leads its column, and whether it stands back."""

    text: str
    small: str = ""
    best: bool = False
    muted: bool = False


@dataclass(frozen=True)
class Table:
    """Column heads, rows (first cell: what the row is of), and what the reader is to know of it."""

    heads: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    caption: str
    groups: Sequence[tuple[str, int]] = field(default_factory=tuple)
    """Heads over several columns: (text, columns)."""


def accuracy(audit: Audit) -> Table:
    """Every subset under every view and weights."""
    table = audit.table("accuracy")
    columns = list(dict.fromkeys(zip(table["weights"], table["view"], strict=True)))
    cells = {
        (row["weights"], row["view"], row["subset"]): Cell(
            number(100 * row["accuracy"]), interval(row["low"], row["high"])
        )
        for row in table.to_dict("records")
    }
    stored = reading.accuracy(audit, reading.STORED)
    rows = [
        [Cell(subset), Cell(count(n)), *(cells[weights, view, subset] for weights, view in columns)]
        for subset, n in stored["n"].items()
        if n > 0
    ]
    heads = [f"{weights} weights, {reading.view_words(view)}" for weights, view in columns]
    return Table(
        ["subset", "images", *heads],
        rows,
        "Accuracy in percent with 95 % bootstrap intervals over images; copies of an image are drawn together. The "
        "best weights are those of the epoch with the highest validation accuracy; the test set chose nothing.",
    )


def spaces(audit: Audit) -> Table:
    """Each space by itself."""
    table = audit.table("spaces")
    subsets = reading.main_subsets(audit)
    by = table.set_index(["space", "subset"])
    names = list(table["space"].unique())
    leading = {s: table[table["subset"] == s]["nearest"].mul(100).round(1).max() for s in subsets}
    rows = []
    for name in names:
        row = [Cell("raw pixels" if name == "pixels" else name), Cell(count(by.loc[(name, "overall"), "dimension"]))]
        for subset in subsets:
            share, n = float(by.loc[(name, subset), "nearest"]), int(by.loc[(name, subset), "n"])
            best = round(100 * share, 1) == leading[subset]
            row.append(Cell(number(100 * share), interval(*numbers.wilson(share, n)), best))
        row += [Cell(number(100 * by.loc[(name, subsets[-1]), "own_side"]))]
        row += [Cell(number(by.loc[(name, subsets[-1]), "margin_ratio"], 2))]
        rows.append(row)
    last = subsets[-1]
    return Table(
        ["space", "dimensions", *subsets, f"own side, {last}", f"distance ratio, {last}"],
        rows,
        "Left: percent of test images whose nearest training image is of their class, with 95 % Wilson intervals; "
        "bold: the highest of the column. Own side: percent nearer to their own class's training mean than "
        "to any other. Distance ratio: median of the one distance over the other; below 1 is good. Images as stored.",
        (("", 2), ("nearest training image, %", len(subsets)), ("class means", 2)),
    )


def separation(audit: Audit) -> Table:
    """How well each space keeps the test classes apart."""
    table = audit.table("separation")
    leading = table["silhouette"].round(3).max()
    rows = [
        [
            Cell(row["space"]),
            Cell(count(row["dimension"])),
            Cell(
                number(row["silhouette"], 3),
                interval(row["silhouette_low"], row["silhouette_high"], 1, 3),
                round(row["silhouette"], 3) == leading,
            ),
            Cell(large(row["calinski_harabasz"])),
            Cell(number(row["davies_bouldin"], 2)),
        ]
        for row in table.to_dict("records")
    ]
    return Table(
        ["space", "dimensions", "silhouette", "Calinski-Harabasz", "Davies-Bouldin"],
        rows,
        f"How well the classes of {count(table['n'].iloc[0])} test images lie apart, on vectors as they are, without "
        "any reduction of dimensions. Silhouette: −1 to 1, with 95 % bootstrap intervals over images; bold: the "
        "highest. Calinski-Harabasz: higher is better; Davies-Bouldin: lower. Images as stored.",
    )


def rejection(audit: Audit) -> Table:
    """Every score's figures, the fewest false alarms first."""
    table = audit.table("rejection").sort_values("pfa_at_pd90", kind="stable")
    has_second = "pfa_at_pd90_correct" in table
    rows = [
        [
            Cell(reading.score_words(row["score"])),
            Cell(number(100 * row["pfa_at_pd90"]), interval(row["low"], row["high"]), index == 0),
            Cell(number(100 * row["pd"])),
            Cell(number(100 * row["auroc"])),
            Cell(number(100 * row["fpr95_unknown_positive"])),
            *([Cell(number(100 * row["pfa_at_pd90_correct"]))] if has_second else []),
        ]
        for index, row in enumerate(table.to_dict("records"))
    ]
    second = ["false alarms, detected and correctly classified"] if has_second else []
    first = table.iloc[0]
    return Table(
        ["score", "false alarms at 90 % detection", "detection attained", "AUROC", "FPR95, unknown positive", *second],
        rows,
        f"All in percent; {count(first['n_known'])} known test images, {count(first['n_unknown'])} confusers, 95 % "
        "bootstrap intervals. False alarms: confusers accepted at the first threshold that accepts 90 % of the known "
        "(the paper's reading; the last column counts a known image as detected only when its class is right as well; "
        "a dash where accuracy stays below 90 %). FPR95: known images flagged where 95 % of confusers are, the "
        "open-set literature's figure. The threshold is read off the test images; it is not one to deploy.",
    )
