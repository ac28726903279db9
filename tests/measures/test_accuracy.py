from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score

from spacewise.errors import InputError
from spacewise.measures import bootstrap
from spacewise.measures.accuracy import accuracy, correct


@pytest.fixture
def answers() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    labels = rng.integers(10, size=600)
    return np.where(rng.random(600) < 0.9, labels, rng.integers(10, size=600)), labels


def test_correct_is_per_sample() -> None:
    assert correct([0, 1, 2], [0, 2, 2]).tolist() == [True, False, True]


def test_overall_comes_first_and_agrees_with_scikit_learn(answers: tuple[np.ndarray, np.ndarray]) -> None:
    predictions, labels = answers
    odd = np.arange(600) % 2 == 1
    table = accuracy(predictions, labels, {"odd": odd, "none": np.zeros(600, dtype=bool)})
    assert table["subset"].tolist() == ["overall", "odd", "none"]
    assert table["n"].tolist() == [600, 300, 0]
    assert table["accuracy"][0] == accuracy_score(labels, predictions)
    assert table["accuracy"][1] == accuracy_score(labels[odd], predictions[odd])
    assert table.loc[2, ["accuracy", "low", "high"]].isna().all()


def test_perfect_and_always_wrong_have_intervals_without_width() -> None:
    labels = np.zeros(20, dtype=int)
    assert accuracy(labels, labels).loc[0, ["accuracy", "low", "high"]].tolist() == [1, 1, 1]
    assert accuracy(labels + 1, labels).loc[0, ["accuracy", "low", "high"]].tolist() == [0, 0, 0]


def test_interval_is_that_of_a_plain_bootstrap(answers: tuple[np.ndarray, np.ndarray]) -> None:
    right = correct(*answers)
    rng = np.random.default_rng(0)
    naive = [right[rng.integers(600, size=600)].mean() for _ in range(20_000)]
    row = accuracy(*answers, samples=20_000).iloc[0]
    assert [row["low"], row["high"]] == pytest.approx(np.quantile(naive, [0.025, 0.975]), abs=0.002)


def test_groups_are_resampled_whole(answers: tuple[np.ndarray, np.ndarray]) -> None:
    right = correct(*answers)
    groups = np.repeat(np.arange(200), np.arange(200) % 5 + 1)[:600]
    rng = np.random.default_rng(0)
    members = [right[groups == group] for group in np.unique(groups)]
    naive = []
    for _ in range(5_000):
        drawn = rng.integers(len(members), size=len(members))
        naive.append(np.concatenate([members[index] for index in drawn]).mean())
    row = accuracy(*answers, groups=groups, samples=20_000).iloc[0]
    assert [row["low"], row["high"]] == pytest.approx(np.quantile(naive, [0.025, 0.975]), abs=0.003)


def test_copies_count_once(answers: tuple[np.ndarray, np.ndarray]) -> None:
    predictions, labels = (np.repeat(array, 11) for array in answers)
    chips = np.array([f"chip {index}" for index in np.repeat(np.arange(600), 11)], dtype=object)
    single = accuracy(*answers, samples=5000).iloc[0]
    apart = accuracy(predictions, labels, samples=5000).iloc[0]
    together = accuracy(predictions, labels, samples=5000, groups=chips).iloc[0]
    width = single["high"] - single["low"]
    assert together["high"] - together["low"] == pytest.approx(width, rel=0.1)
    assert apart["high"] - apart["low"] < 0.4 * width


def test_a_row_does_not_depend_on_the_others(answers: tuple[np.ndarray, np.ndarray]) -> None:
    odd, even = np.arange(600) % 2 == 1, np.arange(600) % 2 == 0
    both = accuracy(*answers, {"even": even, "odd": odd}).set_index("subset")
    alone = accuracy(*answers, {"odd": odd}).set_index("subset")
    assert both.loc["odd"].equals(alone.loc["odd"])
    other = accuracy(*answers, {"odd": odd}, seed=1).set_index("subset")
    assert not other.loc["odd"].equals(alone.loc["odd"])


def test_bootstrap_weights_keep_groups_together() -> None:
    groups = np.array([0, 1, 1, 2, 2, 2])
    weights = bootstrap.weights(groups, 500, np.random.default_rng(0))
    assert (weights[:, 1] == weights[:, 2]).all()
    assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all()
    assert weights.mean(axis=0) == pytest.approx(np.ones(6), abs=0.15)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"subsets": {"overall": np.ones(3, dtype=bool)}}, "'overall'"),
        ({"subsets": {"seen": np.ones(2, dtype=bool)}}, "'seen': 2 samples, expected 3"),
        ({"subsets": {"seen": [0, 1, 1]}}, "'seen': expected booleans"),
        ({"groups": [0, 1]}, "groups: 2 samples, expected 3"),
        ({"groups": ["a", None, "b"]}, "sample 1 has no group"),
        ({"confidence": 95}, "confidence: 95"),
        ({"samples": 0}, "samples: 0"),
        ({"seed": -1}, "seed: -1"),
        ({"seed": True}, "seed: True"),
    ],
)
def test_wrong_options_say_what_was_expected(options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        accuracy([0, 1, 2], [0, 1, 1], **options)


@pytest.mark.parametrize("values", [np.arange(300) % 7 == 0, np.random.default_rng(3).normal(size=300)])
def test_blocks_of_resamples_do_not_show(values: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"groups": np.arange(300) // 2, "samples": 100, "confidence": 0.9, "seed": 4}
    expected = bootstrap.mean_interval(values, **options)
    monkeypatch.setattr(bootstrap, "BLOCK_VALUES", 700)  # of real numbers: four resamples of 150 groups
    assert bootstrap.mean_interval(values, **options) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("samples", "width", "expected"), [(10, 700, [1] * 10), (10, 200, [3, 3, 3, 1]), (2, 5, [2])])
def test_how_many_resamples_are_held(samples: int, width: int, expected: list[int], monkeypatch) -> None:
    monkeypatch.setattr(bootstrap, "BLOCK_VALUES", 600)
    assert list(bootstrap.resamples(samples, width)) == expected
