"""What a transfer from one domain to another is worth: several methods over budgets of labels and seeds, as a page.

After figures 1 to 3 of the study of optical-to-radar transfer with sliced Wasserstein alignment.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from spacewise import files
from spacewise.errors import InputError
from spacewise.progress import track
from spacewise.report import page, transfer_figures, transfer_numbers, transfer_spaces, transfer_tables
from spacewise.report.sidebyside import Panel
from spacewise.report.transfer_runs import check, check_domains, methods, sets
from spacewise.report.transfer_verdict import verdict

FIRST = "accuracy"


def write_transfer(
    runs: pd.DataFrame,
    out: Path,
    *,
    title: str,
    command: str,
    baselines: Sequence[str] = (),
    domains: pd.DataFrame | None = None,
    maps: Sequence[tuple[str, str, Figure]] = (),
    notes: Sequence[str] = (),
    facts: Mapping[str, str] | None = None,
) -> Path:
    """Writes what a transfer is worth: page, figures, and `transfer.csv`.

    Args:
        runs: a row a run: set (of classes; "" where there is only one), method, labels (labelled target images),
            budget (how that number is called: `32`, `all`), seed, accuracy (target test, a share),
            source_accuracy (source test, a share), separability (of the domains in the embedding, 0.5 to 1),
            distance (between the domains, mean over classes), matched (share of classes whose nearest class in the
            other domain is itself); these four NaN where not measured. Where there are columns chance (a share, one
            a set), run, steps, seconds, precision, commit, they are shown; any others stand in the CSV.
        out: folder.
        title: the question, or the figure of a paper.
        command: what made this, to print below it.
        baselines: the methods that all others are held against.
        domains: a row a run, space and class: set, method, budget, seed, space, class, distance, nearest (class of
            the other domain), matched (whether that is the class itself).
        maps: title, caption and figure; the file's name follows from the title.
        notes: what the reader is to know of how this was made.
        facts: name -> value, printed beside the command.

    Returns:
        The page, `transfer.html`.

    Raises:
        InputError: as `transfer_runs.check`; a table of distances without its columns, or of what is in no run;
            maps whose titles give the same file's name, or none; a folder that cannot be written.
    """
    check(runs, baselines)
    if domains is not None:
        check_domains(domains, runs)
    panels = [
        Panel(
            FIRST, transfer_figures.TITLE, transfer_figures.caption(runs), lambda: transfer_figures.over_budgets(runs)
        )
    ]
    panels += _maps(maps)
    drawn = {
        panel.name: page._shown(panel.name, panel.title, panel.caption, panel.draw(), out / "figures")
        for panel in track(panels, "drawing the transfer", len(panels))
    }
    files.write_table(out / "transfer.csv", runs)
    context = _context(runs, baselines, domains) | {"title": title, "command": command, "figures": drawn}
    context |= {"maps": [panel.name for panel in panels[1:]], "notes": list(notes), "facts": [*(facts or {}).items()]}
    made = out / "transfer.html"
    files.write_text(made, page._render("transfer.html.jinja", **context))
    return made


def _maps(maps: Sequence[tuple[str, str, Figure]]) -> list[Panel]:
    panels: list[Panel] = []
    for title, caption, figure in maps:
        name = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
        if not name or name in {FIRST, *(panel.name for panel in panels)}:
            raise InputError(f"maps: title '{title}' gives the file's name '{name}', expected one that no other has")
        panels.append(Panel(name, title, caption, lambda drawn=figure: drawn))  # type: ignore[misc]
    return panels


def _context(runs: pd.DataFrame, baselines: Sequence[str], domains: pd.DataFrame | None) -> dict[str, Any]:
    names, total = sets(runs), len(methods(runs))
    differences = transfer_numbers.differences(runs, baselines)
    kind = f"transfer, {total} methods" if total > 1 else "transfer, one method"
    return {
        "kind": f"{kind} on {len(names)} class sets" if len(names) > 1 else kind,
        "subtitle": "",
        "sentences": verdict(runs, baselines),
        "tiles": [],
        "accuracy": [(name, transfer_tables.accuracy(runs, name)) for name in names],
        "accuracy_words": transfer_tables.accuracy_words(runs),
        "differences": _found([(name, transfer_tables.differences(differences, runs, name)) for name in names]),
        "differences_words": transfer_tables.differences_words(differences),
        "spaces": _found([(name, transfer_spaces.spaces(runs, name)) for name in names]),
        "spaces_words": transfer_spaces.spaces_words(runs),
        "domains": [] if domains is None else transfer_spaces.domains_by_class(domains, runs),
        "runs": transfer_tables.every_run(runs),
    }


def _found(tables: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    return [(name, table) for name, table in tables if table is not None]
