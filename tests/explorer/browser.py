"""Opens explorer pages in a browser without a network, and does on them what a reader does."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import numpy as np
import pandas as pd
import pytest
from tests.explorer.held import Held

FLAGS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]


def chromium() -> str:
    """The browser of this machine; skips where there is none."""
    pytest.importorskip("playwright.sync_api", reason="the package playwright drives the browser")
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    pytest.skip("no chromium, chromium-browser or google-chrome on this machine")


def has_namespaces() -> bool:
    """Whether this machine lets a user make a network of one's own."""
    words = ["unshare", "--user", "--map-root-user", "--net", "true"]
    return shutil.which("unshare") is not None and subprocess.run(words, capture_output=True).returncode == 0


def without_network(folder: Path) -> Path:
    """A program that starts the browser in a network namespace of its own; as it is where there are none."""
    first = "unshare --user --map-root-user --net " if has_namespaces() else ""
    script = folder / "chromium"
    script.write_text(f'#!/bin/sh\nexec {first}"{chromium()}" "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    return script


@contextmanager
def launched(playwright: Any, folder: Path, *flags: str) -> Iterator[Any]:
    """A browser without a network, with WebGL drawn by software unless the flags say otherwise."""
    browser = playwright.chromium.launch(executable_path=without_network(folder), args=[*FLAGS, *flags])
    yield browser
    browser.close()


def fragment_of(view: dict[str, Any]) -> str:
    """What stands behind the address of a page at a view; the page itself writes it with other spaces."""
    return f"#{quote(json.dumps(view))}"


class Explorer:
    """One open page, and what it holds.

    Attributes:
        page: Playwright's.
        faults: errors and warnings of the console, and requests for anything but the file.
    """

    def __init__(self, browser: Any, file: Path, view: dict[str, Any] | None = None, **options: Any) -> None:
        wanted = {"viewport": {"width": 1500, "height": 1000}, "reduced_motion": "reduce", "locale": "en"}
        self.file, self.held = file, Held(file)
        self.context = browser.new_context(**(wanted | options))
        self.context.set_default_timeout(60_000)
        self.page = self.context.new_page()
        self.faults: list[str] = []
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        self.page.on("request", self._requested)
        self.open(view)

    def _heard(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(f"{message.type}: {message.text}")

    def _requested(self, request: Any) -> None:
        if not request.url.startswith((self.file.as_uri(), "data:", "blob:")):
            self.faults.append(f"request: {request.url}")

    def open(self, view: dict[str, Any] | None = None) -> None:
        """Opens the page anew, at a view where one is given."""
        self.page.goto("about:blank")
        self.page.goto(self.file.as_uri() + (fragment_of(view) if view else ""))
        self.page.wait_for_selector("#explorer[data-opened]")
        self.drawn()

    def go(self, fragment: str) -> None:
        """The address changes by hand, and the page writes it as it has it."""
        self.page.evaluate("(hash) => { location.hash = hash }", fragment)
        self.page.wait_for_function(
            "(hash) => location.hash !== hash && document.documentElement.dataset.address === 'written'",
            arg=fragment,
        )
        self.drawn()

    def drawn(self) -> None:
        """Waits until every map shows what the view asks for."""
        self.page.wait_for_function(
            """() => {
                if (document.documentElement.dataset.address !== "written" || location.hash.length < 2) return false;
                const { sides } = JSON.parse(decodeURIComponent(location.hash.slice(1)));
                const plots = [...document.querySelectorAll(".plot")];
                return plots.length === sides.length
                    && plots.every((plot, i) => plot.dataset.plane === JSON.stringify(sides[i]) && plot.dataset.frame);
            }"""
        )

    @property
    def view(self) -> dict[str, Any]:
        """What the address asks for, once it is written."""
        self.page.wait_for_function("() => document.documentElement.dataset.address === 'written'")
        return dict(json.loads(unquote(self.page.url.partition("#")[2])))

    @property
    def chosen(self) -> int:
        """The number that the page says."""
        words = self.page.locator("#chosen").inner_text()
        return int(re.match(r"[\d,]+", words).group().replace(",", ""))  # type: ignore[union-attr]

    def expect_chosen(self, count: int) -> None:
        from playwright.sync_api import expect

        expect(self.page.locator("#chosen")).to_have_text(f"{count:,} of {self.held.count:,} samples", timeout=60_000)

    def fresh(self) -> None:
        """The first view again, as a change of the address, every map whole, the table at its top."""
        _ = self.view
        self.page.evaluate("location.hash = ''")
        self.page.wait_for_function("() => document.querySelectorAll('.condition').length === 0")
        self.drawn()
        self.page.evaluate("document.querySelectorAll('[aria-label=\"Whole map\"]').forEach((each) => each.click())")
        self.page.evaluate("document.querySelector('.scroll').scrollTop = 0")
        self.page.wait_for_selector('tr[aria-rowindex="2"]')

    def exported(self) -> pd.DataFrame:
        """The chosen samples as the page writes them to CSV, all of it text."""
        with self.page.expect_download() as download:
            self.page.locator("#export").click()
        return pd.read_csv(download.value.path(), dtype=str, keep_default_na=False, encoding="utf-8-sig")

    def expect_exactly(self, ids: Iterable[str]) -> None:
        """These samples are chosen, and no others."""
        wanted = sorted(ids)
        self.expect_chosen(len(wanted))
        assert sorted(self.exported()["id"]) == wanted

    def select(self, label: str, value: str) -> None:
        self.page.get_by_label(label, exact=True).select_option(value)

    def plot(self, letter: str = "A") -> Any:
        return self.page.locator(f'[data-map="{letter}"] .plot')

    def frame(self, letter: str = "A") -> list[float]:
        """x0, kx, y0, ky: left = x0 + kx * x and top = y0 + ky * y, in pixels of the map."""
        return [float(each) for each in self.plot(letter).get_attribute("data-frame").split(",")]

    def pixels(self, places: np.ndarray, letter: str = "A") -> np.ndarray:
        """Places (sample, 2) on a map as pixels of the window (sample, 2)."""
        self.plot(letter).scroll_into_view_if_needed()
        box = self.plot(letter).bounding_box()
        x0, kx, y0, ky = self.frame(letter)
        places = np.asarray(places, float)
        return np.column_stack([box["x"] + x0 + kx * places[:, 0], box["y"] + y0 + ky * places[:, 1]])

    def apart(self, places: np.ndarray, letter: str = "A") -> np.ndarray:
        """Samples with their points well inside a map, the loneliest first."""
        found = self.pixels(places, letter)
        apart = np.linalg.norm(found[:, None] - found[None], axis=2) + 1e9 * np.eye(len(found))
        box = self.plot(letter).bounding_box()
        middle = [box["x"] + box["width"] / 2, box["y"] + box["height"] / 2]
        well = (np.abs(found - middle) < box["width"] / 2 - 40).all(axis=1)
        return np.argsort(-np.where(well, apart.min(axis=1), 0))

    def focuses(self, places: np.ndarray, letter: str = "A") -> None:
        """A click on the loneliest point of a map puts its sample in focus: the points lie where the data say."""
        if self.view["focus"] >= 0:
            self.page.get_by_label("Close the sample").click()
        found = self.pixels(places, letter)
        sample = int(self.apart(places, letter)[0])
        self.page.mouse.click(*found[sample])
        self.page.wait_for_selector(".panel[data-focus]")
        assert np.linalg.norm(found[self.view["focus"]] - found[sample]) < 4  # or a point that covers it

    def drag(self, corners: np.ndarray, shift: bool = False) -> None:
        """The pointer goes down at the first of the pixels (corner, 2) and along the others, and up."""
        mouse = self.page.mouse
        if shift:
            self.page.keyboard.down("Shift")
        mouse.move(*corners[0])
        mouse.down()
        for one, other in pairwise(corners):
            for share in (0.25, 0.5, 0.75, 1):
                mouse.move(*(one + share * (other - one)))
                self.page.evaluate("new Promise(requestAnimationFrame)")  # the map looks once a frame
        mouse.up()
        if shift:
            self.page.keyboard.up("Shift")

    def close(self) -> None:
        self.context.close()
