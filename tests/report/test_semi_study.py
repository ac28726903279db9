"""The page of what semi-supervised methods are worth, from tables written by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.report.synthetic import HOSTILE
from tests.report.test_page import Reader

from spacewise import InputError
from spacewise.report import drawing, numbers, semi_figures
from spacewise.report.semi_study import COLUMNS, _accuracy, check, semi_lines, write_semi

SETS = ("UC Merced, 10 classes", "AID, 10 classes")
ALONE, TRIPLET = "labels alone", "CoMatch + Triplet"
# accuracy, mu, tau, weight, push, purity, coverage
METHODS: Mapping[str, tuple[float, ...]] = {
    ALONE: (0.52, 0, np.nan, np.nan, np.nan, np.nan, np.nan),
    "FixMatch": (0.60, 7, 0.95, np.nan, np.nan, 0.78, 0.55),
    "CoMatch": (0.68, 7, 0.95, np.nan, np.nan, 0.82, 0.61),
    "CoMatch + CCSSL, in distribution": (0.681, 5, 0.95, 1.0, 0.0, 0.81, 0.60),
    "CoMatch + CCSSL, out of distribution": (0.62, 7, 0.6, 2.0, 0.9, 0.70, 0.92),
    TRIPLET: (0.683, 7, 0.95, np.nan, np.nan, 0.83, 0.63),
}
CLASSES = ("dense residential", HOSTILE, "tennis court", "storage tanks", "river")
SPACE = numbers.SPACE


def synthetic_semi(
    *, sets: Sequence[str] = SETS, seeds: Sequence[int] = (0, 1, 2), released: bool = False, noise: float = 0.01
) -> pd.DataFrame:
    """A row a set, method and seed; each further set is harder by a tenth of the accuracy; CoMatch as released, too."""
    generator, rows = np.random.default_rng(0), []
    for place, of_set in enumerate(sets):
        for method, settings in METHODS.items():
            for seed in seeds:
                shift = noise * generator.normal()
                rows.append(_row(of_set, method, seed, settings[0] * (1 - 0.1 * place) + shift, settings))
        for seed in seeds if released else ():
            row = _row(of_set, "CoMatch", seed, 0.9 + noise * generator.normal(), METHODS["CoMatch"])
            row |= {"method": "CoMatch, as released", "key": "comatch-released", "preset": "as-released"}
            rows.append(row | {"labels": 450, "unlabelled": 1000, "transductive": True})
    return pd.DataFrame(rows)


def _row(of_set: str, method: str, seed: int, accuracy: float, settings: Sequence[float]) -> dict[str, Any]:
    _, mu, threshold, weight, push, purity, coverage = settings
    row: dict[str, Any] = {"set": of_set, "method": method, "key": method.lower().replace(" ", ""), "net": "resnet18"}
    row |= {"mu": mu, "threshold": threshold, "weight": weight, "push": push, "preset": "corrected", "seed": seed}
    row |= {"labels": 40, "unlabelled": 410 if mu else 0, "transductive": False, "accuracy": accuracy}
    row |= {"accuracy_best": accuracy + 0.012, "accuracy_averaged": accuracy + 0.02, "best_epoch": 9, "epochs": 12}
    row |= {"batch": 32, "steps": 1200, "purity": purity, "coverage": coverage, "images_per_second": 800 + 10 * seed}
    row |= {"data_share": 0.12, "peak_memory_mb": 1530.0, "seconds": 700.0 + seed, "parameters": 11_437_642}
    return row | {"precision": "bf16", "commit": "abc1234", "split": "9f8e7d", "run": f"{method[:8]}-fold{seed}"}


def synthetic_curves(table: pd.DataFrame) -> pd.DataFrame:
    """Twelve epochs a run, up to its accuracy; no purity in the first; as released on test images."""
    rows = []
    for run in table.to_dict("records"):
        rate = 0.7 if run["method"] == TRIPLET else 0.3
        for epoch in range(1, 13):
            grown = 1 - np.exp(-rate * epoch)
            row = {key: run[key] for key in ("set", "method", "preset", "seed")} | {"epoch": epoch}
            seen, tested = run["accuracy"] * grown, run["preset"] == "as-released"
            row |= {"validation_accuracy": np.nan if tested else seen, "test_accuracy": seen if tested else np.nan}
            row |= {"averaged_accuracy": 1.02 * run["accuracy"] * grown**2, "coverage": run["coverage"] * grown}
            rows.append(row | {"purity": run["purity"] * grown if epoch > 1 else np.nan})
    return pd.DataFrame(rows)


def synthetic_confusions(table: pd.DataFrame) -> list[tuple[str, str, np.ndarray, Sequence[str]]]:
    """Of CoMatch with and without triplets ninety answers a class: some of the first and of the last are wrong."""
    matrix = np.diag([63, 90, 90, 90, 81])
    matrix[0, 1], matrix[4, 0] = 27, 9
    mine = table[table["method"].isin(["CoMatch", TRIPLET])]
    pairs = mine[["set", "method"]].drop_duplicates().itertuples(index=False)
    return [(of_set, method, matrix, CLASSES) for of_set, method in pairs]


def synthetic_maps(table: pd.DataFrame) -> list[tuple[str, str, int, np.ndarray, np.ndarray, Sequence[str]]]:
    """Of the first set, CoMatch with and without triplets, three epochs: clusters that part."""
    generator, maps = np.random.default_rng(0), []
    labels = np.repeat(np.arange(len(CLASSES)), 30)
    centres = generator.normal(size=(len(CLASSES), 2))
    for method in ("CoMatch", TRIPLET):
        for epoch in (1, 5, 12):
            points = epoch * centres[labels] + generator.normal(size=(len(labels), 2))
            maps.append((str(table["set"].iloc[0]), method, epoch, points, labels, CLASSES))
    return maps


PAPER = pd.DataFrame(
    [
        (SETS[0], "comatch", 90.4, 92.8, "205:59"),
        (SETS[0], "comatch+triplet", 92.6, 93.2, "206:41"),
        (SETS[0], "simclr", 51.25, 52.5, "10:00"),
    ],
    columns=["set", "key", "top1", "best_top1", "time"],
)
CHOICE = {
    "set": SETS[0],
    "classes": list(CLASSES[:2]),
    "errors": dict(zip(CLASSES, (0.42, 0.31, 0.12, 0.04, 0.0), strict=True)),
    "run": "all-resnet18-fold0",
    "seeds": [0],
}


def write(table: pd.DataFrame, out: Path, **options: Any) -> Path:
    given: dict[str, Any] = {"title": "t", "command": "spacewise reproduce semi.table3", "curves": pd.DataFrame()}
    given |= {"confusions": [], "maps": [], "paper": PAPER[:0], "choices": [], "notes": []}
    return write_semi(table, out, **(given | options))


def whole(table: pd.DataFrame, out: Path) -> Path:
    return write(
        table,
        out,
        title="What are unlabelled images worth?",
        curves=synthetic_curves(table),
        confusions=synthetic_confusions(table),
        maps=synthetic_maps(table),
        paper=PAPER,
        choices=[CHOICE],
        notes=["Half of the images test, <b>the same</b> under every seed."],
    )


def text(path: Path) -> str:
    return Reader(path.read_text(encoding="utf-8")).text.replace(SPACE, " ")


@pytest.fixture(autouse=True, scope="module")
def no_png() -> object:
    """Saves the time of drawing what the tests do not look at."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawing, "png", lambda figure: b"")
        yield


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return synthetic_semi(released=True)


@pytest.fixture(scope="module")
def page(table: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return whole(table, tmp_path_factory.mktemp("semi"))


def test_the_page_answers_first(page: Path) -> None:
    shown = text(page)
    assert page.name == "semi.html"
    answer = shown.index(
        "Yes: unlabelled images help, by more than chance would give, in all of 10 cases (5 methods on"
    )
    order = [
        "Adding “CCSSL, in distribution”, “CCSSL, out of distribution” and “Triplet” to CoMatch",
        "ours, %",
        "By epoch",
    ]
    order += ["The size of the leak", "Settings (Table I)", "images/s", "Figure 5", "Figure 6"]
    order += ["How the classes were chosen", "spacewise reproduce semi.table3"]
    places = [shown.index(words, answer) for words in order[:2]]
    heads = [shown.rindex(words) if words == "By epoch" else shown.index(words, places[-1]) for words in order[2:]]
    assert [answer, *places, *heads] == sorted([answer, *places, *heads])


def test_the_page_holds_means_with_errors_and_the_papers_figures(table: pd.DataFrame, page: Path) -> None:
    shown = text(page)
    for of_set in SETS:
        mine = table[(table["set"] == of_set) & (table["method"] == "CoMatch")]
        values = 100 * mine["accuracy"].to_numpy()
        assert f"{values.mean():.1f} ± {values.std(ddof=1) / np.sqrt(3):.1f}" in shown
    for words in ("90.40", "92.80", "205:59", "(on UC Merced about 50 a class)", "512 epochs of 1,024 steps"):
        assert words in shown
    assert "Printed there and not run here (Top1 / Best-Top1): simclr 51.2 / 52.5." in shown


def test_the_leak_is_sized_and_explained(page: Path) -> None:
    shown = text(page)
    assert "What the faults of the released code feign: on UC Merced, 10 classes CoMatch +2" in shown
    assert "450 labelled images are learnt from instead of 40" in shown
    assert "1,000 unlabelled images instead of 410" in shown
    assert "6 runs as released and 6 runs corrected, of the same methods (“CoMatch”), sets and seeds." in shown
    assert "where validation images choose, +1.2 ± 0.0 points (mean of 6 runs)" in shown


def test_every_figure_is_named_for_those_who_do_not_see_it(page: Path) -> None:
    read = Reader(page.read_text(encoding="utf-8"))
    drawn = {dict(found)["aria-label"] for tag, found in read.tags if tag == "svg"}
    assert {
        "Figure 4: validation accuracy by epoch",
        "Purity and coverage of the pseudo-labels by epoch",
        "Figure 5: which class is taken for which, AID, 10 classes",
        "Figure 6: the embedding by epoch, UC Merced, 10 classes",
        "UC Merced, 10 classes: test images of each class taken for another",
    } <= drawn
    names = {"epochs", "pseudo-labels", "confusion-1", "confusion-2", "map-1", "classes-1"}
    assert {file.stem for file in (page.parent / "figures").glob("*.svg")} == names
    assert len(pd.read_csv(page.parent / "semi.csv")) == 42
    assert len(pd.read_csv(page.parent / "curves.csv")) == 42 * 12


def test_names_with_html_in_them_are_shown_as_they_are(page: Path) -> None:
    html = page.read_text(encoding="utf-8")
    assert "<script>alert(1)" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert "<b>the same</b>" not in html
    assert f"“dense residential” for “{HOSTILE}” 30.0 % (27 of 90)" in text(page)


def test_the_choice_of_classes_is_told(page: Path) -> None:
    shown = text(page)
    assert "The 2 most confused of 5 classes, by the test images of all-resnet18-fold0 (seeds 0): dense" in shown
    assert "42.0 %" in shown
    assert "on test images, as in the paper" in shown


def test_one_seed_has_no_interval_and_says_so(tmp_path: Path) -> None:
    single = synthetic_semi(seeds=(4,), sets=SETS[:1])
    shown = text(write(single, tmp_path, curves=synthetic_curves(single)))
    assert "One seed: with unlabelled images the accuracy is higher than labels alone in 5 of 5 methods" in shown
    assert "One seed: no intervals and no tests; what another seed would give is not known." in shown
    assert "One seed: no bands." in shown
    assert "One seed: no interval, no p." in shown
    body = shown[shown.index("ours, %") : shown.index("Accuracy on test images, one run each")]
    assert "±" not in body
    assert "p =" not in shown


def test_without_curves_the_page_says_what_is_missing(tmp_path: Path) -> None:
    small = synthetic_semi(sets=SETS[:1])
    shown = text(write(small, tmp_path))
    assert "figure 4 is left out" in shown
    assert "there is no figure of the pseudo-labels" in shown
    assert "The size of the leak" not in shown
    assert not (tmp_path / "curves.csv").exists()
    partly = synthetic_curves(small).drop(columns=["purity", "averaged_accuracy"])
    page = write(small, tmp_path / "partly", curves=partly)
    assert "figure 4 is left out" not in text(page)
    assert {file.stem for file in (page.parent / "figures").glob("*.svg")} == {"epochs", "pseudo-labels"}


def test_a_page_of_released_runs_says_what_chose(table: pd.DataFrame, tmp_path: Path) -> None:
    released = table[table["preset"] == "as-released"]
    shown = text(write(released, tmp_path, curves=synthetic_curves(released)))
    assert "Figure 4: test accuracy by epoch" in shown
    assert "These chose the best epoch, as released." in shown
    assert "Best epoch: chosen on the test images themselves, as released." in shown
    assert "validation" not in shown
    mixed = table[(table["set"] == SETS[0]) | (table["preset"] == "as-released")]
    _, title, caption, _ = _accuracy(semi_figures.parts(synthetic_curves(mixed), mixed))
    assert title == "Figure 4: accuracy by epoch"
    assert "Test images where all runs of a set are as released" in caption


def test_a_terminal_is_told_where_labels_alone_lead(table: pd.DataFrame) -> None:
    ahead = table.assign(accuracy=table["accuracy"].where(table["method"] != ALONE, 0.9))
    lines = semi_lines(ahead[ahead["preset"] == "corrected"])
    assert "90.0 %  labels alone" in lines[0]
    assert "the best with unlabelled images: CoMatch" in lines[0]


def test_a_terminal_gets_the_leader_and_the_leak(table: pd.DataFrame) -> None:
    lines = semi_lines(table)
    assert len(lines) == 4
    mean = table[(table["set"] == SETS[0]) & (table["preset"] == "corrected")].groupby("method")["accuracy"].mean()
    assert f"{100 * mean.max():5.1f} %  {mean.idxmax()}" in lines[0]
    assert "against labels alone" in lines[0]
    assert "as released  CoMatch +2" in lines[1]
    assert SPACE not in "".join(lines)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (lambda t: t.drop(columns="purity"), "table: no column 'purity'"),
        (lambda t: t[:0], "table: no row"),
        (lambda t: pd.concat([t, t[:1]]), "more than one run of set 'UC Merced, 10 classes', method 'labels alone'"),
        (lambda t: t.assign(preset="correct"), "unknown preset 'correct': did you mean 'corrected'"),
        (lambda t: t.assign(accuracy=93.2), "accuracy 93.2, expected a share, 0 to 1"),
        (lambda t: t.assign(accuracy=np.nan), "no accuracy in row 1"),
        (lambda t: t.assign(coverage="much"), "column 'coverage' is .*, expected numbers"),
    ],
)
def test_a_table_that_is_none_is_refused(table: pd.DataFrame, changed: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check(changed(table))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"curves": pd.DataFrame({"set": ["a"]})}, "curves: no column 'method'"),
        ({"paper": pd.DataFrame({"set": ["a"], "key": ["b"]})}, "paper: no column 'top1'"),
        ({"confusions": [("a", "b", np.eye(3), CLASSES)]}, r"confusions: a, b: \(3, 3\) for 5 classes"),
        (
            {"maps": [("a", "b", 5, np.ones((3, 3)), np.zeros(3), CLASSES)]},
            r"places \(3, 3\), expected \(3, 2",
        ),
        ({"choices": [{"set": "a", "class": []}]}, "choices: no 'classes': did you mean 'class'"),
    ],
)
def test_what_does_not_fit_is_refused(table: pd.DataFrame, tmp_path: Path, given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        write(table, tmp_path / "out", **given)
    assert not (tmp_path / "out").exists()


def test_the_columns_are_those_of_the_table(table: pd.DataFrame) -> None:
    assert set(COLUMNS) == set(table.columns)
