from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacewise.errors import InputError
from spacewise.measures.sampling import chosen, paced, sample_interval, stratified

SIZES = st.lists(st.integers(1, 60), min_size=1, max_size=12)


def labelled(sizes: list[int], seed: int = 0) -> np.ndarray:
    names = np.random.default_rng(seed).permutation(3 * len(sizes))[: len(sizes)] - 4
    return np.random.default_rng(seed).permutation(np.repeat(names, sizes))


@settings(max_examples=200, deadline=None)
@given(sizes=SIZES, share=st.floats(0.01, 1.2), seed=st.integers(0, 1000))
def test_every_class_in_proportion(sizes: list[int], share: float, seed: int) -> None:
    labels = labelled(sizes, seed)
    number = max(1, int(share * len(labels)))
    drawn = stratified(labels, number, seed)
    assert (np.diff(drawn) > 0).all()
    assert len(drawn) == min(number, len(labels))
    assert (drawn == stratified(labels, number, seed)).all()
    classes, held = np.unique(labels, return_counts=True)
    got = np.array([(labels[drawn] == name).sum() for name in classes])
    assert (got <= held).all()
    if number >= np.minimum(held, 2).sum():
        assert (got >= np.minimum(held, 2)).all()
    elif number >= len(classes):
        assert (got >= 1).all()
    exact = held * min(number, len(labels)) / len(labels)
    if (exact >= np.minimum(held, 2)).all():  # nobody had to be given more than its share
        assert (np.abs(got - exact) < 1).all()


def test_each_sample_of_a_class_is_as_likely() -> None:
    labels = labelled([40, 10])
    counts = np.zeros(50)
    for seed in range(2000):
        counts[stratified(labels, 10, seed)] += 1
    assert counts / 2000 == pytest.approx(np.full(50, 0.2), abs=0.04)


def test_the_mean_is_that_of_classes_by_their_size() -> None:
    # by hand: 30 of 40 in class 0, of which 2 of 4 right; 10 in class 1, 2 of 2 right
    labels = np.repeat([0, 1], [30, 10])
    mean, low, high = sample_interval([1, 0, 1, 0, 1, 1], [0, 0, 0, 0, 1, 1], labels)
    assert mean == 0.75 * 0.5 + 0.25
    assert 0 < low < mean < high < 1
    # Cochran 5.12 by hand for numbers: 0.75² (1 - 4/30) s²/4 + 0.25² (1 - 2/10) s²/2
    mean, low, high = sample_interval([1.0, 2, 3, 4, 7, 9], [0, 0, 0, 0, 1, 1], labels)
    first, second = 0.5625 * (26 / 30) * (5 / 3) / 4, 0.0625 * 0.8 * 2 / 2
    assert mean == 0.75 * 2.5 + 0.25 * 8
    from scipy import stats

    quantile = stats.t.ppf(0.975, (first + second) ** 2 / (first**2 / 3 + second**2))
    assert (high - low) / 2 == pytest.approx(quantile * (first + second) ** 0.5)
    assert (high + low) / 2 == pytest.approx(mean)


def test_everything_drawn_is_known() -> None:
    labels = labelled([5, 7, 1])
    values = np.arange(13.0)
    assert sample_interval(values, labels, labels) == pytest.approx((6, 6, 6))


def test_shares_end_where_the_others_could_not_take_them() -> None:
    labels = np.repeat([0, 1], [50, 50])
    mine = labels[stratified(labels, 90, 0)]
    mean, low, high = sample_interval(np.ones(90, bool), mine, labels)
    assert (mean, high) == (1, 1)
    assert 0.9 <= low < 1
    mean, low, high = sample_interval(np.zeros(20, bool), labels[stratified(labels, 20, 0)], labels)
    assert (mean, low) == (0, 0)
    assert 0.1 < high < 0.2  # the rule of three says 0.15


def test_one_of_several_knows_no_spread() -> None:
    mean, low, high = sample_interval([1.0], [3], [3, 3, 4])
    assert mean == 1
    assert np.isnan([low, high]).all()


def covered(truth: np.ndarray, labels: np.ndarray, number: int, rounds: int = 400) -> float:
    hits = 0
    for seed in range(rounds):
        drawn = stratified(labels, number, seed)
        _, low, high = sample_interval(truth[drawn], labels[drawn], labels)
        hits += low - 1e-12 <= truth.mean() <= high + 1e-12
    return hits / rounds


@pytest.mark.parametrize("share", [0.02, 0.5, 0.9, 0.995])
@pytest.mark.parametrize("number", [60, 300])
@pytest.mark.parametrize("sizes", [[1000] * 4, [2000, 500, 60, 8, 3, 1], [20] * 150])
def test_shares_are_covered(share: float, number: int, sizes: list[int]) -> None:
    rng = np.random.default_rng(5)
    labels = labelled(sizes)
    chance = np.clip(share + 0.1 * rng.normal(size=3 * len(sizes)), 0, 1)
    truth = rng.random(len(labels)) < chance[labels + 4]
    assert covered(truth, labels, number) >= 0.92


@pytest.mark.parametrize("number", [40, 300])
@pytest.mark.parametrize("sizes", [[1000] * 4, [2000, 500, 60, 8, 3, 1], [20] * 150])
def test_numbers_are_covered(number: int, sizes: list[int]) -> None:
    rng = np.random.default_rng(6)
    labels = labelled(sizes)
    truth = np.tanh(rng.normal(size=3 * len(sizes))[labels + 4] + rng.normal(size=len(labels)))
    assert 0.92 <= covered(truth, labels, number) <= 0.995


def test_strata_narrow_what_differs_between_classes() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(10), 500)
    values = labels + 0.1 * rng.normal(size=5000)
    drawn = stratified(labels, 200, 0)
    _, low, high = sample_interval(values[drawn], labels[drawn], labels)
    assert high - low < 0.05  # without classes: 0.8


@settings(max_examples=60, deadline=None)
@given(queries=st.integers(0, 40), work=st.lists(st.integers(1, 9), min_size=1, max_size=20))
def test_a_bar_is_told_of_every_query_once(queries: int, work: list[int]) -> None:
    told: list[int] = []
    more = paced(told.append, queries, sum(work))
    for amount in work:
        more(amount)
    assert sum(told) == queries
    assert all(amount > 0 for amount in told)
    paced(None, queries, 3)(3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: stratified([0, 1], 0, 0), "number: 0, expected a whole number, 1 or more"),
        (lambda: stratified([0.5, 1], 1, 0), "labels: expected integer class indices"),
        (lambda: stratified([0, 1], 1, -1), "seed: -1"),
        (lambda: sample_interval([1.0, 2.0], [0], [0, 0]), "sample labels: 1 samples, expected 2"),
        (lambda: sample_interval([1.0], [7], [0, 0]), "sample labels: 1 of class 7, expected at most 0"),
        (lambda: sample_interval([1.0] * 3, [0] * 3, [0, 0, 1]), "sample labels: 3 of class 0, expected at most 2"),
        (lambda: sample_interval([np.nan], [0], [0, 0]), "values: NaN or infinite"),
        (lambda: sample_interval([1.0], [0], [0, 0], confidence=95), "confidence: 95"),
        (lambda: chosen([0, 5], 5), "queries: 5, expected indices of samples, 0 to 4"),
        (lambda: chosen([0, -1], 5), "queries: -1"),
        (lambda: chosen([2, 2], 5), "queries: 1 of 2 twice"),
        (lambda: chosen([], 5), "queries: expected integer"),
    ],
)
def test_malformed_input_is_one_clear_line(call, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
