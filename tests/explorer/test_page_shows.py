"""What the maps show: run, space, projection, part, any two classes, every kept epoch, one map or two."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA
from tests.explorer.browser import Explorer
from tests.explorer.held import EDGE, ROOM

from spacewise.audits import Audit

Tables = list[pd.DataFrame]


def test_a_second_map_comes_and_goes(explorer: Explorer) -> None:
    explorer.page.locator("#two").click()
    explorer.drawn()
    assert explorer.page.locator(".plot").count() == 1
    explorer.focuses(explorer.held.places(explorer.view["sides"][0]))
    explorer.page.locator("#two").click()
    explorer.drawn()
    sides = explorer.view["sides"]
    assert [side["run"] for side in sides] == [0, 1]
    explorer.focuses(explorer.held.places(sides[1]), "B")


def test_each_map_shows_the_run_space_projection_and_part_that_is_wanted(explorer: Explorer, tables: Tables) -> None:
    explorer.select("Run of map B", "0")
    explorer.select("Space of map B", "block4")
    explorer.select("Part on map B", "test")
    explorer.drawn()
    side = explorer.view["sides"][1]
    assert side == {"run": 0, "space": "block4", "method": "components", "epoch": None, "axes": [0, 1], "part": "test"}
    test = (tables[0]["part"] == "test").to_numpy()
    assert int(explorer.plot("B").get_attribute("data-drawn")) == test.sum()
    explorer.focuses(np.where(test[:, None], explorer.held.places(side), 99), "B")
    explorer.select("Space of map B", "feature")
    explorer.select("Projection of map B", "t-SNE")
    explorer.select("Part on map B", "confusers")
    explorer.drawn()
    assert int(explorer.plot("B").get_attribute("data-drawn")) == (tables[0]["part"] == "confusers").sum()


def test_class_axes_are_the_logits_of_any_two_classes(explorer: Explorer, tables: Tables, audits: list[Audit]) -> None:
    classes = audits[0].classes
    one, other = classes.index("tank-a"), classes.index("tank-b")
    explorer.select("Projection of map A", "class axes")
    explorer.select("Horizontal class of map A", str(one))
    explorer.select("Vertical class of map A", str(other))
    explorer.drawn()
    side = explorer.view["sides"][0]
    assert side["axes"] == [one, other]
    run = explorer.held.contents["runs"][0]["logits"]
    places = explorer.held.places(side)
    shown = run["low"] + (run["high"] - run["low"]) * (places * ROOM + 1) / 2
    logits = np.load(audits[0].folder / "spaces" / "classifier.npy")[tables[0]["row"]]
    assert shown == pytest.approx(logits[:, [one, other]], abs=(run["high"] - run["low"]) / EDGE)
    assert explorer.page.locator('[data-map="A"] .axis.across').inner_text() == "logit of tank-a →"
    explorer.focuses(places)


def test_the_slider_goes_through_the_kept_epochs(explorer: Explorer, tables: Tables, audits: list[Audit]) -> None:
    explorer.select("Projection of map A", "components")
    slider = explorer.page.get_by_label("Epoch of map A")
    seen = []
    slider.press("Home")
    for epoch in (0, 4, None):
        explorer.drawn()
        side = explorer.view["sides"][0]
        assert side["epoch"] == epoch
        places = explorer.held.places(side)
        _are_components(places, audits[0], epoch, tables[0])
        explorer.focuses(places)
        seen.append(places)
        slider.press("ArrowRight")
    assert all(np.abs(one - other).max() > 0.01 for one, other in pairwise(seen))
    explorer.select("Projection of map A", "class axes")
    explorer.page.get_by_label("Epoch of map A").press("Home")
    explorer.drawn()
    run = explorer.held.contents["runs"][0]["logits"]
    shown = run["low"] + (run["high"] - run["low"]) * (explorer.held.places(explorer.view["sides"][0]) * ROOM + 1) / 2
    logits = np.load(audits[0].folder / "epochs" / "0" / "classifier.npy")[tables[0]["row"]].astype(float)
    assert shown == pytest.approx(logits[:, [0, 1]], abs=(run["high"] - run["low"]) / EDGE)


def _are_components(places: np.ndarray, audit: Audit, epoch: int | None, table: pd.DataFrame) -> None:
    """The first two principal components of the audited training samples, up to their signs and one scale."""
    audited = np.load(audit.folder / "spaces" / "feature.npy").astype(float)
    fitted = PCA(2, svd_solver="full").fit(audited[table["row"][table["part"] == "train"]])
    then = audited if epoch is None else np.load(audit.folder / "epochs" / str(epoch) / "feature.npy").astype(float)
    wanted = fitted.transform(then[table["row"]])
    scales = [(wanted[:, i] @ places[:, i]) / (wanted[:, i] @ wanted[:, i]) for i in (0, 1)]
    assert abs(scales[0]) == pytest.approx(abs(scales[1]), rel=1e-3)
    assert places == pytest.approx(wanted * scales, abs=2e-4)


def test_many_changes_at_once_end_in_what_was_asked_last(browser: Any, file: Path, tables: Tables) -> None:
    """Points move where the system has nothing against it, and a change does not wait for them to arrive."""
    explorer = Explorer(browser, file, reduced_motion="no-preference")
    explorer.select("Projection of map A", "components")
    explorer.page.evaluate(
        """() => {
            const slider = document.querySelector('[aria-label="Epoch of map A"]');
            for (const value of [0, 1, 2, 0, 2, 1]) {
                slider.value = value;
                slider.dispatchEvent(new Event("input", { bubbles: true }));
                document.querySelector('.legend [data-value="scout"]').click();
            }
            document.querySelector('.legend [data-value="dozer"]').click();
        }"""
    )
    explorer.expect_chosen(tables[0]["label"].eq("dozer").sum())
    explorer.drawn()
    assert explorer.view["sides"][0]["epoch"] == 4
    explorer.page.wait_for_selector(f'.plot[data-strong="{tables[0]["label"].eq("dozer").sum()}"]')
    explorer.focuses(explorer.held.places(explorer.view["sides"][0]))
    assert explorer.faults == []
    explorer.close()


def test_pictures_stand_in_for_points(explorer: Explorer) -> None:
    explorer.page.locator("#pictures").click()
    explorer.page.wait_for_function(
        """() => {
            const canvas = document.querySelector("canvas.above");
            const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d");
            copy.drawImage(canvas, 0, 0);
            const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
            return data.filter((value, i) => i % 4 === 3 && value === 255).length > 10 * 40 * 40;
        }"""
    )
    assert explorer.view["marks"] == "pictures"
    explorer.focuses(explorer.held.places(explorer.view["sides"][0]))
