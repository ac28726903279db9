"""What is chosen: by a colour, a range, a search, a lasso, and by what changed from one run to the other."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tests.explorer.browser import Explorer
from tests.explorer.held import inside

from spacewise.audits import Audit

Tables = list[pd.DataFrame]


def _legend(explorer: Explorer) -> dict[str, int]:
    entries = explorer.page.locator(".legend li button").all()
    return {each.get_attribute("data-value"): int(each.locator(".count").inner_text()) for each in entries}


def _colour_at(explorer: Explorer, places: np.ndarray, sample: int) -> np.ndarray:
    """What the screen shows in the middle of a sample's point on map A."""
    x, y = explorer.pixels(places)[sample]
    clip = {"x": int(x) - 2, "y": int(y) - 2, "width": 5, "height": 5}
    picture = Image.open(io.BytesIO(explorer.page.screenshot(clip=clip)))
    return np.asarray(picture.convert("RGB"), float)[1:4, 1:4].mean(axis=(0, 1))


@pytest.mark.parametrize(
    ("key", "column", "run"),
    [
        ("fact:label", "label", 0),
        ("fact:scene", "scene", 0),
        ("0:prediction", "prediction", 0),
        ("1:prediction", "prediction", 1),
        ("1:part", "part", 1),
    ],
)
def test_the_legend_counts_and_chooses(explorer: Explorer, tables: Tables, key: str, column: str, run: int) -> None:
    explorer.select("Colour", key)
    values = tables[run][column]
    assert _legend(explorer) == values.value_counts().to_dict()
    one, other = values.value_counts().index[:2]
    explorer.page.locator(f'.legend [data-value="{one}"]').click()
    explorer.expect_exactly(tables[0]["id"][values == one])
    explorer.page.locator(f'.legend [data-value="{other}"]').click()
    explorer.expect_exactly(tables[0]["id"][values.isin([one, other])])
    explorer.page.locator(f'.legend [data-value="{one}"]').click()
    explorer.expect_chosen((values == other).sum())
    explorer.page.locator(f'.legend [data-value="{other}"]').click()
    explorer.expect_chosen(len(values))


def test_right_and_wrong_are_of_the_classes_that_the_network_knows(explorer: Explorer, tables: Tables) -> None:
    explorer.select("Colour", "1:correct")
    known = tables[1][tables[1]["target"] >= 0]
    assert _legend(explorer) == {"yes": known["correct"].sum(), "no": (~known["correct"]).sum()}
    explorer.page.locator('.legend [data-value="no"]').click()
    explorer.expect_exactly(known["id"][~known["correct"]])


def test_points_have_the_colours_of_the_legend(explorer: Explorer, tables: Tables) -> None:
    places = explorer.held.places(explorer.view["sides"][0])
    sample = int(explorer.apart(places)[0])
    for key, value in (("fact:label", tables[0]["label"][sample]), ("0:part", tables[0]["part"][sample])):
        explorer.select("Colour", key)
        explorer.drawn()
        swatch = explorer.page.locator(f'.legend [data-value="{value}"] i')
        wanted = swatch.evaluate("each => getComputedStyle(each).backgroundColor.match(/[0-9]+/g).map(Number)")
        found = _colour_at(explorer, places, sample)
        assert np.abs(found - wanted).max() < 60, (key, found, wanted)  # it lets a little of the ground through


@pytest.mark.parametrize("key", ["0:confidence", "0:score:maximum_softmax", "fact:aspect"])
def test_a_range_of_a_number(explorer: Explorer, tables: Tables, key: str) -> None:
    values = tables[0][key.removeprefix("0:").removeprefix("fact:")].astype(np.float32).astype(float)
    explorer.select("Colour", key)
    ends = explorer.page.locator(".range > div span").all_inner_texts()
    assert [float(each) for each in ends] == pytest.approx([values.min(), values.max()], rel=1e-3)
    low, high = (float(f"{values.quantile(share):.4f}") for share in (0.3, 0.8))
    explorer.page.get_by_label("Lowest").fill(str(low))
    explorer.page.get_by_label("Lowest").press("Tab")
    explorer.expect_chosen((values >= low).sum())
    explorer.page.get_by_label("Highest").fill(str(high))
    explorer.page.get_by_label("Highest").press("Tab")
    explorer.expect_exactly(tables[0]["id"][values.between(low, high)])
    explorer.page.get_by_label("Lowest").fill("")
    explorer.page.get_by_label("Lowest").press("Tab")
    explorer.expect_chosen((values <= high).sum())
    explorer.page.get_by_label("Highest").fill("")
    explorer.page.get_by_label("Highest").press("Tab")
    explorer.page.locator(".condition").wait_for(state="detached")
    explorer.expect_chosen(len(values))


@pytest.mark.parametrize("text", ["SITE-03", "tank-", "s2/15/00001", "confuser", "no such thing"])
def test_a_search_looks_into_ids_and_facts(explorer: Explorer, tables: Tables, text: str) -> None:
    searched = tables[0][["id", "label", "serial", "scene", "role"]]
    wanted = searched.apply(lambda column: column.str.lower().str.contains(text.lower(), regex=False)).any(axis=1)
    explorer.page.get_by_label("Search").fill(text)
    explorer.expect_exactly(tables[0]["id"][wanted])
    explorer.page.get_by_label("Search").fill("")
    explorer.expect_chosen(len(searched))


@pytest.mark.parametrize("by", ["shift", "button"])
def test_a_lasso_chooses_what_lies_inside(explorer: Explorer, tables: Tables, by: str) -> None:
    side = explorer.view["sides"][0]
    places = explorer.held.places(side)
    middle = np.median(places, axis=0)
    turns = np.linspace(0, 2 * np.pi, 9)
    drawn = middle + 0.4 * np.column_stack([np.cos(turns), 1.3 * np.sin(turns)])
    if by == "button":
        explorer.page.locator('[data-map="A"]').get_by_text("lasso").click()
    explorer.drag(explorer.pixels(drawn), shift=by == "shift")
    explorer.page.locator(".condition").wait_for()
    condition = explorer.view["conditions"][0]
    assert condition["plane"] == {key: value for key, value in side.items() if key != "part"}
    polygon = np.reshape(condition["polygon"], (-1, 2))
    gaps = np.linalg.norm(drawn[:, None] - polygon[None], axis=2).min(axis=1)
    assert gaps[1:-1].max() < 0.08  # it follows the pointer
    wanted = inside(places, condition["polygon"])
    assert 10 < wanted.sum() < len(places) - 10
    explorer.expect_exactly(tables[0]["id"][wanted])
    assert int(explorer.plot("B").get_attribute("data-strong")) == wanted.sum()  # the other map is of the same samples


def _changes(tables: Tables) -> dict[str, pd.Series]:
    before, after = tables
    test = before["part"].eq("test") & after["part"].eq("test")
    return {
        "lost": test & before["correct"] & ~after["correct"],
        "won": test & ~before["correct"] & after["correct"],
        "both wrong": test & ~before["correct"] & ~after["correct"],
        "other class": test & before["prediction"].ne(after["prediction"]),
    }


def test_what_changed_from_one_run_to_the_other(explorer: Explorer, tables: Tables) -> None:
    wanted = _changes(tables)
    for how, held in wanted.items():
        button = explorer.page.locator(f'[data-changed="{how}"]')
        assert int(button.locator("b").inner_text()) == held.sum()
        button.click()
        explorer.expect_exactly(tables[0]["id"][held])
        button.click()
        explorer.expect_chosen(len(held))
    explorer.page.locator('.legend [data-value="tank-b"]').click()
    for how, held in wanted.items():
        some = (held & tables[0]["label"].eq("tank-b")).sum()
        assert int(explorer.page.locator(f'[data-changed="{how}"] b').inner_text()) == some


def _suspected(table: pd.DataFrame, values: np.ndarray) -> np.ndarray:
    """Of each part: is another class more probable, of those that reach their mean over the samples labelled so?"""
    found = np.zeros(len(table), bool)
    for _, part in table[table["target"] >= 0].groupby("part"):
        means = {c: values[own.index, c].mean() for c, own in part.groupby("target")}
        for sample, target in part["target"].items():
            reaching = [values[sample, c] if values[sample, c] >= mean else -1 for c, mean in means.items()]
            own = values[sample, target] if values[sample, target] >= means[target] else -1
            found[sample] = max(reaching) > own
    return found


def test_what_is_worth_a_look(explorer: Explorer, tables: Tables, audits: list[Audit]) -> None:
    wanted = {}
    for audit, table in zip(audits, tables, strict=True):
        values = np.load(audit.folder / "spaces" / "probability.npy")[table["row"]].astype(float)
        wrong = table["target"].ge(0) & ~table["correct"]
        wanted[f"wrong, and sure of it ({audit.facts['run']})"] = wrong & (values.max(axis=1) >= 0.9)
        wanted[f"label suspected to be wrong ({audit.facts['run']})"] = _suspected(table, values)
    wanted = {words: held for words, held in wanted.items() if held.any()}
    buttons = {each.get_attribute("data-worth"): each for each in explorer.page.locator("[data-worth]").all()}
    shown = {words: int(each.locator("b").inner_text()) for words, each in buttons.items()}
    assert shown == {words: held.sum() for words, held in wanted.items()}
    for words, held in wanted.items():
        buttons[words].click()
        explorer.expect_exactly(tables[0]["id"][held])
        buttons[words].click()
        explorer.expect_chosen(len(held))


def test_conditions_hold_together_and_each_can_be_taken_away(explorer: Explorer, tables: Tables) -> None:
    both: Any = tables[0]["part"].eq("test") & tables[0]["label"].isin(["scout", "dozer"]) & ~tables[1]["correct"]
    for key, values in (("0:part", ["test"]), ("fact:label", ["scout", "dozer"]), ("1:correct", ["no"])):
        explorer.select("Colour", key)
        for value in values:
            explorer.page.locator(f'.legend [data-value="{value}"]').click()
    explorer.expect_exactly(tables[0]["id"][both])
    explorer.page.locator(".condition", has_text="label").click()
    explorer.expect_chosen((tables[0]["part"].eq("test") & ~tables[1]["correct"]).sum())
    explorer.page.get_by_text("all samples", exact=True).click()
    explorer.expect_chosen(len(both))
