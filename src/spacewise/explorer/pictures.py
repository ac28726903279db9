"""The pictures of the samples, many on a sheet, as small as the page needs them to be."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from spacewise.audits import Audit
from spacewise.explorer.blobs import Blobs, Reference
from spacewise.progress import track

SIDES = (64, 48, 32, 24, 16)
BUDGET = 28_000_000  # bytes of all pictures: a third more in base64
COLUMNS = 16  # pictures beside one another on a sheet
PER_SHEET = COLUMNS * COLUMNS
QUALITY = 60
TRIED = 4  # sheets whose size is taken for that of all
MOST = 250_000
"""Samples of a page with pictures."""


@dataclass(frozen=True)
class Shown:
    """Which picture a sample has: the audit that holds it, and its row there; -1 of a sample without one."""

    audits: Sequence[Audit]
    owner: np.ndarray
    row: np.ndarray


def sheets(blobs: Blobs, shown: Shown) -> Reference | None:
    """The pictures of all samples, in their order, on sheets of 16 x 16; None where there are none, or too many."""
    count = len(shown.owner)
    if count > MOST or not (shown.owner >= 0).any():
        return None
    chips = [audit.chips() for audit in shown.audits]
    stored = max(each.shape[1] for each in chips)
    starts = range(0, count, PER_SHEET)
    tried = [starts[i] for i in np.linspace(0, len(starts) - 1, min(TRIED, len(starts))).astype(int)]
    sides = [side for side in SIDES if side <= stored] or [SIDES[-1]]
    for side in sides:
        sizes = [len(_sheet(chips, shown, start, side)) for start in tried]
        if np.mean(sizes) * len(starts) <= BUDGET:
            break
    parts = [blobs.add_picture(_sheet(chips, shown, start, side)) for start in track(starts, "pictures", len(starts))]
    return {"side": side, "stored": stored, "columns": COLUMNS, "per_sheet": PER_SHEET, "sheets": parts}


def _sheet(chips: Sequence[np.ndarray], shown: Shown, start: int, side: int) -> bytes:
    """One sheet as WebP."""
    owners, rows = (each[start : start + PER_SHEET] for each in (shown.owner, shown.row))
    lines = -(-len(owners) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * side, lines * side))
    for number, (owner, row) in enumerate(zip(owners, rows, strict=True)):
        if owner < 0:
            continue
        picture = chips[owner][row]
        image = Image.fromarray(picture[..., 0] if picture.shape[2] == 1 else picture)
        if image.size != (side, side):
            image = image.resize((side, side), Image.Resampling.BOX)
        sheet.paste(image, (number % COLUMNS * side, number // COLUMNS * side))
    stream = io.BytesIO()
    sheet.save(stream, "WEBP", quality=QUALITY, method=4)
    return stream.getvalue()
