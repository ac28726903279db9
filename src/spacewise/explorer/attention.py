"""Attribution maps, where the run was explained: which images have them, and what each map rests on."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from spacewise.audits import Audit
from spacewise.explain.stored import FOLDER, open_explanation
from spacewise.explorer.blobs import Blobs

SIDE = 48
COLUMNS = 16


def maps(blobs: Blobs, audit: Audit, place: np.ndarray, table: pd.DataFrame) -> dict[str, Any] | None:
    """Attribution maps of the audited run, or None.

    Args:
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
    methods = list(explanation.facts["methods"])
    found: dict[str, Any] = {
        "samples": samples[known].astype(int).tolist(),
        "side": SIDE,
        "columns": COLUMNS,
        "methods": {name: blobs.add_picture(_sheet(explanation.maps(name)[known])) for name in methods},
        "weights": explanation.facts["weights"],
        "shares": None,
    }
    if explanation.has("regions"):
        found["shares"] = _shares(explanation.table("regions"), known)
    return found


def _shares(regions: pd.DataFrame, known: np.ndarray) -> dict[str, list[dict[str, Any]]]:
    """method -> one entry an image: region -> its share of the attribution, and of the area."""
    found: dict[str, list[dict[str, Any]]] = {}
    for method, rows in regions.groupby("method", sort=False):
        by_image = {image: each.set_index("region")[["share", "area"]] for image, each in rows.groupby("image")}
        found[str(method)] = [by_image[image].to_dict("index") if image in by_image else {} for image in known]
    return found


def _sheet(values: np.ndarray) -> bytes:
    """Maps (image, side, side) on one sheet, each from its least (black) to its largest value (white)."""
    lines = -(-len(values) // COLUMNS)
    sheet = Image.new("L", (COLUMNS * SIDE, max(lines, 1) * SIDE))
    for number, each in enumerate(values):
        low, high = float(each.min()), float(each.max())
        scaled = (255 * (each - low) / max(high - low, 1e-12)).astype(np.uint8)
        image = Image.fromarray(scaled).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        sheet.paste(image, (number % COLUMNS * SIDE, number // COLUMNS * SIDE))
    stream = io.BytesIO()
    sheet.save(stream, "WEBP", quality=75, method=4)
    return stream.getvalue()
