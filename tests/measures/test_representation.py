from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import NearestCentroid

from spacewise.errors import InputError
from spacewise.measures import blocks
from spacewise.measures.representation import margin_ratio, representation, same_class_neighbour

TRAIN = np.array([[0.0, 0.0], [0.0, 2.0], [10.0, 0.0], [10.0, 2.0]])
TRAIN_LABELS = np.array([4, 4, 7, 7])  # means (0, 1) and (10, 1)


def test_ratio_is_own_over_nearest_other() -> None:
    points = np.array([[0.0, 1.0], [2.0, 1.0], [5.0, 1.0], [10.0, 1.0]])
    assert margin_ratio(points, [4, 4, 4, 4], TRAIN, TRAIN_LABELS).tolist() == [0, 0.25, 1, np.inf]
    assert margin_ratio(points[1:2], [7], TRAIN, TRAIN_LABELS).tolist() == [4]


@pytest.mark.parametrize("rows", [1, 7, 60])
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_blocks_do_not_show(rows: int, offset: float, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    train, points = rng.normal(size=(2, 60, 4)) + offset
    train_labels, labels = rng.integers(5, size=60), rng.integers(7, size=60)  # two classes without training samples
    means = np.array([train[train_labels == label].mean(axis=0) for label in range(5)])
    distances = np.linalg.norm(points[:, None] - means, axis=2)
    naive = [
        each[label] / np.delete(each, label).min() if label < 5 else np.nan for each, label in zip(distances, labels)
    ]
    monkeypatch.setattr(blocks, "VALUES", rows * 5)
    assert margin_ratio(points, labels, train, train_labels) == pytest.approx(np.array(naive), rel=1e-9, nan_ok=True)


def test_below_one_is_where_a_nearest_mean_classifier_is_right() -> None:
    rng = np.random.default_rng(0)
    train, train_labels = rng.normal(size=(90, 5)), np.arange(90) % 3
    points, labels = rng.normal(size=(200, 5)), rng.integers(3, size=200)
    expected = NearestCentroid().fit(train, train_labels).predict(points) == labels
    assert ((margin_ratio(points, labels, train, train_labels) < 1) == expected).all()


def test_ratio_keeps_under_shift_and_scale() -> None:
    rng = np.random.default_rng(0)
    train, points = rng.normal(size=(30, 5)), rng.normal(size=(20, 5))
    train_labels, labels = np.arange(30) % 3, np.arange(20) % 3
    moved = margin_ratio(7 * points + 3, labels, 7 * train + 3, train_labels)
    assert moved == pytest.approx(margin_ratio(points, labels, train, train_labels))


def test_a_space_collapsed_to_a_point_has_ratio_one() -> None:
    assert margin_ratio(np.ones((3, 2)), [0, 1, 0], np.ones((4, 2)), [0, 0, 1, 1]).tolist() == [1, 1, 1]


def test_neighbour_of_the_same_class() -> None:
    points = np.array([[1.0, 0.0], [9.0, 0.0]])
    assert same_class_neighbour(points, [4, 4], TRAIN, TRAIN_LABELS).tolist() == [True, False]


def test_table_by_subset() -> None:
    points = np.array([[1.0, 1.0], [2.0, 1.0], [9.0, 1.0]])
    masks = {"unseen": np.array([False, False, True]), "none": np.zeros(3, dtype=bool)}
    table = representation(points, [4, 4, 4], TRAIN, TRAIN_LABELS, masks).set_index("subset")
    assert table["n"].tolist() == [3, 1, 0]
    assert table.loc["overall"].tolist() == pytest.approx([3, 0.25, 2 / 3, 2 / 3])
    assert table.loc["unseen"].tolist() == pytest.approx([1, 9, 0, 0])
    assert table.loc["none"].isna().tolist() == [False, True, True, True]


def test_a_class_without_training_samples_has_no_ratio_and_no_neighbour() -> None:
    features, labels = np.array([[1.0, 1.0], [9.0, 1.0], [9.0, 1.0]]), [4, 9, 3]
    ratios = margin_ratio(features, labels, TRAIN, TRAIN_LABELS)
    assert ratios[0] == pytest.approx(1 / 9)
    assert np.isnan(ratios[1:]).all()
    assert same_class_neighbour(features, labels, TRAIN, TRAIN_LABELS).tolist() == [True, False, False]
    table = representation(features, labels, TRAIN, TRAIN_LABELS)
    assert table.iloc[0, 1:].tolist() == pytest.approx([3, 1 / 9, 1 / 3, 1 / 3])


def test_one_class_in_training_is_refused() -> None:
    with pytest.raises(InputError, match=r"train labels: one class \(4\), expected at least two"):
        margin_ratio(np.ones((2, 2)), [4, 4], TRAIN, [4, 4, 4, 4])
