"""Where each sample lies on each map of a run: t-SNE and principal components; one map an epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from spacewise.audits import Audit
from spacewise.measures.nearest import nearest_neighbours
from spacewise.measures.projection import STEPS
from spacewise.report import layouts

TSNE, COMPONENTS = "t-SNE", "components"
NEAREST = 10  # of the laid out samples, between whose places the others are put
FITTED_ON = 20_000  # samples that principal components are computed from
NUMBERS = 50_000_000  # and of wide spaces, numbers: 200 MB
BLOCK = 50_000
LEAST = 1e-6  # extent of a map in which all points coincide


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


def values_of(audit: Audit, space: str, epoch: int | None = None) -> np.ndarray:
    """One space (row, dimension) of every row of `samples.rows_of`; NaN of a source without that space, or epoch.

    Args:
        epoch: a kept one; the audited weights where it is None.
    """
    values = audit.space(space) if epoch is None else audit.space_at(space, epoch)
    if not audit.has("source_samples"):
        return values
    count = len(audit.table("source_samples"))
    path = audit.folder / "source" / f"{space}.npy"
    source = np.load(path, mmap_mode="r") if epoch is None and path.is_file() else None
    if source is None or source.shape[1] != values.shape[1]:
        source = np.full((count, values.shape[1]), np.nan, values.dtype)
    return np.concatenate([values, source])


def tsne(audit: Audit, space: str, epochs: Sequence[int], seed: int) -> Map:
    """The map of a space by t-SNE of samples of all parts; above a limit, the others among their neighbours there.

    Each kept epoch from the places of the one after it, the last from those of the audited weights: so that points
    move as little as their neighbourhoods let them.

    Args:
        epochs: those of the kept ones that are laid out.
    """
    values = values_of(audit, space)
    table = layouts.layout(audit, space, seed, fit="all", values=values)
    first, laid = table.iloc[0], len(table)
    points: dict[int | None, np.ndarray] = {None: _everyone(values, table)}
    others = int((~np.isnan(points[None][:, 0])).sum()) - laid
    for epoch in sorted(epochs, reverse=True):
        then = np.asarray(values_of(audit, space, epoch), np.float32)
        table = layouts.layout_at(audit, space, epoch, then, table)
        points[epoch] = _everyone(then, table)
    said = f"{first['method']}, perplexity {first['perplexity']:g}, seed {first['seed']}"
    if others:
        said += f", of {laid:,} samples drawn at random; the other {others:,} where their {NEAREST} nearest lie"
    if epochs:
        said += f"; each epoch {STEPS} steps from the places of the one after it"
    return Map(space, TSNE, {epoch: _in_scale(each) for epoch, each in points.items()}, said)


def _in_scale(points: np.ndarray) -> np.ndarray:
    """The same places about their mean, in units of their spread: the size of a layout means nothing."""
    centred = points - np.nanmean(points, axis=0)
    return centred / max(float(np.sqrt(np.nanmean(centred**2))), LEAST)


def _everyone(values: np.ndarray, table: pd.DataFrame) -> np.ndarray:
    """(row, 2): the places of the table, and of all other rows that have values, among them."""
    points = np.full((len(values), 2), np.nan, np.float32)
    laid = table["row"].to_numpy()
    points[laid] = table[["x", "y"]].to_numpy()
    others = np.flatnonzero(np.isnan(points[:, 0]) & ~np.isnan(values[:, 0]))
    if len(others):
        points[others] = _among(values, laid, points[laid], others)
    return points


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


def components(audit: Audit, space: str, epochs: Sequence[int], seed: int) -> Map:
    """The first two principal components of the audited weights' training samples, in units of their spread.

    The same axes at every kept epoch, so that points move as the network learns.

    Args:
        epochs: those of the kept ones that are shown.
        seed: of the choice among many training samples.
    """
    from sklearn.decomposition import PCA  # seconds to import

    values = values_of(audit, space)
    train = np.flatnonzero((audit.table("samples")["part"] == "train").to_numpy())
    most = max(2, min(FITTED_ON, NUMBERS // values.shape[1]))
    rows = np.sort(np.random.default_rng(seed).permutation(train)[:most])
    base = np.asarray(values[rows], np.float32)
    with np.errstate(invalid="ignore"):  # shares of no variance at all
        fitted = PCA(min(2, *base.shape), random_state=seed).fit(base)
    spread = float(np.sqrt(base.var(axis=0, dtype=np.float64).sum())) or 1.0
    axes = np.zeros((2, base.shape[1]))
    axes[: len(fitted.components_)] = fitted.components_ / spread
    points = {
        epoch: _projected(values_of(audit, space, epoch), fitted.mean_, axes) for epoch in (None, *sorted(epochs))
    }
    share = 100 * np.nan_to_num(fitted.explained_variance_ratio_).sum()
    said = f"first two principal components of training samples, {share:.0f} % of their variance"
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
        largest = max(float(np.nanmax(np.abs(points), initial=0)) for points in each.points.values())
        found[each.method] = max(found.get(each.method, LEAST), largest)
    return found
