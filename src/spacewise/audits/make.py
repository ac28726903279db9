"""All measures of all spaces of one run: embed once, ask everything."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spacewise import files
from spacewise.audits.embedding import chips, embedded, pixels, views
from spacewise.audits.recommendation import recommendation
from spacewise.audits.retrieval import check_index, chosen_rows, kept_epochs, retrieval_tables
from spacewise.audits.samples import at_random, check_sample, drawn, where
from spacewise.audits.stored import Audit
from spacewise.audits.tables import accuracy_table, rejection_table, separation_table, spaces_table
from spacewise.audits.transfer import both_domains, transfer_tables
from spacewise.errors import InputError
from spacewise.learn.validation import by_retrieval
from spacewise.measures.blocks import blocks
from spacewise.measures.confusion import confusion
from spacewise.objective import space_of
from spacewise.runs import Run
from spacewise.sources import open_source
from spacewise.splits import Part
from spacewise.splits.split import labelled


def audit(
    run: Run,
    part: Part | None = None,
    *,
    copies: int = 0,
    shift: int | None = None,
    approximate_above: int | None = None,
    sample: int | None = None,
    seed: int = 0,
) -> Audit:
    """Measures every space of a run on a part (its own test part where none is given).

    Args:
        run: trained; its training part is embedded too, since most questions compare with it.
        part: what is tested. Samples of classes that the network does not know are confusers.
        copies: also measure accuracy on this many fixed translated copies of each sample.
        shift: of the copies, in pixels; the training's own where it is not given.
        approximate_above: retrieval in parts of more samples goes by an index (extra `index`), whose measured
            loss of recall is printed; everything is exact where it is not given.
        sample: what compares all pairs of samples (recall, Silhouette, nearest neighbours) is asked of so many of
            each part, drawn class by class, against all others; the tables say how many were asked, and how far
            that may be from asking all. Of all where it is not given.
        seed: of copies and bootstrap.

    Returns:
        The audit, written to `RUN/audit` (or `RUN/audit-NAME` for other data). An older one is replaced.

    Raises:
        InputError: no labelled test sample, bands that do not fit, copies without a shift.
    """
    shift = run.experiment.regime.shift if shift is None else shift
    if copies and not shift:
        raise InputError(f"{copies} translated copies need a shift above 0")
    own = part is None or part.source is run.split.source
    parts = _parts(run, part)
    if not len(parts["test"]):
        raise InputError(f"nothing to test: no sample of the classes {', '.join(run.split.classes)}")
    _check(run, parts, copies, approximate_above, sample)
    name = "audit" if own else f"audit-{(parts['test'].source.root or Path('data')).name}"
    folder = run.folder / name
    partial = folder.with_name(f".{name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        _fill(partial, run, parts, copies, shift, approximate_above, sample, seed)
        files.replace_folder(partial, folder)
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Audit(folder)


def _check(run: Run, parts: Mapping[str, Part], copies: int, approximate_above: int | None, sample: int | None) -> None:
    """Raises `InputError` for what would fail only after the embedding."""
    if "best_epoch" not in run.facts:
        raise InputError(
            f"{run.folder}: its training is not finished; continue it with: spacewise train --resume {run.folder}"
        )
    check_index(approximate_above)
    check_sample(sample, approximate_above)
    if not by_retrieval(run.net, run.split):
        return
    if copies:
        raise InputError("copies are for accuracy; this run is judged by retrieval, leave --copies out")
    for name in ("train", "test"):
        if not (np.bincount(parts[name].labels) > 1).any():
            raise InputError(f"every class of the {name} part has one image: there is nothing to find")


def _parts(run: Run, part: Part | None) -> dict[str, Part]:
    """What is embedded: the run's parts, or its training part and the other data that are tested."""
    parts = {name: each for name, each in run.split.parts.items() if name != "unlabelled"}
    if part is not None and part is not run.split.test:
        known = part.labels >= 0
        subsets = {name: mask[known] for name, mask in part.subsets.items()}
        parts["test"] = Part(part.source, part.rows[known], part.classes, subsets)
        parts["confusers"] = Part(part.source, part.rows[~known], part.classes)
    if not by_retrieval(run.net, run.split):
        del parts["validation"]
    return parts


def _fill(
    folder: Path,
    run: Run,
    parts: Mapping[str, Part],
    copies: int,
    shift: int,
    approximate_above: int | None,
    sample: int | None,
    seed: int,
) -> None:
    began = time.monotonic()
    spaces = embedded(folder / "spaces", run, parts)
    floor = folder / "floor"  # of raw pixels: more than the spaces, and needed for these tables alone
    samples = pd.concat(
        [part.facts.assign(part=name, target=part.labels) for name, part in parts.items() if len(part)],
        ignore_index=True,
    )
    asked = drawn(samples, sample, seed)
    thumbnails = {"pixels": pixels(floor, parts, 32)}  # what retrieval has to beat, at a price growing with the square
    tables, columns = retrieval_tables({**thumbnails, **spaces}, samples, asked, seed, approximate_above)
    later = kept_epochs(folder / "epochs", run, parts, samples, asked, seed, approximate_above)
    tables["retrieval"] = pd.concat([chosen_rows(tables["retrieval"], run), later])
    facts: dict[str, Any] = {}
    if by_retrieval(run.net, run.split):
        facts = _facts_of_retrieval(run, parts, samples, columns, seed)
    else:
        more, classified = _classified(floor, spaces, samples, asked, sample, run, parts, copies, shift, seed)
        tables, columns = tables | more, columns | classified
    if run.origin is not None and parts["test"].source is run.split.source:
        tables |= _other_domain(folder, run, seed)
    samples = samples.assign(**columns)
    for name, table in {**tables, "samples": samples}.items():
        files.write_table(folder / f"{name}.parquet", table)
    chips(folder, parts)
    shutil.rmtree(floor)
    facts |= {
        "run": run.name,
        "weights": run.weights,
        "experiment": json.loads(run.experiment.model_dump_json()),
        "training": run.facts,
        "log": run.log.astype(object).where(run.log.notna(), None).to_dict("records"),  # JSON knows no NaN
        "classes": list(run.split.classes),
        "spaces": list(run.net.spaces),
        "novelty": list(parts["test"].subsets),
        "copies": copies,
        "sample": sample,
        "shift": shift,
        "seed": seed,
        "parts": {name: len(part) for name, part in parts.items()},
        "seconds": round(time.monotonic() - began, 1),
    }
    files.write_json(folder / "audit.json", facts)


def _other_domain(folder: Path, run: Run, seed: int) -> dict[str, pd.DataFrame]:
    """The tables of a transfer; the source's test images and their spaces go to disk beside the target's."""
    source, target, first, second = both_domains(run)
    (folder / "source").mkdir()
    for name, values in source.items():
        np.save(folder / "source" / f"{name}.npy", values)
    chips(folder, {"source": first}, "source_chips")
    return transfer_tables(source, target, first, second, seed) | {
        "source_samples": first.facts.assign(target=first.labels, prediction=source["classifier"].argmax(axis=1))
    }


def _classified(
    floor: Path,
    spaces: Mapping[str, np.ndarray],
    samples: pd.DataFrame,
    asked: np.ndarray,
    sample: int | None,
    run: Run,
    parts: Mapping[str, Part],
    copies: int,
    shift: int,
    seed: int,
) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """The tables, and the columns of samples, of a network that knows the test classes."""
    columns: dict[str, Any] = {
        "prediction": np.concatenate([block.argmax(axis=1) for _, block in blocks(spaces["classifier"])]),
        "confidence": np.concatenate([block.max(axis=1) for _, block in blocks(spaces["probability"])]),
    }
    columns["correct"] = columns["prediction"] == samples["target"].to_numpy()
    test = where(samples, "test")
    masks = subsets(parts["test"])
    labels, predictions = samples["target"].to_numpy()[test], columns["prediction"][test]
    tables = {
        "accuracy": accuracy_table(views(run, parts["test"], copies, shift, seed), labels, masks, seed),
        "confusion": confusion(labels, predictions, run.split.classes).rename_axis("class").reset_index(),
        "spaces": spaces_table({"pixels": pixels(floor, parts), **spaces}, samples, asked, masks),
    }
    if 1 < len(np.unique(labels)) < len(labels):
        tables["separation"], more = separation_table(spaces, samples, asked, seed)
        columns |= more
    if len(parts["confusers"]):
        seen = samples.assign(correct=columns["correct"])
        tables["rejection"], scores = rejection_table(
            spaces, seen, at_random(samples, sample, seed), run.net.last_layer(), seed
        )
        columns |= {f"score:{name}": values for name, values in scores.items()}
    for name, mask in masks.items():
        columns[f"subset:{name}"] = pd.Series(mask, index=samples.index[test]).reindex(samples.index)
    return tables, columns


def _facts_of_retrieval(
    run: Run, parts: Mapping[str, Part], samples: pd.DataFrame, columns: Mapping[str, np.ndarray], seed: int
) -> dict[str, Any]:
    """What only an audit by retrieval says: which space to deploy."""
    terms = {space_of(term) for term in run.experiment.objective}
    under = [name for name in run.net.spaces if name in terms]
    embeddings = [name for name in run.net.spaces if name != "probability"]
    return {
        "disjoint": True,
        "loss_spaces": under,
        "classes_of": {name: list(part.classes) for name, part in parts.items() if len(part)},
        "recommendation": recommendation(samples, columns, embeddings, (under or embeddings)[-1], seed),
    }


def subsets(test: Part) -> dict[str, np.ndarray]:
    """The split's own subsets, and one for each value of every fact with 2 to 20 values: `depression=15`."""
    masks = dict(test.subsets)
    facts = test.facts
    for fact in facts.columns.difference(["id", "label", "split", "role"], sort=False):
        values = facts[fact].dropna().unique()
        if 2 <= len(values) <= 20:
            masks |= {f"{fact}={value}": (facts[fact] == value).to_numpy() for value in sorted(values) if value != ""}
    return masks


def other_part(run: Run, data: Path | str, source: str = "") -> Part:
    """All labelled samples of other data, as a part that a run can be audited on."""
    opened = open_source(str(data), source)
    rows = np.flatnonzero(labelled(opened))
    return Part(opened, rows, opened.classes if by_retrieval(run.net, run.split) else run.split.classes)
