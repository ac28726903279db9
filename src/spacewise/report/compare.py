"""Runs side by side: those that differ only in seed or fold are one method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from spacewise.audits import Audit, audit, open_audit
from spacewise.errors import InputError
from spacewise.experiment import Experiment, Named
from spacewise.objective import one_line
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
    keys = dict.fromkeys(key for part in parts for key in part)
    differing = [key for key in keys if len({part[key] for part in parts if key in part}) > 1]
    if not differing:
        return [one_line(each.objective, each.regime.alternate) for each in experiments]
    return [", ".join(part[key] for key in differing if key in part) for part in parts]


def _parts(experiment: Experiment) -> dict[str, str]:
    """What makes a method, each part in words; regimes differ in which parts they have."""
    parts = {"net": _named(experiment.net.model_dump()), "objective": one_line(experiment.objective)}
    parts |= {"data": _named(experiment.data.source.model_dump()), "split": _split(experiment.data.split)}
    if experiment.target:
        parts["target"] = f"target {_named(experiment.target.source.model_dump())}"
        parts["target split"] = f"target {_split(experiment.target.split)}"
    return parts | {"regime": experiment.regime.name} | _settings(experiment.regime.model_dump(exclude={"name"}))


def _settings(regime: Mapping[str, Any], path: str = "") -> dict[str, str]:
    """Settings of a regime, those of a pretraining below their own path: `pretraining.epochs=8`."""
    parts = {}
    for key, value in regime.items():
        where = f"{path}{key}"
        if key == "pretraining":
            parts[where] = "pretraining" if value else "no pretraining"
            parts |= _settings(value, f"{where}.") if value else {}
        elif isinstance(value, list):
            parts[where] = f"{where}={' + '.join(map(str, value))}" if value else f"no {where}"
        else:
            parts[where] = f"{where}={value}"
    return parts


def _split(split: Named) -> str:
    """Without seed and fold, also of a split within: with others it is the same method."""
    values = split.model_dump()
    within = values.get("within")
    drawn = {"seed": None, "fold": None}
    return _named(values | drawn | ({"within": within | drawn} if within else {}))


def _named(values: Mapping[str, Any]) -> str:
    """A name and its options: `y-shaped encoder=(aconvnet padding=same) size=32`."""
    shown = [str(values["name"])] if "name" in values else []
    for key, value in values.items():
        if key != "name" and value is not None:
            shown.append(f"{key}=({_named(value)})" if isinstance(value, Mapping) else f"{key}={value}")
    return " ".join(shown)
