from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import EmpiricalCovariance

from spacewise.errors import InputError
from spacewise.measures import blocks
from spacewise.measures.moments import Moments, class_moments, mean_distances, moments_of_parts, nearest_mean

SAMPLES, DIMENSION = 61, 5


def world(seed: int = 0, offset: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Four classes with labels of their own, one of a single sample."""
    rng = np.random.default_rng(seed)
    labels = np.array([-3, 4, 10])[rng.integers(3, size=SAMPLES)]
    labels[7] = 8
    return rng.normal(size=(SAMPLES, DIMENSION)) + 2.0 * (labels[:, None] > 5) + offset, labels


def naive(features: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """Two passes, sample by sample."""
    values = features.astype(np.float64)
    classes = np.unique(labels)
    means = np.array([values[labels == label].mean(axis=0) for label in classes])
    apart = np.zeros((len(classes), DIMENSION, DIMENSION))
    for value, label in zip(values, labels, strict=True):
        gap = value - means[classes == label][0]
        apart[classes == label] += np.outer(gap, gap)
    gaps = values - values.mean(axis=0)
    counts = np.array([(labels == label).sum() for label in classes])
    return {"classes": classes, "counts": counts, "means": means, "apart": apart, "total": gaps.T @ gaps}


def agrees(found: Moments, features: np.ndarray, labels: np.ndarray, rel: float = 1e-9) -> None:
    expected = naive(features, labels)
    assert found.classes.tolist() == expected["classes"].tolist()
    assert found.counts.tolist() == expected["counts"].tolist()
    assert found.means == pytest.approx(expected["means"], rel=rel)
    scale = rel * np.abs(expected["total"]).max()
    assert found.squares == pytest.approx(np.trace(expected["apart"], axis1=1, axis2=2), rel=rel, abs=scale)
    assert found.within == pytest.approx(expected["apart"].sum(axis=0), abs=scale)
    assert found.total == pytest.approx(expected["total"], abs=scale)
    for label, scatter in zip(expected["classes"].tolist(), expected["apart"], strict=True):
        assert found.apart[label] == pytest.approx(scatter, abs=scale)


@pytest.mark.parametrize("rows", [1, 7, SAMPLES])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64])
def test_blocks_do_not_show(rows: int, dtype: type, monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = world()
    features = (10 * features).astype(dtype)
    monkeypatch.setattr(blocks, "VALUES", rows * DIMENSION)
    agrees(class_moments(features, labels, scatter=True, apart="all"), features, labels)


@pytest.mark.parametrize("precision", [np.float32, np.float64])
@pytest.mark.parametrize("offset", [1e4, -1e6])
def test_far_from_the_origin_no_digits_are_lost(precision: type, offset: float, monkeypatch) -> None:
    features, labels = world(offset=offset)
    features = features.astype(precision)
    monkeypatch.setattr(blocks, "VALUES", 7 * DIMENSION)
    agrees(class_moments(features, labels, scatter=True, apart="all"), features, labels)
    near = naive(features - features[0].astype(np.float64), labels)  # numpy's own mean is rounded out there
    found = class_moments(features, labels, scatter=True, apart="all")
    assert found.total == pytest.approx(near["total"], rel=1e-9, abs=1e-9 * near["total"].max())
    assert np.array([found.apart[label] for label in near["classes"].tolist()]) == pytest.approx(
        near["apart"], abs=1e-9
    )


def test_the_first_sample_may_be_an_outlier() -> None:
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(4000, DIMENSION)), np.zeros(4000, dtype=int)
    features[0, 0] = 1e5
    found, expected = class_moments(features, labels, scatter=True), naive(features, labels)["total"]
    assert np.diag(found.within) == pytest.approx(np.diag(expected), rel=1e-10)
    deviations = np.sqrt(np.diag(expected))
    assert found.within / np.outer(deviations, deviations) == pytest.approx(
        expected / np.outer(deviations, deviations), abs=1e-10
    )


def test_many_samples_of_large_mean_agree_with_numpy_in_two_passes() -> None:
    rng = np.random.default_rng(1)
    features = (1e4 + rng.normal(size=(40_000, DIMENSION))).astype(np.float32)
    labels = rng.integers(3, size=40_000)
    found = class_moments(features, labels, scatter=True)
    doubles = features.astype(np.float64)
    means = np.array([doubles[labels == label].mean(axis=0) for label in range(3)])
    gaps = doubles - means[labels]
    assert found.means == pytest.approx(means, rel=1e-12)
    assert np.diag(found.within) == pytest.approx(np.diag(gaps.T @ gaps), rel=1e-9)
    assert found.within == pytest.approx(gaps.T @ gaps, abs=1e-9 * 40_000)


def test_points_have_no_scatter_whatever_their_place() -> None:
    labels = np.arange(60) % 3
    features = np.array([[0.1, 0.7], [1e7, -0.3], [1 / 3, 5e-9]])[labels]
    found = class_moments(features, labels, scatter=True, apart="all")
    assert found.means.tolist() == features[:3].tolist()
    assert (found.squares == 0).all()
    assert (found.within == 0).all()
    assert all((each == 0).all() for each in found.apart.values())


def test_memory_maps(tmp_path: Path) -> None:
    features, labels = world()
    np.save(tmp_path / "features.npy", features.astype(np.float32))
    mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
    agrees(class_moments(mapped, labels, scatter=True, apart="all"), features.astype(np.float32), labels)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1000), cuts=st.lists(st.integers(1, SAMPLES - 1), max_size=6), offset=st.sampled_from([0, 1e4])
)
def test_shards_add_up_in_any_order_and_grouping(seed: int, cuts: list[int], offset: float) -> None:
    features, labels = world(seed, offset)
    rows = [rows for rows in np.split(np.random.default_rng(seed).permutation(SAMPLES), sorted(cuts)) if len(rows)]
    options = {"scatter": True, "apart": "all"}
    parts = [class_moments(features[each], labels[each], **options) for each in rows]
    agrees(moments_of_parts(((features[each], labels[each]) for each in rows), **options), features, labels)
    backwards = parts[-1]
    for part in reversed(parts[:-1]):
        backwards = part + backwards
    agrees(backwards, features, labels)


def test_shards_of_other_classes() -> None:
    features, labels = world()
    options = {"scatter": True, "apart": "all"}
    high = labels > 5
    parts = [class_moments(features[each], labels[each], **options) for each in (high, ~high)]
    agrees(parts[0] + parts[1], features, labels)


def test_covariances_are_those_of_scikit_learn() -> None:
    features, labels = world()
    found = class_moments(features, labels, scatter=True, apart=[4, 99])
    assert list(found.apart) == [4]
    alone = EmpiricalCovariance().fit(features[labels == 4])
    assert found.covariance(4) == pytest.approx(alone.covariance_)
    assert found.mean == pytest.approx(features.mean(axis=0))
    assert found.total / SAMPLES == pytest.approx(EmpiricalCovariance().fit(features).covariance_)
    gaps = features - found.means[np.searchsorted(found.classes, labels)]
    assert found.covariance() == pytest.approx(EmpiricalCovariance(assume_centered=True).fit(gaps).covariance_)


@pytest.mark.parametrize("rows", [1, 7, SAMPLES])
def test_mean_distances_to_the_class_mean(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = world()
    monkeypatch.setattr(blocks, "VALUES", rows * DIMENSION)
    found = class_moments(features, labels)
    codes = np.searchsorted(found.classes, labels)
    lengths = np.linalg.norm(features - found.means[codes], axis=1)
    expected = [lengths[labels == label].mean() for label in found.classes]
    assert mean_distances(features, codes, found) == pytest.approx(np.array(expected))


def test_the_nearest_mean_is_measured_and_one_can_be_left_out() -> None:
    rng = np.random.default_rng(0)
    points, means, skip = rng.normal(size=(200, 4)), rng.normal(size=(9, 4)), rng.integers(9, size=200)
    squares = ((points[:, None] - means) ** 2).sum(axis=2)
    assert nearest_mean(points, means) == pytest.approx(squares.min(axis=1), rel=1e-14)
    squares[np.arange(200), skip] = np.inf
    assert nearest_mean(points, means, skip) == pytest.approx(squares.min(axis=1), rel=1e-14)
    assert nearest_mean(1e-3 + means, 1e-3 + means).tolist() == [0] * 9


def test_every_block_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = world()
    monkeypatch.setattr(blocks, "VALUES", 20 * DIMENSION)
    told: list[int] = []
    class_moments(features, labels, advance=told.append)
    assert told == [20, 20, 20, 1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, t: class_moments(x, t[:-1]), "labels: 60 samples, expected 61"),
        (
            lambda x, t: class_moments(np.where(x == x[9], np.nan, x), t),
            "features: NaN or infinite in 1 samples, first 9",
        ),
        (lambda x, t: class_moments(x, t).covariance(), "scatter: was not asked for"),
        (lambda x, t: class_moments(x, t).total, "scatter: was not asked for"),
        (lambda x, t: class_moments(x, t, apart=[4]).covariance(10), r"class 10: not kept, expected one of \[4\]"),
        (lambda x, t: moments_of_parts([]), "parts: none"),
        (lambda x, t: moments_of_parts([(x, t), (x[:, 1:], t)]), "moments: of 5 and 4 dimensions"),
        (
            lambda x, t: class_moments(x, t) + class_moments(x, t, scatter=True),
            "one holds scatter that the other lacks",
        ),
        (lambda x, t: class_moments(x, t) + class_moments(x, t, apart=[4]), "one holds scatter that the other lacks"),
    ],
)
def test_wrong_input_says_what_was_expected(call, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call(*world())
