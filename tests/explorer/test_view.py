"""`spacewise view`, and the explorer that `spacewise audit` writes: files, words, exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import PICTURES
from tests.explorer.pages import Page, read_page
from tests.report.synthetic import synthetic
from tests.report.synthetic_layers import synthetic_layers

from spacewise.audits import open_audit
from spacewise.explorer import contents
from spacewise.report.page import write_report

Command = Callable[..., tuple[int, str, str]]
TINY = ("--set", "net.padding=same", "--size", "24", "--epochs", "2", "--set", "batch=8", "--set", "precision=float32")


def refused(result: tuple[int, str, str], *words: str) -> None:
    """Exit code 2 and one line that holds the words."""
    code, _, error = result
    lines = [line for line in error.splitlines() if line.startswith("spacewise: ")]
    assert code == 2, error
    assert len(lines) == 1, error
    assert "Traceback" not in error
    for word in words:
        assert word in lines[0], lines[0]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    synthetic(tmp_path / "run", name="run")
    return tmp_path / "run"


def opened(page: object) -> Page:
    return read_page(Path(str(page)))


def spaces_laid(page: Page) -> set[str]:
    return {each["space"] for each in page.contents["runs"][0]["maps"] if each["method"] == "t-SNE"}


def test_one_run_beside_its_report(spacewise: Command, run: Path) -> None:
    code, out, error = spacewise("view", run, "--json")
    assert code == 0, error
    assert json.loads(out) == {"explorer": str(run / "explorer.html")}
    page = opened(run / "explorer.html")
    assert page.contents["command"] == f"spacewise view {run}"
    assert spaces_laid(page) == {"feature", "classifier"}
    code, _, error = spacewise("view", run / "audit", "--no-open")
    assert code == 0
    assert "explorer: " in error
    assert "explorer.html" in "".join(error.split())


def test_two_runs_a_space_a_place_and_a_seed(spacewise: Command, run: Path, tmp_path: Path) -> None:
    synthetic(tmp_path / "other", seed=1, name="other")
    (tmp_path / "other" / "audit" / "chips.npy").write_bytes((run / "audit" / "chips.npy").read_bytes())
    out = tmp_path / "new" / "both.html"
    words = ("view", run, tmp_path / "other", "--space", "probability", "--out", out, "--seed", 3, "--json")
    code, _, error = spacewise(*words)
    assert code == 0, error
    page = opened(out)
    assert [each["name"] for each in page.contents["runs"]] == ["run", "other"]
    assert spaces_laid(page) == {"probability"}
    assert "--space probability --seed 3" in page.contents["command"]
    assert "seed 3" in next(each["said"] for each in page.contents["runs"][0]["maps"] if each["method"] == "t-SNE")


def test_samples_for_embedding_atlas(spacewise: Command, run: Path, tmp_path: Path) -> None:
    table = tmp_path / "samples.parquet"
    code, out, error = spacewise("view", run, "--parquet", table, "--space", "classifier", "--json")
    assert code == 0, error
    assert json.loads(out)["parquet"] == str(table)
    assert table.is_file()
    assert (run / "audit" / "projections" / "tsne-all-classifier.parquet").is_file()
    assert not (run / "audit" / "projections" / "tsne-all-feature.parquet").exists()


def test_what_cannot_be_shown_is_refused_at_once(
    spacewise: Command, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synthetic_layers(tmp_path / "layers", spaces=("fc6",), chosen="fc6", images=3)
    (tmp_path / "file").write_text("x")
    (tmp_path / "empty").mkdir()

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("laid out before it was refused")

    monkeypatch.setattr(contents.places, "tsne", fail)
    monkeypatch.setattr(contents.places, "components", fail)
    before = sorted(tmp_path.rglob("*"))
    refused(spacewise("view", tmp_path / "empty"), "empty holds no audit", "spacewise audit")
    refused(spacewise("view", tmp_path / "nowhere"), "nowhere holds no audit")
    refused(spacewise("view"), "Missing argument 'runs'")
    refused(spacewise("view", run, "--space", "featur"), "unknown space of these runs 'featur'", "'feature'")
    refused(spacewise("view", run, run / "audit"), "is given twice")
    refused(spacewise("view", run, "--out", tmp_path / "empty"), "empty is a folder", "explorer.html")
    refused(spacewise("view", run, "--parquet", tmp_path / "empty"), "empty is a folder", "samples.parquet")
    refused(spacewise("view", run, "--out", tmp_path / "file" / "page.html"), "cannot write in", "file")
    refused(spacewise("view", run, tmp_path / "layers"), "shares no sample with run")
    both = (run, tmp_path / "layers", "--parquet", tmp_path / "samples.parquet")
    refused(spacewise("view", *both), "--parquet holds the samples of one run, 2 are given")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_negative_seed_is_refused(spacewise: Command, run: Path) -> None:
    refused(spacewise("view", run, "--seed", "-1"), "seed: -1")
    assert not (run / "explorer.html").exists()


def test_interrupted_it_leaves_nothing_half_written(
    spacewise: Command, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(contents.pictures, "sheets", stop)
    code, _, error = spacewise("view", run)
    assert code == 130
    assert "interrupted" in error
    assert sorted(each.name for each in run.iterdir()) == ["audit"]
    assert not list(run.rglob("*.partial"))


def test_a_report_links_to_the_explorer_where_there_is_one(spacewise: Command, run: Path, tmp_path: Path) -> None:
    audit = open_audit(run)
    assert "explorer" not in write_report(audit).read_text(encoding="utf-8").lower()
    (run / "explorer.html").write_text("x")
    text = write_report(audit).read_text(encoding="utf-8")
    assert text.count('href="explorer.html"') == 2
    layers = synthetic_layers(tmp_path / "layers", images=4, spaces=("pool5.3", "fc6"))
    (tmp_path / "layers" / "explorer.html").write_text("x")
    assert write_report(layers).read_text(encoding="utf-8").count('href="explorer.html"') == 2


def test_an_audit_writes_it_and_links_to_it(spacewise: Command, pictures: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = ("--data", pictures, "--loss", "crossentropy@classifier", "--out", run, *TINY)
    assert spacewise("train", *words, "--set", "keep=[0,1]")[0] == 0
    code, out, error = spacewise("audit", run, "--json")
    assert code == 0, error
    assert json.loads(out)["explorer"] == str(run / "explorer.html")
    page = opened(run / "explorer.html")
    assert page.contents["count"] == 3 * PICTURES - len(_validation(run))
    assert page.contents["command"] == f"spacewise view {run / 'audit'}"
    assert [each["epoch"] for each in page.contents["runs"][0]["logits"]["epochs"]] == [None, 0, 1]
    assert 'href="explorer.html"' in (run / "report.html").read_text(encoding="utf-8")
    shown = (run / "explorer.html").read_bytes()
    assert spacewise("view", run, "--no-open")[0] == 0
    assert len((run / "explorer.html").read_bytes()) == pytest.approx(len(shown), abs=100)  # but for the command
    code, _, error = spacewise("audit", run, "--data", pictures)
    assert code == 0, error
    assert opened(run / f"explorer-{pictures.name}.html").contents["count"] > page.contents["count"]
    assert f'href="explorer-{pictures.name}.html"' in (run / f"report-{pictures.name}.html").read_text(encoding="utf-8")
    code, _, error = spacewise(
        "view", run, run / f"audit-{pictures.name}", "--out", tmp_path / "both.html", "--no-open"
    )
    assert code == 0, error
    both = opened(tmp_path / "both.html")
    trained = sum(part == "train" for part in page.of(0, "part"))
    assert both.contents["count"] == 3 * PICTURES + trained  # tested on its training images: each is in two parts
    assert both.of(1, "part").count("test") == 3 * PICTURES
    assert [each["name"] for each in both.contents["runs"]] == [
        f"{tmp_path.name}/run (audit)",
        f"{tmp_path.name}/run (audit-{pictures.name})",
    ]


def _validation(run: Path) -> list[str]:
    import pandas as pd

    table = pd.read_parquet(run / "split.parquet")
    return table.loc[table["part"] == "validation", "id"].tolist()
