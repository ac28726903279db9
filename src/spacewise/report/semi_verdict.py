"""What unlabelled images are worth, and what the figures show, in plain sentences computed from the runs."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from spacewise.report.numbers import count, interval, percent, probability, signed
from spacewise.report.transfer_numbers import outcome, paired, ranked
from spacewise.report.transfer_runs import methods, sets
from spacewise.report.transfer_verdict import SINGLE, _joined

CORRECTED, RELEASED = "corrected", "as-released"
BASE = "CoMatch"
ADDED = re.compile(rf"^{BASE} ?\+ ?")
FEW = 3  # differences that a sentence has room for, clear or not
AS_RELEASED = ", as released"  # behind the titles of arms that are

Confusion = tuple[str, str, np.ndarray, Sequence[str]]
Map = tuple[str, str, int, np.ndarray, np.ndarray, Sequence[str]]


def main(table: pd.DataFrame) -> pd.DataFrame:
    """The runs that answer: of each set the corrected ones or, where it has none, those as released.

    Returns:
        Their rows, with the preset as `budget`, the name by which `transfer_numbers` pairs runs.
    """
    corrected = table["preset"] == CORRECTED
    has = corrected.groupby(table["set"]).transform("any")
    mine = table[corrected | ~has]
    return mine.assign(budget=mine["preset"])


def preset_of(rows: pd.DataFrame, of_set: str) -> str:
    """The one preset of a set among the runs that answer."""
    return str(rows.loc[rows["set"] == of_set, "preset"].iloc[0])


def floor(rows: pd.DataFrame, of_set: str) -> str:
    """The method of a set that sees no unlabelled image; "" where there is none."""
    found = rows.loc[(rows["set"] == of_set) & (rows["mu"] == 0), "method"]
    return str(found.iloc[0]) if len(found) else ""


def gains(rows: pd.DataFrame, of_set: str) -> list[dict[str, Any]]:
    """Every method that sees unlabelled images less the floor, on the same seeds."""
    base, mine = floor(rows, of_set), rows[(rows["set"] == of_set) & (rows["mu"] > 0)]
    return [paired(rows, of_set, preset_of(rows, of_set), name, base) for name in methods(mine)] if base else []


def additions(rows: pd.DataFrame, of_set: str) -> list[dict[str, Any]]:
    """Every method that adds a term to CoMatch less CoMatch, on the same seeds."""
    names = methods(rows[rows["set"] == of_set])
    added = [name for name in names if ADDED.match(name)] if BASE in names else []
    return [paired(rows, of_set, preset_of(rows, of_set), name, BASE) for name in added]


def bare(table: pd.DataFrame) -> pd.Series:
    """The methods by the titles that both presets share."""
    return table["method"].str.removesuffix(AS_RELEASED)


def leaks(table: pd.DataFrame, of_set: str, figure: str = "accuracy") -> dict[str, dict[str, Any]]:
    """method -> as released less corrected, on the same seeds; none where a set lacks one of the presets."""
    mine = table[(table["set"] == of_set) & table[figure].notna()]
    if not {CORRECTED, RELEASED} <= set(mine["preset"]):
        return {}
    frame = mine.assign(budget=bare(mine), method=mine["preset"], accuracy=mine[figure])
    names = dict.fromkeys(bare(mine[mine["preset"] == RELEASED]))
    return {name: paired(frame, of_set, name, RELEASED, CORRECTED) for name in names}


def verdict(table: pd.DataFrame) -> list[str]:
    """Do unlabelled images help, does an addition to CoMatch help, and what does the leak feign?

    Args:
        table: as `semi_study.write_semi` takes it.
    """
    rows = main(table)
    found = [row for of_set in sets(rows) for row in gains(rows, of_set)]
    added = [row for of_set in sets(rows) for row in additions(rows, of_set)]
    sentences = [f"{_helps(found)} {_shown(rows)}".strip() if found else _leader(rows)]
    sentences += [_adds(added)] if added else []
    released = [of_set for of_set in sets(rows) if preset_of(rows, of_set) == RELEASED]
    if released:
        sentences.append(
            f"{_joined(released)}: as released only, and so with test images in training: no fair figures."
        )
    return [*sentences, *_feigned(table), _evidence([*found, *added], table)]


def _counted(found: Sequence[Mapping[str, Any]]) -> str:
    """`10 cases (5 methods on 2 sets)`, `5 methods` on one set."""
    names, places = ({row[key] for row in found} for key in ("method", "set"))
    methods_ = f"{count(len(names))} {'method' if len(names) == 1 else 'methods'}"
    if len(places) == 1:
        return methods_
    return f"{count(len(found))} cases ({methods_} on {count(len(places))} sets)"


def _every(found: Sequence[Mapping[str, Any]]) -> str:
    return f"all of {_counted(found)}" if len(found) > 1 else "the one case"


def _helps(found: Sequence[dict[str, Any]]) -> str:
    outcomes, total = Counter(outcome(row) for row in found), len(found)
    claim, cases, every = "than labels alone", _counted(found), _every(found)
    worse = f", worse in {count(outcomes['reversed'])}" if outcomes["reversed"] else ""
    if outcomes["unpaired"] == total:
        return "Not known: no method has a seed in common with labels alone."
    if outcomes["higher"] + outcomes["lower"] == total:
        return (
            f"One seed: with unlabelled images the accuracy is {_hint(outcomes['higher'], found)}, a hint and no more."
        )
    if outcomes["holds"] == total:
        return f"Yes: unlabelled images help, by more than chance would give, in {every}."
    if outcomes["holds"]:
        held = count(outcomes["holds"])
        return f"In part: unlabelled images help, by more than chance would give, in {held} of {cases}{worse}."
    if outcomes["reversed"] == total:
        return f"No: with unlabelled images the accuracy is lower {claim} in {every}."
    if total == 1:
        return "Not shown here: in the one case unlabelled images do not help by more than chance would give."
    return f"Not shown here: unlabelled images help by more than chance would give in none of {cases}{worse}."


def _hint(higher: int, found: Sequence[Mapping[str, Any]]) -> str:
    """In how many cases the one seed is higher, in words that fit none of many, and the only one."""
    claim, cases = "higher than labels alone", _counted(found)
    if len(found) == 1:
        return f"{'' if higher else 'not '}{claim} in the one case"
    return f"{claim} in {count(higher)} of {cases}" if higher else f"not {claim} in any of {cases}"


def _shown(rows: pd.DataFrame) -> str:
    """CoMatch, or the best of a set without it, beside the floor."""
    parts = []
    for of_set in sets(rows):
        found = {row["method"]: row for row in gains(rows, of_set) if row["seeds"]}
        if found:
            means = ranked(rows, of_set, preset_of(rows, of_set))
            row = found.get(BASE) or found[next(name for name in means.index if name in found)]
            both = f"{percent(means[row['method']])} against {percent(means[row['other']])} with labels alone"
            parts.append(f"On {of_set} {row['method']} reaches {both}: {difference(row)}.")
    return " ".join(parts)


def difference(row: Mapping[str, Any]) -> str:
    """`+9.4 points [7.1, 11.8], p = 0.002`; of one pair, the difference alone."""
    if not row["seeds"]:
        return "no seed in common"
    ends = f" {interval(row['low'], row['high'])}".rstrip()
    test = f", {probability(row['p'])}" if probability(row["p"]) else ""
    return f"{signed(row['difference'])} points{ends}{test}"


OUTCOMES = {
    "holds": "better by more than chance would give in",
    "reversed": "worse by more than chance would give in",
    "open": "not to be told apart in",
    "higher": "higher on the one seed in",
    "lower": "not higher on the one seed in",
    "unpaired": "without a common seed in",
}


def _adds(added: Sequence[dict[str, Any]]) -> str:
    """How many additions help; by how much where that is clear, and of a few cases always."""
    outcomes, total = Counter(outcome(row) for row in added), len(added)
    names = _joined([f"“{name}”" for name in dict.fromkeys(ADDED.sub("", row["method"]) for row in added)])
    shares = {
        kind: f"{count(number)} of {count(total)}" if total > 1 else "the one case" for kind, number in outcomes.items()
    }
    parts = [f"{text} {shares[kind]}" for kind, text in OUTCOMES.items() if kind in shares]
    if outcomes["holds"] == total:
        found = f"helps, too, by more than chance would give, in {_every(added)}"
    elif outcomes["reversed"] + outcomes["open"] == total:
        found = f"does not clearly help: {', '.join(parts)}"
    else:
        found = f"is {', '.join(parts)}"
    clear = [row for row in added if outcome(row) in ("holds", "reversed") or total <= FEW]
    return f"Adding {names} to {BASE} {found}{f': {_by_set(clear)}' if clear else '.'}"


def _by_set(found: Sequence[Mapping[str, Any]]) -> str:
    parts = []
    for of_set in dict.fromkeys(row["set"] for row in found):
        mine = [f"“{ADDED.sub('', row['method'])}” {difference(row)}" for row in found if row["set"] == of_set]
        parts.append(f"on {of_set} {_joined(mine)}")
    return f"{'; '.join(parts)}."


def _leader(rows: pd.DataFrame) -> str:
    """Without a floor: who leads, and by how much."""
    parts = []
    for of_set in sets(rows):
        preset = preset_of(rows, of_set)
        means = ranked(rows, of_set, preset)
        text = f"On {of_set} {means.index[0]} reaches {percent(float(means.iloc[0]))}"
        if len(means) > 1:
            row = paired(rows, of_set, preset, *means.index[:2])
            text += f", {difference(row)} against the second, {row['other']}"
        parts.append(f"{text}.")
    return f"Whether unlabelled images help is not measured: no run with labels alone. {' '.join(parts)}"


def _feigned(table: pd.DataFrame) -> list[str]:
    """One sentence on the size of the leak: CoMatch, or else the first method with both presets."""
    parts = []
    for of_set in sets(table):
        found = {name: row for name, row in leaks(table, of_set).items() if row["seeds"]}
        if found:
            name = BASE if BASE in found else next(iter(found))
            parts.append(f"on {of_set} {name} {difference(found[name])}")
    return [f"What the faults of the released code feign: {'; '.join(parts)}."] if parts else []


def _evidence(found: Sequence[Mapping[str, Any]], table: pd.DataFrame) -> str:
    pairs = [row["seeds"] for row in found] or [int(table.groupby(["set", "method", "preset"]).size().max())]
    if max(pairs) <= 1:
        return f"{SINGLE} Last weights, test images."
    fewest, most = min(pairs), max(pairs)
    seeds = count(most) if fewest == most else f"{count(fewest)} to {count(most)}"
    return (
        f"Last weights, test images; mean differences over the {seeds} seeds that both have, 95 % Student intervals, "
        "not corrected for the number of comparisons."
    )


def early(curves: pd.DataFrame, rows: pd.DataFrame) -> list[str]:
    """Whether an addition to CoMatch learns faster: validation accuracy after a quarter of the epochs, by set."""
    if "validation_accuracy" not in curves:
        return []
    sentences = []
    for of_set in sets(rows):
        mine = curves[(curves["set"] == of_set) & (curves["preset"] == preset_of(rows, of_set))]
        last = mine["epoch"].max() if len(mine) else 0
        first = math.ceil(last / 4)
        here = mine[(mine["epoch"] == first) & mine["validation_accuracy"].notna()]
        frame = here.assign(budget=here["preset"], accuracy=here["validation_accuracy"], mu=1)
        found = [row for row in additions(frame, of_set) if row["seeds"]] if last >= 4 and len(here) else []
        if found:
            each = _joined([f"“{ADDED.sub('', row['method'])}” {difference(row)}" for row in found])
            sentences.append(f"{of_set}: after a quarter of the training (epoch {first} of {last}), on validation "
                             f"images, less {BASE}: {each}.")  # fmt: skip
    return sentences


def largest(matrix: np.ndarray, classes: Sequence[str], most: int = 3) -> list[dict[str, Any]]:
    """The classes most often taken for another: true, predicted, share (of the true class), wrong, images."""
    counts = np.asarray(matrix)
    totals = counts.sum(axis=1)
    wrong = np.where(np.eye(len(counts), dtype=bool), 0, counts)
    shares = wrong / np.maximum(totals, 1)[:, None]
    order = np.argsort(-shares, axis=None, kind="stable")[:most]
    pairs = [divmod(int(place), len(counts)) for place in order]
    return [
        {"true": classes[i], "predicted": classes[j], "share": shares[i, j], "wrong": wrong[i, j], "images": totals[i]}
        for i, j in pairs
        if wrong[i, j]
    ]


def confusion_words(confusions: Sequence[Confusion]) -> list[str]:
    """The three largest confusions of every matrix."""
    sentences = []
    for of_set, method, matrix, classes in confusions:
        parts = [
            f"“{row['true']}” for “{row['predicted']}” {percent(row['share'])} ({count(row['wrong'])} of "
            f"{count(row['images'])})"
            for row in largest(matrix, classes)
        ]
        sentences.append(f"{of_set}, {method}: {', '.join(parts) or 'no image is taken for another class'}.")
    return sentences


def company(points: np.ndarray, labels: np.ndarray) -> float:
    """Share of points of a map whose nearest other point is of their own class; NaN for fewer than two."""
    if len(points) < 2:
        return math.nan
    _, nearest = cKDTree(points).query(points, k=2)
    # of points at the same place the first found may be the point itself or the other
    other = np.where(nearest[:, 1] == np.arange(len(points)), nearest[:, 0], nearest[:, 1])
    return float((np.asarray(labels)[other] == np.asarray(labels)).mean())


def map_words(maps: Sequence[Map]) -> list[str]:
    """How often a point's nearest neighbour in a map is of its class, by set and method over epochs."""
    found: dict[tuple[str, str], list[str]] = {}
    for of_set, method, epoch, points, labels, _ in maps:
        found.setdefault((of_set, method), []).append(f"{percent(company(points, labels))} at epoch {epoch}")
    return [f"{of_set}, {method}: {_joined(parts)}." for (of_set, method), parts in found.items()]
