"""Two domains in one space: told apart or not, how far apart, and class on class or not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedKFold

from spacewise.errors import InputError
from spacewise.measures import domains

NAMES = ["forest", "town", "water"]
CENTRES = 10 * np.eye(3, 5)


def normal(samples: int, dimension: int = 5, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(samples, dimension))


def classes(samples: int, seed: int, order: tuple[int, ...] = (0, 1, 2)) -> tuple[np.ndarray, np.ndarray]:
    """Three clusters; class i lies at centre order[i]."""
    labels = np.arange(samples) % 3
    return normal(samples, seed=seed) + CENTRES[np.array(order)[labels]], labels


def naive_distance(source: np.ndarray, target: np.ndarray, ways: np.ndarray, divisor: float) -> float:
    """Squared gaps of the quantile functions, direction by direction, step by step."""
    total = 0.0
    for way in ways:
        one, other = np.sort(source @ way), np.sort(target @ way)
        steps = np.arange(len(one) * len(other))
        total += np.mean((one[steps // len(other)] - other[steps // len(one)]) ** 2)
    return float(np.sqrt(total / len(ways)) / divisor)


def ways_of(projections: int, dimension: int, seed: int) -> np.ndarray:
    import torch

    from spacewise.losses.sliced_wasserstein import directions

    return directions(projections, dimension, seed, like=torch.zeros(1, dtype=torch.float64)).numpy()


def test_one_distribution_cannot_be_told_apart() -> None:
    found = domains.separability(normal(800), normal(700, seed=1))
    assert found.accuracy == pytest.approx(0.5, abs=0.04)
    assert found.low < 0.5 < found.high
    assert found.high - found.low < 0.07
    assert (found.source_samples, found.target_samples) == (800, 700)
    assert domains.domain_distance(normal(800), normal(700, seed=1)) < 0.15


def test_far_domains_are_told_apart_entirely() -> None:
    assert domains.separability(normal(60), normal(40, seed=1) + 20).accuracy == 1
    assert domains.domain_distance(normal(60), normal(40, seed=1) + 1e4) == pytest.approx(2, abs=1e-3)
    assert domains.domain_distance(np.zeros((1, 3)), np.ones((9, 3))) == pytest.approx(2)


def test_separability_is_that_of_scikit_learn_by_hand() -> None:
    source, target = 3 * normal(50) + 7, 3 * normal(31, seed=1) + 9
    vectors, truth = np.concatenate([source, target]), np.repeat([0, 1], [50, 31])
    expected = np.empty(81)
    for train, test in StratifiedKFold(4, shuffle=True, random_state=2).split(vectors, truth):
        mean, deviation = vectors[train].mean(axis=0), vectors[train].std(axis=0)
        probe = LogisticRegression(class_weight="balanced", max_iter=1000)
        probe.fit((vectors[train] - mean) / deviation, truth[train])
        expected[test] = probe.predict_proba((vectors[test] - mean) / deviation)[:, 1]
    samples = domains.separability_samples(source, target, folds=4, seed=2)
    assert list(samples) == ["domain", "sample", "probability", "correct"]
    assert samples["domain"].tolist() == ["source"] * 50 + ["target"] * 31
    assert samples["sample"].tolist() == [*range(50), *range(31)]
    assert samples["probability"].to_numpy() == pytest.approx(np.where(truth, expected, 1 - expected), abs=1e-6)
    found = domains.separability(source, target, folds=4, seed=2)
    assert found.accuracy == pytest.approx(balanced_accuracy_score(truth, expected > 0.5))
    assert 0.5 < found.low < found.accuracy < found.high < 1


def test_a_small_domain_weighs_as_much_as_a_large_one() -> None:
    """To say `source` always would be right in 95 of 100 samples."""
    assert domains.separability(normal(950), normal(50, seed=1)).accuracy == pytest.approx(0.5, abs=0.1)
    shifted = domains.separability(normal(950), normal(50, seed=1) + 1)
    assert shifted.accuracy == pytest.approx(0.86, abs=0.06)  # Phi(sqrt(5) / 2), the best there is


def test_of_many_samples_some_are_drawn() -> None:
    source, target = normal(90), normal(30, seed=1)
    samples = domains.separability_samples(source, target, most=40, seed=3)
    drawn = samples.loc[samples["domain"] == "source", "sample"]
    assert len(drawn) == drawn.nunique() == 40
    assert (samples["domain"] == "target").sum() == 30
    pd.testing.assert_frame_equal(samples, domains.separability_samples(source, target, most=40, seed=3))
    other = domains.separability_samples(source, target, most=40, seed=4)
    assert other["sample"].tolist() != samples["sample"].tolist()
    few = domains.separability(source, target, most=40, seed=3)
    assert (few.source_samples, few.target_samples) == (40, 30)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6])
def test_constant_vectors_are_neither_told_apart_nor_distant(value: float) -> None:
    source, target = np.full((23, 3), value), np.full((11, 3), value)
    assert domains.separability(source, target) == domains.Separability(0.5, 0.5, 0.5, 23, 11)
    assert domains.domain_distance(source, target) == 0
    table = domains.domain_distances(source, np.arange(23) % 3, target, np.arange(11) % 3, NAMES)
    assert table["distance"].tolist() == [0, 0, 0]
    assert table["nearest"].tolist() == NAMES


@pytest.mark.parametrize(("source", "target"), [(40, 40), (40, 25), (1, 30), (1, 1)])
def test_distance_is_that_of_the_definition(source: int, target: int) -> None:
    one, other = 3 * normal(source) + 1, normal(target, seed=1) - 2
    ways = ways_of(17, 5, 4)
    middle = (one.mean(axis=0) + other.mean(axis=0)) / 2
    square = (np.mean(((one - middle) @ ways.T) ** 2) + np.mean(((other - middle) @ ways.T) ** 2)) / 2
    expected = naive_distance(one, other, ways, np.sqrt(square))
    assert domains.domain_distance(one, other, projections=17, seed=4) == pytest.approx(expected, rel=1e-9)
    assert 0 < expected <= 2 + 1e-9


def test_peer_agrees() -> None:
    ot = pytest.importorskip("ot")
    one, other = classes(60, seed=0)[0], classes(50, seed=1)[0] + 2
    ways = ways_of(200, 5, 0)
    middle = (one.mean(axis=0) + other.mean(axis=0)) / 2
    square = np.mean([np.mean(((values - middle) @ ways.T) ** 2) for values in (one, other)])
    expected = ot.sliced_wasserstein_distance(one, other, projections=ways.T, p=2) / np.sqrt(square)
    assert domains.domain_distance(one, other) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e5])
def test_place_and_scale_do_not_matter(scale: float) -> None:
    source, target = normal(90), 2 * normal(60, seed=1) + 1
    moved = [scale * (values + 5) for values in (source, target)]
    assert domains.domain_distance(*moved) == pytest.approx(domains.domain_distance(source, target), rel=1e-6)
    samples = domains.separability_samples(*moved)["probability"]
    assert samples.to_numpy() == pytest.approx(domains.separability_samples(source, target)["probability"], abs=1e-4)


def test_rotation_does_not_matter_where_there_are_many_directions() -> None:
    source, target = normal(200) * [3, 1, 1, 1, 1], normal(200, seed=1) + 1
    turned = np.linalg.qr(normal(5, seed=2))[0]
    first = domains.domain_distance(source, target, projections=3000)
    assert domains.domain_distance(source @ turned, target @ turned, projections=3000) == pytest.approx(first, rel=0.03)
    assert domains.domain_distance(source, target, seed=1) == pytest.approx(first, rel=0.15)


def test_dimensions_that_say_nothing_new_do_not_matter() -> None:
    """The same shift of one deviation, in 3 and in 300 dimensions."""
    for dimension in (3, 300):
        gap = domains.domain_distance(normal(3000, dimension), normal(3000, dimension, 1) + 1)
        assert gap == pytest.approx(1 / np.sqrt(1.25), abs=0.06)  # deviation of both together: sqrt(1 + 1 / 4)


def test_classes_that_lie_together() -> None:
    source, one = classes(90, seed=0)
    target, other = classes(60, seed=1)
    table = domains.domain_distances(source, one, target, other, NAMES)
    columns = ["class", "source_samples", "target_samples", "distance", "nearest", "nearest_distance", "matched"]
    assert list(table) == columns
    assert table["class"].tolist() == table["nearest"].tolist() == NAMES
    assert table["source_samples"].tolist() == [30] * 3
    assert table["target_samples"].tolist() == [20] * 3
    assert (table["distance"] < 0.2).all()
    assert table["distance"].tolist() == table["nearest_distance"].tolist()
    assert table["matched"].all()


def test_exchanged_classes_are_seen_though_the_domains_lie_together() -> None:
    source, one = classes(90, seed=0)
    target, other = classes(60, seed=1, order=(1, 0, 2))
    assert domains.domain_distance(source, target) < 0.15
    table = domains.domain_distances(source, one, target, other, NAMES).set_index("class")
    assert table["nearest"].tolist() == ["town", "forest", "water"]
    assert table["matched"].tolist() == [False, False, True]
    assert (table["distance"] > 5 * table["nearest_distance"])[["forest", "town"]].all()


def test_distances_by_class_are_those_of_the_definition() -> None:
    source, one = classes(31, seed=0)
    target, other = classes(22, seed=1, order=(0, 2, 1))
    ways = ways_of(200, 5, 0)
    middle = (source.mean(axis=0) + target.mean(axis=0)) / 2
    deviation = np.sqrt(np.mean([np.mean(((values - middle) @ ways.T) ** 2) for values in (source, target)]))
    table = domains.domain_distances(source, one, target, other, NAMES)
    for index, row in table.iterrows():
        gaps = [naive_distance(source[one == index], target[other == their], ways, deviation) for their in range(3)]
        assert row["distance"] == pytest.approx(gaps[index])
        assert row["nearest_distance"] == pytest.approx(min(gaps))
        assert row["nearest"] == NAMES[int(np.argmin(gaps))]


def test_a_class_that_one_domain_lacks() -> None:
    source, one = classes(30, seed=0)
    target, other = classes(30, seed=1)
    lacking = other != 1
    table = domains.domain_distances(source, one, target[lacking], other[lacking], [*NAMES, "rock"])
    for index, counts in ((1, (10, 0)), (3, (0, 0))):
        row = table.loc[index]
        assert (row["source_samples"], row["target_samples"]) == counts
        assert np.isnan([row["distance"], row["nearest_distance"]]).all()
        assert row["nearest"] == ""
        assert row["matched"] is pd.NA
    assert table["matched"].mean() == 1  # of those that both have
    lacking = one != 1
    table = domains.domain_distances(source[lacking], one[lacking], target, other, NAMES)
    assert table.loc[1, ["source_samples", "target_samples"]].tolist() == [0, 10]
    assert table["matched"].isna().tolist() == [False, True, False]


def test_a_single_sample_of_a_class() -> None:
    table = domains.domain_distances(np.eye(2), [0, 1], np.eye(2), [0, 1], ["a", "b"])
    assert table["distance"].tolist() == [0, 0]
    assert table["matched"].all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"folds": 1}, "folds: 1, expected a whole number, 2 or more"),
        ({"folds": 8}, "target: 7 samples, expected at least 8, one for each fold"),
        ({"most": 4}, "most: 4, expected a whole number, 5 or more"),
        ({"seed": -1}, "seed: -1"),
        ({"seed": 2**32}, "seed: 4294967296"),
    ],
)
def test_a_probe_that_cannot_be_asked(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        domains.separability(normal(20), normal(7), **options)


@pytest.mark.parametrize("options", [{"projections": 0}, {"projections": 2.0}, {"seed": -1}])
def test_directions_that_cannot_be_drawn(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="expected a whole number"):
        domains.domain_distance(normal(4), normal(4), **options)


@pytest.mark.parametrize(
    ("source_labels", "target_labels", "names", "message"),
    [
        ([0, 1], [0, 3], NAMES, "target_labels: class index 3, expected 0 to 2"),
        ([-1, 1], [0, 1], NAMES, "source_labels: class index -1, expected 0 to 2"),
        ([0, 1], [0, 1], ["a", "a"], "classes: 2 names of which 1 differ"),
        ([0, 1, 1], [0, 1], NAMES, "source_labels: 3 samples, expected 2"),
    ],
)
def test_labels_that_name_no_class(source_labels: Any, target_labels: Any, names: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        domains.domain_distances(np.eye(2), source_labels, np.eye(2), target_labels, names)
