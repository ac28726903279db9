from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from spacewise.measures import blocks
from spacewise.measures.percentiles import percentile

KINDS = [np.float16, np.float32, np.float64, np.int32, np.uint8]
SHAPES = arrays.array_shapes(min_dims=2, max_dims=2, max_side=9)


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "VALUES", 16)


def numbers(dtype: type) -> st.SearchStrategy[np.ndarray]:
    finite = {"allow_nan": False, "allow_infinity": False} if np.dtype(dtype).kind == "f" else {}
    return arrays.arrays(dtype, SHAPES, elements=arrays.from_dtype(np.dtype(dtype), **finite), fill=st.just(dtype(0)))


@pytest.mark.filterwarnings("ignore:overflow")  # numpy's and ours: between numbers near the ends of double precision
@settings(max_examples=150, deadline=None)
@given(data=st.data(), dtype=st.sampled_from(KINDS), percent=st.floats(0, 100) | st.sampled_from([0, 50, 90, 100]))
def test_it_is_numpys_to_the_last_bit(data: st.DataObject, dtype: type, percent: float) -> None:
    values = data.draw(numbers(dtype))
    expected = np.percentile(values.astype(np.float64), percent)
    assert np.array_equal(percentile(values, percent), expected, equal_nan=True)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), percent=st.floats(0, 100))
def test_ties_of_a_rectifier(seed: int, percent: float) -> None:
    values = np.maximum(np.random.default_rng(seed).normal(size=(40, 5)).round(1), 0).astype(np.float32)
    assert percentile(values, percent) == np.percentile(values.astype(np.float64), percent)


def test_memory_maps_and_turned_arrays(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(50, 7)).astype(np.float32)
    np.save(tmp_path / "values.npy", values)
    expected = np.percentile(values.astype(np.float64), 90)
    assert percentile(np.load(tmp_path / "values.npy", mmap_mode="r"), 90) == expected
    assert percentile(values.T, 90) == expected
    assert percentile(values[::2, ::-1], 90) == np.percentile(values[::2].astype(np.float64), 90)
