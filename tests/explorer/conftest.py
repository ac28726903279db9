"""Two small runs of the same data, what was measured of them, and their page in a browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.explorer.browser import Explorer, chromium, launched
from tests.explorer.held import Held

from spacewise.audits import Audit, audit
from spacewise.experiment import Experiment
from spacewise.explorer import write_explorer
from spacewise.learn import start

OBJECTIVES = {
    "plain": ["crossentropy@classifier"],
    "dual": ["crossentropy@classifier", "1.0*contrastive(dissimilar_margin=1.0)@classifier"],
}
SIMULATED = {"source": {"name": "simulated", "per_class": 12, "size": 32}, "split": {"name": "roles"}}
Trained = Callable[..., Audit]


@pytest.fixture(scope="package")
def trained(playwright: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    """Trains a small network for some epochs, and measures it; where there is a browser to look at it."""
    root = tmp_path_factory.mktemp("runs")

    def made(name: str, data: dict[str, Any], objective: list[str], epochs: int, keep: list[int]) -> Audit:
        net = {"name": "aconvnet", "size": 32, "padding": "same"}
        regime = {"epochs": epochs, "batch": 16, "rate": 3e-3, "keep": keep, "precision": "float32"}
        return audit(start(Experiment(data=data, net=net, objective=objective, regime=regime), root / name))

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPACEWISE_CACHE", str(root / "cache"))
        yield made


@pytest.fixture(scope="package")
def audits(trained: Trained) -> list[Audit]:
    """Of two runs that differ in the objective, with confusers and kept epochs."""
    return [trained(name, SIMULATED, objective, 8, [0, 4]) for name, objective in OBJECTIVES.items()]


@pytest.fixture(scope="package")
def file(audits: list[Audit], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of both."""
    out = tmp_path_factory.mktemp("page") / "explorer.html"
    return write_explorer(audits, out, spaces=["feature"], command="spacewise view plain dual")


@pytest.fixture(scope="package")
def tables(audits: list[Audit], file: Path) -> list[pd.DataFrame]:
    """The audits' samples as they were written, in the order of the page; the predictions by name."""
    found = []
    for each in audits:
        table = pd.read_parquet(each.folder / "samples.parquet")
        table["row"] = range(len(table))
        table["prediction"] = [each.classes[number] for number in table["prediction"]]
        found.append(table.set_index("id", drop=False).loc[Held(file).ids].reset_index(drop=True))
    return found


@pytest.fixture(scope="package")
def playwright() -> Iterator[Any]:
    chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as found:
        yield found


@pytest.fixture(scope="package")
def browser(playwright: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with launched(playwright, tmp_path_factory.mktemp("browser")) as found:
        yield found


@pytest.fixture(scope="module")
def opened(browser: Any, file: Path) -> Iterator[Explorer]:
    found = Explorer(browser, file)
    yield found
    found.close()


@pytest.fixture
def explorer(opened: Explorer) -> Iterator[Explorer]:
    """The page at its first view; that nothing went wrong in it is looked at when the test is over."""
    opened.fresh()
    yield opened
    assert opened.faults == []
    assert opened.page.evaluate("window.hurt") is None
