"""A sample: the card below the pointer, and all about it after a click."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.explorer.browser import Explorer

from spacewise.audits import Audit

Tables = list[pd.DataFrame]


def test_the_pointer_shows_the_sample_below_it(explorer: Explorer, tables: Tables, audits: list[Audit]) -> None:
    page, places = explorer.page, explorer.held.places(explorer.view["sides"][0])
    sample = int(explorer.apart(places)[0])
    page.mouse.move(*explorer.pixels(places)[sample])
    card = page.locator(f'.hover[data-sample="{sample}"]')
    card.wait_for()
    assert card.locator("b").inner_text() == tables[0]["label"][sample]
    assert card.locator("small").inner_text() == tables[0]["id"][sample]
    for number, table in enumerate(tables):
        words = card.locator(f'[data-run="{number}"]')
        assert words.inner_text() == f"{audits[number].facts['run']}: {table['prediction'][sample]}"
        wrong = table["target"][sample] >= 0 and not table["correct"][sample]
        assert words.get_attribute("class") == ("wrong" if wrong else "")
    _is_picture_of(explorer, card.locator("canvas"), audits[0], int(tables[0]["row"][sample]))
    box = explorer.plot().bounding_box()
    page.mouse.move(box["x"] + 5, box["y"] + box["height"] - 5)
    card.wait_for(state="detached")


def _is_picture_of(explorer: Explorer, canvas: Any, audit: Audit, row: int) -> None:
    """The canvas shows the chip of that row, and looks like no other as much."""
    values = explorer.page.wait_for_function(
        """(canvas) => {
            const small = new OffscreenCanvas(16, 16).getContext("2d");
            small.imageSmoothingQuality = "high";
            small.drawImage(canvas, 0, 0, 16, 16);
            const { data } = small.getImageData(0, 0, 16, 16);
            return data.some((value) => value) && Array.from(data.filter((_, i) => i % 4 === 0));
        }""",
        arg=canvas.element_handle(),
    ).json_value()
    chips = np.load(audit.folder / "chips.npy").astype(float).mean(axis=3)
    side = chips.shape[1] // 16
    small = chips[:, : 16 * side, : 16 * side].reshape(len(chips), 16, side, 16, side).mean(axis=(2, 4))
    alike = [np.corrcoef(each.ravel(), values)[0, 1] for each in small]
    assert int(np.argmax(alike)) == row
    assert alike[row] > 0.8


def test_a_click_shows_all_about_a_sample(explorer: Explorer, tables: Tables, audits: list[Audit]) -> None:
    page, places = explorer.page, explorer.held.places(explorer.view["sides"][0])
    tests = [int(each) for each in explorer.apart(places)[:40] if tables[0]["part"][each] == "test"]
    sample = tests[0]
    page.mouse.click(*explorer.pixels(places)[sample])
    panel = page.locator(f'.panel[data-focus="{sample}"]')
    panel.wait_for()
    facts = dict(
        zip(panel.locator(".who dt").all_inner_texts(), panel.locator(".who dd").all_inner_texts(), strict=True)
    )
    row = tables[0].loc[sample]
    assert panel.locator(".path").inner_text() == row["id"]
    for name in ("label", "serial", "scene", "role"):
        assert facts[name] == row[name]
    assert float(facts["aspect"]) == pytest.approx(row["aspect"], rel=1e-3)
    _is_picture_of(explorer, panel.locator(".who canvas"), audits[0], int(row["row"]))
    for number, (audit, table) in enumerate(zip(audits, tables, strict=True)):
        here = panel.locator(f'.of-run[data-run="{number}"]')
        verdict = here.locator(".verdict").inner_text()
        assert table["prediction"][sample] in verdict
        assert f"{100 * table['confidence'][sample]:.1f} %" in verdict
        assert ("taken for" in verdict) == (not table["correct"][sample])
        _probabilities(here, audit, int(table["row"][sample]))
        for space in ("feature", "classifier"):
            _neighbours(here, audit, table, space, int(table["row"][sample]))


def _probabilities(here: Any, audit: Audit, row: int) -> None:
    values = np.load(audit.folder / "spaces" / "probability.npy")[row]
    here.locator(".bars li").first.wait_for()
    names = here.locator(".bars .name").all_inner_texts()
    shown = [float(each.split()[0]) / 100 for each in here.locator(".bars li > span:last-child").all_inner_texts()]
    found = dict(zip(names, shown, strict=True))
    wanted = {audit.classes[i]: values[i] for i in np.argsort(-values)[: len(found)]}
    assert list(found) == list(wanted)
    assert list(found.values()) == pytest.approx(list(wanted.values()), abs=1e-2)


def _neighbours(here: Any, audit: Audit, table: pd.DataFrame, space: str, row: int) -> None:
    values = np.load(audit.folder / "spaces" / f"{space}.npy").astype(float)
    own = pd.read_parquet(audit.folder / "samples.parquet")
    train = np.flatnonzero(own["part"] == "train")
    distances = np.linalg.norm(values[train] - values[row], axis=1)
    nearest = np.argsort(distances, kind="stable")[:8]
    cards = here.locator(f'.near[data-space="{space}"] .card')
    cards.first.wait_for()
    found = [table["id"][int(each.get_attribute("data-sample"))] for each in cards.all()]
    assert found == own["id"][train[nearest]].tolist()
    words = [each.rpartition(" ") for each in cards.locator("> span").all_inner_texts()]
    assert [label for label, _, _ in words] == own["label"][train[nearest]].tolist()
    assert [float(distance) for _, _, distance in words] == pytest.approx(distances[nearest], rel=6e-3)


def test_a_neighbour_is_one_click_away(explorer: Explorer) -> None:
    explorer.focuses(explorer.held.places(explorer.view["sides"][0]))
    card = explorer.page.locator(".panel .card").first
    card.wait_for()
    sample = card.get_attribute("data-sample")
    card.click()
    explorer.page.wait_for_selector(f'.panel[data-focus="{sample}"]')
    explorer.page.get_by_label("Close the sample").click()
    explorer.page.wait_for_selector(".panel:not([data-focus])")
