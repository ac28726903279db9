"""Opens explorer pages in a browser without a network, and reads what a page holds."""

from __future__ import annotations

import base64
import gzip
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

FLAGS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
TYPES = {"u8": "<u1", "u16": "<u2", "u32": "<u4", "i16": "<i2", "i32": "<i4", "f32": "<f4"}
EDGE, ROOM = 32767, 1.06  # of places, as the page has them
NOWHERE = -32768


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
        """The first view again, as a change of the address, and every map whole."""
        _ = self.view
        self.page.evaluate("location.hash = ''")
        self.page.wait_for_function("() => document.querySelectorAll('.condition').length === 0")
        self.drawn()
        self.page.evaluate("document.querySelectorAll('[aria-label=\"Whole map\"]').forEach((each) => each.click())")

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
