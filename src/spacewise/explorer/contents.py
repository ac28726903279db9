"""Everything that the page shows, gathered from audits: one description, and the binary parts that it points at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from spacewise.audits import Audit
from spacewise.explorer import attention, facts, pictures, places
from spacewise.explorer.blobs import Blobs, Reference, column
from spacewise.explorer.samples import Together, of_the_run, rows_of, together
from spacewise.progress import track
from spacewise.report import provenance, reading
from spacewise.report.retrieval import is_disjoint
from spacewise.report.style import COLOURS

LOGITS = 20_000_000
"""Numbers of class axes in a page; of more, it has none, and says so."""

TABLES = ("accuracy", "retrieval", "rejection", "separation", "spaces")
SCALE = 32767  # of places, to two bytes
HIDDEN = ("first_hit@pixels",)


@dataclass
class Writing:
    """What is being put together: the samples of all runs, the binary parts, and what the page has to say first."""

    samples: Together
    blobs: Blobs
    said: list[str]


def contents(
    audits: Sequence[Audit], blobs: Blobs, *, spaces: Sequence[str] = (), seed: int = 0, command: str
) -> dict[str, Any]:
    """What `explorer/src/contents.ts` describes.

    Args:
        audits: one a run.
        blobs: takes the binary parts.
        spaces: those that are laid out by t-SNE; of each run its main ones where none is named.
        seed: of the layouts.
        command: what made the page.

    Raises:
        InputError: runs of different data, a space that no run has, fewer than 4 samples.
    """
    tables = [rows_of(audit) for audit in audits]
    names = named(audits)
    writing = Writing(together(tables, names), blobs, [])
    laid = [_maps(audit, spaces, seed) for audit in audits]
    extents = places.extents([each for maps in laid for each in maps])
    runs = [
        _run(writing, number, name, audit, table, maps, extents)
        for number, (name, audit, table, maps) in enumerate(zip(names, audits, tables, laid, strict=True))
    ]
    own = [_facts_of(writing.samples, audits)]
    shown = pictures.sheets(blobs, _pictured(writing.samples, audits))
    if shown is None:
        writing.said.append(f"No pictures: they would be too large for a page of {len(writing.samples):,} samples.")
    elif shown["side"] < shown["stored"]:
        writing.said.append(
            f"Pictures are {shown['side']} pixels wide, where the audit keeps {shown['stored']}: "
            f"what a page of {len(writing.samples):,} samples has room for."
        )
    return {
        "title": " · ".join(names),
        "command": command,
        "count": len(writing.samples),
        "colours": list(COLOURS),
        "ids": blobs.add_json(writing.samples.facts["id"].map(str).tolist()),
        "facts": [column(blobs, str(name), values) for name, values in own[0].items()],
        "pictures": shown,
        "runs": runs,
        "said": writing.said,
    }


def named(audits: Sequence[Audit]) -> list[str]:
    """The names of the runs; where two have one name, with their folder before it."""
    names = [str(audit.facts["run"]) for audit in audits]
    folders = [audit.folder.resolve() for audit in audits]
    return [
        name if names.count(name) == 1 else f"{folder.parent.parent.name}/{name} ({folder.name})"
        for name, folder in zip(names, folders, strict=True)
    ]


def _maps(audit: Audit, spaces: Sequence[str], seed: int) -> list[places.Map]:
    epochs = audit.kept_epochs()
    chosen = [name for name in spaces if name in audit.facts["spaces"]] if spaces else audit.main_spaces
    moving = {space: {epoch: audit.space_at(space, epoch) for epoch in epochs} for space in audit.kept_spaces()}
    found = []
    for space in track(audit.facts["spaces"], f"maps of {audit.facts['run']}", len(audit.facts["spaces"])):
        if space in chosen:
            found.append(places.tsne(audit, space, seed))
        found.append(places.components(audit, space, moving.get(space, {}), seed))
    return found


def _run(
    writing: Writing,
    number: int,
    name: str,
    audit: Audit,
    table: pd.DataFrame,
    maps: Sequence[places.Map],
    extents: dict[str, float],
) -> dict[str, Any]:
    samples, blobs = writing.samples, writing.blobs
    by_retrieval = is_disjoint(audit)
    own = table[[each for each in table if of_the_run(str(each)) and each not in HIDDEN]].drop(columns="target")
    if "prediction" in own:
        own["prediction"] = own["prediction"].map(dict(enumerate(audit.classes)), na_action="ignore")
        own["suspect"] = facts.suspects(audit, audit.table("samples")).reindex(table.index)
        own["correct"] = own["correct"].where(table["target"].ge(0), None) if "correct" in own else None
    return {
        "name": name,
        "objective": provenance.objective(audit),
        "weights": audit.facts["weights"],
        "retrieval": by_retrieval,
        "classes": audit.classes,
        "spaces": {space: int(audit.space(space).shape[1]) for space in audit.facts["spaces"]},
        "columns": [_column(blobs, samples, number, str(key), values, audit) for key, values in own.items()],
        "maps": [_placed(blobs, samples, number, each, extents[each.method]) for each in maps],
        "logits": None if by_retrieval else _logits(writing, number, audit),
        "neighbours": _neighbours(writing, number, audit, by_retrieval),
        "among": "samples of its part" if by_retrieval else "training samples",
        "tables": {key: _rows(audit.table(key)) for key in TABLES if audit.has(key)}
        | {"log": _rows(audit.table("log"))},
        "novelty": list(audit.facts["novelty"]),
        "views": {} if by_retrieval else {"main": reading.main_view(audit), "stored": reading.STORED},
        "attention": attention.maps(blobs, audit, samples.places[number], table),
    }


def _column(blobs: Blobs, samples: Together, run: int, name: str, values: pd.Series, audit: Audit) -> Reference:
    order = {"part": ["train", "validation", "test", "confusers"], "prediction": audit.classes}.get(name)
    if order is not None:
        held = set(values.dropna())
        order = [each for each in order if name == "prediction" or each in held]
    return column(blobs, name, samples.spread(run, values), order)


def _placed(blobs: Blobs, samples: Together, run: int, each: places.Map, extent: float) -> Reference:
    """A map with its points as two-byte numbers, 32767 at the edge of the frame and -32768 where there is none."""
    epochs = []
    for epoch, points in each.points.items():
        scaled = np.where(np.isnan(points), -SCALE - 1, np.round(points / extent * SCALE)).astype(np.int16)
        epochs.append({"epoch": epoch, "points": blobs.add(samples.spread_array(run, scaled, -SCALE - 1))})
    return {"space": each.space, "method": each.method, "epochs": epochs, "said": each.said}


def _logits(writing: Writing, run: int, audit: Audit) -> dict[str, Any] | None:
    """The classifier space at every kept epoch as two-byte numbers in one frame: the class axes."""
    epochs = audit.kept_epochs() if "classifier" in audit.kept_spaces() else []
    found = [(None, places.values_of(audit, "classifier"))]
    found += [(epoch, audit.space_at("classifier", epoch)) for epoch in epochs]
    size = len(writing.samples) * found[0][1].shape[1]
    if size > LOGITS:
        writing.said.append(f"No class axes and probabilities of {audit.facts['run']}: {size:,} numbers are too many.")
        return None
    while len(found) * size > LOGITS:
        found.pop()
    low = float(min(np.nanmin(values) for _, values in found))
    high = float(max(np.nanmax(values) for _, values in found))
    step = (high - low) / (2 * SCALE) or 1.0
    return {
        "low": low,
        "high": high,
        "epochs": [
            {"epoch": epoch, "data": writing.blobs.add(_quantised(writing.samples, run, values, low, step))}
            for epoch, values in found
        ],
    }


def _quantised(samples: Together, run: int, values: np.ndarray, low: float, step: float) -> np.ndarray:
    scaled = np.where(np.isnan(values), 2 * SCALE + 1, np.round((np.asarray(values, np.float64) - low) / step))
    return samples.spread_array(run, scaled.astype(np.uint16), 2 * SCALE + 1)


def _neighbours(writing: Writing, run: int, audit: Audit, by_retrieval: bool) -> dict[str, Any]:
    """space -> nearest samples of each sample, nearest first: indices (4294967295: none) and distances."""
    found: dict[str, Any] = {}
    place, none = writing.samples.places[run], np.iinfo(np.uint32).max
    spaces = audit.main_spaces
    for space in track(spaces, f"neighbours in {audit.facts['run']}", len(spaces)):
        pair = facts.neighbours(audit, audit.space(space), by_retrieval)
        if pair is None:
            writing.said.append(f"No nearest neighbours: of {len(place):,} samples, they would take too long.")
            return {}
        distances, rows = pair
        indices = np.where(rows >= 0, place[rows], none).astype(np.uint32)
        own = Together(writing.samples.facts, [place[: len(rows)]])
        found[space] = {
            "indices": writing.blobs.add(own.spread_array(0, indices, none)),
            "distances": writing.blobs.add(own.spread_array(0, distances, np.inf)),
        }
    return found


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """A table as records; JSON knows no NaN."""
    return list(table.astype(object).where(table.notna(), None).to_dict("records"))


def _facts_of(samples: Together, audits: Sequence[Audit]) -> pd.DataFrame:
    """The facts of the source, label first, and which samples look the same."""
    own = samples.facts.drop(columns="id")
    own = own[["label", *(name for name in own if name != "label")]]
    shown = _pictured(samples, audits)
    if len(samples) <= facts.MOST and (shown.owner >= 0).any():
        held = np.flatnonzero(shown.owner >= 0)
        chips = np.concatenate([audit.chips()[shown.row[shown.owner == i]] for i, audit in enumerate(audits)])
        order = np.concatenate([np.flatnonzero(shown.owner == i) for i in range(len(audits))])
        numbers = np.zeros(len(samples), np.int64)
        numbers[order] = facts.copies(chips)
        own = own.assign(copies=pd.Series(numbers).where(numbers > 0)) if numbers[held].any() else own
    return own


def _pictured(samples: Together, audits: Sequence[Audit]) -> pictures.Shown:
    """The first run that holds a sample has its picture."""
    owner, row = np.full(len(samples), -1), np.full(len(samples), -1)
    for number, audit in reversed(list(enumerate(audits))):
        place = samples.places[number][: len(audit.chips())]
        owner[place], row[place] = number, np.arange(len(place))
    return pictures.Shown(audits, owner, row)
