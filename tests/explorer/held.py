"""What the file of a page holds, read without a browser."""

from __future__ import annotations

import base64
import gzip
import json
import re
from pathlib import Path
from typing import Any

import numpy as np

TYPES = {"u8": "<u1", "u16": "<u2", "u32": "<u4", "i16": "<i2", "i32": "<i4", "f32": "<f4"}
EDGE, ROOM = 32767, 1.06  # of places, as the page has them
NOWHERE = -32768


class Held:
    """What the file of a page holds, read without a browser."""

    def __init__(self, file: Path) -> None:
        text = file.read_text(encoding="utf-8")
        found = re.search(r'<script type="application/json" id="contents">(.*?)</script>', text, re.DOTALL)
        self.contents: dict[str, Any] = json.loads(found.group(1)) if found else {}
        self.parts = dict(re.findall(r'<script type="text/plain" id="blob(\d+)">(.*?)</script>', text))
        self.count = int(self.contents.get("count", 0))

    def array(self, reference: dict[str, Any]) -> np.ndarray:
        raw = gzip.decompress(base64.b64decode(self.parts[str(reference["blob"])]))
        return np.frombuffer(raw, TYPES[reference["type"]]).reshape(reference["shape"])

    @property
    def ids(self) -> list[str]:
        return list(json.loads(gzip.decompress(base64.b64decode(self.parts[str(self.contents["ids"]["blob"])]))))

    def places(self, side: dict[str, Any]) -> np.ndarray:
        """Where the samples (sample, 2) lie on the map of a side, in the page's units; NaN where they do not."""
        run = self.contents["runs"][side["run"]]
        if side["method"] == "class axes":
            codes = self._at(run["logits"]["epochs"], side["epoch"], "data")[:, side["axes"]]
            return np.where(codes == 2 * EDGE + 1, np.nan, (codes / EDGE - 1) / ROOM).astype(np.float32)
        found = next(each for each in run["maps"] if (each["space"], each["method"]) == (side["space"], side["method"]))
        codes = self._at(found["epochs"], side["epoch"], "points")
        return np.where(codes == NOWHERE, np.nan, codes / EDGE / ROOM).astype(np.float32)

    def _at(self, epochs: list[dict[str, Any]], epoch: int | None, key: str) -> np.ndarray:
        return self.array(next(each[key] for each in epochs if each["epoch"] == epoch))


def inside(places: np.ndarray, polygon: list[float]) -> np.ndarray:
    """Which places (sample, 2) lie within a polygon x, y, x, y, …: by the angle that its corners turn around them."""
    corners = np.asarray(polygon).reshape(-1, 2)
    rays = corners[None] - places[:, None]
    angles = np.arctan2(rays[..., 1], rays[..., 0])
    turns = np.diff(np.concatenate([angles, angles[:, :1]], axis=1), axis=1)
    winding = np.rint(((turns + np.pi) % (2 * np.pi) - np.pi).sum(axis=1) / (2 * np.pi))
    return np.nan_to_num(winding) % 2 == 1
