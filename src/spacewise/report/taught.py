"""What pages say of a semi-supervised run: its labels, what its pseudo-labels were worth, what it cost."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from spacewise.errors import InputError
from spacewise.report import numbers, provenance, reading, tables
from spacewise.report.numbers import count, interval, number, percent

if TYPE_CHECKING:
    from spacewise.audits import Audit

NAME = "semi-supervised"
SEEN = re.compile(r"(test|validation) and unlabelled share .*identical image")  # among what a split's leaks say


@dataclass(frozen=True)
class Section:
    """What a page says below a heading of its own: of labels, of the average, and one line about the cost."""

    link: str
    heading: str
    paragraphs: list[str]
    cost: str


def is_taught(audit: Audit) -> bool:
    """Whether the run is semi-supervised."""
    return bool(_regime(audit)["name"] == NAME)


def curves(audit: Audit) -> dict[str, dict[str, pd.Series]]:
    """What the figure draws over epochs, in percent: heading of a panel -> name -> values; no panel without values.

    Raises:
        InputError: the run is not semi-supervised.
    """
    if not is_taught(audit):
        raise InputError(f"{audit.folder}: its run is of the regime {_regime(audit)['name']}, it has no pseudo-labels")
    chosen = _regime(audit)["choose"]
    right = "right of these (purity)" if judged(audit) == 1 else "right of known (purity)"
    panels = {
        f"Accuracy on {_part_words(chosen)}, %": {"trained": f"{chosen}_accuracy", "averaged": "averaged_accuracy"},
        "Pseudo-labels, %": {"confident (coverage)": "coverage", right: "purity"},
    }
    log = audit.table("log")
    found = {heading: _known(log, columns) for heading, columns in panels.items()}
    return {heading: values for heading, values in found.items() if values}


def _known(log: pd.DataFrame, columns: Mapping[str, str]) -> dict[str, pd.Series]:
    held = {name: 100 * log[column].astype(float) for name, column in columns.items() if column in log}
    return {name: values for name, values in held.items() if values.notna().any()}


def judged(audit: Audit) -> float:
    """Share of the confident pseudo-labels whose true label the source knows, at the end; purity is of these alone."""
    log = audit.table("log")
    known = log["judged"].astype(float).dropna() if "judged" in log else pd.Series(dtype=float)
    return float(known.iloc[-1]) if len(known) else 1.0


def chosen_by_nothing(audit: Audit) -> bool:
    """Whether the part whose accuracy was to choose between the epochs has no images: the last weights are the best."""
    return not audit.facts["training"].get("samples", {}).get(_regime(audit)["choose"], 0)


def budget(audit: Audit) -> str:
    """How many labels a class, and how many images without labels, it learnt from."""
    samples = audit.table("samples")
    labelled = samples.loc[samples["part"] == "train", "target"].to_numpy()
    held = np.bincount(labelled, minlength=len(audit.classes))
    each = count(held.min()) if held.min() == held.max() else f"{count(held.min())} to {count(held.max())}"
    start = f"It learnt from {each} {'label' if each == '1' else 'labels'} a class ({count(len(labelled))} in all)"
    training = audit.facts["training"]
    unlabelled = training.get("samples", {}).get("unlabelled", 0) - training.get("unused", 0)
    if not _regime(audit)["mu"]:
        return f"{start}, and from no image without a label."
    return f"{start} and from {count(unlabelled)} {'image' if unlabelled == 1 else 'images'} without labels."


def warnings(audit: Audit) -> list[str]:
    """What makes its figures other than they look; nothing for a supervised run."""
    if not is_taught(audit):
        return []
    found, training = [], audit.facts["training"]
    own = audit.folder.name == "audit"  # of other data, the run has seen nothing
    if own and training.get("transductive"):
        found.append(
            "Test images were learnt from, without their labels: the figures hold for these images, not for new ones."
        )
    if own and _regime(audit)["choose"] == "test":
        found.append(
            "The best epoch was chosen on the test set: the figure of the best weights is no estimate of what new "
            "images will bring."
        )
    if own and _regime(audit)["mu"]:  # else no unlabelled image is looked at
        found += [
            f"Leak: {leak}. Such images were learnt from, without their labels, and are no new ones."
            for leak in provenance.leaks(audit)
            if SEEN.match(leak)
        ]
    return [*found, *filter(None, [training.get("skipped")])]


def warned(audits: Mapping[str, Audit]) -> list[str]:
    """The warnings of several methods, each behind its name."""
    found = {name: warnings(audit) for name, audit in audits.items()}
    return [f"“{name}”: {' '.join(each)}" for name, each in found.items() if each]


def section(audit: Audit) -> Section:
    """What a run's page says of its pseudo-labels, or of the labels alone."""
    words = ("Pseudo-labels", "the pseudo-labels") if _regime(audit)["mu"] else ("Labels", "the labels alone")
    pairs = (budget(audit), last_labels(audit)), (last_average(audit), tested_average(audit))
    paragraphs = [" ".join(filter(None, pair)) for pair in pairs if any(pair)]
    return Section(words[0], f"What {words[1]} were worth", paragraphs, cost(audit))


def over_epochs(audit: Audit) -> str:
    """Where the curves of the figure begin and end."""
    shown = []
    for values in curves(audit).values():
        for name, each in values.items():
            known = each.dropna()
            shown.append(f"{name}: {number(known.iloc[0])} to {number(known.iloc[-1])} %")
    return f"From the first epoch to the last, {', '.join(shown)}."


def last_labels(audit: Audit) -> str:
    """How many pseudo-labels of the last epoch were confident, and how many of those right; empty where it has none."""
    last = _last(audit)
    coverage, purity = last.get("coverage", np.nan), last.get("purity", np.nan)
    if np.isnan(coverage):
        return ""
    sure = f"probability {_regime(audit)['threshold']:g} or more"
    if coverage == 0:
        return (
            f"In the last epoch no pseudo-label was confident ({sure}): they taught nothing that asks for confidence."
        )
    start = f"In the last epoch {percent(coverage)} of the pseudo-labels were confident ({sure})"
    if np.isnan(purity):
        return f"{start}; how many of those were right is not known, as the true labels are not."
    if judged(audit) < 1:
        known = percent(judged(audit))
        return f"{start}; of the confident ones, {known} have a known label, and {percent(purity)} of those were right."
    return f"{start}, and {percent(purity)} of those were right."


def last_average(audit: Audit) -> str:
    """Whether the averaged network did better than the trained one after the last epoch; empty without one of them."""
    last, chosen = _last(audit), _regime(audit)["choose"]
    trained, averaged = last.get(f"{chosen}_accuracy", np.nan), last.get("averaged_accuracy", np.nan)
    if np.isnan(trained) or np.isnan(averaged):
        return ""
    images = audit.facts["training"].get("samples", {}).get(chosen)
    of = f"{count(images)} {_part_words(chosen)}" if images else _part_words(chosen)
    return (
        f"After the last epoch the averaged network is right in {percent(averaged)} of {of}, "
        f"{_against(averaged - trained)} the trained one."
    )


def _against(gain: float) -> str:
    points = number(100 * abs(gain))
    return "as often as" if points == "0.0" else f"{points} points {'more' if gain > 0 else 'less'} than"


def tested_average(audit: Audit) -> str:
    """The averaged weights on the test set, beside the last ones; empty where there are none, or it is said already."""
    if _regime(audit)["choose"] == "test":
        return ""
    held = set(audit.table("accuracy")["weights"])
    shown = [name for name in ("averaged", "last", audit.facts["weights"]) if name in held][:2]
    if shown[0] != "averaged" or len(set(shown)) < 2:
        return ""
    first, second = (_tested(audit, weights) for weights in shown)
    return f"On test images as stored the averaged weights are right in {first}, the {shown[1]} ones in {second}."


def _tested(audit: Audit, weights: str) -> str:
    row = reading.accuracy(audit, reading.STORED, weights).loc["overall"]
    return f"{percent(row['accuracy'])} {interval(row['low'], row['high'])}"


def cost(audit: Audit) -> str:
    """Images a second, share of the time that the processor spent on data, peak memory: over the whole training."""
    log = audit.table("log")
    shown = []
    if "images_per_second" in log:
        speed = np.average(log["images_per_second"], weights=log["seconds"])
        shown.append(f"{numbers.large(speed)} images a second")
    if "data_share" in log:
        busy = np.average(log["data_share"], weights=log["seconds"])
        shown.append(f"for {percent(busy)} of the time the processor fetched images and made views")
    if "peak_memory_mb" in log and log["peak_memory_mb"].notna().any():
        shown.append(f"peak memory {numbers.large(log['peak_memory_mb'].max())} MB")
    return f"What it cost: {', '.join(shown)}." if shown else ""


def accuracy(audit: Audit) -> tables.Table:
    """Every subset under every view and weights, with what the weights are of a semi-supervised run."""
    table = tables.accuracy(audit)
    if not is_taught(audit):
        return table
    held = set(audit.table("accuracy")["weights"])
    sentences = [
        "Accuracy in percent with 95 % bootstrap intervals over images; copies of an image are drawn together.",
        _best_words(audit) if "best" in held else "",
        "The averaged weights are the exponential average over the steps, at the end." if "averaged" in held else "",
    ]
    return replace(table, caption=" ".join(filter(None, sentences)))


def _best_words(audit: Audit) -> str:
    if chosen_by_nothing(audit):
        return "Nothing was held out to choose by: the best weights are the last."
    best = {
        "validation": "the highest validation accuracy; the test set chose nothing.",
        "test": "the highest accuracy on the test set, which is no longer one to measure them by.",
    }[_regime(audit)["choose"]]
    return f"The best weights are those of the epoch with {best}"


def _regime(audit: Audit) -> dict[str, Any]:
    return dict(audit.facts["experiment"]["regime"])


def _last(audit: Audit) -> dict[str, float]:
    """The log's last epoch, without what is no number."""
    row = audit.table("log").iloc[-1]
    return {str(name): float(value) for name, value in row.items() if value is not None}


def _part_words(part: str) -> str:
    return f"{part} images"
