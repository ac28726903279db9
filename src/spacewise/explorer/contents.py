"""Everything that the page shows, gathered from audits: one description, and the binary parts that it points at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from spacewise.audits import Audit
from spacewise.errors import unknown
from spacewise.explorer import facts, pictures, places
from spacewise.explorer.blobs import Blobs, Reference, column
from spacewise.explorer.chips import Chips
from spacewise.explorer.of_run import Writing, of_run, say_epochs, spread_out
from spacewise.explorer.samples import rows_of, together
from spacewise.progress import track
from spacewise.report.style import COLOURS

PLACES = 30_000_000
"""Numbers of all maps in a page; of more, it has those of fewer epochs, and says so."""

FEW = 20  # whole numbers that are names


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
    _check(audits, spaces)
    tables, chips, names = [rows_of(audit) for audit in audits], [Chips(audit) for audit in audits], named(audits)
    writing = Writing(together(tables, chips, names), blobs, [])
    laid = [_maps(writing, name, audit, spaces, seed, len(audits)) for name, audit in zip(names, audits, strict=True)]
    extents = places.extents([each for maps in laid for each in maps])
    runs = [
        of_run(writing, number, name, audit, table, maps, extents)
        for number, (name, audit, table, maps) in enumerate(zip(names, audits, tables, laid, strict=True))
    ]
    own = _facts(writing, chips)
    return {
        "title": " · ".join(names),
        "command": command,
        "count": len(writing.samples),
        "colours": list(COLOURS),
        "ids": blobs.add_json(writing.samples.facts["id"].map(str).tolist()),
        "facts": [_fact(blobs, str(each), own[each]) for each in own],
        "pictures": _pictures(writing, chips),
        "runs": runs,
        "said": writing.said,
    }


def named(audits: Sequence[Audit]) -> list[str]:
    """The names of the runs; where two have one name, with their folders."""
    names = [str(audit.facts["run"]) for audit in audits]
    folders = [audit.folder.resolve() for audit in audits]
    longer = [
        f"{folder.parent.parent.name}/{name} ({folder.name})" for name, folder in zip(names, folders, strict=True)
    ]
    for others in (longer, [str(folder) for folder in folders]):
        names = [name if names.count(name) == 1 else other for name, other in zip(names, others, strict=True)]
    return names


def _check(audits: Sequence[Audit], spaces: Sequence[str]) -> None:
    known = dict.fromkeys(name for audit in audits for name in audit.facts["spaces"])
    for name in spaces:
        if name not in known:
            raise unknown("space of these runs", name, known)


def _maps(writing: Writing, name: str, audit: Audit, spaces: Sequence[str], seed: int, runs: int) -> list[places.Map]:
    held, moving, kept = audit.facts["spaces"], audit.kept_spaces(), audit.kept_epochs()
    chosen = [space for space in spaces if space in held] if spaces else audit.main_spaces
    room = PLACES // (2 * len(writing.samples) * runs) - len(held) - len(chosen)
    epochs = spread_out(kept, room // max(1, len(moving) + len({*moving} & {*chosen})))
    say_epochs(writing, f"Maps of {name}", epochs, kept)
    found = []
    for space in track(held, f"maps of {name}", len(held)):
        then = epochs if space in moving else []
        if space in chosen:
            found.append(places.tsne(audit, space, then, seed))
        found.append(places.components(audit, space, then, seed))
    return found


def _facts(writing: Writing, chips: Sequence[Chips]) -> pd.DataFrame:
    """The facts of the source, label first, and which samples look the same."""
    samples = writing.samples
    own = samples.facts.drop(columns="id").rename(columns={"copies": "copies in the source"})
    own = own[["label", *(each for each in own if each != "label")]]
    numbers = facts.copies(chips, samples.owner, samples.row)
    if numbers is None:
        writing.said.append("Copies were not looked for: too many samples, or too many that look alike.")
        return own
    return own.assign(copies=pd.Series(numbers).map(str).where(numbers > 0)) if numbers.any() else own


def _fact(blobs: Blobs, name: str, values: pd.Series) -> Reference:
    """A fact. Labels are names, whatever they look like, and so are few whole numbers, such as depression angles."""
    known = values.dropna()
    if name != "label" and pd.api.types.infer_dtype(known) in ("integer", "floating") and known.nunique() <= FEW:
        numbers = np.unique(known.to_numpy(np.float64))
        if (numbers == np.round(numbers)).all():
            texts = values.map(lambda number: f"{number:.0f}", na_action="ignore")
            return column(blobs, name, texts, [f"{number:.0f}" for number in numbers])
    return column(blobs, name, values, [] if name == "label" else None)


def _pictures(writing: Writing, chips: Sequence[Chips]) -> Reference | None:
    """All pictures; what has to be said of them is."""
    samples = writing.samples
    shown = pictures.sheets(writing.blobs, chips, samples.owner, samples.row)
    if shown is None:
        writing.said.append(f"No pictures: they would be too large for a page of {len(samples):,} samples.")
    elif shown["side"] < shown["stored"]:
        writing.said.append(
            f"Pictures are {shown['side']} pixels wide, where the audit keeps {shown['stored']}: "
            f"what a page of {len(samples):,} samples has room for."
        )
    return shown
