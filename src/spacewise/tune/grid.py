"""All combinations of the choices in an experiment, each a run named by its values."""

from __future__ import annotations

import hashlib
import itertools
import math
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from spacewise import runs
from spacewise.errors import InputError
from spacewise.grid.run import run_all
from spacewise.grid.tasks import Place, Task
from spacewise.learn.start import is_finished
from spacewise.report.compare import compare_runs
from spacewise.tune.choices import Choice
from spacewise.tune.door import check
from spacewise.tune.template import Template

LONGEST = 120  # characters of a folder's name
LARGEST = 10_000  # runs of a grid


def combinations(choices: Sequence[Choice]) -> list[dict[str, str]]:
    """Every combination of options, the last choice changing fastest.

    Raises:
        InputError: a range, which has no end of values; more than `LARGEST` combinations.
    """
    for choice in choices:
        if not choice.options:
            raise InputError(
                f"{choice.written} is a range, and a grid takes options: list them, such as {{0.1|1|10}}, or search "
                "the range with spacewise tune"
            )
    number = math.prod(len(choice.options) for choice in choices)
    if number > LARGEST:
        raise InputError(
            f"these choices have {number:,} combinations, and a grid takes {LARGEST:,} at most: list fewer options, or "
            "search them with spacewise tune"
        )
    products = itertools.product(*(choice.options for choice in choices))
    return [dict(zip([choice.name for choice in choices], values, strict=True)) for values in products]


def folder_names(combined: Sequence[dict[str, str]]) -> list[str]:
    """`weight=0.1,space=feature,seed=0` for each combination: no two are alike, and each is a folder's name."""
    shown = _short(list(combined[0]))
    names = []
    for values in combined:
        parts = [f"{shown[name]}={value}" for name, value in values.items()]
        whole = re.sub(r"[^\w.,=+-]+", "_", ",".join(parts)).strip("_.")
        # what was replaced or does not fit still tells two names apart
        if len(whole) > LONGEST or whole != ",".join(parts):
            whole = f"{whole[:LONGEST]}-{hashlib.sha256(repr(values).encode()).hexdigest()[:8]}"
        names.append(whole)
    return names


def _short(names: Sequence[str]) -> dict[str, str]:
    """`weight` of `contrastive.weight`, unless that is another's, too."""
    ends = Counter(name.rpartition(".")[2] for name in names)
    short = {name: name.rpartition(".")[2] for name in names}
    return {name: (end if ends[end] == 1 else name).replace(" ", "_") for name, end in short.items()}


def planned(template: Template, out: Path) -> list[Task]:
    """The runs of a grid.

    Raises:
        InputError: an experiment that cannot be, two that are the same, or a folder that holds another. Nothing is
            written.
    """
    combined = combinations(template.choices)
    tasks = [
        Task(name, template.experiment(values), out / "runs" / name)
        for name, values in zip(folder_names(combined), combined, strict=True)
    ]
    first: dict[str, str] = {}
    for task in tasks:
        same = first.setdefault(task.experiment.yaml(), task.name)
        if same != task.name:
            raise InputError(f"{same} and {task.name} are the same experiment; leave one of them out")
        is_finished(task.experiment, task.folder)
    check(template.experiment(values) for values in template.samples())
    return tasks


def grid(template: Template, place: Place, out: Path, *, command: str) -> tuple[pd.DataFrame, Path]:
    """Runs every combination as far as it has not been, and compares them: seeds and folds are one method.

    Returns:
        The table of the comparison, and its page.

    Raises:
        InputError: as `planned`; runs that failed, once all others have ended and are compared.
    """
    tasks = planned(template, out)
    failed: InputError | None = None
    with place:
        try:
            run_all(tasks, place, table=out / "grid.csv")
        except InputError as error:
            failed = error
    ended = [task.folder for task in tasks if task.folder.exists() and runs.status(task.folder) == "finished"]
    if failed and len(ended) < 2:
        raise failed
    table, page = compare_runs(ended, out, command=command)
    if failed:
        raise InputError(f"{failed}; those that finished are compared in {page}")
    return table, page
