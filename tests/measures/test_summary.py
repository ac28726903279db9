from __future__ import annotations

from math import comb

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from spacewise.errors import InputError
from spacewise.measures.summary import mcnemar, paired_difference, paired_interval, summarise

RUNS = pd.DataFrame(
    {
        "loss": ["softmax", "center", "softmax", "center", "triplet"],
        "fold": [0, 0, 1, 1, 0],
        "accuracy": [0.9, 0.97, 0.92, 0.98, 0.5],
    }
)


def test_mean_and_deviation_over_folds_in_order_of_appearance() -> None:
    table = summarise(RUNS, ["loss"], "accuracy")
    assert table["loss"].tolist() == ["softmax", "center", "triplet"]
    assert table["mean"].tolist() == pytest.approx([0.91, 0.975, 0.5])
    assert table["std"].tolist()[:2] == pytest.approx([np.std([0.9, 0.92], ddof=1), np.sqrt(0.00005)])
    assert np.isnan(table["std"][2])
    assert table["n"].tolist() == [2, 2, 1]


def test_by_several_columns_and_missing_keys_are_kept() -> None:
    runs = RUNS.assign(margin=[None, 1.0, None, 1.0, None])
    table = summarise(runs, ["loss", "margin"], "accuracy")
    assert list(table.columns) == ["loss", "margin", "mean", "std", "n"]
    assert table["n"].sum() == 5


def test_nan_is_not_left_out_in_silence() -> None:
    runs = RUNS.assign(accuracy=[0.9, 0.97, np.nan, 0.98, 0.5])
    table = summarise(runs, ["loss"], "accuracy").set_index("loss")
    assert table.loc["softmax", ["mean", "std"]].isna().all()
    assert table.loc["center", "mean"] == pytest.approx(0.975)


@pytest.mark.parametrize(
    ("by", "value", "message"),
    [
        (["los"], "accuracy", "unknown column 'los': did you mean 'loss'"),
        (["loss"], "acuracy", "did you mean 'accuracy'"),
        (["fold"], "loss", "column 'loss'"),
        ([], "accuracy", "by: "),
    ],
)
def test_columns_that_do_not_fit_are_refused(by: list, value: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        summarise(RUNS, by, value)


def test_an_empty_table_is_refused() -> None:
    with pytest.raises(InputError, match="0 rows"):
        summarise(RUNS[:0], ["loss"], "accuracy")
    with pytest.raises(InputError, match="names other than mean"):
        summarise(RUNS.rename(columns={"fold": "n"}), ["n"], "accuracy")


@settings(max_examples=50, deadline=None)
@given(only_first=st.integers(0, 15), only_second=st.integers(0, 15), both=st.integers(1, 5))
def test_mcnemar_is_the_exact_binomial_test(only_first: int, only_second: int, both: int) -> None:
    first = np.r_[np.ones(only_first), np.zeros(only_second), np.ones(both)] > 0
    second = np.r_[np.zeros(only_first), np.ones(only_second), np.ones(both)] > 0
    number = only_first + only_second
    tail = sum(comb(number, k) for k in range(min(only_first, only_second) + 1)) / 2**number
    assert mcnemar(first, second) == pytest.approx(min(1, 2 * tail))
    assert mcnemar(first, second) == mcnemar(second, first)


def test_the_same_answers_do_not_differ() -> None:
    right = np.arange(50) % 3 == 0
    assert mcnemar(right, right) == 1
    same = paired_interval(right, right)
    assert (same.difference, same.low, same.high) == (0, 0, 0)
    assert np.isnan(same.p)


def test_paired_interval_is_that_of_a_plain_bootstrap_and_reverses() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.random((2, 400)) < np.array([[0.8], [0.9]])
    gains = second.astype(int) - first
    naive = [gains[rng.integers(400, size=400)].mean() for _ in range(20_000)]
    got = paired_interval(first, second)
    assert got.difference == gains.mean()
    assert [got.low, got.high] == pytest.approx(np.quantile(naive, [0.025, 0.975]), abs=0.004)
    back = paired_interval(second, first)
    assert [-back.high, -back.low] == pytest.approx([got.low, got.high], abs=0.006)


def test_copies_count_once_in_a_paired_interval() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.random((2, 300)) < 0.8
    single = paired_interval(first, second)
    many = paired_interval(np.repeat(first, 11), np.repeat(second, 11), np.repeat(np.arange(300), 11))
    assert [many.low, many.high] == pytest.approx([single.low, single.high], abs=0.005)


def test_paired_difference_agrees_with_scipy() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=5), rng.normal(size=5) + 0.5
    expected = stats.ttest_rel(second, first)
    interval = expected.confidence_interval(0.9)
    got = paired_difference(first, second, confidence=0.9)
    assert got.difference == pytest.approx((second - first).mean())
    assert [got.low, got.high, got.p] == pytest.approx([interval.low, interval.high, expected.pvalue])


def test_paired_difference_without_spread() -> None:
    one = paired_difference([0.9], [0.95])
    assert one.difference == pytest.approx(0.05)
    assert np.isnan([one.low, one.high, one.p]).all()
    assert paired_difference([1, 2, 3], [1, 2, 3]).p == 1
    shifted = paired_difference([1, 2, 3], [2, 3, 4])
    assert (shifted.low, shifted.high, shifted.p) == (1, 1, 0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mcnemar([True], [True, False]), "correct of the second: 2 samples, expected 1"),
        (lambda: mcnemar([1, 0], [0, 1]), "correct of the first: expected booleans"),
        (lambda: paired_interval([True], [True], confidence=1), "confidence: 1"),
        (lambda: paired_interval([True], [True], [[0]]), "groups: expected one group a sample"),
        (lambda: paired_difference([1.0, 2.0], [1.0]), "second: 1 samples, expected 2"),
        (lambda: paired_difference([1.0, np.nan], [1.0, 2.0]), "first: NaN or infinite"),
    ],
)
def test_wrong_input_says_what_was_expected(call, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()
