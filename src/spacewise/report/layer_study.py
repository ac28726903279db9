"""Several networks, each over seeds or folds: does the space before the one under the loss generalise better?

After figures 3 to 7 of Vo and Hays, Generalization in Metric Learning: Should the Embedding Layer be the
Embedding Layer?
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from spacewise import files
from spacewise.errors import InputError
from spacewise.measures.summary import paired_difference, summarise
from spacewise.progress import track
from spacewise.report import page, provenance, retrieval, study_figures, study_tables
from spacewise.report.retrieval import FIRST

if TYPE_CHECKING:
    from spacewise.audits import Audit

Methods = Mapping[str, "Sequence[Audit]"]
Paper = Mapping[str, Mapping[str, float]]


def write_study(audits: Methods, out: Path, *, title: str, command: str, paper: Paper | None = None) -> Path:
    """Writes the study of which space generalises: page, figures, and `study.csv`.

    Args:
        audits: name of a method (`NetA`) -> the audits of its runs (seeds, folds), each by retrieval.
        out: folder.
        title: the question, or the figure of a paper.
        command: what made this, to print below it.
        paper: method -> space -> recall at 1 on test classes in percent, where a paper prints it; at other k
            under `pool5.3@k`.

    Returns:
        The page, `study.html`.

    Raises:
        InputError: no method or no audit, an audit that is not by retrieval, spaces that differ within a
            method, a folder that cannot be written.
    """
    table = study(audits, paper)
    whole, paired = summary(table), differences(audits)
    panels = study_figures.panels(audits, whole, paired)
    drawn = {
        panel.name: page._shown(panel.name, panel.title, panel.caption, panel.draw(), out / "figures")
        for panel in track(panels, "drawing the study", len(panels))
    }
    files.write_table(out / "study.csv", table)
    context = _context(audits, whole, paired, paper or {}) | {"title": title, "command": command, "figures": drawn}
    made = out / "study.html"
    files.write_text(made, page._render("study.html.jinja", **context))
    return made


def study(audits: Methods, paper: Paper | None = None) -> pd.DataFrame:
    """One row a (method, run, weights, epoch, part, space).

    Returns:
        method, run, seed, fold, the columns of the audits' table `retrieval` (shares; `chosen`: of the weights
        that are reported), paper (a share, of test), and what made the run: objective, epochs, best_epoch,
        commit, seconds, precision.

    Raises:
        InputError: as `write_study`.
    """
    _check(audits)
    rows = [_rows(name, run, paper or {}) for name, runs in audits.items() for run in runs]
    return pd.concat(rows, ignore_index=True)


def _rows(method: str, audit: Audit, paper: Paper) -> pd.DataFrame:
    facts, training = audit.facts, audit.facts["training"]
    experiment = facts["experiment"]
    made = {name: training.get(name) for name in ("epochs", "best_epoch", "commit", "seconds", "precision")}
    run = {"method": method, "run": facts["run"], "seed": experiment["seed"]}
    run["fold"] = experiment["data"]["split"].get("fold", 0)
    table = audit.table("retrieval").drop_duplicates(["weights", "epoch", "part", "space"])
    chosen = table["weights"] == facts["weights"]
    printed = table["space"].map(paper.get(method, {})).astype(float) / 100
    first = pd.DataFrame(run, index=table.index)
    return pd.concat([first, table.assign(chosen=chosen)], axis=1).assign(
        paper=printed.where(chosen & (table["part"] == "test")), objective=provenance.objective(audit), **made
    )


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Recall at 1 under the chosen weights: method, part, space, mean, std, runs, paper (shares)."""
    chosen = table[table["chosen"]]
    whole = summarise(chosen, ["method", "part", "space"], FIRST).rename(columns={"n": "runs"})
    printed = chosen.drop_duplicates(["method", "part", "space"])[["method", "part", "space", "paper"]]
    return whole.merge(printed, on=["method", "part", "space"])


def differences(audits: Methods) -> pd.DataFrame:
    """The space before the one under the loss less that under the loss, paired within each run.

    Returns:
        One row a method and part (test, train): before, under, runs, ahead (runs in which the space before is
        higher), values (list, a run each), and of their mean: difference, low, high (95 %, Student over
        runs; NaN for one), p. A method whose loss stands on its first space has no row.
    """
    rows = []
    for method, runs in audits.items():
        before, under = retrieval.before(runs[0]), retrieval.under(runs[0])
        for part in ("test", "train") if before else ():
            found = [retrieval.chosen(run, part)[FIRST] for run in runs]
            lower, upper = ([float(recall[name]) for recall in found] for name in (under, before))
            gains = [b - a for a, b in zip(lower, upper, strict=True)]
            mean = paired_difference(lower, upper)
            row: dict[str, Any] = {"method": method, "part": part, "before": before, "under": under, "runs": len(runs)}
            row |= {"ahead": sum(gain > 0 for gain in gains), "values": gains}
            rows.append(row | {name: getattr(mean, name) for name in ("difference", "low", "high", "p")})
    return pd.DataFrame(rows, columns=[*COLUMNS])


COLUMNS = ("method", "part", "before", "under", "runs", "ahead", "values", "difference", "low", "high", "p")


def _check(audits: Methods) -> None:
    if not audits:
        raise InputError("a study needs at least one method, there is none")
    for name, runs in audits.items():
        if not runs:
            raise InputError(f"method '{name}' has no audit to study")
        for run in runs:
            if not retrieval.is_disjoint(run):
                raise InputError(f"method '{name}': {run.folder} is no audit by retrieval")
            if run.facts["weights"] != runs[0].facts["weights"]:
                weights = f"{run.facts['weights']} where {runs[0].folder} has {runs[0].facts['weights']}"
                raise InputError(f"method '{name}': {run.folder} was audited with other weights, {weights}")
            if run.facts["spaces"] != runs[0].facts["spaces"] or retrieval.under(run) != retrieval.under(runs[0]):
                raise InputError(f"method '{name}': {run.folder} has other spaces than {runs[0].folder}")


def _context(audits: Methods, whole: pd.DataFrame, paired: pd.DataFrame, paper: Paper) -> dict[str, Any]:
    first = {name: runs[0] for name, runs in audits.items()}
    return {
        "kind": f"study of {len(audits)} networks" if len(audits) > 1 else "study of one network",
        "subtitle": "",
        "sentences": study_tables.verdict(audits, paired),
        "tiles": [],
        "differences": study_tables.differences(paired),
        "best": study_tables.best(audits, whole),
        "tested": study_tables.spaces(audits, whole, "test"),
        "trained": study_tables.spaces(audits, whole, "train"),
        "ranks": study_tables.ranks(audits, paper),
        "runs": study_tables.runs(audits),
        "experiments": {name: provenance.experiment(audit) for name, audit in first.items()},
        "facts": provenance.pairs(next(iter(first.values()))),
        "leaks": sorted({leak for runs in audits.values() for run in runs for leak in provenance.leaks(run)}),
    }
