"""Several processes at one archive: each makes its share, the last one completes the facts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.archive.fresh_runs import fresh_run
from tests.forked import run_forked

from spacewise import files
from spacewise.archive import embed_archive, open_embeddings, ranks, stored
from spacewise.archive.ranks import Rank, this_rank, wait_for
from spacewise.errors import InputError
from spacewise.sources import folder

SCRIPT = """
import sys
from spacewise import cli
from spacewise.archive import stored
stored.SHARD = 5
sys.argv = ["spacewise", *sys.argv[1:]]
cli.main()
"""


@pytest.fixture
def run(tmp_path: Path, pictures: Path) -> Path:
    fresh_run(tmp_path / "run", folder(pictures))
    return tmp_path / "run"


def test_two_processes(run: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    said = run_forked(SCRIPT, "embed", run, pictures, "--out", out)
    assert any("36 images" in text for text in said)
    assert not list(out.glob(".*"))
    facts = files.read_json(out / stored.FACTS)
    assert (facts["samples"], facts["shards"]) == (36, 8)
    monkeypatch.setattr(stored, "SHARD", 5)
    embed_archive(run, pictures, tmp_path / "alone")
    mine, theirs = (open_embeddings(place) for place in (tmp_path / "alone", out))
    for one, other in zip(mine.blocks("feature", ["row", "id"]), theirs.blocks("feature", ["row", "id"])):
        np.testing.assert_allclose(one.values, other.values, atol=1e-6)
        assert one.table.equals(other.table)


def test_each_makes_its_own_shards(run: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "SHARD", 5)
    for rank in (0, 1, 2):
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setenv("WORLD_SIZE", "3")
        before = set(tmp_path.glob("out/part-*"))
        facts = embed_archive(run, pictures, tmp_path / "out")
        made = {int(path.stem[-5:]) for path in set(tmp_path.glob("out/part-*")) - before}
        assert made == set(range(rank, 8, 3))
        assert ("samples" in facts) == (rank == 2)
    assert len(open_embeddings(tmp_path / "out")) == 36


def test_another_listing_is_refused(run: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embed_archive(run, pictures, tmp_path / "out")
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    facts = files.read_json(tmp_path / "out" / stored.FACTS)
    files.write_json(tmp_path / "out" / stored.FACTS, facts | {"listing": "0" * 16})
    with pytest.raises(InputError, match="listing was 0000000000000000 and is now"):
        embed_archive(run, pictures, tmp_path / "out")


def test_nobody_lists(run: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranks, "LIMIT", 0.3)
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match=r"has not come within .* the process of rank 0 makes it"):
        embed_archive(run, pictures, tmp_path / "out")
    (tmp_path / "there").write_text("", encoding="utf-8")
    wait_for(tmp_path / "there", tmp_path / "sign")


@pytest.mark.parametrize(("rank", "world"), [("2", "2"), ("-1", "2"), ("one", "2")])
def test_ranks_that_make_no_sense(monkeypatch: pytest.MonkeyPatch, rank: str, world: str) -> None:
    assert this_rank() == Rank(0, 1, 0, 1)
    monkeypatch.setenv("RANK", rank)
    monkeypatch.setenv("WORLD_SIZE", world)
    with pytest.raises(InputError, match="WORLD_SIZE"):
        this_rank()


@pytest.mark.parametrize(("local", "here"), [("0", "0"), ("2", "2"), ("-1", "2")])
def test_local_ranks_that_make_no_sense(monkeypatch: pytest.MonkeyPatch, local: str, here: str) -> None:
    monkeypatch.setenv("LOCAL_RANK", local)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", here)
    with pytest.raises(InputError, match=f"LOCAL_RANK is {local} of LOCAL_WORLD_SIZE {here}"):
        this_rank()


def test_the_listing_is_waited_for(run: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embed_archive(run, pictures, tmp_path / "out")
    (tmp_path / "out" / stored.LISTING).unlink()
    monkeypatch.setattr(ranks, "LIMIT", 0.3)
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match=r"_listing\.parquet has not come within"):
        embed_archive(run, pictures, tmp_path / "out")


def test_two_processes_of_one_rank(run: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embed_archive(run, pictures, tmp_path / "out")
    monkeypatch.setattr(files, "PATIENCE", 0.2)
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with files.alone(tmp_path / "out" / "rank1"), pytest.raises(BlockingIOError, match="another process is at it"):
        embed_archive(run, pictures, tmp_path / "out")
    embed_archive(run, pictures, tmp_path / "out")
    assert not list((tmp_path / "out").glob(".*"))


def test_two_commands_at_one_folder(run: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "out").mkdir()
    monkeypatch.setattr(files, "PATIENCE", 0.2)
    with files.alone(tmp_path / "out"), pytest.raises(BlockingIOError, match="another process is at it"):
        embed_archive(run, pictures, tmp_path / "out")
    embed_archive(run, pictures, tmp_path / "out")
