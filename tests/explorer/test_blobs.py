"""Binary parts are read back as they were, and columns are of the kind that their values are."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.explorer.pages import read_blobs

from spacewise.explorer.blobs import TYPES, Blobs, column


@pytest.mark.parametrize("dtype", TYPES)
def test_arrays_are_read_back(dtype: str) -> None:
    values = np.random.default_rng(0).normal(0, 60, (7, 3, 2)).astype(dtype)
    blobs = Blobs()
    blobs.add_json(["before"])
    for given_ in (values, values[::2].transpose(2, 0, 1), values.astype(np.dtype(dtype).newbyteorder(">"))):
        reference = blobs.add(given_)
        assert (read_blobs(blobs).array(reference) == given_).all()


def test_the_same_values_are_the_same_part() -> None:
    one, other = Blobs(), Blobs()
    for blobs in (one, other):
        blobs.add(np.arange(9, dtype=np.int32))
        blobs.add_json({"a": [1, "ä"]})
    assert one.parts == other.parts


def test_texts_are_read_back_but_for_what_has_no_bytes() -> None:
    blobs = Blobs()
    reference = blobs.add_json(["Ω </script>", "caf\udce9.png", ""])
    assert read_blobs(blobs).json(reference) == ["Ω </script>", "caf?.png", ""]


CASES = [
    ([True, False, None], "flag", [True, False, None]),
    (np.array([True, False]), "flag", [True, False]),
    (pd.array([True, pd.NA], dtype="boolean"), "flag", [True, None]),
    ([np.True_, None, np.False_], "flag", [True, None, False]),
    ([15, 17, 30], "number", [15.0, 17.0, 30.0]),
    (pd.array([15, pd.NA], dtype="Int64"), "number", [15.0, None]),
    ([0.5, np.nan, 2.0], "number", [0.5, None, 2.0]),
    ([1, 0.5, None], "number", [1.0, 0.5, None]),
    ([np.inf, -np.inf, 1.5, 1e300], "number", [None, None, 1.5, None]),
    ([123456789, 123456790], "category", ["123456789", "123456790"]),
    (pd.Series([123456789, None], dtype=object), "category", ["123456789", None]),
    ([np.inf, 1.0], "number", [None, 1.0]),
    ([3e8, 4e8, None], "number", [3e8, 4e8, None]),
    ([2**70, 1], "category", [str(2**70), "1"]),
    (["b", None, "a"], "category", ["b", None, "a"]),
    (["15", "17"], "category", ["15", "17"]),
    ([1, "a", True], "category", ["1", "a", "True"]),
    ([datetime.date(2020, 3, 1), None], "category", ["2020-03-01", None]),
    (pd.to_datetime(["2020-03-01", None]), "category", ["2020-03-01 00:00:00", None]),
    (pd.Categorical(["x", "y"], ["y", "x"]), "category", ["x", "y"]),
    ([None, None], "category", [None, None]),
    ([np.nan, np.nan], "category", [None, None]),
]


@pytest.mark.parametrize(("values", "kind", "read"), CASES)
def test_columns_are_of_their_values_kind(values: Any, kind: str, read: list[Any]) -> None:
    blobs = Blobs()
    made = column(blobs, "name", pd.Series(values))
    assert (made["name"], made["kind"]) == ("name", kind)
    assert read_blobs(blobs).values(made) == read


def test_an_order_makes_a_category_and_comes_first() -> None:
    blobs = Blobs()
    made = column(blobs, "label", pd.Series([3, 1, 2]), ["2", "9"])
    assert read_blobs(blobs).values(made) == ["3", "1", "2"]
    made = column(blobs, "label", pd.Series(["b", "z", None, "a"]), ["z", "y"])
    assert read_blobs(blobs).json(made["values"]) == ["z", "y", "a", "b"]
    assert read_blobs(blobs).values(made) == ["b", "z", None, "a"]


@given(st.lists(st.none() | st.text(st.characters(codec="utf-8"), max_size=4), min_size=1, max_size=40))
def test_categories_are_read_back(values: list[str | None]) -> None:
    blobs = Blobs()
    made = column(blobs, "name", pd.Series(values, dtype=object))
    assert read_blobs(blobs).values(made) == values


@pytest.mark.parametrize(("number", "type_"), [(254, "u8"), (255, "u16"), (65_534, "u16"), (65_535, "u32")])
def test_codes_are_as_wide_as_they_must_be(number: int, type_: str) -> None:
    blobs = Blobs()
    texts = [f"v{i}" for i in range(number)]
    made = column(blobs, "name", pd.Series([*texts, None]))
    assert made["data"]["type"] == type_
    assert read_blobs(blobs).values(made) == [*texts, None]
