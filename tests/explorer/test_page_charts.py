"""The charts say what the audit's tables say; of the chosen samples, what follows from its columns."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score
from tests.explorer.browser import Explorer

from spacewise.audits import Audit

Tables = list[pd.DataFrame]
RANKS = (1, 2, 4, 8, 16, 32)
PLOT = {"left": 46, "right": 388, "top": 10, "bottom": 188}  # of the lines, in units of their drawing


def _test(table: pd.DataFrame) -> pd.Series:
    return table["part"].eq("test")


def _cells(explorer: Explorer, classes: list[str]) -> pd.DataFrame:
    """The confusion matrix as it is drawn."""
    found = pd.DataFrame(0, classes, classes)
    for each in explorer.page.locator('[data-chart="confusion"] [data-cell]').all():
        row, column = map(int, each.get_attribute("data-cell").split(","))
        found.iloc[row, column] = int(re.search(r": (\d+) \(", each.get_attribute("aria-label")).group(1))  # type: ignore[union-attr]
    return found


def _crossed(table: pd.DataFrame, classes: list[str]) -> pd.DataFrame:
    return pd.crosstab(table["label"], table["prediction"]).reindex(index=classes, columns=classes, fill_value=0)


@pytest.mark.parametrize("run", [0, 1])
def test_the_confusion_matrix(explorer: Explorer, audits: list[Audit], run: int) -> None:
    explorer.select("Run of the charts", str(run))
    classes = audits[run].classes
    wanted = pd.read_parquet(audits[run].folder / "confusion.parquet").set_index("class")
    assert _cells(explorer, classes).to_numpy().tolist() == wanted.to_numpy().tolist()
    right = int(np.trace(wanted.to_numpy()))
    words = explorer.page.locator('[data-chart="confusion"] h3').inner_text()
    assert (
        f"{right} of {wanted.to_numpy().sum()} test samples right, {100 * right / wanted.to_numpy().sum():.1f} %"
        in words
    )


def test_a_cell_chooses_its_samples(explorer: Explorer, tables: Tables, audits: list[Audit]) -> None:
    classes, table = audits[0].classes, tables[0]
    wanted = pd.read_parquet(audits[0].folder / "confusion.parquet").set_index("class").to_numpy()
    for row, column in (
        np.argwhere(wanted * (1 - np.eye(len(wanted))) > 0)[0],
        np.argwhere(wanted * np.eye(len(wanted)))[0],
    ):
        cell = explorer.page.locator(f'[data-cell="{row},{column}"]')
        cell.click()
        held = _test(table) & table["label"].eq(classes[row]) & table["prediction"].eq(classes[column])
        assert held.sum() == wanted[row, column]
        explorer.expect_exactly(table["id"][held])
        assert (_cells(explorer, classes).to_numpy() == wanted).all()  # its own condition does not empty the matrix
        cell.click()
        explorer.expect_chosen(len(table))


def test_the_confusion_matrix_is_of_the_chosen(explorer: Explorer, tables: Tables, audits: list[Audit]) -> None:
    explorer.select("Colour", "fact:serial")
    explorer.page.locator('.legend [data-value="s3"]').click()
    explorer.page.get_by_label("Search").fill("tank")
    held = tables[0][_test(tables[0]) & tables[0]["serial"].eq("s3") & tables[0]["id"].str.contains("tank")]
    assert (_cells(explorer, audits[0].classes) == _crossed(held, audits[0].classes)).all(axis=None)


def _subsets(explorer: Explorer) -> dict[str, Any]:
    return {each.get_attribute("data-subset"): each for each in explorer.page.locator("[data-subset]").all()}


def test_accuracy_by_subset(explorer: Explorer, tables: Tables, audits: list[Audit]) -> None:
    table = pd.read_parquet(audits[0].folder / "accuracy.parquet")
    table = table[(table["weights"] == audits[0].facts["weights"]) & (table["view"] == "as stored")]
    rows = _subsets(explorer)
    assert list(rows) == table["subset"].tolist()
    for _, row in table.iterrows():
        shown = rows[row["subset"]].locator(".figure").all_inner_texts()
        assert shown == [f"{100 * row['accuracy']:.1f} %", str(row["n"])]
        title = rows[row["subset"]].get_attribute("title")
        assert f"[{100 * row['low']:.1f} %, {100 * row['high']:.1f} %]" in title
    subset = tables[0]["subset:serial=s4"].eq(True)
    rows["serial=s4"].click()
    explorer.expect_exactly(tables[0]["id"][subset])
    assert rows["serial=s4"].get_attribute("aria-pressed") == "true"
    rows["serial=s4"].click()
    explorer.expect_chosen(len(tables[0]))


def test_accuracy_by_subset_of_the_chosen(explorer: Explorer, tables: Tables) -> None:
    explorer.page.locator('.legend [data-value="scout"]').click()
    explorer.page.locator('.legend [data-value="dozer"]').click()
    explorer.expect_chosen(tables[0]["label"].isin(["scout", "dozer"]).sum())
    held = tables[0][_test(tables[0]) & tables[0]["label"].isin(["scout", "dozer"])]
    for name, row in _subsets(explorer).items():
        own = held if name == "overall" else held[held[f"subset:{name}"].eq(True)]
        figure = row.locator(".figure.chosen")
        assert [int(figure.get_attribute(f"data-{key}")) for key in ("right", "of")] == [own["correct"].sum(), len(own)]
        assert figure.inner_text() == (f"{100 * own['correct'].mean():.1f} %" if len(own) else "–")


def _recalls(explorer: Explorer) -> dict[str, list[float]]:
    lines = explorer.page.locator('[data-chart="recall"] path.line').all()
    return {
        each.get_attribute("data-space"): [float(share) for share in each.get_attribute("data-shares").split(",")]
        for each in lines
    }


@pytest.mark.parametrize("run", [0, 1])
def test_recall_by_space(explorer: Explorer, audits: list[Audit], run: int) -> None:
    explorer.select("Run of the charts", str(run))
    table = pd.read_parquet(audits[run].folder / "retrieval.parquet")
    table = table[(table["part"] == "test") & (table["weights"] == audits[run].facts["weights"])].set_index("space")
    found = _recalls(explorer)
    assert set(found) == set(table.index) - {"pixels"}
    for space, shares in found.items():
        assert shares == pytest.approx([table.loc[space, f"recall@{k}"] for k in RANKS], abs=1e-6)
    best = table.drop(index="pixels")["recall@1"]
    first = explorer.page.locator('[data-chart="recall"] .key button').first
    assert float(first.get_attribute("data-recall")) == pytest.approx(best.max())
    assert f"{100 * best.max():.1f} %" in first.inner_text()
    first.click()
    assert explorer.view["sides"][0]["space"] == first.get_attribute("data-space")
    assert explorer.view["sides"][0]["run"] == run


def test_recall_of_the_chosen(explorer: Explorer, tables: Tables) -> None:
    explorer.page.locator('.legend [data-value="tank-a"]').click()
    explorer.expect_chosen(tables[0]["label"].eq("tank-a").sum())
    held = tables[0][_test(tables[0]) & tables[0]["label"].eq("tank-a")]
    for space, shares in _recalls(explorer).items():
        hits = held[f"first_hit@{space}"]
        assert shares == pytest.approx([(hits[hits > 0] <= k).mean() for k in RANKS])


def _scores(explorer: Explorer) -> list[str]:
    return [
        each.get_attribute("value") for each in explorer.page.get_by_label("Score of rejection").locator("option").all()
    ]


def test_the_area_of_every_score_of_rejection(explorer: Explorer, tables: Tables) -> None:
    test, strange = _test(tables[0]), tables[0]["part"].eq("confusers")
    names = _scores(explorer)
    assert names == [name.removeprefix("score:") for name in tables[0] if name.startswith("score:")]
    for name in names:
        explorer.select("Score of rejection", name)
        scores = tables[0][f"score:{name}"].astype(np.float32)
        area = roc_auc_score(test[test | strange], scores[test | strange])
        words = explorer.page.locator('[data-chart="rejection"] h3').inner_text()
        assert float(re.search(r"area ([\d.]+)", words).group(1)) == pytest.approx(area, abs=6e-4), name  # type: ignore[union-attr]
        assert f"{test.sum()} known, {strange.sum()} unknown" in words


def test_a_threshold_greys_out_what_it_rejects(explorer: Explorer, tables: Tables) -> None:
    explorer.select("Score of rejection", "energy")
    scores = tables[0]["score:energy"].astype(np.float32).astype(float)
    slider = explorer.page.get_by_label("Threshold of rejection")
    for key in ("PageUp", "PageUp", "ArrowUp", "End"):
        slider.press(key)
        _rejects(explorer, tables[0], scores)
    explorer.page.locator('.legend [data-value="scout"]').click()
    explorer.drawn()
    strong = tables[0]["label"].eq("scout") & (scores >= explorer.view["threshold"])
    explorer.page.wait_for_selector(f'[data-map="A"] .plot[data-strong="{strong.sum()}"]')
    explorer.page.locator('.legend [data-value="scout"]').click()
    slider.press("Home")
    explorer.page.wait_for_selector(f'[data-map="A"] .plot[data-strong="{len(scores)}"]')
    drawing = explorer.page.locator('[data-chart="rejection"] svg')
    box = drawing.bounding_box()
    half = (PLOT["left"] + PLOT["right"]) / 2 / 400
    drawing.click(position={"x": half * box["width"], "y": box["height"] / 3})
    _rejects(explorer, tables[0], scores)
    strange = scores[tables[0]["part"] == "confusers"]
    assert (strange >= explorer.view["threshold"]).mean() == pytest.approx(0.5, abs=1 / len(strange))


def _rejects(explorer: Explorer, table: pd.DataFrame, scores: pd.Series) -> None:
    threshold = explorer.view["threshold"]
    known, strange = scores[_test(table)], scores[table["part"] == "confusers"]
    hint = explorer.page.locator('[data-chart="rejection"] .hint')
    kept = [float(hint.get_attribute(f"data-{name}")) for name in ("known", "unknown")]
    assert kept == pytest.approx([(known >= threshold).mean(), (strange >= threshold).mean()])
    assert f"{100 * kept[0]:.1f} % of known objects are kept, {100 * kept[1]:.1f} % of unknown" in hint.inner_text()
    explorer.page.wait_for_selector(f'[data-map="A"] .plot[data-strong="{(scores >= threshold).sum()}"]')


def test_what_was_logged_over_the_epochs(explorer: Explorer, audits: list[Audit]) -> None:
    explorer.select("Logged figure", "crossentropy@classifier")
    logs = [pd.DataFrame(each.facts["log"])[["epoch", "crossentropy@classifier"]] for each in audits]
    values = pd.concat(logs)["crossentropy@classifier"]
    for line, log in zip(explorer.page.locator('[data-chart="curves"] path.line').all(), logs, strict=True):
        drawn = np.array(re.findall(r"[ML]([\d.]+) ([\d.]+)", line.get_attribute("d")), float)
        across = (log["epoch"] - 1) / (log["epoch"].max() - 1)
        up = (log["crossentropy@classifier"] - values.min()) / (values.max() - values.min())
        assert drawn[:, 0] == pytest.approx(PLOT["left"] + across * (PLOT["right"] - PLOT["left"]), abs=0.06)
        assert drawn[:, 1] == pytest.approx(PLOT["bottom"] - up * (PLOT["bottom"] - PLOT["top"]), abs=0.06)


def test_a_click_on_the_curves_goes_to_the_nearest_kept_epoch(explorer: Explorer) -> None:
    explorer.select("Projection of map A", "components")
    drawing = explorer.page.locator('[data-chart="curves"] svg')
    box = drawing.bounding_box()
    at = PLOT["left"] + (5 - 1) / 7 * (PLOT["right"] - PLOT["left"])  # epoch 5 of 1 to 8; 0 and 4 were kept
    drawing.click(position={"x": at / 400 * box["width"], "y": box["height"] / 3})
    assert explorer.view["sides"][0]["epoch"] == 4
