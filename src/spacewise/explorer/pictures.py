"""The pictures of the samples, many on a sheet, as small as the page needs them to be."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from spacewise.explorer.blobs import Blobs, Reference
from spacewise.explorer.chips import Chips
from spacewise.progress import track

SIDES = (64, 48, 32, 24, 16)
BUDGET = 28_000_000  # bytes of all pictures: a third more in base64
COLUMNS = 16  # pictures beside one another on a sheet
PER_SHEET = COLUMNS * COLUMNS
QUALITY = 60
TRIED = 4  # sheets whose size is taken for that of all
MOST = 250_000
"""Samples of a page with pictures."""


def sheets(blobs: Blobs, chips: Sequence[Chips], owner: np.ndarray, row: np.ndarray) -> Reference | None:
    """The pictures of all samples, in their order, on sheets of 16 x 16; None where they are too many.

    Args:
        blobs: takes the sheets.
        chips: one a run.
        owner, row: (sample,) the run whose picture a sample has, and its row there.
    """
    count = len(owner)
    if count > MOST:
        return None
    stored = max(each.side for each in chips)
    starts = range(0, count, PER_SHEET)
    tried = [starts[i] for i in np.linspace(0, len(starts) - 1, min(TRIED, len(starts))).astype(int)]
    sides = [side for side in SIDES if side <= stored] or [SIDES[-1]]

    def sheet(start: int, side: int) -> bytes:
        return _sheet(chips, owner[start : start + PER_SHEET], row[start : start + PER_SHEET], side)

    for side in sides:
        if np.mean([len(sheet(start, side)) for start in tried]) * len(starts) <= BUDGET:
            break
    parts = [blobs.add_picture(sheet(start, side)) for start in track(starts, "pictures", len(starts))]
    return {"side": side, "stored": stored, "columns": COLUMNS, "per_sheet": PER_SHEET, "sheets": parts}


def _sheet(chips: Sequence[Chips], owners: np.ndarray, rows: np.ndarray, side: int) -> bytes:
    """One sheet as WebP; black where a picture was not kept."""
    lines = -(-len(owners) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * side, lines * side))
    for number, (owner, row) in enumerate(zip(owners, rows, strict=True)):
        if row >= len(chips[owner]):
            continue
        image = as_image(chips[owner][row])
        if image.size != (side, side):
            image = image.resize((side, side), Image.Resampling.BOX)
        sheet.paste(image, (number % COLUMNS * side, number // COLUMNS * side))
    return encoded(sheet, QUALITY)


def as_image(picture: np.ndarray) -> Image.Image:
    """A picture (side, side, band) uint8, grey or in colours."""
    return Image.fromarray(picture[..., 0] if picture.shape[2] == 1 else picture)


def encoded(sheet: Image.Image, quality: int) -> bytes:
    """A sheet as WebP."""
    stream = io.BytesIO()
    sheet.save(stream, "WEBP", quality=quality, method=4)
    return stream.getvalue()
