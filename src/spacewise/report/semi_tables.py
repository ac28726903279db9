"""Tables of what semi-supervised methods are worth."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from spacewise.report import numbers
from spacewise.report.numbers import count, duration, number, percent, signed
from spacewise.report.semi_verdict import (
    AS_RELEASED,
    CORRECTED,
    RELEASED,
    additions,
    bare,
    gains,
    leaks,
    main,
    preset_of,
)
from spacewise.report.tables import Cell, Table
from spacewise.report.transfer_numbers import outcome, paired, ranked, summary
from spacewise.report.transfer_runs import methods, sets
from spacewise.report.transfer_tables import DASH, EMPTY, _gain, spread
from spacewise.report.transfer_verdict import _joined

WEIGHTS = {"accuracy": "last", "accuracy_best": "best epoch", "accuracy_averaged": "averaged"}
PRINTED = {"top1": "Top1", "best_top1": "Best-Top1"}
CHOSE = {CORRECTED: "on validation images", RELEASED: "on the test images themselves, as released"}
THEIRS = (
    "The paper's figures stand beside, not against. The released code learns from every label of its training list, "
    "not from the 4 a class that the paper names (on UC Merced about 50 a class), and takes test images among the "
    "unlabelled ones; Best-Top1 is the best epoch on the test set. Their runs are 512 epochs of 1,024 steps of 32 "
    "labelled and 224 unlabelled images (μ = 7), ours as long as the Settings table says."
)


def accuracy(table: pd.DataFrame, of_set: str, paper: pd.DataFrame) -> Table:
    """Test accuracy of a set's methods: last weights, those of the best epoch, averaged ones, and the paper's."""
    rows = main(table)
    mine = rows[rows["set"] == of_set]
    known = [name for name in WEIGHTS if mine[name].notna().any()]
    means = {name: summary(mine, name).set_index("method") for name in known}
    leaders = {name: _leader(mine.dropna(subset=[name]), of_set, name) for name in known}
    runs = mine.groupby("method", sort=False).size()
    theirs = {name: printed(paper, table, of_set, name) for name in runs.index}
    held = [name for name in PRINTED if any(name in row for row in theirs.values())]
    lines = []
    for name in runs.index:
        cells = [_mean(means[figure], name, leaders[figure] == name) for figure in known]
        small = count(runs[name]) + (" run" if runs[name] == 1 else " runs") if runs.nunique() > 1 else ""
        lines.append([Cell(str(name), small), *cells, *(_theirs(theirs[name], figure) for figure in held)])
    heads = ["method", *(WEIGHTS[name] for name in known), *(PRINTED[name] for name in held)]
    groups = (("", 1), ("ours, %", len(known)), *([("the paper's, %", len(held))] if held else []))
    return Table(heads, lines, _accuracy_words(table, mine, of_set, paper, bool(held)), groups)


def _accuracy_words(table: pd.DataFrame, mine: pd.DataFrame, of_set: str, paper: pd.DataFrame, theirs: bool) -> str:
    runs = mine.groupby("method").size()
    shown = "Accuracy on test images, one run each: what another seed would give is not known."
    if runs.max() > 1:
        over = f"{count(runs.max())} seeds" if runs.nunique() == 1 else "seeds"
        shown = (
            f"Accuracy on test images, mean ± standard error over {over}. Bold: better than the second of its column "
            "on the same seeds by more than chance would give (paired, p below 0.05, not corrected)."
        )
    if mine["accuracy_best"].notna().any():
        shown += f" Best epoch: chosen {CHOSE[preset_of(mine, of_set)]}."
    return " ".join([shown, *([THEIRS] if theirs else []), *_unmatched(table, of_set, paper)])


def _unmatched(table: pd.DataFrame, of_set: str, paper: pd.DataFrame) -> list[str]:
    """What the paper prints of a set and we did not run."""
    if paper.empty:
        return []
    keys = set(table.loc[table["set"] == of_set, "key"])
    rest = paper[(paper["set"] == of_set) & ~paper["key"].isin(keys)]
    parts = [f"{row['key']} {number(row['top1'])} / {number(row['best_top1'])}" for row in rest.to_dict("records")]
    return [f"Printed there and not run here (Top1 / Best-Top1): {', '.join(parts)}."] if parts else []


def _leader(mine: pd.DataFrame, of_set: str, figure: str) -> str:
    """The method that is better than the second on the same seeds by more than chance would give; else ""."""
    frame, preset = mine.assign(accuracy=mine[figure]), preset_of(mine, of_set)
    order = list(ranked(frame, of_set, preset).index)
    if len(order) < 2:
        return ""
    return str(order[0]) if outcome(paired(frame, of_set, preset, *order[:2])) == "holds" else ""


def _mean(means: pd.DataFrame, name: Any, best: bool = False, scale: float = 100, digits: int = 1) -> Cell:
    return Cell(spread(means.loc[name], scale, digits), best=best) if name in means.index else DASH


def printed(paper: pd.DataFrame, table: pd.DataFrame, of_set: str, method: str) -> dict[str, Any]:
    """What the paper prints of a method on a set: top1, best_top1, time, those that it has."""
    if paper.empty:
        return {}
    keys = set(table.loc[(table["set"] == of_set) & (bare(table) == method.removesuffix(AS_RELEASED)), "key"])
    found = paper[(paper["set"] == of_set) & paper["key"].isin(keys)]
    return {} if found.empty else {str(key): value for key, value in found.iloc[0].items() if not pd.isna(value)}


def _theirs(row: Mapping[str, Any], figure: str) -> Cell:
    return Cell(number(float(row[figure]), 2), muted=True) if figure in row else EMPTY


def differences(table: pd.DataFrame) -> Table | None:
    """Every method less labels alone, and every addition less CoMatch, by set; None where there is neither."""
    rows, found = main(table), {}
    for of_set in sets(rows):
        parts = {"less labels alone": gains(rows, of_set), "less CoMatch": additions(rows, of_set)}
        for against, pairs in parts.items():
            if pairs:
                found[of_set, against] = {row["method"]: row for row in pairs}
    if not found:
        return None
    names = [name for name in methods(rows) if any(name in pairs for pairs in found.values())]
    lines = [
        [Cell(name), *(_gain(pairs[name]) if name in pairs else EMPTY for pairs in found.values())] for name in names
    ]
    groups = [(of_set, sum(key[0] == of_set for key in found)) for of_set in dict.fromkeys(key[0] for key in found)]
    several = any(row["seeds"] > 1 for pairs in found.values() for row in pairs.values())
    words = (
        "Last weights, percentage points, mean over the seeds that both have; in brackets 95 % Student intervals, then "
        "p and the seeds on which the method is ahead. Bold: p below 0.05, not corrected for the number of comparisons."
        if several
        else "Last weights, percentage points. One seed: no interval, no p."
    )
    return Table(["method", *(against for _, against in found)], lines, words, (("", 1), *groups))


def leak(table: pd.DataFrame, of_set: str, paper: pd.DataFrame) -> Table | None:
    """As released against corrected, last and best weights; None where a set lacks one of the presets."""
    figures = {"accuracy": "last weights, %", "accuracy_best": "best epoch, %"}
    found = {figure: leaks(table, of_set, figure) for figure in figures}
    held = [figure for figure in figures if found[figure]]
    if not held:
        return None
    mine = table[table["set"] == of_set]
    named = mine.assign(method=bare(mine), budget=mine["preset"])
    means = {figure: summary(named, figure).set_index(["method", "budget"]) for figure in held}
    lines, names = [], methods(named[named["preset"] == RELEASED])
    theirs = {name: printed(paper, table, of_set, name) for name in names}
    columns = [figure for figure in PRINTED if any(figure in row for row in theirs.values())]
    for name in names:
        cells: list[Cell] = [Cell(name)]
        for figure in held:
            cells += [_mean(means[figure], (name, preset)) for preset in (RELEASED, CORRECTED)]
            cells.append(_gain(found[figure][name]) if name in found[figure] else EMPTY)
        lines.append([*cells, *(_theirs(theirs[name], figure) for figure in columns)])
    heads = ["method", *(["as released", "corrected", "difference"] * len(held)), *(PRINTED[name] for name in columns)]
    groups = [("", 1), *((figures[figure], 3) for figure in held)]
    return Table(heads, lines, LEAK_WORDS, (*groups, *([("the paper's, %", len(columns))] if columns else [])))


LEAK_WORDS = (
    "Test accuracy, mean ± standard error over seeds; differences in percentage points on the same seeds with 95 % "
    "intervals; of one seed there is none. Best epoch: on the test set as released, on validation images when "
    "corrected. A dash: not run, or no seed in common."
)


def leak_words(table: pd.DataFrame) -> list[str]:
    """What each fault of the released code is, with its size in images or in points.

    Sizes are of the methods and seeds that were run both ways.
    """
    released, corrected = both_ways(table)
    if released.empty:
        return ["How large each fault is was not measured: no method was run both ways with one seed."]
    labels = [_range(part["labels"]) for part in (released, corrected)]
    pools = [_range(part.loc[part["mu"] > 0, "unlabelled"]) for part in (released, corrected)]
    best, averaged = (
        [_above(part, figure) for part in (released, corrected)] for figure in ("accuracy_best", "accuracy_averaged")
    )
    names = _joined([f"“{name}”" for name in dict.fromkeys(bare(released))])
    return [
        f"Held against each other below: {_runs(released)} as released and {_runs(corrected)} corrected, of the same "
        f"methods ({names}), sets and seeds.",
        f"The budget of labels is not kept: {labels[0]} labelled images are learnt from instead of {labels[1]}.",
        f"Test images, without their labels, are among the unlabelled ones: {pools[0]} unlabelled images instead of "
        f"{pools[1]}.",
        f"The best epoch is chosen on the test images themselves. Less the last epoch: {best[0]}; where validation "
        f"images choose, {best[1]}.",
        f"The averaged network keeps the normalisation statistics of the trained one. Less the last weights: "
        f"{averaged[0]}; where they are estimated again, {averaged[1]}.",
        "The second strong view is not normalised as the other views are.",
        "The table shows all faults together; what each brings by itself was not measured.",
    ]


def both_ways(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Runs as released, and corrected, of those methods, sets and seeds that have both."""
    keys = pd.MultiIndex.from_arrays([table["set"], bare(table), table["seed"]])
    released, corrected = ((table["preset"] == preset).to_numpy() for preset in (RELEASED, CORRECTED))
    return table[released & keys.isin(keys[corrected])], table[corrected & keys.isin(keys[released])]


def _runs(rows: pd.DataFrame) -> str:
    return f"{count(len(rows))} {'run' if len(rows) == 1 else 'runs'}"


def _range(values: pd.Series) -> str:
    if values.empty:
        return "no"
    low, high = int(values.min()), int(values.max())
    return count(low) if low == high else f"{count(low)} to {count(high)}"


def _above(rows: pd.DataFrame, figure: str) -> str:
    """Other weights less the last, over all runs: `+2.1 ± 0.3 points (mean of 6 runs)`."""
    gap = (rows[figure] - rows["accuracy"]).dropna()
    if gap.empty:
        return "not measured"
    if len(gap) == 1:
        return f"{signed(gap.iloc[0])} points (one run)"
    error = number(100 * gap.std(ddof=1) / math.sqrt(len(gap)))
    return f"{signed(gap.mean())}{numbers.SPACE}±{numbers.SPACE}{error} points (mean of {count(len(gap))} runs)"


def pseudo(table: pd.DataFrame) -> Table | None:
    """Purity and coverage of the pseudo-labels in the last epoch, by method and set; None where never measured."""
    rows = main(table)
    known = [name for name in ("purity", "coverage") if rows[name].notna().any()]
    if not known:
        return None
    means = {name: summary(rows, name).set_index(["method", "set"]) for name in known}
    keys = [(of_set, name) for of_set in sets(rows) for name in known]
    learners = methods(rows[rows[known].notna().any(axis=1)])
    lines = [[Cell(name), *(_mean(means[figure], (name, of_set)) for of_set, figure in keys)] for name in learners]
    groups = (("", 1), *((of_set, len(known)) for of_set in sets(rows)))
    words = (
        "Last epoch, percent, mean ± standard error over seeds (of one seed, no error). Purity: the share of right "
        "ones among confident pseudo-labels whose true label is known. Coverage: the share of unlabelled images whose "
        "pseudo-label is confident. "
        "A dash: no confident pseudo-label, or not measured."
    )
    return Table(["method", *(figure for _, figure in keys)], lines, words, groups)


SETTINGS = {"net": "network", "mu": "μ", "threshold": "τ", "weight": "λ of CCSSL", "push": "T push", "batch": "batch",
            "epochs": "epochs", "steps": "steps"}  # fmt: skip
COST = {"images_per_second": ("images/s", 1, 0), "data_share": ("share of time for images, %", 100, 1),
        "peak_memory_mb": ("peak memory, MB", 1, 0)}  # fmt: skip
MADE = ("precision", "commit", "split", "run")


def settings(table: pd.DataFrame) -> Table:
    """Table I: a row for every method with settings of its own."""
    found = table.drop_duplicates(["method", "preset", *SETTINGS])
    rows = []
    for row in found.to_dict("records"):
        alike = table["method"].eq(row["method"]) & table["preset"].eq(row["preset"])
        for name in SETTINGS:
            alike &= table[name].eq(row[name]) | (table[name].isna() & pd.isna(row[name]))
        where = f": {'; '.join(sets(table[alike]))}" if len(sets(table)) > 1 else ""
        rows.append([Cell(str(row["method"]), f"{row['preset']}{where}"), *(_plain(row[name]) for name in SETTINGS)])
    words = (
        "Batch: labelled images a step; μ: unlabelled ones for each of these; τ: the confidence from which on a "
        "pseudo-label counts; λ, T push: weight and threshold of class_aware_contrast, where there is one. The paper's "
        "Table I for CCSSL: in distribution τ 0.95, λ 1, T push 0, μ 5; out of distribution τ 0.6, λ 2, T push 0.9, "
        "μ 7."
    )
    return Table(["method", *SETTINGS.values()], rows, words)


def _plain(value: Any) -> Cell:
    if pd.isna(value):
        return DASH
    return Cell(str(value) if isinstance(value, str) else f"{float(value):,g}")


def images(table: pd.DataFrame) -> Table:
    """What each set and preset learns from."""
    rows, learners = [], table[table["mu"] > 0]
    for (of_set, preset, labels, unlabelled, seen), _ in (table if learners.empty else learners).groupby(
        ["set", "preset", "labels", "unlabelled", "transductive"], sort=False
    ):
        found = [Cell(preset), Cell(count(labels)), Cell(count(unlabelled)), Cell("yes" if seen else "no")]
        rows.append([Cell(str(of_set)), *found])
    heads = ["set", "preset", "labelled", "unlabelled", "test images among the unlabelled"]
    return Table(heads, rows, "Images that the runs learn from; labels alone see the labelled ones only.")


def cost(table: pd.DataFrame, of_set: str, paper: pd.DataFrame) -> Table:
    """What the runs of a set cost, and the time that the paper prints."""
    rows = main(table)
    mine = rows[rows["set"] == of_set]
    means = {name: summary(mine, name).set_index("method") for name in (*COST, "seconds")}
    printed_times = {name: printed(paper, table, of_set, name).get("time") for name in methods(mine)}
    theirs = {name: time for name, time in printed_times.items() if time}
    lines = []
    for name in methods(mine):
        shown = [_mean(means[key], name, scale=COST[key][1], digits=COST[key][2]) for key in COST]
        took = Cell(_unbroken(means["seconds"].loc[name, "mean"])) if name in means["seconds"].index else DASH
        sizes = mine.loc[mine["method"] == name, "parameters"].dropna().unique()
        held = Cell(", ".join(map(count, sizes)) or "–")
        their = [Cell(str(theirs[name]), muted=True) if name in theirs else EMPTY] if theirs else []
        lines.append([Cell(name), *shown, took, held, *their])
    heads = ["method", *(words for words, _, _ in COST.values()), "time of a run", "parameters"]
    words = (
        "Mean ± standard error over seeds, the time the mean; of one seed, no error. Images/s count an image "
        "once, however many views of it a step takes. The share of time is that which the processor spent fetching "
        "images and making views."
    )
    if not theirs:
        return Table(heads, lines, words)
    words += " The paper's time, hours:minutes: 512 epochs of 1,024 steps on one A5000."
    return Table([*heads, "the paper's time"], lines, words)


def _unbroken(seconds: float) -> str:
    return duration(float(seconds)).replace(" ", numbers.SPACE)


def facts(table: pd.DataFrame) -> list[tuple[str, str]]:
    """What all runs have in common, as pairs of words."""
    found = {
        "runs": count(len(table)),
        "seeds": ", ".join(map(str, sorted(table["seed"].unique()))),
        "commits": ", ".join(dict.fromkeys(map(str, table["commit"].dropna()))),
        "precision": ", ".join(dict.fromkeys(map(str, table["precision"].dropna()))),
        "steps of a run": ", ".join(f"{int(steps):,}" for steps in sorted(table["steps"].dropna().unique())),
        "training, all runs": duration(float(table["seconds"].sum())),
    }
    return [(name, value) for name, value in found.items() if value]


def every_run(table: pd.DataFrame) -> Table:
    """Every run, what it reached, and what made it."""
    several, rows = len(sets(table)) > 1, []
    for row in table.to_dict("records"):
        reached = [percent(row[name], sign=False) for name in ("accuracy", "accuracy_best", "accuracy_averaged")]
        epoch = "–" if pd.isna(row["best_epoch"]) else f"{int(row['best_epoch'])} of {int(row['epochs'])}"
        took = "–" if pd.isna(row["seconds"]) else _unbroken(row["seconds"])
        made = ["–" if pd.isna(row[name]) else str(row[name]) for name in MADE[:-1]]
        where = [row["set"]] if several else []
        cells = [*where, row["preset"], row["seed"], *reached, epoch, f"{row['steps']:,.0f}", took, *made]
        rows.append([Cell(str(row["method"]), str(row["run"])), *(Cell(str(text)) for text in cells)])
    heads = ["method", *(["set"] if several else []), "preset", "seed", "last, %", "best, %", "averaged, %"]
    heads += ["best epoch", "steps", "time", *MADE[:-1]]
    words = "; ".join(f"{preset}: {CHOSE[preset]}" for preset in dict.fromkeys(table["preset"]))
    words = f"Accuracy on test images. Best epoch, {words}. A + behind a commit: the code had been changed."
    return Table(heads, rows, words)
