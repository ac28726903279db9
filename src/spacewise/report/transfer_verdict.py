"""What a transfer between two domains is worth, in plain sentences computed from the runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pandas as pd

from spacewise.report.numbers import count, interval, percent, signed
from spacewise.report.transfer_numbers import differences, duels, outcome, overtaking, ranked
from spacewise.report.transfer_runs import budgets, challengers, sets, several_seeds, words


def verdict(runs: pd.DataFrame, baselines: Sequence[str] = ()) -> list[str]:
    """Is a method better than the best baseline, where, by how much, and from which budget on no longer?

    Args:
        runs: a table that `transfer_runs.check` lets pass.
        baselines: the methods that others are held against.
    """
    found = duels(runs, baselines)
    if not found:
        return [*_alone(runs), *([] if several_seeds(runs) else [SINGLE])]
    against = [row for row in found if row["method"] not in baselines and row["other"] in baselines]
    held, found = bool(against), against or found
    named = held and len(challengers(runs, baselines)) == 1
    sentences = [_answer(runs, baselines, found, held), *_by_themselves(runs, baselines)]
    overtaken = overtaking(runs, baselines)
    for of_set in sets(runs):
        mine = [row for row in found if row["set"] == of_set]
        if mine:
            passed = _overtaken(runs, baselines, overtaken[overtaken["set"] == of_set])
            sentences.append(_prefix(of_set, f"{_outcomes(budgets(runs, of_set), mine, named)} {passed}".strip()))
    return [*sentences, _evidence(runs, baselines, found)]


SINGLE = "One seed: no intervals and no tests; what another seed would give is not known."


def _alone(runs: pd.DataFrame) -> list[str]:
    sentences = []
    for of_set in sets(runs):
        for budget, labels in budgets(runs, of_set).items():
            means = ranked(runs, of_set, budget)
            reached = f"with {words(budget, labels)} “{means.index[0]}” reaches {percent(float(means.iloc[0]))}"
            sentences.append(f"{_prefix(of_set, reached)}; there is nothing to compare it with.")
    return sentences


def _prefix(of_set: str, text: str) -> str:
    """The name of the set before a sentence; without one, a capital letter."""
    return f"{of_set}: {text}" if of_set else text[0].upper() + text[1:]


def _answer(runs: pd.DataFrame, baselines: Sequence[str], found: list[dict[str, Any]], held: bool) -> str:
    outcomes = Counter(outcome(row) for row in found)
    total = len(found)
    who = _who(runs, baselines) if held else "the leading method"
    claim, higher, worse = (
        f"{who} is {word} than {'the best baseline' if held else 'the second'}"
        for word in ("better", "higher", "worse")
    )
    if outcomes["higher"] + outcomes["lower"] == total:
        return f"One seed: {higher} at {count(outcomes['higher'])} of {_budgets(runs, total)}, a hint and no more."
    if outcomes["holds"] == total:
        return f"Yes: {claim} at {_every(runs, total)}."
    lost = f", and worse at {count(outcomes['reversed'])}" if outcomes["reversed"] else ""
    if outcomes["holds"]:
        return (
            f"In part: {claim}, by more than chance would give, at {count(outcomes['holds'])} of "
            f"{_budgets(runs, total)}{lost}."
        )
    if outcomes["reversed"] == total:
        return f"No: {worse} at {_every(runs, total)}."
    if outcomes["reversed"]:
        return f"No: {claim}, by more than chance would give, at none of {_budgets(runs, total)}{lost}."
    return f"No clear gain: {claim}, by more than chance may give, at none of {_budgets(runs, total)}."


def _by_themselves(runs: pd.DataFrame, baselines: Sequence[str]) -> list[str]:
    """At how many budgets each method is clearly ahead of each baseline: the best of several hides the others."""
    table = differences(runs, baselines)
    if len(baselines) < 2 or table.empty or not several_seeds(runs):
        return []
    sentences = []
    for method, rows in table.groupby("method", sort=False):
        clear = rows.assign(ahead=[outcome(row) == "holds" for row in rows.to_dict("records")])
        parts = [
            f"“{base}” at {count(int(each['ahead'].sum())) if each['ahead'].any() else 'none'} of {count(len(each))}"
            for base, each in clear.groupby("other", sort=False)
        ]
        sentences.append(f"“{method}” is ahead, by more than chance may give, of {_joined(parts)} budgets.")
    return sentences


def _budgets(runs: pd.DataFrame, total: int) -> str:
    number_of_sets = len(sets(runs))
    together = f" ({count(number_of_sets)} class sets together)" if number_of_sets > 1 else ""
    return f"{count(total)} label {'budget' if total == 1 else 'budgets'}{together}"


def _every(runs: pd.DataFrame, total: int) -> str:
    if total == 1:
        return "the one label budget"
    return f"every label budget{' of every class set' if len(sets(runs)) > 1 else ''}"


def _who(runs: pd.DataFrame, baselines: Sequence[str]) -> str:
    own = challengers(runs, baselines)
    return f"“{own[0]}”" if len(own) == 1 else f"the best of {count(len(own))} other methods"


OUTCOMES = {
    "holds": "better with",
    "higher": "higher on the one seed with",
    "open": "not to be told apart with",
    "lower": "not higher on the one seed with",
    "reversed": "worse with",
    "unpaired": "no seed in common with",
}


def _outcomes(labels: dict[str, int], found: list[dict[str, Any]], named: bool) -> str:
    """A set's budgets by what came of them, each with its difference."""
    shown: dict[str, list[str]] = {}
    for row in found:
        where = words(row["budget"], labels[row["budget"]])
        shown.setdefault(outcome(row), []).append(f"{where} ({_difference(row, named)})")
    parts = [f"{start} {_joined(shown[kind])}" for kind, start in OUTCOMES.items() if kind in shown]
    return f"{'; '.join(parts)}."


def _joined(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]


def _difference(row: dict[str, Any], named: bool) -> str:
    """`+9.4 points [7.1, 11.8] against “target labels only”`, the method before it where that may be one of several."""
    who = "" if named else f"“{row['method']}” "
    if not row["seeds"]:
        return f"{who}and “{row['other']}”"
    ends = f" {interval(row['low'], row['high'])}".rstrip()
    return f"{who}{signed(row['difference'])} points{ends} against “{row['other']}”"


def _overtaken(runs: pd.DataFrame, baselines: Sequence[str], rows: pd.DataFrame) -> str:
    """From which budget on a baseline is ahead of whatever transfers, and from which on clearly so."""
    if rows.empty:
        return ""
    labels, rival = budgets(runs, rows["set"].iloc[0]), _who(runs, baselines)
    alike: dict[tuple[str, str], list[str]] = {}
    for row in rows.to_dict("records"):
        alike.setdefault(_overtakes(row, labels, rival), []).append(f"“{row['baseline']}”")
    parts = [
        f"{_joined(names)} {PLURAL[verb] if len(names) > 1 else verb} {rest}" for (verb, rest), names in alike.items()
    ]
    return f"{'; '.join(parts)}."


PLURAL = {"does not": "do not", "is": "are", "overtakes": "overtake"}


def _overtakes(row: dict[Any, Any], labels: dict[str, int], rival: str) -> tuple[str, str]:
    """The verb of a baseline, and what follows it."""
    first, average = row["first"], " on average" if row["tested"] else ""
    if not first:
        return "does not", f"overtake {rival}"
    if row["always"]:
        return "is", f"ahead of {rival}{average} at every budget{_clearly(row, labels)}"
    if first == row["largest"]:
        where = f"with {words(first, labels[first])}, the largest budget"
    else:
        where = f"from {words(first, labels[first])} on"
    return "overtakes", f"{rival}{average} {where}{_clearly(row, labels)}"


def _clearly(row: dict[Any, Any], labels: dict[str, int]) -> str:
    clear = row["clear"]
    if not row["tested"]:
        return ""
    if not clear:
        where = "" if row["first"] == row["largest"] else " at the largest budget"
        return f", though{where} by no more than chance may give"
    since = "" if clear == row["first"] else f" from {words(clear, labels[clear])} on"
    return f", by more than chance would give{since}"


def _evidence(runs: pd.DataFrame, baselines: Sequence[str], found: list[dict[str, Any]]) -> str:
    """How many seeds stand behind this, and what picking the best does to it."""
    pairs = [row["seeds"] for row in found]
    if max(pairs) <= 1:
        return SINGLE
    fewest, most = min(pairs), max(pairs)
    seeds = count(most) if fewest == most else f"{count(fewest)} to {count(most)}"
    sentence = f"Mean differences over the {seeds} seeds that both have, 95 % Student intervals."
    if len(baselines) > 1 or len(challengers(runs, baselines)) > 1:
        sentence += " Which is best at a budget is read off these same runs, which flatters it."
    return sentence
