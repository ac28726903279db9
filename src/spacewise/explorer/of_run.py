"""What the page says of one run: its columns, maps, class axes, nearest samples and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from spacewise.audits import Audit
from spacewise.explorer import attention, facts, places
from spacewise.explorer.blobs import Blobs, Reference, column
from spacewise.explorer.samples import SOURCE, Together, of_the_run
from spacewise.progress import track
from spacewise.report import provenance, reading
from spacewise.report.retrieval import is_disjoint

LOGITS = 20_000_000
"""Numbers of one run's class axes; of more, the page has none, or fewer epochs, and says so."""

TABLES = ("accuracy", "retrieval", "log")
PARTS = ("train", "validation", "test", "confusers", SOURCE)
SCALE = 32767  # of places, to two bytes
HIDDEN = ("target", "first_hit@pixels")


@dataclass
class Writing:
    """What is being put together: the samples of all runs, the binary parts, and what the page has to say first."""

    samples: Together
    blobs: Blobs
    said: list[str]


def spread_out(epochs: Sequence[int], most: int) -> list[int]:
    """At most so many of the epochs, evenly, the last among them."""
    if len(epochs) <= most:
        return list(epochs)
    return sorted(epochs[int(place)] for place in np.linspace(len(epochs) - 1, 0, max(0, most)))


def say_epochs(writing: Writing, what: str, shown: Sequence[int], kept: Sequence[int]) -> None:
    """Has the page say so where it shows fewer epochs than were kept."""
    if len(shown) < len(kept):
        writing.said.append(
            f"{what}: at {len(shown)} of {len(kept)} kept epochs, "
            f"what a page of {len(writing.samples):,} samples has room for."
        )


def of_run(
    writing: Writing,
    number: int,
    name: str,
    audit: Audit,
    table: pd.DataFrame,
    maps: Sequence[places.Map],
    extents: Mapping[str, float],
) -> dict[str, Any]:
    """What the page says of one run.

    Args:
        writing: takes the binary parts.
        number, name: of the run.
        audit: of the run.
        table: the rows of the audit.
        maps: of its spaces.
        extents: method -> where the frame of its maps ends.
    """
    samples, blobs = writing.samples, writing.blobs
    by_retrieval = is_disjoint(audit)
    own = _columns(audit, table, samples.differing).assign(**_clusters(audit, table))
    return {
        "name": name,
        "objective": provenance.objective(audit),
        "weights": audit.facts["weights"],
        "retrieval": by_retrieval,
        "classes": audit.classes,
        "spaces": {space: int(audit.space(space).shape[1]) for space in audit.facts["spaces"]},
        "columns": [_column(blobs, samples, number, str(key), own[key], audit) for key in own],
        "maps": [_placed(blobs, samples, number, each, extents[each.method]) for each in maps],
        "logits": None if by_retrieval else _logits(writing, number, name, audit),
        "neighbours": _neighbours(writing, number, name, audit, by_retrieval),
        "among": "samples of its part" if by_retrieval else "training samples",
        "tables": {key: _rows(audit.table(key)) for key in TABLES if audit.has(key)},
        "views": {} if by_retrieval else {"main": reading.main_view(audit), "stored": reading.STORED},
        "attention": attention.maps(blobs, audit, samples.places[number], table),
    }


def _columns(audit: Audit, table: pd.DataFrame, differing: Sequence[str]) -> pd.DataFrame:
    """What a run says of its rows: its own columns, and the facts that other runs tell differently."""
    names = [each for each in table if of_the_run(str(each)) or each in differing]
    own = table[[each for each in names if each not in HIDDEN]].copy()
    for each in own:
        if str(each).startswith("first_hit@"):
            own[each] = own[each].where(own[each] >= 0)  # nobody asked
    if "prediction" in own:
        own["prediction"] = own["prediction"].map(dict(enumerate(audit.classes)), na_action="ignore")
        own["correct"] = own["correct"].astype(object).where(table["target"] >= 0, None)
        own["suspect"] = facts.suspects(audit, audit.table("samples")).reindex(table.index)
    return own


def _clusters(audit: Audit, table: pd.DataFrame) -> dict[str, pd.Series]:
    """`cluster@SPACE`: as many clusters as classes are labelled, in each of the main spaces."""
    count = int(table["label"].replace("", None).nunique())
    found = {}
    for space in audit.main_spaces if count > 1 else []:
        each = facts.clusters(places.values_of(audit, space), count, int(audit.facts["seed"]))
        found[f"cluster@{space}"] = each.set_axis(table.index)
    return found


def _column(blobs: Blobs, samples: Together, run: int, name: str, values: pd.Series, audit: Audit) -> Reference:
    order = {"part": [part for part in PARTS if (values == part).any()], "prediction": audit.classes}.get(name)
    return column(blobs, name, samples.spread(run, values), order)


def _placed(blobs: Blobs, samples: Together, run: int, each: places.Map, extent: float) -> Reference:
    """A map with its points as two-byte numbers, 32767 at the edge of the frame and -32768 where there is none."""
    epochs = []
    for epoch, points in each.points.items():
        scaled = np.where(np.isnan(points), -SCALE - 1, np.round(points / extent * SCALE)).astype(np.int16)
        epochs.append({"epoch": epoch, "points": blobs.add(samples.spread_array(run, scaled, -SCALE - 1))})
    return {"space": each.space, "method": each.method, "epochs": epochs, "said": each.said}


def _logits(writing: Writing, run: int, name: str, audit: Audit) -> dict[str, Any] | None:
    """The classifier space at every kept epoch as two-byte numbers in one frame: the class axes."""
    size = len(writing.samples) * len(audit.classes)
    if size > LOGITS:
        writing.said.append(f"No class axes and probabilities of {name}: {size:,} numbers are too many.")
        return None
    kept = audit.kept_epochs() if "classifier" in audit.kept_spaces() else []
    epochs = spread_out(kept, LOGITS // size - 1)
    say_epochs(writing, f"Class axes of {name}", epochs, kept)
    found = {epoch: np.asarray(places.values_of(audit, "classifier", epoch), np.float64) for epoch in (None, *epochs)}
    low = float(min(np.nanmin(values) for values in found.values()))
    high = float(max(np.nanmax(values) for values in found.values()))
    step = (high - low) / (2 * SCALE) or 1.0
    codes = {
        epoch: np.where(np.isnan(values), 2 * SCALE + 1, np.round((values - low) / step)).astype(np.uint16)
        for epoch, values in found.items()
    }
    spread = {epoch: writing.samples.spread_array(run, each, 2 * SCALE + 1) for epoch, each in codes.items()}
    return {
        "low": low,
        "high": high,
        "epochs": [{"epoch": epoch, "data": writing.blobs.add(each)} for epoch, each in spread.items()],
    }


def _neighbours(writing: Writing, run: int, name: str, audit: Audit, by_retrieval: bool) -> dict[str, Any]:
    """space -> nearest samples of each sample, nearest first: indices (4294967295: none) and distances."""
    found: dict[str, Any] = {}
    samples, none = writing.samples, np.iinfo(np.uint32).max
    spaces = audit.main_spaces
    for space in track(spaces, f"neighbours in {name}", len(spaces)):
        pair = facts.neighbours(audit, audit.space(space), by_retrieval)
        if pair is None:
            writing.said.append(f"No nearest neighbours in {name}: {len(samples):,} samples would take too long.")
            return {}
        distances, rows = pair
        indices = np.where(rows >= 0, samples.places[run][rows], none).astype(np.uint32)
        found[space] = {
            "indices": writing.blobs.add(samples.spread_array(run, indices, none)),
            "distances": writing.blobs.add(samples.spread_array(run, distances, np.inf)),
        }
    return found


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """A table as records."""
    return list(table.astype(object).where(table.notna(), None).to_dict("records"))
