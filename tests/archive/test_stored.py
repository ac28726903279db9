"""Embeddings on disk: what is written is read, block by block, and damage is noticed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spacewise import files
from spacewise.archive import open_embeddings, stored
from spacewise.archive.stored import part, part_facts, read_part, sound, write_part
from spacewise.errors import InputError

LENGTHS = (5, 0, 7)
COMMAND = "spacewise embed run data --out out"


@pytest.fixture
def vectors() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((sum(LENGTHS), 3)).astype(np.float32)


@pytest.fixture
def out(tmp_path: Path, vectors: np.ndarray) -> Path:
    first = 0
    for number, length in enumerate(LENGTHS):
        rows = np.arange(first, first + length)
        table = pd.DataFrame({"row": rows, "id": pd.array([f"é{row}" for row in rows], dtype="string")})
        spaces = {"feature": vectors[rows], "block3:max": vectors[rows, :2] ** 2}
        write_part(tmp_path / "out", number, table, spaces, {"first": first})
        first += length
    facts = {"spaces": {"feature": 3, "block3:max": 2}, "shards": len(LENGTHS), "command": COMMAND}
    files.write_json(tmp_path / "out" / stored.FACTS, facts)
    return tmp_path / "out"


def test_read_back(out: Path, vectors: np.ndarray) -> None:
    made = open_embeddings(out)
    assert (len(made), list(made.lengths), made.columns) == (12, list(LENGTHS), ["row", "id"])
    blocks = list(made.blocks("feature", ["id"]))
    assert [block.first for block in blocks] == [0, 5]
    np.testing.assert_array_equal(np.concatenate([block.values for block in blocks]), vectors)
    assert blocks[1].table["id"].tolist() == [f"é{row}" for row in range(5, 12)]
    assert made.table(["id", "row"])["row"].tolist() == list(range(12))
    order = [11, 0, 5, 0, 4]
    np.testing.assert_array_equal(made.take("feature", order), vectors[order])
    np.testing.assert_array_equal(made.take("block3:max", [7]), vectors[[7], :2] ** 2)
    assert made.take("feature", []).shape == (0, 3)


def test_a_shard_says_what_made_it(out: Path) -> None:
    said = part_facts(out, 2)
    assert said is not None
    assert (said["first"], said["samples"], list(said["columns"])) == (5, 7, ["row", "id", "feature", "block3:max"])
    assert sound(out, 2)
    assert part_facts(out, 9) is None
    assert not sound(out, 9)


def test_columns_have_one_type_in_all_shards(out: Path) -> None:
    said = [part_facts(out, number) for number in range(3)]
    assert said[0]["columns"] == said[1]["columns"] == said[2]["columns"]  # type: ignore[index]


def test_unknown_names(out: Path) -> None:
    made = open_embeddings(out)
    with pytest.raises(InputError, match=r"unknown space of .* 'featur': did you mean 'feature'"):
        next(made.blocks("featur"))
    with pytest.raises(InputError, match=r"unknown column of .* 'ids': did you mean 'id'"):
        made.table(["ids"])


def test_what_is_missing_is_named_with_what_makes_it(out: Path) -> None:
    part(out, 0).unlink()
    part(out, 1).write_bytes(part(out, 2).read_bytes()[:-3])
    with pytest.raises(InputError) as refused:
        open_embeddings(out)
    here = f"spacewise embed run data --out {out}"
    for word in ("2 of 3 shards", "part-00000.parquet, part-00001.parquet", here):
        assert word in str(refused.value)
    with pytest.raises(InputError, match=here):
        read_part(out, 0, ["row"])


def test_after_a_move_what_is_missing_is_made_where_the_shards_are(out: Path, tmp_path: Path) -> None:
    moved = out.rename(tmp_path / "new place")
    part(moved, 0).unlink()
    with pytest.raises(InputError, match=f"spacewise embed run data --out '{moved}'$"):
        open_embeddings(moved)


@pytest.mark.parametrize(
    ("facts", "key"),
    [({}, "spaces"), ([], "spaces"), ({"spaces": {}}, "spaces"), ({"spaces": {"feature": 3}, "shards": "3"}, "shards")],
)
def test_facts_of_something_else(out: Path, facts: object, key: str) -> None:
    files.write_json(out / stored.FACTS, facts)
    with pytest.raises(InputError, match=rf"_embeddings\.json has no '{key}' as spacewise embed writes it"):
        open_embeddings(out)


def test_what_are_no_embeddings(tmp_path: Path) -> None:
    for place, line in (("nowhere", "does not exist"), (".", "holds no _embeddings.json")):
        with pytest.raises(InputError, match=f"{line}; make some with"):
            open_embeddings(tmp_path / place)


def test_every_flipped_byte_is_noticed_or_harmless(out: Path, vectors: np.ndarray) -> None:
    path, said, table = part(out, 2), part_facts(out, 2), read_part(out, 2, ["row", "id"])
    clean = path.read_bytes()
    for place in range(0, len(clean), 5):
        data = bytearray(clean)
        data[place] ^= 0x10
        path.write_bytes(data)
        if part_facts(out, 2) != said or not sound(out, 2):
            continue
        np.testing.assert_array_equal(stored.vectors(read_part(out, 2, ["feature"]), "feature"), vectors[5:])
        assert read_part(out, 2, ["row", "id"]).equals(table)


def test_few_rows_are_read_by_groups(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    values = generator.random((5000, 8), dtype=np.float32)
    for number, rows in enumerate((slice(0, 3000), slice(3000, 5000))):
        table = pd.DataFrame({"row": np.arange(5000)[rows]})
        stored.write_part(tmp_path, number, table, {"feature": values[rows]}, {})
    files.write_json(tmp_path / stored.FACTS, {"spaces": {"feature": 8}, "shards": 2})
    indices = generator.integers(0, 5000, 300)
    np.testing.assert_array_equal(open_embeddings(tmp_path).take("feature", indices), values[indices])
