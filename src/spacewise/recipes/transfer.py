"""From finished transfers to a table of results and the page that says what they are worth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from matplotlib.figure import Figure

from spacewise import files
from spacewise.audits.transfer import both_domains, measured_transfer
from spacewise.progress import console
from spacewise.recipes.finish import command
from spacewise.regime import Supervised
from spacewise.report.domains import domain_map
from spacewise.report.transfer_study import write_transfer
from spacewise.report.transfer_tables import transfer_lines
from spacewise.runs import Run

if TYPE_CHECKING:
    from spacewise.recipes.recipe import Arm, Asked, Recipe

SPACE = "embedding"
SHOWN = ("finetune", "swd")  # methods whose domains are drawn in one plane


def finish(recipe: Recipe, finished: Mapping[str, Sequence[Run]], asked: Asked, out: Path) -> Path:
    """Measures the last weights of every run, writes `NAME.csv` (one row a run) and the page, which it returns."""
    rows, domains = [], []
    for key, runs in finished.items():
        arm = recipe.catalogue[key]
        for fold, run in enumerate(runs):
            run.load("last")
            tables = measured_transfer(run, [SPACE])
            row = _row(arm, fold, run, tables)
            rows.append(row)
            named = {name: row[name] for name in ("set", "method", "budget", "seed")}
            domains.append(tables["domain_classes"].assign(**named))
    table = pd.DataFrame(rows)
    files.write_table(out / f"{recipe.name}.csv", table.round(4))
    titles = dict.fromkeys(arm.title for arm in recipe.catalogue.values() if _is_baseline(arm))
    baselines = [title for title in titles if title in set(table["method"])]
    for line in transfer_lines(table, baselines):
        console.print(line)
    return write_transfer(
        table,
        out / recipe.name,
        title=recipe.title,
        command=command(),
        baselines=baselines,
        domains=pd.concat(domains, ignore_index=True),
        maps=[*_maps(recipe, finished)],
        notes=_notes([runs[0] for runs in finished.values()]),
    )


def _is_baseline(arm: Arm) -> bool:
    """Whether nothing aligns the domains: the target alone, or the source and then the target."""
    return not arm.regime.get("alternate")


def _row(arm: Arm, fold: int, run: Run, tables: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    right = tables["domain_accuracy"].set_index("domain")["accuracy"]
    space = tables["domains"].set_index("space").loc[SPACE]
    facts, regime = run.facts, run.experiment.regime
    alone = arm.regime.get("pretraining") is None
    classes = len(run.split.classes)
    return {
        "set": f"{arm.about['set']}, {classes} classes" if arm.about["set"] else "",
        "method": arm.title,
        "labels": len(run.split.train),
        "budget": str(arm.about["labels"]),
        "seed": fold,
        "accuracy": right["target"],
        "source_accuracy": float("nan") if alone else right["source"],
        "separability": float("nan") if alone else space["separability"],
        "distance": float("nan") if alone else space["class_distance"],
        "matched": float("nan") if alone else space["matched"],
        "chance": 1 / classes,
        "run": run.name,
        "steps": regime.epochs * getattr(regime, "steps", 1),
        "seconds": facts["seconds"],
        "precision": facts["precision"],
        "commit": facts["commit"],
        "split": facts["split"],
    }


def _maps(recipe: Recipe, finished: Mapping[str, Sequence[Run]]) -> Iterator[tuple[str, str, Figure]]:
    """Both domains in one plane, at the smallest budget of the first set, first seed."""
    first = recipe.catalogue[next(iter(finished))].about
    for method in SHOWN:
        about = {**first, "method": method}
        key = next((key for key in finished if recipe.catalogue[key].about == about), None)
        if key is None:
            continue
        console.print(f"laying out both domains of {key}")
        run, title = finished[key][0], recipe.catalogue[key].title
        source, target, ours, theirs = both_domains(run, [SPACE])
        drawn = domain_map(
            source[SPACE], ours.labels, target[SPACE], theirs.labels, run.split.classes, title=f"{title}: {SPACE}"
        )
        budget = f"{about['labels']} labels"
        of = f"{about['set']} set, " if about["set"] else ""
        yield f"Both domains after {title}", f"Space {SPACE}, test images, {of}{budget}, seed 0 (t-SNE).", drawn


def _notes(runs: Sequence[Run]) -> list[str]:
    """What the reader is to know of how this was made; of each method, one run."""
    run = runs[0]
    data = run.experiment.data.source
    target = run.experiment.target.source if run.experiment.target else None
    notes = [
        "Instance normalisation where nothing else is said. The last weights are reported: no label beyond the budget "
        "chose between epochs.",
    ]
    notes.append(f"Images of {run.net.size} x {run.net.size} pixels; larger ones are reduced to that.")
    firsts = [made.experiment.pretraining() for made in runs]
    if len({first.regime.views for first in firsts if first and isinstance(first.regime, Supervised)}) > 1:
        notes.append(
            "The pretraining with a contrastive loss sees two views of each image, as that loss is defined: its "
            "cross-entropy, too, has twice the images of a step without it."
        )
    across = sorted({leak for made in runs for leak in made.facts["leaks"] if " of the source and " in leak})
    notes += [f"Leak: {leak}." for leak in across]
    if data.name == "simulated-zones":
        notes.append(
            "Simulated pairs of optical and radar patches of local climate zones; test cities are never trained on."
        )
    ours, theirs = (each.options.get("classes") if each else None for each in (data, target))
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        named = {common: [folder for folder, name in theirs.items() if name == common] for common in ours.values()}
        pairs = ", ".join(f"{folder} = {' or '.join(named[common])}" for folder, common in sorted(ours.items()))
        notes.append(f"Classes of the source and of the target that were taken for the same: {pairs}.")
    return notes
