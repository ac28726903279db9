"""Exact search over shards: equal to brute force in double precision, whatever the vectors are like."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.archive.shards import stored

from spacewise.archive import search as module
from spacewise.archive.search import Hits, exact
from spacewise.archive.stored import Embeddings
from spacewise.errors import InputError


def brute(values: np.ndarray, queries: np.ndarray, k: int, own: np.ndarray) -> Hits:
    """One query after another, in double precision."""
    lengths = np.array([np.sqrt(sum(float(x) ** 2 for x in row)) for row in values])
    similarity, indices = np.empty((len(queries), k)), np.empty((len(queries), k), int)
    for number, query in enumerate(queries.astype(np.float64)):
        length = np.sqrt((query**2).sum())
        scale = lengths * length
        cosines = np.divide(values.astype(np.float64) @ query, scale, out=np.zeros(len(values)), where=scale > 0)
        cosines = cosines.round(12)  # copies tie whatever the order of summing
        order = [i for i in np.argsort(-cosines, kind="stable") if i != own[number]][:k]
        similarity[number], indices[number] = cosines[order], order
    return Hits(similarity, indices)


def agree(embeddings: Embeddings, values: np.ndarray, queries: np.ndarray, k: int, own: np.ndarray) -> None:
    found, expected = exact(embeddings, "feature", queries, k, own=own), brute(values, queries, k, own)
    np.testing.assert_allclose(found.similarity, expected.similarity, atol=1e-12)
    np.testing.assert_array_equal(found.indices, expected.indices)


def spread(seed: int, samples: int = 300, dimension: int = 6) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((samples, dimension)).astype(np.float32)


def none(queries: np.ndarray) -> np.ndarray:
    return np.full(len(queries), -1)


@pytest.mark.parametrize("tile", [16, 4096])
def test_equals_brute_force_over_shards_of_which_one_is_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tile: int
) -> None:
    monkeypatch.setattr(module, "TILE", tile)
    monkeypatch.setattr(module, "QUERIES", 7)
    values, queries = spread(0), spread(1, 20)
    agree(stored(tmp_path, values, [100, 100, 250]), values, queries, 10, none(queries))


def test_copies_tie_in_the_order_of_their_indices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TILE", 32)
    values = np.tile(spread(0, 20), (15, 1))
    embeddings = stored(tmp_path, values, [77, 150])
    agree(embeddings, values, values[:20], 15, none(values[:20]))
    found = exact(embeddings, "feature", values[:1], 15)
    assert found.indices[0].tolist() == list(range(0, 300, 20))
    assert len(set(found.similarity[0])) == 1


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("one point", np.ones((300, 4))),
        ("zeros", np.zeros((300, 4))),
        ("some zeros", spread(0) * (np.arange(300) % 3 > 0)[:, None]),
        ("corners", np.eye(4)[np.arange(300) % 4]),
        ("a line", spread(0, dimension=1)),
        ("rising", np.stack([np.cos(np.linspace(1, 0, 300)), np.sin(np.linspace(1, 0, 300))], axis=1)),
        ("huge and tiny", np.sign(spread(0)) * 10.0 ** np.linspace(-30, 30, 300)[:, None]),
    ],
)
def test_degenerate_spaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, values: np.ndarray) -> None:
    monkeypatch.setattr(module, "TILE", 64)
    values = values.astype(np.float32)
    own = np.array([-1, 5, 299, 17])
    agree(stored(tmp_path, values, [130]), values, values[[0, 5, 299, 17]], 9, own)


def test_nearly_one_point_is_told_apart_in_double_precision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TILE", 128)
    values = (1 + 1e-4 * spread(0)).astype(np.float32)  # cosines differ by 1e-8
    agree(stored(tmp_path, values, [130]), values, values[:5], 9, np.arange(5))


@settings(max_examples=25)
@given(seed=st.integers(0, 99), k=st.integers(1, 8), cut=st.integers(0, 40))
def test_any_small_archive(tmp_path_factory: pytest.TempPathFactory, seed: int, k: int, cut: int) -> None:
    generator = np.random.default_rng(seed)
    values = generator.integers(-1, 2, (40, 3)).astype(np.float32)
    own = np.where(generator.random(6) < 0.5, np.arange(6), -1)
    agree(stored(tmp_path_factory.mktemp("archive"), values, [cut]), values, values[:6], k, own)


def test_the_number_of_threads_changes_nothing(tmp_path: Path) -> None:
    values = spread(0, 5000, 32)
    embeddings = stored(tmp_path, values, [2000])
    one = exact(embeddings, "feature", values[:50], 10)
    torch.set_num_threads(2)
    try:
        two = exact(embeddings, "feature", values[:50], 10)
    finally:
        torch.set_num_threads(1)
    np.testing.assert_array_equal(one.indices, two.indices)
    np.testing.assert_array_equal(one.similarity, two.similarity)


def test_a_query_does_not_find_itself_but_its_copy(tmp_path: Path) -> None:
    values = spread(0)
    values[200] = values[3]
    found = exact(stored(tmp_path, values, [100]), "feature", values[[3]], 2, own=[3])
    assert found.indices[0, 0] == 200
    assert found.similarity[0, 0] == pytest.approx(1)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"k": 301}, "k: 301, where .* holds 300 samples to find"),
        ({"k": 300, "own": [3]}, "k: 300, where .* holds 299 samples to find"),
        ({"k": 0}, "k: 0, expected a whole number, 1 to 300"),
        ({"space": "features"}, "unknown space of .* 'features': did you mean 'feature'"),
        ({"queries": np.ones((1, 5))}, "queries: 5 columns, expected 6"),
        ({"queries": np.full((1, 6), np.nan)}, "queries: NaN or infinite"),
    ],
)
def test_what_is_refused(tmp_path: Path, changed: dict, message: str) -> None:
    settings = {"space": "feature", "queries": spread(1, 1), "k": 5} | changed
    embeddings = stored(tmp_path, spread(0), [100])
    with pytest.raises(InputError, match=message):
        exact(embeddings, **settings)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_vectors_that_are_not_finite_are_named(tmp_path: Path, bad: float) -> None:
    values = spread(0)
    values[[123, 200]] = bad
    with pytest.raises(InputError, match=r"space 'feature': NaN or infinite in \d samples, first 123"):
        exact(stored(tmp_path, values, [100]), "feature", spread(1, 1), 5)


def test_a_lost_shard_is_named(tmp_path: Path) -> None:
    embeddings = stored(tmp_path, spread(0), [100])
    (tmp_path / "part-00001.parquet").unlink()
    with pytest.raises(InputError, match=r"part-00001\.parquet is missing or damaged"):
        exact(embeddings, "feature", spread(1, 1), 5)
