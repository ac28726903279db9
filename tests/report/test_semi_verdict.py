"""What the page of semi-supervised methods says in words."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from tests.report.test_semi_study import ALONE, CLASSES, SETS, SPACE, TRIPLET, synthetic_curves, synthetic_semi

from spacewise.report.semi_verdict import (
    additions,
    company,
    confusion_words,
    early,
    floor,
    gains,
    largest,
    leaks,
    main,
    map_words,
    verdict,
)


def said(table: pd.DataFrame) -> str:
    return " ".join(verdict(table)).replace(SPACE, " ")


def leveled(**accuracy: float) -> pd.DataFrame:
    """One set; labels alone, CoMatch and CoMatch + Triplet at given levels, with some noise over three seeds."""
    names = {"alone": ALONE, "comatch": "CoMatch", "triplet": TRIPLET}
    table = synthetic_semi(sets=SETS[:1])
    kept = table[table["method"].isin([names[key] for key in accuracy])].copy()
    for key, level in accuracy.items():
        mine = kept["method"] == names[key]
        kept.loc[mine, "accuracy"] = level + np.array([0.0, 0.004, -0.003]) * (1 + len(key))
    return kept


def test_the_runs_that_answer() -> None:
    table = synthetic_semi(released=True)
    assert set(main(table)["preset"]) == {"corrected"}
    only = table[(table["set"] == SETS[0]) | (table["preset"] == "as-released")]
    assert main(only).groupby("set")["preset"].unique().map(list).to_dict() == {
        SETS[0]: ["corrected"],
        SETS[1]: ["as-released"],
    }
    assert floor(main(table), SETS[0]) == ALONE
    assert f"{SETS[1]}: as released only" in said(only)


def test_differences_are_paired_by_seed() -> None:
    table = synthetic_semi(sets=SETS[:1])
    row = next(row for row in gains(main(table), SETS[0]) if row["method"] == "FixMatch")
    first, second = (
        table[table["method"] == name].sort_values("seed")["accuracy"].to_numpy() for name in (ALONE, "FixMatch")
    )
    test = stats.ttest_rel(second, first)
    interval = test.confidence_interval(0.95)
    assert row["seeds"] == 3
    assert row["p"] == pytest.approx(test.pvalue)
    assert (row["low"], row["high"]) == pytest.approx((interval.low, interval.high))
    assert [row["method"] for row in additions(main(table), SETS[0])][-1] == TRIPLET


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        (
            {"alone": 0.5, "comatch": 0.7},
            "Yes: unlabelled images help, by more than chance would give, in the one",
        ),
        ({"alone": 0.7, "comatch": 0.5}, "No: with unlabelled images the accuracy is lower than labels alone"),
        ({"alone": 0.6, "comatch": 0.6}, "Not shown here: in the one case unlabelled images do not help"),
        (
            {"alone": 0.6, "comatch": 0.8, "triplet": 0.6},
            "In part: unlabelled images help, by more than chance would give, in 1 of 2 methods.",
        ),
        ({"alone": 0.5, "comatch": 0.7, "triplet": 0.9}, "Adding “Triplet” to CoMatch helps, too, by more than chance"),
        (
            {"comatch": 0.7, "triplet": 0.7},
            "Adding “Triplet” to CoMatch does not clearly help: not to be told apart in the one case: on",
        ),
        (
            {"comatch": 0.7, "triplet": 0.5},
            "does not clearly help: worse by more than chance would give in the one case",
        ),
        ({"comatch": 0.7, "triplet": 0.9}, "Whether unlabelled images help is not measured: no run with labels alone."),
    ],
)
def test_the_answer_follows_the_runs(levels: dict[str, float], expected: str) -> None:
    assert expected in said(leveled(**levels))


def test_one_seed_is_a_hint_and_no_more() -> None:
    shown = said(synthetic_semi(seeds=(3,), noise=0.0))
    assert "higher than labels alone in 10 of 10 cases (5 methods on 2 sets), a hint and no more" in shown
    assert "68.0 % against 52.0 % with labels alone: +16.0 points. On AID" in shown
    assert "higher on the one seed in 4 of 6, not higher on the one seed in 2 of 6" in shown
    assert "[" not in shown
    assert "p =" not in shown


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        ({"alone": 0.5, "comatch": 0.7}, "is higher than labels alone in the one case, a hint and no more"),
        ({"alone": 0.7, "comatch": 0.5}, "is not higher than labels alone in the one case, a hint and no more"),
        ({"alone": 0.7, "comatch": 0.5, "triplet": 0.6}, "is not higher than labels alone in any of 2 methods, a hint"),
        ({"alone": 0.6, "comatch": 0.5, "triplet": 0.7}, "is higher than labels alone in 1 of 2 methods, a hint"),
    ],
)
def test_a_hint_has_words_for_none_and_for_one(levels: dict[str, float], expected: str) -> None:
    table = leveled(**levels)
    assert expected in said(table[table["seed"] == 0])


def test_without_a_common_seed_there_is_no_difference() -> None:
    table = leveled(alone=0.5, comatch=0.7)
    table.loc[table["method"] == ALONE, "seed"] += 10
    assert "Not known: no method has a seed in common with labels alone." in said(table)


def test_the_leak_compares_a_method_with_itself() -> None:
    table = synthetic_semi(released=True)
    found = leaks(table, SETS[0])
    assert list(found) == ["CoMatch"]
    mine = table[(table["set"] == SETS[0]) & table["key"].isin(["comatch", "comatch-released"])]
    means = mine.groupby("preset")["accuracy"].mean()
    assert found["CoMatch"]["difference"] == pytest.approx(means["as-released"] - means["corrected"])
    assert leaks(synthetic_semi(), SETS[0]) == {}
    assert leaks(table.assign(accuracy_best=np.nan), SETS[0], "accuracy_best") == {}


def test_who_learns_faster_is_asked_after_a_quarter_of_the_epochs() -> None:
    table = synthetic_semi(sets=SETS[:1], noise=0.001)
    (sentence,) = early(synthetic_curves(table), main(table))
    gain = 100 * (0.683 * (1 - np.exp(-2.1)) - 0.68 * (1 - np.exp(-0.9)))
    assert "after a quarter of the training (epoch 3 of 12), on validation images, less CoMatch" in sentence
    shown = float(sentence.split("“Triplet” +")[1].split(" points")[0])
    assert shown == pytest.approx(gain, abs=0.3)
    assert early(synthetic_curves(table).drop(columns="validation_accuracy"), main(table)) == []
    assert early(pd.DataFrame(), main(table)) == []


def test_the_largest_confusions_leave_out_what_is_right() -> None:
    matrix = np.array([[5, 5, 0], [0, 8, 2], [0, 0, 0]])
    found = largest(matrix, ["a", "b", "c"])
    assert [(row["true"], row["predicted"], row["share"], row["images"]) for row in found] == [
        ("a", "b", 0.5, 10),
        ("b", "c", 0.2, 10),
    ]
    assert confusion_words([("set", "CoMatch", np.eye(5), CLASSES)]) == [
        "set, CoMatch: no image is taken for another class."
    ]


def test_company_of_points() -> None:
    points = np.array([[0.0, 0], [0.1, 0], [5, 5], [5.1, 5], [0.2, 0]])
    assert company(points, np.array([0, 0, 1, 1, 1])) == pytest.approx(0.8)
    assert company(np.zeros((4, 2)), np.zeros(4)) == 1
    assert np.isnan(company(points[:1], np.zeros(1)))
    (sentence,) = map_words([("set", "CoMatch", epoch, points, np.array([0, 0, 1, 1, 1]), "ab") for epoch in (1, 5)])
    assert sentence.replace(SPACE, " ") == "set, CoMatch: 80.0 % at epoch 1 and 80.0 % at epoch 5."
