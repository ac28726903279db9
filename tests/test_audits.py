"""Audits by retrieval: what is measured of every space, and which one is recommended."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from spacewise.audits import Audit, audit, open_audit, retrieval
from spacewise.audits.embedding import embedded
from spacewise.audits.recommendation import recommendation
from spacewise.audits.retrieval import retrieval_tables
from spacewise.audits.samples import drawn
from spacewise.audits.stored import main_spaces
from spacewise.audits.tables import separation_table, spaces_table
from spacewise.errors import InputError
from spacewise.experiment import Experiment
from spacewise.learn import start
from spacewise.runs import Run

RANDOM = np.random.default_rng(0)


def samples(**parts: tuple[int, int]) -> pd.DataFrame:
    """Parts of so many classes with so many samples each."""
    rows = [(part, label) for part, (classes, each) in parts.items() for label in range(classes) for _ in range(each)]
    return pd.DataFrame(rows, columns=["part", "target"])


def clustered(table: pd.DataFrame, apart: float) -> np.ndarray:
    """Vectors around a direction a class, the farther apart the easier."""
    centres = RANDOM.normal(size=(20, 8))
    keys = table["target"].to_numpy() + 10 * (table["part"] == "test").to_numpy()
    return (apart * centres[keys] + RANDOM.normal(size=(len(table), 8))).astype(np.float32)


def naive_first_hit(values: np.ndarray, labels: np.ndarray) -> list[int]:
    unit = values.astype(float) / np.linalg.norm(values.astype(float), axis=1, keepdims=True)
    ranks = []
    for i, one in enumerate(unit):
        order = [j for j in np.argsort(np.linalg.norm(unit - one, axis=1), kind="stable") if j != i]
        ranks.append(next((rank for rank, j in enumerate(order, start=1) if labels[j] == labels[i]), 0))
    return ranks


def test_each_part_is_searched_by_itself() -> None:
    table = samples(train=(3, 6), validation=(2, 5), test=(4, 5))
    spaces = {"early": clustered(table, 0.5), "late": clustered(table, 3.0)}
    tables, columns = retrieval_tables(spaces, table, drawn(table, None, 0), seed=0)
    found = tables["retrieval"].set_index(["part", "space"])
    for part in ("train", "validation", "test"):
        mine = (table["part"] == part).to_numpy()
        labels = table["target"].to_numpy()[mine]
        for space, values in spaces.items():
            hits = naive_first_hit(values[mine], labels)
            assert columns[f"first_hit@{space}"][mine].tolist() == hits
            row = found.loc[part, space]
            assert row["n"] == mine.sum()
            for rank in (1, 2, 4):
                assert row[f"recall@{rank}"] == pytest.approx(np.mean([hit <= rank for hit in hits]))
            assert row["low"] <= row["recall@1"] <= row["high"]
    assert "recall@16" not in found.loc["validation"].dropna(axis=1)  # ten samples have nine neighbours


def test_above_a_size_an_index_answers_and_says_what_it_lost(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("faiss")
    table = samples(train=(2, 10), test=(5, 40))
    spaces = {"late": clustered(table, 3.0)}
    asked = drawn(table, None, 0)
    exact, by_index = (retrieval_tables(spaces, table, asked, 0, limit)[0]["retrieval"] for limit in (None, 100))
    both = exact.merge(by_index, on="part", suffixes=("", "_index")).set_index("part")
    assert np.isnan(both["recall_lost"]["train"])  # twenty samples: exact
    lost = both["recall@1"]["test"] - both["recall@1_index"]["test"]
    assert both["recall_lost"]["test"] == pytest.approx(lost)
    assert np.isnan(both["map_at_r_index"]["test"])
    assert "measured on 200 queries" in " ".join(capsys.readouterr().err.split())


def ranks(share: float, number: int) -> np.ndarray:
    """First hits of which the share is at rank 1."""
    return np.where(np.arange(number) < round(share * number), 1, 5)


def test_the_space_is_chosen_on_held_out_classes_and_measured_on_test_classes() -> None:
    table = samples(train=(2, 5), validation=(2, 10), test=(4, 25))
    order = RANDOM.permutation(100)
    columns = {
        "first_hit@a": np.concatenate([np.ones(10), ranks(0.9, 20), ranks(0.6, 100)[order]]).astype(int),
        "first_hit@b": np.concatenate([np.ones(10), ranks(0.5, 20), ranks(0.8, 100)[order]]).astype(int),
    }
    found = recommendation(table, columns, ["a", "b"], "b", seed=0)
    assert (found["space"], found["against"], found["chosen_on"]) == ("a", "b", "validation")
    assert found["recall"] == pytest.approx(0.6)
    assert found["against_recall"] == pytest.approx(0.8)
    assert found["difference"] == pytest.approx(-0.2)
    assert found["low"] < -0.2 < found["high"]
    assert (found["n"], found["classes"]) == (100, 4)


def test_without_held_out_classes_the_choice_says_so_and_ties_go_to_the_later_space() -> None:
    table = samples(train=(2, 5), test=(4, 25))
    columns = {f"first_hit@{name}": np.ones(110, int) for name in ("a", "b", "c")}
    found = recommendation(table, columns, ["a", "b", "c"], "a", seed=0)
    assert (found["space"], found["chosen_on"], found["difference"]) == ("c", "test", 0)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight classes of eight coloured pictures."""
    root = tmp_path_factory.mktemp("scenes")
    generator = np.random.default_rng(0)
    for number in range(8):
        (root / f"class{number}").mkdir()
        for index in range(8):
            pixels = generator.integers(0, 120, (32, 32, 3)) + 15 * number
            pixels[:: number + 2] //= 2
            Image.fromarray(pixels.astype(np.uint8)).save(root / f"class{number}" / f"{index}.png")
    return root


@pytest.fixture(scope="module")
def run(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    experiment = Experiment(
        data={
            "source": {"name": "folder", "root": str(scenes)},
            "split": {"name": "class-disjoint", "validation": 0.3},
        },
        net={"name": "netA", "size": 32, "width": 8, "dimension": 12},
        objective=["smooth_triplet@fc6"],
        regime={"epochs": 3, "batch": 8, "per_class": 4, "keep": [0, 2], "precision": "float32"},
    )
    return start(experiment, tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture(scope="module")
def made(run: Run) -> Audit:
    run.load("last")
    return audit(run)


def test_every_space_at_every_kept_epoch_on_every_part(run: Run, made: Audit) -> None:
    table = made.table("retrieval")
    assert set(table["weights"]) == {"last", "epoch0", "epoch2"}
    assert dict(zip(table["weights"], table["epoch"])) == {"last": 3, "epoch0": 0, "epoch2": 2}
    for weights, rows in table.groupby("weights"):
        floor = {"pixels"} if weights == "last" else set()
        for part in ("train", "validation", "test"):
            assert set(rows["space"][rows["part"] == part]) == {*run.net.spaces} | floor
    assert run.weights == "last"


def test_main_spaces_at_every_kept_epoch(run: Run, made: Audit, tmp_path: Path) -> None:
    """Those of the epoch's weights, of every sample, in the order of the others; half as precise."""
    assert made.kept_epochs() == [0, 2]
    assert made.kept_spaces() == made.main_spaces == ["fc6"]
    parts = {name: part for name, part in run.split.parts.items() if name != "unlabelled"}
    for epoch in (0, 2):
        run.load(f"epoch{epoch}")
        exact = embedded(tmp_path / str(epoch), run, parts)["fc6"]
        kept = made.space_at("fc6", epoch)
        assert (kept.dtype, kept.shape) == (np.float16, exact.shape)
        np.testing.assert_allclose(kept, exact, atol=2e-3 * np.abs(exact).max())
    run.load("last")
    with pytest.raises(InputError, match=r"no epoch 1; it holds \[0, 2\]"):
        made.space_at("fc6", 1)
    with pytest.raises(InputError, match=r"unknown space kept at its epochs 'pool1.1'"):
        made.space_at("pool1.1", 0)
    assert sorted(each.name for each in (made.folder / "epochs").iterdir()) == ["0", "2"]


@pytest.mark.parametrize(
    ("terms", "found"),
    [
        (["crossentropy@classifier"], ["feature", "classifier"]),
        (["0.1*center@block3:max", "crossentropy @ classifier"], ["block3", "feature", "classifier"]),
        (["0.5*supcon@block3 of unlabelled"], ["block3", "feature", "classifier"]),
        (['1.0*contrastive(similarity="a@b")@block3'], ["block3", "feature", "classifier"]),
        ([], ["feature", "classifier"]),
    ],
)
def test_main_spaces_are_those_under_a_loss_and_the_last_ones(terms: list[str], found: list[str]) -> None:
    spaces = ["block2", "block3", "feature", "classifier", "probability"]
    assert main_spaces(terms, spaces) == found
    assert main_spaces(terms, ["pool", "fc6"]) == ["fc6"]


def test_values_beyond_half_precision_are_kept_at_its_edge(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def large(*arguments: object, **options: object) -> dict[str, np.ndarray]:
        return {name: 1e9 * np.asarray(values) for name, values in embedded(*arguments, **options).items()}

    monkeypatch.setattr(retrieval, "embedded", large)
    parts = {name: part for name, part in run.split.parts.items() if name != "unlabelled"}
    table = pd.concat([part.facts.assign(part=name, target=part.labels) for name, part in parts.items() if len(part)])
    table = table.reset_index(drop=True)
    retrieval.kept_epochs(tmp_path, run, parts, table, drawn(table, None, 0), 0)
    kept = np.load(tmp_path / "2" / "fc6.npy")
    assert np.isfinite(kept).all()
    assert np.abs(kept).max() == np.finfo(np.float16).max


def test_such_an_audit_claims_nothing_about_classification(run: Run, made: Audit) -> None:
    assert not any(made.has(name) for name in ("accuracy", "confusion", "rejection", "spaces"))
    facts = made.facts
    assert facts["disjoint"] is True
    assert facts["loss_spaces"] == ["fc6"]
    assert {*facts["classes_of"]["train"]} & {*facts["classes_of"]["test"]} == set()
    assert facts["recommendation"]["space"] in run.net.spaces
    assert "prediction" not in made.table("samples")


def test_first_hits_follow_from_the_stored_spaces(made: Audit) -> None:
    table = made.table("samples")
    test = (table["part"] == "test").to_numpy()
    values = np.asarray(made.space("fc6"))[test]
    assert table["first_hit@fc6"][test].tolist() == naive_first_hit(values, table["target"].to_numpy()[test])


def test_other_data_are_tested_by_their_own_classes(run: Run, scenes: Path) -> None:
    from spacewise.audits import other_part

    other = audit(run, other_part(run, scenes))
    assert other.facts["parts"]["test"] == 64
    assert len(other.facts["classes_of"]["test"]) == 8


def test_a_run_that_classifies_is_also_asked_for_retrieval(
    pictures: Path, tmp_path: Path, tiny_chain: Callable[..., object]
) -> None:
    from spacewise import Objective, learn, splits
    from spacewise.sources import folder

    split = splits.stratified(folder(pictures), test=0.5, validation=0.2)
    run = learn.supervised(
        tiny_chain(), Objective("crossentropy@classifier"), split, out=tmp_path / "run", epochs=1, batch=8
    )
    made = audit(run)
    assert made.has("accuracy")
    assert "disjoint" not in made.facts
    assert {"maps", "feature", "classifier", "probability", "pixels"} == set(made.table("retrieval")["space"])
    assert open_audit(run.folder).folder == made.folder


def test_kept_epochs_are_weights_by_name(run: Run) -> None:
    with pytest.raises(InputError, match="unknown weights 'epoch1'"):
        run.load("epoch1")


def test_a_sample_is_asked_among_all() -> None:
    """Ranks, Silhouette and neighbours of those that are drawn are those of asking all; the others were not asked."""
    table = samples(train=(3, 30), test=(4, 30)).assign(correct=True)
    spaces = {"late": clustered(table, 1.0)}
    some, everyone = drawn(table, 40, 0), drawn(table, None, 0)
    assert sorted(table[some].groupby(["part", "target"]).size()) == [10, 10, 10, 10, 13, 13, 14]
    tables, columns = retrieval_tables(spaces, table, some, 0)
    whole, all_columns = retrieval_tables(spaces, table, everyone, 0)
    assert (columns["first_hit@late"][some] == all_columns["first_hit@late"][some]).all()
    assert (columns["first_hit@late"][~some] == -1).all()
    for (_, row), (_, exact) in zip(tables["retrieval"].iterrows(), whole["retrieval"].iterrows(), strict=True):
        assert (row["n"], row["gallery"]) == (40, exact["n"])
        assert row["sample_low"] < row["recall@1"] < row["sample_high"]
        assert row["recall@1"] == pytest.approx(exact["recall@1"], abs=0.15)
    found, asked = separation_table(spaces, table, some, 0)
    exact, each = separation_table(spaces, table, everyone, 0)
    test = some & (table["part"] == "test").to_numpy()
    np.testing.assert_allclose(asked["silhouette:late"][test], each["silhouette:late"][test], atol=1e-9)
    assert asked["silhouette:late"][~test].isna().all()
    assert found["silhouette_low"][0] < found["silhouette"][0] < found["silhouette_high"][0]
    assert found["calinski_harabasz"][0] == exact["calinski_harabasz"][0]
    assert spaces_table(spaces, table, some, {})["asked"].tolist() == [40]


@pytest.mark.parametrize(("sample", "message"), [(1, "2 or more, not 1"), (-3, "2 or more, not -3")])
def test_a_sample_of_none_is_refused(run: Run, sample: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        audit(run, sample=sample)


def test_a_sampled_audit_says_so(run: Run) -> None:
    made = audit(run, sample=10)
    table = made.table("retrieval")
    assert (table["n"] <= 10).all()
    assert table["gallery"].max() > 10
    assert made.facts["sample"] == 10
    assert not (made.folder / "floor").exists()


def test_a_sample_and_an_index_exclude_each_other(run: Run) -> None:
    with pytest.raises(InputError, match="give sample or approximate_above"):
        audit(run, sample=10, approximate_above=5)


def test_classes_of_a_sample_count_by_their_size() -> None:
    """Two large classes that are easy, sixty small ones that are not: these are drawn more than in proportion."""
    sizes = [600, 600, *[5] * 60]
    table = pd.concat(
        [pd.DataFrame({"part": part, "target": np.repeat(np.arange(62), sizes)}) for part in ("train", "test")]
    ).reset_index(drop=True)
    centres = np.random.default_rng(3).normal(size=(62, 8)) * np.where(np.arange(62) < 2, 6.0, 0.3)[:, None]
    noise = np.random.default_rng(4).normal(size=(len(table), 8))
    spaces = {"late": (centres[table["target"]] + noise).astype(np.float32)}
    some, everyone = drawn(table, 160, 0), drawn(table, None, 0)
    (found, columns), (exact, _) = (retrieval_tables(spaces, table, asked, 0) for asked in (some, everyone))
    for name in ("recall@1", "r_precision", "map_at_r"):
        np.testing.assert_allclose(found["retrieval"][name], exact["retrieval"][name], atol=0.08, err_msg=name)
    plain = found["retrieval"]["n"].iloc[1], (columns["first_hit@late"][some & (table["part"] == "test")] == 1).mean()
    assert plain[1] < exact["retrieval"]["recall@1"].iloc[1] - 0.2  # what an unweighted mean would say
    sampled, whole = (spaces_table(spaces, table, asked, {}).iloc[0] for asked in (some, everyone))
    assert (sampled["own_side"], sampled["margin_ratio"]) == (whole["own_side"], whole["margin_ratio"])
    assert sampled["nearest"] == pytest.approx(whole["nearest"], abs=0.08)
    assert (sampled["asked"], sampled["n"]) == (160, 1500)
    advised = recommendation(table, columns, ["late"], "late", 0)
    assert advised["recall"] == pytest.approx(found["retrieval"]["recall@1"].iloc[1])
