"""Which shards are whole, and what is written down once all of them are."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
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
    parts = [stored.part_facts(out, number) for number in range(listing.shards)]
    there = [each for number, each in enumerate(parts) if each and _marked(each, marks(listing, number, facts))]
    if len(there) < listing.shards:
        return dict(facts)
    sums = {key: sum(part[key] for part in there) for key in ("samples", "empty")}
    if not sums["samples"]:
        raise InputError(f"none of the {len(listing):,} images of {facts['data']} could be read{_first(there)}")
    unreadable = sum(len(part["unreadable"]) for part in there)
    names = [name for part in there if part["unreadable"] for name in part["unreadable"]][:NAMED]
    seconds = round(sum(part["seconds"] for part in there), 1)
    complete = dict(facts) | sums | {"unreadable": unreadable, "named": names, "seconds": seconds}
    if unreadable:
        _replace(out / UNREADABLE, rank, lambda path: _write_unreadable(path, there))
    _replace(out / stored.FACTS, rank, lambda path: files.write_json(path, complete))
    return complete


def _first(parts: Sequence[Mapping[str, Any]]) -> str:
    reasons = (why for part in parts for why in part["unreadable"].values())
    return next((f"; {why}" for why in reasons), "")


def _write_unreadable(path: Path, parts: Sequence[Mapping[str, Any]]) -> None:
    with (
        files.atomic(path) as partial,
        partial.open("w", encoding="utf-8", errors="backslashreplace", newline="") as to,
    ):
        writer = csv.writer(to)
        writer.writerow(["id", "why"])
        for part in parts:
            writer.writerows(part["unreadable"].items())


def _replace(path: Path, rank: Rank, write: Callable[[Path], None]) -> None:
    """Writes a file under a name of this process's own first: two may finish at the same moment."""
    mine = path.with_name(f".{path.name}.{rank.number}")
    write(mine)
    mine.replace(path)
