from __future__ import annotations

import sys

import numpy as np
import pytest

from spacewise.errors import InputError
from spacewise.measures.confusion import confusion, normalised
from spacewise.measures.nearest import nearest_accuracy
from spacewise.measures.projection import PairConfusion, orthogonal, pair_confusion, tsne


def clusters(dimension: int = 10, samples: int = 90) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = np.arange(samples) % 3
    return 100 * rng.normal(size=(3, dimension))[labels] + rng.normal(size=(samples, dimension)), labels


def test_orthogonal_reads_two_axes_in_the_order_asked() -> None:
    logits = np.arange(12.0).reshape(3, 4)
    assert orthogonal(logits, 3, 1).tolist() == [[3, 1], [7, 5], [11, 9]]


def test_pair_confusion_counts_each_direction() -> None:
    labels = [0, 0, 0, 0, 1, 1, 2, 2]
    predictions = [0, 1, 1, 2, 0, 1, 0, 1]
    assert pair_confusion(labels, predictions, 0, 1) == PairConfusion(0.5, 0.5, 0.5)
    assert pair_confusion(labels, predictions, 2, 0) == PairConfusion(0.5, 0.25, pytest.approx(1 / 3))


def test_pair_confusion_is_the_entry_of_the_confusion_matrix() -> None:
    rng = np.random.default_rng(0)
    labels, predictions = rng.integers(4, size=(2, 300))
    percent = normalised(confusion(labels, predictions, list("abcd")))
    pair = pair_confusion(labels, predictions, 1, 3)
    assert pair.first_as_second * 100 == pytest.approx(percent.loc["b", "d"])
    assert pair.second_as_first * 100 == pytest.approx(percent.loc["d", "b"])
    assert min(pair.first_as_second, pair.second_as_first) <= pair.either
    assert pair.either <= max(pair.first_as_second, pair.second_as_first)


@pytest.mark.parametrize("dimension", [1, 10, 80])
def test_tsne_keeps_clusters_and_repeats(dimension: int) -> None:
    embeddings, labels = clusters(dimension)
    first, again = tsne(embeddings, seed=3, perplexity=10), tsne(embeddings, seed=3, perplexity=10)
    assert first.points.shape == (90, 2)
    assert (first.points == again.points).all()
    assert first.perplexity == 10
    assert nearest_accuracy(first.points[::2], labels[::2], first.points[1::2], labels[1::2]).mean() > 0.95


def test_tsne_names_its_method() -> None:
    openTSNE = pytest.importorskip("openTSNE")
    assert tsne(clusters()[0], seed=0).method == f"openTSNE {openTSNE.__version__}"


@pytest.mark.parametrize("dimension", [1, 60])
def test_tsne_without_the_extra_says_that_it_is_scikit_learn(dimension: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openTSNE", None)
    embeddings, labels = clusters(dimension)
    made = tsne(embeddings, seed=0, perplexity=10)
    assert made.method.startswith("scikit-learn ")
    assert (made.points == tsne(embeddings, seed=0, perplexity=10).points).all()
    assert nearest_accuracy(made.points[::2], labels[::2], made.points[1::2], labels[1::2]).mean() > 0.9


@pytest.mark.parametrize("library", ["openTSNE", "scikit-learn"])
def test_a_start_is_honoured(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a space that has moved a little, points move less than from one fresh layout to the next."""
    if library == "openTSNE":
        pytest.importorskip("openTSNE")
    else:
        monkeypatch.setitem(sys.modules, "openTSNE", None)
    embeddings, labels = clusters()
    moved = embeddings + 0.05 * np.random.default_rng(1).normal(size=embeddings.shape)
    first = tsne(embeddings, seed=0, perplexity=10).points
    turned = first @ np.array([[0.0, 1.0], [-1.0, 0.0]])  # no layout comes out like this by itself
    made = tsne(moved, seed=0, perplexity=10, start=turned)
    fresh = tsne(moved, seed=0, perplexity=10).points
    gaps = [np.linalg.norm(points - turned, axis=1).mean() for points in (made.points, fresh)]
    assert gaps[0] < 0.25 * gaps[1]
    assert made.method.startswith(library)
    assert (made.points == tsne(moved, seed=0, perplexity=10, start=turned).points).all()
    assert nearest_accuracy(made.points[::2], labels[::2], made.points[1::2], labels[1::2]).mean() > 0.9


def test_a_start_of_one_point_is_none() -> None:
    embeddings, _ = clusters()
    fresh = tsne(embeddings, seed=0, perplexity=10)
    assert (tsne(embeddings, seed=0, perplexity=10, start=np.ones((90, 2))).points == fresh.points).all()


def test_a_broken_installation_is_not_taken_for_a_missing_one(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "openTSNE":
                raise ModuleNotFoundError("No module named 'fftw'", name="fftw")

    monkeypatch.delitem(sys.modules, "openTSNE", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    with pytest.raises(ModuleNotFoundError, match="fftw"):
        tsne(clusters()[0], seed=0)


@pytest.mark.parametrize("samples", [4, 7, 40])
def test_few_samples_lower_the_perplexity_and_say_so(samples: int) -> None:
    made = tsne(clusters(samples=samples)[0], seed=0)
    assert made.perplexity == pytest.approx((samples - 1) / 3)
    assert np.isfinite(made.points).all()


def test_samples_that_all_coincide_lie_at_the_origin() -> None:
    made = tsne(np.full((20, 5), 0.1), seed=0)
    assert made.method == "constant"
    assert made.points.tolist() == [[0.0, 0.0]] * 20


def test_two_distinct_points_are_laid_out() -> None:
    assert np.isfinite(tsne(np.repeat(np.eye(2), 20, axis=0), seed=0).points).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: orthogonal(np.eye(3), 0, 3), "second class: 3, expected a whole number, 0 to 2"),
        (lambda: orthogonal(np.eye(3), 1, 1), "second class: 1, the same as the first"),
        (lambda: pair_confusion([0, 1], [0, 1], 0, 2), "labels: no sample of class 2"),
        (lambda: pair_confusion([0, 1], [0, 1], 0, "1"), "second class: '1'"),
        (lambda: tsne(np.eye(3), seed=0), "embeddings: 3 samples, expected at least 4"),
        (lambda: tsne(np.eye(5), seed=0, perplexity=0.5), "perplexity: 0.5"),
        (lambda: tsne(np.eye(5), seed=-1), "seed: -1"),
        (lambda: tsne(np.eye(5), seed=0, start=np.ones((4, 2))), "start: 4 samples, expected 5"),
        (lambda: tsne(np.eye(5), seed=0, start=np.ones((5, 3))), "start: 3 columns, expected 2"),
        (lambda: tsne(np.eye(5), seed=0, start=np.full((5, 2), np.nan)), "start: NaN"),
    ],
)
def test_wrong_input_says_what_was_expected(call, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()
