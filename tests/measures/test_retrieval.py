from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from spacewise.errors import InputError
from spacewise.measures import blocks, hits, products
from spacewise.measures.approximate import approximate_first_hits
from spacewise.measures.retrieval import (
    compare_recall,
    first_hits,
    recall,
    recall_row,
    retrieval,
    retrieval_samples,
)
from spacewise.measures.sampling import sample_interval, stratified


def naive(points: np.ndarray, labels: np.ndarray, normalise: bool = False) -> np.ndarray:
    """Every difference in double precision, one query at a time, sorted by distance, then index."""
    points = points.astype(np.float64)
    if normalise:
        lengths = np.linalg.norm(points, axis=1, keepdims=True)
        points = points / np.where(lengths > 0, lengths, 1)
    rows = []
    for query, point in enumerate(points):
        apart = np.sqrt(((point - points) ** 2).sum(axis=1))
        order = np.array([i for i in np.argsort(apart, kind="stable") if i != query])
        hit = labels[order] == labels[query]
        sought = int(hit.sum())
        if sought == 0:
            rows.append((0, 0, np.nan, np.nan))
            continue
        near = hit[:sought]
        precision = sum(near[: i + 1].mean() for i in range(sought) if near[i])
        rows.append((int(hit.argmax()) + 1, sought, near.mean(), precision / sought))
    return np.array(rows)


def agrees(points: np.ndarray, labels: np.ndarray, normalise: bool = False) -> None:
    table = retrieval_samples(points, labels, normalise=normalise)
    expected = naive(points, labels, normalise)
    assert (table["first_hit"] == expected[:, 0]).all()
    np.testing.assert_allclose(table.to_numpy(dtype=float), expected, rtol=1e-12)


def clouds(samples: int, dimension: int, classes: int, seed: int = 0, spread: float = 1.0) -> tuple:
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=samples)
    return rng.normal(size=(classes, dimension))[labels] + spread * rng.normal(size=(samples, dimension)), labels


@settings(max_examples=150)
@given(
    seed=st.integers(0, 10**6),
    samples=st.integers(2, 40),
    dimension=st.integers(1, 5),
    values=st.integers(1, 4),
    classes=st.integers(1, 8),
    normalise=st.booleans(),
)
def test_ties_go_to_the_lowest_index(seed, samples, dimension, values, classes, normalise) -> None:
    rng = np.random.default_rng(seed)  # few distinct values: most distances tie, many rows are copies
    agrees(rng.integers(values, size=(samples, dimension)), rng.integers(classes, size=samples), normalise)


@pytest.mark.parametrize("normalise", [True, False])
@pytest.mark.parametrize(("samples", "dimension", "classes"), [(300, 5, 7), (400, 64, 3), (300, 16, 300), (300, 3, 1)])
def test_agrees_with_sorting_everything(samples: int, dimension: int, classes: int, normalise: bool) -> None:
    agrees(*clouds(samples, dimension, classes), normalise)


@pytest.mark.parametrize("spread", [1e-3, 1e-7, 1e-9])
@pytest.mark.parametrize("offset", [0.0, 1.0, 1e3])
@pytest.mark.parametrize("normalise", [True, False])
def test_all_within_a_hair_is_still_exact(spread: float, offset: float, normalise: bool) -> None:
    rng = np.random.default_rng(0)
    direction = rng.normal(size=16) + offset
    points = direction / np.linalg.norm(direction) + spread * rng.normal(size=(200, 16))
    agrees(points, rng.integers(5, size=200), normalise)
    agrees(points.astype(np.float32), rng.integers(5, size=200), normalise)


def test_unit_vectors_of_tight_clusters_far_apart() -> None:
    rng = np.random.default_rng(1)
    points = np.repeat(rng.normal(size=(6, 16)), 50, axis=0) + 1e-7 * rng.normal(size=(300, 16))
    agrees(points, rng.integers(9, size=300), True)
    agrees(points[rng.integers(300, size=300)], rng.integers(9, size=300), True)


@pytest.mark.parametrize("scale", [1e-200, 1e-30, 1e30, 1e200])
def test_no_scale_underflows_or_overflows(scale: float) -> None:
    points, labels = clouds(80, 8, 5)
    normalised = first_hits(points, labels)
    assert (first_hits(points * 2.0 ** np.round(np.log2(scale)), labels) == normalised).all()
    if 1e-100 < scale < 1e100:
        agrees(points * scale, labels)


def test_a_space_collapsed_to_a_point_follows_the_index() -> None:
    labels = np.array([0, 1, 0, 1, 1, 2])
    for points in (np.ones((6, 3)), np.zeros((6, 3)), np.array([[0.0], [-0.0]])[np.arange(6) % 2]):
        assert first_hits(points, labels).tolist() == [2, 3, 1, 2, 2, 0]
    big = np.arange(3000) % 30
    table = retrieval_samples(np.ones((3000, 64)), big)
    assert (table["first_hit"] == np.where(big == np.arange(3000), big + 30, big + 1)).all()


def test_copies_tie_exactly() -> None:
    points, labels = clouds(150, 32, 6)
    points = np.concatenate([points, points, points[:40]]).astype(np.float32)
    labels = np.concatenate([labels, np.roll(labels, 1), labels[:40]])
    agrees(points, labels, True)
    agrees(points, labels)


def test_perfect_and_random() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(600) % 6
    perfect = retrieval(np.eye(6)[labels] + 0.01 * rng.normal(size=(600, 6)), labels).iloc[0]
    shares = [name for name in perfect.index if name not in {"n", "lone"}]
    assert (perfect[shares] == 1).all()
    noise = retrieval(rng.normal(size=(600, 20)), labels, ranks=(1, 2)).iloc[0]
    assert noise["recall@1"] == pytest.approx(1 / 6, abs=0.06)
    assert noise["recall@2"] == pytest.approx(1 - (5 / 6) ** 2, abs=0.06)
    assert noise["r_precision"] == pytest.approx(1 / 6, abs=0.03)


def test_golden() -> None:
    # query 0 sees 1 2 3 4, of which 2 and 4 are hits; R = 2: precision at 2 is 1/2, halved
    table = retrieval_samples(np.array([[0.0], [1], [2], [3], [9]]), [0, 1, 0, 1, 0], normalise=False)
    assert table.loc[0].tolist() == [2, 2, 0.5, 0.25]
    assert table["hits"].tolist() == [2, 1, 2, 1, 2]
    assert table["first_hit"].tolist() == [2, 3, 3, 2, 2]


def test_order_of_samples_does_not_matter_without_ties() -> None:
    points, labels = clouds(200, 12, 9)
    order = np.random.default_rng(3).permutation(200)
    shuffled = retrieval_samples(points[order], labels[order])
    pd.testing.assert_frame_equal(shuffled, retrieval_samples(points, labels).loc[order].reset_index(drop=True))


def test_neither_blocks_nor_precision_nor_threads_show(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    smooth, labels = clouds(250, 12, 9, spread=2)
    for points in (smooth, smooth.round(), smooth[rng.integers(40, size=250)]):
        whole = retrieval_samples(points, labels)
        for tile, values, precisions in (
            (16, 900, products.precisions()),
            (2048, 2**22, [torch.bfloat16, torch.float32, torch.float64]),
            (40, 250, [torch.float32, torch.float64]),
        ):
            with monkeypatch.context() as patched:
                patched.setattr(products, "TILE", tile)
                patched.setattr(products, "PAIR_VALUES", 7 * tile)
                patched.setattr(hits, "BLOCK_VALUES", values)
                patched.setattr(products, "precisions", lambda found=precisions: found)
                pd.testing.assert_frame_equal(retrieval_samples(points, labels), whole)
        torch.set_num_threads(2)
        try:
            pd.testing.assert_frame_equal(retrieval_samples(points, labels), whole)
        finally:
            torch.set_num_threads(1)


def test_rounding_stays_within_its_bound() -> None:
    rng = np.random.default_rng(0)
    place = products.space(rng.normal(size=(120, 50)) * np.exp(rng.normal(size=(120, 1))) + 3)
    everyone = np.arange(120)
    exact = place.distances(np.repeat(everyone, 120), np.tile(everyone, 120)).reshape(120, 120) / place.scale
    for precision in (torch.float32, torch.float64):
        side = products.side(place, everyone, precision)
        moved, summing = (bound[:, None] for bound in products.rounding(side, side))
        found = -2 * products.similarity(side, side, np.zeros(120)).double().numpy()
        assert (found <= (exact + moved) ** 2 + 2 * summing).all()
        assert (found >= np.maximum(exact - moved, 0) ** 2 - 2 * summing).all()


def test_agrees_with_scikit_learn() -> None:
    points, labels = clouds(300, 24, 12)
    unit = points / np.linalg.norm(points, axis=1, keepdims=True)
    indices = NearestNeighbors(n_neighbors=9, algorithm="brute").fit(unit).kneighbors(return_distance=False)
    hit = labels[indices] == labels[:, None]
    expected = [hit[:, :k].any(axis=1).mean() for k in (1, 4, 9)]
    assert recall(first_hits(points, labels), (1, 4, 9)) == pytest.approx(expected)


def test_agrees_with_pytorch_metric_learning() -> None:
    calculator = pytest.importorskip("pytorch_metric_learning.utils.accuracy_calculator")
    pytest.importorskip("faiss")
    points, labels = clouds(300, 24, 10)
    unit = (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)
    figures = {
        "precision_at_1": "recall@1",
        "r_precision": "r_precision",
        "mean_average_precision_at_r": "map_at_r",
    }
    theirs = calculator.AccuracyCalculator(include=tuple(figures), k="max_bin_count").get_accuracy(
        torch.tensor(unit), torch.tensor(labels)
    )
    ours = retrieval(points, labels).iloc[0]
    for name, column in figures.items():
        assert ours[column] == pytest.approx(theirs[name], abs=1e-6)


def test_lone_samples_are_counted_and_left_out() -> None:
    points, labels = clouds(40, 4, 3)
    labels[:5] = np.arange(10, 15)
    row = retrieval(points, labels, ranks=(1, 39)).iloc[0]
    assert (row["n"], row["lone"], row["recall@39"]) == (35, 5, 1)
    nobody = retrieval(points, np.arange(40), ranks=(1,)).iloc[0]
    assert (nobody["n"], nobody["lone"]) == (0, 40)
    assert nobody.drop(["n", "lone"]).isna().all()
    assert np.isnan(recall(np.zeros(4, dtype=int), (1,))).all()


def test_intervals_are_of_whole_classes() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(20), 30)
    points = np.eye(21)[labels]  # classes 0 … 9 are found, the others share a point
    points[labels >= 10] = np.eye(21)[20] + 0.01 * rng.normal(size=(300, 21))
    row = retrieval(points, labels).iloc[0]
    assert row["high"] - row["low"] > 0.3  # twenty independent classes, not six hundred samples
    assert row["low"] < row["recall@1"] < row["high"]
    again = retrieval(points, labels, seed=0).iloc[0]
    other = retrieval(points, labels, seed=1).iloc[0]
    assert (again["low"], again["high"]) == (row["low"], row["high"])
    assert (other["low"], other["high"]) != (row["low"], row["high"])


def test_compare_recall_is_paired() -> None:
    points, labels = clouds(400, 8, 20, spread=1.5)
    better, worse = first_hits(points, labels), first_hits(points[:, :3], labels)
    difference, low, high = compare_recall(worse, better, labels)
    assert difference == pytest.approx(recall(better, (1,))[0] - recall(worse, (1,))[0])
    assert 0 < low < difference < high
    assert compare_recall(better, worse, labels)[0] == -difference
    assert compare_recall(better, better, labels, k=8) == (0, 0, 0)
    assert np.isnan(compare_recall([0, 0], [0, 0], [0, 1])).all()


def hostile(kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Ties, copies, zeros of both signs, classes of one and of most."""
    rng = np.random.default_rng(4)
    points, labels = clouds(150, 6, 5)
    labels[:3] = [90, 91, 92]
    if kind == "copies":
        points = points[rng.integers(40, size=150)] * 2.0 ** rng.integers(3, size=(150, 1))
    elif kind == "grid":
        points = rng.integers(-1, 2, size=(150, 3)) * np.array([1.0, -1.0, 0.0])
    elif kind == "one class":
        labels = np.where(np.arange(150) < 3, labels, 7)
    elif kind == "hair":
        points = 1 + 1e-9 * points
    elif kind == "point":
        points = np.ones((150, 3))
    return points, labels


@pytest.mark.parametrize("normalise", [True, False])
@pytest.mark.parametrize("small", [True, False])
@pytest.mark.parametrize("kind", ["smooth", "copies", "grid", "one class", "hair", "point"])
def test_some_queries_find_what_all_find(monkeypatch, tmp_path, kind: str, small: bool, normalise: bool) -> None:
    points, labels = hostile(kind)
    for dtype in (np.float32, np.float64):
        whole = retrieval_samples(points.astype(dtype), labels, normalise=normalise)
        np.save(tmp_path / "points.npy", points.astype(dtype))
        mapped = np.load(tmp_path / "points.npy", mmap_mode="r")
        with monkeypatch.context() as patched:
            if small:
                for module, name, value in (
                    (products, "TILE", 16),
                    (products, "CACHED", 30),
                    (blocks, "VALUES", 100),
                    (hits, "COLUMNS", 37),
                    (hits, "BAND_VALUES", 2000),
                    (hits, "BLOCK_VALUES", 500),
                ):
                    patched.setattr(module, name, value)
            for queries in (stratified(labels, 30, 1), np.array([140, 3, 0, 17]), np.arange(150)):
                found = retrieval_samples(mapped, labels, queries=queries, normalise=normalise)
                pd.testing.assert_frame_equal(found, whole.loc[queries], check_index_type=False, rtol=0, atol=1e-15)
                hits_alone = first_hits(mapped, labels, queries=queries, normalise=normalise)
                assert (hits_alone == whole["first_hit"][queries]).all()


def test_a_bar_is_told_of_every_query() -> None:
    points, labels = clouds(300, 6, 7)
    labels[:4] = np.arange(90, 94)
    for queries, number in ((None, 300), (np.arange(0, 300, 7), 43), ([0, 1], 2)):
        for measure in (first_hits, retrieval_samples):
            told: list[int] = []
            measure(points, labels, queries=queries, advance=told.append)
            assert sum(told) == number


def test_a_sample_of_queries_knows_recall_of_all() -> None:
    points, labels = clouds(3000, 8, 30, spread=1.5)
    labels[:20] = np.arange(100, 120)
    whole = retrieval(points, labels, ranks=(1, 100)).iloc[0]
    queries = stratified(labels, 500, 3)
    row = retrieval(points, labels, queries=queries, ranks=(1, 100)).iloc[0]
    assert (row["n"] + row["lone"], row["gallery"]) == (500, 3000)
    assert row["sample_low"] < whole["recall@1"] < row["sample_high"]
    assert row["sample_low"] < row["recall@1"] < row["sample_high"]
    assert row["low"] < whole["recall@1"] < row["high"]
    assert row["recall@100"] == pytest.approx(whole["recall@100"], abs=0.03)
    assert row["map_at_r"] == pytest.approx(whole["map_at_r"], abs=0.05)
    everyone = retrieval(points, labels, queries=np.arange(3000), ranks=(1, 100)).iloc[0]
    assert everyone["sample_low"] == everyone["sample_high"] == pytest.approx(everyone["recall@1"])
    assert everyone[whole.index[:-2]].tolist() == pytest.approx(whole.iloc[:-2].tolist())


def test_classes_count_by_their_size_in_a_sample() -> None:
    gallery = np.repeat([0, 1, 2], [90, 8, 1])
    found, labels = np.array([1, 5, 5, 5, 1, 1, 0]), np.array([0, 0, 0, 0, 1, 1, 2])
    row = recall_row(found, labels, gallery=gallery, ranks=(1, 50))
    assert row["recall@1"] == pytest.approx((90 * 0.25 + 8) / 98)
    assert (row["n"], row["lone"], row["gallery"], row["recall@50"]) == (6, 1, 99, 1)
    expected = sample_interval(found[:6] == 1, labels[:6], gallery[:98])
    assert (row["sample_low"], row["sample_high"]) == expected[1:]
    nobody = recall_row([0, 0], [0, 1], gallery=[0, 1, 2], ranks=(1,))
    assert np.isnan([nobody[name] for name in ("recall@1", "low", "high", "sample_low", "sample_high")]).all()


POINTS, LABELS = clouds(30, 3, 4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: first_hits(POINTS[:1], LABELS[:1]), "1 sample, expected at least two"),
        (lambda: first_hits(POINTS, LABELS[:-1]), "labels: 29 samples, expected 30"),
        (lambda: first_hits(np.where(POINTS > 1, np.nan, POINTS), LABELS), "NaN or infinite"),
        (lambda: retrieval(POINTS, LABELS), "ranks: 32, expected a whole number, 1 to 29"),
        (lambda: retrieval(POINTS, LABELS, ranks=(0,)), "ranks: 0"),
        (lambda: retrieval(POINTS, LABELS, ranks=(1.5,)), "ranks: 1.5"),
        (lambda: retrieval(POINTS, LABELS, ranks=4), "ranks: 4, expected whole numbers"),
        (lambda: retrieval(POINTS, LABELS, ranks=()), "expected at least one"),
        (lambda: retrieval(POINTS, LABELS, ranks=(1, 1)), "each once"),
        (lambda: retrieval(POINTS, LABELS, ranks=(1,), confidence=95), "confidence: 95"),
        (lambda: first_hits(POINTS, LABELS, queries=[30]), "queries: 30, expected indices of samples, 0 to 29"),
        (lambda: retrieval(POINTS, LABELS, ranks=(1,), queries=[3, 3]), "queries: 1 of 2 twice"),
        (lambda: recall_row([1], [5], gallery=[1, 1], ranks=(1,)), "sample labels: 1 of class 5, expected at most 0"),
        (lambda: recall([1, -1, 2], (1,)), "-1 at sample 1"),
        (lambda: compare_recall([1, 0], [1, 1], [0, 0]), "sample 1 has an answer in one space only"),
        (lambda: compare_recall([1, 1], [1, 1], [0, 0], k=2), "k: 2"),
        (lambda: approximate_first_hits(POINTS, LABELS, depth=30), "depth: 30, expected a whole number, 1 to 29"),
        (lambda: approximate_first_hits(POINTS[:1], LABELS[:1]), "1 sample"),
    ],
)
def test_malformed_input_is_one_clear_line(call, message: str) -> None:
    with pytest.raises(InputError, match=message.replace("(", r"\(")) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_an_index_says_what_it_lost() -> None:
    pytest.importorskip("faiss")
    points, labels = clouds(2000, 16, 40, spread=1.5)
    labels[0] = 99
    exact = first_hits(points, labels)
    found, lost = approximate_first_hits(points, labels, depth=16, queries=5000, seed=1)
    assert (found[0], exact[0], lost.queries) == (0, 0, 1999)
    assert found.max() == 17
    measured = recall(exact, (1,))[0] - recall(found, (1,))[0]
    assert lost.recall_at_1 == pytest.approx(measured, abs=1e-9)
    assert 0 <= lost.neighbours_missed < 0.5
    assert (found == approximate_first_hits(points, labels, depth=16, seed=1)[0]).all()


def test_an_index_of_a_collapsed_or_tiny_space() -> None:
    pytest.importorskip("faiss")
    collapsed, lost = approximate_first_hits(np.ones((60, 3)), np.zeros(60, dtype=int), depth=5)
    assert (collapsed == 1).all()
    assert (lost.recall_at_1, lost.neighbours_missed) == (0, 0)
    found, lost = approximate_first_hits(np.eye(2), [0, 0], depth=1)
    assert lost.queries == 2
    assert set(found) <= {1, 2}
    assert approximate_first_hits(np.eye(2), [0, 1], depth=1)[1].queries == 0


def test_without_faiss_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(InputError, match=r"pip install 'spacewise\[index\]'"):
        approximate_first_hits(POINTS, LABELS, depth=4)
