"""Attribution maps on their sheet, and what they rest on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.explorer.pages import Page, read_blobs

from spacewise import files
from spacewise.audits import Audit
from spacewise.explorer.attention import maps
from spacewise.explorer.blobs import Blobs

ROWS = pd.DataFrame({"id": [f"s{i}" for i in range(400)]})


def explained(run: Path, ids: list[str], values: np.ndarray, regions: pd.DataFrame | None = None) -> Audit:
    """A run of which so many images were explained by one method; `values` is the grey of its maps' right halves."""
    place = run / "explanation"
    drawn = np.zeros((2, len(ids), 10, 10), np.float32)
    drawn[0, :, :, 5:] = values[:, None, None]
    files.write_json(place / "explanation.json", {"methods": ["gradcam", "random"], "weights": "best"})
    files.write_table(place / "samples.parquet", pd.DataFrame({"id": ids}))
    np.save(place / "maps.npy", drawn)
    if regions is not None:
        files.write_table(place / "regions.parquet", regions)
    return Audit(run / "audit")


def cut(page: Page, found: dict, method: str, number: int) -> np.ndarray:
    sheet = np.asarray(page.picture(found["methods"][method]).convert("L"), float)
    line, place = divmod(number, found["columns"])
    return sheet[line * 48 : (line + 1) * 48, place * 48 : (place + 1) * 48]


@pytest.mark.parametrize("count", [3, 300])
def test_each_map_is_where_the_page_looks_for_it(tmp_path: Path, count: int) -> None:
    ids = [f"s{i}" for i in range(count)][::-1]
    audit = explained(tmp_path, [*ids, "unknown"], np.arange(count + 1) % 3 - 1.0)
    blobs = Blobs()
    found = maps(blobs, audit, np.arange(400)[::-1], ROWS)
    assert found is not None
    page = read_blobs(blobs)
    assert found["samples"] == [399 - int(each[1:]) for each in ids]
    assert (found["weights"], found["side"], found["shares"]) == ("best", 48, None)
    assert page.picture(found["methods"]["gradcam"]).size[0] == 48 * found["columns"]
    for number in (0, 1, 2, count - 1):
        left, right = (
            cut(page, found, "gradcam", number)[:, 4:12].mean(),
            cut(page, found, "gradcam", number)[:, -8:].mean(),
        )
        expected = {-1: (255, 0), 0: (0, 0), 1: (0, 255)}[number % 3 - 1]
        assert (left, right) == (pytest.approx(expected[0], abs=12), pytest.approx(expected[1], abs=12))


def test_shares_by_method_and_region(tmp_path: Path) -> None:
    rows = [
        ("gradcam", 1, "target", 0.7, 0.1),
        ("gradcam", 1, "shadow", 0.3, 0.9),
        ("random", 0, "target", 0.2, np.nan),
    ]
    regions = pd.DataFrame(rows, columns=["method", "image", "region", "share", "area"])
    found = maps(Blobs(), explained(tmp_path, ["s4", "s7"], np.ones(2), regions), np.arange(400), ROWS)
    assert found is not None
    shares = found["shares"]
    assert shares["gradcam"] == [{}, {"target": {"share": 0.7, "area": 0.1}, "shadow": {"share": 0.3, "area": 0.9}}]
    assert shares["random"][0]["target"]["share"] == 0.2
    assert shares["random"][1] == {}


def test_other_data_were_not_explained(tmp_path: Path) -> None:
    explained(tmp_path, ["s1"], np.ones(1))
    assert maps(Blobs(), Audit(tmp_path / "audit-other"), np.arange(400), ROWS) is None
    assert maps(Blobs(), Audit(tmp_path / "empty" / "audit"), np.arange(400), ROWS) is None
