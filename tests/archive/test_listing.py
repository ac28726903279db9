"""Listing an archive: in order, of any depth, by shards, and never more than one folder in memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacewise.archive import stored
from spacewise.archive.listing import _shards, open_listing, write_listing
from spacewise.archive.pictures import Pictures
from spacewise.archive.taking import Takes
from spacewise.archive.walking import files_below, shown
from spacewise.errors import InputError

TAKES = Takes(1, 16, "resize")


def touched(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")


def test_files_in_order(tmp_path: Path) -> None:
    names = [
        "b.png",
        "a.PNG",
        "z/1.png",
        "z/y/x/2.png",
        "c/3.png",
        "c/4.txt",
        ".hidden/5.png",
        ".6.png",
        "__MACOSX/7.png",
    ]
    touched(tmp_path, *names)
    found = [path.decode() for path in files_below(tmp_path, [".png"])]
    assert found == ["a.PNG", "b.png", "c/3.png", "z/1.png", "z/y/x/2.png"]


def test_deep_folders(tmp_path: Path) -> None:
    deep = "/".join(["d"] * 300 + ["1.png"])
    touched(tmp_path, deep)
    assert list(files_below(tmp_path, [".png"])) == [deep.encode()]


def test_links(tmp_path: Path) -> None:
    touched(tmp_path, "a/1.png", "b/c/2.png")
    (tmp_path / "d").symlink_to(tmp_path / "a")
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    assert list(files_below(tmp_path, [".png"])) == [b"a/1.png", b"b/c/2.png", b"d/1.png"]
    (tmp_path / "b" / "c" / "up").symlink_to(tmp_path / "b")
    with pytest.raises(InputError, match=r"up links back to .*b, which holds it"):
        list(files_below(tmp_path, [".png"]))


def test_names_that_are_no_text() -> None:
    assert shown("é\n".encode()) == "é\n"
    assert shown(b"\xff.png") == "\\xff.png"


@given(st.lists(st.integers(0, 30), max_size=8), st.integers(1, 12))
def test_shards_hold_all_rows_in_order(lengths: list[int], shard: int) -> None:
    total = sum(lengths)
    firsts = [sum(lengths[:number]) for number in range(len(lengths))]
    ranges = (range(first, first + length) for first, length in zip(firsts, lengths))
    pieces = (pa.table({"n": pa.array(rows, pa.int64())}) for rows in ranges)
    before, stored.SHARD = stored.SHARD, shard
    try:
        found = list(_shards(pieces))
    finally:
        stored.SHARD = before
    assert [row for piece in found for row in piece["n"].to_pylist()] == list(range(total))
    assert all(len(piece) == shard for piece in found[:-1])
    assert all(0 < len(piece) <= shard or total == 0 for piece in found)


def test_a_shard_of_the_listing(tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "SHARD", 16)
    listing = write_listing(tmp_path / stored.LISTING, Pictures(pictures, TAKES))
    assert (len(listing), listing.shards) == (36, 3)
    assert listing.rows(2) == range(32, 36)
    last = listing.shard(2)
    assert last["row"].to_pylist() == [32, 33, 34, 35]
    assert last["path"].to_pylist() == [f"stripes/stripes{index:02d}.png".encode() for index in range(8, 12)]
    assert open_listing(tmp_path / stored.LISTING).digest == listing.digest
    again = write_listing(tmp_path / "again", Pictures(pictures, TAKES))
    assert again.digest == listing.digest


def test_a_damaged_listing(tmp_path: Path, pictures: Path) -> None:
    path = tmp_path / stored.LISTING
    write_listing(path, Pictures(pictures, TAKES))
    data = bytearray(path.read_bytes())
    data[40] ^= 255
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"is damaged .* begin anew"):
        open_listing(path).shard(0)
    path.write_bytes(data[:100])
    with pytest.raises(InputError, match="is damaged"):
        open_listing(path)
    path.unlink()
    with pytest.raises(InputError, match="is missing"):
        open_listing(path)


def test_nothing_stays_of_a_listing_that_fails(tmp_path: Path, pictures: Path) -> None:
    class Fails(Pictures):
        def listing(self) -> Iterator[pa.Table]:
            yield next(super().listing())
            raise InputError("no more")

    with pytest.raises(InputError, match="no more"):
        write_listing(tmp_path / "listing", Fails(pictures, TAKES))
    assert not os.listdir(tmp_path)
