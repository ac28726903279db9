from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spacewise.errors import InputError
from spacewise.measures import blocks, checks


@pytest.mark.parametrize(("width", "sizes"), [(1, [4, 4, 2]), (6, [2] * 5), (100, [1] * 10)])
def test_rows_come_in_order_and_the_wider_side_counts(width: int, sizes: list[int], monkeypatch) -> None:
    monkeypatch.setattr(blocks, "VALUES", 12)
    values, told = np.arange(30).reshape(10, 3), []
    parts = list(blocks.blocks(values, width=width, advance=told.append))
    assert [len(block) for _, block in parts] == told == sizes
    assert np.concatenate([block for _, block in parts]).tolist() == values.tolist()
    assert all((values[part] == block).all() for part, block in parts)


def test_what_is_not_finite_is_counted_over_all_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "VALUES", 6)
    values = np.ones((20, 3))
    values[[5, 11, 12], [0, 1, 2]] = np.nan, np.inf, -np.inf
    with pytest.raises(InputError, match="features: NaN or infinite in 3 samples, first 5"):
        checks.matrix("features", values)
    assert checks.shaped("features", values) is values


def test_a_memory_map_is_not_copied(tmp_path: Path) -> None:
    np.save(tmp_path / "values.npy", np.ones((20, 3), dtype=np.float32))
    mapped = np.load(tmp_path / "values.npy", mmap_mode="r")
    assert np.shares_memory(checks.matrix("values", mapped), mapped)
