"""Tables of semi-supervised methods: their numbers are those of the runs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from tests.report.test_semi_study import ALONE, METHODS, PAPER, SETS, SPACE, TRIPLET, synthetic_semi

from spacewise.report import semi_tables
from spacewise.report.tables import Cell, Table


def cells(table: Table, start: str) -> list[Cell]:
    return next(list(row[1:]) for row in table.rows if row[0].text == start)


def texts(table: Table, start: str) -> list[str]:
    return [cell.text.replace(SPACE, " ") for cell in cells(table, start)]


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return synthetic_semi(released=True)


def test_accuracy_is_of_three_weights_and_the_papers(table: pd.DataFrame) -> None:
    made = semi_tables.accuracy(table, SETS[0], PAPER)
    assert [row[0].text for row in made.rows] == [*METHODS]
    assert list(made.heads) == ["method", "last", "best epoch", "averaged", "Top1", "Best-Top1"]
    assert "Best epoch: chosen on validation images." in made.caption
    assert "32 labelled and 224 unlabelled images (μ = 7), ours as long as the Settings table says" in made.caption
    mine = table[(table["set"] == SETS[0]) & (table["method"] == TRIPLET)]
    expected = []
    for figure in ("accuracy", "accuracy_best", "accuracy_averaged"):
        values = 100 * mine[figure]
        expected.append(f"{values.mean():.1f} ± {values.std(ddof=1) / np.sqrt(3):.1f}")
    assert texts(made, TRIPLET) == [*expected, "92.60", "93.20"]
    assert texts(made, "FixMatch")[3:] == ["", ""]
    assert sum(columns for _, columns in made.groups) == len(made.heads)


def test_the_papers_columns_are_there_where_it_prints_any(table: pd.DataFrame) -> None:
    made = semi_tables.accuracy(table, SETS[1], PAPER)
    assert list(made.heads) == ["method", "last", "best epoch", "averaged"]
    assert "paper" not in made.caption
    assert list(semi_tables.accuracy(table, SETS[0], PAPER[:0]).heads) == list(made.heads)


def test_only_a_clear_leader_is_bold() -> None:
    table = synthetic_semi(sets=SETS[:1])
    assert not any(cell.best for row in semi_tables.accuracy(table, SETS[0], PAPER).rows for cell in row)
    ahead = table["accuracy"].where(table["method"] != "FixMatch", 0.9 + 0.001 * table["seed"])
    made = semi_tables.accuracy(table.assign(accuracy=ahead), SETS[0], PAPER)
    assert [cell.best for cell in cells(made, "FixMatch")] == [True, False, False, False, False]


def test_numbers_of_runs_are_told_where_they_differ() -> None:
    table = synthetic_semi(sets=SETS[:1])[:-1]
    made = semi_tables.accuracy(table, SETS[0], PAPER)
    assert [row[0].small for row in made.rows] == ["3 runs"] * 5 + ["2 runs"]


def test_differences_stand_by_set_and_baseline(table: pd.DataFrame) -> None:
    made = semi_tables.differences(table)
    assert made is not None
    assert list(made.groups) == [("", 1), (SETS[0], 2), (SETS[1], 2)]
    first, _, second, _ = cells(made, "FixMatch")
    assert first.text.startswith("+")
    assert first.best
    assert "3 of 3" in first.small.replace(SPACE, " ")
    assert second.text.startswith("+")
    assert cells(made, "CoMatch")[1] == Cell("")
    assert semi_tables.differences(table[table["method"] == "FixMatch"]) is None


def test_the_leak_stands_beside_the_paper(table: pd.DataFrame) -> None:
    made = semi_tables.leak(table, SETS[0], PAPER)
    assert made is not None
    assert [row[0].text for row in made.rows] == ["CoMatch"]
    shown = texts(made, "CoMatch")
    means = 100 * table[(table["set"] == SETS[0])].groupby(["key"])["accuracy"].mean()
    assert shown[0].startswith(f"{means['comatch-released']:.1f} ±")
    assert shown[1].startswith(f"{means['comatch']:.1f} ±")
    assert shown[2] == f"+{means['comatch-released'] - means['comatch']:.1f}"
    assert shown[-2:] == ["90.40", "92.80"]
    assert semi_tables.leak(synthetic_semi(), SETS[0], PAPER) is None
    other = semi_tables.leak(table, SETS[1], PAPER)
    assert other is not None
    assert len(other.heads) == len(made.heads) - 2
    assert sum(columns for _, columns in other.groups) == len(other.heads)


def test_a_method_that_is_only_as_released_stays_in_the_table(table: pd.DataFrame) -> None:
    lone = table[table["key"] != "comatch"]
    made = semi_tables.leak(lone, SETS[0], PAPER)
    assert made is not None
    assert texts(made, "CoMatch")[1:3] == ["–", "–"]


def test_words_of_the_leak_of_one_run_have_no_error() -> None:
    table = synthetic_semi(seeds=(0,), sets=SETS[:1], released=True)
    words = " ".join(semi_tables.leak_words(table))
    assert "Less the last epoch: +1.2 points (one run)" in words
    assert "+2.0 points (one run)" in words
    assert "not measured;" in " ".join(semi_tables.leak_words(table.assign(accuracy_best=np.nan)))


def test_words_of_the_leak_are_of_the_runs_that_both_presets_have(table: pd.DataFrame) -> None:
    first = table[(table["set"] == SETS[0]) & ~((table["preset"] == "as-released") & (table["seed"] == 2))]
    mine = first["key"].isin(["comatch", "comatch-released"]) & (first["seed"] < 2)
    odd = first.assign(  # whatever others reach or learn from must not enter
        accuracy_best=first["accuracy_best"].where(mine, 0.1),
        labels=first["labels"].where(mine, 84),
        unlabelled=first["unlabelled"].where(mine | (first["mu"] == 0), 999),
    )
    released, corrected = semi_tables.both_ways(odd)
    assert sorted(zip(released["method"], released["seed"])) == [
        ("CoMatch, as released", 0),
        ("CoMatch, as released", 1),
    ]
    assert sorted(zip(corrected["method"], corrected["seed"])) == [("CoMatch", 0), ("CoMatch", 1)]
    words = " ".join(semi_tables.leak_words(odd)).replace(SPACE, " ")
    assert "2 runs as released and 2 runs corrected, of the same methods (“CoMatch”)" in words
    assert "450 labelled images are learnt from instead of 40." in words
    assert "1,000 unlabelled images instead of 410." in words
    assert words.count("+1.2 ± 0.0 points (mean of 2 runs)") == 2


def test_words_of_the_leak_without_a_common_run(table: pd.DataFrame) -> None:
    (sentence,) = semi_tables.leak_words(table[table["key"] != "comatch"])
    assert "not measured: no method was run both ways" in sentence


def test_pseudo_labels_leave_out_who_makes_none(table: pd.DataFrame) -> None:
    made = semi_tables.pseudo(table)
    assert made is not None
    assert ALONE not in [row[0].text for row in made.rows]
    assert texts(made, TRIPLET) == ["83.0 ± 0.0", "63.0 ± 0.0"] * 2
    part = table.assign(purity=table["purity"].where(table["method"] != TRIPLET))
    assert texts(semi_tables.pseudo(part), TRIPLET)[0] == "–"  # type: ignore[arg-type]
    assert semi_tables.pseudo(table.assign(purity=np.nan, coverage=np.nan)) is None


def test_settings_are_those_of_table_one(table: pd.DataFrame) -> None:
    made = semi_tables.settings(table)
    assert texts(made, "CoMatch + CCSSL, out of distribution") == [
        "resnet18",
        "7",
        "0.6",
        "2",
        "0.9",
        "32",
        "12",
        "1,200",
    ]
    assert texts(made, ALONE)[1:5] == ["0", "–", "–", "–"]
    assert made.rows[0][0].small == f"corrected: {SETS[0]}; {SETS[1]}"
    assert len(made.rows) == 7
    longer = table.assign(steps=table["steps"].where(table["set"] == SETS[0], 5000))
    assert len(semi_tables.settings(longer).rows) == 14


def test_images_that_are_learnt_from(table: pd.DataFrame) -> None:
    rows = [[cell.text for cell in row] for row in semi_tables.images(table).rows]
    assert rows[:2] == [
        [SETS[0], "corrected", "40", "410", "no"],
        [SETS[0], "as-released", "450", "1,000", "yes"],
    ]
    alone = table[table["method"] == ALONE]
    assert [cell.text for cell in semi_tables.images(alone).rows[0]][3] == "0"


def test_cost_has_the_papers_time(table: pd.DataFrame) -> None:
    made = semi_tables.cost(table, SETS[0], PAPER)
    error = np.std([800, 810, 820], ddof=1) / np.sqrt(3)
    expected = [f"810 ± {error:.0f}", "12.0 ± 0.0", "1530 ± 0", "11 min 41 s", "11,437,642", "206:41"]
    assert texts(made, TRIPLET) == expected
    assert texts(semi_tables.cost(table.assign(images_per_second=np.nan, seconds=np.nan), SETS[1], PAPER), TRIPLET) == [
        *("–", "12.0 ± 0.0", "1530 ± 0", "–", "11,437,642"),
    ]
    assert "the paper's time" not in semi_tables.cost(table, SETS[1], PAPER).heads


def test_every_run_and_what_made_it(table: pd.DataFrame) -> None:
    made = semi_tables.every_run(table)
    assert len(made.rows) == len(table)
    shown = [cell.text.replace(SPACE, " ") for cell in made.rows[0]]
    assert shown[:4] == [ALONE, SETS[0], "corrected", "0"]
    assert shown[7:] == ["9 of 12", "1,200", "11 min 40 s", "bf16", "abc1234", "9f8e7d"]
    assert "set" not in semi_tables.every_run(table[table["set"] == SETS[0]]).heads
    assert "corrected: on validation images; as-released: on the test images themselves" in made.caption
    facts = dict(semi_tables.facts(table))
    assert facts["seeds"] == "0, 1, 2"
    assert facts["commits"] == "abc1234"
    assert facts["runs"] == "42"
