"""Where a run comes from, and how to make it again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import yaml

from spacewise.objective import one_line
from spacewise.report import numbers

if TYPE_CHECKING:
    from spacewise.audits import Audit


def experiment(audit: Audit) -> str:
    """The experiment as YAML."""
    return str(yaml.safe_dump(audit.facts["experiment"], sort_keys=False, allow_unicode=True))


def objective(audit: Audit) -> str:
    """The terms of the objective, and of the second step of every batch where there is one, as one line."""
    experiment = audit.facts["experiment"]
    return one_line(experiment["objective"], experiment["regime"].get("alternate") or ())


def leaks(audit: Audit) -> list[str]:
    """What the split let through, as found when the training began."""
    return [str(leak) for leak in audit.facts["training"].get("leaks", [])]


def pairs(audit: Audit) -> list[tuple[str, str]]:
    """What made the run and the audit, as pairs of words; what is not known is left out."""
    facts, training = audit.facts, audit.facts["training"]
    found = {
        "run": facts["run"],
        "weights": facts["weights"],
        "command": training.get("command"),
        "started": training.get("started"),
        "training took": numbers.duration(training["seconds"]) if "seconds" in training else None,
        "audit took": numbers.duration(facts["seconds"]),
        "epochs": training.get("epochs"),
        "precision": training.get("precision"),
        "commit": training.get("commit"),
        "seed": facts["experiment"]["seed"],
        "split": training.get("split"),
        "samples": _counted({**training.get("samples", {}), **facts["parts"]}),
        "copies": f"{facts['copies']}, shifted by up to {facts['shift']} pixels" if facts["copies"] else None,
        "spacewise": training.get("spacewise"),
        "python": training.get("python"),
        "torch": training.get("torch"),
        "machine": training.get("machine"),
    }
    return [(name, str(value)) for name, value in found.items() if value not in (None, "")]


def _counted(parts: Mapping[str, int]) -> str:
    return ", ".join(f"{numbers.count(number)} {name}" for name, number in parts.items() if number)


def commands(audit: Audit) -> list[str]:
    """What makes this run and its page again; nothing where the network was made in Python."""
    facts = audit.facts
    if facts["experiment"]["net"]["name"] == "custom":
        return []
    copies = f" --copies {facts['copies']} --shift {facts['shift']}" if facts["copies"] else ""
    weights = f" --weights {facts['weights']}" if facts["weights"] != "best" else ""
    return ["spacewise train experiment.yaml --out RUN", f"spacewise audit RUN{copies}{weights}"]
