"""What a page holds of one run, of several, of a transfer and of retrieval."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.explorer.pages import Page, keep, read_page, with_source
from tests.report.synthetic import CLASSES, SIZES, synthetic
from tests.report.synthetic_layers import synthetic_layers

from spacewise import files
from spacewise.audits import Audit
from spacewise.errors import InputError
from spacewise.explorer import contents, facts, of_run, pictures, write_explorer
from spacewise.explorer.of_run import spread_out

OWN = sum(SIZES.values())


def written(folder: Path, *audits: Audit, spaces: Sequence[str] = ()) -> Page:
    return read_page(write_explorer(audits, folder / "page.html", spaces=spaces, command="spacewise view x"))


@pytest.fixture(scope="module")
def audit(tmp_path_factory: pytest.TempPathFactory) -> Audit:
    made = synthetic(tmp_path_factory.mktemp("run"))
    keep(made, [1, 3])
    return made


@pytest.fixture(scope="module")
def page(audit: Audit, tmp_path_factory: pytest.TempPathFactory) -> Page:
    return written(tmp_path_factory.mktemp("page"), audit)


def test_samples_and_what_the_run_says_of_them(audit: Audit, page: Page) -> None:
    samples = audit.table("samples")
    assert page.contents["count"] == OWN
    assert page.json(page.contents["ids"]) == samples["id"].tolist()
    assert page.contents["facts"][0]["name"] == "label"
    assert page.fact("label") == samples["label"].tolist()
    assert page.fact("serial") == samples["serial"].tolist()
    assert page.of(0, "part") == samples["part"].tolist()
    assert page.of(0, "prediction") == [CLASSES[index] for index in samples["prediction"]]
    known = samples["target"] >= 0
    correct = pd.Series(page.of(0, "correct"), dtype=object)
    assert correct[known].tolist() == samples["correct"][known].tolist()
    assert correct[~known].isna().all()
    assert pd.Series(page.of(0, "suspect"), dtype=object)[~known].isna().all()
    np.testing.assert_allclose(page.of(0, "confidence"), samples["confidence"], rtol=1e-6)
    unseen = samples["subset:unseen"]
    assert page.of(0, "subset:unseen") == [None if pd.isna(each) else bool(each) for each in unseen]
    assert not any(each["name"] == "target" for each in page.contents["runs"][0]["columns"])


def test_places_are_exact_to_a_part_of_the_frame(audit: Audit, page: Page) -> None:
    values = np.asarray(audit.space("feature"), np.float64)
    train = values[(audit.table("samples")["part"] == "train").to_numpy()]
    _, _, axes = np.linalg.svd(train - train.mean(axis=0), full_matrices=False)
    for epoch in (None, 3):
        each = values if epoch is None else np.asarray(audit.space_at("feature", epoch), np.float64)
        exact = np.abs((each - train.mean(axis=0)) @ axes[:2].T)
        shown = np.abs(page.points(0, "feature", "components", epoch))
        frame = np.median(exact / np.maximum(shown, 1e-9))
        np.testing.assert_allclose(shown * frame, exact, atol=frame / 32767)
    maps = [(each["space"], found["epoch"]) for each in page.contents["runs"][0]["maps"] for found in each["epochs"]]
    assert max(np.abs(page.points(0, space, "components", epoch)).max() for space, epoch in maps) == 1


def test_maps_of_every_space_and_epoch(page: Page) -> None:
    maps = {(each["space"], each["method"]): each for each in page.contents["runs"][0]["maps"]}
    assert set(maps) == {(space, "components") for space in ("feature", "classifier", "probability")} | {
        (space, "t-SNE") for space in ("feature", "classifier")
    }
    for (space, _), each in maps.items():
        kept = [] if space == "probability" else [1, 3]
        assert sorted(found["epoch"] for found in each["epochs"] if found["epoch"]) == kept
        assert None in [found["epoch"] for found in each["epochs"]]


def test_class_axes_and_neighbours(audit: Audit, page: Page) -> None:
    run = page.contents["runs"][0]
    logits = run["logits"]
    assert [each["epoch"] for each in logits["epochs"]] == [None, 1, 3]
    step = (logits["high"] - logits["low"]) / 65534
    for each in logits["epochs"]:
        codes = page.array(each["data"])
        exact = audit.space("classifier") if each["epoch"] is None else audit.space_at("classifier", each["epoch"])
        np.testing.assert_allclose(logits["low"] + codes * step, exact, atol=step)
    assert set(run["neighbours"]) == {"feature", "classifier"}
    indices = page.array(run["neighbours"]["feature"]["indices"])
    distances = page.array(run["neighbours"]["feature"]["distances"])
    values = np.asarray(audit.space("feature"))
    np.testing.assert_allclose(np.linalg.norm(values[indices] - values[:, None], axis=2), distances, atol=1e-4)


def test_two_runs_over_the_same_samples(audit: Audit, tmp_path: Path) -> None:
    other = synthetic(tmp_path / "other", seed=1, name="second")
    keep(other, [2])
    for name in ("samples",):  # the second knows one sample less, and tells a fact differently
        table = other.table(name)
        files.write_table(other.folder / f"{name}.parquet", table.assign(budget=1, serial="b"))
    files.write_table(audit.folder / "samples.parquet", audit.table("samples"))
    np.save(other.folder / "chips.npy", np.asarray(audit.chips()))
    page = written(tmp_path, audit, other)
    assert page.contents["count"] == OWN
    assert page.contents["title"] == "run <b>bold</b> · second"
    assert page.of(1, "serial") == ["b"] * OWN
    assert page.of(0, "serial") == audit.table("samples")["serial"].tolist()
    assert page.fact("budget") == ["1"] * OWN  # few whole numbers are names
    assert page.of(1, "prediction") == [CLASSES[index] for index in other.table("samples")["prediction"]]
    assert {each["epoch"] for each in page.contents["runs"][1]["maps"][0]["epochs"]} == {None, 2}


def test_of_retrieval(tmp_path: Path) -> None:
    audit = synthetic_layers(tmp_path, spaces=("pool5.3", "fc6"), images=6)
    table = audit.table("samples")
    table.loc[[0, 5], "first_hit@fc6"] = -1  # nobody asked
    files.write_table(audit.folder / "samples.parquet", table)
    page = written(tmp_path, audit)
    run = page.contents["runs"][0]
    assert run["retrieval"] is True
    assert (run["logits"], run["views"]) == (None, {})
    names = [each["name"] for each in run["columns"]]
    assert names == ["part", "first_hit@pool5.3", "first_hit@fc6", "cluster@fc6"]
    hits = page.of(0, "first_hit@fc6")
    assert (hits[0], hits[5], hits[1]) == (None, None, float(table["first_hit@fc6"][1]))
    assert run["among"] == "samples of its part"
    assert set(run["neighbours"]) == {"fc6"}
    assert page.fact("label") == table["label"].tolist()


@pytest.mark.parametrize("pictured", [True, False])
def test_of_a_transfer(tmp_path: Path, pictured: bool) -> None:
    audit = synthetic(tmp_path)
    with_source(audit, 30, pictured=pictured)
    keep(audit, [1])
    page = written(tmp_path, audit)
    assert page.contents["count"] == OWN + 30
    assert page.of(0, "part")[OWN:] == ["source test"] * 30
    source = audit.table("source_samples")
    assert page.of(0, "prediction")[OWN:] == [CLASSES[index] for index in source["prediction"]]
    assert page.of(0, "correct")[OWN:] == (source["prediction"] == source["target"]).tolist()
    shown = np.asarray(page.of(0, "confidence")[OWN:])
    np.testing.assert_allclose(shown, audit.source_space("probability").max(axis=1), rtol=1e-6)
    assert page.fact("zone") == [None] * OWN + ["x"] * 30
    assert np.isnan(page.points(0, "feature", "t-SNE")[OWN:]).all()
    assert np.isfinite(page.points(0, "classifier", "t-SNE")[OWN:]).all()
    codes = page.array(page.contents["runs"][0]["logits"]["epochs"][1]["data"])
    assert (codes[OWN:] == 65535).all()
    assert (page.array(page.contents["runs"][0]["neighbours"]["classifier"]["indices"])[OWN:] == 2**32 - 1).all()
    sheet = np.asarray(page.picture(page.contents["pictures"]["sheets"][0]).convert("RGB"))
    side = page.contents["pictures"]["side"]
    line, place = divmod(OWN, 16)
    cut = sheet[line * side : (line + 1) * side, place * side : (place + 1) * side]
    assert (cut.max() > 100) == pictured


def test_what_json_cannot_say_is_nothing(tmp_path: Path) -> None:
    audit = synthetic(tmp_path, name="caf\udce9")
    table = audit.table("accuracy")
    table.loc[0, "low"], table.loc[1, "low"] = np.nan, np.inf
    files.write_table(audit.folder / "accuracy.parquet", table)
    said = files.read_json(audit.folder / "audit.json")
    said["log"][0]["total"] = float("inf")
    files.write_json(audit.folder / "audit.json", said)
    page = written(tmp_path, audit)
    assert [row["low"] for row in page.contents["runs"][0]["tables"]["accuracy"]][:2] == [None, None]
    assert page.contents["runs"][0]["tables"]["log"][0]["total"] is None
    assert page.contents["runs"][0]["name"] == "caf?"


def test_a_network_made_elsewhere_has_no_objective_and_no_log(tmp_path: Path) -> None:
    audit = synthetic(tmp_path)
    said = files.read_json(audit.folder / "audit.json")
    said["experiment"]["objective"], said["log"] = [], []
    files.write_json(audit.folder / "audit.json", said)
    run = written(tmp_path, audit).contents["runs"][0]
    assert (run["objective"], run["tables"]["log"]) == ("", [])
    assert {each["space"] for each in run["maps"] if each["method"] == "t-SNE"} == {"feature", "classifier"}


def test_a_fact_called_copies_stays(tmp_path: Path) -> None:
    audit = synthetic(tmp_path)
    chips = np.random.default_rng(0).integers(0, 255, (OWN, 64, 64, 1), dtype=np.uint8)
    chips[7] = chips[3, ::-1]
    np.save(audit.folder / "chips.npy", chips)
    table = audit.table("samples").assign(copies="many", suspect="yes")
    files.write_table(audit.folder / "samples.parquet", table)
    page = written(tmp_path, audit)
    assert page.fact("copies in the source") == ["many"] * OWN
    assert page.fact("suspect") == ["yes"] * OWN
    assert {row: number for row, number in enumerate(page.fact("copies")) if number} == {3: "1", 7: "1"}
    assert set(page.of(0, "suspect")) == {True, False, None}


def test_what_is_left_out_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audit = synthetic(tmp_path, name="first")
    keep(audit, [1, 2, 3])
    assert written(tmp_path, audit).contents["said"] == []
    limits = {
        (contents, "PLACES"): 2 * OWN * (5 + 4 * 2),
        (of_run, "LOGITS"): OWN * 3 * 3,
        (facts, "MOST"): 10,
        (facts, "MOST_PICTURES"): 10,
        (pictures, "BUDGET"): 1,
    }
    for (module, name), value in limits.items():
        monkeypatch.setattr(module, name, value)
    page = written(tmp_path, audit)
    assert page.contents["said"] == [
        f"Maps of first: at 2 of 3 kept epochs, what a page of {OWN} samples has room for.",
        f"Class axes of first: at 2 of 3 kept epochs, what a page of {OWN} samples has room for.",
        f"No nearest neighbours in first: {OWN} samples would take too long.",
        "Copies were not looked for: too many samples, or too many that look alike.",
        f"Pictures are 16 pixels wide, where the audit keeps 64: what a page of {OWN} samples has room for.",
    ]
    assert [each["epoch"] for each in page.contents["runs"][0]["logits"]["epochs"]] == [None, 1, 3]
    monkeypatch.setattr(of_run, "LOGITS", 10)
    monkeypatch.setattr(pictures, "MOST", 10)
    said = " ".join(written(tmp_path, audit).contents["said"])
    assert f"No class axes and probabilities of first: {OWN * 3} numbers are too many." in said
    assert f"No pictures: they would be too large for a page of {OWN} samples." in said


@pytest.mark.parametrize(
    ("most", "found"), [(9, [1, 2, 3, 4, 5]), (5, [1, 2, 3, 4, 5]), (3, [1, 3, 5]), (1, [5]), (0, []), (-4, [])]
)
def test_fewer_epochs_are_spread_out(most: int, found: list[int]) -> None:
    assert spread_out([1, 2, 3, 4, 5], most) == found


def test_an_unknown_space_is_refused_before_anything_is_laid_out(audit: Audit, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"unknown space of these runs 'featur': did you mean 'feature'"):
        written(tmp_path, audit, spaces=["featur"])
    assert not (tmp_path / "page.html").exists()


def test_runs_of_one_name_are_told_apart(tmp_path: Path) -> None:
    audits = [synthetic(tmp_path / place / "run", name="run") for place in ("a", "b")]
    assert contents.named(audits) == ["a/run (audit)", "b/run (audit)"]
    audits.append(synthetic(tmp_path / "c{}" / "a" / "run", name="run"))
    names = contents.named(audits)
    assert names == [str(tmp_path / "a/run/audit"), "b/run (audit)", str(tmp_path / "c{}/a/run/audit")]
