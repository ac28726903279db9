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
    """The experiment as YAML that reads back as the same experiment."""
    values = {key: value for key, value in audit.facts["experiment"].items() if value is not None}
    return str(yaml.safe_dump(values, sort_keys=False, allow_unicode=True))


def objective(audit: Audit) -> str:
    """The terms as one line, those of the second step of every batch behind them; a regime but supervised is named."""
    experiment = audit.facts["experiment"]
    name, terms = experiment["regime"]["name"], experiment["objective"]
    line = one_line(terms, experiment["regime"].get("alternate") or ())
    return line if name == "supervised" else f"{name}: {line}"


def leaks(audit: Audit) -> list[str]:
    """What the split let through, or leaves unlabelled, as found when the training began."""
    return [str(leak) for leak in audit.facts["training"].get("leaks", [])]


def pretraining(audit: Audit) -> str:
    """`8 epochs`: of the source's branch, before a transfer; empty where there was none."""
    first = audit.facts["experiment"]["regime"].get("pretraining")
    if not first:
        return ""
    epochs = first["epochs"]
    return f"{'at most ' if first['patience'] else ''}{numbers.count(epochs)} {'epoch' if epochs == 1 else 'epochs'}"


def pairs(audit: Audit) -> list[tuple[str, str]]:
    """What made the run and the audit, as pairs of words; what is not known is left out."""
    facts, training, first = audit.facts, audit.facts["training"], pretraining(audit)
    took = numbers.duration(training["seconds"]) if "seconds" in training else None
    found = {
        "run": facts["run"],
        "weights": facts["weights"],
        "command": training.get("command"),
        "started": training.get("started"),
        "pretraining": first,
        "training took": f"{took}, after the pretraining" if took and first else took,
        "audit took": numbers.duration(facts["seconds"]),
        "epochs": training.get("epochs"),
        "precision": training.get("precision"),
        "commit": training.get("commit"),
        "seed": facts["experiment"]["seed"],
        "split": training.get("split"),
        "samples": _counted({**training.get("samples", {}), **facts["parts"]}),
        "source's split": training.get("source_split"),
        "source's samples": _source_samples(audit),
        "copies": f"{facts['copies']}, shifted by up to {facts['shift']} pixels" if facts["copies"] else None,
        "pairs compared": sampled(audit),
        "spacewise": training.get("spacewise"),
        "python": training.get("python"),
        "torch": training.get("torch"),
        "machine": training.get("machine"),
    }
    return [(name, str(value)) for name, value in found.items() if value not in (None, "")]


def sampled(audit: Audit) -> str:
    """Of how many samples recall, Silhouette and nearest neighbours are; empty where of all."""
    sample = audit.facts.get("sample")
    if not sample or all(size <= sample for size in audit.facts["parts"].values()):
        return ""
    return f"{numbers.count(sample)} samples of each part, drawn class by class, against all of it"


def _source_samples(audit: Audit) -> str:
    trained = {"train": audit.facts["training"].get("source_samples", 0)}
    tested = {"test": len(audit.table("source_samples"))} if audit.has("source_samples") else {}
    return _counted(trained | tested)


def _counted(parts: Mapping[str, int]) -> str:
    return ", ".join(f"{numbers.count(number)} {name}" for name, number in parts.items() if number)


def commands(audit: Audit) -> list[str]:
    """What makes this run and its page again; nothing where the network was made in Python."""
    facts = audit.facts
    if facts["experiment"]["net"]["name"] == "custom":
        return []
    copies = f" --copies {facts['copies']} --shift {facts['shift']}" if facts["copies"] else ""
    weights = f" --weights {facts['weights']}" if facts["weights"] != "best" else ""
    sample = f" --sample {facts['sample']}" if facts.get("sample") else ""
    return ["spacewise train experiment.yaml --out RUN", f"spacewise audit RUN{copies}{weights}{sample}"]
