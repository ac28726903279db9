"""The page of a run that is judged by retrieval, on classes that it never learnt: it claims nothing about classes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tests.explorer.browser import Explorer

from spacewise.audits import Audit, audit
from spacewise.experiment import Experiment
from spacewise.explorer import write_explorer
from spacewise.learn import start

NET = {"name": "netA", "size": 32, "width": 8, "dimension": 12}
REGIME = {"epochs": 1, "batch": 8, "per_class": 4, "precision": "float32"}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Audit]:
    root = tmp_path_factory.mktemp("scenes")
    random = np.random.default_rng(0)
    for number in range(8):
        (root / "pictures" / f"class{number}").mkdir(parents=True)
        for index in range(8):
            pixels = random.integers(0, 200, (32, 32, 3)) // (1 + (np.arange(32)[:, None, None] % (number + 2) == 0))
            Image.fromarray(pixels.astype(np.uint8)).save(root / "pictures" / f"class{number}" / f"{index}.png")
    split = {"name": "class-disjoint", "validation": 0.3}
    data = {"source": {"name": "folder", "root": str(root / "pictures")}, "split": split}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPACEWISE_CACHE", str(root / "cache"))
        yield audit(
            start(Experiment(data=data, net=NET, objective=["smooth_triplet@fc6"], regime=REGIME), root / "run")
        )


@pytest.fixture(scope="module")
def opened(browser: Any, found: Audit, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Explorer]:
    out: Path = tmp_path_factory.mktemp("page") / "explorer.html"
    page = Explorer(browser, write_explorer([found], out, command="spacewise view run"))
    yield page
    page.close()


def test_recall_and_neighbours_without_classes(explorer: Explorer, found: Audit) -> None:
    samples = pd.read_parquet(found.folder / "samples.parquet")
    table = pd.read_parquet(found.folder / "retrieval.parquet")
    table = table[(table["part"] == "test") & (table["weights"] == found.facts["weights"])].set_index("space")
    page = explorer.page
    assert page.locator('[data-chart="confusion"], [data-chart="subsets"], [data-chart="rejection"]').count() == 0
    for line in page.locator('[data-chart="recall"] .key button').all():
        wanted = table.loc[line.get_attribute("data-space"), "recall@1"]
        assert float(line.get_attribute("data-recall")) == pytest.approx(wanted)
    row = page.locator("tbody tr[data-sample]").first
    sample = int(row.get_attribute("data-sample"))
    row.click()
    cards = page.locator('.near[data-space="fc6"] .card')
    cards.first.wait_for()
    values = np.load(found.folder / "spaces" / "fc6.npy").astype(float)
    others = np.flatnonzero((samples["part"] == samples["part"][sample]) & (samples.index != sample))
    nearest = others[np.argsort(np.linalg.norm(values[others] - values[sample], axis=1), kind="stable")[:8]]
    assert [int(each.get_attribute("data-sample")) for each in cards.all()] == nearest.tolist()
    assert page.locator(".panel .bars, .panel .verdict").count() == 0


def test_its_nearest_of_another_class_are_worth_a_look(explorer: Explorer, found: Audit) -> None:
    samples = pd.read_parquet(found.folder / "samples.parquet")
    held = (samples["part"] == "test") & (samples["first_hit@fc6"] >= 2)
    button = explorer.page.locator('[data-worth="nearest in fc6 is of another class"]')
    assert int(button.locator("b").inner_text()) == held.sum() > 0
    button.click()
    explorer.expect_exactly(samples["id"][held])
