"""Samples of several runs: each stands once, nothing is lost, and what is not the same is told apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacewise.errors import InputError
from spacewise.explorer.samples import Together, of_the_run, together


class Drawn:
    """Pictures of so many first rows, one grey level each."""

    side = 8

    def __init__(self, levels: Sequence[float] = ()) -> None:
        self.levels = np.array(levels, np.float32)

    def __len__(self) -> int:
        return len(self.levels)

    def grey(self, rows: np.ndarray, side: int) -> np.ndarray:
        return np.broadcast_to(self.levels[rows, None, None], (len(rows), side, side))


def table(ids: Sequence[object], part: str = "test", **columns: object) -> pd.DataFrame:
    facts = pd.DataFrame({"id": list(ids)}).assign(label="a", part=part, target=0)
    return facts.assign(**columns)


def joined(*tables: pd.DataFrame, pictures: Sequence[Drawn] = ()) -> Together:
    names = [f"run{number}" for number in range(len(tables))]
    return together(tables, pictures or [Drawn() for _ in tables], names)  # type: ignore[arg-type]


ids = st.lists(st.sampled_from([f"s{i}" for i in range(12)]), min_size=1, max_size=12, unique=True)


@given(st.lists(ids, min_size=1, max_size=4))
def test_the_union_in_order_and_every_value_where_it_belongs(runs: list[list[str]]) -> None:
    runs = [["anchor", *run] for run in runs]
    found = joined(*map(table, runs))
    assert found.facts["id"].tolist() == list(dict.fromkeys(each for run in runs for each in run))
    for number, run in enumerate(runs):
        values = np.arange(len(run))
        spread = found.spread(number, values)
        assert spread.index.tolist() == list(range(len(found)))
        assert spread.iloc[found.places[number]].tolist() == values.tolist()
        assert spread.notna().sum() == len(run)
        vectors = np.stack([values, -values], axis=1).astype(np.float32)
        whole = found.spread_array(number, vectors, np.nan)
        assert (whole[found.places[number]] == vectors).all()
        assert np.isnan(whole).any(axis=1).sum() == len(found) - len(run)
        few = found.spread_array(number, vectors[:1], np.nan)
        assert (few[found.places[number][0]] == vectors[0]).all()
    for sample, (owner, row) in enumerate(zip(found.owner, found.row, strict=True)):
        assert runs[owner][row] == found.facts["id"][sample]
        assert all(found.facts["id"][sample] not in run for run in runs[:owner])


def test_a_run_of_other_folds_shares_its_samples() -> None:
    one = pd.concat([table("ab", "train"), table("cd")], ignore_index=True)
    other = pd.concat([table("cd", "train"), table("ab")], ignore_index=True)
    found = joined(one, other)
    assert len(found) == 4
    assert found.places[1].tolist() == [2, 3, 0, 1]
    assert found.spread(1, other["part"]).tolist() == ["test", "test", "train", "train"]


def test_ids_that_are_no_text() -> None:
    found = joined(table([3, 1, 2]), table(["1", "3"]))
    assert found.places[1].tolist() == [1, 0]


def test_one_id_with_two_pictures_is_two_samples() -> None:
    """An audit of other data whose files are called as those of the first."""
    own = table(["x", "y", "z"])
    other = pd.concat([table(["x"], "train"), table(["y", "z", "w"])], ignore_index=True)
    found = joined(own, other, pictures=[Drawn([10, 20, 30]), Drawn([10.4, 90, 30, 40])])
    assert found.places[1].tolist() == [0, 3, 2, 4]
    assert found.facts["id"].tolist() == ["x", "y", "z", "y", "w"]
    again = joined(own, other, own, pictures=[Drawn([10, 20, 30]), Drawn([10, 90, 30, 40]), Drawn([10, 90, 30])])
    assert again.places[2].tolist() == [0, 3, 2]


def test_one_id_twice_in_a_run_is_two_samples() -> None:
    own = table(["x", "y"])
    other = pd.concat([table(["x", "y"], "train"), table(["x", "v", "x"])], ignore_index=True)
    found = joined(own, other)
    assert found.places[1].tolist() == [0, 1, 2, 3, 4]
    assert joined(other, own).places[1].tolist() == [0, 1]


def test_where_pictures_are_not_kept_or_of_another_size_the_id_says() -> None:
    own = table(["x", "y"])
    larger = Drawn([90, 90])
    larger.side = 16
    for pictures in ([Drawn([10]), Drawn([10, 80])], [Drawn(), Drawn([1, 2])], [Drawn([10, 10]), larger]):
        assert joined(own, own, pictures=pictures).places[1].tolist() == [0, 1]


def test_runs_of_different_data_are_refused() -> None:
    with pytest.raises(InputError, match="run1 shares no sample with run0: these are runs of different data"):
        joined(table("ab"), table("cd"))
    with pytest.raises(InputError, match="run1 shares no sample"):
        joined(table("ab"), table("ab"), pictures=[Drawn([0, 0]), Drawn([9, 9])])
    with pytest.raises(InputError, match="run1: b is of class 'z', in run0 it is of class 'a'"):
        joined(table("abc"), table("cb").assign(label=["a", "z"]))


def test_facts_that_one_run_does_not_know_are_those_of_the_other() -> None:
    one = table("abc", serial=["1", None, "3"], site=[1, 2, 3])
    other = table("bcd", serial=["2", "3", "4"], sensor=["r", "s", None])
    found = joined(one, other)
    assert found.facts.columns.tolist() == ["id", "label", "serial", "site", "sensor"]
    assert found.facts["serial"].tolist() == ["1", "2", "3", "4"]
    assert found.facts["site"].fillna(-1).tolist() == [1, 2, 3, -1]
    assert found.facts["sensor"].isna().tolist() == [True, False, False, True]
    assert found.differing == []


def test_facts_that_runs_tell_differently_are_left_to_the_runs() -> None:
    one = table("abc", serial=["1", "2", "3"], budget=[1, 0, 0])
    other = table("abc", serial=["1", "2", "3"], budget=[0, 0, 1])
    found = joined(one, other)
    assert found.differing == ["budget"]
    assert "budget" not in found.facts
    assert joined(one, table("abc", budget=["1", "0", "0"])).differing == ["budget"]


@pytest.mark.parametrize(
    ("name", "of_run"),
    [("part", True), ("score:energy", True), ("subset:seen", True), ("first_hit@feature", True), ("serial", False)],
)
def test_what_a_run_says_and_what_a_sample_is(name: str, of_run: bool) -> None:
    assert of_the_run(name) is of_run
