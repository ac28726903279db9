"""A search: trials one after another, or as many at a time as there is room for, until there are enough."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from rich.markup import escape

from spacewise import files, runs
from spacewise.errors import InputError
from spacewise.experiment import Experiment
from spacewise.grid.tasks import Outcome, Place, Task
from spacewise.progress import bar, console
from spacewise.tune import study as journal
from spacewise.tune.door import check
from spacewise.tune.table import Searched, importance, trials
from spacewise.tune.template import Template

POLL = 1.0  # seconds between looks at the place
TRIES = 3  # of a trial whose process was killed, or whose host is gone
HOPELESS = 3  # trials that have failed, and none that has not, before a search gives up
KEPT = "tune.yaml"


@dataclass
class Begun:
    """A trial that is being trained."""

    trial: Any
    task: Task
    tries: int = 1


@dataclass
class Search:
    """A search in its folder.

    Attributes:
        first: the experiment with every choice at its first option or end.
        running: by the name of the task.
    """

    template: Template
    first: Experiment
    out: Path
    study: Any
    running: dict[str, Begun] = field(default_factory=dict)

    @property
    def seed(self) -> int:
        """Of what is drawn: the experiment's own, or the first of them."""
        return self.first.seed

    @property
    def path(self) -> Path:
        """Of the journal."""
        return self.out / "study.log"

    def table(self) -> pd.DataFrame:
        """All trials so far."""
        return trials(self.study, self.template.choices)


@contextmanager
def open_search(template: Template, out: Path) -> Iterator[Search]:
    """Begins a search, or finds it where it was left. Nobody else is at it inside the `with` statement.

    Raises:
        InputError: the extra is missing; an experiment that cannot be; no validation to go by, or another for some
            trials; the folder holds another search, or something else. Nothing is written then.
        BlockingIOError: another process is at this search. Nothing is written then.
    """
    journal.optuna()
    experiments = [template.experiment(values) for values in template.samples()]
    first = experiments[0]
    kept = {"flags": template.as_dict(), "experiment": first.model_dump(mode="json")}
    _refuse_another(out, kept)
    check(experiments, searched=True)
    with files.alone(out.absolute()):
        _refuse_another(out, kept)  # that began in the meantime
        if not (out / KEPT).is_file():
            files.write_text(out / KEPT, yaml.safe_dump(kept, sort_keys=False, allow_unicode=True))
        yield Search(template, first, out, journal.open_study(out / "study.log", warm_up(first)))


def warm_up(experiment: Experiment) -> int:
    """The first epoch after which a trial may be stopped: a third of them, while learning rates rise."""
    return max(1, experiment.regime.epochs // 3)


def _refuse_another(out: Path, kept: dict[str, Any]) -> None:
    path = out / KEPT
    if not path.is_file():
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise InputError(f"{out} already exists and is no search; give another --out")
        return
    try:
        before = yaml.safe_load(path.read_text(encoding="utf-8"))
        before = {"flags": dict(before["flags"]), "experiment": before["experiment"]}
    except (yaml.YAMLError, UnicodeDecodeError, TypeError, KeyError, ValueError) as error:
        raise InputError(f"{path} is not the record of a search; give another --out") from error
    then, now = before["flags"], kept["flags"]
    for key in {**then, **now}:
        if then.get(key) != now.get(key):
            shown = [_shown(said.get(key)) for said in (then, now)]
            raise InputError(f"{out} holds another search: {key} was {shown[0]}, now {shown[1]}; give another --out")
    if before["experiment"] != kept["experiment"]:
        raise InputError(f"{out} holds a search of another experiment (other data?); give another --out")


def _shown(value: object) -> str:
    text = "not given" if value is None else " ".join(map(str, value)) if isinstance(value, list) else str(value)
    return " ".join(text.split())[:100]


def run(search: Search, place: Place, number: int) -> None:
    """Trains trials until there are `number`, those of an earlier call included; what was interrupted goes on.

    Args:
        place: inside its `with` statement.

    Raises:
        InputError: all trials fail.
        KeyboardInterrupt: after Ctrl-C; called again, the search goes on.
    """
    with bar() as shown:
        left = deque(journal.begun_trials(search.study))
        task = shown.add_task(escape(search.out.name), total=number, note="")

        def advance() -> None:
            table = search.table()
            done = int((table["status"] != "running").sum())
            shown.update(task, completed=done, total=max(number, len(table)), note=_best(table))

        advance()
        while True:
            _fill(search, place, number, left, advance)
            if not search.running:
                return
            for outcome in place.wait(POLL):
                _settle(search, place, outcome)
                advance()


def _fill(search: Search, place: Place, number: int, left: deque[int], advance: Callable[[], None]) -> None:
    """As many trials as there are slots: first those that were left, then new ones."""
    while len(search.running) < place.slots:
        if left:
            trial = journal.begun_trial(search.study, left.popleft())
        elif search.running and _all_failed(search) >= HOPELESS:
            return  # what runs says whether there is any hope
        elif len(search.study.get_trials(deepcopy=False)) < number:
            trial = journal.new_trial(search.study)
        else:
            return
        _begin(search, place, trial)
        advance()


def _begin(search: Search, place: Place, trial: Any) -> None:
    """Submits a trial; one that cannot be is a failed one, and one whose end was missed has ended."""
    name = f"trial-{trial.number:04}"
    values = journal.drawn(trial, search.template.choices, search.seed)
    if "pruned" in trial.user_attrs:
        _end(search, name, trial, "pruned", {})
        return
    try:
        experiment = search.template.experiment(values)
    except InputError as error:
        _end(search, name, trial, "failed", {"why": str(error)})
        return
    trial.set_user_attr("epochs", experiment.regime.epochs)
    task = Task(name, experiment, search.out / "runs" / name, study=search.path, trial=trial.number)
    search.running[name] = Begun(trial, task)
    place.submit(task)


def _settle(search: Search, place: Place, outcome: Outcome) -> None:
    begun = search.running.pop(outcome.task.name)
    if outcome.status == "failed" and begun.tries < TRIES:
        console.print(f"[yellow]{begun.task.name} failed:[/] {escape(outcome.why)}; it goes on from its saved state")
        search.running[begun.task.name] = Begun(begun.trial, begun.task, begun.tries + 1)
        place.submit(begun.task)
    elif outcome.status == "finished":
        _end(search, begun.task.name, begun.trial, "finished", best_of(begun.task.folder))
    elif outcome.status == "pruned":
        _end(search, begun.task.name, begun.trial, "pruned", {})
    else:
        _end(search, begun.task.name, begun.trial, "failed", {"why": outcome.why})


def best_of(folder: Path) -> dict[str, Any]:
    """A finished run's best epoch and its figure: as it chose it, by validation."""
    epoch = int(runs.read_facts(folder)["best_epoch"])
    row = pd.read_csv(folder / "log.csv").set_index("epoch").loc[epoch]
    name = next((name for name in row.index if name.startswith(journal.FIGURE)), None)
    if name is None:
        raise InputError(f"{folder / 'log.csv'} has no validation figure")
    return {"figure": float(row[name]), "best_epoch": epoch, "measure": name.replace("_", " ")}


def _end(search: Search, name: str, trial: Any, status: str, facts: dict[str, Any]) -> None:
    """Writes down and says how a trial ended; gives up where all have failed and none is left that runs."""
    journal.end(search.study, trial, status, facts)
    said = f"{100 * facts['figure']:.1f} %" if status == "finished" else escape(facts.get("why", ""))
    console.print(f"{name} {status} {said}".rstrip(), highlight=False, soft_wrap=True)
    running = (search.table()["status"] == "running").any()
    if status == "failed" and not running and (failed := _all_failed(search)) >= HOPELESS:
        raise InputError(f"all {failed} trials have failed, such as {name}: {facts['why']}")


def _all_failed(search: Search) -> int:
    """How many trials have failed, of this call or an earlier one; 0 as soon as one has ended in another way."""
    ended = search.table()["status"].value_counts()
    return 0 if {"finished", "pruned"} & set(ended.index) else int(ended.get("failed", 0))


def _best(table: pd.DataFrame) -> str:
    ended = table[table["status"] == "finished"]
    if ended.empty:
        return ""
    row = ended.loc[ended["figure"].idxmax()]
    return f"best {100 * row['figure']:.1f} % (trial {row['trial']})"


def best_trial(search: Search) -> int:
    """The number of the best finished trial.

    Raises:
        InputError: no trial is finished.
    """
    table = search.table()
    ended = table[table["status"] == "finished"]
    if ended.empty:
        said = next((why for why in table["why"] if why), "none ended")
        raise InputError(f"{search.out}: no trial is finished, so none is the best: {said}")
    return int(ended.loc[ended["figure"].idxmax(), "trial"])


def result(search: Search) -> Searched:
    """What a search has found so far. Raises `InputError` where no trial is finished."""
    best_trial(search)
    ended = [trial for trial in search.study.get_trials(deepcopy=False) if "figure" in trial.user_attrs]
    facts = runs.read_facts(search.out / "runs" / f"trial-{ended[0].number:04}")
    found = importance(search.study, search.template.choices)
    samples = int(facts["samples"]["validation"])
    measure = str(ended[0].user_attrs["measure"])
    return Searched(
        search.table(), search.template.choices, found, measure, samples, warm_up(search.first), search.seed
    )
