"""`spacewise search`: from a picture to hits, a table and a page."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tests.archive.fresh_runs import fresh_run
from tests.conftest import PICTURES, Command

from spacewise.archive import embed_archive, index, open_embeddings, stored
from spacewise.archive.listing import write_listing
from spacewise.archive.pictures import Pictures
from spacewise.archive.taking import Takes
from spacewise.report import found
from spacewise.sources import folder

HOSTILE = "<img src=x onerror=alert(1)> [bold]\x1b[31m'&quot;.png"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> Path:
    """A run, an archive, and its embeddings in shards of eight."""
    place = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPACEWISE_CACHE", str(place / "cache"))
        patch.setattr(stored, "SHARD", 8)
        fresh_run(place / "run", folder(pictures))
        shutil.copytree(pictures, place / "archive")
        shutil.copy(pictures / "dots" / "dots00.png", place / "archive" / "dots" / HOSTILE)
        embed_archive(place / "run", place / "archive", place / "embeddings", spaces=["classifier", "feature"])
    return place


@pytest.fixture
def search(spacewise: Command, made: Path, tmp_path: Path):
    """Calls `spacewise search` with a query."""

    def call(query: object, *words: object, run: object = made / "run", out: Path = tmp_path / "found"):
        given = [] if "--in" in words else ["--in", made / "embeddings"]
        return spacewise("search", run, query, *given, "--out", out, *words)

    return call


def test_a_picture_of_the_archive_finds_itself_and_its_copy(search, made: Path, tmp_path: Path) -> None:
    code, out, error = search(made / "archive" / "dots" / "dots00.png", "--k", 4, "--json")
    assert code == 0, error
    told = json.loads(out)
    assert told["recall"] is None
    hits = pd.read_csv(tmp_path / "found" / "hits.csv")
    assert list(hits) == ["query", "rank", "similarity", "row", "id", "prediction", "confidence"]
    assert hits["rank"].tolist() == [1, 2, 3, 4]
    assert set(hits["id"][:2]) == {"dots/dots00.png", f"dots/{HOSTILE}"}
    assert [hit["similarity"] for hit in told["hits"]] == pytest.approx(hits["similarity"].tolist())
    assert hits["similarity"][0] == pytest.approx(1, abs=1e-6)
    page = Path(told["report"]).read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 5
    assert "no picture" not in page


def test_similarities_are_those_of_all_vectors(search, made: Path) -> None:
    embeddings = open_embeddings(made / "embeddings")
    ids = embeddings.table(["id"])["id"].tolist()
    units = embeddings.take("classifier", np.arange(len(ids))).astype(np.float64)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    number = ids.index("checks/checks05.png")
    order = [i for i in np.argsort(-(units @ units[number]).round(12), kind="stable") if i != number][:7]
    told = json.loads(search("id:checks/checks05.png", "--k", 7, "--json")[1])["hits"]
    assert [hit["id"] for hit in told] == [ids[i] for i in order]
    assert [hit["similarity"] for hit in told] == pytest.approx((units @ units[number])[order].tolist())


def test_a_folder_of_queries(search, made: Path, tmp_path: Path) -> None:
    code, _, error = search(made / "archive" / "stripes", "--k", 2)
    assert code == 0, error
    hits = pd.read_csv(tmp_path / "found" / "hits.csv")
    assert hits["query"].nunique() == PICTURES
    assert (hits[hits["rank"] == 1]["similarity"] > 0.999).all()
    assert "stripes00.png" in error
    assert "… and 2 more queries" in error


def test_no_more_queries_on_the_page_than_can_be_looked_at(
    search, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(found, "ON_PAGE", 3)
    assert search(made / "archive" / "stripes", "--k", 2)[0] == 0
    page = (tmp_path / "found" / "found.html").read_text(encoding="utf-8")
    assert page.count('class="found"') == 3
    assert "9 more queries are in hits.csv alone" in page


def test_hostile_ids_are_shown_and_not_obeyed(search, tmp_path: Path) -> None:
    code, _, error = search("id:dots/dots00.png", "--k", 1)
    assert code == 0, error
    page = (tmp_path / "found" / "found.html").read_text(encoding="utf-8")
    assert "<img src=x" not in page
    assert "&lt;img src=x onerror=alert(1)&gt; [bold]" in page
    assert "\x1b[31m" not in error
    assert "[bold]\N{REPLACEMENT CHARACTER}[31m" in error


def test_where_a_picture_cannot_be_had_the_page_says_so(spacewise: Command, made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "embeddings", tmp_path / "embeddings")
    facts = json.loads((tmp_path / "embeddings" / stored.FACTS).read_text(encoding="utf-8"))
    facts["data"] = str(tmp_path / "gone")
    (tmp_path / "embeddings" / stored.FACTS).write_text(json.dumps(facts), encoding="utf-8")
    words = ["id:dots/dots00.png", "--in", tmp_path / "embeddings", "--out", tmp_path / "found", "--k", 3]
    code, _, error = spacewise("search", made / "run", *words)
    assert code == 0, error
    page = (tmp_path / "found" / "found.html").read_text(encoding="utf-8")
    assert page.count("no picture: ") == 4
    assert "data:image" not in page


def test_an_index_says_its_recall(search, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("faiss")
    monkeypatch.setattr(index, "LEAST", 1)
    code, out, error = search("id:dots/dots00.png", "--index", "hnsw", "--k", 3, "--json")
    assert code == 0, error
    assert json.loads(out)["recall"] == {"k": 3, "share": 1.0, "queries": 37}
    _, _, error = search("id:dots/dots00.png", "--index", "hnsw", "--k", 3)
    assert "recall at 3 against exact search: 1.00 (measured on 37 queries)" in error


@pytest.mark.parametrize(
    ("query", "words", "message"),
    [
        ("id:dots/dots0.png", [], "holds no sample 'dots/dots0.png': did you mean 'dots/dots"),
        ("nothing.png", [], "query nothing.png does not exist, expected a picture, a folder of pictures, or 'id:'"),
        ("id:dots/dots00.png", ["--k", 37], "k: 37, where"),
        ("id:dots/dots00.png", ["--k", 0], "k: 0, expected a whole number, 1 to 37"),
        ("id:dots/dots00.png", ["--space", "features"], "did you mean 'feature'?"),
        ("id:dots/dots00.png", ["--index", "hnws"], "unknown index 'hnws': did you mean 'hnsw'?"),
        ("id:dots/dots00.png", ["--index", "hnsw"], "37 samples are too few for the index hnsw"),
        ("id:dots/dots00.png", ["--in", "nowhere"], "nowhere are no embeddings: it does not exist"),
    ],
)
def test_what_is_refused(search, tmp_path: Path, query: str, words: list[object], message: str) -> None:
    code, out, error = search(query, *words)
    assert (code, out) == (2, "")
    assert message in error
    assert "Traceback" not in error
    assert not (tmp_path / "found").exists()


def test_pictures_that_cannot_be_taken_are_named(search, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG")
    assert "cannot read" in search(tmp_path / "broken.png")[2]
    Image.new("RGB", (24, 24)).save(tmp_path / "colour.png")
    assert "colour.png has 3 bands, the network takes 1" in search(tmp_path / "colour.png")[2]
    (tmp_path / "empty").mkdir()
    assert "empty holds no pictures" in search(tmp_path / "empty")[2]
    assert search(tmp_path / "colour.png")[0] == 2


def test_unreadable_queries_of_a_folder_are_passed_over(search, pictures: Path, tmp_path: Path) -> None:
    shutil.copytree(pictures / "dots", tmp_path / "queries")
    (tmp_path / "queries" / "broken[red].png").write_bytes(b"\x89PNG")
    Image.new("RGB", (24, 24)).save(tmp_path / "queries" / "colour.png")
    code, _, error = search(tmp_path / "queries", "--k", 1)
    assert code == 0, error
    assert "unreadable: 2 of 14: broken[red].png, colour.png" in error
    hits = pd.read_csv(tmp_path / "found" / "hits.csv")
    assert hits["query"].tolist() == [f"dots{index:02d}.png" for index in range(PICTURES)]
    assert (hits["similarity"] > 0.999).all()
    page = (tmp_path / "found" / "found.html").read_text(encoding="utf-8")
    assert "2 of 14 pictures could not be read" in page
    told = json.loads(search(tmp_path / "queries", "--k", 1, "--json")[1])
    assert "3 bands" in told["unreadable"]["colour.png"]
    for path in (tmp_path / "queries").glob("dots*"):
        path.unlink()
    code, _, error = search(tmp_path / "queries", "--k", 1)
    assert code == 2
    assert "none of the 2 pictures of" in error


def test_another_listing_shows_no_pictures(spacewise: Command, made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "embeddings", tmp_path / "embeddings")
    write_listing(tmp_path / "embeddings" / stored.LISTING, Pictures(made / "archive" / "dots", Takes(1, 16, "resize")))
    words = ["id:dots/dots00.png", "--in", tmp_path / "embeddings", "--out", tmp_path / "found", "--k", 3]
    code, _, error = spacewise("search", made / "run", *words)
    assert code == 0, error
    page = (tmp_path / "found" / "found.html").read_text(encoding="utf-8")
    assert page.count("is not the listing that was embedded") == 4


def test_another_run_is_refused(search, pictures: Path, made: Path, tmp_path: Path) -> None:
    fresh_run(tmp_path / "other", folder(pictures), seed=1)
    code, _, error = search("id:dots/dots00.png", run=tmp_path / "other")
    assert code == 2
    assert f"{tmp_path / 'other'} did not make {made / 'embeddings'}: its best weights are" in error
    assert "is no run" in search("id:dots/dots00.png", run=tmp_path / "none")[2]


def test_a_lost_shard_is_named(spacewise: Command, made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "embeddings", tmp_path / "embeddings")
    (tmp_path / "embeddings" / "part-00002.parquet").unlink()
    words = ["id:dots/dots00.png", "--in", tmp_path / "embeddings", "--out", tmp_path / "found"]
    code, _, error = spacewise("search", made / "run", *words)
    assert code == 2
    assert "1 of 5 shards are missing, damaged or of another making (part-00002.parquet); this makes them" in error
