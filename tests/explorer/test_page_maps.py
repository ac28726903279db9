"""The maps under the pointer and the keys: zoom, pan, the whole map, from sample to sample."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from tests.explorer.browser import Explorer, fragment_of

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


def _all_in_sight(explorer: Explorer) -> None:
    for letter, side in zip("AB", explorer.view["sides"], strict=False):
        explorer.page.wait_for_function(
            """(letter) => {
                const plot = document.querySelector(`[data-map=${letter}] .plot`);
                const [x0, , y0] = plot.dataset.frame.split(",");
                return Math.abs(2 * x0 - plot.clientWidth) < 2 && Math.abs(2 * y0 - plot.clientHeight) < 2;
            }""",
            arg=letter,
        )
        found = explorer.pixels(explorer.held.places(side), letter)
        box = explorer.plot(letter).bounding_box()
        assert (found > [box["x"], box["y"]]).all()
        assert (found < [box["x"] + box["width"], box["y"] + box["height"]]).all()
        explorer.focuses(explorer.held.places(side), letter)


def test_all_points_are_in_sight_at_first_whatever_the_shape_of_the_window(explorer: Explorer) -> None:
    _all_in_sight(explorer)
    explorer.page.locator("#two").click()
    explorer.drawn()
    for width, height in ((1900, 1000), (640, 1000), (1500, 1000)):
        explorer.page.set_viewport_size({"width": width, "height": height})
        _all_in_sight(explorer)


def test_zoom_pan_and_the_whole_map_again(explorer: Explorer) -> None:
    page, places = explorer.page, explorer.held.places(explorer.view["sides"][0])
    home = explorer.frame()
    sample = int(explorer.apart(places)[0])
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
    explorer.focuses(places)
    page.get_by_label("Zoom out").first.click()
    assert _moved(explorer, panned)[1] == pytest.approx(zoomed[1])
    page.get_by_label("Whole map").first.click()
    _home(explorer, home)


def test_keys_zoom_and_pan(explorer: Explorer) -> None:
    _keys_pan(explorer, "B")
    assert explorer.frame("A") == pytest.approx(explorer.frame("B"))  # the other map has stayed where it was
    explorer.page.locator("#two").click()
    explorer.drawn()
    _keys_pan(explorer, "A")  # now wider than high


def _keys_pan(explorer: Explorer, letter: str) -> None:
    canvas = explorer.page.locator(f'[data-map="{letter}"] canvas.points')
    canvas.focus()
    home = explorer.frame(letter)
    canvas.press("+")
    nearer = _moved(explorer, home, letter)
    assert nearer[1] == pytest.approx(1.25 * home[1])
    canvas.press("Shift+ArrowRight")
    panned = _moved(explorer, nearer, letter)
    assert [panned[0] - nearer[0], panned[2] - nearer[2]] == pytest.approx([-40, 0], abs=0.1)
    canvas.press("Shift+ArrowUp")
    higher = _moved(explorer, panned, letter)
    assert [higher[0] - panned[0], higher[2] - panned[2]] == pytest.approx([0, 40], abs=0.1)
    canvas.press("-")
    assert _moved(explorer, higher, letter)[1] == pytest.approx(home[1])
    canvas.press("0")
    _home(explorer, home, letter)


def test_arrows_go_from_sample_to_sample(explorer: Explorer) -> None:
    places = explorer.held.places(explorer.view["sides"][0])
    middle = int(np.linalg.norm(places - np.median(places, axis=0), axis=1).argmin())
    explorer.go(fragment_of(explorer.view | {"focus": middle}))
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
