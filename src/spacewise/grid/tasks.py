"""One experiment as a task, what became of it, and the places where tasks run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from spacewise.experiment import Experiment


@dataclass(frozen=True)
class Task:
    """One training. Whoever carries it out calls `learn.ensure`: a finished run is read back, a begun one goes on.

    Attributes:
        name: unique among tasks; shown, and the row of the table.
        experiment: what is trained.
        folder: of the run; on a file system that all hosts share.
        pretrained: of a transfer: the run that it begins with.
        study: of a search: the file that trials report to; a trial without prospects is stopped.
        trial: of a search: its number.
    """

    name: str
    experiment: Experiment
    folder: Path
    pretrained: Path | None = None
    study: Path | None = None
    trial: int | None = None


@dataclass(frozen=True)
class Outcome:
    """How a task ended.

    Attributes:
        status: `finished`; `pruned` (stopped by its search); `refused` (an `InputError`: trying again would not
            help); `failed` (anything else: its process was killed, its host is gone).
        why: one line; empty where it finished.
        facts: of a finished run: `run.json`.
    """

    task: Task
    status: str
    why: str = ""
    facts: dict[str, object] | None = None


class Place(Protocol):
    """Where tasks run. Used in a `with` statement: at its end, whatever happens, no task runs any more."""

    slots: int
    """Tasks that run at a time."""

    def submit(self, task: Task) -> None:
        """Starts a task; with more than `slots` of them, some wait."""

    def wait(self, seconds: float) -> Sequence[Outcome]:
        """Those that have ended since, as soon as there is one; empty after so many seconds without."""

    def __enter__(self) -> Place: ...

    def __exit__(self, *error: object) -> None: ...
