"""Tables of a comparison's page."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd

from spacewise.report import comparison, numbers, reading
from spacewise.report.numbers import count, interval, number, percent, probability, signed
from spacewise.report.tables import Cell, Table

if TYPE_CHECKING:
    from spacewise.audits import Audit


def methods(table: pd.DataFrame, floors: dict[str, float], objectives: dict[str, str]) -> Table:
    """Accuracy of every method, mean over its runs, the paper's beside it."""
    subsets = [f for f in ("seen", "unseen", "overall") if (table["figure"] == f).any()]
    with_paper = [f for f in subsets if table.loc[table["figure"] == f, "paper"].notna().any()]
    leaders = {subset: comparison.best(table, subset) for subset in subsets}
    names = list(dict.fromkeys(table["method"]))
    rows = []
    for name in names:
        row = [Cell(name, objectives[name])]
        for subset in subsets:
            found = comparison.value(table, name, subset)
            row.append(mean(found, name in leaders[subset] and len(names) > 1))
            if subset in with_paper:
                row.append(Cell(number(100 * found["paper"])))
        row.append(Cell(count(found["runs"])))
        rows.append(row)
    floor = [Cell("Nearest neighbour on raw pixels", "the floor; images as stored")]
    for subset in subsets:
        floor += [Cell(number(100 * floors[subset])), *([Cell("–")] if subset in with_paper else [])]
    heads = [head for s in subsets for head in ([s, "paper"] if s in with_paper else [s])]
    return Table(["method", *heads, "runs"], [*rows, [*floor, Cell("–")]], _methods_caption(table))


def mean(row: pd.Series, best: bool = False) -> Cell:
    """`94.1 ± 0.3` and below it the interval."""
    shown = number(100 * row["mean"])
    if row["runs"] > 1:
        shown += f" ± {number(100 * row['std'])}"
    return Cell(shown, interval(row["low"], row["high"]), best)


def _methods_caption(table: pd.DataFrame) -> str:
    first = table.iloc[0]
    images = "test images as stored" if first["view"] == reading.STORED else "each test image "
    words = "" if first["view"] == reading.STORED else reading.view_words(first["view"])
    shown = f"Accuracy in percent, {images}{words}. "
    if (table["runs"] == 1).all():
        shown += "One run each: in brackets, 95 % bootstrap intervals over images; another training would differ too. "
    else:
        shown += (
            "Mean ± standard deviation over runs (seeds or folds); in brackets, 95 % intervals of the mean (Student; "
            "bootstrap over images where there is one run). "
        )
    return shown + "Bold: the highest of its column."


def differences(table: pd.DataFrame) -> Table | None:
    """Every method's difference from the first; None where there is nothing to compare."""
    names = list(dict.fromkeys(table["method"]))
    if len(names) < 2:
        return None
    figures = [f for f in ("seen", "unseen", "overall", comparison.FALSE_ALARMS) if (table["figure"] == f).any()]
    heads = ["false alarms" if figure == comparison.FALSE_ALARMS else figure for figure in figures]
    rows = []
    for name in names[1:]:
        found = [comparison.value(table, name, figure) for figure in figures]
        rows.append([Cell(name), *(_change(row) for row in found)])
    return Table([f"against {names[0]}", *heads], rows, _differences_caption(table))


def _change(row: pd.Series) -> Cell:
    ends = ""
    if not math.isnan(row["difference_low"]):
        ends = f"{interval(row['difference_low'], row['difference_high'])} {probability(row['p'])}"
    return Cell(signed(row["difference"]), ends, bool(row["p"] < 0.05))


def _differences_caption(table: pd.DataFrame) -> str:
    shown = "Percentage points, with 95 % intervals. Bold: p below 0.05, not corrected for the number of comparisons. "
    tests = set(table["test"])
    if comparison.MCNEMAR in tests:
        shown += (
            "One run each, so the question is of these two trained networks: paired by test image (as stored, without "
            "copies), McNemar's exact test, bootstrap interval over images. Whether training again would give the same "
            "order takes several runs. "
        )
    if comparison.STUDENT in tests:
        most = int(table["pairs"].max())
        shown += f"Paired by seed and fold ({most} pairs), Student's t: the question is of the ways to train. "
    if (table.loc[table["method"] != table["method"].iloc[0], "test"] == comparison.NO_TEST).any():
        shown += "Without brackets: nothing to pair, not tested. "
    return shown.strip()


def scores(table: pd.DataFrame) -> Table:
    """False alarms of every method by every score that all have."""
    prefix = f"{comparison.FALSE_ALARMS}:"
    figures = [figure for figure in dict.fromkeys(table["figure"]) if figure.startswith(prefix)]
    names = list(dict.fromkeys(table["method"]))
    printed = table[(table["figure"] == comparison.FALSE_ALARMS) & table["paper"].notna()].set_index("method")["paper"]
    rows = []
    for figure in figures:
        leading = comparison.best(table, figure)
        cells = [mean(comparison.value(table, name, figure), name in leading and len(names) > 1) for name in names]
        rows.append([Cell(reading.score_words(figure[len(prefix) :])), *cells])
        if figure == f"{prefix}{reading.POSTERIOR}" and len(printed):
            rows.append([Cell("the paper's, largest posterior"), *(Cell(_of(printed, name)) for name in names)])
    return Table(
        ["score", *names],
        rows,
        "False alarms in percent: confusers accepted at the first threshold that accepts 90 % of the known test "
        "images. In brackets, 95 % intervals. Bold: the lowest of its row.",
    )


def _of(printed: pd.Series, name: str) -> str:
    return number(100 * float(printed[name])) if name in printed else "–"


def spaces(audits: dict[str, Audit], subset: str) -> Table | None:
    """Nearest training neighbour in the spaces that all methods have; None where they share none."""
    tables = {name: audit.table("spaces") for name, audit in audits.items()}
    frames = {name: table[table["subset"] == subset].set_index("space") for name, table in tables.items()}
    shared = [s for s in next(iter(frames.values())).index if all(s in frame.index for frame in frames.values())]
    if not shared:
        return None
    top = {space: max(round(100 * frame.loc[space, "nearest"], 1) for frame in frames.values()) for space in shared}
    rows = []
    for name, frame in frames.items():
        cells = []
        for space in shared:
            share, n = float(frame.loc[space, "nearest"]), int(frame.loc[space, "n"])
            best = len(frames) > 1 and space != "pixels" and round(100 * share, 1) == top[space]
            cells.append(Cell(number(100 * share), interval(*numbers.wilson(share, n)), best))
        rows.append([Cell(name), *cells])
    heads = ["raw pixels" if space == "pixels" else space for space in shared]
    return Table(
        ["method", *heads],
        rows,
        f"Percent of test images ({subset}) whose nearest training image, in that space alone, is of their class; 95 % "
        "Wilson intervals. Images as stored, first run of each method. Bold: the highest of its column.",
    )


def runs(methods_: comparison.Methods) -> Table:
    """Every run: what made it, how long it took."""
    rows = []
    for name, audits in methods_.items():
        for audit in audits:
            facts, training = audit.facts, audit.facts["training"]
            experiment = facts["experiment"]
            rows.append(
                [
                    Cell(facts["run"], name if name != facts["run"] else ""),
                    Cell(str(experiment["seed"])),
                    Cell(str(reading.tested_split(audit).get("fold", 0))),
                    Cell(f"{training.get('best_epoch', '–')} of {training.get('epochs', '–')}"),
                    Cell(numbers.duration(training["seconds"]) if "seconds" in training else "–"),
                    Cell(str(training.get("commit") or "–")),
                    Cell(percent(reading.accuracy(audit, reading.STORED).loc["overall", "accuracy"])),
                ]
            )
    heads = ["run", "seed", "fold", "best epoch", "training took", "commit", "overall, as stored"]
    return Table(heads, rows, "A + behind a commit: the code had been changed since.")
