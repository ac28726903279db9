"""Progress with an estimate of the time left, on standard error, and only on a terminal or when asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

Item = TypeVar("Item")

console = Console(stderr=True)


def bar(*, transient: bool = True) -> Progress:
    """A progress bar: what, how far, time spent, time left, and a text of the caller's."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
        transient=transient,
        refresh_per_second=2,  # drawing takes milliseconds that two cores need for the step
    )


def track(items: Iterable[Item], what: str, total: int) -> Iterator[Item]:
    """Passes items on while a bar shows how many are done."""
    with bar() as progress:
        task = progress.add_task(what, total=total, note="")
        for item in items:
            yield item
            progress.advance(task)
