"""An archive that is one of the house's own sources: its labels and facts become columns."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa

from spacewise.archive.taking import BATCH, Batch, OtherBands, Takes, batch_of, batch_of_slab, one_by_one, taken, tried
from spacewise.errors import InputError
from spacewise.sources.source import Source


@dataclass(frozen=True)
class Held:
    """A source, whose facts are in memory; its images are not."""

    path: str
    source: Source
    takes: Takes

    @property
    def kind(self) -> str:
        return self.source.name

    @cached_property
    def schema(self) -> pa.Schema:
        return pa.Schema.from_pandas(self._facts, preserve_index=False).remove_metadata()

    @cached_property
    def _facts(self) -> pd.DataFrame:
        """With what is neither number nor text as text."""
        facts = self.source.facts
        odd = [name for name in facts if facts[name].dtype.kind not in "fiub" and name not in ("id", "label")]
        return facts.astype(dict.fromkeys(odd, "string"))

    def listing(self) -> Iterator[pa.Table]:
        yield pa.Table.from_pandas(self._facts, self.schema, preserve_index=False)

    def columns(self, rows: pa.Table) -> pa.Table:
        return rows.drop_columns(["row"])

    def one(self, rows: pa.Table, place: int) -> np.ndarray | None:
        row = rows["row"][place].as_py()
        return taken(self.source.read(row), self.takes, str(self.source.facts["id"].iat[row]))

    def read(self, rows: pa.Table, pool: Executor) -> Iterator[Batch]:
        first, last = rows["row"][0].as_py(), rows["row"][len(rows) - 1].as_py() + 1
        if list(self.source.facts["id"].iloc[first:last]) != rows["id"].to_pylist():
            raise InputError(f"{self.path} holds other samples than were listed; give another --out")
        return self._by_slabs(rows, first) if self.source.slab else one_by_one(self, rows, self.takes, pool)

    def _by_slabs(self, rows: pa.Table, start: int) -> Iterator[Batch]:
        ids = self.source.facts["id"]
        for first in range(0, len(rows), BATCH):
            last = min(first + BATCH, len(rows))
            try:
                slab = self.source.slab(start + first, start + last)  # type: ignore[misc]
            except (InputError, OSError):  # which of them?
                yield batch_of(first, [tried(self, rows, place) for place in range(first, last)], self.takes)
                continue
            if slab.shape[1] != self.takes.bands:
                raise OtherBands(f"{self.path} has {slab.shape[1]} bands, the network takes {self.takes.bands}")
            yield batch_of_slab(first, slab, self.takes, lambda place: ids.iat[start + place])
