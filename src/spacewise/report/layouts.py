"""Coordinates of maps: costly, so computed once for a space and a method and kept beside the audit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spacewise import files
from spacewise.errors import unknown
from spacewise.measures import checks
from spacewise.measures.planes import METHODS, lay_out
from spacewise.measures.projection import Projection, tsne
from spacewise.progress import console
from spacewise.report import numbers

if TYPE_CHECKING:
    from spacewise.audits import Audit

FITS = ("both", "train", "all")
LIMIT = 6000
"""Samples in one layout; of more, so many are drawn at random."""


def layout(
    audit: Audit,
    space: str,
    seed: int = 0,
    method: str = "tsne",
    fit: str = "both",
    values: np.ndarray | None = None,
) -> pd.DataFrame:
    """Coordinates of training and test samples in one plane, from `AUDIT/projections/METHOD-SPACE.parquet`.

    Args:
        method: `tsne`, `umap` or `pacmap`.
        fit: `both`: the plane is fitted on training and test samples together; `train`: on training samples alone,
            and the test samples are placed in it (`METHOD-train-SPACE.parquet`); `all`: on samples of every part
            (`METHOD-all-SPACE.parquet`), the same as `both` where there are no other parts.
        values: (row, dimension): those of `all`, where more than the audit's own samples are laid out; rows that are
            NaN have no place.

    Returns:
        row (in `samples` and in the space), x, y; and in every row alike: method, perplexity, seed, points,
        available (how many samples there were to choose from).

    Raises:
        InputError: an unknown space, fewer than 4 samples, a folder that cannot be written.
    """
    values = audit.space(space) if values is None else values
    for name, known in ((method, METHODS), (fit, FITS)):
        if name not in known:
            raise unknown("method of a map" if known is METHODS else "fit of a map", name, known)
    seed = checks.whole("seed", seed, least=0, most=2**32 - 1)
    parts = audit.table("samples")["part"]
    available = np.flatnonzero(parts.isin(["train", "test"]))
    if fit == "all":
        everyone = np.flatnonzero(~np.isnan(values[:, 0]))
        fit = "both" if np.array_equal(everyone, available) else "all"
        available = everyone
    path = audit.folder / "projections" / f"{method}-{'' if fit == 'both' else f'{fit}-'}{space}.parquet"
    kept = _kept(path, seed)
    if kept is not None:
        return kept
    rows = available
    if len(available) > LIMIT:
        rows = np.sort(np.random.default_rng(seed).choice(available, LIMIT, replace=False))
    name = METHODS[method]
    console.print(f"{audit.facts['run']}: {name} of {len(rows)} points of the {space} space", highlight=False)
    if fit == "train":
        trained = parts.to_numpy()[rows] == "train"
        rows = np.concatenate([rows[trained], rows[~trained]])
        base = values[rows[: trained.sum()]]
        found = lay_out(method, values[rows], seed=seed, train=base)
    else:
        found = lay_out(method, values[rows], seed=seed)
    return _written(path, rows, found, seed, len(available))


def layout_at(audit: Audit, space: str, epoch: int, values: np.ndarray, later: pd.DataFrame) -> pd.DataFrame:
    """The same by t-SNE at a kept epoch, from `AUDIT/projections/tsne-all-SPACE-epochEPOCH.parquet`.

    Args:
        epoch: a kept one.
        values: (row, dimension) then; rows that are NaN have no place.
        later: the table of the same samples at the epoch after it, or of the audited weights: points start there.

    Raises:
        InputError: fewer than 4 samples, a folder that cannot be written.
    """
    seed = int(later["seed"].iloc[0])
    path = audit.folder / "projections" / f"tsne-all-{space}-epoch{epoch}.parquet"
    kept = _kept(path, seed)
    if kept is not None:
        return kept
    later = later[~np.isnan(values[later["row"], 0])]
    rows = later["row"].to_numpy()
    console.print(
        f"{audit.facts['run']}: {METHODS['tsne']} of {len(rows)} points of the {space} space at epoch {epoch}",
        highlight=False,
    )
    found = tsne(values[rows], seed=seed, start=later[["x", "y"]].to_numpy())
    return _written(path, rows, found, seed, int(later["available"].iloc[0]))


def _kept(path: Path, seed: int) -> pd.DataFrame | None:
    """The table that was made with this seed, if there is one."""
    kept = pd.read_parquet(path) if path.is_file() else None
    return kept if kept is not None and int(kept["seed"].iloc[0]) == seed else None


def _written(path: Path, rows: np.ndarray, found: Projection, seed: int, available: int) -> pd.DataFrame:
    table = pd.DataFrame({"row": rows, "x": found.points[:, 0], "y": found.points[:, 1]}).assign(
        method=found.method,
        perplexity=found.perplexity,
        seed=seed,
        points=len(rows),
        available=available,
    )
    files.write_table(path, table)
    return table


def placed(audit: Audit, space: str, seed: int, method: str = "tsne", fit: str = "both") -> pd.DataFrame:
    """Samples that have a place: their facts with x and y; the index is still the row."""
    coordinates = layout(audit, space, seed, method, fit).set_index("row")[["x", "y"]]
    return audit.table("samples").loc[coordinates.index].join(coordinates)


def made(audit: Audit, space: str, seed: int, part: str = "", method: str = "tsne", fit: str = "both") -> str:
    """The words below every map: part, method, seed, number of points."""
    table = layout(audit, space, seed, method, fit)
    first = table.iloc[0]
    parts = audit.table("samples").loc[table["row"], "part"].value_counts()
    held = f"{numbers.count(parts.get('test', 0))} test and {numbers.count(parts.get('train', 0))} training samples"
    chosen = ""
    if first["points"] < first["available"]:
        chosen = f", drawn at random from {numbers.count(first['available'])}"
    dimensions = audit.space(space).shape[1]
    perplexity = f"perplexity {first['perplexity']:g}, " if pd.notna(first["perplexity"]) else ""
    return (
        f"{METHODS[method]} of the {space} space ({dimensions} dimensions): {held}{chosen}{part}. {first['method']}, "
        f"{perplexity}seed {first['seed']}. Neighbours mean something; the size of "
        "clusters and the distance between them do not."
    )
