"""Runs side by side: those that differ only in seed or fold are one method."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from spacewise.audits import Audit, audit, open_audit
from spacewise.errors import InputError
from spacewise.experiment import Experiment
from spacewise.report.layer_study import study, summary, write_study
from spacewise.report.page import write_comparison, write_report
from spacewise.report.retrieval import is_disjoint
from spacewise.runs import open_run, read_experiment


def compare_runs(folders: Sequence[Path], out: Path, *, command: str) -> tuple[pd.DataFrame, Path]:
    """Audits runs that have none, and writes the comparison; returns its table and its page.

    Runs that are judged by retrieval make a study of which space generalises.

    Raises:
        InputError: fewer than two runs, a folder that is no run, or runs of both kinds.
    """
    if len({folder.resolve() for folder in folders}) < 2:
        raise InputError("compare takes two runs or more")
    experiments = {folder: read_experiment(folder) for folder in folders}
    names = method_names(list(experiments.values()))
    audits: dict[str, list[Audit]] = {}
    for folder, name in zip(experiments, names, strict=True):
        audits.setdefault(name, []).append(_audited(folder))
    kinds = {is_disjoint(made) for group in audits.values() for made in group}
    if len(kinds) > 1:
        raise InputError("some of these runs classify, others are judged by retrieval on classes of their own")
    if kinds == {True}:
        page = write_study(audits, out, title="Which space generalises", command=command)
        return summary(study(audits)), page
    page = write_comparison(audits, out, title="Comparison of runs", command=command, paper=None)
    return pd.read_csv(page.with_name("comparison.csv")), page


def _audited(folder: Path) -> Audit:
    try:
        return open_audit(folder)
    except InputError:
        made = audit(open_run(folder))
        write_report(made)
        return made


def method_names(experiments: Sequence[Experiment]) -> list[str]:
    """A name for each experiment, of what differs between methods; the same name for seeds and folds of one."""
    parts = [_parts(experiment) for experiment in experiments]
    differing = [key for key in parts[0] if len({part[key] for part in parts}) > 1]
    shown = differing or ["objective"]
    return [", ".join(part[key] for key in shown) for part in parts]


def _parts(experiment: Experiment) -> dict[str, str]:
    split = {k: v for k, v in experiment.data.split.model_dump().items() if k not in ("fold", "seed")}
    regime = experiment.regime.model_dump(exclude={"name"})
    return {
        "net": " ".join(f"{k}={v}" if k != "name" else str(v) for k, v in experiment.net.model_dump().items()),
        "objective": " + ".join(experiment.objective),
        "data": str(experiment.data.source.model_dump()),
        "split": str(split),
        **{key: f"{key}={value}" for key, value in regime.items()},
    }
