"""Where each sample lies on each map of a run: t-SNE, principal components, class axes; one map an epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from spacewise.audits import Audit
from spacewise.measures.nearest import nearest_neighbours
from spacewise.report import layouts

TSNE, COMPONENTS = "t-SNE", "components"
NEAREST = 10  # of the laid out samples, between whose places the others are put
FITTED_ON = 20_000  # samples that principal components are computed from
BLOCK = 50_000


@dataclass(frozen=True)
class Map:
    """One space of one run in a plane.

    Attributes:
        space: its name.
        method: `t-SNE` or `components`.
        points: epoch (None: the weights that were audited) -> (row, 2) float32; NaN of a sample without a place.
        said: how it was made, in words.
    """

    space: str
    method: str
    points: Mapping[int | None, np.ndarray]
    said: str


def values_of(audit: Audit, space: str) -> np.ndarray:
    """One space (row, dimension) of every row of `samples.rows_of`; NaN of a source without that space."""
    values = audit.space(space)
    if not audit.has("source_samples"):
        return values
    count = len(audit.table("source_samples"))
    path = audit.folder / "source" / f"{space}.npy"
    source = np.load(path, mmap_mode="r") if path.is_file() else None
    if source is None or source.shape[1] != values.shape[1]:
        source = np.full((count, values.shape[1]), np.nan, np.float32)
    return np.concatenate([values, source])


def tsne(audit: Audit, space: str, seed: int) -> Map:
    """The map of a space by t-SNE of samples of all parts; above a limit, the others among their neighbours there."""
    values = values_of(audit, space)
    table = layouts.layout(audit, space, seed, fit="all", values=values)
    points = np.full((len(values), 2), np.nan, np.float32)
    laid = table["row"].to_numpy()
    points[laid] = table[["x", "y"]].to_numpy()
    first = table.iloc[0]
    said = f"{first['method']}, perplexity {first['perplexity']:g}, seed {first['seed']}"
    others = np.flatnonzero(np.isnan(points[:, 0]) & ~np.isnan(values[:, 0]))
    if len(others):
        points[others] = _among(values, laid, points[laid], others)
        said += (
            f", of {len(laid):,} samples drawn at random; the other {len(others):,} where their {NEAREST} nearest lie"
        )
    return Map(space, TSNE, {None: points}, said)


def _among(values: np.ndarray, laid: np.ndarray, points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(other, 2): the median of the places of the nearest that were laid out."""
    k = min(NEAREST, len(laid))
    found = np.empty((len(others), 2), np.float32)
    base = np.asarray(values[laid])
    for start in range(0, len(others), BLOCK):
        rows = others[start : start + BLOCK]
        _, nearest = nearest_neighbours(values[rows], base, k)
        found[start : start + BLOCK] = np.median(points[nearest], axis=1)
    return found


def components(audit: Audit, space: str, epochs: Mapping[int, np.ndarray], seed: int) -> Map:
    """The first two principal components of the audited weights' training samples, in units of their spread.

    The same axes at every kept epoch, so that points move as the network learns.

    Args:
        epochs: epoch -> the space (row, dimension) then.
    """
    values = values_of(audit, space)
    train = np.flatnonzero((audit.table("samples")["part"] == "train").to_numpy())
    rows = np.random.default_rng(seed).permutation(train)[:FITTED_ON]
    base = np.asarray(values[np.sort(rows)], np.float64)
    middle = base.mean(axis=0)
    _, sizes, axes = np.linalg.svd(base - middle, full_matrices=False)
    axes = np.pad(axes, ((0, max(0, 2 - len(axes))), (0, 0)))[:2]
    share = (sizes[:2] ** 2).sum() / max((sizes**2).sum(), 1e-30)
    spread = np.sqrt(((base - middle) ** 2).sum(axis=1).mean()) or 1.0
    points = {
        epoch: _projected(each, middle, axes / spread) for epoch, each in [(None, values), *sorted(epochs.items())]
    }
    said = f"first two principal components of training samples, {100 * share:.0f} % of their variance"
    return Map(space, COMPONENTS, points, said)


def _projected(values: np.ndarray, middle: np.ndarray, axes: np.ndarray) -> np.ndarray:
    blocks = [
        (np.asarray(values[start : start + BLOCK], np.float64) - middle) @ axes.T
        for start in range(0, len(values), BLOCK)
    ]
    return np.concatenate(blocks).astype(np.float32)


def extents(maps: Sequence[Map]) -> dict[str, float]:
    """method -> the largest distance from the origin along an axis, over all runs, spaces and epochs: one frame."""
    found: dict[str, float] = {}
    for each in maps:
        for points in each.points.values():
            largest = float(np.nanmax(np.abs(points), initial=0))
            found[each.method] = max(found.get(each.method, 1e-6), largest)
    return found
