"""The answer, in plain sentences computed from the data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from spacewise.report import comparison, numbers, reading, retrieval, transferred
from spacewise.report.numbers import count, interval, number, percent

if TYPE_CHECKING:
    from spacewise.audits import Audit


def of_run(audit: Audit) -> list[str]:
    """Does this network hold up, against itself on what it has seen and against raw pixels?"""
    view = reading.main_view(audit)
    table = reading.accuracy(audit, view)
    subsets = reading.main_subsets(audit)
    overall = _figure(table.loc["overall"])
    images = "test images of the target" if transferred.has_domains(audit) else "test images"
    how = "" if view == reading.STORED else f" (each {reading.view_words(view)})"
    if {"seen", "unseen"} <= set(subsets):
        lost = table.loc["seen", "accuracy"] - table.loc["unseen", "accuracy"]
        change = f"{number(100 * abs(lost))} points {'less' if lost >= 0 else 'more'} than on seen ones"
        words = reading.unseen_words(audit)
        first = f"On {words} the network is right in {_figure(table.loc['unseen'])} of {images}{how}, {change}."
        sentences = [first, f"Overall it is right in {overall}."]
    else:
        sentences = [f"The network is right in {overall} of {images}{how}."]
    if transferred.has_domains(audit):
        sentences.append(f"On test images of the source it is right in {transferred.accuracy_words(audit, 'source')}.")
    sentences.append(_floor(audit, subsets[-1]))
    if transferred.has_domains(audit):
        sentences.append(transferred.answer(audit))
    if audit.has("rejection"):
        sentences.append(rejected(audit))
    return sentences


def _figure(row: pd.Series) -> str:
    return f"{percent(row['accuracy'])} {interval(row['low'], row['high'])}"


def _floor(audit: Audit, subset: str) -> str:
    """Against the nearest neighbour on raw pixels, both on images as stored."""
    own = reading.accuracy(audit, reading.STORED).loc[subset, "accuracy"]
    floor, _ = reading.pixel_floor(audit, subset)
    gain = own - floor
    where = reading.unseen_words(audit) if subset == "unseen" else "the test set" if subset == "overall" else subset
    images = "the target's images" if transferred.has_domains(audit) else "images"
    verb = "above" if gain >= 0 else "below"
    return (
        f"On {images} as stored it stands {number(100 * abs(gain))} points {verb} a nearest-neighbour classifier on "
        f"raw pixels, which reaches {percent(floor)} on {where}."
    )


def rejected(audit: Audit) -> str:
    """How many confusers pass at 90 % detection."""
    table = audit.table("rejection").set_index("score")
    row = table.loc[reading.POSTERIOR]
    lowest = table[comparison.FALSE_ALARMS].idxmin()
    sentence = (
        f"Of confusers, {percent(row[comparison.FALSE_ALARMS])} {interval(row['low'], row['high'])} are accepted "
        "at 90 % detection by the largest posterior"
    )
    if lowest == reading.POSTERIOR:
        return f"{sentence}, the lowest of {len(table)} scores."
    value = percent(table.loc[lowest, comparison.FALSE_ALARMS])
    return f"{sentence}; the lowest of {len(table)} scores is {reading.score_words(lowest)} with {value}."


def of_comparison(table: pd.DataFrame, words: str, floors: Mapping[str, float]) -> list[str]:
    """Which method holds up best, by how much, and whether that is more than chance.

    Args:
        table: from `comparison.compare`.
        words: what the subset `unseen` is.
        floors: subset -> accuracy on raw pixels.
    """
    methods = list(dict.fromkeys(table["method"]))
    key = comparison.key_figure(table)
    where = words if key == "unseen" else "the test set"
    sentences = [_leader(table, methods, key, where)]
    if {"seen", "unseen"} <= set(table["figure"]) and len(methods) > 1:
        sentences.append(_loss(table, methods))
    sentences.append(f"A nearest neighbour on raw pixels reaches {percent(floors[key])} on {where}.")
    if (table["figure"] == comparison.FALSE_ALARMS).any():
        # where nothing is unseen, confusers are what the comparison is about
        sentences.insert(len(sentences) if key == "unseen" else 0, _alarms(table, methods))
    return sentences


def _leader(table: pd.DataFrame, methods: list[str], key: str, where: str) -> str:
    rows = table[table["figure"] == key].set_index("method")
    ranked = list(rows["mean"].sort_values(ascending=False, kind="stable").index)
    base = methods[0]
    if len(methods) == 1:
        return f"“{base}” is right in {_mean(rows.loc[base])} on {where}."
    if ranked[0] == base:
        second = rows.loc[ranked[1]]
        return (
            f"No method beats “{base}” on {where}: {percent(rows.loc[base, 'mean'])}; next is “{ranked[1]}” with "
            f"{percent(second['mean'])} ({_difference(second)})."
        )
    first = rows.loc[ranked[0]]
    verb = "holds up best" if first["p"] < 0.05 else "comes out highest"
    chance = ", though by no more than chance may give" if first["p"] >= 0.05 else ""
    return (
        f"“{ranked[0]}” {verb} on {where}{chance}: {percent(first['mean'])} against "
        f"{percent(rows.loc[base, 'mean'])} for “{base}” ({_difference(first)})."
    )


def _mean(row: pd.Series) -> str:
    return f"{percent(row['mean'])} {interval(row['low'], row['high'])}"


def _difference(row: pd.Series) -> str:
    """`difference +9.4 points, 95 % interval +7.1 to +11.8, p < 0.001`."""
    stored = row["test"] == comparison.MCNEMAR and row["view"] != reading.STORED
    shown = f"{'on images as stored, ' if stored else ''}difference {numbers.signed(row['difference'])} points"
    if math.isnan(row["difference_low"]):
        return f"{shown}; without paired runs or samples, not tested"
    ends = f"{numbers.signed(row['difference_low'])} to {numbers.signed(row['difference_high'])}"
    return f"{shown}, 95 % interval {ends}, {numbers.probability(row['p'])}"


def _loss(table: pd.DataFrame, methods: list[str]) -> str:
    """How much is lost from seen to unseen, at least and at most."""
    means = table.pivot(index="method", columns="figure", values="mean").loc[methods]
    lost = (means["seen"] - means["unseen"]).sort_values(kind="stable")
    return (
        f"From seen to unseen, “{lost.index[0]}” loses least ({number(100 * lost.iloc[0])} points) and "
        f"“{lost.index[-1]}” most ({number(100 * lost.iloc[-1])})."
    )


def _alarms(table: pd.DataFrame, methods: list[str]) -> str:
    rows = table[table["figure"] == comparison.FALSE_ALARMS].set_index("method")
    base, lowest = methods[0], str(rows["mean"].idxmin())
    start = f"Of confusers, “{lowest}” accepts {_mean(rows.loc[lowest])} at 90 % detection"
    if len(methods) == 1:
        return f"{start}."
    if lowest == base:
        return f"{start}, fewer than any other method."
    tested = "" if math.isnan(rows.loc[lowest, "p"]) else f" ({_difference(rows.loc[lowest])})"
    tested += ", no more than chance may give" if rows.loc[lowest, "p"] >= 0.05 else ""
    return f"{start}, “{base}” {_mean(rows.loc[base])}{tested}."


def of_layers(audit: Audit) -> list[str]:
    """Which space to deploy for classes never seen, on what evidence, and what the choice leaves open."""
    sentences = [recommended(audit), _choice(audit)]
    trained, tested = (retrieval.chosen(audit, part)[retrieval.FIRST] for part in ("train", "test"))
    under, space = retrieval.under(audit), str(retrieval.advice(audit)["space"])
    changes = [_change(name, trained[name], tested[name]) for name in dict.fromkeys((under, space))]
    sentences.append(f"From training to test classes {', '.join(changes)}.")
    best = retrieval.best(audit)
    if tested[best] > tested[space]:
        sentences.append(
            f"Highest on the test classes themselves is {best} with {percent(tested[best])}: known only after the fact."
        )
    if retrieval.PIXELS in tested.index:
        sentences.append(f"Raw pixels reach {percent(tested[retrieval.PIXELS])} on test classes.")
    return sentences


def recommended(audit: Audit) -> str:
    """The recommendation with its evidence; one sentence for each way in which it may have come out."""
    found = retrieval.advice(audit)
    space, against = found["space"], found["against"]
    where, what = retrieval.tested_on(audit), retrieval.under_words(audit)
    queries = f"{count(found['n'])} queries"
    recall, other, points = percent(found["recall"]), percent(found["against_recall"]), 100 * found["difference"]
    if space == against:
        return f"Deploy {space}, {what}: no other did better where the choice was made. On {where}, recall at 1 is " + (
            f"{recall} {interval(*retrieval.chosen(audit, 'test').loc[space, ['low', 'high']])} ({queries})."
        )
    ends = f"{_points(found)}, {queries}"
    if found["low"] > 0:
        return (
            f"Deploy {space}: on {where}, recall at 1 is {recall}, {number(points)} points above {against}, {what} "
            f"({ends})."
        )
    if found["high"] < 0:
        return (
            f"The choice of {space} did not hold up: on {where}, recall at 1 is {recall}, {number(-points)} points "
            f"below {against}, {what} ({ends})."
        )
    return (
        f"No clear difference between {space}, the space chosen, and {against}, {what}: on {where}, recall at 1 is "
        f"{recall} against {other} (difference {numbers.signed(found['difference'])} points, {ends})."
    )


def _change(space: str, trained: float, tested: float) -> str:
    verb = "falls" if tested <= trained else "rises"
    return f"{space} {verb} by {number(100 * abs(trained - tested))} points, from {percent(trained)}"


def _points(found: dict[str, Any]) -> str:
    if math.isnan(found["low"]):
        return "no interval"
    low, high = (number(100 * found[end]) for end in ("low", "high"))
    return f"95 % interval {low} to {high}"


def _choice(audit: Audit) -> str:
    """On what the space was chosen."""
    found, classes = retrieval.advice(audit), audit.facts["classes_of"]
    if found["chosen_on"] == "test":
        return f"{found['space']} was chosen on these test classes themselves, which flatters it."
    held, trained = set(classes["validation"]), set(classes["train"])
    if held <= trained:
        return f"{found['space']} was chosen on held-out images of the training classes, not on these."
    words = "class" if len(held) == 1 else "classes"
    return f"{found['space']} was chosen on {count(len(held))} held-out training {words}, not on these."
