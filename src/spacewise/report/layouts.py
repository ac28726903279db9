"""t-SNE coordinates: costly, so computed once for a space and kept beside the audit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spacewise import files
from spacewise.measures import checks
from spacewise.measures.projection import tsne
from spacewise.progress import console
from spacewise.report import numbers

if TYPE_CHECKING:
    from spacewise.audits import Audit

LIMIT = 6000
"""Samples in one layout; of more, so many are drawn at random."""


def layout(audit: Audit, space: str, seed: int = 0) -> pd.DataFrame:
    """Coordinates of training and test samples in one plane, from `AUDIT/projections/tsne-SPACE.parquet`.

    Returns:
        row (in `samples` and in the space), x, y; and in every row alike: method, perplexity, seed, points,
        available (how many samples there were to choose from).

    Raises:
        InputError: an unknown space, fewer than 4 samples, a folder that cannot be written.
    """
    values = audit.space(space)
    seed = checks.whole("seed", seed, least=0, most=2**32 - 1)
    path = audit.folder / "projections" / f"tsne-{space}.parquet"
    if path.is_file():
        kept = pd.read_parquet(path)
        if int(kept["seed"].iloc[0]) == seed:
            return kept
    parts = audit.table("samples")["part"]
    available = np.flatnonzero(parts.isin(["train", "test"]))
    rows = available
    if len(available) > LIMIT:
        rows = np.sort(np.random.default_rng(seed).choice(available, LIMIT, replace=False))
    console.print(f"{audit.facts['run']}: t-SNE of {len(rows)} points of the {space} space", highlight=False)
    found = tsne(values[rows], seed=seed)
    table = pd.DataFrame({"row": rows, "x": found.points[:, 0], "y": found.points[:, 1]}).assign(
        method=found.method,
        perplexity=found.perplexity,
        seed=seed,
        points=len(rows),
        available=len(available),
    )
    files.write_table(path, table)
    return table


def placed(audit: Audit, space: str, seed: int) -> pd.DataFrame:
    """Samples that have a place: their facts with x and y; the index is still the row."""
    coordinates = layout(audit, space, seed).set_index("row")[["x", "y"]]
    return audit.table("samples").loc[coordinates.index].join(coordinates)


def made(audit: Audit, space: str, seed: int, part: str = "") -> str:
    """The words below every map: part, method, seed, number of points."""
    table = layout(audit, space, seed)
    first = table.iloc[0]
    parts = audit.table("samples").loc[table["row"], "part"].value_counts()
    held = f"{numbers.count(parts.get('test', 0))} test and {numbers.count(parts.get('train', 0))} training samples"
    chosen = ""
    if first["points"] < first["available"]:
        chosen = f", drawn at random from {numbers.count(first['available'])}"
    dimensions = audit.space(space).shape[1]
    return (
        f"t-SNE of the {space} space ({dimensions} dimensions): {held}{chosen}{part}. {first['method']}, "
        f"perplexity {first['perplexity']:g}, seed {first['seed']}. Neighbours mean something; the size of "
        "clusters and the distance between them do not."
    )
