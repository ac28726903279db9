"""`check`: what a source holds, and what is wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from spacewise.check import clues, findings, twins
from spacewise.check.clues import FEW, Clue
from spacewise.check.findings import LEVELS, Finding
from spacewise.check.looks import Unreadable, fitting, look_at
from spacewise.check.twins import Twins
from spacewise.sources.source import Source
from spacewise.splits.split import labelled

PARTS = ("split", "role", "depression")  # the first that a source has tells training from testing
ORDER = ("train", "validation", "test", "confuser")


@dataclass(frozen=True)
class Cross:
    """How many samples of each class are in each part: `rows[label][i]` of the part `columns[i]`."""

    fact: str
    columns: tuple[str, ...]
    rows: dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Report:
    """What a source holds, and what is wrong with it.

    Attributes:
        source, root: the format, and the folder ("" where there is none).
        samples: how many, those that cannot be read included.
        fit: how different sizes are brought to one, `crop` or `resize`.
        classes: class -> samples, in alphabetical order.
        unlabelled: how many samples have no label.
        facts: fact -> value -> samples, of facts with at most 50 values.
        distinct: fact -> number of values, of the others.
        cross: classes by part; None where no fact tells training from testing.
        sizes: "height x width" -> readable images, most frequent first.
        bands, types: number of bands, type of value -> readable images.
        values: least and largest pixel; None where nothing can be read.
        unreadable: every image that cannot be used, and why.
        twins: groups of samples that show the same picture.
        clues: what was asked whether it gives the class away.
        findings: all that is to be known, worst first.
    """

    source: str
    root: str
    samples: int
    fit: str
    classes: dict[str, int]
    unlabelled: int
    facts: dict[str, dict[str, int]]
    distinct: dict[str, int]
    cross: Cross | None
    sizes: dict[str, int]
    bands: dict[str, int]
    types: dict[str, int]
    values: tuple[float, float] | None
    unreadable: tuple[Unreadable, ...]
    twins: tuple[Twins, ...]
    clues: tuple[Clue, ...]
    findings: tuple[Finding, ...]

    @property
    def problems(self) -> list[Finding]:
        """Findings that stop training or mislead; notes are none."""
        return [finding for finding in self.findings if finding.level != "note"]

    def as_dict(self) -> dict[str, Any]:
        """The report as values that JSON can hold."""
        unreadable = [one._asdict() for one in self.unreadable]
        groups = [asdict(group) | {"conflict": group.conflict, "crossing": group.crossing} for group in self.twins]
        problems = [asdict(problem) for problem in self.problems]
        return asdict(self) | {"unreadable": unreadable, "twins": groups, "problems": problems}


def check(source: Source) -> Report:
    """Reads every image of a source once and reports what it holds and what is wrong with it.

    Images that cannot be read, or hold NaN or infinite pixels, are named; all else is asked of the rest.
    """
    looks, unreadable = look_at(source)
    looks, others = fitting(source, looks)
    unreadable += others
    known = labelled(source)
    facts = source.facts[known]
    part = next((fact for fact in PARTS if fact in facts and facts[fact].ne("").any()), "")
    groups, complete = twins.find(source, looks, part)
    told = clues.find(source, [look for look in looks if known[look.row]])
    labels = list(map(str, source.facts["label"]))
    readable = Counter(labels[look.row] for look in looks)
    classes = dict(sorted(Counter(map(str, facts["label"])).items()))
    found = [
        *findings.of_files(source, looks, unreadable),
        *findings.of_classes({name: readable[name] for name in classes}),
        *findings.of_formats(source, looks),
        *findings.of_twins(groups, complete, part),
        *findings.of_clues(told),
    ]
    few, distinct = _facts(source.facts)
    return Report(
        source=source.name,
        root=str(source.root or ""),
        samples=len(source),
        fit=source.fit,
        classes=classes,
        unlabelled=len(source) - len(facts),
        facts=few,
        distinct=distinct,
        cross=_cross(facts, part),
        sizes=_tally(f"{look.shape[1]} x {look.shape[2]}" for look in looks),
        bands=_tally(str(look.shape[0]) for look in looks),
        types=_tally(look.dtype for look in looks),
        values=(min(look.low for look in looks), max(look.high for look in looks)) if looks else None,
        unreadable=tuple(unreadable),
        twins=tuple(groups),
        clues=tuple(told),
        findings=tuple(sorted(found, key=lambda finding: LEVELS.index(finding.level))),
    )


def _tally(values: Iterable[str]) -> dict[str, int]:
    return dict(Counter(values).most_common())


def _facts(facts: pd.DataFrame) -> tuple[dict[str, dict[str, int]], dict[str, int]]:
    distinct = {str(fact): int(facts[fact].nunique(dropna=False)) for fact in facts.columns}
    counted = [fact for fact, count in distinct.items() if count <= FEW and fact != "id"]
    few = {fact: _tally(map(str, facts[fact])) for fact in counted}
    return few, {fact: count for fact, count in distinct.items() if fact not in few}


def _cross(facts: pd.DataFrame, part: str) -> Cross | None:
    if not part:
        return None
    counts = Counter(zip(map(str, facts["label"]), map(str, facts[part]), strict=True))
    labels, parts = ({pair[place] for pair in counts} for place in (0, 1))
    columns = tuple(sorted(parts, key=lambda name: (ORDER.index(name) if name in ORDER else -1, name)))
    return Cross(part, columns, {label: tuple(counts[label, name] for name in columns) for label in sorted(labels)})
