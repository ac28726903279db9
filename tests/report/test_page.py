"""The pages stand alone, escape what they print, and answer in words that the data bear out."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.report.synthetic import HOSTILE, synthetic

from spacewise import InputError, files
from spacewise.audits import Audit
from spacewise.measures.summary import mcnemar, paired_difference
from spacewise.report import comparison, numbers, provenance, reading, verdict
from spacewise.report.comparison import compare
from spacewise.report.page import write_comparison, write_report


class Reader(HTMLParser):
    """Collects tags, their attributes, and the text of a page; complains of tags left open."""

    VOID = ("meta", "br", "img", "link", "path", "use", "rect", "image")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(page)
        assert self.open == [], f"left open: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def audit(tmp_path_factory: pytest.TempPathFactory) -> Audit:
    return synthetic(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def report(audit: Audit) -> Path:
    return write_report(audit)


@pytest.fixture(scope="module")
def compared(audit: Audit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    better = synthetic(tmp_path_factory.mktemp("better"), seed=1, quality=6)
    return write_comparison(
        {"baseline": [audit], HOSTILE: [better]},
        tmp_path_factory.mktemp("comparison"),
        title=f"Which holds up? {HOSTILE}",
        command=f"spacewise compare {HOSTILE}",
        paper={"baseline": {"seen": 91.6, "pfa_at_pd90": 56.1}, "another": {"seen": 1.0}},
    )


def test_the_report_lies_in_the_runs_folder(audit: Audit, report: Path) -> None:
    assert report == audit.folder.parent / "report.html"
    drawn = {file.name for file in (report.parent / "figures").iterdir()}
    assert {"tsne.svg", "tsne.png", "roc.svg", "representation.svg", "training.png"} <= drawn
    assert not [name for name in drawn if name.startswith(".")]


@pytest.mark.parametrize("page", ["report", "compared"])
def test_pages_stand_alone_and_escape(page: str, request: pytest.FixtureRequest) -> None:
    path: Path = request.getfixturevalue(page)
    source = path.read_text(encoding="utf-8")
    read = Reader(source)
    assert "http:" not in source
    assert "https:" not in source
    assert "//" not in re.sub(r"data:image/png;base64,[\w+/=\s]+|\b//\b", "", source).replace("</", "")
    assert "<script>alert" not in source
    assert [tag for tag, _ in read.tags].count("script") == 1
    assert not {"i", "link", "iframe", "img"} & {tag for tag, _ in read.tags}
    for tag, attributes in read.tags:
        for key in ("href", "src", "xlink:href"):
            reference = attributes.get(key)
            if reference is None:
                continue
            local = reference.startswith(("#", "data:image/png;base64,", "figures/"))
            assert local, f"{tag} leads to {reference[:80]}"
            if reference.startswith("figures/"):
                assert (path.parent / reference).is_file()
            if reference.startswith("#") and tag == "a":
                assert reference[1:] in {a.get("id") for _, a in read.tags}
        assert not [key for key in attributes if key.startswith("on")]
    assert HOSTILE in " ".join(read.words)


def test_a_report_holds_its_tables_and_its_experiment(audit: Audit, report: Path) -> None:
    read = Reader(report.read_text(encoding="utf-8"))
    assert [tag for tag, _ in read.tags].count("table") == 3
    assert [tag for tag, _ in read.tags].count("figure") == 10
    for expected in (
        "run <b>bold</b>",
        "crossentropy@classifier + 0.003*center@feature",
        "nearest training image, %",
        "Mahalanobis, classifier space",
        "2 samples stand in <train> and test",
        "abc1234",
        'spacewise train "<i>x</i>"',
        "spacewise audit RUN --copies 2 --shift 4",
        "12 s",
        "perplexity",
        "seed 0",
    ):
        assert expected in read.text.replace(numbers.SPACE, " ")
    row = reading.accuracy(audit, reading.main_view(audit)).loc["unseen"]
    assert f"{100 * row['accuracy']:.1f}" in read.text
    assert f"[{100 * row['low']:.1f}, {100 * row['high']:.1f}]" in read.text
    assert "name: by-fact" in read.text


def test_a_page_is_the_same_when_written_again(audit: Audit, report: Path, tmp_path: Path, no_png: None) -> None:
    again = write_report(audit, tmp_path)
    assert again == tmp_path / "report.html"
    assert again.read_bytes() == report.read_bytes()


def test_a_page_works_in_light_and_dark(report: Path) -> None:
    source = report.read_text(encoding="utf-8")
    assert "prefers-color-scheme: dark" in source
    assert 'data-theme="dark"' in source
    assert "currentColor" in source
    assert "#1f2430" not in re.sub(r"<style>.*?</style>", "", source, flags=re.S)


def test_a_report_of_other_data_has_another_name(tmp_path: Path, no_png: None) -> None:
    made = synthetic(tmp_path, confusers=False, novelty=False, copies=0, classes=("a", "b"))
    other = made.folder.rename(tmp_path / "audit-elsewhere")
    page = write_report(Audit(other))
    assert page == tmp_path / "report-elsewhere.html"
    assert (tmp_path / "figures-elsewhere" / "tsne.svg").is_file()
    text = Reader(page.read_text(encoding="utf-8")).text
    assert "Rejecting" not in text
    assert "unseen" not in text


def test_the_answer_on_a_run_is_computed(audit: Audit) -> None:
    table = reading.accuracy(audit, "and 2 shifted copies")["accuracy"]
    sentences = [sentence.replace(numbers.SPACE, " ") for sentence in verdict.of_run(audit)]
    assert sentences[0].startswith(f"On unseen serial numbers the network is right in {100 * table['unseen']:.1f} %")
    lost = 100 * (table["seen"] - table["unseen"])
    side = "less" if lost >= 0 else "more"
    assert f"{abs(lost):.1f} points {side} than on seen ones" in sentences[0]
    rejected = audit.table("rejection").set_index("score")
    assert f"Of confusers, {100 * rejected.loc['maximum_softmax', 'pfa_at_pd90']:.1f} %" in sentences[-1]


def test_a_comparison_has_a_page_a_table_and_figures(audit: Audit, compared: Path) -> None:
    assert compared.name == "comparison.html"
    table = pd.read_csv(compared.with_name("comparison.csv"))
    row = comparison.value(table, "baseline", "seen")
    assert row["paper"] == pytest.approx(0.916)
    assert row["mean"] == pytest.approx(reading.accuracy(audit, "and 2 shifted copies").loc["seen", "accuracy"])
    read = Reader(compared.read_text(encoding="utf-8"))
    assert [tag for tag, _ in read.tags].count("figure") == 5
    assert {f"{name}.svg" for name in ("methods", "roc", "tsne", "projections", "confusions")} <= {
        file.name for file in (compared.parent / "figures").iterdir()
    }
    assert "McNemar" in read.text
    assert f"“{HOSTILE}” comes out highest on unseen serial numbers" in read.text
    for expected in ("91.6", "56.1"):
        assert expected in read.text


def test_one_run_each_is_tested_by_sample(tmp_path: Path) -> None:
    one, other = synthetic(tmp_path / "1", seed=1), synthetic(tmp_path / "2", seed=2, quality=3)
    row = comparison.value(compare({"one": [one], "other": [other]}), "other", "unseen")
    first, second = (reading.test_samples(audit) for audit in (one, other))
    unseen = reading.mask(first, "unseen")
    correct = [frame["correct"].to_numpy()[unseen] for frame in (first, second)]
    assert row["test"] == "McNemar"
    assert row["p"] == mcnemar(*correct)
    assert row["difference"] == pytest.approx(correct[1].mean() - correct[0].mean())
    assert row["difference_low"] <= row["difference"] <= row["difference_high"]
    assert row["pairs"] == unseen.sum()


def test_samples_in_another_order_are_paired_by_id(tmp_path: Path) -> None:
    one, other = synthetic(tmp_path / "1", seed=1), synthetic(tmp_path / "2", seed=1)
    shuffled = other.table("samples").sample(frac=1, random_state=0)
    files.write_table(other.folder / "samples.parquet", shuffled)
    row = comparison.value(compare({"one": [one], "other": [other]}), "other", "overall")
    assert (row["difference"], row["p"]) == (0, 1)


def test_other_test_samples_are_not_tested(tmp_path: Path) -> None:
    one, other = synthetic(tmp_path / "1", seed=1), synthetic(tmp_path / "2", seed=2)
    samples = other.table("samples")
    files.write_table(other.folder / "samples.parquet", samples.assign(id="x" + samples["id"]))
    table = compare({"one": [one], "other": [other]})
    row = comparison.value(table, "other", "overall")
    assert row["test"] == ""
    assert np.isnan(row["p"])
    assert row["difference"] == pytest.approx(row["mean"] - comparison.value(table, "one", "overall")["mean"])
    assert "not tested" in " ".join(verdict.of_comparison(table, "unseen serial numbers", {"unseen": 0.5}))


def test_several_runs_are_paired_by_seed(tmp_path: Path) -> None:
    methods = {
        name: [synthetic(tmp_path / f"{name}{seed}", seed=seed, quality=quality) for seed in seeds]
        for name, quality, seeds in (("one", 1.0, (0, 1, 2)), ("other", 3.0, (2, 0, 1)))
    }
    table = compare(methods)
    row = comparison.value(table, "other", "overall")
    figures = {
        name: {audit.facts["experiment"]["seed"]: _overall(audit) for audit in audits}
        for name, audits in methods.items()
    }
    expected = paired_difference(*([figures[name][seed] for seed in range(3)] for name in ("one", "other")))
    assert row["test"] == "paired t"
    assert (row["difference"], row["p"]) == pytest.approx((expected.difference, expected.p))
    assert (row["runs"], row["pairs"]) == (3, 3)
    assert row["mean"] == pytest.approx(np.mean(list(figures["other"].values())))
    assert row["std"] == pytest.approx(np.std(list(figures["other"].values()), ddof=1))
    assert comparison.best(table, "overall") == ["other"]
    assert comparison.value(table, "other", "pfa_at_pd90")["test"] == "paired t"


def _overall(audit: Audit) -> float:
    return float(reading.accuracy(audit, reading.main_view(audit)).loc["overall", "accuracy"])


def _row(method: str, figure: str, mean: float, difference: float = np.nan, p: float = np.nan) -> dict:
    reach = 0.02 if p == p else np.nan
    ends = {"difference_low": difference - reach, "difference_high": difference + reach}
    shown = {"mean": mean, "low": mean - 0.01, "high": mean + 0.01, "difference": difference, "p": p}
    return {"method": method, "figure": figure, "view": "as stored", "test": "McNemar" if p == p else ""} | shown | ends


@pytest.mark.parametrize(
    ("gain", "p", "expected"),
    [
        (0.094, 1e-6, "“dual” holds up best on unseen serial numbers: 94.1 % against 84.7 % for “base” (difference "
         "+9.4 points, 95 % interval +7.4 to +11.4, p < 0.001)."),
        (0.004, 0.4, "“dual” comes out highest on unseen serial numbers, though by no more than chance may give: "
         "85.1 % against 84.7 % for “base” (difference +0.4 points, 95 % interval −1.6 to +2.4, p = 0.40)."),
        (0.02, np.nan, "“dual” comes out highest on unseen serial numbers: 86.7 % against 84.7 % for “base” "
         "(difference +2.0 points; without paired runs or samples, not tested)."),
        (-0.03, 0.01, "No method beats “base” on unseen serial numbers: 84.7 %; next is “dual” with 81.7 % (difference "
         "−3.0 points, 95 % interval −5.0 to −1.0, p = 0.010)."),
    ],
)  # fmt: skip
def test_the_answer_on_methods(gain: float, p: float, expected: str) -> None:
    rows = [_row("base", "unseen", 0.847), _row("dual", "unseen", 0.847 + gain, gain, p)]
    rows += [_row("base", "pfa_at_pd90", 0.561), _row("dual", "pfa_at_pd90", 0.205, -0.356)]
    sentences = verdict.of_comparison(pd.DataFrame(rows), "unseen serial numbers", {"unseen": 0.755})
    shown = [sentence.replace(numbers.SPACE, " ") for sentence in sentences]
    assert shown == [
        expected,
        "A nearest neighbour on raw pixels reaches 75.5 % on unseen serial numbers.",
        "Of confusers, “dual” accepts 20.5 % [19.5, 21.5] at 90 % detection, “base” 56.1 % [55.1, 57.1].",
    ]


def test_one_method_alone_is_reported(tmp_path: Path, no_png: None) -> None:
    made = synthetic(tmp_path / "run", confusers=False)
    page = write_comparison({"only": [made]}, tmp_path / "out", title="t", command="c")
    text = Reader(page.read_text(encoding="utf-8")).text
    assert "“only” is right in" in text
    assert "more than chance" not in text


def test_what_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    one = synthetic(tmp_path / "1")
    two = synthetic(tmp_path / "2", classes=("a", "b"))
    with pytest.raises(InputError, match="at least one method"):
        compare({})
    with pytest.raises(InputError, match="method 'none' has no audit"):
        compare({"one": [one], "none": []})
    with pytest.raises(InputError, match="method 'two' knows the classes a, b"):
        compare({"one": [one], "two": [two]})


def test_a_page_that_cannot_be_written_says_so(audit: Audit, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        write_report(audit, tmp_path / "file")


def test_a_network_made_in_python_has_no_command(audit: Audit, tmp_path: Path) -> None:
    made = synthetic(tmp_path)
    facts = made.facts
    facts["experiment"]["net"] = {"name": "custom"}
    files.write_json(made.folder / "audit.json", facts)
    assert provenance.commands(made) == []
    assert provenance.commands(audit)


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (numbers.percent(0.9412), "94.1\u202f%"),
        (numbers.percent(float("nan")), "–"),
        (numbers.interval(0.928, 0.952), "[92.8, 95.2]"),
        (numbers.interval(float("nan"), 1.0), ""),
        (numbers.signed(0.094), "+9.4"),
        (numbers.signed(-0.003), "\u22120.3"),
        (numbers.signed(-0.0001), "0.0"),
        (numbers.probability(0.0004), "p\u202f<\u202f0.001"),
        (numbers.probability(0.0312), "p\u202f=\u202f0.031"),
        (numbers.probability(0.5), "p\u202f=\u202f0.50"),
        (numbers.duration(685), "11\u202fmin 25\u202fs"),
        (numbers.duration(7384), "2\u202fh 3\u202fmin"),
        (numbers.count(12345), "12,345"),
    ],
)
def test_numbers_are_printed(shown: str, expected: str) -> None:
    assert shown == expected


def test_intervals_of_shares_and_means() -> None:
    low, high = numbers.wilson(0.5, 100)
    assert (low, high) == pytest.approx((0.4038, 0.5962), abs=1e-4)
    assert np.isnan(numbers.wilson(float("nan"), 0)).all()
    low, high = numbers.mean_interval(np.array([0.9, 0.92, 0.94]))
    assert (low, high) == pytest.approx((0.92 - 4.3027 * 0.02 / 3**0.5, 0.92 + 4.3027 * 0.02 / 3**0.5), abs=1e-5)
    assert numbers.mean_interval(np.array([0.99, 1.0, 0.95]))[1] == 1
    assert np.isnan(numbers.mean_interval(np.array([0.9]))).all()
