"""What a transfer is worth: the page's numbers and words are those of the runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from tests.report.synthetic import HOSTILE
from tests.report.synthetic_transfer import (
    ALIGNED,
    BUDGETS,
    CLASSES,
    LEVELS,
    TARGET,
    TUNED,
    synthetic_domains,
    synthetic_transfer,
)
from tests.report.test_page import Reader

from spacewise import InputError
from spacewise.report import drawing, numbers, transfer_figures, transfer_numbers, transfer_spaces, transfer_tables
from spacewise.report.transfer_study import write_transfer
from spacewise.report.transfer_tables import transfer_lines
from spacewise.report.transfer_verdict import verdict

BASES = (TARGET, TUNED)
SETS = ("low-rise, 4 classes", "urban, 10 classes")


@pytest.fixture(autouse=True)
def no_png(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "png", lambda figure: b"")  # the time of drawing what the tests do not look at


@pytest.fixture(scope="module")
def runs() -> pd.DataFrame:
    return synthetic_transfer(sets=SETS)


@pytest.fixture(scope="module")
def page(runs: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawing, "png", lambda figure: b"")
        return write(runs, tmp_path_factory.mktemp("transfer"), domains=synthetic_domains(runs))


def write(runs: pd.DataFrame, out: Path, **options: object) -> Path:
    return write_transfer(runs, out, **({"title": "t", "command": "c", "baselines": BASES} | options))  # type: ignore[arg-type]


def text(path: Path) -> str:
    return Reader(path.read_text(encoding="utf-8")).text.replace(numbers.SPACE, " ")


def values(runs: pd.DataFrame, of_set: str, method: str, budget: str) -> np.ndarray:
    """(seed,) accuracies in percent, by hand."""
    mine = runs[(runs["set"] == of_set) & (runs["method"] == method) & (runs["budget"] == budget)]
    return 100 * mine.sort_values("seed")["accuracy"].to_numpy()


def cells(table: transfer_tables.Table, *starts: str) -> list:
    """The cells behind those that name a row."""
    return next(list(row[1:]) for row in table.rows if all(s in row[0].text + row[0].small for s in starts))


def of_levels(*rows: tuple[float, ...], noise: float = 0.002, **options: object) -> pd.DataFrame:
    """Runs of the three methods at four budgets each."""
    return synthetic_transfer(levels=dict(zip(LEVELS, rows, strict=True)), noise=noise, **options)  # type: ignore[arg-type]


def test_the_page_holds_means_and_standard_errors(runs: pd.DataFrame, page: Path) -> None:
    shown = text(page)
    for of_set in SETS:
        table = transfer_tables.accuracy(runs, of_set)
        for method in LEVELS:
            for budget, cell in zip(BUDGETS, cells(table, method), strict=True):
                found = values(runs, of_set, method, budget)
                error = found.std(ddof=1) / len(found) ** 0.5
                assert cell.text.replace(numbers.SPACE, " ") == f"{found.mean():.1f} ± {error:.1f}"
                assert cell.text.replace(numbers.SPACE, " ") in shown
    assert "over 5 runs (seeds) each" in shown
    assert "Chance: 25.0 %" in shown


def test_differences_are_paired_by_seed(runs: pd.DataFrame, page: Path) -> None:
    shuffled = runs.sample(frac=1, random_state=0)
    shown, table = text(page), transfer_numbers.differences(shuffled, BASES)
    assert len(table) == len(SETS) * len(BASES) * len(BUDGETS)
    for row in table.to_dict("records"):
        gains = values(runs, row["set"], ALIGNED, row["budget"]) - values(runs, row["set"], row["other"], row["budget"])
        reach = stats.t.ppf(0.975, 4) * gains.std(ddof=1) / 5**0.5
        low, high = gains.mean() - reach, gains.mean() + reach
        assert (100 * row["difference"], 100 * row["low"]) == pytest.approx((gains.mean(), low))
        assert row["p"] == pytest.approx(stats.ttest_1samp(gains, 0).pvalue)
        assert (row["ahead"], row["seeds"]) == ((gains > 0).sum(), 5)
        ends = f"[{low:.1f}, {high:.1f}]".replace("-", numbers.MINUS)
        assert f"{numbers.signed(gains.mean() / 100)} {ends}" in shown
        assert f"{row['ahead']} of 5" in shown


def test_bold_is_what_seeds_bear_out(runs: pd.DataFrame) -> None:
    for of_set in SETS:
        table = transfer_tables.accuracy(runs, of_set)
        for column, budget in enumerate(BUDGETS):
            by = {method: values(runs, of_set, method, budget) for method in LEVELS}
            first, second = sorted(by, key=lambda name: -by[name].mean())[:2]
            clear = stats.ttest_rel(by[first], by[second]).pvalue < 0.05
            bold = [method for method in LEVELS if cells(table, method)[column].best]
            assert bold == ([first] if clear else [])
        gains = transfer_tables.differences(transfer_numbers.differences(runs, BASES), runs, of_set)
        assert gains is not None
        assert [cell.best for cell in cells(gains, ALIGNED, TARGET)][0::3] == [True, True]


@pytest.mark.parametrize(
    ("target", "first", "expected"),
    [
        ((0.3, 0.4, 0.7, 0.8), "1024", "overtakes “T” on average from 1024 labels on, by more than chance would give"),
        ((0.3, 0.4, 0.5, 0.8), "all", "with all 12,345 labels, the largest budget, by more than chance would give"),
        ((0.8, 0.4, 0.5, 0.8), "all", "with all 12,345 labels, the largest budget, by more than chance would give"),
        ((0.3, 0.7, 0.7, 0.5), "", f"“{TARGET}” and “{TUNED}” do not overtake “T”"),
        ((0.7, 0.7, 0.7, 0.8), "32", "is ahead of “T” on average at every budget, by more than chance would give"),
    ],
)
def test_the_budget_of_overtaking_is_found(target: tuple[float, ...], first: str, expected: str) -> None:
    runs = of_levels(target, (0.2,) * 4, (0.5, 0.55, 0.6, 0.65)).replace(ALIGNED, "T")
    found = transfer_numbers.overtaking(runs, BASES).set_index("baseline")
    assert (found.loc[TARGET, "first"], found.loc[TARGET, "clear"]) == (first, first)
    assert not found.loc[TUNED, "first"]
    shown = " ".join(verdict(runs, BASES))
    assert f"“{TARGET}” " in shown
    assert expected in shown
    assert (f"“{TUNED}” does not overtake “T”" in shown) == bool(first)


def test_a_lead_on_average_is_not_called_clear() -> None:
    runs = of_levels((0.3, 0.4, 0.5, 0.8), (0.2,) * 4, (0.5, 0.55, 0.6, 0.65), noise=0)
    late = (runs["method"] == TARGET) & (runs["budget"] == "1024")
    runs.loc[late, "accuracy"] = 0.6 + np.array([-0.05, 0.06, -0.04, 0.05, 0.0])  # 0.4 points ahead, of noise
    found = transfer_numbers.overtaking(runs, [TARGET]).iloc[0]
    assert (found["first"], found["clear"]) == ("1024", "all")
    shown = " ".join(verdict(runs, [TARGET]))
    assert "on average from 1024 labels on, by more than chance would give from all 12,345 labels on" in shown


@pytest.mark.parametrize(
    ("aligned", "noise", "start"),
    [
        (0.7, 0.002, "Yes: “T” is better than the best baseline at every label budget."),
        (0.3, 0.002, "No: “T” is worse than the best baseline at every label budget."),
        (0.5, 0.02, "No clear gain: “T” is better than the best baseline, by more than chance may give, at none of 4 "
         "label budgets."),
    ],
)  # fmt: skip
def test_the_answer_is_plain(aligned: float, noise: float, start: str) -> None:
    runs = of_levels((0.5,) * 4, (0.5,) * 4, (aligned,) * 4, noise=noise).replace(ALIGNED, "T")
    assert verdict(runs, BASES)[0] == start


def test_the_answer_counts_gains_and_losses(runs: pd.DataFrame) -> None:
    sentences = verdict(runs, BASES)
    rows = transfer_numbers.duels(runs, BASES)
    found = [transfer_numbers.outcome(row) for row in rows]
    better, worse = found.count("holds"), found.count("reversed")
    assert (better, worse) == (4, 2)
    assert sentences[0] == (
        f"In part: “{ALIGNED}” is better than the best baseline, by more than chance would give, at 4 of 8 label "
        "budgets (2 class sets together), and worse at 2."
    )
    for of_set, sentence in zip(SETS, sentences[2:4], strict=True):
        best = max(BASES, key=lambda name: values(runs, of_set, name, "32").mean())
        gain = (values(runs, of_set, ALIGNED, "32") - values(runs, of_set, best, "32")).mean()
        assert sentence.startswith(f"{of_set}: better with 32 labels (+{gain:.1f} points [")
        assert f"against “{best}”" in sentence
    assert sentences[-1].startswith("Mean differences over the 5 seeds that both have, 95 % Student intervals.")


def test_several_methods_are_named_where_they_lead() -> None:
    levels = {**LEVELS, "with SupCon": (0.6, 0.5, 0.7, 0.7)}
    sentences = verdict(synthetic_transfer(levels=levels, noise=0.002), BASES)
    assert sentences[0].startswith("In part: the best of 2 other methods is better than the best baseline")
    assert "Better with 32 labels (“with SupCon” +" in sentences[3]
    assert f"128 labels (“{ALIGNED}” +" in sentences[3]


def test_one_seed_has_neither_interval_nor_p(tmp_path: Path) -> None:
    one = synthetic_transfer(seeds=[3])
    shown = text(write(one, tmp_path))
    assert "One seed: no intervals and no tests; what another seed would give is not known." in shown
    assert "p =" not in shown
    assert "p <" not in shown
    assert "±" not in shown
    assert "more than chance" not in shown
    gain = (values(one, "", ALIGNED, "32") - values(one, "", TUNED, "32"))[0]
    assert f"32 labels (+{gain:.1f} points against “{TUNED}”)" in shown
    assert not [cell for row in transfer_tables.accuracy(one, "").rows for cell in row if cell.best]


def test_a_budget_that_was_not_run_is_an_empty_cell(runs: pd.DataFrame, tmp_path: Path) -> None:
    left = runs[~((runs["set"] == SETS[0]) & (runs["method"] == TUNED) & (runs["budget"] == "128"))]
    shown = text(write(left, tmp_path))
    assert [bool(cell.text) for cell in cells(transfer_tables.accuracy(left, SETS[0]), TUNED)] == [
        True, False, True, True,
    ]  # fmt: skip
    gains = transfer_tables.differences(transfer_numbers.differences(left, BASES), left, SETS[0])
    assert gains is not None
    assert [bool(cell.text) for cell in cells(gains, ALIGNED, TUNED)] == [True, False, True, True]
    assert "An empty cell: not run." in shown
    assert "An empty cell: one of the two was not run." in shown
    assert "Where a line ends or breaks" in shown


def test_unequal_seeds_are_paired_over_common_ones(runs: pd.DataFrame) -> None:
    left = runs[
        ~((runs["method"] == TUNED) & (runs["seed"] == 0)) & ~((runs["method"] == ALIGNED) & (runs["seed"] > 3))
    ]
    row = transfer_numbers.paired(left, SETS[0], "32", ALIGNED, TUNED)
    gains = (values(runs, SETS[0], ALIGNED, "32") - values(runs, SETS[0], TUNED, "32"))[1:4]
    assert (row["seeds"], 100 * row["difference"]) == (3, pytest.approx(gains.mean()))
    assert cells(transfer_tables.accuracy(left, SETS[0]), TARGET)[0].small == "5 runs"
    assert cells(transfer_tables.accuracy(left, SETS[0]), TUNED)[0].small == "4 runs"
    none = runs[(runs["method"] != ALIGNED) & (runs["seed"] < 2) | (runs["method"] == ALIGNED) & (runs["seed"] > 2)]
    assert "no seed in common with 32 labels" in " ".join(verdict(none, BASES))
    gains_table = transfer_tables.differences(transfer_numbers.differences(none, BASES), none, SETS[0])
    assert gains_table is not None
    assert {cell.text for cell in cells(gains_table, ALIGNED, TUNED)} == {"–"}


def test_spaces_are_means_of_what_was_measured(runs: pd.DataFrame) -> None:
    some = runs.copy()
    gone = (some["method"] == ALIGNED) & (some["budget"] == "32") & (some["seed"] < 2) & (some["set"] == SETS[0])
    some.loc[gone, "separability"] = np.nan
    table = transfer_spaces.spaces(some, SETS[0])
    assert table is not None
    assert TARGET not in {row[0].text for row in table.rows}
    row = next(row for row in table.rows if row[0].text == ALIGNED)
    mine = some[(some["method"] == ALIGNED) & (some["budget"] == "32") & (some["set"] == SETS[0])]
    known = mine["separability"].dropna()
    shown = f"{known.mean():.3f} ± {known.std() / 3**0.5:.3f}"
    assert (row[3].text.replace(numbers.SPACE, " "), row[3].small) == (shown, "3 of 5 runs")
    assert row[2].text.startswith(f"{100 * mine['source_accuracy'].mean():.1f}")
    assert row[4].text.startswith(f"{mine['distance'].mean():.2f}")
    assert transfer_spaces.spaces(runs[runs["method"] == TARGET], SETS[0]) is None


def test_classes_are_shown_for_the_largest_set_and_smallest_budget(runs: pd.DataFrame, page: Path) -> None:
    domains = synthetic_domains(runs)
    larger = domains[(domains["set"] == SETS[1]) | (domains["class"] != CLASSES[1])]
    larger = larger[larger["budget"] != "32"]
    assert transfer_spaces.largest(larger, runs) == (SETS[1], "128")
    (title, table), _ = transfer_spaces.domains_by_class(larger, runs)
    assert title == f"Class by class in the space embedding, {SETS[1]}, 128 labels"
    mine = runs[(runs["set"] == SETS[1]) & (runs["budget"] == "128") & (runs["method"] == ALIGNED)]
    last = cells(table, CLASSES[-1])[1]
    assert last.text.startswith(f"{4 * mine['distance'].mean():.2f}")
    assert last.small == f"itself 3 of 5\nelse {CLASSES[0]}"
    assert cells(table, CLASSES[0])[1].small == "itself 5 of 5"
    assert "itself 3 of 5" in text(page)


def test_a_class_without_a_distance_is_a_dash(runs: pd.DataFrame) -> None:
    domains = synthetic_domains(runs).astype({"matched": float})
    domains.loc[domains["class"] == CLASSES[2], ["distance", "matched"]] = np.nan
    (_, table), _ = transfer_spaces.domains_by_class(domains, runs)
    assert [cell.text for cell in cells(table, CLASSES[2])] == ["–", "–"]


def test_the_page_stands_alone_and_escapes(runs: pd.DataFrame, tmp_path: Path) -> None:
    odd = runs.replace(ALIGNED, HOSTILE)
    figure = transfer_figures.over_budgets(odd)
    options = {"maps": [(f"Both {HOSTILE} spaces", HOSTILE, figure)], "notes": [f"note {HOSTILE}"]}
    page = write(odd, tmp_path, title=HOSTILE, facts={"machine": HOSTILE}, **options)
    source = page.read_text(encoding="utf-8")
    read = Reader(source)
    assert "<script>alert" not in source
    assert HOSTILE in " ".join(read.words)
    assert [tag for tag, _ in read.tags].count("figure") == 2
    assert [tag for tag, _ in read.tags].count("table") == 3 * len(SETS) + 1
    anchors = {a.get("id") for _, a in read.tags}
    assert {a["href"][1:] for tag, a in read.tags if tag == "a" and (a["href"] or "").startswith("#")} <= anchors
    drawn = {file.name for file in (tmp_path / "figures").iterdir()}
    assert {"accuracy.svg", "accuracy.png"} < drawn
    assert len(drawn) == 4


def test_the_page_is_the_same_when_written_again(runs: pd.DataFrame, page: Path, tmp_path: Path) -> None:
    assert write(runs, tmp_path, domains=synthetic_domains(runs)).read_bytes() == page.read_bytes()


def test_the_runs_are_kept_and_shown(runs: pd.DataFrame, page: Path) -> None:
    kept = pd.read_csv(page.with_name("transfer.csv"))
    assert list(kept.columns) == list(runs.columns)
    assert kept["accuracy"].to_numpy() == pytest.approx(runs["accuracy"].to_numpy())
    table = transfer_tables.every_run(runs)
    assert len(table.rows) == len(runs)
    assert list(table.heads)[-3:] == ["steps", "training took", "commit"]
    assert "2 min 5 s" in text(page)
    assert "abc1234" in text(page)


def test_the_figure_shows_means_errors_and_runs(runs: pd.DataFrame) -> None:
    figure = transfer_figures.over_budgets(runs)
    assert len(figure.axes) == len(SETS)
    for of_set, ax in zip(SETS, figure.axes, strict=True):
        lines = [line for line in ax.lines if line.get_linestyle() == "-" and line.get_marker() not in ("", "None")]
        for method, line in zip(LEVELS, lines, strict=True):
            expected = [values(runs, of_set, method, budget).mean() for budget in BUDGETS]
            assert line.get_ydata() == pytest.approx(expected)
            assert np.round(line.get_xdata()).tolist() == [0, 1, 2, 3]
        assert len({line.get_color() for line in lines}) == len({line.get_marker() for line in lines}) == len(LEVELS)
        faint = [line for line in ax.lines if line.get_alpha() == 0.3]
        assert sorted(len(line.get_ydata()) for line in faint) == [20] * 3
        chance = 100 * runs.loc[runs["set"] == of_set, "chance"].iloc[0]
        assert [chance, chance] in [list(line.get_ydata()) for line in ax.lines]


@pytest.mark.parametrize("number", [1, 3, 4, 5])
def test_any_number_of_sets_and_methods_is_drawn(number: int) -> None:
    levels = {f"method {i} with a name of some length": (0.3 + 0.02 * i,) * 4 for i in range(14)}
    sets = [f"set {i}" for i in range(number)] if number > 1 else [""]
    figure = transfer_figures.over_budgets(synthetic_transfer(sets=sets, levels=levels, seeds=[0], chance=False))
    assert sum(ax.get_visible() for ax in figure.axes) == number
    assert "<svg" in drawing.svg(figure, "accuracy")


def test_without_baselines_the_second_is_what_counts(runs: pd.DataFrame, tmp_path: Path) -> None:
    shown = text(write(runs, tmp_path, baselines=()))
    assert "the leading method is better than the second" in shown
    assert "Against the baselines" not in shown
    assert "overtake" not in shown


def test_one_method_alone_is_compared_with_nothing(runs: pd.DataFrame, tmp_path: Path) -> None:
    alone = runs[(runs["method"] == TARGET) & (runs["set"] == SETS[0])]
    reached = values(runs, SETS[0], TARGET, "32").mean()
    shown = text(write(alone, tmp_path, baselines=[TARGET]))
    assert f"with 32 labels “{TARGET}” reaches {reached:.1f} %; there is nothing to compare it with." in shown
    assert "What the spaces look like" not in shown


def test_lines_for_a_terminal(runs: pd.DataFrame) -> None:
    lines = transfer_lines(runs, BASES)
    assert len(lines) == len(SETS) * len(BUDGETS)
    best = max(BASES, key=lambda name: values(runs, SETS[0], name, "32").mean())
    ours, theirs = (values(runs, SETS[0], name, "32") for name in (ALIGNED, best))
    assert f"[bold] {ours.mean():.1f} %  {ALIGNED}[/]" in lines[0]
    assert f"+{(ours - theirs).mean():.1f} against {best}, " in lines[0]
    top = max(BASES, key=lambda name: values(runs, SETS[0], name, "all").mean())
    lead = (values(runs, SETS[0], top, "all") - values(runs, SETS[0], ALIGNED, "all")).mean()
    assert f"{top}[/]  [dim]+{lead:.1f} against {ALIGNED}" in lines[3]
    single = transfer_lines(synthetic_transfer(seeds=[0]), BASES)
    assert not [line for line in single if "p =" in line]


def test_what_is_no_table_of_runs_is_refused(runs: pd.DataFrame, tmp_path: Path) -> None:
    named = runs.assign(set=np.where(runs["set"] == SETS[0], "", runs["set"]))
    two = runs.assign(labels=np.where((runs["seed"] == 1) & (runs["budget"] == "32"), 33, runs["labels"]))
    cases = [
        (runs.drop(columns="accuracy"), "no column 'accuracy': did you mean 'source_accuracy'"),
        (runs.drop(columns="budget"), "runs: no column 'budget'"),
        (runs.head(0), "without rows"),
        (pd.concat([runs, runs.head(1)]), f"more than one run of set '{SETS[0]}', method '{TARGET}', budget '32'"),
        (runs.assign(accuracy=100 * runs["accuracy"]), "accuracy .* in row 1, expected a share, 0 to 1"),
        (runs.assign(accuracy="0.5"), "'accuracy' is .*, expected numbers"),
        (runs.assign(accuracy=runs["accuracy"].where(runs.index != 2)), "no accuracy in row 3"),
        (runs.assign(distance=np.inf), "distance inf in row 1, expected a finite number"),
        (runs.assign(seed=runs["seed"].where(runs.index != 1)), "no 'seed' in row 2"),
        (runs.assign(chance=np.linspace(0, 1, len(runs))), f"set '{SETS[0]}' has chance"),
        (two, "budget '32' has labels 32 and 33, expected one number"),
        (named, "a set without a name beside others"),
    ]
    for table, words in cases:
        with pytest.raises(InputError, match=words) as raised:
            write(table, tmp_path / "out")
        assert "\n" not in str(raised.value)
    assert not (tmp_path / "out").exists()


def test_what_does_not_belong_to_the_runs_is_refused(runs: pd.DataFrame, tmp_path: Path) -> None:
    domains, figure = synthetic_domains(runs), transfer_figures.over_budgets(runs)
    cases = [
        ({"baselines": ["target label only"]}, f"unknown baseline 'target label only': did you mean '{TARGET}'"),
        ({"domains": domains.drop(columns="nearest")}, "domains: no column 'nearest'"),
        ({"domains": domains.head(0)}, "domains: a table without rows"),
        ({"domains": domains.assign(budget="64")}, f"domains: set '{SETS[0]}' with budget '64' is in no run"),
        ({"maps": [("Accuracy!", "c", figure)]}, "file's name 'accuracy', expected one that no other has"),
        ({"maps": [("?", "c", figure)]}, "file's name ''"),
    ]
    for options, words in cases:
        with pytest.raises(InputError, match=words):
            write(runs, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()
