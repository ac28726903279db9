"""What a terminal shows of many experiments: a live table; lines where standard error is none."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType

from rich.console import Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table

from spacewise.grid.standing import ENDED, Standing
from spacewise.progress import console

STYLES = {"running": "bold", "finished": "green", "refused": "red", "failed": "red", "waiting": "dim"}
FIRST = ("running", "failed", "refused", "waiting", "finished", "pruned")  # who is shown where not all have room
BESIDE = 5  # lines of the terminal for the head, the bar and the prompt


class Board:
    """The table or the lines, for the time of a `with` statement."""

    def __init__(self, rows: Sequence[Standing]) -> None:
        self.rows = rows
        self.began, self.done_before = time.monotonic(), epochs_done(rows)
        self.live = Live(console=console, auto_refresh=False) if console.is_terminal else None

    def say(self, line: str, *, lasting: bool = True) -> None:
        """A line above the table; one that is not lasting only where there is no table."""
        if lasting or self.live is None:
            console.print(line, highlight=False, soft_wrap=True)

    def draw(self) -> None:
        """The table as things stand now."""
        if self.live is not None:
            total = sum(row.epochs for row in self.rows)
            left = time_left(time.monotonic() - self.began, self.done_before, epochs_done(self.rows), total)
            self.live.update(picture(self.rows, left, console.height - BESIDE), refresh=True)

    def __enter__(self) -> Board:
        if self.live is not None:
            self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.draw()
        if self.live is not None:
            self.live.stop()


def picture(rows: Sequence[Standing], left: float | None, height: int) -> RenderableType:
    """Table of as many experiments as have room, and the bar over all of them."""
    shown = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("experiment", "state", "epoch", "figure", "tries", "time"):
        shown.add_column(name, justify="left" if name in ("experiment", "state", "figure") else "right", no_wrap=True)
    first = sorted(range(len(rows)), key=lambda number: FIRST.index(rows[number].status))
    for number in sorted(first[: max(height, 1)]):
        row = rows[number]
        cells = [f"{row.epoch}/{row.epochs}", figure(row), str(row.tries or ""), duration(row.took)]
        shown.add_row(escape(row.task.name), row.status, *cells, style=STYLES.get(row.status, ""))
    ended = sum(row.status in ENDED for row in rows)
    line = Table.grid(padding=(0, 1))
    time_text = "" if ended == len(rows) else f"left {duration(left) if left is not None else '-:--:--'}"
    bar = ProgressBar(total=max(sum(row.epochs for row in rows), 1), completed=epochs_done(rows), width=40)
    line.add_row(f"{ended}/{len(rows)}", bar, time_text)
    return Group(shown, line)


def figure(row: Standing) -> str:
    """`validation accuracy 81.2 %`."""
    return "" if row.value is None else f"{row.figure.replace('_', ' ')} {100 * row.value:.1f} %"


def duration(seconds: float) -> str:
    """`1:02:03`."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def epochs_done(rows: Sequence[Standing]) -> float:
    """Epochs of all experiments; what has ended needs no more of its own."""
    return sum(row.share * row.epochs for row in rows)


def time_left(seconds: float, before: float, done: float, total: float) -> float | None:
    """Seconds that the rest takes at the rate so far; None before there is one.

    Args:
        seconds: since the start, when `before` epochs were done; `done` of `total` are now.
    """
    return seconds * (total - done) / (done - before) if done > before else None
