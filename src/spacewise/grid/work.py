"""One task carried out; task and outcome as JSON, all that passes between processes and hosts."""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

import torch
import yaml

import spacewise
from spacewise import files
from spacewise.errors import InputError
from spacewise.experiment import Experiment
from spacewise.grid.tasks import Outcome, Task
from spacewise.learn import ensure
from spacewise.learn.training import Logger

GRACE = 30.0  # seconds from the wish that a training stops to its end by force: time for its step and its state


def work(task: Task) -> Outcome:
    """Trains what a task asks for, goes on with it, or reads it back.

    Raises:
        KeyboardInterrupt: after Ctrl-C or SIGTERM, once the state is saved.
    """
    try:
        run = ensure(task.experiment, task.folder, pretrained=task.pretrained, logger=_reporter(task))
        error_file(task).unlink(missing_ok=True)
        return Outcome(task, "finished", facts=run.facts)
    except Exception as error:
        return Outcome(task, *_ending(task, error))


def _reporter(task: Task) -> Logger | None:
    """Of a trial of a search: who hears each epoch's figures, and stops it when it has no prospects."""
    if task.study is None:
        return None
    from spacewise.tune.study import reporter

    return reporter(task.study, task.trial, task.folder / "log.csv")


def _ending(task: Task, error: Exception) -> tuple[str, str]:
    """Status of a task that ended in an error, and why, in one line."""
    why = one_line(str(error))
    if _is_pruning(task, error):
        return "pruned", why
    if isinstance(error, InputError):
        return "refused", why
    if isinstance(error, BlockingIOError):
        return "failed", why
    return "failed", f"{type(error).__name__}: {why}; {keep_trace(task, ''.join(traceback.format_exception(error)))}"


def error_file(task: Task) -> Path:
    """Where the trace of a failed task is kept, beside its run."""
    return task.folder.with_name(f".{task.folder.name}.error.txt")


def keep_trace(task: Task, trace: str) -> str:
    """Writes down what a failed task said last, and returns where, for the end of the line that says why."""
    try:
        files.write_text(error_file(task), trace)
    except InputError as error:  # a full disk is also why trainings fail: that line must not be lost over its trace
        return f"its trace is lost: {one_line(str(error))}"
    return f"trace in {error_file(task)}"


def _is_pruning(task: Task, error: Exception) -> bool:
    if task.study is None:
        return False
    from spacewise.tune.study import Pruned

    return isinstance(error, Pruned)


def carry_out(text: str) -> str:
    """A packed task to a packed outcome: what a process that is there for one task does."""
    asked = json.loads(text)
    sys.argv = asked["command"]  # `run.json` says what the user typed, not how this process was started
    torch.set_num_threads(asked["threads"])
    try:
        outcome = work(unpacked(asked["task"]))
    except KeyboardInterrupt:
        outcome = Outcome(unpacked(asked["task"]), "failed", "stopped by a signal")
    return json.dumps({"status": outcome.status, "why": outcome.why, "facts": outcome.facts}, default=str)


def request(task: Task, threads: int) -> str:
    """What `carry_out` takes: a task, and how many threads it may use."""
    return json.dumps({"task": packed(task), "threads": threads, "command": sys.argv})


def answer(task: Task, text: str) -> Outcome:
    """What `carry_out` made of a task."""
    return Outcome(task, **json.loads(text))


def packed(task: Task) -> dict[str, Any]:
    """A task as plain values, its folders from the root of the file system."""
    paths = {key: _rooted(getattr(task, key)) for key in ("folder", "pretrained", "study")}
    return {"name": task.name, "experiment": task.experiment.yaml(), "trial": task.trial, **paths}


def unpacked(values: dict[str, Any]) -> Task:
    """The task again."""
    paths = {key: Path(values[key]) if values[key] else None for key in ("folder", "pretrained", "study")}
    return Task(**(values | paths | {"experiment": Experiment(**yaml.safe_load(values["experiment"]))}))


def _rooted(path: Path | None) -> str | None:
    return None if path is None else os.path.abspath(path.expanduser())


def environment(threads: int) -> dict[str, str]:
    """Variables of a process that carries out tasks: this package, the cache of this process, so many threads."""
    here = str(Path(spacewise.__file__).parents[1])
    # an installed package is found without; before the standard library, its neighbours would be in the way
    own = [] if here.endswith("-packages") else [here]
    paths = [*own, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    found = {f"{library}_NUM_THREADS": str(threads) for library in ("OMP", "MKL", "OPENBLAS")}
    found |= {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, paths))} if paths else {}
    cache = os.environ.get("SPACEWISE_CACHE")
    return found | ({"SPACEWISE_CACHE": os.path.abspath(cache)} if cache else {})


def one_line(text: str) -> str:
    """A message without its line breaks."""
    return " ".join(text.split())
