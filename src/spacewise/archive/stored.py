"""Embeddings on disk: a folder of Parquet shards, each whole or not there, read block by block.

EMBEDDINGS/_embeddings.json     what made them: run, weights, data, spaces, shards
EMBEDDINGS/_listing.parquet     what there is to embed, in order
EMBEDDINGS/part-00000.parquet   up to `SHARD` samples: row, id, facts, prediction, confidence, and one column of
                                vectors a space (a list of so many float32 numbers)

Readers of Parquet folders (pandas, polars, DuckDB) pass over names that begin with `_`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from spacewise import files
from spacewise.archive.facts import FACTS, again, read_facts
from spacewise.errors import InputError, unknown

SHARD = 16_384
GROUP = 1024  # rows that are read at once where few are wanted
LISTING = "_listing.parquet"
KEY = b"spacewise"
MARKS = ("listing", "digest")  # a shard and the facts say the same of what was embedded, and by which weights


@dataclass(frozen=True)
class Block:
    """Consecutive samples of one shard.

    Attributes:
        first: index of the first among all samples of the embeddings.
        values: (sample, dimension) float32 in one space.
        table: the columns that were asked for, one row a sample.
    """

    first: int
    values: np.ndarray
    table: pd.DataFrame


@dataclass(frozen=True)
class Embeddings:
    """Samples of an archive in one or more spaces, complete on disk. Made by `open_embeddings`.

    Attributes:
        folder: where they lie.
        facts: what made them; see `FACTS`.
        lengths: samples of each shard; less than `SHARD` where images could not be read.
    """

    folder: Path
    facts: Mapping[str, Any]
    lengths: Sequence[int]

    def __len__(self) -> int:
        return sum(self.lengths)

    @property
    def spaces(self) -> dict[str, int]:
        """Dimension of each space."""
        return dict(self.facts["spaces"])

    @cached_property
    def columns(self) -> list[str]:
        """Names of all columns that hold no vectors."""
        names = pq.read_schema(part(self.folder, 0)).names
        return [name for name in names if name not in self.spaces]

    def blocks(self, space: str, columns: Sequence[str] = ()) -> Iterator[Block]:
        """All samples in one space, a shard at a time.

        Raises:
            InputError: an unknown space or column; a shard that is damaged.
        """
        self._check(space, columns)
        first = 0
        for number, length in enumerate(self.lengths):
            if not length:
                continue
            table = read_part(self.folder, number, [space, *columns])
            yield Block(first, vectors(table, space), table.select(list(columns)).to_pandas())
            first += length

    def table(self, columns: Sequence[str]) -> pd.DataFrame:
        """Some columns of all samples, without vectors."""
        self._check(None, columns)
        pieces = [read_part(self.folder, number, columns).to_pandas() for number in range(len(self.lengths))]
        return pd.concat(pieces, ignore_index=True)

    def take(self, space: str, indices: Any) -> np.ndarray:
        """Chosen samples (sample,) in one space: (sample, dimension) float32, in the order that was asked for."""
        self._check(space, ())
        indices = np.asarray(indices, dtype=np.int64)
        found = np.empty((len(indices), self.spaces[space]), np.float32)
        ends = np.cumsum(self.lengths)
        shards = np.searchsorted(ends, indices, side="right")
        for number in np.unique(shards):
            mine = shards == number
            within = indices[mine] - (ends[number] - self.lengths[number])
            groups, places = np.unique(within // GROUP, return_inverse=True)
            held = vectors(read_part(self.folder, int(number), [space], groups.tolist()), space)
            found[mine] = held[places * GROUP + within % GROUP]
        return found

    def _check(self, space: str | None, columns: Sequence[str]) -> None:
        if space is not None and space not in self.spaces:
            raise unknown(f"space of {self.folder}", space, self.spaces)
        for column in columns:
            if column not in self.columns:
                raise unknown(f"column of {self.folder}", column, self.columns)


def part(folder: Path, number: int) -> Path:
    """The file of a shard."""
    return folder / f"part-{number:05}.parquet"


def vectors(table: pa.Table, space: str) -> np.ndarray:
    """One column of vectors as (sample, dimension) float32, without a copy where it is of one piece."""
    column = table.column(space)
    array = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    return np.asarray(array.flatten()).reshape(len(array), array.type.list_size)


def write_part(
    folder: Path, number: int, table: pd.DataFrame, spaces: Mapping[str, np.ndarray], facts: Mapping[str, Any]
) -> None:
    """Writes one shard, whole or not at all.

    Args:
        table: one row a sample; numbers and text.
        spaces: name -> (sample, dimension) float32.
        facts: kept in the file's header; read back by `part_facts`.

    Raises:
        InputError: it cannot be written; the disk is full.
    """
    whole = pa.Table.from_pandas(table, preserve_index=False)
    for name, values in spaces.items():
        flat = pa.array(np.ascontiguousarray(values, dtype=np.float32).ravel())
        kind = pa.list_(pa.field("element", pa.float32()), values.shape[1])
        whole = whole.append_column(name, pa.FixedSizeListArray.from_arrays(flat, type=kind))
    facts = {**facts, "samples": len(whole), "columns": _columns(whole.schema)}
    whole = whole.replace_schema_metadata({KEY: json.dumps(facts).encode()})  # types need no word of pandas's own
    text = [name for name in table if table[name].dtype.kind not in "fiub"]
    packed = dict.fromkeys(table, "ZSTD") | {f"{name}.list.element": "NONE" for name in spaces}
    with files.atomic(part(folder, number)) as partial:
        pq.write_table(
            whole, partial, row_group_size=GROUP, compression=packed, use_dictionary=text, write_page_checksum=True
        )


def part_facts(folder: Path, number: int) -> dict[str, Any] | None:
    """What a shard says of itself, with its `samples` and `columns`; None where it is missing or damaged."""
    try:
        meta = pq.read_metadata(part(folder, number))
        facts = json.loads(meta.metadata[KEY])
        # no sum protects the header, but it says twice what matters
        as_written = {"samples": meta.num_rows, "columns": _columns(meta.schema.to_arrow_schema())}
        return facts if facts == facts | as_written else None
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError):
        return None


def _columns(schema: pa.Schema) -> dict[str, str]:
    return {field.name: str(field.type) for field in schema}


def sound(folder: Path, number: int) -> bool:
    """Whether all pages of a shard read back as they were written; its header alone would not tell."""
    try:
        _read(part(folder, number), None)
    except (OSError, pa.ArrowException):
        return False
    return True


def read_part(folder: Path, number: int, columns: Sequence[str], groups: list[int] | None = None) -> pa.Table:
    """Columns of one shard, or of some groups of its rows; raises `InputError` where it is missing or damaged."""
    path = part(folder, number)
    try:
        return _read(path, list(columns), groups)
    except (OSError, pa.ArrowException) as error:
        raise InputError(
            f"{path} is missing or damaged ({_brief(error)}); this makes it again: {again(folder)}"
        ) from error


def _read(path: Path, columns: list[str] | None, groups: list[int] | None = None) -> pa.Table:
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        table = file.read(columns) if groups is None else file.read_row_groups(groups, columns)
        # a damaged header can name fewer values than there are
        meta = file.metadata
        rows = meta.num_rows if groups is None else sum(meta.row_group(group).num_rows for group in groups)
        if any(len(column) != rows or column.null_count for column in _vectors(table)):
            raise pa.ArrowInvalid("vectors are missing")
        return table


def _vectors(table: pa.Table) -> list[pa.ChunkedArray]:
    return [column for column in table.columns if pa.types.is_fixed_size_list(column.type)]


def open_embeddings(folder: Path | str) -> Embeddings:
    """Embeddings that `spacewise embed` made.

    Raises:
        InputError: none are there, they are not complete, or shards are missing, damaged or of another making: they
            are named, with what makes them again.
    """
    folder = Path(folder)
    if not (folder / FACTS).is_file():
        missing = "does not exist" if not folder.exists() else f"holds no {FACTS}"
        raise InputError(
            f"{folder} are no embeddings: it {missing}; make some with: spacewise embed RUN DIR --out FOLDER"
        )
    facts = read_facts(folder, ("spaces", "shards"))
    lengths, lost = [], []
    for number in range(facts["shards"]):
        said = part_facts(folder, number)
        if said is None or any(said.get(key) != facts.get(key) for key in MARKS):
            lost.append(part(folder, number).name)
        else:
            lengths.append(said["samples"])
    _refuse_incomplete(folder, facts, sum(lengths), lost)
    return Embeddings(folder, facts, lengths)


def _refuse_incomplete(folder: Path, facts: Mapping[str, Any], samples: int, lost: Sequence[str]) -> None:
    shards = facts["shards"]
    begun = "listing" in facts and "samples" not in facts  # what never were images has neither
    if lost and not begun:
        more = f" and {len(lost) - 3} more" if len(lost) > 3 else ""
        raise InputError(
            f"{folder}: {len(lost)} of {shards} shards are missing, damaged or of another making "
            f"({', '.join(lost[:3])}{more}); this makes them again: {again(folder)}"
        )
    if begun or facts.get("samples", samples) != samples:
        raise InputError(
            f"{folder} is not complete: {shards - len(lost)} of {shards} shards are done, and its embedding is still "
            f"at work or was broken off; this goes on with it: {again(folder)}"
        )


def _brief(error: Exception) -> str:
    return " ".join(str(error).split())[:120]
