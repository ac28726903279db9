"""The samples of several runs as one list: those that runs share stand in it once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from spacewise.audits import Audit
from spacewise.errors import InputError

SOURCE = "source test"
"""The part of a transfer's source images."""

OF_THE_RUN = ("part", "target", "prediction", "confidence", "correct", "suspect")
PREFIXES = ("score:", "silhouette:", "subset:", "first_hit@")


def of_the_run(name: str) -> bool:
    """Whether a column says what a run made of the samples, rather than what they are."""
    return name in OF_THE_RUN or name.startswith(PREFIXES)


def rows_of(audit: Audit) -> pd.DataFrame:
    """The samples of an audit; of a transfer, the source's test images after those of the target."""
    samples = audit.table("samples")
    if not audit.has("source_samples"):
        return samples
    source = audit.table("source_samples")
    return pd.concat([samples, source.assign(part=SOURCE)], ignore_index=True)


@dataclass(frozen=True)
class Together:
    """The samples of all runs.

    Attributes:
        facts: (sample): id, label, and every fact that is the same in all runs.
        places: one a run, (row of its audit): where it stands in `facts`.
    """

    facts: pd.DataFrame
    places: Sequence[np.ndarray]

    def __len__(self) -> int:
        return len(self.facts)

    def spread(self, run: int, values: np.ndarray | pd.Series) -> pd.Series:
        """A column of one run (row,) aligned with the samples of all; missing where the run has none."""
        found = pd.Series(values).reset_index(drop=True)
        return found.set_axis(self.places[run]).reindex(range(len(self)))

    def spread_array(self, run: int, values: np.ndarray, missing: float) -> np.ndarray:
        """The same for an array (row, …)."""
        whole = np.full((len(self), *values.shape[1:]), missing, values.dtype)
        whole[self.places[run]] = values
        return whole


def together(tables: Sequence[pd.DataFrame], names: Sequence[str]) -> Together:
    """Lays the samples of several audits over one another, by id.

    Args:
        tables: from `rows_of`.
        names: of the runs, for an error.

    Raises:
        InputError: runs that share ids but not the labels of them.
    """
    keys = [_keys(table) for table in tables]
    order = pd.Index(np.concatenate([key.to_numpy() for key in keys])).unique()
    places = [order.get_indexer(pd.Index(key)) for key in keys]
    facts: pd.DataFrame | None = None
    for table, place, name in zip(tables, places, names, strict=True):
        own = table[[column for column in table if not of_the_run(str(column))]]
        own = own.set_axis(place, axis="index")
        if facts is None:
            facts = own.reindex(range(len(order)))
            continue
        both = own.index.intersection(facts.index[facts["id"].notna()])
        differ = facts.loc[both, "label"].fillna("") != own.loc[both, "label"].fillna("")
        if differ.any():
            row = differ.index[differ][0]
            raise InputError(
                f"{name}: {facts.loc[row, 'id']} is of class {own.loc[row, 'label']}, "
                f"in {names[0]} it is of class {facts.loc[row, 'label']}; these are runs of different data"
            )
        facts = facts.combine_first(own.reindex(facts.index))[[*facts, *(new for new in own if new not in facts)]]
    return Together(facts if facts is not None else pd.DataFrame(), places)


def _keys(table: pd.DataFrame) -> pd.Series:
    """What a sample is known by: its id or, where parts of other data repeat ids, part and id."""
    ids = table["id"].map(str)
    return ids if ids.is_unique else table["part"].map(str) + "\0" + ids
