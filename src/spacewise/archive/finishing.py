"""Which shards are whole, and what is written down once all of them are."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from spacewise import files
from spacewise.archive import stored
from spacewise.archive.listing import Listing
from spacewise.archive.ranks import Rank
from spacewise.errors import InputError

UNREADABLE = "_unreadable.csv"
NAMED = 3  # unreadable images that the last words name


def marks(listing: Listing, number: int, facts: Mapping[str, Any]) -> dict[str, Any]:
    """What a shard's header must say: its rows, and what made it."""
    rows = listing.rows(number)
    made = {"listing": listing.digest, "digest": facts["digest"], "spaces": facts["spaces"]}
    return {"first": rows.start, "last": rows.stop - 1, **made}


def whole(out: Path, number: int, listing: Listing, facts: Mapping[str, Any]) -> bool:
    """Whether a shard is there, undamaged and what it should be; all of it is read."""
    return _marked(stored.part_facts(out, number), marks(listing, number, facts)) and stored.sound(out, number)


def _marked(said: Mapping[str, Any] | None, expected: Mapping[str, Any]) -> bool:
    return said is not None and all(said.get(key) == value for key, value in expected.items())


def finish(out: Path, facts: Mapping[str, Any], listing: Listing, rank: Rank) -> dict[str, Any]:
    """Completes the facts where all shards are there; else other processes are still at work.

    Raises:
        InputError: no image could be read.
    """
    sums: Counter[str] = Counter()
    named: dict[str, str] = {}
    seconds, spoilt = 0.0, []
    for number in range(listing.shards):
        said = stored.part_facts(out, number)
        if said is None or not _marked(said, marks(listing, number, facts)):
            return dict(facts)
        unreadable = said["unreadable"]
        sums.update(samples=said["samples"], empty=said["empty"], unreadable=len(unreadable))
        seconds += said["seconds"]
        named |= islice(unreadable.items(), NAMED - len(named))
        spoilt += [number] if unreadable else []
    if not sums["samples"]:
        why = "".join(f"; {each}" for each in list(named.values())[:1])
        raise InputError(f"none of the {len(listing):,} images of {facts['data']} could be read{why}")
    complete = {**facts, **sums, "named": list(named), "seconds": round(seconds, 1)}
    if spoilt:
        _replace(out / UNREADABLE, rank, lambda path: _write_unreadable(path, out, spoilt))
    else:
        (out / UNREADABLE).unlink(missing_ok=True)
    _replace(out / stored.FACTS, rank, lambda path: files.write_json(path, complete))
    return complete


def _write_unreadable(path: Path, out: Path, numbers: Sequence[int]) -> None:
    """What the headers of some shards name; one header at a time is in memory."""
    with (
        files.atomic(path) as partial,
        partial.open("w", encoding="utf-8", errors="backslashreplace", newline="") as to,
    ):
        writer = csv.writer(to)
        writer.writerow(["id", "why"])
        for number in numbers:
            writer.writerows((stored.part_facts(out, number) or {"unreadable": {}})["unreadable"].items())


def _replace(path: Path, rank: Rank, write: Callable[[Path], None]) -> None:
    """Writes a file under a name of this process's own first: two may finish at the same moment."""
    mine = path.with_name(f".{path.name}.{rank.number}")
    write(mine)
    mine.replace(path)
