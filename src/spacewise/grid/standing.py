"""Where one of many experiments stands: what the live table shows, and a row of `experiments.csv`."""

from __future__ import annotations

import csv
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from spacewise import runs
from spacewise.grid.tasks import Outcome, Task
from spacewise.learn.start import is_finished

ENDED = ("finished", "pruned", "refused", "failed")  # beside waiting and running


@dataclass
class Standing:
    """One experiment among many.

    Attributes:
        status: `waiting`, `running`, or an outcome's.
        tries: how often it has been started here; 0 for one that was finished before.
        seconds: that its tries took, but for the one that runs.
        since: when that one began, by the monotonic clock.
        epoch: epochs that are done.
        figure: `validation_accuracy`: what chooses between epochs; empty where nothing does, or before the first.
        value: of the last epoch; of the best one once it is finished.
    """

    task: Task
    status: str = "waiting"
    tries: int = 0
    seconds: float = 0.0
    since: float | None = None
    epoch: int = 0
    figure: str = ""
    value: float | None = None
    best_epoch: int | None = None
    outcome: Outcome | None = None

    @property
    def epochs(self) -> int:
        """Of the whole training; fewer where patience ends it."""
        return int(self.task.experiment.regime.epochs)

    @property
    def share(self) -> float:
        """How much of it is done, 0 to 1."""
        return 1.0 if self.status in ENDED else min(self.epoch / self.epochs, 1.0)

    @property
    def took(self) -> float:
        """Seconds up to now."""
        return self.seconds + (time.monotonic() - self.since if self.since is not None else 0.0)

    def start(self) -> None:
        """A try begins."""
        self.status, self.tries, self.since = "running", self.tries + 1, time.monotonic()

    def end(self, outcome: Outcome) -> None:
        """A try, or the experiment without one, has ended."""
        self.seconds, self.since = self.took, None
        self.status, self.outcome = outcome.status, outcome
        self.look()

    def look(self) -> None:
        """Reads what the run's log says by now."""
        rows = _log(self.task)
        if not rows:
            return
        facts = (self.outcome.facts if self.outcome else None) or {}
        best = facts.get("best_epoch")
        self.epoch = int(rows[-1]["epoch"])
        self.best_epoch = int(str(best)) if best else None
        shown = next((row for row in rows if int(row["epoch"]) == self.best_epoch), rows[-1])
        chosen_by = f"{getattr(self.task.experiment.regime, 'choose', 'validation')}_"
        self.figure = next((name for name in shown if name.startswith(chosen_by)), "")
        self.value = float(shown[self.figure]) if self.figure else None

    def row(self) -> dict[str, Any]:
        """Its row of the table."""
        return {
            "name": self.task.name,
            "status": self.status,
            "tries": self.tries,
            "seconds": round(self.took, 1),
            "epoch": self.epoch,
            "best_epoch": self.best_epoch,
            "figure": self.figure,
            "value": self.value,
            "why": self.outcome.why if self.outcome else "",
        }


def standing(task: Task) -> Standing:
    """Where a task stands before anything runs.

    Raises:
        InputError: its folder holds another experiment.
    """
    found = Standing(task)
    if is_finished(task.experiment, task.folder):
        facts = runs.read_facts(task.folder)
        found.end(Outcome(task, "finished", facts=facts))
        found.seconds = float(facts.get("seconds", 0.0))
    elif task.folder.exists():
        found.look()
    return found


def table(rows: Sequence[Standing]) -> pd.DataFrame:
    """`experiments.csv`: one row an experiment."""
    frame = pd.DataFrame([row.row() for row in rows])
    return frame.astype({"best_epoch": "Int64"} if rows else {})


def _log(task: Task) -> list[dict[str, str]]:
    """The rows of the run's `log.csv`, which is replaced as a whole; none before the first epoch."""
    try:
        with (task.folder / "log.csv").open(newline="", encoding="utf-8") as stream:
            return list(csv.DictReader(stream))
    except FileNotFoundError:
        return []
