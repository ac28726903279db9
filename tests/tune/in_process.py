"""A place in this process, and tiny searches."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from spacewise import files
from spacewise.flags import Given
from spacewise.grid.tasks import Outcome, Task
from spacewise.grid.work import work
from spacewise.tune.search import Search, open_search, run
from spacewise.tune.study import Pruned, reporter
from spacewise.tune.template import Template

TINY = ("net.padding=same", "batch=8", "precision=float32")
LOSSES = ("crossentropy@classifier", "{0.1..10 log}*contrastive(dissimilar_margin={0.5..2})@{feature|classifier}")


class Here:
    """Carries out one task after another.

    Args:
        most: of those that it carries out before it is interrupted.
    """

    def __init__(self, slots: int = 1, most: int = 1000) -> None:
        self.slots, self.most = slots, most
        self.waiting: deque[Task] = deque()
        self.done: list[str] = []

    def submit(self, task: Task) -> None:
        self.waiting.append(task)

    def wait(self, seconds: float) -> Sequence[Outcome]:
        if len(self.done) >= self.most:
            raise KeyboardInterrupt
        task = self.waiting.popleft()
        self.done.append(task.name)
        return [self.carry_out(task)]

    def carry_out(self, task: Task) -> Outcome:
        return work(task)

    def __enter__(self) -> Here:
        return self

    def __exit__(self, *error: object) -> None:
        self.waiting.clear()


class Pretended(Here):
    """Its trainings know the best rate and take no time; what they report and leave is as of any other."""

    def carry_out(self, task: Task) -> Outcome:
        regime, told, rows = task.experiment.regime, reporter(task.study, task.trial, task.folder / "log.csv"), []
        for epoch in range(1, regime.epochs + 1):
            figure = max(1 - abs(regime.rate - 3e-3) * 90, 0.0) * epoch / regime.epochs
            rows.append({"epoch": epoch, "validation_accuracy": figure})
            try:
                told.log_metrics(rows[-1], epoch)
            except Pruned as error:
                return Outcome(task, "pruned", str(error))
        files.write_table(task.folder / "log.csv", pd.DataFrame(rows))
        facts = {"status": "finished", "split": "", "best_epoch": regime.epochs, "samples": {"validation": 7}}
        files.write_json(task.folder / "run.json", facts)
        return Outcome(task, "finished", facts=facts)


def given(data: Path, *, loss: Sequence[str] = LOSSES, changes: Sequence[str] = (), epochs: str = "1") -> Given:
    """Flags of a tiny experiment."""
    flags = {"data": str(data), "loss": tuple(loss), "size": "24", "epochs": epochs, "changes": (*TINY, *changes)}
    return Given(**flags)


def searched(template: Template, out: Path, trials: int, place: Here | None = None) -> Search:
    """A search carried out in this process."""
    with open_search(template, out) as search, place or Here() as where:
        run(search, where, trials)
    return search
