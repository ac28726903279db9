"""What a search leaves behind: a table of its trials, the best experiment, and a page."""

from __future__ import annotations

from pathlib import Path

from spacewise import files, runs
from spacewise.report.tuned import write_tuned
from spacewise.tune.search import Search, result
from spacewise.tune.table import Searched


def finish(search: Search, *, command: str) -> tuple[Searched, dict[str, Path]]:
    """Writes `trials.csv`, `best.yaml` and `tune.html`; returns what was found, and the files by what they are.

    Raises:
        InputError: no trial is finished.
    """
    found, out = result(search), search.out
    best = runs.read_experiment(out / "runs" / f"trial-{found.finished['trial'].iloc[0]:04}")
    made = {"trials": out / "trials.csv", "best": out / "best.yaml"}
    files.write_table(made["trials"], found.trials)
    files.write_text(made["best"], best.yaml())
    return found, made | {"report": write_tuned(found, out, command=command, experiment=best)}
