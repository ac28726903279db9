"""The samples of one run for embedding-atlas, which draws millions of them where a browser has WebGPU.

embedding-atlas samples.parquet --x projection_x --y projection_y --neighbors neighbors --image image
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from spacewise import files
from spacewise.audits import Audit
from spacewise.explorer import facts, places
from spacewise.explorer.chips import Chips
from spacewise.explorer.pictures import as_image
from spacewise.explorer.samples import rows_of
from spacewise.report.retrieval import is_disjoint

GROUP = 4096  # samples that are written at once
NEIGHBOURS = pa.struct([("ids", pa.list_(pa.int64())), ("distances", pa.list_(pa.float64()))])
IMAGE = pa.struct([("bytes", pa.binary())])
OURS = ("projection_x", "projection_y", "neighbors", "image")


def write_atlas(audit: Audit, out: Path, *, space: str = "", seed: int = 0) -> Path:
    """Writes one Parquet row a sample: its columns, its place on the map, its nearest samples, its picture.

    Args:
        space: that is laid out; the first of the main ones where it is not given.
        seed: of the layout.

    Returns:
        The file. Columns: those of the audit's samples (predictions by name), then projection_x and projection_y,
        `neighbors` (a struct of ids, row numbers, and distances; where the samples are few enough to compare), `image`
        (a struct of bytes, PNG). A fact of one of these names gets ` of the source` behind it.

    Raises:
        InputError: an unknown space, fewer than 4 samples, a file that cannot be written.
    """
    space = space or audit.main_spaces[0]
    values, chips = audit.space(space), Chips(audit)
    points = places.tsne(audit, space, (), seed).points[None]
    near = facts.neighbours(audit, values, is_disjoint(audit))
    samples = rows_of(audit)
    if "prediction" in samples:
        samples["prediction"] = samples["prediction"].map(dict(enumerate(audit.classes)))
    samples = samples.rename(columns={name: f"{name} of the source" for name in OURS if name in samples})
    samples = samples.assign(projection_x=points[:, 0], projection_y=points[:, 1])
    whole = pa.Table.from_pandas(samples, preserve_index=False)
    schema = whole.schema.remove_metadata().append(pa.field("neighbors", NEIGHBOURS)).append(pa.field("image", IMAGE))
    with files.atomic(out) as partial, pq.ParquetWriter(partial, schema) as writer:
        for start in range(0, len(samples), GROUP):
            rows = range(start, min(start + GROUP, len(samples)))
            more = [_neighbours(near, rows), _images(chips, rows)]
            writer.write_table(pa.table([*whole.slice(start, len(rows)).columns, *more], schema=schema))
    return out


def _neighbours(near: tuple[np.ndarray, np.ndarray] | None, rows: range) -> pa.StructArray:
    distances, indices = near or (np.zeros((0, 0)), np.zeros((0, 0), int))
    found = []
    for row in rows:
        known = indices[row] >= 0 if row < len(indices) else np.zeros(0, bool)
        held = (
            {"ids": indices[row][known].tolist(), "distances": distances[row][known].tolist()} if len(known) else None
        )
        found.append(held)
    return pa.array(found, NEIGHBOURS)


def _images(chips: Chips, rows: range) -> pa.StructArray:
    return pa.array([{"bytes": _png(chips[row])} if row < len(chips) else None for row in rows], IMAGE)


def _png(chip: np.ndarray) -> bytes:
    stream = io.BytesIO()
    as_image(chip).save(stream, "PNG")
    return stream.getvalue()
