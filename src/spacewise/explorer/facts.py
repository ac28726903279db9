"""What is found in the pictures and the predictions of an audit: copies, suspected label errors, nearest samples."""

from __future__ import annotations

import numpy as np
import pandas as pd

from spacewise.audits import Audit
from spacewise.check.twins import Groups, alike
from spacewise.measures.label_errors import suspected
from spacewise.measures.nearest import nearest_neighbours

NEIGHBOURS = 8
MOST = 200_000  # samples: above, comparing all of them takes hours
THUMBNAIL = 32


def copies(chips: np.ndarray) -> np.ndarray:
    """Which samples look the same, also after a flip or turn: the number of their group from 1, 0 of all others.

    Args:
        chips: (sample, side, side, band) uint8.
    """
    side = chips.shape[1]
    edges = np.linspace(0, side, THUMBNAIL + 1).astype(int)[:-1]
    thumbnails = np.stack([_thumbnail(chip, edges) for chip in chips])
    looked = np.flatnonzero(
        np.ptp(thumbnails.reshape(len(chips), -1), axis=1) > 0
    )  # an empty picture is like any other
    groups = Groups(len(chips))
    for one, other in alike(list(thumbnails[looked])) or []:
        groups.join(looked[one], looked[other])
    numbers = np.zeros(len(chips), np.int64)
    for number, members in enumerate(groups.members(), start=1):
        numbers[members] = number
    return numbers


def _thumbnail(chip: np.ndarray, edges: np.ndarray) -> np.ndarray:
    grey = chip.astype(np.float32).mean(axis=2)
    return np.add.reduceat(np.add.reduceat(grey, edges, axis=0), edges, axis=1)


def suspects(audit: Audit, samples: pd.DataFrame) -> pd.Series:
    """Samples whose label is suspected to be wrong (bool, missing where the network does not know the class)."""
    known = samples.index[samples["target"].to_numpy() >= 0]
    labels = samples.loc[known, "target"].to_numpy()
    found = suspected(np.asarray(audit.space("probability")[known]), labels)
    return pd.Series(found, index=known, dtype=object).reindex(samples.index)


def neighbours(audit: Audit, values: np.ndarray, by_retrieval: bool) -> tuple[np.ndarray, np.ndarray] | None:
    """For every row its nearest training samples (of retrieval: of its own part), never itself.

    Returns:
        Distances (row, k) float32 and rows (row, k), -1 where there are fewer; None above `MOST` rows.
    """
    if len(values) > MOST:
        return None
    parts = audit.table("samples")["part"].to_numpy()
    distances = np.full((len(values), NEIGHBOURS), np.inf, np.float32)
    rows = np.full((len(values), NEIGHBOURS), -1)
    for part in np.unique(parts):
        mine = np.flatnonzero(parts == part)
        gallery = mine if by_retrieval or part == "train" else np.flatnonzero(parts == "train")
        own = gallery is mine
        k = min(NEIGHBOURS, len(gallery) - own)
        if k < 1:
            continue
        found, nearest = nearest_neighbours(values[mine], np.asarray(values[gallery]), k, exclude_self=own)
        distances[mine, :k], rows[mine, :k] = found, gallery[nearest]
    return distances, rows
