"""Sheets of pictures: each where it belongs, as large as there is room for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.explorer.pages import Page, read_blobs
from tests.explorer.test_facts import audit_of

from spacewise.explorer import pictures
from spacewise.explorer.blobs import Blobs, Reference
from spacewise.explorer.chips import Chips


def levels(count: int, side: int, bands: int = 1) -> np.ndarray:
    """Pictures of one grey each."""
    grey = np.linspace(0, 250, count).astype(np.uint8)
    return np.broadcast_to(grey[:, None, None, None], (count, side, side, bands)).copy()


def cut(page: Page, made: Reference, sample: int) -> np.ndarray:
    sheet = np.asarray(page.picture(made["sheets"][sample // made["per_sheet"]]).convert("RGB"), float)
    line, place = divmod(sample % made["per_sheet"], made["columns"])
    side = made["side"]
    return sheet[line * side : (line + 1) * side, place * side : (place + 1) * side]


def test_each_picture_is_where_the_page_looks_for_it(tmp_path: Path) -> None:
    """Of two runs, the second in colours; one sample has none."""
    first, second = levels(300, 64), levels(5, 64, 3)
    second[:, :, :, 0] = 255
    chips = [Chips(audit_of(tmp_path / "a", first)), Chips(audit_of(tmp_path / "b", second))]
    owner, row = np.repeat([0, 1], [300, 6]), np.concatenate([np.arange(300)[::-1], np.arange(6)])
    blobs = Blobs()
    made = pictures.sheets(blobs, chips, owner, row)
    assert made is not None
    assert (made["side"], made["stored"], len(made["sheets"])) == (64, 64, 2)
    page = read_blobs(blobs)
    for sample in (0, 15, 16, 255, 256, 299):
        np.testing.assert_allclose(cut(page, made, sample).mean(), first[299 - sample].mean(), atol=4)
    np.testing.assert_allclose(cut(page, made, 302).mean(axis=(0, 1)), second[2].mean(axis=(0, 1)), atol=12)
    assert cut(page, made, 305).max() < 12


@pytest.mark.parametrize(("budget", "side"), [(10**9, 64), (400_000, 32), (1, 16)])
def test_pictures_shrink_to_the_room_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, budget: int, side: int
) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (256, 64, 64, 1), dtype=np.uint8)
    chips = [Chips(audit_of(tmp_path / "a", noise))]
    sizes = {}
    for each in pictures.SIDES:
        monkeypatch.setattr(pictures, "SIDES", (each,))
        blobs = Blobs()
        pictures.sheets(blobs, chips, np.zeros(256, int), np.arange(256))
        sizes[each] = 3 * len(blobs.parts[0]) // 4
    monkeypatch.setattr(pictures, "SIDES", (64, 48, 32, 24, 16))
    monkeypatch.setattr(pictures, "BUDGET", budget if budget in (1, 10**9) else sizes[32] + 10)
    made = pictures.sheets(Blobs(), chips, np.zeros(256, int), np.arange(256))
    assert made is not None
    assert made["side"] == side


def test_small_pictures_are_not_enlarged(tmp_path: Path) -> None:
    for side, shown in ((48, 48), (20, 16), (8, 16)):
        chips = [Chips(audit_of(tmp_path / str(side), levels(3, side)))]
        made = pictures.sheets(Blobs(), chips, np.zeros(3, int), np.arange(3))
        assert made is not None
        assert (made["side"], made["stored"]) == (shown, side)


def test_of_too_many_there_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MOST", 2)
    chips = [Chips(audit_of(tmp_path / "a", levels(3, 16)))]
    assert pictures.sheets(Blobs(), chips, np.zeros(3, int), np.arange(3)) is None


def test_a_picture_is_an_image_in_grey_or_colours() -> None:
    assert pictures.as_image(levels(1, 4)[0]).mode == "L"
    assert pictures.as_image(levels(1, 4, 3)[0]).mode == "RGB"
    assert isinstance(pictures.as_image(levels(1, 4)[0]), Image.Image)
