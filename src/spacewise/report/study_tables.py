"""The answer and the tables of a study of several networks."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from spacewise.report import numbers, retrieval
from spacewise.report.numbers import SPACE as NARROW
from spacewise.report.numbers import count, interval, number, percent, probability, signed
from spacewise.report.retrieval import PIXELS
from spacewise.report.tables import Cell, Table

if TYPE_CHECKING:
    from spacewise.audits import Audit

Methods = Mapping[str, "Sequence[Audit]"]


def verdict(audits: Methods, paired: pd.DataFrame) -> list[str]:
    """Does the space before the one under the loss generalise better: where, and by how much?"""
    tested, trained = (paired[paired["part"] == part] for part in ("test", "train"))
    if tested.empty:
        return ["Every loss stands on its network's first space: there is none before it to compare with."]
    sentences = [_answer(tested), *_outcomes(tested), _fitting(trained)]
    fewest, most = int(tested["runs"].min()), int(tested["runs"].max())
    seeds = f"{fewest}" if fewest == most else f"{fewest} to {most}"
    if most == 1:
        sentences.append("One run a network: what another seed would give is not known.")
    else:
        sentences.append(f"Mean differences over {seeds} runs (seeds or folds) a network, 95 % Student intervals.")
    return sentences


def outcome(row: pd.Series) -> str:
    """holds, reversed, open (the interval holds zero); of one run, higher or lower."""
    if math.isnan(row["low"]):
        return "higher" if row["difference"] > 0 else "lower"
    return "holds" if row["low"] > 0 else "reversed" if row["high"] < 0 else "open"


def _answer(tested: pd.DataFrame) -> str:
    found = Counter(outcome(row) for _, row in tested.iterrows())
    total, claim = len(tested), "the space before the one under the loss generalises better"
    if found["higher"] + found["lower"] == total:
        return f"One run each: {claim} in {count(found['higher'])} of {_networks(total)}, a hint and no more."
    if found["holds"] == total:
        return f"Yes: {claim}{_all(total)}."
    if found["holds"]:
        return f"In part: {claim}, by more than chance would give, in {count(found['holds'])} of {_networks(total)}."
    if found["reversed"] == total:
        return f"No: here the space under the loss generalises better{_all(total)}."
    return f"Not shown here: in none of {_networks(total)} is it more than chance may give that {claim}."


def _all(total: int) -> str:
    return f" in all {_networks(total)}" if total > 1 else ""


OUTCOMES = {
    "holds": "Better on test classes",
    "higher": "Higher on test classes",
    "open": "No clear difference",
    "lower": "Not higher on test classes",
    "reversed": "Worse on test classes",
}


def _outcomes(tested: pd.DataFrame) -> list[str]:
    kinds = [outcome(row) for _, row in tested.iterrows()]
    shown: dict[str, list[str]] = {}
    for kind, row in zip(kinds, tested.to_dict("records"), strict=True):
        ends = f" {interval(row['low'], row['high'])}".rstrip()
        gain = f"{row['before']} over {row['under']} {signed(row['difference'])} points{ends}"
        shown.setdefault(kind, []).append(f"{row['method']} ({gain})")
    return [f"{words}: {', '.join(shown[kind])}." for kind, words in OUTCOMES.items() if kind in shown]


def _fitting(trained: pd.DataFrame) -> str:
    """The other half of the finding: under the loss, training classes are fitted best."""
    lower = trained[trained["difference"] < 0]
    gains = [f"{row.method} (by {number(-100 * row.difference)} points)" for row in lower.itertuples()]
    listed = f": {', '.join(gains)}" if gains else ""
    return (
        f"On training classes the space under the loss is higher on average in {count(len(lower))} of "
        f"{_networks(len(trained))}{listed}."
    )


def _networks(total: int) -> str:
    return f"{count(total)} {'network' if total == 1 else 'networks'}"


def differences(paired: pd.DataFrame) -> Table | None:
    """Each network's paired differences on test and on training classes; None where there are none."""
    if paired.empty:
        return None
    rows = []
    for method, parts in paired.groupby("method", sort=False):
        by = parts.set_index("part")
        first = by.loc["test"]
        cells = [_gain(by.loc[part]) for part in ("test", "train")]
        ahead = [Cell(f"{by.loc[part, 'ahead']} of {first['runs']}") for part in ("test", "train")]
        pair = [Cell(str(method)), Cell(first["before"]), Cell(first["under"])]
        rows.append([*pair, cells[0], ahead[0], cells[1], ahead[1]])
    return Table(
        ["network", "before", "under the loss", "difference", "runs ahead", "difference", "runs ahead"],
        rows,
        "Recall at 1 in the space before the one under the loss, less that under the loss, in points: mean over runs, "
        "paired within each run; 95 % Student intervals over runs (none where there is one) and p, not corrected for "
        "the number of networks. Bold: p below 0.05.",
        (("", 3), ("test classes", 2), ("training classes", 2)),
    )


def _gain(row: pd.Series) -> Cell:
    ends = f"{interval(row['low'], row['high'])} {probability(row['p'])}".strip()
    return Cell(signed(row["difference"]), ends, bool(row["p"] < 0.05))


def spaces(audits: Methods, whole: pd.DataFrame, part: str) -> Table:
    """Recall at 1 of every space (rows) in every network (columns), mean ± deviation over runs."""
    by = whole[whole["part"] == part].set_index(["method", "space"])
    ranked = by.drop(index=PIXELS, level="space", errors="ignore")["mean"].mul(100).round(1)
    leading = {name: ranked.loc[name].max() for name in audits}
    rows = []
    for space in ordered(audits):
        row = [Cell("raw pixels" if space == PIXELS else space)]
        for name, runs in audits.items():
            found = by.loc[(name, space)] if (name, space) in by.index else None
            row.append(_recall(found, space in runs[0].facts["loss_spaces"], leading[name], space != PIXELS))
        rows.append(row)
    printed = " Below, what the paper prints." if by["paper"].notna().any() else ""
    return Table(
        ["space", *audits],
        rows,
        f"Recall at 1 in percent on {retrieval.WORDS[part]}, mean ± standard deviation over runs.{printed} †: under "
        "the loss. Bold: the highest of its column. A dash: the network has no such space.",
    )


HEADS = ("classifier", "probability")


def ordered(audits: Methods) -> list[str]:
    """Every space of any network in the networks' order, raw pixels last."""
    names: list[str] = []
    for runs in audits.values():
        place = 0
        for space in runs[0].facts["spaces"]:
            if space not in names:
                names.insert(place, space)
            place = names.index(space) + 1
    names.sort(key=HEADS.__contains__)  # stable: they come last, however many layers another network has
    measured = {space for runs in audits.values() for space in retrieval.chosen(runs[0], "test").index}
    return [space for space in (*names, PIXELS) if space in measured]


def _recall(row: pd.Series | None, under: bool, leading: float, ranked: bool) -> Cell:
    if row is None:
        return Cell("–")
    shown = spread(row) + (f"{NARROW}†" if under else "")
    small = "" if math.isnan(row["paper"]) else f"paper {number(100 * row['paper'])}"
    return Cell(shown, small, ranked and round(100 * row["mean"], 1) == leading)


def spread(row: pd.Series) -> str:
    """`87.8 ± 0.3`."""
    shown = number(100 * row["mean"])
    return f"{shown}{NARROW}±{NARROW}{number(100 * row['std'])}" if row["runs"] > 1 else shown


def best(audits: Methods, whole: pd.DataFrame) -> Table:
    """Each network's spaces that matter: under the loss, best after the fact, and recommended beforehand."""
    by = whole[whole["part"] == "test"].set_index(["method", "space"])
    rows = []
    for name, runs in audits.items():
        found = by.loc[name].drop(index=PIXELS, errors="ignore")
        under, top = retrieval.under(runs[0]), str(found["mean"].idxmax())
        advice = [retrieval.advice(run) for run in runs]
        recalls = pd.Series([one["recall"] for one in advice])
        row = pd.Series({"mean": recalls.mean(), "std": recalls.std(), "runs": len(recalls)})
        chosen_on = " and ".join(sorted({retrieval.WORDS[one["chosen_on"]] for one in advice}))
        shown = [Cell(under, spread(found.loc[under])), Cell(top, spread(found.loc[top]))]
        rows.append([Cell(name), *shown, Cell(_often([one["space"] for one in advice]), spread(row)), Cell(chosen_on)])
    return Table(
        ["network", "under the loss", "best on test", "recommended", "chosen on"],
        rows,
        "Below each space: recall at 1 in percent on test classes, mean ± standard deviation over runs. Best on test "
        "is known only after the fact; the recommended space is chosen in each run by itself.",
    )


def ranks(audits: Methods, paper: Mapping[str, Mapping[str, float]]) -> Table:
    """Recall at every k on test classes, in each network's deepest spaces, mean over runs.

    Args:
        paper: method -> `pool5.3` (at 1) or `pool5.3@k` -> percent, where a paper prints it.
    """
    found = {
        (name, space): pd.DataFrame([retrieval.chosen(run, "test").loc[space] for run in made])
        for name, made in audits.items()
        for space in retrieval.deepest(made[0])
    }
    names = dict.fromkeys(column for rows in found.values() for column in rows if str(column).startswith("recall@"))
    columns = sorted(names, key=lambda column: int(column.partition("@")[2]))
    table = []
    for (name, space), rows in found.items():
        printed = paper.get(name, {})
        cells = [Cell(name), Cell(space)]
        for column in columns:
            k = column.partition("@")[2]
            theirs = printed.get(f"{space}@{k}", printed.get(space) if k == "1" else None)
            mean = rows[column].astype(float).mean() if column in rows else math.nan
            shown = "–" if math.isnan(mean) else number(100 * mean)
            cells.append(Cell(shown, "" if theirs is None else f"paper {number(theirs)}"))
        table.append(cells)
    return Table(
        ["network", "space", *(column.removeprefix("recall@") for column in columns)],
        table,
        "Recall at k in percent on test classes, mean over runs, in the last spaces of each network.",
        (("", 2), ("k", len(columns))),
    )


def _often(names: Sequence[str]) -> str:
    """`pool5.3`, or `pool5.3 (3), fc6 (1)` where runs differ."""
    found = Counter(names).most_common()
    return found[0][0] if len(found) == 1 else ", ".join(f"{name} ({times})" for name, times in found)


def runs(audits: Methods) -> Table:
    """Every run: what made it, how long it took, and what it recommends."""
    rows = []
    for name, made in audits.items():
        for audit in made:
            facts, training, advice = audit.facts, audit.facts["training"], retrieval.advice(audit)
            experiment = facts["experiment"]
            rows.append(
                [
                    Cell(facts["run"], name if name != facts["run"] else ""),
                    Cell(str(experiment["seed"])),
                    Cell(str(experiment["data"]["split"].get("fold", 0))),
                    Cell(f"{retrieval.chosen(audit, 'test')['epoch'].iloc[0]} of {training.get('epochs', '–')}"),
                    Cell(numbers.duration(training["seconds"]) if "seconds" in training else "–"),
                    Cell(str(training.get("commit") or "–")),
                    Cell(str(advice["space"]), percent(advice["recall"])),
                ]
            )
    heads = ["run", "seed", "fold", "epoch", "training took", "commit", "recommended"]
    return Table(
        heads, rows, "Epoch: of the weights that are reported. A + behind a commit: the code had been changed."
    )
