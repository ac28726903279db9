"""The pages: one run's report, and the comparison of several methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from matplotlib.figure import Figure

from spacewise import files
from spacewise.progress import track
from spacewise.report import (
    captions,
    comparison,
    comparison_tables,
    domain_tables,
    drawing,
    layer_tables,
    numbers,
    provenance,
    reading,
    retrieval,
    sidebyside,
    tables,
    taught,
    transferred,
    verdict,
)
from spacewise.report.figures import draw
from spacewise.report.tiles import tiles

if TYPE_CHECKING:
    from spacewise.audits import Audit

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Shown:
    """A figure of a page: its words, its drawing, and the folder of its files beside the page."""

    name: str
    title: str
    caption: str
    svg: str
    folder: str


def write_report(audit: Audit, out: Path | None = None) -> Path:
    """Writes one run's report: a page that needs nothing beside it, and its figures as files.

    Args:
        audit: what is reported.
        out: folder; the run's own where it is not given.

    Returns:
        The page: `report.html`, its figures in `figures/`; of an audit of other data, `audit-NAME`:
        `report-NAME.html` and `figures-NAME/`. Where the explorer stands beside it, it links to it.

    Raises:
        InputError: the folder cannot be written.
    """
    folder = out or audit.folder.parent
    name = audit.folder.name.removeprefix("audit")
    by_retrieval = retrieval.is_disjoint(audit)
    drawn = {}
    titles = captions.LAYER_TITLES if by_retrieval else captions.TITLES
    names = _figures(audit, titles)
    for figure in track(names, f"drawing {audit.facts['run']}", len(names)):
        words = (titles[figure], captions.caption(audit, figure))
        drawn[figure] = _shown(figure, *words, draw(audit, figure), folder / f"figures{name}")
    page = folder / f"report{name}.html"
    template, context = ("layers.html.jinja", _layers) if by_retrieval else ("run.html.jinja", _run)
    explorer = f"explorer{name}.html"
    shown = context(audit, drawn) | {"explorer": quote(explorer) if (folder / explorer).is_file() else ""}
    files.write_text(page, _render(template, **shown))
    return page


def _figures(audit: Audit, titles: Mapping[str, str]) -> list[str]:
    """The figures that this audit has samples for, in the page's order."""
    if retrieval.is_disjoint(audit):
        return [name for name in titles if name != "layer_epochs" or retrieval.has_epochs(audit)]
    left_out = {
        "training": audit.table("log").empty,  # a network made elsewhere
        "representation": "unseen" not in reading.main_subsets(audit),
        "roc": not audit.has("rejection"),
        "projection": reading.classes_tested(audit) < 2,
        "pseudo_labels": not (taught.is_taught(audit) and taught.curves(audit)),
        "domain_map": not transferred.has_domains(audit),
        "domain_distances": not transferred.has_domains(audit),
    }
    return [name for name in titles if not left_out.get(name, False)]


def _run(audit: Audit, drawn: Mapping[str, Shown]) -> dict[str, Any]:
    return _any_run(audit, drawn) | {
        "kind": "audit of one run",
        "sentences": [*verdict.of_run(audit), *([taught.budget(audit)] if taught.is_taught(audit) else [])],
        "warnings": taught.warnings(audit),
        "tiles": tiles(audit),
        "taught": taught.section(audit) if taught.is_taught(audit) else None,
        "accuracy": taught.accuracy(audit),
        "spaces": tables.spaces(audit),
        "separation": tables.separation(audit) if audit.has("separation") else None,
        "rejection": tables.rejection(audit) if audit.has("rejection") else None,
        "domains": _domains(audit) if transferred.has_domains(audit) else None,
    }


def _domains(audit: Audit) -> dict[str, tables.Table]:
    return {"accuracy": domain_tables.accuracy(audit), "spaces": domain_tables.spaces(audit)}


def _layers(audit: Audit, drawn: Mapping[str, Shown]) -> dict[str, Any]:
    parts = [(retrieval.WORDS[part].capitalize(), layer_tables.part(audit, part)) for part in retrieval.parts(audit)]
    return _any_run(audit, drawn) | {
        "kind": "audit of one run, by retrieval",
        "sentences": verdict.of_layers(audit),
        "tiles": layer_tables.tiles(audit),
        "parts": parts,
        "classes": layer_tables.classes(audit),
    }


def _any_run(audit: Audit, drawn: Mapping[str, Shown]) -> dict[str, Any]:
    """What pages of all runs show: name, figures, and where it comes from."""
    return {
        "title": audit.facts["run"],
        "subtitle": provenance.objective(audit),
        "figures": drawn,
        "experiment": provenance.experiment(audit),
        "facts": provenance.pairs(audit),
        "leaks": provenance.leaks(audit),
        "commands": provenance.commands(audit),
    }


def write_comparison(
    audits: Mapping[str, Sequence[Audit]],
    out: Path,
    *,
    title: str,
    command: str,
    paper: Mapping[str, Mapping[str, float]] | None = None,
) -> Path:
    """Writes the comparison of several methods: page, figures, and `comparison.csv`.

    Args:
        audits: name of a method -> the audits of its runs (seeds, folds); the first method is what the
            others are compared with.
        out: folder.
        title: the question, or the table of a paper.
        command: what made this, to print below it.
        paper: name -> figure (`seen`, `unseen`, `overall`, `pfa_at_pd90`) -> percent, where one prints it.

    Returns:
        The page, `comparison.html`.

    Raises:
        InputError: no method or no audit, classes that differ, a folder that cannot be written.
    """
    table = comparison.compare(audits, paper)
    first = {name: runs[0] for name, runs in audits.items()}
    floors = comparison.floors(audits, table)
    panels = sidebyside.panels(table, first, floors)
    drawn = {
        panel.name: _shown(panel.name, panel.title, panel.caption, panel.draw(), out / "figures")
        for panel in track(panels, "drawing the comparison", len(panels))
    }
    files.write_table(out / "comparison.csv", table)
    context = _comparison(audits, table, floors) | {"title": title, "command": command, "figures": drawn}
    page = out / "comparison.html"
    files.write_text(page, _render("compare.html.jinja", **context))
    return page


def _comparison(audits: comparison.Methods, table: Any, floors: dict[str, float]) -> dict[str, Any]:
    first = {name: runs[0] for name, runs in audits.items()}
    baseline = next(iter(first.values()))
    objectives = {name: provenance.objective(audit) for name, audit in first.items()}
    rejects = comparison.FALSE_ALARMS in set(table["figure"])
    return {
        "kind": f"comparison of {len(audits)} methods" if len(audits) > 1 else "one method",
        "subtitle": "",
        "sentences": [
            *verdict.of_comparison(table, reading.unseen_words(baseline), floors),
            *taught.warned(first),
        ],
        "tiles": [],
        "methods": comparison_tables.methods(table, floors, objectives),
        "differences": comparison_tables.differences(table),
        "scores": comparison_tables.scores(table) if rejects else None,
        "spaces": comparison_tables.spaces(first, comparison.key_figure(table)),
        "runs": comparison_tables.runs(audits),
        "experiments": {name: provenance.experiment(audit) for name, audit in first.items()},
        "facts": provenance.pairs(baseline),
        "leaks": sorted({leak for runs in audits.values() for run in runs for leak in provenance.leaks(run)}),
    }


def _shown(name: str, title: str, caption: str, figure: Figure, folder: Path) -> Shown:
    drawn = drawing.save(figure, folder, name)
    return Shown(name, title, caption, drawing.inline(drawn, title), folder.name)


def _render(template: str, **context: Any) -> str:
    from spacewise import __version__

    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["tight"] = numbers.tight
    style = (HERE / "style.css").read_text(encoding="utf-8")
    return environment.get_template(template).render(style=style, version=__version__, **context)
