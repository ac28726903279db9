"""Pages read as their program reads them, and audits by hand that have more than those of the report's tests."""

from __future__ import annotations

import base64
import gzip
import io
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from spacewise import files
from spacewise.audits import Audit
from spacewise.explorer.blobs import Blobs, Reference

DTYPES = {"u8": "<u1", "u16": "<u2", "u32": "<u4", "i16": "<i2", "i32": "<i4", "f32": "<f4"}


class Page:
    """What a page holds: its contents, and its parts by reference."""

    def __init__(self, contents: dict[str, Any], parts: Sequence[str]) -> None:
        self.contents, self.parts = contents, parts

    def array(self, reference: Reference) -> np.ndarray:
        raw = gzip.decompress(base64.b64decode(self.parts[reference["blob"]]))
        return np.frombuffer(raw, DTYPES[reference["type"]]).reshape(reference["shape"])

    def json(self, reference: Reference) -> Any:
        assert reference["type"] == "json"
        return json.loads(gzip.decompress(base64.b64decode(self.parts[reference["blob"]])))

    def picture(self, reference: Reference) -> Image.Image:
        return Image.open(io.BytesIO(base64.b64decode(self.parts[reference["blob"]])))

    def values(self, column: Reference) -> list[Any]:
        """A column as Python values; None where a sample has none."""
        data = self.array(column["data"])
        if column["kind"] == "number":
            return [None if np.isnan(value) else float(value) for value in data]
        if column["kind"] == "flag":
            return [{0: False, 1: True, 2: None}[value] for value in data.tolist()]
        names = self.json(column["values"])
        return [names[code] if code < len(names) else None for code in data.tolist()]

    def fact(self, name: str) -> list[Any]:
        return self.values(next(each for each in self.contents["facts"] if each["name"] == name))

    def of(self, run: int, name: str) -> list[Any]:
        return self.values(next(each for each in self.contents["runs"][run]["columns"] if each["name"] == name))

    def points(self, run: int, space: str, method: str, epoch: int | None = None) -> np.ndarray:
        """(sample, 2) in units of the frame; NaN where there is none."""
        maps = self.contents["runs"][run]["maps"]
        epochs = next(each for each in maps if (each["space"], each["method"]) == (space, method))["epochs"]
        found = self.array(next(each for each in epochs if each["epoch"] == epoch)["points"])
        return np.where(found == -32768, np.nan, found / 32767)


def read_page(path: Path) -> Page:
    text = path.read_text(encoding="utf-8")
    found = re.findall(r'<script type="application/json" id="contents">(.*?)</script>', text, re.DOTALL)
    parts = re.findall(r'<script type="text/plain" id="blob(\d+)">([^<]*)</script>', text)
    assert len(found) == 1
    assert [int(number) for number, _ in parts] == list(range(len(parts)))
    return Page(json.loads(found[0]), [part for _, part in parts])


def read_blobs(blobs: Blobs) -> Page:
    return Page({}, blobs.parts)


def keep(audit: Audit, epochs: Sequence[int], spaces: Sequence[str] = ("feature", "classifier")) -> None:
    """Main spaces at epochs: those of the audited weights, less and less noisy."""
    generator = np.random.default_rng(5)
    for epoch in epochs:
        place = audit.folder / "epochs" / str(epoch)
        place.mkdir(parents=True)
        for space in spaces:
            values = np.asarray(audit.space(space))
            noise = generator.normal(size=values.shape) / (1 + epoch)
            np.save(place / f"{space}.npy", (values + noise).astype(np.float16))


def with_source(audit: Audit, count: int = 30, *, pictured: bool = True) -> None:
    """Makes it an audit of a transfer: test images of a source, whose feature is of another dimension."""
    generator = np.random.default_rng(7)
    (audit.folder / "source").mkdir()
    classes = audit.classes
    targets = np.arange(count) % len(classes)
    logits = generator.normal(size=(count, len(classes))).astype(np.float32) + 3 * np.eye(len(classes))[targets]
    powers = np.exp(logits)
    spaces = {"feature": generator.normal(size=(count, 9)), "classifier": logits}
    spaces["probability"] = powers / powers.sum(axis=1, keepdims=True)
    for name, values in spaces.items():
        np.save(audit.folder / "source" / f"{name}.npy", values.astype(np.float32))
    table = pd.DataFrame({"id": [f"test/{i}" for i in range(count)], "label": [classes[t] for t in targets]})
    table = table.assign(zone="x", target=targets, prediction=logits.argmax(axis=1))
    files.write_table(audit.folder / "source_samples.parquet", table)
    if pictured:
        shape = (count, *audit.chips().shape[1:3], 3)
        np.save(audit.folder / "source_chips.npy", generator.integers(0, 255, shape, dtype=np.uint8))
