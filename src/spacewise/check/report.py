"""`check`: what a source holds, and what is wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from spacewise.check import clues, findings, twins
from spacewise.check.clues import FEW, Clue
from spacewise.check.findings import Finding
from spacewise.check.looks import Look, Unreadable, look_at
from spacewise.check.twins import Twins
from spacewise.sources.source import Source

PARTS = ("split", "role", "depression")  # the first that a source has tells training from testing


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
        groups = [
            asdict(group) | {"conflict": group.conflict, "crossing": group.crossing} for group in self.twins
        ]
        problems = [asdict(problem) for problem in self.problems]
        return asdict(self) | {"unreadable": unreadable, "twins": groups, "problems": problems}


def check(source: Source) -> Report:
    """Reads every image of a source once and reports what it holds and what is wrong with it.

    Images that cannot be read, or hold NaN or infinite pixels, are named; all else is asked of the rest.
    """
    looks, unreadable = look_at(source)
    part = next((fact for fact in PARTS if fact in source.facts), "")
    groups, complete = twins.find(source, looks, part)
    told = clues.find(source, looks)
    readable = Counter(source.facts["label"].iloc[[look.row for look in looks]].astype(str))
    labels = _counts(source.facts["label"])
    classes = {name: labels[name] for name in sorted(labels)}
    found = [
        *findings.of_files(source, looks, unreadable),
        *findings.of_classes({name: readable[name] for name in classes}),
        *findings.of_formats(source, looks),
        *findings.of_twins(groups, complete, part),
        *findings.of_clues(told),
    ]
    return Report(
        source.name,
        str(source.root or ""),
        len(source),
        source.fit,
        classes,
        *_facts(source.facts),
        _cross(source.facts, part),
        *_formats(looks),
        tuple(unreadable),
        tuple(groups),
        tuple(told),
        tuple(sorted(found, key=lambda finding: ("error", "warning", "note").index(finding.level))),
    )


def _counts(values: pd.Series) -> dict[str, int]:
    return {str(value): int(count) for value, count in values.astype(str).value_counts().items()}


def _facts(facts: pd.DataFrame) -> tuple[dict[str, dict[str, int]], dict[str, int]]:
    distinct = {str(fact): int(facts[fact].nunique(dropna=False)) for fact in facts.columns}
    few = {fact: _counts(facts[fact]) for fact, count in distinct.items() if count <= FEW and fact != "id"}
    return few, {fact: count for fact, count in distinct.items() if fact not in few}


def _cross(facts: pd.DataFrame, part: str) -> Cross | None:
    if not part:
        return None
    table = pd.crosstab(facts["label"].astype(str), facts[part].astype(str))
    rows = {str(label): tuple(map(int, counts)) for label, counts in zip(table.index, table.to_numpy())}
    return Cross(part, tuple(map(str, table.columns)), rows)


def _formats(
    looks: Sequence[Look],
) -> tuple[dict[str, int], dict[str, int], dict[str, int], tuple[float, float] | None]:
    """Sizes, bands and types with their counts, and the range of values."""
    sizes = Counter(f"{look.shape[1]} x {look.shape[2]}" for look in looks)
    bands = Counter(str(look.shape[0]) for look in looks)
    types = Counter(look.dtype for look in looks)
    values = (min(look.low for look in looks), max(look.high for look in looks)) if looks else None
    return dict(sizes.most_common()), dict(bands.most_common()), dict(types.most_common()), values
