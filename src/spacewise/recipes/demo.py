"""The main job on the embedded default: two networks, two audits, one page."""

from __future__ import annotations

from pathlib import Path

from spacewise.audits import Audit
from spacewise.experiment import Experiment
from spacewise.learn import ensure
from spacewise.progress import console
from spacewise.recipes.finish import audited, command
from spacewise.report.page import write_comparison

METHODS = {
    "classification loss only": ["crossentropy@classifier"],
    "dual loss: + contrastive on the classifier space": [
        "crossentropy@classifier",
        "1.0*contrastive(dissimilar_margin=1.0)@classifier",
    ],
}
FOLDERS = dict(zip(METHODS, ("baseline", "dual-loss"), strict=True))


def experiment(objective: list[str]) -> Experiment:
    """One of the demo's two experiments: they differ in the objective alone."""
    return Experiment(
        data={"source": {"name": "simulated"}, "split": {"name": "roles"}},
        net={"name": "aconvnet", "size": 64, "padding": "same"},
        objective=objective,
        regime={"epochs": 20, "shift": 6},
    )


def demo(out: Path) -> Path:
    """Trains, audits and compares; what is already there is not made again. Returns the page."""
    audits: dict[str, list[Audit]] = {}
    for number, (title, objective) in enumerate(METHODS.items(), start=1):
        console.print(f"[bold]{number}/{len(METHODS)}[/] {title}: {' + '.join(objective)}", highlight=False)
        run = ensure(experiment(objective), out / FOLDERS[title])
        audits[title] = [audited(run, copies=0)]
    title = "Which loss holds up on vehicles and serial numbers that were not trained on?"
    return write_comparison(audits, out, title=title, command=command(), paper=None)
