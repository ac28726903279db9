"""An index proposes, its recall is what it says, and it is built anew where it no longer fits."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.archive.shards import stored

from spacewise import files
from spacewise.archive import building
from spacewise.archive import index as module
from spacewise.archive.building import opened, place
from spacewise.archive.index import approximate
from spacewise.archive.search import exact
from spacewise.archive.stored import Embeddings, open_embeddings
from spacewise.errors import InputError
from spacewise.runs import file_digest

pytest.importorskip("faiss")

SAMPLES, DIMENSION, K = 3000, 12, 10
KINDS = pytest.mark.parametrize("kind", ["hnsw", "ivfpq"])


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Indices of small archives that have to work for their recall."""
    monkeypatch.setattr(module, "LEAST", 1000)
    monkeypatch.setattr(module, "EFFORT", {"hnsw": 1, "ivfpq": 1})


def vectors(seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    centres = generator.standard_normal((30, DIMENSION))
    return (centres[np.arange(SAMPLES) % 30] + 0.5 * generator.standard_normal((SAMPLES, DIMENSION))).astype(np.float32)


@pytest.fixture
def archive(tmp_path: Path) -> Embeddings:
    return stored(tmp_path / "embeddings", vectors(), [1000, 1000, 2200])


def shares(found: np.ndarray, truth: np.ndarray) -> float:
    return sum(len(set(row) & set(mine)) for row, mine in zip(truth.tolist(), found.tolist())) / truth.size


@KINDS
def test_recall_is_that_of_the_same_queries(archive: Embeddings, kind: str) -> None:
    own = np.sort(np.random.default_rng(0).choice(SAMPLES, 200, replace=False))
    queries = vectors()[own]
    found, said = approximate(archive, "feature", kind, queries, K, own=own)
    truth = exact(archive, "feature", queries, K, own=own)
    assert said.share == pytest.approx(shares(found.indices, truth.indices), abs=1e-12)
    assert said.share > 0.9
    assert str(said) == f"recall at 10 against exact search: {said.share:.2f} (measured on 200 queries)"


@KINDS
def test_similarity_is_measured_and_sorted(archive: Embeddings, kind: str) -> None:
    own = np.array([7, -1, 2999])
    found, _ = approximate(archive, "feature", kind, vectors()[[7, 8, 2999]], K, own=own)
    assert not (found.indices == own[:, None]).any()
    assert found.indices[1, 0] == 8
    units = vectors().astype(np.float64)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    expected = (units[[7, 8, 2999]][:, None] * units[found.indices]).sum(axis=2)
    np.testing.assert_allclose(found.similarity, expected, atol=2e-7)
    assert (np.diff(found.similarity) <= 0).all()


@KINDS
def test_it_is_built_and_measured_once(archive: Embeddings, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first, said = approximate(archive, "feature", kind, vectors()[:5], K)
    before = place(archive, "feature", kind).stat().st_mtime_ns
    monkeypatch.setattr(building, "_built", None)
    monkeypatch.setattr(module, "_measure", None)
    again, same = approximate(open_embeddings(archive.folder), "feature", kind, vectors()[:5], K)
    np.testing.assert_array_equal(first.indices, again.indices)
    assert same == said
    assert place(archive, "feature", kind).stat().st_mtime_ns == before


@KINDS
def test_recall_at_another_k_is_measured_beside(archive: Embeddings, kind: str) -> None:
    for k in (10, 3):
        assert approximate(archive, "feature", kind, vectors()[:1], k)[1].k == k
    facts = json.loads(place(archive, "feature", kind).with_suffix(".json").read_text(encoding="utf-8"))
    assert set(facts["recall"]) == {"10", "3"}
    assert facts["samples"] == SAMPLES


@KINDS
def test_the_same_archive_gives_the_same_index(tmp_path: Path, kind: str) -> None:
    made = []
    for name in ("one", "two"):
        archive = stored(tmp_path / name, vectors(), [1000])
        opened(archive, "feature", kind)
        made.append(place(archive, "feature", kind).read_bytes())
    assert made[0] == made[1]


@KINDS
def test_copies_stand_for_one_another(tmp_path: Path, kind: str) -> None:
    archive = stored(tmp_path / "embeddings", np.tile(vectors()[:30], (100, 1)), [1000])
    found, said = approximate(archive, "feature", kind, vectors()[:5], K)
    assert said.share == 1
    np.testing.assert_allclose(found.similarity, 1, atol=1e-6)


def test_other_shards_build_it_anew(archive: Embeddings, capsys: pytest.CaptureFixture[str]) -> None:
    approximate(archive, "feature", "hnsw", vectors()[:1], K)
    changed = stored(archive.folder, vectors(1), [1000, 1000, 2100])
    capsys.readouterr()
    found, _ = approximate(changed, "feature", "hnsw", vectors(1)[:1], K)
    assert "is damaged or no longer fits the shards: it is built anew" in " ".join(capsys.readouterr().err.split())
    assert found.indices[0, 0] == 0
    assert found.similarity[0, 0] == pytest.approx(1)


@pytest.mark.parametrize("harm", ["cut off", "flipped", "no facts", "other settings"])
def test_what_does_not_fit_its_facts_is_built_anew(archive: Embeddings, harm: str) -> None:
    expected, _ = approximate(archive, "feature", "hnsw", vectors()[:3], K)
    path = place(archive, "feature", "hnsw")
    facts = path.with_suffix(".json")
    if harm == "cut off":
        path.write_bytes(path.read_bytes()[:-100])
    elif harm == "flipped":
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    elif harm == "no facts":
        facts.unlink()
    else:
        facts.write_text(facts.read_text(encoding="utf-8").replace('"links": 32', '"links": 8'), encoding="utf-8")
    found, _ = approximate(archive, "feature", "hnsw", vectors()[:3], K)
    np.testing.assert_array_equal(found.indices, expected.indices)
    assert json.loads(facts.read_text(encoding="utf-8"))["bytes"] == path.stat().st_size


def test_an_index_that_faiss_cannot_read_is_named(archive: Embeddings) -> None:
    approximate(archive, "feature", "hnsw", vectors()[:1], K)
    path = place(archive, "feature", "hnsw")
    path.write_bytes(b"x" * path.stat().st_size)
    facts = files.read_json(path.with_suffix(".json"))
    files.write_json(path.with_suffix(".json"), facts | {"digest": file_digest(path)})
    with pytest.raises(InputError, match=r"_feature\.hnsw\.faiss is damaged; delete it"):
        approximate(archive, "feature", "hnsw", vectors()[:1], K)


@KINDS
def test_as_many_hits_as_samples_are_refused_before_building(archive: Embeddings, kind: str) -> None:
    with pytest.raises(InputError, match=r"k: 3000, where an index over the 3,000 samples .* 2,999 at most"):
        approximate(archive, "feature", kind, vectors()[:1], SAMPLES)
    assert not list(archive.folder.glob("_feature*"))


def test_all_lists_are_tried(archive: Embeddings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WANTED", 1.1)
    monkeypatch.setattr(module, "GAIN", -1)
    approximate(archive, "feature", "ivfpq", vectors()[:1], K)
    facts = files.read_json(place(archive, "feature", "ivfpq").with_suffix(".json"))
    assert facts["recall"][str(K)]["effort"] == facts["settings"]["lists"] == 75


def test_what_is_refused(archive: Embeddings, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="unknown index 'hnws': did you mean 'hnsw'"):
        approximate(archive, "feature", "hnws", vectors()[:1], K)
    with pytest.raises(InputError, match="k: 3001"):
        approximate(archive, "feature", "hnsw", vectors()[:1], 3001)
    monkeypatch.setattr(module, "LEAST", 10_000)
    with pytest.raises(InputError, match=r"3,000 samples are too few for the index hnsw .* --index exact"):
        approximate(archive, "feature", "hnsw", vectors()[:1], K)


def test_without_faiss_the_extra_is_named(archive: Embeddings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(InputError, match=r"faiss is not installed: pip install 'spacewise\[index\]'"):
        approximate(archive, "feature", "hnsw", vectors()[:1], K)
    assert not list(archive.folder.glob("_feature*"))


@KINDS
def test_vectors_that_are_not_finite_leave_no_index(tmp_path: Path, kind: str) -> None:
    values = vectors()
    values[1234] = np.nan
    archive = stored(tmp_path / "embeddings", values, [1000])
    with pytest.raises(InputError, match="NaN or infinite in 1 samples"):
        approximate(archive, "feature", kind, values[:1], K)
    assert not list(archive.folder.glob("*.faiss"))
