"""The page of the three views of a set of losses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from spacewise import files
from spacewise.progress import track
from spacewise.report import comparison_tables, explained, page, provenance, reading, views_figures, views_tables
from spacewise.report.comparison import Methods
from spacewise.report.views import Paper, views
from spacewise.report.views_cells import definitions
from spacewise.report.views_verdict import verdict


def write_views(
    audits: Methods,
    explanations: explained.Explained,
    out: Path,
    *,
    title: str,
    command: str,
    paper: Paper | None = None,
) -> Path:
    """Writes the three views of a set of losses: page, figures, and `views.csv`.

    Args:
        audits: name of a method -> the audits of its runs (seeds, folds); the first method is what the others
            are held against.
        explanations: the same names -> explanations of the same runs in the same order; none for some.
        out: folder.
        title: the question, or the tables of a paper.
        command: what made this, to print below it.
        paper: method -> accuracy (percent), silhouette, calinski_harabasz, insertion, deletion, as printed.

    Returns:
        The page, `views.html`.

    Raises:
        InputError: as `views.views`; a folder that cannot be written.
    """
    table = views(audits, explanations, paper)
    panels = views_figures.panels(audits, explanations, table)
    drawn = {
        panel.name: page._shown(panel.name, panel.title, panel.caption, panel.draw(), out / "figures")
        for panel in track(panels, "drawing the three views", len(panels))
    }
    files.write_table(out / "views.csv", table)
    context = _context(audits, explanations, table) | {"title": title, "command": command, "figures": drawn}
    made = out / "views.html"
    files.write_text(made, page._render("views.html.jinja", **context))
    return made


def _context(audits: Methods, explanations: explained.Explained, table: pd.DataFrame) -> dict[str, Any]:
    first = {name: made[0] for name, made in audits.items()}
    base = next(iter(first.values()))
    known = explained.with_any(explanations)
    method = explained.attribution(next(iter(known.values()))[0]) if known else ""
    found = definitions(table) if known else []
    return {
        "kind": f"three views of {len(audits)} losses" if len(audits) > 1 else "three views of one loss",
        "subtitle": "",
        "sentences": verdict(table, reading.unseen_words(base), method),
        "tiles": [],
        "main": views_tables.main(table, {name: provenance.objective(audit) for name, audit in first.items()}),
        "differences": views_tables.differences(table),
        "separation": views_tables.separation(audits),
        "attention": [(f"Areas of {name}", views_tables.attention(table, name)) for name in found],
        "changed": views_tables.changed(table),
        "explained": views_tables.explanations(explanations) if known else [],
        "runs": comparison_tables.runs(audits),
        "experiments": {name: provenance.experiment(audit) for name, audit in first.items()},
        "facts": provenance.pairs(base),
        "leaks": sorted({leak for made in audits.values() for audit in made for leak in provenance.leaks(audit)}),
    }
