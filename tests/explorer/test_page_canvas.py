"""Without WebGL a plain canvas draws, as many points as it can, and the page says so."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tests.explorer.browser import Explorer, launched
from tests.explorer.held import inside

from spacewise import files
from spacewise.audits import Audit
from spacewise.explorer import write_explorer

SIZES = {"common": 19_003, "rare": 5_992, "scarce": 5}
MOST = 20_000


@pytest.fixture(scope="module")
def plain(playwright: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A browser without WebGL."""
    with launched(playwright, tmp_path_factory.mktemp("browser"), "--disable-3d-apis") as found:
        yield found


@pytest.fixture(scope="module")
def opened(plain: Any, file: Path) -> Iterator[Explorer]:
    found = Explorer(plain, file)
    yield found
    found.close()


def test_it_says_what_draws(explorer: Explorer, tables: list[pd.DataFrame]) -> None:
    assert explorer.plot().get_attribute("data-webgl") == "false"
    assert "no WebGL: a plain canvas draws" in explorer.page.locator('[data-map="A"] .note').inner_text()
    assert int(explorer.plot().get_attribute("data-drawn")) == len(tables[0])
    places = explorer.held.places(explorer.view["sides"][0])
    sample = int(explorer.apart(places)[0])
    x, y = explorer.pixels(places)[sample]
    shot = explorer.page.screenshot(clip={"x": int(x) - 1, "y": int(y) - 1, "width": 3, "height": 3})
    colour = np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"), float)[1, 1]
    swatch = explorer.page.locator(f'.legend [data-value="{tables[0]["label"][sample]}"] i')
    wanted = swatch.evaluate("each => getComputedStyle(each).backgroundColor.match(/[0-9]+/g).map(Number)")
    assert np.abs(colour - wanted).max() < 60


def test_pointer_click_and_keys_work(explorer: Explorer) -> None:
    page, places = explorer.page, explorer.held.places(explorer.view["sides"][0])
    sample = int(explorer.apart(places)[0])
    page.mouse.move(*explorer.pixels(places)[sample])
    page.locator(f'.hover[data-sample="{sample}"]').wait_for()
    page.mouse.click(*explorer.pixels(places)[sample])
    page.wait_for_selector(f'.panel[data-focus="{sample}"]')
    page.locator("canvas.points").first.press("ArrowRight")
    page.wait_for_selector(f'.panel:not([data-focus="{sample}"])')
    home = explorer.frame()
    page.mouse.wheel(0, -200)
    page.get_by_label("Zoom in").first.click()
    page.wait_for_function(
        "(kx) => document.querySelector('.plot').dataset.frame.split(',')[1] > 1.5 * kx", arg=home[1]
    )
    page.get_by_label("Whole map").first.click()
    page.wait_for_function("(kx) => document.querySelector('.plot').dataset.frame.split(',')[1] == kx", arg=home[1])
    assert explorer.frame() == home


@pytest.mark.parametrize("by", ["shift", "button"])
def test_a_lasso_chooses(explorer: Explorer, tables: list[pd.DataFrame], by: str) -> None:
    places = explorer.held.places(explorer.view["sides"][0])
    turns = np.linspace(0, 2 * np.pi, 9)
    drawn = np.median(places, axis=0) + 0.4 * np.column_stack([np.cos(turns), np.sin(turns)])
    if by == "button":
        explorer.page.locator('[data-map="A"]').get_by_text("lasso").click()
    explorer.drag(explorer.pixels(drawn), shift=by == "shift")
    explorer.page.locator(".condition").wait_for()
    wanted = inside(places, explorer.view["conditions"][0]["polygon"])
    assert 10 < wanted.sum() < len(places) - 10
    explorer.expect_exactly(tables[0]["id"][wanted])


def _many(folder: Path) -> Audit:
    """An audit of 25,000 samples on a plane of their own, with what a page needs and no more."""
    random = np.random.default_rng(0)
    targets = np.repeat(np.arange(3), list(SIZES.values()))
    count = len(targets)
    logits = random.normal(size=(count, 3)).astype(np.float32) + 3 * np.eye(3, dtype=np.float32)[targets]
    probability = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    samples = pd.DataFrame({"id": [f"s{i:05}" for i in range(count)], "label": np.array(list(SIZES))[targets]})
    samples["part"] = np.where(np.arange(count) % 25 == 0, "train", "test")
    samples["target"], samples["prediction"] = targets, logits.argmax(axis=1)
    samples["confidence"], samples["correct"] = probability.max(axis=1), logits.argmax(axis=1) == targets
    (folder / "spaces").mkdir(parents=True)
    for name, values in {"classifier": logits, "probability": probability}.items():
        np.save(folder / "spaces" / f"{name}.npy", values)
    np.save(folder / "chips.npy", np.full((count, 16, 16, 1), 90, np.uint8))
    places = random.normal(size=(count, 2)) + 6 * np.array([[0, 0], [1, 0], [0, 1]])[targets]
    layout = pd.DataFrame({"row": np.arange(count), "x": places[:, 0], "y": places[:, 1]})
    for name in ("", "all-"):
        made = layout.assign(method="drawn", perplexity=30.0, seed=0, points=count, available=count)
        files.write_table(folder / "projections" / f"tsne-{name}classifier.parquet", made)
    share = samples["correct"].mean()
    accuracy = {"weights": "best", "view": "as stored", "subset": "overall", "n": count, "accuracy": share}
    files.write_table(folder / "accuracy.parquet", pd.DataFrame([accuracy | {"low": share, "high": share}]))
    files.write_table(folder / "samples.parquet", samples)
    regime = {"name": "supervised", "epochs": 1}
    facts = {"run": "many", "weights": "best", "classes": list(SIZES), "spaces": ["classifier", "probability"]}
    facts |= {
        "experiment": {"objective": ["crossentropy@classifier"], "regime": regime},
        "novelty": [],
        "log": [],
        "seed": 0,
    }
    files.write_json(folder / "audit.json", facts)
    return Audit(folder)


def test_of_more_points_than_it_can_draw_it_draws_the_same_share_of_each_class(plain: Any, tmp_path: Path) -> None:
    audit = _many(tmp_path / "run" / "audit")
    explorer = Explorer(plain, write_explorer([audit], tmp_path / "many.html", command="spacewise view many"))
    count = sum(SIZES.values())
    drawn = int(explorer.plot().get_attribute("data-drawn"))
    shares = {name: max(1, round(size * MOST / count)) for name, size in SIZES.items()}
    assert drawn == sum(shares.values())
    words = explorer.page.locator('[data-map="A"] .note').inner_text()
    assert f"{drawn:,} of {count:,} points drawn, the same share of each class." in words
    explorer.expect_chosen(count)
    for name, share in shares.items():
        explorer.page.locator(f'.legend [data-value="{name}"]').click()
        explorer.expect_chosen(SIZES[name])
        explorer.page.wait_for_selector(f'.plot[data-strong="{share}"]')
        explorer.page.locator(f'.legend [data-value="{name}"]').click()
    assert explorer.faults == []
    explorer.close()
