"""The binary parts of a page: arrays and texts, compressed, in base64, each under a number of its own."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import numpy as np
import pandas as pd

TYPES = {"uint8": "u8", "uint16": "u16", "uint32": "u32", "int16": "i16", "int32": "i32", "float32": "f32"}
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
        """Anything that JSON knows, such as a long list of texts."""
        packed = gzip.compress(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"), 6, mtime=0)
        return {"blob": self._keep(packed), "type": "json"}

    def add_picture(self, encoded: bytes) -> Reference:
        """An encoded picture, as it is."""
        return {"blob": self._keep(encoded), "type": "webp"}

    def _keep(self, packed: bytes) -> int:
        self.parts.append(base64.b64encode(packed).decode("ascii"))
        return len(self.parts) - 1


def column(blobs: Blobs, name: str, values: pd.Series, order: list[str] | None = None) -> Reference:
    """One column of the samples: a `number`, a `flag` (1, 0, or 2 where there is none), or a `category`.

    Args:
        values: aligned with the samples; missing where a sample has none.
        order: of a category, the values that come first.
    """
    known = values.dropna()
    if known.map(lambda value: isinstance(value, bool | np.bool_)).all() and len(known):
        flags = values.map({True: 1, False: 0}).fillna(2).to_numpy(np.uint8)
        return {"name": name, "kind": "flag", "data": blobs.add(flags)}
    if pd.api.types.is_numeric_dtype(known.infer_objects()) and len(known) and order is None:
        return {"name": name, "kind": "number", "data": blobs.add(pd.to_numeric(values).to_numpy(np.float32))}
    texts = known.map(str)
    found = sorted(set(texts) - set(order or ()))
    names = [*(order or ()), *found]
    kind = next(kind for kind in (np.uint8, np.uint16, np.uint32) if len(names) < np.iinfo(kind).max)
    missing = int(np.iinfo(kind).max)
    codes = np.full(len(values), missing, kind)
    codes[values.notna().to_numpy()] = pd.Index(names).get_indexer(texts)
    return {"name": name, "kind": "category", "values": blobs.add_json(names), "data": blobs.add(codes)}
