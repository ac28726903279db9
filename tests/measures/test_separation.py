from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score, silhouette_samples

from spacewise.errors import InputError
from spacewise.measures import blocks, pairwise, products, separation

SMALL = 8  # samples of a tile, so that few samples fill many


def spread(kind: str, samples: int = 90, classes: int = 5, dimension: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    labels = rng.integers(classes, size=samples)
    labels[:classes] = np.arange(classes)
    noise = rng.normal(size=(samples, dimension))
    centres = rng.normal(size=(classes, dimension))
    if kind == "tight and far":
        return 1e4 + 10 * centres[labels] + 1e-2 * noise, labels
    if kind == "two heaps of every class":
        return 1e-3 * noise + 50 * (np.arange(samples) % 2)[:, None], labels
    if kind == "duplicates":
        return np.round(noise[:, :2]), labels
    if kind == "one sample alone":
        return noise, np.where(np.arange(samples) == 7, 9, labels % 2)
    if kind == "a constant column":
        return np.column_stack([noise, np.full(samples, 0.1)]), labels
    return noise + centres[labels], labels


KINDS = [
    "random",
    "tight and far",
    "two heaps of every class",
    "duplicates",
    "one sample alone",
    "a constant column",
]


def naive(features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Rousseeuw's definition, sample by sample, difference by difference."""
    values = features.astype(np.float64)
    found = np.zeros(len(values))
    for index, (point, label) in enumerate(zip(values, labels, strict=True)):
        distances = np.sqrt(((values - point) ** 2).sum(axis=1))
        mates = (labels == label) & (np.arange(len(values)) != index)
        if mates.any():
            a = distances[mates].mean()
            b = min(distances[labels == other].mean() for other in set(labels.tolist()) - {label})
            found[index] = (b - a) / max(a, b) if max(a, b) > 0 else 0
    return found


def in_tiles(features: np.ndarray, labels: np.ndarray, tile: int) -> tuple[np.ndarray, np.ndarray]:
    codes = np.unique(labels, return_inverse=True)[1]
    return pairwise.own_and_other(products.space(features), codes, tile)


@pytest.mark.parametrize("precision", [np.float32, np.float64])
@pytest.mark.parametrize("kind", KINDS)
def test_silhouette_is_that_of_the_definition_and_of_scikit_learn(kind: str, precision: type) -> None:
    features, labels = spread(kind)
    features = features.astype(precision)
    found = separation.silhouette(features, labels)
    assert found.shape == (len(labels),)
    assert found == pytest.approx(naive(features, labels), abs=1e-6)
    assert found == pytest.approx(silhouette_samples(features.astype(np.float64), labels), abs=1e-6)


@pytest.mark.parametrize("classes", [2, 7, 60, 400])
def test_many_dimensions_and_several_tiles(classes: int) -> None:
    features, labels = spread("random", samples=1300, classes=classes, dimension=64)
    found = separation.silhouette(features.astype(np.float32), labels)
    assert found == pytest.approx(silhouette_samples(features.astype(np.float32), labels), abs=1e-6)


@pytest.mark.parametrize("tile", [1, 2, 7, 8, 9, 31, 89, 90, 91])
@pytest.mark.parametrize("classes", [2, 5, 40])
def test_the_size_of_a_tile_does_not_matter(tile: int, classes: int) -> None:
    features, labels = spread("random", classes=classes)
    for found, expected in zip(in_tiles(features, labels, tile), in_tiles(features, labels, 512), strict=True):
        assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("kind", ["tight and far", "two heaps of every class", "duplicates"])
def test_close_pairs_across_tiles(kind: str) -> None:
    features, labels = spread(kind)
    own, other = in_tiles(features.astype(np.float32), labels, SMALL)
    found = np.divide(other - own, np.maximum(own, other))
    assert found == pytest.approx(naive(features.astype(np.float32), labels), abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), factor=st.sampled_from([1e-3, 1.0, 64.0]), tile=st.sampled_from([3, SMALL, 512]))
def test_order_scale_and_place_do_not_matter(seed: int, factor: float, tile: int) -> None:
    features, labels = spread("random", samples=40, classes=3)
    order = np.random.default_rng(seed).permutation(40)
    for found, expected in zip(
        in_tiles(factor * features[order] + 5, (2 - labels)[order], tile), in_tiles(features, labels, tile), strict=True
    ):
        ratio = found / expected[order]
        assert ratio == pytest.approx(np.full(40, ratio[0]), rel=1e-5)


def test_golden_value() -> None:
    found = separation.silhouette(np.array([[0.0], [1.0], [4.0], [9.0]]), [0, 0, 1, 2])
    assert found.tolist() == pytest.approx([0.75, 2 / 3, 0, 0])


def test_constant_features_have_silhouette_zero() -> None:
    assert (separation.silhouette(np.full((900, 3), 0.1), np.arange(900) % 3) == 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_indices_are_those_of_scikit_learn(kind: str) -> None:
    features, labels = spread(kind)
    near = features - features[0]  # far from the origin scikit-learn loses digits
    for own, peer in (
        (separation.calinski_harabasz, calinski_harabasz_score),
        (separation.davies_bouldin, davies_bouldin_score),
    ):
        assert own(features, labels) == pytest.approx(peer(near, labels))
        assert own(features, labels) == pytest.approx(peer(features, labels), rel=1e-4)
        assert own(near.astype(np.float32), labels) == pytest.approx(peer(near, labels), rel=1e-4)


def test_indices_of_classes_that_do_not_spread() -> None:
    labels = np.arange(6) % 2
    for features in (labels[:, None] * np.ones(3), np.full((6, 3), 0.1)):
        assert separation.calinski_harabasz(features, labels) == calinski_harabasz_score(labels[:, None], labels) == 1
        assert separation.davies_bouldin(features, labels) == davies_bouldin_score(labels[:, None], labels) == 0


def test_class_distances_by_hand() -> None:
    features = np.array([[0.0, 0.0], [0.0, 2.0], [3.0, 1.0], [0.0, 5.0], [0.0, 5.0]])
    table = separation.class_distances(features, [4, 4, 7, 9, 9]).set_index("class")
    gap = np.hypot(3, 4)
    assert table.loc[4].tolist() == pytest.approx([2, 1, 3.5, 7, 3])
    assert table.loc[7].tolist() == pytest.approx([1, 0, (3 + gap) / 2, 4, 3])
    assert table.loc[9].tolist() == pytest.approx([2, 0, (4 + gap) / 2, 4, 4])


@pytest.mark.parametrize("rows", [1, 7, 90])
@pytest.mark.parametrize("kind", KINDS)
def test_indices_do_not_depend_on_blocks(kind: str, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = spread(kind)
    expected, table = separation.indices(features, labels), separation.class_distances(features, labels)
    monkeypatch.setattr(blocks, "VALUES", rows * features.shape[1])
    assert separation.indices(features, labels) == pytest.approx(expected, rel=1e-12)
    found = separation.class_distances(features, labels)
    assert found["nearest"].tolist() == table["nearest"].tolist()
    numbers = ["n", "intra", "inter", "nearest_distance"]
    assert found[numbers].to_numpy() == pytest.approx(table[numbers].to_numpy(), rel=1e-12)


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_memory_maps_agree_with_scikit_learn_to_nine_digits(offset: float, tmp_path: Path) -> None:
    features, labels = spread("random", samples=700, classes=20, dimension=16)
    np.save(tmp_path / "features.npy", (features + offset).astype(np.float32))
    mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
    near = mapped - mapped[0].astype(np.float64)
    row = separation.indices(mapped, labels)
    assert row["calinski_harabasz"] == pytest.approx(calinski_harabasz_score(near, labels), rel=1e-9)
    assert row["davies_bouldin"] == pytest.approx(davies_bouldin_score(near, labels), rel=1e-9)
    assert row["calinski_harabasz"] == separation.calinski_harabasz(mapped, labels)
    assert row["davies_bouldin"] == separation.davies_bouldin(mapped, labels)


def test_means_that_coincide_are_left_out_of_davies_bouldin() -> None:
    features = np.array([[-1.0, 0], [1, 0], [0, -1], [0, 1], [5, 0], [7, 0]])
    labels = [0, 0, 1, 1, 2, 2]
    assert separation.davies_bouldin(features, labels) == pytest.approx(davies_bouldin_score(features, labels))


def test_both_passes_are_told() -> None:
    features, labels = spread("random")
    told: list[int] = []
    separation.indices(features, labels, advance=told.append)
    assert told == [90, 90]


def test_a_table_row_holds_the_means() -> None:
    features, labels = spread("random")
    row = separation.separation(features, labels)
    assert list(row) == ["silhouette", "calinski_harabasz", "davies_bouldin", "intra", "inter"]
    assert row["silhouette"] == separation.silhouette(features, labels).mean()
    means = np.stack([features[labels == label].mean(axis=0) for label in range(5)])
    assert row["intra"] == pytest.approx(np.linalg.norm(features - means[labels], axis=1).mean())
    pairs = np.linalg.norm(means[:, None] - means, axis=2)
    assert row["inter"] == pytest.approx(pairs.sum() / 20)


def test_whole_numbers_and_half_precision_are_welcome() -> None:
    features, labels = spread("duplicates")
    expected = separation.silhouette(features, labels)
    for dtype in (np.int64, np.float16):
        assert separation.silhouette(features.astype(dtype), labels) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    "measure",
    [
        separation.silhouette,
        separation.calinski_harabasz,
        separation.davies_bouldin,
        separation.class_distances,
        separation.separation,
    ],
)
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([3, 3, 3], r"labels: one class \(3\), expected at least two"),
        ([3, 4, 5], "labels: 3 classes of one sample each"),
        ([0, 1], "labels: 2 samples, expected 3"),
    ],
)
def test_labels_that_cannot_be_compared_are_refused(measure, labels: list[int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        measure(np.eye(3), labels)
