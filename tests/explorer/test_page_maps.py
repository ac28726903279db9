"""The maps: where points lie, what the pointer and the keys do, which spaces, classes and epochs they show."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA
from tests.explorer.browser import EDGE, ROOM, Explorer

from spacewise.audits import Audit

Tables = list[pd.DataFrame]


def _moved(explorer: Explorer, before: list[float], letter: str = "A") -> list[float]:
    """The frame of a map once it is another."""
    explorer.page.wait_for_function(
        """([letter, before]) => document.querySelector(`[data-map=${letter}] .plot`).dataset.frame.split(",")
            .some((value, i) => Math.abs(value - before[i]) > 1e-9)""",
        arg=[letter, before],
    )
    return explorer.frame(letter)


def _home(explorer: Explorer, before: list[float], letter: str = "A") -> None:
    """The frame of a map becomes this one."""
    explorer.page.wait_for_function(
        """([letter, before]) => document.querySelector(`[data-map=${letter}] .plot`).dataset.frame.split(",")
            .every((value, i) => Math.abs(value - before[i]) < 0.01)""",
        arg=[letter, before],
    )


def _apart(explorer: Explorer, places: np.ndarray, letter: str = "A") -> np.ndarray:
    """Samples whose point can be told from all others and lies well inside a map, the loneliest first."""
    found = explorer.pixels(places, letter)
    apart = np.linalg.norm(found[:, None] - found[None], axis=2) + 1e9 * np.eye(len(found))
    box = explorer.plot(letter).bounding_box()
    well = (np.abs(found - [box["x"] + box["width"] / 2, box["y"] + box["height"] / 2]) < box["width"] / 2 - 40).all(1)
    return np.argsort(-np.where(well, apart.min(axis=1), 0))


def _focused(explorer: Explorer, places: np.ndarray, letter: str = "A") -> None:
    """A click on the loneliest point of a map puts its sample in focus: the points lie where the data say."""
    if explorer.view["focus"] >= 0:
        explorer.page.get_by_label("Close the sample").click()
    found = explorer.pixels(places, letter)
    sample = int(_apart(explorer, places, letter)[0])
    explorer.page.mouse.click(*found[sample])
    explorer.page.wait_for_selector(".panel[data-focus]")
    assert (
        np.linalg.norm(found[explorer.view["focus"]] - found[sample]) < 4
    )  # where points are many, one that covers it


def test_all_points_are_in_sight_at_first(explorer: Explorer) -> None:
    for letter, side in zip("AB", explorer.view["sides"], strict=True):
        found = explorer.pixels(explorer.held.places(side), letter)
        box = explorer.plot(letter).bounding_box()
        assert (found > [box["x"], box["y"]]).all()
        assert (found < [box["x"] + box["width"], box["y"] + box["height"]]).all()


def test_zoom_pan_and_the_whole_map_again(explorer: Explorer) -> None:
    page, places = explorer.page, explorer.held.places(explorer.view["sides"][0])
    home = explorer.frame()
    sample = int(_apart(explorer, places)[0])
    pointer = explorer.pixels(places)[sample]
    page.mouse.move(*pointer)
    page.mouse.wheel(0, -240)
    zoomed = _moved(explorer, home)
    assert zoomed[1] > 1.1 * home[1]
    assert zoomed[1] == pytest.approx(-zoomed[3])
    assert explorer.pixels(places)[sample] == pytest.approx(pointer, abs=2)  # around the pointer
    page.get_by_label("Zoom in").first.click()
    nearer = _moved(explorer, zoomed)
    assert nearer[1] == pytest.approx(1.4 * zoomed[1])
    start = explorer.pixels(np.zeros((1, 2)))[0]
    box = explorer.plot().bounding_box()
    corner = np.array([box["x"] + 30, box["y"] + 0.8 * box["height"]])
    explorer.drag(np.array([corner, corner + np.array([60, -40])]))
    panned = _moved(explorer, nearer)
    assert explorer.pixels(np.zeros((1, 2)))[0] - start == pytest.approx([60, -40], abs=2)
    _focused(explorer, places)
    page.get_by_label("Zoom out").first.click()
    assert _moved(explorer, panned)[1] == pytest.approx(zoomed[1])
    page.get_by_label("Whole map").first.click()
    _home(explorer, home)


def test_keys_zoom_and_pan(explorer: Explorer) -> None:
    canvas = explorer.page.locator('[data-map="B"] canvas.points')
    canvas.focus()
    home = explorer.frame("B")
    canvas.press("+")
    nearer = _moved(explorer, home, "B")
    assert nearer[1] == pytest.approx(1.25 * home[1])
    canvas.press("Shift+ArrowRight")
    panned = _moved(explorer, nearer, "B")
    assert [panned[0] - nearer[0], panned[2] - nearer[2]] == pytest.approx([-40, 0], abs=0.1)
    canvas.press("Shift+ArrowUp")
    higher = _moved(explorer, panned, "B")
    assert [higher[0] - panned[0], higher[2] - panned[2]] == pytest.approx([0, 40], abs=0.1)
    canvas.press("-")
    assert _moved(explorer, higher, "B")[1] == pytest.approx(home[1])
    canvas.press("0")
    _home(explorer, home, "B")
    assert explorer.frame() == pytest.approx(home)  # the other map has stayed where it was


def test_the_pointer_shows_the_sample_below_it(explorer: Explorer, tables: Tables, audits: list[Audit]) -> None:
    page, places = explorer.page, explorer.held.places(explorer.view["sides"][0])
    sample = int(_apart(explorer, places)[0])
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
    tests = [int(each) for each in _apart(explorer, places)[:40] if tables[0]["part"][each] == "test"]
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
    _focused(explorer, explorer.held.places(explorer.view["sides"][0]))
    card = explorer.page.locator(".panel .card").first
    card.wait_for()
    sample = card.get_attribute("data-sample")
    card.click()
    explorer.page.wait_for_selector(f'.panel[data-focus="{sample}"]')
    explorer.page.get_by_label("Close the sample").click()
    explorer.page.wait_for_selector(".panel:not([data-focus])")


def test_arrows_go_from_sample_to_sample(explorer: Explorer) -> None:
    places = explorer.held.places(explorer.view["sides"][0])
    _focused(explorer, places)
    canvas = explorer.page.locator('[data-map="A"] canvas.points')
    for key, (right, down) in {
        "ArrowRight": (1, 0),
        "ArrowUp": (0, -1),
        "ArrowLeft": (-1, 0),
        "ArrowDown": (0, 1),
    }.items():
        before = explorer.view["focus"]
        canvas.press(key)
        explorer.page.wait_for_selector(f'.panel:not([data-focus="{before}"])')
        step = np.diff(explorer.pixels(places)[[before, explorer.view["focus"]]], axis=0)[0]
        along, across = step @ [right, down], abs(step @ [down, right])
        assert along > 0
        assert across <= 1.5 * along


def test_a_second_map_comes_and_goes(explorer: Explorer) -> None:
    explorer.page.locator("#two").click()
    explorer.drawn()
    assert explorer.page.locator(".plot").count() == 1
    _focused(explorer, explorer.held.places(explorer.view["sides"][0]))
    explorer.page.locator("#two").click()
    explorer.drawn()
    sides = explorer.view["sides"]
    assert [side["run"] for side in sides] == [0, 1]
    _focused(explorer, explorer.held.places(sides[1]), "B")


def test_each_map_shows_the_run_space_projection_and_part_that_is_wanted(explorer: Explorer, tables: Tables) -> None:
    explorer.select("Run of map B", "0")
    explorer.select("Space of map B", "block4")
    explorer.select("Part on map B", "test")
    explorer.drawn()
    side = explorer.view["sides"][1]
    assert side == {"run": 0, "space": "block4", "method": "components", "epoch": None, "axes": [0, 1], "part": "test"}
    test = (tables[0]["part"] == "test").to_numpy()
    assert int(explorer.plot("B").get_attribute("data-drawn")) == test.sum()
    _focused(explorer, np.where(test[:, None], explorer.held.places(side), 99), "B")
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
    _focused(explorer, places)


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
        _focused(explorer, places)
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


def test_pictures_stand_in_for_points(explorer: Explorer) -> None:
    explorer.page.locator("#pictures").click()
    explorer.page.wait_for_function(
        """() => {
            const canvas = document.querySelector("canvas.above");
            const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
            copy.drawImage(canvas, 0, 0);
            const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
            return data.filter((value, i) => i % 4 === 3 && value === 255).length > 10 * 40 * 40;
        }"""
    )
    assert explorer.view["marks"] == "pictures"
    _focused(explorer, explorer.held.places(explorer.view["sides"][0]))
