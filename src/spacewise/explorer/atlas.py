"""The samples of one run for embedding-atlas, which draws millions of them where a browser has WebGPU.

embedding-atlas samples.parquet --x projection_x --y projection_y --neighbors neighbors --image image
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from spacewise import files
from spacewise.audits import Audit
from spacewise.explorer import facts, places
from spacewise.explorer.samples import rows_of
from spacewise.report.retrieval import is_disjoint

GROUP = 4096  # samples that are written at once


def write_atlas(audit: Audit, out: Path, *, space: str = "", seed: int = 0) -> Path:
    """Writes one Parquet row a sample: its columns, its place on the map, its nearest samples, its picture.

    Args:
        space: that is laid out; the first of the main ones where it is not given.
        seed: of the layout.

    Returns:
        The file. Columns: those of the audit's samples, then projection_x and projection_y, `neighbors` (a struct of
        ids, row numbers, and distances; where the samples are few enough to compare), `image` (a struct of bytes, PNG).

    Raises:
        InputError: an unknown space, fewer than 4 samples, a file that cannot be written.
    """
    space = space or audit.main_spaces[0]
    samples = rows_of(audit)
    points = places.tsne(audit, space, seed).points[None]
    near = facts.neighbours(audit, audit.space(space), is_disjoint(audit))
    whole = pa.Table.from_pandas(
        samples.assign(projection_x=points[:, 0], projection_y=points[:, 1]), preserve_index=False
    )
    chips = audit.chips()
    with files.atomic(out) as partial:
        writer: pq.ParquetWriter | None = None
        for start in range(0, len(samples), GROUP):
            rows = range(start, min(start + GROUP, len(samples)))
            table = whole.slice(start, len(rows))
            if near is not None:
                table = table.append_column("neighbors", _neighbours(near, rows))
            table = table.append_column("image", _images(chips, rows))
            writer = writer or pq.ParquetWriter(partial, table.schema)
            writer.write_table(table)
        if writer is not None:
            writer.close()
    return out


def _neighbours(near: tuple[np.ndarray, np.ndarray], rows: range) -> pa.StructArray:
    distances, indices = near
    found = []
    for row in rows:
        known = indices[row] >= 0 if row < len(indices) else np.zeros(0, bool)
        found.append(
            {"ids": indices[row][known].tolist(), "distances": distances[row][known].tolist()} if len(known) else None
        )
    return pa.array(found, pa.struct([("ids", pa.list_(pa.int64())), ("distances", pa.list_(pa.float64()))]))


def _images(chips: np.ndarray, rows: range) -> pa.StructArray:
    found = [{"bytes": _png(chips[row])} if row < len(chips) else None for row in rows]
    return pa.array(found, pa.struct([("bytes", pa.binary())]))


def _png(chip: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(chip[..., 0] if chip.shape[2] == 1 else chip).save(stream, "PNG")
    return stream.getvalue()
