"""A report as tables on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from spacewise.check.clues import FEW
from spacewise.check.report import Report
from spacewise.check.twins import Twins

BAR = 16
LISTED = 20  # lines of a table that may be long
SIZES = 8
TOGETHER = 4  # names of one picture
COLUMNS = 8  # parts beside each other
MARKS = {"error": ("✗", "bold red"), "warning": ("!", "bold yellow"), "note": ("·", "dim")}
VERDICTS = {
    "leak": ("gives the class away", "bold yellow"),
    "hint": ("a hint", "cyan"),
    "none": ("no more than luck", "dim"),
}
KINDS = {"identical": "identical", "turned": "flipped or turned", "similar": "nearly identical"}


def render(report: Report, console: Console) -> None:
    """Prints what a source holds, then what is wrong with it and what to do."""
    sections = (_head, _classes, _facts, _sizes, _unreadable, _twins, _clues, _todo)
    for section in sections:
        for part in section(report):
            console.print(part)


def _head(report: Report) -> Iterator[RenderableType]:
    title = Text.assemble((report.source, "bold cyan"), "  ", (report.root, "dim"))
    word = "class" if len(report.classes) == 1 else "classes"
    without = f", {report.unlabelled:,} unlabelled" if report.unlabelled else ""
    lines = [title, Text(f"{report.samples:,} images, {len(report.classes):,} {word}{without}", "bold")]
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
    if not counts:
        return
    if len(counts) > FEW:
        yield Padding(Text(_spread(counts)), (0, 1))
        return
    cross = report.cross if report.cross and len(report.cross.columns) <= COLUMNS else None
    table = _table("class", ("images", "right"))
    for column in cross.columns if cross else ():
        title = f"{cross.fact} {column}" if cross and column.isdigit() else column
        table.add_column(Text(title), justify="right")
    table.add_column("")
    largest = max(counts.values())
    for label, count in counts.items():
        parts = [f"{number:,}" if number else "·" for number in cross.rows[label]] if cross else []
        table.add_row(Text(label), f"{count:,}", *parts, _bar(count / largest))
    yield table


def _spread(counts: Mapping[str, int]) -> str:
    least, most = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
    if counts[least] == counts[most]:
        return f"{counts[most]:,} images of every class"
    return f"from {counts[least]:,} images ({least}) to {counts[most]:,} ({most}) a class"


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
    rows = [(size, f"{count:,}", _bar(count / largest)) for size, count in report.sizes.items()]
    _fill(table, rows, SIZES)
    yield table


def _unreadable(report: Report) -> Iterator[RenderableType]:
    if not report.unreadable:
        return
    table = _table(f"cannot be used ({len(report.unreadable):,})", "why")
    _fill(table, [(Text(one.id), Text(one.reason)) for one in report.unreadable])
    yield table


def _twins(report: Report) -> Iterator[RenderableType]:
    if not report.twins:
        return
    table = _table(f"the same picture ({len(report.twins):,})", "how", "")
    part = report.cross.fact if report.cross else ""
    serious = sorted(report.twins, key=lambda group: (not group.conflict, not group.crossing))
    _fill(table, [(_ids(group), KINDS[group.kind], _marks(group, part)) for group in serious])
    yield table


def _ids(group: Twins) -> Text:
    more = len(group.ids) - TOGETHER
    return Text("\n".join(group.ids[:TOGETHER]) + (f"\n… and {more:,} more" if more > 0 else ""))


def _marks(group: Twins, part: str) -> Text:
    held = {f"different {part}": group.crossing, "different labels": group.conflict}
    return Text("\n".join(mark for mark, is_held in held.items() if is_held), "bold yellow")


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


def _fill(table: Table, rows: Sequence[tuple[RenderableType, ...]], most: int = LISTED) -> None:
    """Adds the first rows, and a line that says how many more there are."""
    for row in rows[:most]:
        table.add_row(*row)
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
