"""Maps by three methods: clusters stay together, a seed gives one picture, new samples find their cluster."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from spacewise.errors import InputError
from spacewise.measures.planes import METHODS, lay_out

EXTRAS = {"tsne": "openTSNE", "umap": "umap", "pacmap": "pacmap"}


def clusters(samples: int = 40, dimension: int = 12, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    labels = np.arange(samples) % 4
    centres = 20 * np.random.default_rng(9).normal(size=(4, dimension))
    return centres[labels] + np.random.default_rng(seed).normal(size=(samples, dimension)), labels


def nearest_right(points: np.ndarray, labels: np.ndarray, others: np.ndarray, their: np.ndarray) -> float:
    gaps = np.linalg.norm(points[:, None] - others[None], axis=2)
    gaps[gaps == 0] = np.inf  # itself
    return float((their[gaps.argmin(axis=1)] == labels).mean())


@pytest.fixture(params=METHODS)
def method(request: pytest.FixtureRequest) -> str:
    pytest.importorskip(EXTRAS[request.param])
    return str(request.param)


def test_clusters_stay_together_and_a_seed_gives_one_picture(method: str) -> None:
    embeddings, labels = clusters()
    first, again = lay_out(method, embeddings, seed=3), lay_out(method, embeddings, seed=3)
    assert first.points.shape == (40, 2)
    assert (first.points == again.points).all()
    assert nearest_right(first.points, labels, first.points, labels) > 0.9
    assert "fitted on" not in first.method


def test_new_samples_find_their_cluster(method: str) -> None:
    train, their = clusters(80)
    embeddings, labels = clusters(20, seed=1)
    placed = lay_out(method, np.concatenate([train, embeddings]), seed=0, train=train)
    assert placed.method.endswith("fitted on training samples")
    assert nearest_right(placed.points[80:], labels, placed.points[:80], their) > 0.8


def test_the_map_of_the_training_samples_does_not_know_the_test_samples(method: str) -> None:
    """However far away they lie."""
    train, _ = clusters(60)
    alone = lay_out(method, train[:10], seed=0, train=train)
    beside = lay_out(method, np.concatenate([train[:10], 1000 + train[:5]]), seed=0, train=train)
    if method != "tsne":  # openTSNE moves what it places together
        np.testing.assert_allclose(beside.points[:10], alone.points, atol=0.5)
    assert np.isfinite(beside.points).all()


def test_one_dimension_and_samples_that_all_coincide(method: str) -> None:
    embeddings, _ = clusters(20, dimension=1)
    for train in (None, clusters(30, dimension=1)[0]):
        assert np.isfinite(lay_out(method, embeddings, seed=0, train=train).points).all()
    made = lay_out(method, embeddings, seed=0, train=np.full((9, 1), 0.1))
    assert made.method == "constant"
    assert made.points.tolist() == [[0.0, 0.0]] * 20


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("tnse", np.eye(9)), "unknown method of a map 'tnse': did you mean 'tsne'"),
        (("pacmap", np.eye(5)), "5 samples to fit a map on, expected at least 8"),
        (("umap", np.full((9, 2), np.nan)), "embeddings"),
    ],
)
def test_what_cannot_be_laid_out_is_refused(arguments: tuple[str, np.ndarray], said: str) -> None:
    with pytest.raises(InputError, match=said):
        lay_out(*arguments, seed=0)


def test_training_samples_of_another_dimension_are_refused() -> None:
    with pytest.raises(InputError, match="train"):
        lay_out("pacmap", np.eye(9), seed=0, train=np.ones((9, 4)))


@pytest.mark.parametrize(("name", "module", "extra"), [("umap", "umap", "umap"), ("pacmap", "pacmap", "viz")])
def test_a_missing_extra_is_named(name: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=rf'pip install "spacewise\[{extra}\]"'):
        lay_out(name, clusters()[0], seed=0)


def test_scikit_learn_cannot_place_new_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openTSNE", None)
    with pytest.raises(InputError, match="cannot place new samples"):
        lay_out("tsne", clusters()[0], seed=0, train=clusters(seed=1)[0])
