"""`spacewise embed`: an archive of any size through a run's network, into shards on disk.

Images are decoded ahead, the network runs in the main thread, shards are written behind: no more than a few batches
and two shards are in memory. A shard that is whole is never made again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from rich.markup import escape
from torch import Tensor

from spacewise import files
from spacewise.archive import stored
from spacewise.archive.ahead import Behind, ahead
from spacewise.archive.facts import read_facts
from spacewise.archive.finishing import finish, marks, whole
from spacewise.archive.listing import Listing, open_listing, write_listing
from spacewise.archive.ranks import Rank, this_rank, wait_for
from spacewise.archive.recognising import open_archive
from spacewise.archive.taking import Archive, Batch
from spacewise.archive.task import Task, check_same, prepare
from spacewise.archive.walking import shown
from spacewise.errors import InputError
from spacewise.learn.embed import embed_each
from spacewise.progress import bar, console

BATCHES = 4  # decoded ahead
MADE = ("kind", "listing", "shards", "digest", "spaces", "data")  # facts that going on needs
Advance = Callable[[int], None]


def embed_archive(
    run: Path | str,
    data: Path | str,
    out: Path | str,
    *,
    spaces: Sequence[str] = (),
    weights: str = "best",
    stride: int | None = None,
) -> dict[str, Any]:
    """Embeds all images of an archive; called again, it goes on where it was.

    Under torchrun (`RANK` and `WORLD_SIZE` in the environment) each process makes its share of the shards.

    Args:
        run: folder of a run; its training data may be gone.
        data: as `open_archive` takes it.
        out: folder of the embeddings; as `open_embeddings` reads it.
        spaces: names, with a reading where wanted (`block3:max`); by default `embedding`, else `feature`, else the
            last one that is not of the classes.
        stride: of tiles of GeoTIFFs, in pixels; the network's size where it is not given.

    Returns:
        The facts of the embeddings; `samples` are among them where all shards are there.

    Raises:
        InputError: no such run, weights, space or archive; no image can be read; images with other bands; `out`
            holds something else, or the disk is full.
    """
    rank, out = this_rank(), Path(out)
    task = prepare(Path(run), str(data), out, spaces, weights, stride, rank)
    _refuse_other_folder(out)
    with files.alone(_place(out, rank)):
        if rank.number == 0:
            _begin(task, out, stride)
        facts = read_facts(out, MADE)
        check_same(out, task.facts | _tiles(task, facts["kind"], stride), facts)
        listing = open_listing(out / stored.LISTING)
        check_same(out, {"listing": listing.digest}, facts)
        missing = [n for n in range(rank.number, listing.shards, rank.world) if not whole(out, n, listing, facts)]
        if missing:
            with _interrupted(out, listing.shards, rank):
                _embed(task, _open(task, stride, facts["kind"]), listing, missing, out, rank)
        return finish(out, facts, listing, rank)


def _place(out: Path, rank: Rank) -> Path:
    """What only one process of this rank may be at, once there is something to go by."""
    if rank.number == 0:
        out.mkdir(parents=True, exist_ok=True)
        return out
    for name in (stored.FACTS, stored.LISTING):
        wait_for(out / name, out / f".{stored.LISTING}.partial")
    return out / f"rank{rank.number}"


@contextmanager
def _interrupted(out: Path, shards: int, rank: Rank) -> Iterator[None]:
    """Ctrl-C goes on its way once the first process has said how far all are."""
    try:
        yield
    except KeyboardInterrupt:
        if rank.number == 0:
            console.print(_how_far(out, shards), highlight=False, soft_wrap=True)
        raise


def _how_far(out: Path, shards: int) -> str:
    done = sum(stored.part_facts(out, each) is not None for each in range(shards))
    return f"{done} of {shards} shards are done, the same command goes on with the rest"


def _refuse_other_folder(out: Path) -> None:
    """Raises `InputError` for a place that holds something else, or that Parquet cannot name."""
    if shown(os.fsencode(out)) != str(out):
        raise InputError(f"{shown(os.fsencode(out))}: the name of this folder is not UTF-8; give another --out")
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; embeddings go into a folder: give another --out")
    ours = any((out / name).exists() for name in (stored.FACTS, stored.LISTING, f".{stored.LISTING}.partial"))
    if out.is_dir() and not ours and any(out.iterdir()):
        raise InputError(f"{out} already exists and holds no embeddings; give another --out")


def _open(task: Task, stride: int | None, kind: str = "") -> Archive:
    data = task.facts["data"]
    return open_archive(data, task.takes, stride=stride, like=task.source, kind=kind)


def _begin(task: Task, out: Path, stride: int | None) -> None:
    """Lists the archive and writes down what is to be done, where that has not been done before."""
    path = out / stored.LISTING
    before = read_facts(out, MADE) if (out / stored.FACTS).is_file() else None
    if before is not None:
        check_same(out, task.facts | _tiles(task, before["kind"], stride), before)
        if path.is_file():
            return
    try:
        archive = _open(task, stride, before["kind"] if before else "")
        listing = write_listing(path, archive, before)
    except BaseException:
        with suppress(OSError):
            out.rmdir()  # nothing half-made stays
        raise
    if before is None:
        facts = {"kind": archive.kind, "listing": listing.digest, "listed": len(listing), "shards": listing.shards}
        files.write_json(out / stored.FACTS, dict(task.facts) | _tiles(task, archive.kind, stride) | facts)


def _tiles(task: Task, kind: str, stride: int | None) -> dict[str, int]:
    """How scenes are cut; nothing for what is no scene, unless it was asked for."""
    return {"stride": stride or task.takes.size} if stride or kind == "scenes" else {}


def _embed(task: Task, archive: Archive, listing: Listing, missing: Sequence[int], out: Path, rank: Rank) -> None:
    """Makes the shards that are missing."""
    began, done = time.monotonic(), 0
    with (
        ThreadPoolExecutor(max(1, (os.cpu_count() or 1) // rank.here)) as pool,
        bar() as progress,
        Behind() as behind,
        closing(ahead(_stream(archive, listing, missing, pool), BATCHES)) as stream,
    ):
        total = sum(map(listing.length, missing))
        shown = progress.add_task(f"embedding {escape(archive.path)}", total=total, note="", visible=rank.number == 0)

        def advance(rows: int) -> None:
            nonlocal done
            done += rows
            progress.update(shown, completed=done, note=f"{done / (time.monotonic() - began):,.0f}/s")

        for number in missing:
            since = time.monotonic()
            rows = next(stream)
            columns = archive.columns(rows).add_column(0, "row", rows["row"])
            batches = takewhile(lambda item: item is not None, stream)
            table, vectors, passed = _shard(task, columns, batches, advance)
            facts = marks(listing, number, task.facts) | passed | {"seconds": round(time.monotonic() - since, 3)}
            behind(_write, out, number, table, vectors, facts, listing.shards)
        behind.wait()


def _stream(archive: Archive, listing: Listing, numbers: Sequence[int], pool: Executor) -> Iterator[Any]:
    """Of each shard its rows in the listing, its batches, and None at its end."""
    for number in numbers:
        yield (rows := listing.shard(number))
        yield from archive.read(rows, pool)
        yield None


def _shard(
    task: Task, columns: pa.Table, batches: Iterable[Batch], advance: Advance
) -> tuple[pd.DataFrame, dict[str, np.ndarray], dict[str, Any]]:
    """Table, vectors by space, and what was passed over, of one shard."""
    gathered: list[Batch] = []

    def images() -> Iterator[Tensor]:
        for batch in batches:
            gathered.append(batch._replace(images=batch.images[:0]))
            if len(batch.places):
                yield batch.images
            advance(batch.rows)

    blocks = list(embed_each(task.net, images(), task.asked, precision=task.facts["precision"]))
    places = np.concatenate([batch.places for batch in gathered])
    unreadable = {columns["id"][place].as_py(): why for batch in gathered for place, why in batch.unreadable.items()}
    found = {name: np.concatenate([block[name] for block in blocks]) for name in task.asked} if blocks else {}
    table = columns.take(pa.array(places))
    if task.classes:
        best = found["classifier"].argmax(1) if found else np.empty(0, np.int64)
        confidence = found["probability"].max(1) if found else np.empty(0, np.float32)
        names = pa.array(task.classes, pa.string()).take(pa.array(best))
        table = table.append_column("prediction", names).append_column("confidence", pa.array(confidence))
    vectors = {name: found.get(name, np.empty((0, many), np.float32)) for name, many in task.spaces.items()}
    # text stays text where a shard has no rows, or no value
    frame = table.to_pandas(types_mapper={pa.string(): pd.StringDtype()}.get)
    return frame, vectors, {"unreadable": unreadable, "empty": sum(batch.empty for batch in gathered)}


def _write(
    out: Path,
    number: int,
    table: pd.DataFrame,
    vectors: Mapping[str, np.ndarray],
    facts: Mapping[str, Any],
    shards: int,
) -> None:
    """One shard; where it cannot be written, how many are."""
    try:
        stored.write_part(out, number, table, vectors, facts)
    except InputError as error:
        raise InputError(f"{error}; {_how_far(out, shards)}") from error
