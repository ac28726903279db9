"""Names that a page, a formula or a writing direction could stumble over are text and nothing else."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tests.explorer.browser import Explorer, fragment_of
from tests.explorer.conftest import Trained

from spacewise.audits import Audit
from spacewise.explorer import write_explorer

NAMES = [
    "<img src=x onerror=window.hurt=1>",
    '"><svg onload=window.hurt=1>',
    "'quotes' & &amp; ${window.hurt=1} `x`",
    "$x$ \\frac{1}{2}",
    "=1+1",
    "+1+1",
    "עברית \u202eabc",
    "漢字 🛰️",
]
CLOSING = "</script><script>window.hurt=1</script><!--" + "long " * 60
IDS = ["=HYPERLINK(1)", "-2+3", "@SUM(1)", "</script><script>window.hurt=1</script>", '"two", \n lines', "＝1+1"]
LIVE = re.compile(r"[=+\-@\t\r\n＝＋－＠]")
NUMBER = re.compile(r"[-+]?\d+(\.\d+)?(e[-+]?\d+)?", re.IGNORECASE)


def _pictures(root: Path) -> None:
    random = np.random.default_rng(0)
    for number, name in enumerate(NAMES):
        (root / name).mkdir(parents=True)
        for index in range(6):
            pixels = random.integers(0, 60, (32, 32)) + 20 * number
            Image.fromarray(pixels.astype(np.uint8)).save(root / name / f"{name[:9]} {index}.png")


def _worse(audit: Audit, folder: Path) -> Audit:
    """A copy in which the last class, and some ids, are what no file can be called."""
    shutil.copytree(audit.folder, folder)
    samples = pd.read_parquet(folder / "samples.parquet")
    samples.loc[samples["label"] == NAMES[-1], "label"] = CLOSING
    samples.loc[: len(IDS) - 1, "id"] = IDS
    samples.to_parquet(folder / "samples.parquet")
    facts = json.loads((folder / "audit.json").read_text(encoding="utf-8"))
    facts["classes"] = [CLOSING if name == NAMES[-1] else name for name in facts["classes"]]
    facts["run"] = "<b onclick=window.hurt=1>run</b></title>"
    facts["log"] = [row | {"</svg><script>window.hurt=1</script>": row["epoch"]} for row in facts["log"]]
    (folder / "audit.json").write_text(json.dumps(facts), encoding="utf-8")
    return Audit(folder)


@pytest.fixture(scope="module")
def hostile(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Audit:
    root = tmp_path_factory.mktemp("hostile")
    _pictures(root / "pictures")
    data = {"source": {"name": "folder", "root": str(root / "pictures")}, "split": {"name": "stratified"}}
    return _worse(trained("hostile", data, ["crossentropy@classifier"], 2, []), root / "copy" / "audit")


@pytest.fixture(scope="module")
def page_of(browser: Any, hostile: Audit, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Explorer]:
    out = tmp_path_factory.mktemp("page") / "hostile <i>&.html"
    command = "spacewise view '<script>window.hurt=1</script>'"
    found = Explorer(browser, write_explorer([hostile], out, spaces=["feature"], command=command))
    found.page.on("dialog", lambda dialog: found.faults.append(f"dialog: {dialog.message}"))
    yield found
    found.close()


@pytest.fixture
def strange(page_of: Explorer) -> Iterator[Explorer]:
    page_of.fresh()
    yield page_of
    assert page_of.faults == []
    assert page_of.page.evaluate("window.hurt") is None
    assert page_of.page.evaluate(
        """[...document.querySelectorAll("img, iframe, object, [onerror], [onload], [onclick]")].length"""
    ) == 0  # fmt: skip


@pytest.fixture(scope="module")
def samples(hostile: Audit) -> pd.DataFrame:
    return pd.read_parquet(hostile.folder / "samples.parquet")


def _squeezed(text: str) -> str:
    return " ".join(text.split())


def test_names_are_shown_as_they_are(strange: Explorer, samples: pd.DataFrame) -> None:
    page = strange.page
    names = [_squeezed(each.text_content()) for each in page.locator(".legend .name").all()]
    assert sorted(names) == sorted(map(_squeezed, set(samples["label"])))
    assert page.locator("h1").inner_text() == "<b onclick=window.hurt=1>run</b></title>"
    assert page.title() == "<b onclick=window.hurt=1>run</b></title> · spacewise"
    page.get_by_role("button", name="Help").click()
    assert page.locator("dialog code").inner_text() == "spacewise view '<script>window.hurt=1</script>'"
    page.keyboard.press("Escape")
    strange.select("Logged figure", "</svg><script>window.hurt=1</script>")
    assert "window.hurt" in page.locator('[data-chart="curves"] svg').get_attribute("aria-label")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")  # no name pushes the page apart


def test_such_classes_are_pointed_at_chosen_and_clicked(strange: Explorer, samples: pd.DataFrame) -> None:
    page = strange.page
    places = strange.held.places(strange.view["sides"][0])
    for label, own in samples.groupby("label"):
        entry = page.locator(".legend li button").filter(has_text=_squeezed(str(label)))
        entry.click()
        strange.expect_chosen(len(own))
        sample = int(own.index[0])
        page.mouse.move(*strange.pixels(places)[sample])
        page.locator(".hover").wait_for()
        strange.go(fragment_of(strange.view | {"focus": sample}))
        strange.expect_chosen(len(own))
        assert _squeezed(page.locator(".panel h2").text_content()) == _squeezed(str(label))
        assert page.locator(".panel .path").text_content() == samples["id"][sample]
        page.locator(".panel .card").first.wait_for()
        page.locator(".legend li button").filter(has_text=_squeezed(str(label))).click()


@pytest.mark.parametrize("text", ["</script>", "<IMG", "עברית", "漢字", '"two"', "=1+1"])
def test_such_names_are_found(strange: Explorer, samples: pd.DataFrame, text: str) -> None:
    searched = samples.select_dtypes(exclude="number")[["id", "label"]]
    held = searched.apply(lambda column: column.str.lower().str.contains(text.lower(), regex=False)).any(axis=1)
    strange.page.get_by_label("Search").fill(text)
    strange.expect_chosen(held.sum())


def test_cells_of_such_classes_choose(strange: Explorer, samples: pd.DataFrame, hostile: Audit) -> None:
    cell = strange.page.locator('[data-chart="confusion"] [data-cell]').first
    row, column = map(int, cell.get_attribute("data-cell").split(","))
    cell.click()
    held = samples["label"].eq(hostile.classes[row]) & samples["prediction"].eq(column) & samples["part"].eq("test")
    strange.expect_chosen(held.sum())
    strange.page.locator('[data-map="A"]').get_by_label("Projection of map A").select_option("class axes")
    strange.drawn()
    for number in range(len(hostile.classes)):
        strange.select("Horizontal class of map A", str(number))


def test_no_spreadsheet_takes_a_name_for_a_formula(strange: Explorer, samples: pd.DataFrame) -> None:
    with strange.page.expect_download() as download:
        strange.page.locator("#export").click()
    with Path(download.value.path()).open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.reader(stream))
    assert len(rows) == 1 + len(samples)
    assert not [value for row in rows for value in row if LIVE.match(value) and not NUMBER.fullmatch(value)]
    found = pd.DataFrame(rows[1:], columns=rows[0])
    for column in ("id", "label"):
        kept = found[column].str.removeprefix("'")
        assert sorted(kept) == sorted(samples[column].str.removeprefix("'"))
