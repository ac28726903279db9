"""Which space generalises to classes never seen: figures, pages and words that the data bear out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from tests.report.synthetic import synthetic
from tests.report.synthetic_layers import CLASSES, HOSTILE, POOLS, SPACES, first_hits, synthetic_layers
from tests.report.test_page import Reader

from spacewise import InputError, files
from spacewise.audits import Audit
from spacewise.report import drawing, gallery, layer_study, layers, numbers, retrieval, study_tables, verdict
from spacewise.report.figures import LAYER_FIGURES, draw
from spacewise.report.layer_study import write_study
from spacewise.report.page import write_report
from spacewise.report.terminal import audit_lines

FEW = ("pool5.2", "pool5.3", "fc6")


@pytest.fixture(scope="module")
def audit(tmp_path_factory: pytest.TempPathFactory) -> Audit:
    return synthetic_layers(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def report(audit: Audit) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawing, "png", lambda figure: b"")  # the time of drawing what the tests do not look at
        return write_report(audit)


@pytest.fixture(scope="module")
def methods(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Audit]]:
    folder = tmp_path_factory.mktemp("methods")
    kinds = {
        "NetA": (FEW, "fc6", "pool5.3"),
        "NetD": (FEW[:2], "pool5.3", "pool5.3"),
        "NetE": ((*FEW, "fc7"), "fc7", "fc6"),
    }
    return {
        name: [
            synthetic_layers(folder / f"{name}{seed}", spaces=spaces, loss=(loss,), chosen=chosen, seed=seed, images=6)
            for seed in range(3)
        ]
        for name, (spaces, loss, chosen) in kinds.items()
    }


@pytest.fixture(scope="module")
def page(methods: dict[str, list[Audit]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawing, "png", lambda figure: b"")
        return write_study(
            methods,
            tmp_path_factory.mktemp("study"),
            title=f"Which space? {HOSTILE}",
            command=f"spacewise reproduce {HOSTILE}",
            paper={"NetA": {"pool5.3": 87.8, "fc6": 81.0}, "NetX": {"fc6": 1.0}},
        )


@pytest.fixture
def no_png(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "png", lambda figure: b"")


def text(path: Path) -> str:
    return Reader(path.read_text(encoding="utf-8")).text.replace(numbers.SPACE, " ")


def recall(audit: Audit, part: str, space: str) -> float:
    """Recall at 1, from the samples' own ranks."""
    samples = audit.table("samples")
    return float((samples.loc[samples["part"] == part, f"first_hit@{space}"] == 1).mean())


@pytest.mark.parametrize("name", LAYER_FIGURES)
def test_figures_are_drawn_alike_again(audit: Audit, name: str) -> None:
    drawn = drawing.svg(draw(audit, name), name)
    assert drawn == drawing.svg(draw(audit, name), name)
    assert "<script>" not in drawn


@pytest.mark.parametrize("name", LAYER_FIGURES)
def test_one_band_a_head_and_a_loss_on_the_first_space_are_drawn(tmp_path: Path, name: str) -> None:
    spaces = ("backbone.layer4.block_with_a_long_name", "fc6", "classifier", "probability")
    made = synthetic_layers(tmp_path, spaces=spaces, loss=spaces[:1], chosen=spaces[0], bands=1, images=3, epochs=())
    assert "<svg" in drawing.svg(draw(made, name), name)


def test_an_audit_by_retrieval_has_its_own_figures(audit: Audit, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown figure 'confusion'"):
        draw(audit, "confusion")
    with pytest.raises(InputError, match="unknown figure 'gallery'"):
        draw(synthetic(tmp_path), "gallery")
    with pytest.raises(InputError, match="unknown option of figure gallery 'nmber': did you mean 'number'"):
        draw(audit, "gallery", nmber=2)


def test_bars_stand_at_the_recall_and_print_it(audit: Audit) -> None:
    ax = draw(audit, "layers").axes[0]
    heads = {line.get_marker(): line for line in ax.lines if line.get_marker() in ("s", "o")}
    for part, shape in layers.SHAPES.items():
        expected = [100 * recall(audit, part, space) for space in SPACES]
        assert heads[shape].get_ydata() == pytest.approx(expected)
        assert {numbers.number(value) for value in expected} <= {shown.get_text() for shown in ax.texts}
    words = [shown.get_text() for shown in ax.texts]
    assert (words.count("recommended"), words.count("under the loss")) == (1, 1)
    places = {
        shown.get_text(): shown.xy[0] for shown in ax.texts if shown.get_text() in ("recommended", "under the loss")
    }
    assert places == {"recommended": SPACES.index("pool5.3"), "under the loss": SPACES.index("fc6")}


def test_names_beside_points_do_not_cover_one_another(audit: Audit) -> None:
    figure = drawing.settle(draw(audit, "train_test"))
    names = [shown for shown in figure.axes[0].texts if shown.get_text() in SPACES]
    boxes = [shown.get_window_extent() for shown in names]
    assert len(boxes) == len(SPACES)
    assert not [(a, b) for i, a in enumerate(boxes) for b in boxes[:i] if a.overlaps(b)]


def test_epochs_are_in_order_and_of_the_deepest_spaces(audit: Audit) -> None:
    table = retrieval.over_epochs(audit, "test")
    assert list(table.index) == [0, 1, 5, 10]
    assert list(table.columns) == ["pool5.1", "pool5.2", "pool5.3", "fc6"]
    rows = audit.table("retrieval").query("weights == 'epoch5' and part == 'test' and space == 'fc6'")
    assert table.loc[5, "fc6"] == rows["recall@1"].item()
    assert table.loc[10, "fc6"] == recall(audit, "test", "fc6")


def test_gallery_shows_the_true_neighbours_of_queries_that_differ(audit: Audit) -> None:
    samples = audit.table("samples").query("part == 'test'")
    ways = gallery.differing(samples, "pool5.3", "fc6")
    for rows, right, wrong in ((ways[0], "pool5.3", "fc6"), (ways[1], "fc6", "pool5.3")):
        assert (samples.loc[rows, f"first_hit@{right}"] == 1).all()
        assert (samples.loc[rows, f"first_hit@{wrong}"] > 1).all()
    rows = list(ways[0])[:4]
    found = gallery._neighbours(audit, samples, "pool5.3", rows)
    values = np.asarray(audit.space("pool5.3"), float)
    units = values / np.linalg.norm(values, axis=1, keepdims=True)
    for query, neighbours in found.items():
        others = [row for row in samples.index if row != query]
        expected = sorted(others, key=lambda row, query=query: -units[row] @ units[query])[: gallery.SHOWN]
        assert neighbours == expected
    assert (first_hits(audit.table("samples"), values)[rows] == 1).all()


def test_gallery_takes_classes_by_turns(audit: Audit) -> None:
    samples = audit.table("samples").query("part == 'test'")
    shuffled = samples.sample(frac=1, random_state=0)
    order = gallery.spread_over_classes(shuffled)
    assert list(order) == list(gallery.spread_over_classes(samples))
    assert sorted(samples.loc[order[: len(CLASSES["test"])], "label"]) == sorted(CLASSES["test"])


def test_gallery_marks_by_more_than_colour_and_refuses_nonsense(audit: Audit, tmp_path: Path) -> None:
    ax = draw(audit, "gallery", spaces=["pool1.1", "pool5.3", "fc6"], number=2).axes[0]
    assert {patch.get_linestyle() for patch in ax.patches if patch.get_linewidth() > 2} >= {"-"}
    assert any(patch.get_linestyle() != "-" for patch in ax.patches)
    assert len(ax.images) == 2 * (1 + 3 * gallery.SHOWN)
    with pytest.raises(InputError, match="unknown space 'fc9': did you mean"):
        draw(audit, "gallery", spaces=["fc6", "fc9"])
    with pytest.raises(InputError, match="two or more"):
        draw(audit, "gallery", spaces=["fc6"])
    with pytest.raises(InputError, match="number"):
        draw(audit, "gallery", number=0)


@pytest.mark.parametrize(
    ("options", "start", "second"),
    [
        ({"difference": (0.043, 0.02, 0.064)}, "Deploy pool5.3: on 6 classes never seen, recall at 1 is",
         "pool5.3 was chosen on 2 held-out training classes, not on these."),
        ({"difference": (0.004, -0.01, 0.02)}, "No clear difference between pool5.3, the space chosen, and fc6, the",
         "pool5.3 was chosen on 2 held-out training classes, not on these."),
        ({"difference": (-0.03, -0.05, -0.01)}, "The choice of pool5.3 did not hold up: on 6 classes never seen",
         "pool5.3 was chosen on 2 held-out training classes, not on these."),
        ({"difference": (0.043, 0.02, 0.064), "chosen_on": "test"}, "Deploy pool5.3: on 6 classes never seen",
         "pool5.3 was chosen on these test classes themselves, which flatters it."),
        ({"chosen": "fc6"}, "Deploy fc6, the space under the loss: no other did better where the choice was made.",
         "fc6 was chosen on 2 held-out training classes, not on these."),
    ],
)  # fmt: skip
def test_the_recommendation_in_words(tmp_path: Path, options: dict, start: str, second: str) -> None:
    made = synthetic_layers(tmp_path, spaces=FEW, epochs=(), **options)
    sentences = [sentence.replace(numbers.SPACE, " ") for sentence in verdict.of_layers(made)]
    assert sentences[0].startswith(start)
    assert "72 queries" in sentences[0]
    assert sentences[1] == second
    if options.get("difference", (0,))[0] == 0.043:
        assert "4.3 points above fc6, the space under the loss (95 % interval 2.0 to 6.4, 72 queries)." in sentences[0]
    lost = 100 * (recall(made, "train", "fc6") - recall(made, "test", "fc6"))
    assert f"fc6 {'falls' if lost >= 0 else 'rises'} by {abs(lost):.1f} points" in sentences[2]


def test_classes_that_were_trained_are_not_called_unseen(tmp_path: Path) -> None:
    made = synthetic_layers(tmp_path, spaces=FEW, epochs=())
    facts = made.facts
    facts["classes_of"] = dict.fromkeys(CLASSES, CLASSES["train"])
    facts["loss_spaces"] = []
    files.write_json(made.folder / "audit.json", facts)
    sentences = verdict.of_layers(made)
    assert "on new images of 6 classes trained on" in sentences[0]
    assert "fc6, the last space" in sentences[0]
    assert sentences[1] == "pool5.3 was chosen on held-out images of the training classes, not on these."


def test_the_page_holds_figures_tables_and_provenance(audit: Audit, report: Path) -> None:
    source = report.read_text(encoding="utf-8")
    read = Reader(source)
    assert report == audit.folder.parent / "report.html"
    assert "<script>alert" not in source
    assert [tag for tag, _ in read.tags].count("figure") == 4
    assert [tag for tag, _ in read.tags].count("table") == 3
    shown = text(report)
    for expected in ("run <b>bold</b>", "Deploy pool5.3", "R-precision", "MAP@R", "raw pixels", "abc1234", HOSTILE,
                     CLASSES["test"][1], "net:", "spacewise audit RUN"):  # fmt: skip
        assert expected in shown
    for part in ("train", "test"):
        assert f"{100 * recall(audit, part, 'fc6'):.1f}" in shown
    anchors = {a.get("id") for _, a in read.tags}
    assert {a["href"][1:] for tag, a in read.tags if tag == "a" and a["href"].startswith("#")} <= anchors


def test_the_page_is_the_same_when_written_again(audit: Audit, report: Path, tmp_path: Path, no_png: None) -> None:
    assert write_report(audit, tmp_path).read_bytes() == report.read_bytes()


def test_without_kept_epochs_there_is_no_figure_of_them(tmp_path: Path, no_png: None) -> None:
    made = synthetic_layers(tmp_path, spaces=FEW, epochs=(), chosen_on="test")
    read = Reader(write_report(made).read_text(encoding="utf-8"))
    assert [tag for tag, _ in read.tags].count("figure") == 3
    assert [tag for tag, _ in read.tags].count("table") == 2
    assert "As training goes on" not in read.text


def test_lines_for_a_terminal(audit: Audit, tmp_path: Path) -> None:
    lines = audit_lines(audit)
    assert lines[0] == verdict.recommended(audit)
    rows = {line.split()[0]: line for line in lines[2:]}
    assert list(rows) == ["pool5.1", "pool5.2", "pool5.3", "fc6"]
    assert "recommended" in rows["pool5.3"]
    assert f"{100 * recall(audit, 'test', 'fc6'):.1f} %" in rows["fc6"]
    assert "under the loss" in rows["fc6"]
    assert any("overall" in line for line in audit_lines(synthetic(tmp_path)))


def test_a_study_has_a_row_for_every_measurement(methods: dict[str, list[Audit]], page: Path) -> None:
    table = pd.read_csv(page.with_name("study.csv"))
    assert len(table) == sum(len(run.table("retrieval")) for runs in methods.values() for run in runs)
    keys = ["method", "seed", "fold", "weights", "epoch", "part", "space"]
    assert not table.duplicated(keys).any()
    assert {"recall@1", "recall@32", "r_precision", "objective", "epochs", "best_epoch", "commit", "seconds"} <= set(
        table
    )
    chosen = table[table["chosen"] & (table["part"] == "test") & (table["method"] == "NetA")]
    row = chosen[(chosen["space"] == "fc6") & (chosen["seed"] == 1)].iloc[0]
    assert row["recall@1"] == pytest.approx(recall(methods["NetA"][1], "test", "fc6"))
    assert row["paper"] == pytest.approx(0.81)
    assert table.loc[table["part"] == "train", "paper"].isna().all()


def test_the_paired_question_is_that_of_the_seeds(methods: dict[str, list[Audit]], page: Path) -> None:
    paired = layer_study.differences(methods)
    assert list(paired["method"]) == ["NetA", "NetA", "NetD", "NetD", "NetE", "NetE"]
    for method, before, under in (("NetA", "pool5.3", "fc6"), ("NetD", "pool5.2", "pool5.3"), ("NetE", "fc6", "fc7")):
        for part in ("test", "train"):
            row = paired[(paired["method"] == method) & (paired["part"] == part)].iloc[0]
            gains = np.array([recall(run, part, before) - recall(run, part, under) for run in methods[method]])
            reach = stats.t.ppf(0.975, 2) * gains.std(ddof=1) / 3**0.5
            assert (row["before"], row["under"], row["runs"]) == (before, under, 3)
            assert (row["difference"], row["low"]) == pytest.approx((gains.mean(), gains.mean() - reach))
            assert row["ahead"] == (gains > 0).sum()
            assert numbers.signed(gains.mean()) in text(page)


def test_the_pages_table_sets_the_papers_beside_ours(methods: dict[str, list[Audit]], page: Path) -> None:
    shown = text(page)
    values = np.array([recall(run, "test", "fc6") for run in methods["NetA"]])
    assert f"{100 * values.mean():.1f} ± {100 * values.std(ddof=1):.1f} †" in shown
    assert "paper 87.8" in shown
    assert "paper 1.0" not in shown
    source = page.read_text(encoding="utf-8")
    assert "<script>alert" not in source
    assert HOSTILE in " ".join(Reader(source).words)
    assert {f"{name}.svg" for name in ("pairs", "layers", "epochs")} <= {
        f.name for f in (page.parent / "figures").iterdir()
    }


def test_spaces_of_all_networks_stand_in_one_order(methods: dict[str, list[Audit]], tmp_path: Path) -> None:
    headed = synthetic_layers(tmp_path, spaces=("pool5.3", "fc6", "classifier"), loss=("classifier",), images=3)
    assert study_tables.ordered({"head": [headed], **methods}) == [
        "pool5.2", "pool5.3", "fc6", "fc7", "classifier", "pixels",
    ]  # fmt: skip


def _paired(*rows: tuple[str, float, float, float]) -> pd.DataFrame:
    found = [
        {"method": name, "part": part, "before": "pool5.3", "under": "fc6", "runs": 1 if low != low else 3,
         "difference": gain if part == "test" else -0.02, "low": low, "high": high}
        for name, gain, low, high in rows for part in ("test", "train")
    ]  # fmt: skip
    return pd.DataFrame(found)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("A", 0.07, 0.05, 0.09), ("B", 0.03, 0.01, 0.05)],
         ["Yes: the space before the one under the loss generalises better in all 2 networks.",
          "Better on test classes: A (pool5.3 over fc6 +7.0 points [5.0, 9.0]), B (pool5.3 over fc6 +3.0 points "
          "[1.0, 5.0])."]),
        ([("A", 0.07, 0.05, 0.09), ("B", 0.03, -0.01, 0.05)],
         ["In part: the space before the one under the loss generalises better, by more than chance would give, in 1 "
          "of 2 networks.", "Better on test classes: A (pool5.3 over fc6 +7.0 points [5.0, 9.0]).",
          "No clear difference: B (pool5.3 over fc6 +3.0 points [−1.0, 5.0])."]),
        ([("A", -0.07, -0.09, -0.05)], ["No: here the space under the loss generalises better."]),
        ([("A", 0.01, -0.09, 0.15)], ["Not shown here: in none of 1 network is it more than chance may give that the "
                                      "space before the one under the loss generalises better."]),
        ([("A", 0.01, np.nan, np.nan), ("B", -0.01, np.nan, np.nan)],
         ["One run each: the space before the one under the loss generalises better in 1 of 2 networks, a hint and no "
          "more.", "Higher on test classes: A (pool5.3 over fc6 +1.0 points)."]),
    ],
)  # fmt: skip
def test_the_answer_of_a_study(rows: list, expected: list[str]) -> None:
    sentences = study_tables.verdict({}, _paired(*rows))
    assert sentences[: len(expected)] == expected
    assert any(s.startswith("On training classes the space under the loss is higher on average in") for s in sentences)
    assert "(by 2.0 points)" in " ".join(sentences)


def test_one_run_each_has_no_interval(methods: dict[str, list[Audit]], tmp_path: Path, no_png: None) -> None:
    page = write_study({"NetA": methods["NetA"][:1]}, tmp_path, title="t", command="c")
    assert "One run a network: what another seed would give is not known." in text(page)
    assert numbers.number(100 * recall(methods["NetA"][0], "test", "fc6")) in text(page)


def test_a_loss_on_the_first_space_has_nothing_before_it(tmp_path: Path, no_png: None) -> None:
    made = synthetic_layers(tmp_path / "run", spaces=POOLS[:1], loss=POOLS[:1], chosen=POOLS[0], images=4)
    with pytest.raises(InputError, match="two or more"):
        draw(made, "gallery")
    page = write_study({"one": [made]}, tmp_path / "out", title="t", command="c")
    assert "there is none before it" in text(page)


def test_what_is_no_study_is_refused(methods: dict[str, list[Audit]], tmp_path: Path) -> None:
    closed = synthetic(tmp_path)
    for audits, words in (
        ({}, "at least one method"),
        ({"NetA": []}, "'NetA' has no audit"),
        ({"closed": [closed]}, "no audit by retrieval"),
        ({"mixed": [methods["NetA"][0], methods["NetE"][0]]}, "other spaces than"),
    ):
        with pytest.raises(InputError, match=words):
            write_study(audits, tmp_path / "out", title="t", command="c")


def test_a_kept_epoch_that_was_chosen_stands_once(tmp_path: Path) -> None:
    made = synthetic_layers(tmp_path, spaces=FEW)
    table = made.table("retrieval").query("weights == 'epoch5'")
    first = pd.concat([table.assign(r_precision=0.5), table])
    files.write_table(made.folder / "retrieval.parquet", first)
    files.write_json(made.folder / "audit.json", made.facts | {"weights": "epoch5"})
    assert list(retrieval.chosen(made, "test").index) == list(FEW)
    assert (retrieval.chosen(made, "test")["r_precision"] == 0.5).all()
    assert layer_study.study({"one": [made]})["chosen"].sum() == 3 * len(FEW)
