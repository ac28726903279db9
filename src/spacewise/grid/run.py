"""Many experiments, each to its end: what is finished stays, what fails is tried again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.markup import escape

from spacewise import files
from spacewise.errors import InputError
from spacewise.grid.board import Board, duration, figure
from spacewise.grid.standing import ENDED, Standing, standing
from spacewise.grid.standing import table as table_of
from spacewise.grid.tasks import Outcome, Place, Task

POLL = 1.0  # seconds between looks at the logs of those that run
NAMED = 5  # failed experiments that the last line names


def run_all(tasks: Sequence[Task], place: Place, *, tries: int = 3, table: Path) -> dict[str, Outcome]:
    """Carries out tasks as far as they have not been, and returns how each ended, by name.

    A task whose `pretrained` is the folder of another waits for that one. One that fails is tried again and goes
    on from its saved state; one that is refused is not.

    Args:
        place: where, inside its `with` statement.
        tries: of each.
        table: where a row of each is kept, in CSV; written anew whenever one ends.

    Raises:
        InputError: a name or folder twice, a folder of another experiment; or, once all others have ended, those
            that failed or were refused.
        BlockingIOError: another process is at these experiments.
        KeyboardInterrupt: after Ctrl-C, having said what is finished.
    """
    _check(tasks)
    rows = [standing(task) for task in tasks]
    with files.alone(table), Board(rows) as board:
        files.write_table(table, table_of(rows))
        try:
            while any(row.status not in ENDED for row in rows):
                _begin(rows, place, board)
                for outcome in place.wait(POLL):
                    _settle(next(row for row in rows if row.task.name == outcome.task.name), outcome, tries, board)
                    _give_up_on_the_followers(rows)
                    files.write_table(table, table_of(rows))
                for row in rows:
                    if row.status == "running":
                        row.look()
                board.draw()
        except KeyboardInterrupt:
            for row in rows:
                row.status = "waiting" if row.status == "running" else row.status
            files.write_table(table, table_of(rows))
            board.say(f"interrupted: {_finished(rows)} finished; the same command goes on where they were")
            raise
    _refuse_failures(rows)
    return {row.task.name: row.outcome for row in rows if row.outcome}


def _check(tasks: Sequence[Task]) -> None:
    for kind in ("name", "folder"):
        value, times = Counter(str(getattr(task, kind)) for task in tasks).most_common(1)[0] if tasks else ("", 0)
        if times > 1:
            raise InputError(f"{times} experiments have the {kind} {value}; each needs its own")


def _begin(rows: Sequence[Standing], place: Place, board: Board) -> None:
    """Fills the free slots with those that wait, but for what waits for another's weights."""
    free = place.slots - sum(row.status == "running" for row in rows)
    coming = {row.task.folder for row in rows if row.status not in ENDED}
    ready = [row for row in rows if row.status == "waiting" and row.task.pretrained not in coming]
    for row in ready[: max(free, 0)]:
        row.start()
        board.say(f"{escape(row.task.name)}: started", lasting=False)
        place.submit(row.task)


def _settle(row: Standing, outcome: Outcome, tries: int, board: Board) -> None:
    """Takes an outcome in: the end, or one more try."""
    row.end(outcome)
    name, why = escape(row.task.name), escape(outcome.why)
    if outcome.status == "failed" and row.tries < tries:
        row.status = "waiting"
        board.say(f"[yellow]{name} failed (try {row.tries} of {tries}):[/] {why}; it goes on from its saved state")
    elif outcome.status in ("failed", "refused"):
        board.say(f"[red]{name} {outcome.status}:[/] {why}")
    else:
        board.say(f"{name}: {outcome.status} after {duration(row.seconds)} {figure(row)}".rstrip(), lasting=False)


def _give_up_on_the_followers(rows: Sequence[Standing]) -> None:
    """Refuses those whose pretraining has failed."""
    lost = {row.task.folder: row for row in rows if row.status in ("failed", "refused")}
    for row in rows:
        first = lost.get(row.task.pretrained) if row.task.pretrained else None
        if row.status == "waiting" and first:
            row.end(Outcome(row.task, "refused", f"its pretraining {first.task.name} {first.status}"))


def _finished(rows: Sequence[Standing]) -> str:
    done = sum(row.status == "finished" for row in rows)
    return f"{done} of {len(rows)} experiments {'is' if done == 1 else 'are'}"


def _refuse_failures(rows: Sequence[Standing]) -> None:
    lost = [row for row in rows if row.status in ("failed", "refused")]
    if not lost:
        return
    named = [f"{row.task.name}: {row.outcome.why if row.outcome else ''}" for row in lost[:NAMED]]
    more = [f"and {len(lost) - NAMED} more"] if len(lost) > NAMED else []
    listed = "; ".join([*named, *more])
    raise InputError(f"{len(lost)} of {len(rows)} experiments failed: {listed}; the same command tries them again")
