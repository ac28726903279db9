"""Attribution maps, where the run was explained: which images have them, and what each map rests on."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from spacewise.audits import Audit
from spacewise.explain.stored import FOLDER, open_explanation
from spacewise.explorer.blobs import Blobs
from spacewise.explorer.pictures import encoded

SIDE = 48
COLUMNS = 16  # maps beside one another; more where the sheet would be higher than wide: WebP ends at 16,383 pixels
QUALITY = 75


def maps(blobs: Blobs, audit: Audit, place: np.ndarray, table: pd.DataFrame) -> dict[str, Any] | None:
    """Attribution maps of the audited run, or None.

    Args:
        blobs: takes the sheets.
        audit: of the run's own data: others were not explained.
        place: (row,) where the rows of the audit stand among all samples.
        table: the rows.
    """
    folder = audit.folder.parent / FOLDER
    if audit.folder.name != "audit" or not (folder / "explanation.json").is_file():
        return None
    explanation = open_explanation(folder)
    ids = explanation.table("samples")["id"].map(str)
    where = pd.Series(place, index=table["id"].map(str)).groupby(level=0).first()
    samples = where.reindex(ids).to_numpy()
    known = np.flatnonzero(~np.isnan(samples))
    columns = max(COLUMNS, math.isqrt(len(known)) + 1)
    methods = list(explanation.facts["methods"])
    return {
        "samples": samples[known].astype(int).tolist(),
        "side": SIDE,
        "columns": columns,
        "methods": {name: blobs.add_picture(_sheet(explanation.maps(name)[known], columns)) for name in methods},
        "weights": explanation.facts["weights"],
        "shares": _shares(explanation.table("regions"), known) if explanation.has("regions") else None,
    }


def _shares(regions: pd.DataFrame, known: np.ndarray) -> dict[str, list[dict[str, Any]]]:
    """method -> one entry an image: region -> its share of the attribution, and of the area."""
    at = {int(image): place for place, image in enumerate(known)}
    found: dict[str, list[dict[str, Any]]] = {str(method): [{} for _ in known] for method in regions["method"].unique()}
    columns = ("method", "image", "region", "share", "area")
    for method, image, region, share, area in zip(*(regions[name] for name in columns), strict=True):
        if image in at:
            found[str(method)][at[image]][str(region)] = {"share": float(share), "area": float(area)}
    return found


def _sheet(values: np.ndarray, columns: int) -> bytes:
    """Maps (image, side, side) on one sheet, each from its least (black) to its largest value (white)."""
    lines = -(-len(values) // columns)
    sheet = Image.new("L", (columns * SIDE, max(lines, 1) * SIDE))
    for number, each in enumerate(values):
        low, high = float(each.min()), float(each.max())
        scaled = (255 * (each - low) / max(high - low, 1e-12)).astype(np.uint8)
        image = Image.fromarray(scaled).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        sheet.paste(image, (number % columns * SIDE, number // columns * SIDE))
    return encoded(sheet, QUALITY)
