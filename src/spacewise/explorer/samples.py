"""The samples of several runs as one list: those that runs share stand in it once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
import pandas as pd

from spacewise.audits import Audit
from spacewise.errors import InputError
from spacewise.explorer.chips import BLOCK, Chips

SOURCE = "source test"
"""The part of a transfer's source images."""

OF_THE_RUN = ("part", "target", "prediction", "confidence", "correct")
PREFIXES = ("score:", "silhouette:", "subset:", "first_hit@")

CELLS = 16  # of a picture's side, when two are compared
SAME = 4.0  # grey levels, of 255, that two are apart at most in the mean; two different chips of one vehicle: 5.6


def of_the_run(name: str) -> bool:
    """Whether a column says what a run made of the samples, rather than what they are."""
    return name in OF_THE_RUN or name.startswith(PREFIXES)


def rows_of(audit: Audit) -> pd.DataFrame:
    """The samples of an audit; of a transfer, the source's test images after those of the target."""
    samples = audit.table("samples")
    if not audit.has("source_samples"):
        return samples
    source = audit.table("source_samples")
    known = source["target"] >= 0
    source["correct"] = (source["prediction"] == source["target"]).where(known, None)
    source["confidence"] = audit.source_space("probability").max(axis=1)
    return pd.concat([samples, source.assign(part=SOURCE)], ignore_index=True)


@dataclass(frozen=True)
class Together:
    """The samples of all runs.

    Attributes:
        facts: (sample): id, label, and every fact that no two runs tell differently.
        places: one a run, (row of its audit): where it stands in `facts`.
        owner, row: (sample,) the first run that holds it, and its row there.
        differing: facts that runs tell differently.
    """

    facts: pd.DataFrame
    places: Sequence[np.ndarray]
    owner: np.ndarray
    row: np.ndarray
    differing: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.facts)

    def spread(self, run: int, values: np.ndarray | pd.Series) -> pd.Series:
        """A column of one run (row,) aligned with the samples of all; missing where the run has none."""
        found = pd.Series(values).reset_index(drop=True)
        return found.set_axis(self.places[run][: len(found)]).reindex(range(len(self)))

    def spread_array(self, run: int, values: np.ndarray, missing: float) -> np.ndarray:
        """The same for an array (row, …), of the run's first rows where it is shorter."""
        whole = np.full((len(self), *values.shape[1:]), missing, values.dtype)
        whole[self.places[run][: len(values)]] = values
        return whole


def together(tables: Sequence[pd.DataFrame], chips: Sequence[Chips], names: Sequence[str]) -> Together:
    """Lays the samples of several audits over one another: by id and, where an id has several pictures, by picture.

    Samples come in the order of the first run, then those that the second adds, and so on.

    Args:
        tables: from `rows_of`.
        chips: the pictures of their rows.
        names: of the runs, for an error.

    Raises:
        InputError: a run that shares no sample with those before it, or whose samples have other labels.
    """
    found = _Found(chips)
    for run, table in enumerate(tables):
        before = len(found.owner)
        found.add(run, table["id"].map(str).tolist())
        if run and found.places[run].min() >= before:
            raise InputError(
                f"{names[run]} shares no sample with {', '.join(names[:run])}: these are runs of different data; "
                "look at each by itself"
            )
    facts, differing = _facts(tables, found.places, names, len(found.owner))
    return Together(facts, found.places, found.owner, found.row, differing)


class _Found:
    """Samples found so far. `levels[n]` has those whose id n earlier samples have, too: id -> sample."""

    def __init__(self, chips: Sequence[Chips]) -> None:
        self.chips = chips
        self.places: list[np.ndarray] = []
        self.owner = self.row = np.zeros(0, np.int64)
        self.levels: list[dict[str, int]] = []

    def add(self, run: int, ids: Sequence[str]) -> None:
        """Finds the sample that each row of a run is: one that is known, or a new one."""
        place, level_of = np.full(len(ids), -1), np.full(len(ids), -1)
        pending = np.arange(len(ids))
        for level in count():
            if not len(pending):
                break
            if level == len(self.levels):
                self.levels.append({})
            asked = [ids[row] for row in pending.tolist()]
            sample = np.array([self.levels[level].get(each, -1) for each in asked])
            first = ~pd.Series(asked).duplicated().to_numpy()  # of the rows of one id, one at a time
            same = first & (sample >= 0)
            same[same] = self._looks_same(sample[same], run, pending[same])
            place[pending[same]] = sample[same]
            taken = same | (first & (sample < 0))
            level_of[pending[taken]] = level
            pending = pending[~taken]
        new = np.flatnonzero(place < 0)
        place[new] = len(self.owner) + np.arange(len(new))
        for row in new.tolist():
            self.levels[level_of[row]][ids[row]] = int(place[row])
        self.owner = np.concatenate([self.owner, np.full(len(new), run)])
        self.row = np.concatenate([self.row, new])
        self.places.append(place)

    def _looks_same(self, samples: np.ndarray, run: int, rows: np.ndarray) -> np.ndarray:
        """Whether samples have the pictures of a run's rows; where one is not kept, or of another size, the id says."""
        same, mine = np.ones(len(rows), bool), self.chips[run]
        for other in np.unique(self.owner[samples]):
            its = self.chips[other]
            both = (self.owner[samples] == other) & (self.row[samples] < len(its)) & (rows < len(mine))
            for pair in np.array_split(np.flatnonzero(both), both.sum() // BLOCK + 1) if its.side == mine.side else ():
                gaps = its.grey(self.row[samples[pair]], CELLS) - mine.grey(rows[pair], CELLS)
                same[pair] = np.abs(gaps).mean(axis=(1, 2)) <= SAME
        return same


def _facts(
    tables: Sequence[pd.DataFrame], places: Sequence[np.ndarray], names: Sequence[str], size: int
) -> tuple[pd.DataFrame, list[str]]:
    """(sample): what the runs say of the samples; and the names of what they say differently, which is left out."""
    facts, differing = pd.DataFrame(index=range(size)), set()
    for table, place, name in zip(tables, places, names, strict=True):
        own = table[[each for each in table if not of_the_run(str(each))]].set_axis(place, axis="index").astype(object)
        for column in [each for each in own if each in facts]:
            one, other = facts.loc[place, column], own[column]
            differ = one.notna() & other.notna() & (one != other)
            if differ.any() and column == "label":
                row = differ.index[differ.to_numpy()][0]
                raise InputError(
                    f"{name}: {facts.loc[row, 'id']} is of class '{other[row]}', in {names[0]} it is of class "
                    f"'{one[row]}'; these are runs of different data"
                )
            differing |= {str(column)} if differ.any() else set()
        facts = facts.combine_first(own)[[*facts, *(new for new in own if new not in facts)]]
    return facts.drop(columns=[each for each in facts if each in differing]), sorted(differing)
