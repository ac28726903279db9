"""What is found in the pictures and the predictions of an audit: copies, suspected label errors, nearest samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from spacewise.audits import Audit
from spacewise.check.looks import SIDE
from spacewise.check.twins import Groups, alike
from spacewise.explorer.chips import Chips
from spacewise.measures.label_errors import suspected
from spacewise.measures.nearest import nearest_neighbours

NEIGHBOURS = 8
MOST = 200_000  # samples: above, comparing all of them takes hours
MOST_PICTURES = 100_000  # 400 MB of thumbnails
CLUSTERED_ON = 20_000
BLOCK = 50_000


def copies(chips: Sequence[Chips], owner: np.ndarray, row: np.ndarray) -> np.ndarray | None:
    """Which samples look the same, also after a flip or turn: the number of their group from 1, 0 of all others.

    Args:
        chips: one a run.
        owner, row: (sample,) the run whose picture a sample has, and its row there.

    Returns:
        (sample,); None where there are too many samples, or too many that look alike, to compare.
    """
    if len(owner) > MOST_PICTURES:
        return None
    thumbnails = np.zeros((len(owner), SIDE, SIDE), np.float32)
    for number, each in enumerate(chips):
        mine = np.flatnonzero((owner == number) & (row < len(each)))
        thumbnails[mine] = each.grey(row[mine], SIDE)
    groups = Groups(len(owner))
    firsts: dict[bytes, int] = {}
    for index in np.flatnonzero(np.ptp(thumbnails.reshape(len(owner), -1), axis=1) > 0):  # empty ones are all alike
        groups.join(int(index), firsts.setdefault(thumbnails[index].tobytes(), int(index)))
    looked = np.array([*firsts.values()], np.int64)
    pairs = alike(list(thumbnails[looked]))
    if pairs is None:
        return None
    for one, other in pairs:
        groups.join(int(looked[one]), int(looked[other]))
    numbers = np.zeros(len(owner), np.int64)
    for number, members in enumerate(groups.members(), start=1):
        numbers[members] = number
    return numbers


def clusters(values: np.ndarray, count: int, seed: int) -> pd.Series:
    """Which of so many clusters a row falls into: `1`, the largest, and so on; missing of a row without values.

    K-means of vectors (row, dimension) on up to `CLUSTERED_ON` of them, drawn at random.
    """
    from sklearn.cluster import KMeans  # seconds to import

    known = np.flatnonzero(~np.isnan(values[:, 0]))
    some = np.sort(np.random.default_rng(seed).permutation(known)[:CLUSTERED_ON])
    distinct = len(np.unique(values[some], axis=0))
    fitted = KMeans(min(count, distinct), n_init=3, random_state=seed).fit(np.asarray(values[some], np.float32))
    found = np.concatenate(
        [
            fitted.predict(np.asarray(values[rows], np.float32))
            for rows in np.array_split(known, 1 + len(known) // BLOCK)
        ]
    )
    rank = np.empty(fitted.n_clusters, np.int64)
    rank[np.argsort(-np.bincount(found, minlength=len(rank)), kind="stable")] = np.arange(1, len(rank) + 1)
    return pd.Series(rank[found], index=known).map(str).reindex(range(len(values)))


def suspects(audit: Audit, samples: pd.DataFrame) -> pd.Series:
    """Samples whose label is suspected to be wrong (bool, missing where the network does not know the class).

    Each part by itself: of those that it has learnt, a network is surer.

    Args:
        samples: those of the audit, with `part` and `target`.
    """
    found = pd.Series(pd.NA, index=samples.index, dtype=object)
    probabilities = audit.space("probability")
    known = samples[samples["target"] >= 0]
    for _, part in known.groupby("part"):
        found[part.index] = suspected(np.asarray(probabilities[part.index]), part["target"].to_numpy())
    return found


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
