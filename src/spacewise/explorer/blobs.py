"""The binary parts of a page: arrays and texts, compressed, in base64, each under a number of its own."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import numpy as np
import pandas as pd

TYPES = {"uint8": "u8", "uint16": "u16", "uint32": "u32", "int16": "i16", "int32": "i32", "float32": "f32"}
EXACT = 2**24  # whole numbers beyond this are not all numbers of single precision
Reference = dict[str, Any]


class Blobs:
    """Collects parts; each `add…` returns what stands in the contents in its place."""

    def __init__(self) -> None:
        self.parts: list[str] = []

    def add(self, values: np.ndarray) -> Reference:
        """An array, little-endian, row by row."""
        values = np.ascontiguousarray(values)
        packed = gzip.compress(values.astype(values.dtype.newbyteorder("<")).tobytes(), 6, mtime=0)
        return {"blob": self._keep(packed), "type": TYPES[values.dtype.name], "shape": list(values.shape)}

    def add_json(self, value: Any) -> Reference:
        """Anything that JSON knows, such as a long list of texts; what UTF-8 has no bytes for becomes `?`."""
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        return {"blob": self._keep(gzip.compress(text.encode("utf-8", "replace"), 6, mtime=0)), "type": "json"}

    def add_picture(self, encoded: bytes) -> Reference:
        """An encoded picture, as it is."""
        return {"blob": self._keep(encoded), "type": "webp"}

    def _keep(self, packed: bytes) -> int:
        self.parts.append(base64.b64encode(packed).decode("ascii"))
        return len(self.parts) - 1


def column(blobs: Blobs, name: str, values: pd.Series, order: list[str] | None = None) -> Reference:
    """One column of the samples: a `number`, a `flag` (1, 0, or 2 where there is none), or a `category`.

    Whole numbers that single precision cannot tell apart, such as long serial numbers, are a category; infinite
    numbers are missing.

    Args:
        values: aligned with the samples; missing where a sample has none.
        order: the column is a category, and these of its values come first.
    """
    known, held = values.dropna(), values.notna().to_numpy()
    kind = pd.api.types.infer_dtype(known) if order is None and len(known) else "string"
    if kind == "boolean":
        flags = np.full(len(values), 2, np.uint8)
        flags[held] = known.astype(bool)
        return {"name": name, "kind": "flag", "data": blobs.add(flags)}
    if kind in ("floating", "mixed-integer-float", "decimal") or (kind == "integer" and known.abs().max() <= EXACT):
        return {"name": name, "kind": "number", "data": blobs.add(_numbers(held, known.to_numpy(np.float64)))}
    return {"name": name, "kind": "category", **_category(blobs, held, known.map(str), order or [])}


def _numbers(held: np.ndarray, found: np.ndarray) -> np.ndarray:
    """(sample,) single precision; NaN where there is none, or one that it cannot hold."""
    with np.errstate(over="ignore"):
        numbers = np.full(len(held), np.nan, np.float32)
        numbers[held] = found
    return np.where(np.isfinite(numbers), numbers, np.float32(np.nan))


def _category(blobs: Blobs, held: np.ndarray, texts: pd.Series, order: list[str]) -> Reference:
    """`values`, and `data`: the number of each sample's among them; the largest number where it has none."""
    names = [*order, *sorted(set(texts) - set(order))]
    kind = next(kind for kind in (np.uint8, np.uint16, np.uint32) if len(names) < np.iinfo(kind).max)
    codes = np.full(len(held), np.iinfo(kind).max, kind)
    codes[held] = pd.Index(names).get_indexer(texts)
    return {"values": blobs.add_json(names), "data": blobs.add(codes)}
