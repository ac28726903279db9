"""The pictures of an audit's rows, read some at a time."""

from __future__ import annotations

import numpy as np

from spacewise.audits import Audit

BLOCK = 2048  # pictures in memory at once


class Chips:
    """The pictures of the rows of `samples.rows_of`: those of the samples, of a transfer then those of its source."""

    def __init__(self, audit: Audit) -> None:
        self._parts = [audit.chips()]
        if audit.has("source_samples") and audit.has_source_chips():
            self._parts.append(audit.source_chips())
        self._starts = np.cumsum([0, *map(len, self._parts)])

    def __len__(self) -> int:
        """How many rows have a picture: the first ones."""
        return int(self._starts[-1])

    def __getitem__(self, row: int) -> np.ndarray:
        """One picture (side, side, band) uint8."""
        part = int(np.searchsorted(self._starts, row, side="right")) - 1
        return np.asarray(self._parts[part][row - self._starts[part]])

    @property
    def side(self) -> int:
        """Height and width of the pictures."""
        return int(self._parts[0].shape[1])

    def grey(self, rows: np.ndarray, side: int) -> np.ndarray:
        """Pictures (row, side, side) float32 in cells: the mean of each, and of the bands, 0 to 255."""
        found = np.empty((len(rows), side, side), np.float32)
        for start in range(0, len(rows), BLOCK):
            some = rows[start : start + BLOCK]
            for first, part in zip(self._starts, self._parts, strict=False):
                mine = np.flatnonzero((some >= first) & (some < first + len(part)))
                found[start + mine] = _cells(part[some[mine] - first], side)
        return found


def _cells(pictures: np.ndarray, side: int) -> np.ndarray:
    """Pictures (picture, height, width, band) as (picture, side, side): means of cells of about one size."""
    grey = pictures[..., 0].astype(np.float32) if pictures.shape[3] == 1 else pictures.mean(axis=3, dtype=np.float32)
    rows, columns = (_means(length, side) for length in grey.shape[1:])
    return rows.T @ (grey @ columns)


def _means(length: int, cells: int) -> np.ndarray:
    """(length, cells) what a line is multiplied with to get the means of its cells."""
    edges = np.linspace(0, length, cells + 1).astype(int)
    places = np.arange(length)[:, None]
    held = (places >= edges[:-1]) & (places < np.maximum(edges[1:], edges[:-1] + 1))
    return (held / held.sum(axis=0)).astype(np.float32)
