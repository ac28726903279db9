"""What there is to embed, in order: written once, read back a shard at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from rich.markup import escape

from spacewise import files
from spacewise.archive import stored
from spacewise.archive.taking import Archive, OtherBands
from spacewise.archive.task import check_same
from spacewise.errors import InputError
from spacewise.progress import bar
from spacewise.runs import file_digest


@dataclass(frozen=True)
class Listing:
    """A listing on disk, a row group a shard.

    Attributes:
        path: the file.
        digest: of what it holds.
    """

    path: Path
    digest: str

    def __len__(self) -> int:
        return int(self._file.metadata.num_rows)

    @property
    def shards(self) -> int:
        return int(self._file.num_row_groups)

    @cached_property
    def _file(self) -> pq.ParquetFile:
        return pq.ParquetFile(self.path, page_checksum_verification=True)

    def length(self, number: int) -> int:
        """Rows of a shard."""
        return int(self._file.metadata.row_group(number).num_rows)

    def rows(self, number: int) -> range:
        """Numbers of the rows of a shard among all."""
        return range(self._starts[number], self._starts[number + 1])

    @cached_property
    def _starts(self) -> list[int]:
        """Number of the first row of each shard, and of all rows."""
        return [0, *accumulate(map(self.length, range(self.shards)))]

    def shard(self, number: int) -> pa.Table:
        """The rows of a shard, with their numbers as `row`; raises `InputError` where they are damaged."""
        try:
            rows = self._file.read_row_group(number)
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"{self.path} is damaged ({error}); delete its folder, and begin anew") from error
        return rows.add_column(0, "row", pa.array(self.rows(number), pa.int64()))


def open_listing(path: Path) -> Listing:
    """Raises `InputError` where the file is missing or damaged."""
    try:
        listing = Listing(path, file_digest(path))
        len(listing)
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing; spacewise embed makes it again") from error
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path} is damaged ({error}); delete its folder, and begin anew") from error
    return listing


def write_listing(path: Path, archive: Archive, before: Mapping[str, Any] | None = None) -> Listing:
    """Lists an archive; the file is there only once it is whole, and an image of it was read.

    Args:
        before: facts of embeddings that lost their listing.

    Raises:
        InputError: nothing to list, or nothing that can be read; images with other bands than the network takes;
            another listing than was embedded before.
    """
    with files.atomic(path) as partial:
        with pq.ParquetWriter(partial, archive.schema, compression="ZSTD", write_page_checksum=True) as writer:
            for piece in _shards(_counted(archive)):
                writer.write_table(piece, row_group_size=stored.SHARD)
        if before is not None:
            check_same(path.parent, {"listing": file_digest(partial)}, before)
        _check_first(archive, Listing(partial, ""))
    return open_listing(path)


def _counted(archive: Archive) -> Iterator[pa.Table]:
    with bar() as progress:
        task = progress.add_task(f"listing {escape(archive.path)}", total=None, note="")
        for piece in archive.listing():
            yield piece
            progress.advance(task, len(piece))


def _shards(pieces: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in pieces of a shard each."""
    waiting: list[pa.Table] = []
    for piece in pieces:
        waiting.append(piece)
        if sum(map(len, waiting)) < stored.SHARD:
            continue
        whole = pa.concat_tables(waiting)
        most = len(whole) // stored.SHARD * stored.SHARD
        yield from (whole.slice(first, stored.SHARD) for first in range(0, most, stored.SHARD))
        waiting = [whole.slice(most)] if most < len(whole) else []
    if waiting:
        yield pa.concat_tables(waiting)


def _check_first(archive: Archive, listing: Listing) -> None:
    """Reads images until one can be read; raises `InputError` where none can, or it has other bands."""
    why = ""
    for number in range(listing.shards):
        rows = listing.shard(number)
        for place in range(len(rows)):
            try:
                if archive.one(rows, place) is not None:
                    return
            except OtherBands:
                raise
            except (InputError, OSError) as error:
                why = why or f"; {error}"
    missing = "can be read" if why else "holds data"
    raise InputError(f"none of the {len(listing):,} images of {archive.path} {missing}{why}")
