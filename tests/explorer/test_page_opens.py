"""The page opens from its file alone: no network, no fault, no pointer needed."""

from __future__ import annotations

import http.server
import threading
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from tests.explorer.browser import Explorer, fragment_of, has_namespaces

STRANGE = {
    "sides": [{"run": 7, "space": "feature", "method": "t-SNE", "epoch": None, "axes": [0, 1], "part": ""}],
    "colour": "0:nothing",
    "marks": "stars",
    "conditions": [{"kind": "values", "key": "fact:nothing", "values": ["a"]}],
    "focus": 10**9,
    "run": "length",
    "score": "constructor",
    "threshold": "3",
    "sort": {"key": "__proto__", "down": True},
    "else": 1,
}
SIDE = {"run": 0, "space": "feature", "method": "t-SNE", "epoch": None, "axes": [0, 1], "part": ""}
BAD_SIDES = [
    {"space": "constructor", "method": "class axes"},
    {"epoch": 3},
    {"axes": [0, 99], "method": "class axes"},
    {"axes": "01"},
    {"part": "nowhere"},
    {"run": 0.5},
]
BAD_CONDITIONS = [
    {"kind": "lasso", "plane": SIDE, "polygon": [0, 0, 1, 1, 2]},
    {"kind": "lasso", "plane": SIDE, "polygon": [0, 0, 1, 1, 2, None, 3, 3]},
    {"kind": "cell", "run": 0, "truth": "nobody", "prediction": "tank-a"},
    {"kind": "range", "key": "0:confidence", "low": "a", "high": "b"},
    {"kind": "range", "key": "fact:label", "low": 0, "high": 1},
    {"kind": "samples", "samples": [-1]},
    {"kind": "search", "text": 7},
    {"kind": "changed", "before": 0, "after": 5, "how": "lost"},
    {"kind": "all"},
    None,
]


class _Listening(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Access-Control-Allow-Origin", "*")
        self.end_headers()
        self.wfile.write(b"here")

    def log_message(self, *_: Any) -> None:
        """Nothing on the terminal."""


def test_the_browser_has_no_network(browser: Any) -> None:
    """What the other tests open, they open without any: a server of this machine is not reached."""
    if not has_namespaces():
        pytest.skip("unshare makes no network namespace here: the pages are opened, but with a network")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Listening)
    server.asked = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/"
    assert urllib.request.urlopen(address + "from-outside").read() == b"here"
    page = browser.new_page()
    words = page.evaluate("(url) => fetch(url).then(() => 'reached', (error) => String(error))", address)
    page.close()
    server.shutdown()
    server.server_close()
    assert "Failed to fetch" in words
    assert server.asked == ["/from-outside"]  # type: ignore[attr-defined]


def test_it_opens_without_a_fault_and_asks_for_nothing(explorer: Explorer, tables: list[Any]) -> None:
    explorer.open()
    explorer.expect_chosen(len(tables[0]))
    assert explorer.page.title() == "plain · dual · spacewise"
    assert explorer.page.locator("h1").inner_text() == "plain · dual"
    assert explorer.plot("A").get_attribute("data-webgl") == "true"
    assert [int(explorer.plot(each).get_attribute("data-drawn")) for each in "AB"] == [len(tables[0])] * 2
    refused = explorer.page.evaluate("fetch('https://example.org').then(() => '', (error) => error.name)")
    assert refused == "TypeError"  # the page itself may ask for nothing
    assert any("Content Security Policy" in each for each in explorer.faults)
    explorer.faults.clear()


def test_it_is_dark_where_the_system_is_and_a_button_changes_that(browser: Any, file: Path) -> None:
    explorer = Explorer(browser, file, color_scheme="dark")
    paper = "getComputedStyle(document.body).backgroundColor"
    dark = explorer.page.evaluate(paper)
    explorer.page.get_by_label("Light page").click()
    assert explorer.page.evaluate("document.documentElement.dataset.theme") == "light"
    light = explorer.page.evaluate(paper)
    assert sum(map(int, dark[4:-1].split(","))) < 100 < 600 < sum(map(int, light[4:-1].split(",")))
    explorer.page.get_by_label("Dark page").click()
    assert explorer.page.evaluate(paper) == dark
    assert explorer.faults == []
    explorer.close()


def test_a_link_holds_the_whole_view(explorer: Explorer, browser: Any, file: Path, tables: list[Any]) -> None:
    page = explorer.page
    page.locator('[data-value="tank-a"]').click()
    page.get_by_label("Search").fill("s1/")
    explorer.select("Space of map B", "classifier")
    explorer.select("Projection of map B", "components")
    explorer.select("Part on map B", "test")
    explorer.select("Colour", "1:correct")
    wanted = tables[0][(tables[0]["label"] == "tank-a") & tables[0]["id"].str.contains("s1/")]
    explorer.expect_chosen(len(wanted))
    page.locator("tbody tr[data-sample]").first.click()
    view = explorer.view
    assert view["focus"] in wanted.index
    assert (view["sides"][1]["space"], view["sides"][1]["part"], view["colour"]) == ("classifier", "test", "1:correct")
    explorer.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("#copy").click()
    page.wait_for_function("() => document.querySelector('#copy').textContent !== 'copy link'")
    assert explorer.view == view
    assert page.evaluate("navigator.clipboard.readText()") == page.url
    other = Explorer(browser, file, view)
    other.expect_exactly(wanted["id"])
    assert other.view == view
    assert int(other.page.locator(".panel").get_attribute("data-focus")) == view["focus"]
    assert other.page.get_by_label("Colour", exact=True).input_value() == "1:correct"
    assert other.page.get_by_label("Part on map B").input_value() == "test"
    assert other.page.locator('[role="status"]').count() == 0
    assert other.faults == []
    other.close()


def test_another_address_is_another_view_at_once(explorer: Explorer) -> None:
    first = explorer.view
    explorer.page.locator('[data-value="scout"]').click()
    assert len(explorer.view["conditions"]) == 1
    address = explorer.page.url
    explorer.go(fragment_of(first))
    explorer.expect_chosen(explorer.held.count)
    explorer.page.go_back()
    explorer.page.wait_for_function("() => document.querySelectorAll('.condition').length === 1")
    assert explorer.view["conditions"][0]["values"] == ["scout"]
    assert explorer.page.url == address


@pytest.mark.parametrize("fragment", ["#chapter-2", "#%7B%22sides", "#%", "#7", "#[]", "#null"])
def test_an_address_that_is_no_view_opens_the_first_and_says_so(explorer: Explorer, fragment: str) -> None:
    first = explorer.view
    explorer.go(fragment)
    assert "cannot be read" in explorer.page.locator('[role="status"]').inner_text()
    assert explorer.view == first


def _lost(explorer: Explorer, view: dict[str, Any]) -> list[str]:
    """What the page says of a view that it does not have."""
    explorer.go(fragment_of(view))
    return list(explorer.page.locator('[role="status"]').all_inner_texts())


def test_an_address_of_another_page_opens_the_first_view_and_says_what_is_lost(explorer: Explorer) -> None:
    first = explorer.view
    said = _lost(explorer, STRANGE)
    assert len(said) == len(STRANGE)
    for key in STRANGE:
        assert any(key in each for each in said), key
    assert explorer.view == first
    for side in BAD_SIDES:
        assert "sides" in _lost(explorer, {"sides": [SIDE | side]})[0], side
        assert explorer.view == first
    for condition in BAD_CONDITIONS:
        assert "conditions" in _lost(explorer, {"conditions": [condition]})[0], condition
        assert explorer.view == first


@pytest.mark.parametrize("share", [0.5, 0.9, 0.999])
def test_a_file_that_was_cut_off_says_so(browser: Any, file: Path, tmp_path: Path, share: float) -> None:
    text = file.read_bytes()
    cut = tmp_path / "cut.html"
    cut.write_bytes(text[: int(share * len(text))])
    page = browser.new_page()
    page.goto(cut.as_uri())
    words = page.get_by_role("alert")
    words.wait_for()
    assert "the file is not whole" in words.inner_text()
    page.close()


def test_a_file_that_ends_within_its_program_says_so_after_a_while(browser: Any, file: Path, tmp_path: Path) -> None:
    text = file.read_bytes()
    cut = tmp_path / "cut.html"
    cut.write_bytes(text[: text.index(b"<script>") + 50_000])
    page = browser.new_page()
    page.goto(cut.as_uri())
    words = page.get_by_text("the file is not whole")
    assert not words.is_visible()
    page.evaluate("document.getAnimations().forEach((each) => each.finish())")  # the while is over
    words.wait_for()
    page.close()
