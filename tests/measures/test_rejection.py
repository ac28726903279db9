from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score, roc_curve

from spacewise.errors import InputError
from spacewise.measures import bootstrap
from spacewise.measures import rejection as module
from spacewise.measures.rejection import auroc, fpr95_unknown_positive, pfa_at_pd, rejection, roc

SCORES = st.lists(st.integers(0, 6), min_size=1, max_size=40)  # few values: most of them tie


def naive_pfa(known: list, unknown: list, detection: float, correct: list | None = None) -> float:
    for threshold in sorted(set(known) | set(unknown), reverse=True):
        detected = [score >= threshold and right for score, right in zip(known, correct or [True] * len(known))]
        if sum(detected) / len(known) >= detection:
            return sum(score >= threshold for score in unknown) / len(unknown)
    return float("nan")


@settings(max_examples=200, deadline=None)
@given(known=SCORES, unknown=SCORES, detection=st.sampled_from([0.1, 0.5, 0.9, 0.95, 1.0]), data=st.data())
def test_every_reading_agrees_with_the_definition(known, unknown, detection, data) -> None:
    correct = data.draw(st.lists(st.booleans(), min_size=len(known), max_size=len(known)))
    assert pfa_at_pd(known, unknown, detection) == naive_pfa(known, unknown, detection)
    assert pfa_at_pd(known, unknown, detection, correct) == pytest.approx(
        naive_pfa(known, unknown, detection, correct), nan_ok=True
    )


@settings(max_examples=100, deadline=None)
@given(known=SCORES, unknown=SCORES)
def test_everything_agrees_with_scikit_learn(known, unknown) -> None:
    is_known = np.r_[np.ones(len(known)), np.zeros(len(unknown))]
    scores = np.r_[known, unknown]
    assert auroc(known, unknown) == pytest.approx(roc_auc_score(is_known, scores))
    pfa, detection, thresholds = roc_curve(is_known, scores, drop_intermediate=False)
    assert pfa_at_pd(known, unknown) == pfa[np.argmax(detection >= 0.9)]
    curve = roc(known, unknown)
    assert curve["threshold"].tolist() == thresholds.tolist()
    assert curve["pd"].to_numpy() == pytest.approx(detection)
    assert curve["pfa"].to_numpy() == pytest.approx(pfa)
    flagged, found, _ = roc_curve(1 - is_known, -scores, drop_intermediate=False)
    assert fpr95_unknown_positive(known, unknown) == flagged[np.argmax(found >= 0.95)]


@settings(max_examples=100, deadline=None)
@given(known=SCORES, unknown=SCORES)
def test_only_the_order_of_scores_counts(known, unknown) -> None:
    bent = [np.exp(np.array(scores) / 3.0) - 7 for scores in (known, unknown)]
    assert auroc(*bent) == auroc(known, unknown)
    assert pfa_at_pd(*bent) == pfa_at_pd(known, unknown)
    assert fpr95_unknown_positive(*bent) == fpr95_unknown_positive(known, unknown)


def test_perfect_reversed_identical_and_random() -> None:
    high, low = np.arange(50) + 100.0, np.arange(40) * 1.0
    assert [auroc(high, low), pfa_at_pd(high, low), fpr95_unknown_positive(high, low)] == [1, 0, 0]
    assert [auroc(low, high), pfa_at_pd(low, high), fpr95_unknown_positive(low, high)] == [0, 1, 1]
    same = np.ones(30)
    assert [auroc(same, same), pfa_at_pd(same, same), fpr95_unknown_positive(same, same)] == [0.5, 1, 1]
    noise = np.random.default_rng(0).random((2, 20_000))
    assert auroc(*noise) == pytest.approx(0.5, abs=0.02)
    assert pfa_at_pd(*noise) == pytest.approx(0.9, abs=0.02)
    assert fpr95_unknown_positive(*noise) == pytest.approx(0.95, abs=0.02)


def test_the_two_conventions_differ_on_the_same_scores() -> None:
    known, unknown = [9, 8, 7, 6, 5, 4, 3, 2, 1, 0], [1.5] * 9 + [0.5]
    assert pfa_at_pd(known, unknown) == 0.9  # 9 of 10 known need a threshold of 1
    assert fpr95_unknown_positive(known, unknown) == 0.2  # all unknown are flagged at 1.5, and so are 1 and 0


def test_detection_is_reached_exactly_and_ties_are_accepted_together() -> None:
    known = [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]
    assert pfa_at_pd(known, [2, 1.5]) == 0.5  # 9 / 10 is enough: the threshold is 2
    assert pfa_at_pd([1] * 10, [1, 0]) == 0.5
    assert pfa_at_pd([5] * 8 + [1, 1], [5, 1, 0, 0], 0.85) == 0.5


def test_correct_is_the_second_reading_of_equation_9() -> None:
    known, unknown = np.arange(10, 0, -1), [7.5, 0.5]
    right = np.arange(10) != 0  # the most certain sample is wrong
    assert pfa_at_pd(known, unknown, 0.3) == 0
    assert pfa_at_pd(known, unknown, 0.3, right) == 0.5
    assert pfa_at_pd(known, unknown, 0.9, right) == 0.5
    assert np.isnan(pfa_at_pd(known, unknown, 0.95, right))
    assert np.isnan(pfa_at_pd(known, unknown, 0.1, np.zeros(10, dtype=bool)))
    assert pfa_at_pd(known, unknown, 0.9, np.ones(10, dtype=bool)) == pfa_at_pd(known, unknown)


def test_the_curve_starts_with_nothing_and_ends_with_everything() -> None:
    curve = roc([3, 1, 1], [2, 1])
    assert curve["threshold"].tolist() == [np.inf, 3, 2, 1]
    assert curve["pd"].tolist() == pytest.approx([0, 1 / 3, 1 / 3, 1])
    assert curve["pfa"].tolist() == [0, 0, 0.5, 1]


def test_the_table_has_a_row_a_score() -> None:
    rng = np.random.default_rng(0)
    pairs = {"softmax": (rng.normal(1, 1, 80), rng.normal(0, 1, 60)), "flat": (np.ones(80), np.ones(60))}
    right = rng.random(80) < 0.95
    table = rejection(pairs, right).set_index("score")
    assert table["n_known"].tolist() == [80, 80]
    assert table["n_unknown"].tolist() == [60, 60]
    for name, (known, unknown) in pairs.items():
        assert table.loc[name, "pfa_at_pd90"] == pfa_at_pd(known, unknown)
        assert table.loc[name, "auroc"] == auroc(known, unknown)
        assert table.loc[name, "fpr95_unknown_positive"] == fpr95_unknown_positive(known, unknown)
        assert table.loc[name, "pfa_at_pd90_correct"] == pfa_at_pd(known, unknown, correct=right)
        assert table.loc[name, "low"] <= table.loc[name, "pfa_at_pd90"] <= table.loc[name, "high"]
    assert table["pd"].tolist() == [0.9, 1.0]
    assert "pfa_at_pd90_correct" not in rejection(pairs)


@pytest.mark.parametrize("copies", [1, 3])
def test_the_interval_is_that_of_a_plain_bootstrap(copies: int) -> None:
    rng = np.random.default_rng(0)
    known = np.repeat(rng.normal(1, 1, 150), copies).round(1)  # rounded: ties
    unknown = np.repeat(rng.normal(0, 1, 120), copies).round(1)
    chips = [np.arange(len(scores)) // copies for scores in (known, unknown)]
    naive = []
    for _ in range(3000):
        drawn = [rng.integers(len(scores) // copies, size=len(scores) // copies) for scores in (known, unknown)]
        picked = [scores.reshape(-1, copies)[index].ravel() for scores, index in zip((known, unknown), drawn)]
        naive.append(pfa_at_pd(*picked))
    row = rejection({"x": (known, unknown)}, samples=3000, groups=(chips[0], chips[1])).iloc[0]
    assert [row["low"], row["high"]] == pytest.approx(np.quantile(naive, [0.025, 0.975]), abs=0.02)


@pytest.mark.parametrize("size", [37, 400])
def test_the_law_of_many_samples_is_that_of_draws(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    known, unknown = rng.normal(1, 1, size).round(1), rng.normal(0, 1, size // 2).round(1)  # rounded: ties
    codes = np.arange(size), np.arange(size // 2)
    drawn = module._by_draws(known, unknown, codes, 20_000, 0)
    lawful = module._by_law(known, unknown, 20_000, 1)
    points = np.linspace(0, 1, 50)
    shares = [np.searchsorted(np.sort(figures), points, side="right") / 20_000 for figures in (drawn, lawful)]
    assert shares[0] == pytest.approx(shares[1], abs=1.63 * (2 / 20_000) ** 0.5)  # Kolmogorov-Smirnov, 1 %
    monkeypatch.setattr(module, "LARGE", 10)
    row = rejection({"x": (known, unknown)}, samples=20_000).iloc[0]
    assert [row["low"], row["high"]] == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=2.5 / size)


def test_blocks_do_not_show_and_rows_do_not_depend_on_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    pair, other = (rng.normal(1, 1, 50), rng.normal(size=50)), (rng.normal(size=50), rng.normal(size=50))
    alone = rejection({"a": pair}, samples=101).iloc[0]
    assert rejection({"b": other, "a": pair}, samples=101).iloc[1].equals(alone)
    monkeypatch.setattr(bootstrap, "BLOCK_VALUES", 500)
    blocks = rejection({"a": pair}, samples=1001).iloc[0]
    assert [blocks["low"], blocks["high"]] == pytest.approx([alone["low"], alone["high"]], abs=0.08)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: rejection({}), "scores: none given"),
        (lambda: rejection({"msp": ([], [1.0])}), "msp, known scores: expected numbers"),
        (lambda: rejection({"msp": ([1.0], [np.nan])}), "msp, unknown scores: NaN or infinite in 1 samples"),
        (lambda: rejection({"msp": ([1.0], [1.0])}, [True, True]), "correct: 2 samples, expected 1"),
        (lambda: rejection({"msp": ([1.0], [1.0])}, groups=([1, 2], [1])), "groups of the known: 2 samples"),
        (lambda: pfa_at_pd([1.0], [1.0], 90), "detection: 90, expected a share"),
        (lambda: pfa_at_pd([1.0], [1.0], 0), "detection: 0, expected a share"),
    ],
)
def test_wrong_input_says_what_was_expected(call, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()
