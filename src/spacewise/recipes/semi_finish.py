"""From finished semi-supervised runs to a table of results and the page that says what they are worth."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from spacewise import files
from spacewise.cache import decoded
from spacewise.learn.batches import in_order
from spacewise.learn.embed import embed
from spacewise.measures.confusion import confusion
from spacewise.measures.projection import tsne
from spacewise.nets import NETS
from spacewise.nets.chain import parameter_count
from spacewise.progress import console
from spacewise.recipes.finish import command
from spacewise.recipes.semi_printed import printed, set_name
from spacewise.report.semi_study import semi_lines, write_semi
from spacewise.runs import Run

if TYPE_CHECKING:
    from spacewise.recipes.recipe import Arm, Asked, Recipe

SPACE = "embedding"
DRAWN = ("comatch", "comatch+triplet")  # methods whose embeddings figure 6 shows


def finish(recipe: Recipe, finished: Mapping[str, Sequence[Run]], asked: Asked, out: Path) -> Path:
    """Tests the last, best and averaged weights of every run, writes `NAME.csv` (one row a run) and the page."""
    rows, curves = [], []
    counts: dict[tuple[str, str], np.ndarray] = {}
    for key, runs in finished.items():
        arm = recipe.catalogue[key]
        for run in runs:
            row, its = _row(key, arm, run)
            rows.append(row)
            named = {name: row[name] for name in ("set", "method", "preset", "seed")}
            curves.append(run.log.reindex(columns=CURVES).assign(**named))
            where = (row["set"], row["method"])
            counts[where] = counts[where] + its if where in counts else its
    table = pd.DataFrame(rows)
    files.write_table(out / f"{recipe.name}.csv", table.round(4))
    for line in semi_lines(table):
        console.print(line)
    classes = next(iter(finished.values()))[0].split.classes
    corrected = table[table["preset"] == "corrected"]
    budgets = (corrected if len(corrected) else table)["labels"].unique()
    labels = " or ".join(f"{number:,}" for number in sorted(budgets))
    return write_semi(
        table,
        out / recipe.name,
        title=f"{recipe.title}: {labels} labels, {len(classes)} classes",
        command=command(),
        curves=pd.concat(curves, ignore_index=True),
        confusions=[(*where, matrix, classes) for where, matrix in counts.items()],
        maps=[*_maps(recipe, finished)],
        paper=printed(table),
        choices=[{"set": table["set"].iat[0], **_choice(asked.found)}] if asked.found else [],
        notes=_notes(finished),
    )


def _choice(found: Mapping[str, Any]) -> dict[str, Any]:
    """How the classes were chosen, less the digest that tells one choice from another."""
    return {key: value for key, value in found.items() if key != "experiment"}


CURVES = ["epoch", "validation_accuracy", "test_accuracy", "averaged_accuracy", "purity", "coverage"]


def on_test(run: Run, weights: str, spaces: Sequence[str]) -> dict[str, np.ndarray]:
    """Spaces of the test images under some weights: (sample, dimension) by name."""
    run.load(weights)
    return embed(run.net, in_order(decoded(run.split.source, run.net.size).images, run.split.test), spaces)


def accuracy(run: Run, weights: str) -> float:
    """Share of the test images that some weights recognise; NaN where the run has no such weights."""
    if not (run.folder / "weights" / f"{weights}.safetensors").is_file():
        return float("nan")
    return float((on_test(run, weights, ["classifier"])["classifier"].argmax(axis=1) == run.split.test.labels).mean())


def counted(run: Run) -> np.ndarray:
    """Test images (class, class) by true and predicted class, of the last weights."""
    predictions = on_test(run, "last", ["classifier"])["classifier"].argmax(axis=1)
    return confusion(run.split.test.labels, predictions, run.split.classes).to_numpy()


def errors_by_class(run: Run) -> dict[str, float]:
    """Share of each class's test images that the last weights take for another class."""
    counts = counted(run)
    wrong = 1 - np.diag(counts) / counts.sum(axis=1)
    return {name: round(float(share), 4) for name, share in zip(run.split.classes, wrong, strict=True)}


def _row(key: str, arm: Arm, run: Run) -> tuple[dict[str, Any], np.ndarray]:
    facts, regime, log = run.facts, run.experiment.regime.model_dump(), run.log
    counts, last = counted(run), log.iloc[-1]
    contrast = next((term for term in run.experiment.goal().terms if term.loss.name == "class_aware_contrast"), None)
    return {
        "set": set_name(run),
        "method": arm.title,
        "key": key,
        "net": _net(run),
        "mu": regime["mu"],
        "threshold": regime["threshold"] if regime["mu"] else np.nan,
        "weight": contrast.weight if contrast else np.nan,
        "push": contrast.loss.options["push"] if contrast else np.nan,
        "preset": arm.about.get("preset", "corrected"),
        "seed": run.experiment.seed,
        "labels": len(run.split.train),
        "unlabelled": len(run.split.unlabelled) - facts.get("unused", 0) if regime["mu"] else 0,
        "transductive": bool(facts.get("transductive", False)),
        "accuracy": float(np.trace(counts) / counts.sum()),
        "accuracy_best": accuracy(run, "best"),
        "accuracy_averaged": accuracy(run, "averaged"),
        "best_epoch": facts["best_epoch"],
        "epochs": facts["epochs"],
        "steps": facts["epochs"] * regime["steps"],
        "batch": regime["batch"],
        "size": run.net.size,
        "purity": last.get("purity", np.nan),
        "coverage": last.get("coverage", np.nan),
        "images_per_second": float(log["images_per_second"].median()),
        "data_share": float(log["data_share"].median()),
        "peak_memory_mb": float(log["peak_memory_mb"].max()),
        "seconds": facts["seconds"],
        "parameters": parameter_count(run.net),
        "precision": facts["precision"],
        "commit": facts["commit"],
        "split": facts["split"],
        "run": run.name,
    }, counts


def _net(run: Run) -> str:
    net = run.experiment.net
    default = inspect.signature(NETS[net.name]).parameters["encoder"].default
    encoder = net.options.get("encoder", default)
    return str(encoder["name"] if isinstance(encoder, Mapping) else encoder)


def _maps(recipe: Recipe, finished: Mapping[str, Sequence[Run]]) -> Iterator[tuple[Any, ...]]:
    """Figure 6: the test images in the embedding after some epochs, of the first seed."""
    for key in (key for key in DRAWN if key in finished):
        run = finished[key][0]
        epochs = [*run.experiment.regime.keep, run.facts["epochs"]]
        for epoch in dict.fromkeys(epochs):
            name = "last" if epoch == run.facts["epochs"] else f"epoch{epoch}"
            console.print(f"laying out {run.name} after epoch {epoch}")
            points = tsne(on_test(run, name, [SPACE])[SPACE], seed=0).points
            labels, classes = run.split.test.labels, run.split.classes
            yield set_name(run), recipe.catalogue[key].title, epoch, points, labels, classes


def _notes(finished: Mapping[str, Sequence[Run]]) -> list[str]:
    """What the reader is to know of how this was made."""
    runs = [run for several in finished.values() for run in several]
    notes = [
        "Half of the images test, the same ones under every seed; the seed draws the labelled images and the weights."
    ]
    kept = [run for run in runs if run.experiment.regime.model_dump()["choose"] == "validation"]
    if kept:
        notes.append(
            "The last weights of the corrected runs need no label beyond the budget; the best ones were chosen with "
            f"{len(kept[0].split.validation)} labelled validation images, which is more than most have who have so few."
        )
    sizes = " and ".join(sorted({f"{run.net.size} x {run.net.size}" for run in runs}))
    given = any(run.experiment.net.options.get("weights") for run in runs)
    started = "given weights" if given else "random weights"
    notes.append(f"Images of {sizes} pixels; {', '.join(sorted({_net(run) for run in runs}))}, from {started}.")
    leaks = sorted({leak for made in runs for leak in made.facts["leaks"]})
    return notes + [f"Leak: {leak}." for leak in leaks]
