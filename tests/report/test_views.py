"""Three views of a set of losses: tables, words and pages that audits and explanations bear out."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from tests.report.synthetic import HOSTILE, synthetic
from tests.report.synthetic_layers import synthetic_layers
from tests.report.synthetic_views import CHANGES, explanation, separated
from tests.report.test_page import Reader

from spacewise import InputError, files
from spacewise.audits import Audit
from spacewise.explain.stored import Explanation
from spacewise.measures.summary import mcnemar
from spacewise.report import (
    attention_maps,
    drawing,
    explained,
    layouts,
    numbers,
    reading,
    views_cells,
    views_figures,
    views_tables,
    views_verdict,
)
from spacewise.report import page as page_
from spacewise.report.page import write_report
from spacewise.report.views import feature_space, limits, printed, views
from spacewise.report.views_page import write_views

LONG = "WRN-28-10 with a prototype conformity loss and complement objective training, weight 0.0001"
PAPER = {
    "cross-entropy": {"accuracy": 95.0, "silhouette": 0.377, "calinski_harabasz": 2666.847, "insertion": 0.545,
                      "deletion": 0.422},
    HOSTILE: {"accuracy": 95.32},
}  # fmt: skip

Made = tuple[dict[str, list[Audit]], dict[str, list[Explanation]]]


@pytest.fixture(autouse=True, scope="module")
def fast() -> object:
    """Saves the time of what the tests do not look at: drawing PNG files, and laying out a plane well."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawing, "png", lambda figure: b"")
        patch.setattr(layouts, "lay_out", _plane)
        yield


def _plane(method: str, values: np.ndarray, seed: int) -> object:
    class Plane:
        points, method, perplexity = np.asarray(values)[:, :2], "first two axes", 1.0

    return Plane()


def audited(folder: Path, seed: int = 0, quality: float = 2.0, **options: bool) -> Audit:
    """An audit with separation, of a run of its own seed."""
    return separated(synthetic(folder, seed=seed, quality=quality, confusers=False, copies=0, **options))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Two losses over three seeds with masks, and a third without explanation."""
    folder = tmp_path_factory.mktemp("losses")
    kinds = {"cross-entropy": 1.5, HOSTILE: 4.0, LONG: 2.0}
    audits = {
        name: [audited(folder / f"{place}-{seed}", seed, quality) for seed in range(3)]
        for place, (name, quality) in enumerate(kinds.items())
    }
    explanations = {
        name: [explanation(run, skill=skill, masks=True, seed=seed) for seed, run in enumerate(audits[name])]
        for name, skill in (("cross-entropy", 0.4), (HOSTILE, -0.2))
    }
    return audits, explanations | {LONG: []}


@pytest.fixture(scope="module")
def table(made: Made) -> pd.DataFrame:
    return views(*made, PAPER)


@pytest.fixture(scope="module")
def page(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_views(*made, tmp_path_factory.mktemp("page"), title=f"t {HOSTILE}", command="spacewise x", paper=PAPER)


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Two losses of one run each, without masks, without novelty."""
    folder = tmp_path_factory.mktemp("single")
    runs = {name: audited(folder / name, i, 1.0 + 3 * i, novelty=False) for i, name in enumerate(("one", "other"))}
    return {name: [run] for name, run in runs.items()}, {name: [explanation(run)] for name, run in runs.items()}


def row(table: pd.DataFrame, method: str, figure: str) -> pd.Series:
    found = table[(table["method"] == method) & (table["figure"] == figure)]
    assert len(found) == 1
    return found.iloc[0]


def shown(path: Path) -> str:
    return Reader(path.read_text(encoding="utf-8")).text.replace(numbers.SPACE, " ")


def test_accuracy_and_separation_are_those_of_the_audits(made: Made, table: pd.DataFrame) -> None:
    audits, _ = made
    for name, runs in audits.items():
        right = [reading.test_samples(run)["correct"].mean() for run in runs]
        found = row(table, name, "overall")
        assert (found["mean"], found["std"], found["runs"]) == pytest.approx((np.mean(right), np.std(right, ddof=1), 3))
        for figure in ("silhouette", "calinski_harabasz", "davies_bouldin"):
            values = np.array([run.table("separation").set_index("space").loc["feature", figure] for run in runs])
            found = row(table, name, figure)
            reach = stats.t.ppf(0.975, 2) * values.std(ddof=1) / 3**0.5
            assert found["mean"] == pytest.approx(values.mean())
            assert found["high"] == pytest.approx(min(limits(figure)[1], values.mean() + reach))
            assert found["low"] == pytest.approx(max(limits(figure)[0], values.mean() - reach))
    assert {"overall", "seen", "unseen"} <= set(table["figure"])


def test_differences_are_paired_by_seed(made: Made, table: pd.DataFrame) -> None:
    audits, _ = made
    values = [[run.table("separation")["silhouette"][0] for run in audits[name]] for name in ("cross-entropy", HOSTILE)]
    found, test = row(table, HOSTILE, "silhouette"), stats.ttest_rel(values[1], values[0])
    assert (found["difference"], found["p"]) == pytest.approx((np.mean(values[1]) - np.mean(values[0]), test.pvalue))
    assert (found["test"], found["pairs"]) == ("paired t", 3)
    assert table.loc[table["method"] == "cross-entropy", "difference"].isna().all()


def test_attribution_is_the_mean_over_images_then_runs(made: Made, table: pd.DataFrame) -> None:
    _, explanations = made
    areas = []
    for one in explanations[HOSTILE]:
        scores = (
            one.table("scores").query("definition == 'accuracy'").groupby("method")[["insertion", "deletion"]].mean()
        )
        areas.append(scores)
    mean = sum(areas) / 3
    for area in ("insertion", "deletion"):
        assert row(table, HOSTILE, f"{area}:accuracy")["mean"] == pytest.approx(mean.loc["gradcam", area])
        assert row(table, HOSTILE, f"{area}:accuracy:random")["mean"] == pytest.approx(mean.loc["random", area])
    difference = mean["insertion"] - mean["deletion"]
    assert row(table, HOSTILE, "difference:accuracy")["mean"] == pytest.approx(difference["gradcam"])
    gain = row(table, HOSTILE, "gain:accuracy:centre")["mean"]
    assert gain == pytest.approx(difference["gradcam"] - difference["centre"])


def test_regions_leave_out_maps_of_zero_and_changes_keep_both_labels(made: Made, table: pd.DataFrame) -> None:
    _, explanations = made
    shares = [one.table("regions").query("method == 'gradcam' and region == 'target'") for one in explanations[HOSTILE]]
    assert all(rows["share"].isna().sum() == 1 for rows in shares)
    expected = np.mean([rows["share"].mean() for rows in shares])
    assert row(table, HOSTILE, "share:target")["mean"] == pytest.approx(expected)
    assert row(table, HOSTILE, "area:target")["mean"] == pytest.approx(0.1)
    for label, figure in (("own", f"changed:{CHANGES[-1]}"), ("meadow", f"changed:{CHANGES[-1]}:meadow")):
        tables = [one.table("changes").set_index(["change", "label"])["accuracy"] for one in explanations[HOSTILE]]
        expected = np.mean([accuracies[CHANGES[-1], label] for accuracies in tables])
        assert row(table, HOSTILE, figure)["mean"] == pytest.approx(expected)


def test_the_papers_figures_stand_beside_ours(table: pd.DataFrame) -> None:
    assert row(table, "cross-entropy", "overall")["paper"] == pytest.approx(0.95)
    assert row(table, "cross-entropy", "insertion:accuracy")["paper"] == 0.545
    assert row(table, "cross-entropy", "difference:accuracy")["paper"] == pytest.approx(0.123)
    assert math.isnan(row(table, "cross-entropy", "insertion:probability")["paper"])
    assert table["paper"].notna().sum() == 7
    assert math.isnan(printed({"insertion": 1.0}, "difference:accuracy"))


def test_one_run_each_is_tested_by_image(single: Made) -> None:
    audits, explanations = single
    found = views(audits, explanations)
    one, other = (reading.test_samples(audits[name][0]).set_index("id") for name in ("one", "other"))
    overall = row(found, "other", "overall")
    assert (overall["test"], overall["p"]) == (
        "McNemar",
        mcnemar(one["correct"].to_numpy(), other["correct"].to_numpy()),
    )
    silhouette = row(found, "other", "silhouette")
    gain = (other["silhouette:feature"] - one["silhouette:feature"]).mean()
    assert (silhouette["test"], silhouette["pairs"]) == ("bootstrap", 45)
    assert silhouette["difference"] == pytest.approx(gain)
    assert silhouette["difference_low"] < gain < silhouette["difference_high"]
    stored = audits["other"][0].table("separation").iloc[0]
    assert tuple(silhouette[["low", "high"]]) == tuple(stored[["silhouette_low", "silhouette_high"]])
    insertion = row(found, "other", "insertion:accuracy")
    assert (insertion["test"], insertion["pairs"]) == ("bootstrap", 12)
    assert insertion["low"] < insertion["mean"] < insertion["high"]
    assert row(found, "other", "calinski_harabasz")["test"] == ""
    assert math.isnan(insertion["std"])


def test_other_images_are_not_paired(single: Made, tmp_path: Path) -> None:
    audits, explanations = single
    shutil.copytree(explanations["other"][0].folder, tmp_path / "explanation")
    samples = explanations["other"][0].table("samples")
    files.write_table(tmp_path / "explanation" / "samples.parquet", samples.assign(id="x" + samples["id"]))
    others = {**explanations, "other": [Explanation(tmp_path / "explanation")]}
    found = row(views(audits, others), "other", "insertion:accuracy")
    assert (found["test"], found["pairs"]) == ("", 0)
    assert found["difference"] == pytest.approx(row(views(*single), "other", "insertion:accuracy")["difference"])
    page = write_views(audits, others, tmp_path / "out", title="t", command="c")
    assert "explained on different images" in shown(page)


def test_the_page_answers_with_the_table(made: Made, table: pd.DataFrame, page: Path) -> None:
    words = shown(page)
    for name, figure, text in (
        ("cross-entropy", "overall", views_cells.text),
        (HOSTILE, "insertion:accuracy", views_cells.text),
        (LONG, "calinski_harabasz", views_cells.text),
    ):
        found = row(table, name, figure)
        assert f"{text(figure, found['mean'])} ± {text(figure, found['std'])}" in words
    assert "paper 0.545" in words
    assert "paper 2,667" in words
    assert f"“{HOSTILE}” is the most accurate on unseen serial numbers" in words
    assert f"“{HOSTILE}” keeps the classes farthest apart" in words
    assert "Grad-CAM maps point to what counts better than a random order of pixels and one from the centre" in words
    assert "in 1 of 2 networks (“cross-entropy”)" in words
    assert "on another's meadow, the meadow's label" in words
    stored = pd.read_csv(page.with_name("views.csv"))
    assert len(stored) == len(table)
    assert stored["mean"].to_numpy() == pytest.approx(table["mean"].to_numpy(), nan_ok=True)
    drawn = {file.name for file in (page.parent / "figures").iterdir()}
    assert {f"{name}.svg" for name in ("maps", "attention", "curves", "regions", "changes")} <= drawn


def test_the_page_stands_alone(page: Path) -> None:
    source = page.read_text(encoding="utf-8")
    read = Reader(source)
    assert "http:" not in source
    assert "https:" not in source
    assert "<script>alert" not in source
    assert [tag for tag, _ in read.tags].count("script") == 1
    anchors = {attributes.get("id") for _, attributes in read.tags}
    for tag, attributes in read.tags:
        for reference in (attributes.get("href"), attributes.get("src"), attributes.get("xlink:href")):
            assert reference is None or reference.startswith(("#", "data:image/png;base64,", "figures/"))
            if tag == "a" and reference and reference.startswith("#"):
                assert reference[1:] in anchors


def test_the_page_is_the_same_when_written_again(made: Made, page: Path, tmp_path: Path) -> None:
    again = write_views(*made, tmp_path, title=f"t {HOSTILE}", command="spacewise x", paper=PAPER)
    assert again.read_bytes() == page.read_bytes()


def test_the_main_table_leads_and_stands_back(table: pd.DataFrame) -> None:
    found = views_tables.main(table, dict.fromkeys(dict.fromkeys(table["method"]), "objective"))
    assert [head for head, _ in found.groups] == ["", "Accurate, %", "Separated", "Looks at the right thing",
                                                  "Attention on, %"]  # fmt: skip
    assert sum(columns for _, columns in found.groups) == len(found.heads)
    rows = {line[0].text: dict(zip(found.heads, line, strict=True)) for line in found.rows}
    assert list(rows) == ["cross-entropy", HOSTILE, LONG, "random order", "centre first"]
    assert rows["cross-entropy"]["insertion"].best
    assert rows["cross-entropy"]["deletion"].best  # the lowest
    assert rows[HOSTILE]["overall"].best
    assert not any(line["target"].best for line in rows.values())
    assert rows[LONG]["insertion"].text == "–"
    assert rows["random order"]["difference"].muted
    assert rows["random order"]["overall"].text == ""


def test_a_method_alone_without_explanation_or_separation(tmp_path: Path) -> None:
    run = synthetic(tmp_path / "run", confusers=False)
    page = write_views({"only": [run]}, {}, tmp_path / "out", title="t", command="c")
    words = shown(page)
    assert words.count("“only”") == 1
    assert "“only” is right in" in words
    assert "Attention" not in words
    assert "Separation" not in words
    assert "more than chance" not in words
    assert feature_space(run) == ""


def test_twenty_methods_with_long_names(single: Made, tmp_path: Path) -> None:
    audits, explanations = single
    names = [f"{LONG}, number {i}" for i in range(20)]
    page = write_views(
        {name: audits["other" if i % 2 else "one"] for i, name in enumerate(names)},
        {name: explanations["other" if i % 2 else "one"] for i, name in enumerate(names)},
        tmp_path,
        title="t",
        command="c",
    )
    words = shown(page)
    assert all(name in words for name in names)
    assert f"The first {views_figures.MOST} of 20 networks." in words
    assert f"The first {attention_maps.MOST} of 20 networks." in words


def test_images_that_networks_disagree_on_come_first(made: Made) -> None:
    _, explanations = made
    firsts = {name: found[0] for name, found in explanations.items() if found}
    order = attention_maps.shared(firsts, 100)
    assert len(order) == 12
    right = pd.concat([one.table("samples").set_index("id")["correct"] for one in firsts.values()], axis=1)
    disputed = (right.nunique(axis=1) > 1).loc[order.index].to_numpy()
    assert disputed.any()
    assert (np.diff(disputed.astype(int)) <= 0).all()
    assert list(attention_maps.shared(firsts, 3).index) == list(order.index[:3])


def test_a_wrong_prediction_is_framed_and_a_map_of_zeros_said(single: Made) -> None:
    _, explanations = single
    firsts = {name: found[0] for name, found in explanations.items()}
    ax = attention_maps.attention(firsts, 12).axes[0]
    wrong = sum(int((~one.table("samples")["correct"]).sum()) for one in firsts.values())
    assert sum(patch.get_linewidth() > 2 and patch.get_linestyle() != "-" for patch in ax.patches) == wrong
    assert len(ax.images) == 12 * 3
    assert sum("map is zero" in text.get_text() for text in ax.texts) == 2


def test_an_overlay_is_hottest_where_the_map_is() -> None:
    picture, heat = np.full((4, 4, 3), 0.5), np.zeros((4, 4))
    assert (attention_maps.overlay(picture, heat) == picture).all()
    heat[1, 2] = 3.0
    shown_ = attention_maps.overlay(picture, heat)
    assert shown_[..., 0].argmax() == 6
    assert (attention_maps.overlay(picture, 10 * heat) == shown_).all()
    assert ((shown_ >= 0) & (shown_ <= 1)).all()


def test_a_curve_over_runs_has_the_deviation_as_its_band(made: Made) -> None:
    _, explanations = made
    found = explained.curve(explanations[HOSTILE], "accuracy", "insertion", "gradcam")
    query = "definition == 'accuracy' and curve == 'insertion' and method == 'gradcam'"
    means = np.array([one.table("curves").query(query)["mean"].to_numpy() for one in explanations[HOSTILE]])
    assert found["mean"].to_numpy() == pytest.approx(means.mean(axis=0))
    assert found["high"].to_numpy() == pytest.approx(np.minimum(1, means.mean(axis=0) + means.std(axis=0, ddof=1)))
    one = explained.curve(explanations[HOSTILE][:1], "accuracy", "insertion", "gradcam")
    assert (one["low"] < one["mean"]).any()


def _row(method: str, figure: str, mean: float, **more: object) -> dict:
    empty = dict.fromkeys(("std", "paper", "difference", "difference_low", "difference_high", "p"), np.nan)
    reach = {"low": mean - 0.01, "high": mean + 0.01}
    return empty | reach | {"method": method, "figure": figure, "runs": 3, "mean": mean, "test": "", "pairs": 0} | more


@pytest.mark.parametrize(
    ("gain", "p", "expected"),
    [
        (0.02, 0.01, "“b” is the most accurate on the test set: 97.0 % [96.0, 98.0], against 95.0 % for “a” "
         "(+2.0 points [1.0, 3.0], p = 0.010, more than chance)."),
        (0.02, 0.4, "“b” is the most accurate on the test set: 97.0 % [96.0, 98.0], against 95.0 % for “a” "
         "(+2.0 points [1.0, 3.0], p = 0.40, no more than chance may give)."),
        (-0.02, 0.01, "No loss is more accurate than “a” on the test set: 95.0 % [94.0, 96.0]; next is “b” "
         "(−2.0 points [−3.0, −1.0], p = 0.010, more than chance)."),
        (0.02, np.nan, "“b” is the most accurate on the test set: 97.0 % [96.0, 98.0], against 95.0 % for “a” "
         "(+2.0 points; without paired runs or images, not tested)."),
    ],
)  # fmt: skip
def test_the_answer_on_accuracy(gain: float, p: float, expected: str) -> None:
    more = {"difference": gain, "difference_low": gain - 0.01, "difference_high": gain + 0.01, "p": p}
    more["test"] = "paired t" if p == p else ""
    rows = [_row("a", "overall", 0.95), _row("b", "overall", 0.95 + gain, **more)]
    assert views_verdict.verdict(pd.DataFrame(rows), "unseen")[0].replace(numbers.SPACE, " ") == expected


def test_the_answer_on_attention() -> None:
    gains = {"a": (0.2, 0.1), "b": (0.2, 0.005), "c": (0.1, -0.2)}
    rows = [_row(name, "overall", 0.9) for name in gains]
    for name, both in gains.items():
        rows += [
            _row(name, f"gain:accuracy:{floor}", gain) for floor, gain in zip(("random", "centre"), both, strict=True)
        ]
        rows.append(_row(name, "difference:accuracy", sum(both)))
    sentences = views_verdict.verdict(pd.DataFrame(rows), "unseen", "gradcam")
    assert sentences[1:] == [
        "The Grad-CAM maps point to what counts better than a random order of pixels and one from the centre outwards "
        "in 1 of 3 networks (“a”); worse than one of the two in 1 (“c”).",
        f"Insertion less deletion is highest for “a” (0.300), lowest for “c” ({numbers.MINUS}0.100).",
    ]


def test_without_a_feature_space_the_deepest_before_the_classifier_counts(tmp_path: Path) -> None:
    run = audited(tmp_path)
    rows = run.table("separation").replace({"feature": "pool5"})
    files.write_table(run.folder / "separation.parquet", rows)
    assert feature_space(run) == "pool5"
    files.write_table(run.folder / "separation.parquet", rows[rows["space"] != "pool5"])
    assert feature_space(run) == ""


def test_what_cannot_be_shown_is_refused(single: Made, made: Made, tmp_path: Path) -> None:
    audits, explanations = single
    disjoint = synthetic_layers(tmp_path / "layers", spaces=("pool5.3", "fc6"), epochs=(), images=3)
    floors = explanation(audited(tmp_path / "floors"), methods=("random", "centre"))
    saliency = explanation(audited(tmp_path / "other"), methods=("gradient", "random", "centre"))
    for given, found, words in (
        ({}, {}, "at least one method"),
        ({"one": []}, {}, "'one' has no audit"),
        ({"layers": [disjoint]}, {}, "judged by retrieval, it has no accuracy to show"),
        (audits, {"onee": explanations["one"]}, "unknown method of explanations 'onee': did you mean 'one'"),
        (audits, {"one": explanations["one"] * 2}, "1 runs and 2 explanations: one each, or none"),
        (audits, {"one": [floors]}, "random and centre alone"),
        (audits, {"one": explanations["one"], "other": [saliency]}, "side by side"),
    ):
        with pytest.raises(InputError, match=words):
            views(given, found)


def test_a_single_runs_report_has_the_table_where_the_audit_has(tmp_path: Path) -> None:
    new = audited(tmp_path / "new", novelty=False)
    words, found = shown(write_report(new)), new.table("separation").iloc[0]
    ends = numbers.interval(found["silhouette_low"], found["silhouette_high"], 1, 3)
    assert "Calinski-Harabasz" in words
    assert f"{numbers.number(found['silhouette'], 3)} {ends}" in words
    assert page_._run(synthetic(tmp_path / "old", confusers=False), {})["separation"] is None


@pytest.mark.parametrize(
    ("value", "expected"), [(12420.28, "12,420"), (227.2, "227"), (99.96, "100"), (22.855, "22.9"), (np.nan, "–")]
)
def test_large_figures(value: float, expected: str) -> None:
    assert numbers.large(value) == expected
