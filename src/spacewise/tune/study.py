"""A search's journal: which trials there were, what each epoch of each reported, and which have no prospects."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spacewise.errors import InputError
from spacewise.learn.batches import mixed
from spacewise.tune.choices import Choice

NAME = "search"
COMPARED = 5  # finished trials before the first is stopped
FIGURE = "validation_"  # how the name of the figure begins that chooses between epochs, and between trials


class Pruned(Exception):
    """A trial has no prospects: its training stops here, its state saved."""


def optuna() -> Any:
    """The library; raises `InputError` where the extra is not installed."""
    try:
        import optuna as library
    except ModuleNotFoundError as error:
        raise InputError("a search needs the extra: pip install 'spacewise[tune]'") from error
    return library


def open_study(path: Path, warm_up: int) -> Any:
    """The study in a journal of JSON lines, begun where there is none. For the one process that asks for trials.

    Args:
        warm_up: the first epoch after which a trial may be stopped.
    """
    library = optuna()
    path.parent.mkdir(parents=True, exist_ok=True)
    _mend(path)
    with _quiet(library):
        study = library.create_study(
            study_name=NAME, storage=_journal(path), direction="maximize", load_if_exists=True, pruner=_pruner(warm_up)
        )
    if study.user_attrs.get("warm_up") != warm_up:
        study.set_user_attr("warm_up", warm_up)
    return study


def new_trial(study: Any) -> Any:
    """One more trial."""
    return study.ask()


def begun_trials(study: Any) -> list[int]:
    """Numbers of the trials that have not ended: an earlier search was interrupted."""
    running = optuna().trial.TrialState.RUNNING
    return [trial.number for trial in study.get_trials(deepcopy=False, states=(running,))]


def begun_trial(study: Any, number: int) -> Any:
    """A trial that has not ended, as `new_trial` gave it."""
    found = study.get_trials(deepcopy=False)[number]
    return optuna().trial.Trial(study, found._trial_id)


def drawn(trial: Any, choices: Sequence[Choice], seed: int) -> dict[str, str]:
    """Values of a trial as texts, by choice: drawn now, or before.

    Each follows from the seed, the trial's number, the choice's, and the trials that have ended: also where a trial
    was interrupted between two of its values.
    """
    values: dict[str, str] = {}
    for place, choice in enumerate(choices):
        trial.study.sampler = _sampler(seed, trial.number, place)
        if choice.options:
            value = trial.suggest_categorical(choice.name, choice.options)
        elif choice.whole:
            value = trial.suggest_int(choice.name, int(choice.low), int(choice.high), log=choice.log)
        else:
            value = trial.suggest_float(choice.name, choice.low, choice.high, log=choice.log)
        values[choice.name] = choice.text(value)
    return values


def end(study: Any, trial: Any, status: str, facts: Mapping[str, Any]) -> None:
    """Writes down how a trial ended: `finished` with the figure among its facts, `pruned` or `failed`."""
    states = optuna().trial.TrialState
    for key, value in facts.items():
        trial.set_user_attr(key, value)
    if status == "finished":
        study.tell(trial.number, float(facts["figure"]))
    else:
        study.tell(trial.number, state=states.PRUNED if status == "pruned" else states.FAIL)


def reporter(study: Path, trial: int | None, log: Path) -> Reporter:
    """Who hears each epoch's figures of a trial, and raises `Pruned` when it has no prospects.

    Args:
        study: the journal.
        trial: its number.
        log: the `log.csv` of its run, for epochs that a kill kept from being reported.

    Raises:
        InputError: the journal does not know the trial.
        Pruned: an epoch of the log says so.
    """
    library = optuna()
    opened = library.load_study(study_name=NAME, storage=_journal(study), sampler=library.samplers.RandomSampler(0))
    opened.pruner = _pruner(opened.user_attrs["warm_up"])
    if trial is None or trial >= len(opened.get_trials(deepcopy=False)):
        raise InputError(f"{study} knows no trial {trial}")
    known = opened.get_trials(deepcopy=False)[trial].intermediate_values
    return Reporter(begun_trial(opened, trial), log, set(known))


class Reporter:
    """A logger of one trial. Arguments as `reporter`; `known` are the epochs that the journal has."""

    def __init__(self, trial: Any, log: Path, known: set[int]) -> None:
        self.trial, self.log, self.known = trial, log, known
        self._catch_up()

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        """Reports the validation figure of epoch `step`; a trial is never stopped after its last epoch.

        Raises:
            Pruned: its best figure so far is below the median of the other trials' at this epoch.
            InputError: there is no validation figure.
        """
        if step - 1 not in self.known:
            self._catch_up(step)
        self._report(metrics, step)

    def _catch_up(self, before: float = math.inf) -> None:
        """Reports the epochs of the log that the journal does not have: a kill came between the two."""
        if not self.log.is_file():
            return
        with self.log.open(newline="", encoding="utf-8") as stream:
            rows = [(int(row["epoch"]), row) for row in csv.DictReader(stream)]
        for epoch, row in rows:
            if epoch not in self.known and epoch < before:
                self._report({name: float(text) for name, text in row.items() if name.startswith(FIGURE)}, epoch)

    def _report(self, metrics: Mapping[str, float], step: int) -> None:
        value = next((value for name, value in metrics.items() if name.startswith(FIGURE)), None)
        if value is None:
            raise InputError("a search goes by validation, and this epoch has no validation figure")
        self.trial.report(value, step)
        self.known.add(step)
        if step < self.trial.user_attrs["epochs"] and self.trial.should_prune():
            why = f"stopped after epoch {step}: below the median of the trials before it"
            self.trial.set_user_attr("pruned", why)  # it is, also if nobody is left to write down its end
            raise Pruned(why)


def _journal(path: Path) -> Any:
    library = optuna()
    return library.storages.JournalStorage(library.storages.journal.JournalFileBackend(str(path)))


def _sampler(seed: int, number: int, place: int) -> Any:
    """Seeded anew for each value: a search that is continued draws what it would have drawn at once."""
    return optuna().samplers.TPESampler(seed=mixed(seed, number, place) % 2**32)


def _pruner(warm_up: int) -> Any:
    return optuna().pruners.MedianPruner(n_startup_trials=COMPARED, n_warmup_steps=warm_up)


def _mend(path: Path) -> None:
    """Cuts off a last line that a kill left unfinished: the next would be written behind it."""
    if path.is_file():
        with path.open("rb+") as stream:
            whole = stream.read()
            stream.truncate(whole.rfind(b"\n") + 1)


@contextmanager
def _quiet(library: Any) -> Iterator[None]:
    """Without the library's own line on standard error."""
    before = library.logging.get_verbosity()
    library.logging.set_verbosity(library.logging.WARNING)
    try:
        yield
    finally:
        library.logging.set_verbosity(before)
