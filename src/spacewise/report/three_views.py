"""Runs explained side by side: those that differ only in seed or fold are one method."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from spacewise.audits import Audit, audit, open_audit
from spacewise.errors import InputError
from spacewise.explain.make import Question, explained
from spacewise.explain.stored import Explanation
from spacewise.progress import console
from spacewise.report.compare import method_names
from spacewise.report.views_page import write_views
from spacewise.runs import Run, open_run, read_experiment


def explain_runs(
    folders: Sequence[Path], question: Question, out: Path, *, weights: str, command: str
) -> tuple[pd.DataFrame, Path]:
    """Audits and explains runs as far as that was not done, and writes their three views; returns table and page.

    Raises:
        InputError: the same run twice, a folder that is no run, or a run that is judged by retrieval.
    """
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise InputError("the same run stands twice among those to explain")
    names = method_names([read_experiment(folder) for folder in folders])
    runs = [open_run(folder, weights=weights) for folder in folders]
    audits: dict[str, list[Audit]] = {}
    explanations: dict[str, list[Explanation]] = {}
    for name, run in zip(names, runs, strict=True):
        explanations.setdefault(name, []).append(explained(run, question))
        audits.setdefault(name, []).append(measured(run))
    page = write_views(audits, explanations, out, title="Three views", command=command)
    return pd.read_csv(page.with_name("views.csv")), page


def measured(run: Run) -> Audit:
    """The audit of these weights: read back if it is there and has separation, else made, without a page of its own."""
    try:
        made = open_audit(run.folder)
        if made.facts["weights"] == run.weights and made.has("separation"):
            return made
    except InputError:
        pass
    console.print(f"auditing {run.name}")
    return audit(run)
