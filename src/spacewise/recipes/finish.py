"""From finished runs to audits, a comparison page and a table of results."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from spacewise import files
from spacewise.audits import Audit, audit, open_audit
from spacewise.errors import InputError
from spacewise.objective import one_line
from spacewise.progress import console
from spacewise.report.page import write_comparison, write_report
from spacewise.runs import Run

if TYPE_CHECKING:
    from spacewise.recipes.recipe import Asked, Recipe


def audited(run: Run, copies: int) -> Audit:
    """The run's audit: read back if it is there, of the same weights and with as many copies, else made."""
    try:
        made = open_audit(run.folder)
        if made.facts["copies"] >= copies and made.facts["weights"] == run.weights:
            return made
    except InputError:
        pass
    console.print(f"auditing {run.name}")
    made = audit(run, copies=copies)
    write_report(made)
    return made


def command() -> str:
    """What the user typed."""
    return shlex.join(["spacewise", *sys.argv[1:]])


def finish(recipe: Recipe, finished: Mapping[str, Sequence[Run]], asked: Asked, out: Path) -> Path:
    """Audits every run, writes `NAME.csv` (one row a run) and the comparison page; returns the page."""
    audits: dict[str, list[Audit]] = {}
    rows = []
    for key, runs in sorted(finished.items(), key=lambda item: item[0] != "baseline"):  # what others are held against
        title = recipe.catalogue[key].title
        for fold, run in enumerate(runs):
            made = audited(run, recipe.copies)
            audits.setdefault(title, []).append(made)
            rows.append({"row": key, "fold": fold} | figures(made) | provenance(run))
    table = pd.DataFrame(rows)
    for name in ("seen", "unseen", "overall", "pfa_at_pd90"):
        printed = {key: figure[name] for key, figure in recipe.arms.items() if name in figure}
        if printed:
            table[f"paper_{name}"] = table["row"].map(printed)
    files.write_table(out / f"{recipe.name}.csv", table)
    paper = {recipe.catalogue[key].title: recipe.arms[key] for key in finished}
    return write_comparison(audits, out / recipe.name, title=recipe.title, command=command(), paper=paper)


def figures(made: Audit) -> dict[str, float]:
    """One run's figures, in percent: accuracy by weights, view and subset; rejection by score."""
    table = made.table("accuracy")
    kept = table[table["subset"].isin(["overall", *made.facts["novelty"]])]
    found: dict[str, float] = {}
    for row in kept.itertuples():
        view = "" if row.view == "as stored" else "_shifted"
        name = f"{row.subset}{view}" + ("" if row.weights == made.facts["weights"] else f"_{row.weights}")
        found[name] = round(100 * row.accuracy, 2)
        if row.weights == made.facts["weights"]:
            found |= {f"{name}_low": round(100 * row.low, 2), f"{name}_high": round(100 * row.high, 2)}
    if made.has("rejection"):
        for row in made.table("rejection").itertuples():
            suffix = "" if row.score == "maximum_softmax" else f"_{row.score}"
            found[f"pfa_at_pd90{suffix}"] = round(100 * row.pfa_at_pd90, 2)
            found[f"auroc{suffix}"] = round(100 * row.auroc, 2)
    return found


def provenance(run: Run) -> dict[str, object]:
    """What made a figure: objective, epochs, commit, seed, duration, precision."""
    facts = run.facts
    return {
        "objective": one_line(run.experiment.objective, run.experiment.regime.alternate),
        "epochs": facts["epochs"],
        "best_epoch": facts["best_epoch"],
        "shift": run.experiment.regime.shift,
        "seed": run.experiment.seed,
        "commit": facts["commit"],
        "training_seconds": facts["seconds"],
        "threads": facts["threads"],
        "precision": facts["precision"],
    }
