"""A whole search, and what it leaves behind: a table of its trials, the best experiment, and a page."""

from __future__ import annotations

from pathlib import Path

from spacewise import files, runs
from spacewise.grid.tasks import Place
from spacewise.report.tuned import write_tuned
from spacewise.tune.search import Search, best_trial, open_search, result, run
from spacewise.tune.table import Searched
from spacewise.tune.template import Template


def tune(template: Template, place: Place, out: Path, trials: int, *, command: str) -> tuple[Searched, dict[str, Path]]:
    """Searches until there are so many trials; what it leaves is there also where it is interrupted.

    Returns:
        As `finish`.

    Raises:
        InputError, BlockingIOError, KeyboardInterrupt: as `open_search`, `run` and `finish`.
    """
    with open_search(template, out) as search:
        try:
            with place:
                run(search, place, trials)
        except BaseException:
            if (search.table()["status"] == "finished").any():
                finish(search, command=command)
            raise
        return finish(search, command=command)


def finish(search: Search, *, command: str) -> tuple[Searched, dict[str, Path]]:
    """Writes `trials.csv`, `best.yaml` and `tune.html`; returns what was found, and the files by what they are.

    Raises:
        InputError: no trial is finished.
    """
    out = search.out
    best = runs.read_experiment(out / "runs" / f"trial-{best_trial(search):04}")
    made = {"trials": out / "trials.csv", "best": out / "best.yaml"}
    files.write_table(made["trials"], search.table())
    files.write_text(made["best"], best.yaml())
    found = result(search)  # what mattered takes its time
    return found, made | {"report": write_tuned(found, out, command=command, experiment=best)}
