"""Tables and sentences of the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
from benchmarks.growth.operation import Operation
from benchmarks.page.fit import EVEN, Verdict, verdict

from spacewise.report.numbers import SPACE, count, duration, number
from spacewise.report.tables import Cell, Table

BUSY = 0.2
"""Cores that other work may take before the page warns."""

WORDS = {
    "threads": "threads",
    "scale": "sizes",
    "arguments": "arguments",
    "code": "code",
    "machine": "machine",
    "libraries": "versions of libraries",
}
"""What a key is made of, in words."""


def time(seconds: float) -> str:
    """`14.2 s`, `310 ms`, `45 µs`."""
    for unit, least in (("s", 1.0), ("ms", 1e-3), ("µs", 0.0)):
        if seconds >= least:
            return f"{significant(seconds * {'s': 1, 'ms': 1e3, 'µs': 1e6}[unit])}{SPACE}{unit}"
    return "–"


def significant(value: float) -> str:
    """Three digits or all before the point: `1,240`, `31.4`, `0.87`."""
    if value != value:
        return "–"
    return f"{value:,.0f}" if value >= 99.95 else number(value, 1 if value >= 9.995 else 2)


def memory(megabytes: float) -> str:
    """`512 MB`; below one: `< 1 MB`, which no ratio is taken of."""
    return f"{significant(megabytes)}{SPACE}MB" if megabytes >= 1 else f"<{SPACE}1{SPACE}MB"


def shares(one: float, other: float) -> str:
    """How many times `other` is `one`; a dash where either is below one megabyte."""
    return f"{significant(one / other)}{SPACE}×" if min(one, other) >= 1 else "–"


def first(found: Mapping[str, Verdict], operations: Mapping[str, Operation]) -> Table:
    """One row an operation."""
    heads = [
        *("operation", "spacewise", "best peer", "peer's time over ours", "ours over the limit"),
        *("peer's memory over ours", "exponent", "peer's exponent"),
    ]
    caption = (
        "At the largest size that spacewise and a peer were measured at; below the times: megabytes beyond the input. "
        "Ratios above 1 × are in favour of spacewise, but for the limit, which is what the machine needs for the bare "
        f"work that any method must do. Marked: the faster side, where it is by more than {100 * (EVEN - 1):.0f} %. "
        "Exponent: b of the fit time = a · size^b over all four sizes; from small sizes, where calls cost more than "
        "work, it comes out low."
    )
    return Table(heads, [_line(operations[name], each) for name, each in found.items()], caption)


def _line(operation: Operation, of: Verdict) -> list[Cell]:
    return [
        Cell(operation.title, f"{count(of.size)} {operation.unit}"),
        Cell(time(of.ours), memory(of.our_memory), of.word == "faster"),
        Cell(time(of.theirs), f"{of.peer}\n{memory(of.their_memory)}", of.word == "slower"),
        Cell(f"{significant(of.ratio)}{SPACE}×", "" if of.word == "faster" else of.word),
        Cell(f"{significant(of.ours / of.limit)}{SPACE}×" if of.limit == of.limit else "–"),
        Cell(shares(of.their_memory, of.our_memory)),
        Cell(number(of.our_exponent, 2)),
        Cell(number(of.their_exponent, 2)),
    ]


def sentences(found: Mapping[str, Verdict], operations: Mapping[str, Operation]) -> list[str]:
    """The page's answer: where spacewise leads, and where it does not."""
    if not found:
        return ["No operation was measured at its four sizes."]
    by = {
        word: [operations[n].title for n, v in found.items() if v.word == word] for word in ("faster", "even", "slower")
    }
    lines = [f"Of {len(found)} heavy operations, spacewise is faster than the best peer in {len(by['faster'])}."]
    if by["slower"]:
        lines.append(f"A peer is faster in {len(by['slower'])}: {'; '.join(by['slower'])}.")
    if by["even"]:
        lines.append(f"Within {100 * (EVEN - 1):.0f} % of one another: {'; '.join(by['even'])}.")
    more = [operations[n].title for n, v in found.items() if v.our_memory > max(1, EVEN * v.their_memory)]
    if more:
        lines.append(f"More memory than the best peer: {'; '.join(more)}.")
    return lines


def cases(table: pd.DataFrame, name: str, operation: Operation) -> Table:
    """Every measurement of an operation."""
    mine = table[table["operation"] == name]
    rows = [
        [
            Cell(row["contender"]),
            Cell(count(row["size"])),
            Cell(time(row["seconds"])),
            Cell(time(row["processor"])),
            Cell(memory(row["megabytes"])),
            Cell(count(row["rounds"])),
            Cell(number(row["others"], 2)),
        ]
        for row in mine.to_dict("records")
    ]
    heads = ["contender", operation.unit, "time", "processor", "memory", "rounds", "other work, cores"]
    caption = (
        "Medians over the rounds, of memory the most; within a process short calls are repeated for half a second. "
        "Processor: seconds of all threads. Other work: cores that were busy with something else, or taken away by the "
        "host, meanwhile; where it is not near 0, compare the processor seconds."
    )
    return Table(heads, rows, caption)


def left_out(operation: Operation, scale: float) -> list[str]:
    """Who takes no part, and at which sizes, in words."""
    lines = [f"{name} is not installed: left out." for name in operation.missing()]
    sizes = operation.sizes(scale)
    lines += [
        f"{name} is left out above {count(sizes[0] * most)} {operation.unit}: it would take far longer than all others."
        for name, most in operation.up_to.items()
        if name not in operation.missing() and sizes[0] * most < sizes[-1]
    ]
    return lines


def scripts(records: Sequence[Mapping[str, Any]]) -> Table:
    """One row a script."""
    rows = [
        [
            Cell(each["name"], str(each["command"])),
            Cell("done" if each["done"] else "FAILED"),
            Cell(each["threads"]),
            Cell(duration(each["seconds"])),
            Cell(each["started"]),
            Cell(number(each["load"], 2)),
            Cell(number(each["others"], 2)),
            Cell(each["commit"]),
        ]
        for each in records
    ]
    heads = ["script", "", "threads", "took", "started", "load before", "other work, cores", "commit"]
    caption = (
        "Load: the machine's average of the minute before, its own earlier benchmarks included. Other work: cores that "
        "were busy with something else meanwhile, or taken away by the host. A + behind the commit: changed since."
    )
    return Table(heads, rows, caption)


def differing(rows: Iterable[Mapping[str, Any]], key: Mapping[str, Any]) -> list[str]:
    """Words for what of a key differs in any of the rows from that of the page's header."""
    return [word for name, word in WORDS.items() if name in key and any(row[name] != key[name] for row in rows)]


def other_conditions(each: Mapping[str, Sequence[str]]) -> list[str]:
    """One sentence for each word, from the title of what was measured -> its `differing` words."""
    found = {word: [title for title, words in each.items() if word in words] for word in WORDS.values()}
    return [f"Measured with other {word} than said here: {', '.join(of)}." for word, of in found.items() if of]


def warnings(
    table: pd.DataFrame, records: Iterable[Mapping[str, Any]], commits: set[str], others: Mapping[str, Sequence[str]]
) -> list[str]:
    """What a reader must know before the figures; `others` as of `other_conditions`."""
    found = []
    cores = [float(value) for value in table["others"]] + [float(each["others"]) for each in records]
    busy = sum(value > BUSY for value in cores)
    if busy:
        found.append(f"The machine was busy with other work during {busy} of {len(cores)} measurements.")
    failed = [each["name"] for each in records if not each["done"]]
    if failed:
        found.append(f"Failed: {', '.join(failed)}.")
    if len(commits) > 1:
        found.append(f"Measured at several commits: {', '.join(sorted(commits))}.")
    return found + other_conditions(others)


def found_verdicts(table: pd.DataFrame, names: Iterable[str]) -> dict[str, Verdict]:
    """Operation -> verdict, of those that have one."""
    each = {name: verdict(table, name) for name in names}
    return {name: of for name, of in each.items() if of is not None}
