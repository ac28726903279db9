"""A report as tables on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from spacewise.check.report import Report

BAR = 16
LISTED = 20  # lines of a table that may be long
COLUMNS = 8  # parts beside each other
MARKS = {"error": ("✗", "bold red"), "warning": ("!", "bold yellow"), "note": ("·", "dim")}
VERDICTS = {
    "leak": ("gives the class away", "bold yellow"),
    "hint": ("a hint", "cyan"),
    "none": ("no more than luck", "dim"),
}
KINDS = {
    "identical": "identical",
    "turned": "flipped or turned",
    "similar": "nearly identical",
}

Row = TypeVar("Row")


def render(report: Report, console: Console) -> None:
    """Prints what a source holds, then what is wrong with it and what to do."""
    sections = (_head, _classes, _facts, _sizes, _unreadable, _twins, _clues, _todo)
    for section in sections:
        for part in section(report):
            console.print(part)


def _head(report: Report) -> Iterator[RenderableType]:
    title = Text.assemble((report.source, "bold cyan"), "  ", (report.root, "dim"))
    counts = f"{report.samples:,} images, {len(report.classes):,} {'class' if len(report.classes) == 1 else 'classes'}"
    lines = [title, Text(counts, "bold")]
    if report.values:
        low, high = report.values
        bands = _listing(report.bands)
        word = "band" if list(report.bands) == ["1"] else "bands"
        sizes = list(report.sizes)
        size = sizes[0] if len(sizes) == 1 else f"{len(sizes)} sizes"
        lines.append(Text(f"{size}, {bands} {word}, {_listing(report.types)}, values {low:,g} to {high:,g}"))
    yield ""
    yield Padding(Group(*lines), (0, 1))


def _classes(report: Report) -> Iterator[RenderableType]:
    counts = report.classes
    if len(counts) > 50:
        least, most = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
        yield from _wide_classes(report, least, most)
        return
    cross = report.cross if report.cross and len(report.cross.columns) <= COLUMNS else None
    table = _table("class", *[("images", "right")])
    for column in cross.columns if cross else ():
        table.add_column(Text(f"{cross.fact} {column}" if cross and column.isdigit() else column), justify="right")
    table.add_column("")
    largest = max(counts.values())
    for label, count in counts.items():
        parts = [f"{number:,}" if number else "·" for number in cross.rows[label]] if cross else []
        table.add_row(Text(label), f"{count:,}", *parts, _bar(count / largest))
    yield table


def _wide_classes(report: Report, least: str, most: str) -> Iterator[RenderableType]:
    counts = report.classes
    if counts[least] == counts[most]:
        line = f"every class has {counts[most]:,} images"
    else:
        line = f"from {counts[least]:,} images ({least}) to {counts[most]:,} ({most}) a class"
    lines = [Text(line)]
    if report.cross:
        totals = [sum(column) for column in zip(*report.cross.rows.values())]
        parts = (f"{name} {total:,}" for name, total in zip(report.cross.columns, totals))
        lines.append(Text(f"{report.cross.fact}: {', '.join(parts)}"))
    yield Padding(Group(*lines), (1, 1))


def _facts(report: Report) -> Iterator[RenderableType]:
    shown = {fact: values for fact, values in report.facts.items() if fact != "label"}
    others = {fact: count for fact, count in report.distinct.items() if fact not in ("id", "label")}
    if not shown and not others:
        return
    table = _table("fact", ("values", "right"), "images of each")
    for fact, values in shown.items():
        named = {value or "(none)": count for value, count in values.items()}
        table.add_row(Text(fact), f"{len(values):,}", Text(_listing(named, 10)))
    for fact, count in others.items():
        table.add_row(Text(fact), f"{count:,}", Text("…", "dim"))
    yield table


def _sizes(report: Report) -> Iterator[RenderableType]:
    if len(report.sizes) < 2:
        return
    table = _table("height x width", ("images", "right"), "")
    largest = max(report.sizes.values())
    _fill(
        table, list(report.sizes.items()), lambda item: (item[0], f"{item[1]:,}", _bar(item[1] / largest)), 8
    )
    yield table


def _unreadable(report: Report) -> Iterator[RenderableType]:
    if not report.unreadable:
        return
    table = _table(f"cannot be used ({len(report.unreadable):,})", "why")
    _fill(table, report.unreadable, lambda one: (Text(one.id), Text(one.reason)))
    yield table


def _twins(report: Report) -> Iterator[RenderableType]:
    if not report.twins:
        return
    table = _table(f"the same picture ({len(report.twins):,})", "how", "")
    serious = sorted(report.twins, key=lambda group: (not group.conflict, not group.crossing))
    _fill(
        table,
        serious,
        lambda group: (
            Text("\n".join(group.ids[:4]) + (f"\n… {len(group.ids) - 4} more" if len(group.ids) > 4 else "")),
            KINDS[group.kind],
            _marks(group.conflict, group.crossing, report.cross.fact if report.cross else ""),
        ),
    )
    yield table


def _marks(conflict: bool, crossing: bool, part: str) -> Text:
    marks = [mark for mark, held in ((f"different {part}", crossing), ("different labels", conflict)) if held]
    return Text("\n".join(marks), "bold yellow")


def _clues(report: Report) -> Iterator[RenderableType]:
    if not report.clues:
        return
    table = _table("class guessed from", ("right", "right"), ("chance", "right"), "", "")
    for clue in sorted(report.clues, key=lambda clue: -clue.accuracy):
        verdict, style = VERDICTS[clue.verdict]
        numbers = (f"{clue.accuracy:.1%}", f"{clue.chance:.1%}")
        table.add_row(Text(clue.name), *numbers, _bar(clue.accuracy, style), Text(verdict, style))
    yield table


def _todo(report: Report) -> Iterator[RenderableType]:
    if report.findings:
        table = Table(box=None, show_header=False, padding=(0, 1), pad_edge=True)
        table.add_column()
        table.add_column(overflow="fold")
        for finding in report.findings:
            mark, style = MARKS[finding.level]
            table.add_row(Text(mark, style), Text(finding.what, "" if finding.level == "note" else "bold"))
            table.add_row("", Text(f"→ {finding.remedy}", "dim" if finding.level == "note" else "green"))
        yield ""
        yield Padding(Text("What to do", "bold underline"), (0, 1))
        yield table
    if not report.problems:
        yield Padding(Text("✓ nothing stands in the way of training", "bold green"), (1, 1))


def _table(*columns: str | tuple[str, str]) -> Table:
    """A table whose columns are titles, or (title, "right")."""
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", padding=(0, 1), pad_edge=True)
    for column in columns:
        title, side = (column, "left") if isinstance(column, str) else column
        table.add_column(title, justify="right" if side == "right" else "left", overflow="fold")
    return table


def _fill(
    table: Table, rows: Sequence[Row], cells: Callable[[Row], tuple[RenderableType, ...]], most: int = LISTED
) -> None:
    """Adds the first rows, and a line that says how many more there are."""
    for row in rows[:most]:
        table.add_row(*cells(row))
    if len(rows) > most:
        table.add_row(Text(f"… and {len(rows) - most:,} more", "dim"))


def _bar(share: float, style: str = "cyan") -> Text:
    """A bar of eighths of a character."""
    eighths = round(share * BAR * 8)
    full, rest = divmod(eighths, 8)
    return Text("█" * full + ("▏▎▍▌▋▊▉"[rest - 1] if rest else ""), style)


def _listing(counts: Mapping[str, int], most: int = 4) -> str:
    """`uint8`, or `uint8 (12), float32 (3)`; the rest only counted."""
    if len(counts) == 1:
        return next(iter(counts))
    shown = [f"{value} ({count:,})" for value, count in list(counts.items())[:most]]
    return ", ".join(shown) + (f" and {len(counts) - most} more" if len(counts) > most else "")
