"""From finished runs to audits, explanations, the page of the three views and a table of results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from spacewise import files
from spacewise.audits import Audit
from spacewise.explain.make import Question, explained
from spacewise.explain.stored import FLOORS, Explanation
from spacewise.recipes.finish import command, figures, provenance
from spacewise.recipes.losses_printed import printed
from spacewise.report.three_views import measured
from spacewise.report.views_page import write_views
from spacewise.runs import Run
from spacewise.sources import Source

if TYPE_CHECKING:
    from spacewise.recipes.recipe import Asked, Recipe

SPACE = "feature"  # what the paper's Tables III and IV are about: the output of the last convolution, averaged


def finish(recipe: Recipe, finished: Mapping[str, Sequence[Run]], asked: Asked, out: Path) -> Path:
    """Audits and explains the last weights of every run, writes `NAME.csv` (one row a run) and the page.

    The last, as in the paper: its schedule ends with small steps, and no epoch is chosen.
    """
    audits: dict[str, list[Audit]] = {}
    explanations: dict[str, list[Explanation]] = {}
    question = Question(masks=str(asked.places["masks"]) if "masks" in asked.places else "")
    rows = []
    for key, runs in finished.items():
        title = recipe.catalogue[key].title
        for fold, run in enumerate(runs):
            run.load("last")
            audits.setdefault(title, []).append(measured(run))
            explanations.setdefault(title, []).append(explained(run, question))
            made, seen = audits[title][-1], explanations[title][-1]
            rows.append({"row": key, "fold": fold} | figures(made) | separated(made) | faithful(seen) | provenance(run))
    source = known_set(next(iter(finished.values()))[0].split.source)
    table = pd.DataFrame(rows)
    paper = {recipe.catalogue[key].title: printed(source).get(key, {}) for key in finished}
    for name in ("accuracy", "silhouette", "calinski_harabasz", "insertion", "deletion"):
        if any(name in row for row in paper.values()):
            table[f"paper_{name}"] = [paper[recipe.catalogue[key].title].get(name) for key in table["row"]]
    files.write_table(out / f"{recipe.name}.csv", table)
    return write_views(audits, explanations, out / recipe.name, title=recipe.title, command=command(), paper=paper)


def known_set(source: Source) -> str:
    """The data set by the name of the paper's tables: both sets of CIFAR are one format."""
    if source.name == "cifar":
        return "cifar100" if "group" in source.facts else "cifar10"
    return source.name


def separated(made: Audit) -> dict[str, float]:
    """One run's separation of the feature space."""
    table = made.table("separation").set_index("space")
    return {name: round(float(table.at[SPACE, name]), 4) for name in SEPARATION}


SEPARATION = (
    "silhouette",
    "silhouette_low",
    "silhouette_high",
    "calinski_harabasz",
    "davies_bouldin",
    "intra",
    "inter",
)


def faithful(seen: Explanation) -> dict[str, float]:
    """One run's areas under insertion and deletion, by method and definition, and with masks what lies where."""
    scores = seen.table("scores").groupby(["method", "definition"], sort=False)[["insertion", "deletion"]].mean()
    found: dict[str, float] = {"explained_images": len(seen.table("samples"))}
    for (method, definition), row in scores.iterrows():
        for curve in ("insertion", "deletion"):
            found[f"{curve}_{definition}_{method}"] = round(float(row[curve]), 4)
    tied = seen.table("scores").groupby("method", sort=False)["tied"].mean()
    found |= {f"tied_{method}": round(float(share), 4) for method, share in tied.items() if method not in FLOORS}
    if seen.has("regions"):
        shares = seen.table("regions").groupby(["method", "region"], sort=False)[["share", "area"]].mean()
        for (method, region), row in shares.iterrows():
            found[f"share_{region}_{method}"] = round(float(row["share"]), 4)
            found[f"area_{region}"] = round(float(row["area"]), 4)
    if seen.has("changes"):
        for row in seen.table("changes").itertuples():
            found[f"accuracy_{row.change}_{row.label}".replace(" ", "_").replace("'", "")] = round(row.accuracy, 4)
    return found
