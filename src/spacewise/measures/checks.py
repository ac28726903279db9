"""The door of every measure: arrays come in checked, or one line says what is wrong with them.

Conventions that all measures share: labels and predictions are integer class indices; features,
embeddings and logits are (sample, dimension) arrays of finite numbers; masks are boolean.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from spacewise.errors import InputError
from spacewise.measures.blocks import blocks


def matrix(name: str, values: Any, *, columns: int | None = None, rows: int | None = None) -> np.ndarray:
    """`values` as a finite (sample, dimension) array in its own dtype; `columns`, `rows` fix its sizes.

    A memory map stays one; it is read through once, block by block.
    """
    return _finite(name, shaped(name, values, columns=columns, rows=rows))


def shaped(name: str, values: Any, *, columns: int | None = None, rows: int | None = None) -> np.ndarray:
    """As `matrix`, but whether the numbers are finite is not looked at."""
    array = _array(name, values)
    if array.ndim != 2 or array.dtype.kind not in "fiu" or 0 in array.shape:
        raise _shape_error(name, "numbers (sample, dimension)", array)
    if columns is not None and array.shape[1] != columns:
        raise InputError(f"{name}: {array.shape[1]} columns, expected {columns} as in the array beside it")
    return _long(name, array, rows)


def vector(name: str, values: Any, *, length: int | None = None) -> np.ndarray:
    """`values` as finite float64 numbers (sample,)."""
    array = _array(name, values)
    if array.ndim != 1 or array.dtype.kind not in "fiu" or len(array) == 0:
        raise _shape_error(name, "numbers (sample,)", array)
    return _finite(name, _long(name, array, length)).astype(np.float64)


def labels(name: str, values: Any, *, length: int | None = None) -> np.ndarray:
    """`values` as integer class indices (sample,)."""
    array = _array(name, values)
    if array.ndim != 1 or array.dtype.kind not in "iu" or len(array) == 0:
        raise _shape_error(name, "integer class indices (sample,)", array)
    return _long(name, array, length)


def flags(name: str, values: Any, *, length: int | None = None) -> np.ndarray:
    """`values` as booleans (sample,)."""
    array = _array(name, values)
    if array.ndim != 1 or array.dtype != bool or len(array) == 0:
        raise _shape_error(name, "booleans (sample,)", array)
    return _long(name, array, length)


def groups(name: str, values: Any, *, length: int) -> np.ndarray:
    """Codes 0 … g-1 (sample,) of the group that each sample belongs to; None: each is its own."""
    if values is None:
        return np.arange(length)
    array = _array(name, values)
    if array.ndim != 1:
        raise _shape_error(name, "one group a sample (sample,)", array)
    codes, _ = pd.factorize(_long(name, array, length))
    if (codes < 0).any():
        raise InputError(f"{name}: sample {int(np.argmax(codes < 0))} has no group, expected one a sample")
    return codes


def subsets(masks: Mapping[str, Any] | None, length: int) -> dict[str, np.ndarray]:
    """The masks by name, `overall` (every sample) first."""
    if masks is not None and "overall" in masks:
        raise InputError("subsets: 'overall' is the row of all samples, give this subset another name")
    named = {name: flags(f"subset '{name}'", mask, length=length) for name, mask in (masks or {}).items()}
    return {"overall": np.ones(length, dtype=bool), **named}


def whole(name: str, value: Any, *, least: int = 1, most: int | None = None) -> int:
    """`value` as a whole number from `least` to `most`."""
    upper = f" to {most}" if most is not None else " or more"
    fits = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not fits or value < least or (most is not None and value > most):
        raise InputError(f"{name}: {value!r}, expected a whole number, {least}{upper}")
    return int(value)


def share(name: str, value: Any) -> float:
    """`value` as a number above 0 and below 1."""
    if not isinstance(value, int | float | np.number) or not 0 < value < 1:
        raise InputError(f"{name}: {value!r}, expected a number above 0 and below 1")
    return float(value)


def _array(name: str, values: Any) -> np.ndarray:
    try:
        return np.asarray(values)
    except ValueError as error:  # rows of different lengths
        raise InputError(f"{name}: not an array: rows differ in length") from error


def _shape_error(name: str, expected: str, array: np.ndarray) -> InputError:
    return InputError(f"{name}: expected {expected}, at least one, got {array.dtype} of shape {array.shape}")


def _long(name: str, array: np.ndarray, length: int | None) -> np.ndarray:
    if length is not None and len(array) != length:
        raise InputError(f"{name}: {len(array)} samples, expected {length} as in the array beside it")
    return array


def _finite(name: str, array: np.ndarray) -> np.ndarray:
    if array.dtype.kind != "f":
        return array
    bad, first = 0, 0
    for part, block in blocks(array):
        if not np.isfinite(block).all():
            rows = ~np.isfinite(block.reshape(len(block), -1)).all(axis=1)
            first = first if bad else part.start + int(np.argmax(rows))
            bad += int(rows.sum())
    if bad:
        raise InputError(f"{name}: NaN or infinite in {bad} samples, first {first}")
    return array
