"""What pages say of a semi-supervised run: sentences from logs written by hand, and one real, tiny training."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tests.report.synthetic import HOSTILE, synthetic
from tests.report.test_page import Reader

from spacewise import InputError, files
from spacewise.audits import Audit, audit, open_audit
from spacewise.experiment import Experiment
from spacewise.learn import start
from spacewise.regime import SemiSupervised
from spacewise.report import drawing, numbers, page, provenance, taught
from spacewise.report.captions import TITLES, caption
from spacewise.report.compare import compare_runs, method_names
from spacewise.report.figures import draw
from spacewise.report.page import write_report
from spacewise.runs import Run

TRIPLET = "0.5*hinge_triplet(margin=0.4, triplets='semihard', average='violating')@embedding of unlabelled"
OBJECTIVE = ["crossentropy@classifier", "consistency@classifier", TRIPLET]
LOG = {
    "epoch": [1, 2, 3],
    "rate": [0.03, 0.03, 0.02],
    "accuracy": [0.5, 0.9, 1.0],
    "total": [3.0, 2.0, 1.0],
    "crossentropy@classifier": [1.0, 0.5, 0.2],
    "consistency@classifier": [0.0, 0.2, 0.1],
    "hinge_triplet@embedding of unlabelled": [0.3, 0.2, 0.1],
    "purity": [math.nan, 0.8, 0.951],
    "coverage": [0.0, 0.5, 0.873],
    "validation_accuracy": [0.5, 0.8, 0.889],
    "averaged_accuracy": [0.3, 0.7, 0.901],
    "seconds": [30.0, 10.0, 10.0],
    "images_per_second": [100.0, 300.0, 300.0],
    "data_share": [0.3, 0.1, 0.1],
    "peak_memory_mb": [700.0, 1512.3, 1400.0],
}


def written(
    folder: Path,
    *,
    log: dict[str, list[float]] | None = None,
    without: tuple[str, ...] = (),
    averaged: bool = True,
    training: dict[str, Any] | None = None,
    **regime: Any,
) -> Audit:
    """A synthetic audit, made that of a semi-supervised run: 36 labels of three classes, 1,470 images without."""
    made = synthetic(folder, confusers=False, novelty=False, copies=0)
    facts = made.facts
    columns = {name: values for name, values in (LOG | (log or {})).items() if name not in without}
    facts["log"] = pd.DataFrame(columns).astype(object).to_dict("records")
    facts["experiment"]["regime"] = SemiSupervised(**{"epochs": 3, **regime}).model_dump()
    facts["experiment"]["objective"] = OBJECTIVE
    facts["training"]["samples"] = {"train": 36, "validation": 90, "test": 45, "unlabelled": 1470}
    facts["training"] |= {"transductive": False, "skipped": ""} | (training or {})
    files.write_json(made.folder / "audit.json", facts)
    if averaged:
        table = made.table("accuracy")
        more = table[table["weights"] == "last"].assign(weights="averaged")
        more["accuracy"] = 0.5
        files.write_table(made.folder / "accuracy.parquet", pd.concat([table, more], ignore_index=True))
    return open_audit(folder)


@pytest.fixture
def plain(tmp_path: Path) -> Audit:
    return written(tmp_path)


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    """Saves the time of drawing what no test looks at."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawing, "png", lambda figure: b"")
        yield


def words(text: str) -> str:
    return text.replace(numbers.SPACE, " ")


def test_labels_and_images_without(plain: Audit) -> None:
    assert taught.budget(plain) == "It learnt from 12 labels a class (36 in all) and from 1,470 images without labels."


def test_labels_that_are_not_even(plain: Audit) -> None:
    samples = plain.table("samples")
    files.write_table(plain.folder / "samples.parquet", samples.drop(index=[0, 3, 6, 1]))
    assert taught.budget(plain).startswith("It learnt from 9 to 12 labels a class (32 in all)")


def test_labels_alone(tmp_path: Path) -> None:
    alone = written(tmp_path, without=("purity", "coverage"), mu=0)
    section = taught.section(alone)
    assert (section.link, section.heading) == ("Labels", "What the labels alone were worth")
    assert section.paragraphs[0] == "It learnt from 12 labels a class (36 in all), and from no image without a label."
    assert "pseudo-label" not in section.paragraphs[1]
    assert len(draw(alone, "pseudo_labels").axes) == 1


def test_the_last_pseudo_labels_in_words(plain: Audit) -> None:
    expected = "In the last epoch 87.3 % of the pseudo-labels were confident (probability 0.95 or more), and 95.1 % of "
    assert words(taught.last_labels(plain)) == f"{expected}those were right."


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ({"purity": [math.nan] * 3}, "how many of those were right is not known, as the true labels are not."),
        ({"purity": [0.1, 0.2, math.nan], "coverage": [0.1, 0.1, 0.0]}, "no pseudo-label was confident"),
        ({"purity": [None] * 3}, "is not known"),
    ],
)
def test_pseudo_labels_that_cannot_be_judged(tmp_path: Path, log: dict[str, Any], expected: str) -> None:
    made = written(tmp_path, log=log)
    assert expected in taught.last_labels(made)
    assert isinstance(taught.over_epochs(made), str)
    assert "<svg" in drawing.svg(draw(made, "pseudo_labels"), "pseudo_labels")


@pytest.mark.parametrize(
    ("trained", "expected"),
    [(0.889, "1.2 points more than"), (0.951, "5.0 points less than"), (0.901, "as often as")],
)
def test_whether_the_average_does_better(tmp_path: Path, trained: float, expected: str) -> None:
    made = written(tmp_path, log={"validation_accuracy": [0.5, 0.8, trained]})
    sentence = words(taught.last_average(made))
    expected = f"is right in 90.1 % of 90 validation images, {expected} the trained one."
    assert sentence == f"After the last epoch the averaged network {expected}"


def test_without_an_average(tmp_path: Path) -> None:
    made = written(tmp_path, without=("averaged_accuracy",), averaged=False, average=0)
    assert taught.last_average(made) == taught.tested_average(made) == ""
    assert list(next(iter(taught.curves(made).values()))) == ["trained"]
    assert "averaged" not in taught.accuracy(made).caption


def test_the_average_on_test_images(plain: Audit) -> None:
    sentence = words(taught.tested_average(plain))
    assert sentence.startswith("On test images as stored the averaged weights are right in 50.0 % [")
    assert ", the last ones in" in sentence


def test_what_it_cost_is_over_all_epochs(plain: Audit) -> None:
    assert words(taught.cost(plain)) == (
        "What it cost: 180 images a second, for 22.0 % of the time the processor fetched images and made views, "
        "peak memory 1,512 MB."
    )


def test_curves_in_percent(plain: Audit) -> None:
    accuracy, labels = draw(plain, "pseudo_labels").axes
    assert accuracy.get_title(loc="left") == "Accuracy on validation images, %"
    drawn = [line.get_ydata() for line in accuracy.lines[:2]]
    np.testing.assert_allclose(drawn, [[50, 80, 88.9], [30, 70, 90.1]])
    np.testing.assert_allclose([line.get_ydata() for line in labels.lines[:2]], [[0, 50, 87.3], [np.nan, 80, 95.1]])
    assert {text.get_text() for text in labels.texts} == {"confident (coverage) 87.3", "right of these (purity) 95.1"}
    assert "right of these (purity): 80.0 to 95.1 %" in caption(plain, "pseudo_labels")


def test_without_anything_to_draw(tmp_path: Path) -> None:
    bare = written(tmp_path, without=("purity", "coverage", "validation_accuracy", "averaged_accuracy"), mu=0)
    with pytest.raises(InputError, match="neither a held-out accuracy nor pseudo-labels"):
        draw(bare, "pseudo_labels")
    assert "pseudo_labels" not in page._figures(bare, TITLES)
    assert len(taught.section(bare).paragraphs) == 2


def test_a_supervised_run_has_none_of_it(tmp_path: Path) -> None:
    made = synthetic(tmp_path, confusers=False, novelty=False)
    with pytest.raises(InputError, match="its run is of the regime supervised, it has no pseudo-labels"):
        draw(made, "pseudo_labels")
    assert taught.warnings(made) == []
    assert not provenance.objective(made).startswith("supervised")


def test_the_objective_names_regime_and_samples(plain: Audit) -> None:
    line = f"semi-supervised: crossentropy@classifier + consistency@classifier + {TRIPLET}"
    assert provenance.objective(plain) == line


def faulty(folder: Path) -> Audit:
    """Every fault at once."""
    training = {"transductive": True, "skipped": "3 unlabelled files could not be read.", "leaks": LEAKS[:2]}
    renamed = {"test_accuracy": LOG["validation_accuracy"]}
    return written(folder, log=renamed, without=("validation_accuracy",), training=training, choose="test")


def test_warnings(tmp_path: Path) -> None:
    made = faulty(tmp_path)
    learnt, chosen, leak, skipped = taught.warnings(made)
    assert learnt.startswith("Test images were learnt from, without their labels")
    assert chosen.startswith("The best epoch was chosen on the test set")
    assert "no estimate" in chosen
    assert leak.startswith("Leak: validation and unlabelled share 1 identical images")
    assert skipped == "3 unlabelled files could not be read."
    assert "of 45 test images, 1.2 points more" in words(taught.last_average(made))
    assert "highest accuracy on the test set" in taught.accuracy(made).caption
    assert caption(made, "training").endswith("chosen by their accuracy on the test set.")


LEAKS = [
    "train and test share 2 identical images, such as a.png = b.png",
    "validation and unlabelled share 1 identical images, such as c.png = d.png",
    "test and unlabelled share 3 values of 'scene'",
    "test and unlabelled share 4 identical images, such as e.png = f.png",
]


def test_identical_images_that_were_learnt_from_are_a_warning(tmp_path: Path) -> None:
    made = written(tmp_path / "a", training={"leaks": LEAKS})
    first, second = taught.warnings(made)
    assert first.startswith("Leak: validation and unlabelled share 1 identical images, such as c.png = d.png. Such")
    assert second.startswith("Leak: test and unlabelled share 4 identical images")
    other = Audit(made.folder.rename(made.folder.with_name("audit-other")))
    assert taught.warnings(other) == []
    assert taught.warnings(written(tmp_path / "b", training={"leaks": LEAKS}, mu=0)) == []


def test_unlabelled_images_that_are_not_used_are_not_counted(tmp_path: Path) -> None:
    assert "from 1,467 images without labels" in taught.budget(written(tmp_path, training={"unused": 3}))


def test_nothing_was_held_out(tmp_path: Path) -> None:
    samples = {"train": 36, "validation": 0, "test": 45, "unlabelled": 1470}
    held = ("validation_accuracy", "averaged_accuracy")
    made = written(tmp_path, without=held, training={"samples": samples, "best_epoch": 3})
    assert "Nothing was held out to choose by: the best weights are the last." in taught.accuracy(made).caption
    assert "highest" not in taught.accuracy(made).caption
    assert caption(made, "training").endswith("Nothing was held out to choose by: the last weights were kept.")
    figure = draw(made, "pseudo_labels")
    assert "Upright line" not in figure.get_supxlabel()
    assert len(figure.axes[0].lines) == 2


@pytest.mark.parametrize("weights", ["averaged", "last"])
def test_without_the_best_weights_nothing_is_said_of_them(plain: Audit, weights: str) -> None:
    table = plain.table("accuracy")
    files.write_table(plain.folder / "accuracy.parquet", table[table["weights"] != "best"])
    files.write_json(plain.folder / "audit.json", plain.facts | {"weights": weights})
    made = open_audit(plain.folder.parent)
    assert "best weights" not in taught.accuracy(made).caption
    assert "The averaged weights are" in taught.accuracy(made).caption
    assert caption(made, "training").endswith(f"Audited are the {weights} weights.")


def test_pseudo_labels_of_which_few_have_a_known_label(tmp_path: Path) -> None:
    made = written(tmp_path, log={"judged": [math.nan, 0.5, 0.25]})
    assert words(taught.last_labels(made)) == (
        "In the last epoch 87.3 % of the pseudo-labels were confident (probability 0.95 or more); of the confident "
        "ones, 25.0 % have a known label, and 95.1 % of those were right."
    )
    figure = draw(made, "pseudo_labels")
    assert "right of known (purity) 95.1" in {text.get_text() for text in figure.axes[1].texts}
    note = " ".join(words(figure.get_supxlabel()).split())
    assert "among the confident whose true label is known, at the end 25.0 % of them." in note
    assert "right of known (purity): 80.0 to 95.1 %" in caption(made, "pseudo_labels")
    whole = written(tmp_path / "whole", log={"judged": [math.nan, 1.0, 1.0]})
    assert "and 95.1 % of those were right" in words(taught.last_labels(whole))


def test_other_data_were_not_learnt_from(tmp_path: Path) -> None:
    own = faulty(tmp_path)
    other = Audit(own.folder.rename(own.folder.with_name("audit-other")))
    assert taught.warnings(other) == ["3 unlabelled files could not be read."]


def test_the_page_of_a_faulty_run(tmp_path: Path) -> None:
    made = faulty(tmp_path)
    shown_at = write_report(made)
    read = Reader(shown_at.read_text(encoding="utf-8"))
    ids = {attributes.get("id") for _, attributes in read.tags}
    assert {"taught", "pseudo_labels"} <= ids
    assert ("a", {"href": "#taught"}) in read.tags
    assert (shown_at.parent / "figures" / "pseudo_labels.svg").is_file()
    shown = words(read.text)
    for expected in (*taught.warnings(made), *taught.section(made).paragraphs, taught.cost(made)):
        assert words(expected) in shown
    assert shown.index("It learnt from 12 labels a class") < shown.index("Mistakes")
    assert shown.index("Test images were learnt from") < shown.index("Accuracy by subset")
    assert "averaged weights, as stored" in shown
    assert "of unlabelled" in shown
    assert [attributes.get("class") for tag, attributes in read.tags if tag == "p"].count("warning") == 4 + 1  # leaks
    assert HOSTILE in " ".join(read.words)


def semi(root: Path, *, seed: int = 0, objective: list[str] | None = None, **regime: Any) -> Experiment:
    """Few labels of pictures in folders; `objective` is FixMatch's where it is not given."""
    split = {"name": "few-label", "labels": 6, "within": {"name": "stratified", "validation": 0.2}, "seed": seed}
    settings: dict[str, Any] = {"name": "semi-supervised", "epochs": 2, "steps": 2, "batch": 4, "mu": 2}
    settings |= {"memory": 0, "threshold": 0.0, "precision": "float32"}
    return Experiment(
        data={"source": {"name": "folder", "root": str(root)}, "split": split},
        net={"name": "resnet20", "size": SIDE},
        objective=objective or ["crossentropy@classifier", "consistency(hard=True)@classifier"],
        regime=settings | regime,
        seed=seed,
    )


SIDE = 16


def test_names_of_methods(tmp_path: Path) -> None:
    root = pictures(tmp_path)
    base = semi(root)
    assert (
        method_names([base, semi(root, seed=3)])
        == [
            "crossentropy@classifier + consistency(hard=True)@classifier",
        ]
        * 2
    )
    assert method_names([base, semi(root, choose="test", normalise=False)]) == [
        "choose=validation, normalise=True",
        "choose=test, normalise=False",
    ]
    triplet = method_names([base, semi(root, objective=[*base.objective, TRIPLET])])
    assert triplet == [" + ".join(base.objective), " + ".join([*base.objective, TRIPLET])]
    plain = base.model_dump() | {"regime": {"name": "supervised"}, "objective": ["crossentropy@classifier"]}
    first, second = method_names([base, Experiment(**plain)])
    assert ", semi-supervised, epochs=2, batch=4" in first
    assert second.startswith("crossentropy@classifier, supervised, epochs=30, batch=64")


def pictures(root: Path) -> Path:
    """Three classes of sixteen coloured patterns."""
    generator = np.random.default_rng(0)
    rows, columns = np.indices((SIDE, SIDE))
    patterns = (rows // 3 % 2, (rows // 4 + columns // 4) % 2, np.hypot(rows - 8, columns - 8) // 3 % 2)
    for name, pattern in zip(("bars", "blocks", "rings"), patterns, strict=True):
        (root / name).mkdir()
        for number in range(16):
            picture = 150 * np.roll(pattern, number, axis=1)[..., None] + generator.integers(0, 100, (SIDE, SIDE, 3))
            Image.fromarray(picture.astype(np.uint8)).save(root / name / f"{number:02d}.png")
    return root


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """FixMatch, and labels alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPACEWISE_CACHE", str(tmp_path_factory.mktemp("cache")))
        root, out = pictures(tmp_path_factory.mktemp("pictures")), tmp_path_factory.mktemp("runs")
        alone = {"mu": 0, "objective": ["crossentropy@classifier"], "choose": "test"}
        made = {"fixmatch": start(semi(root), out / "fixmatch"), "alone": start(semi(root, **alone), out / "alone")}
        for run in made.values():
            audit(run)
    return made


def test_a_real_run_is_audited_with_its_average(trained: dict[str, Run]) -> None:
    run, made = trained["fixmatch"], open_audit(trained["fixmatch"].folder)
    assert "averaged" in set(made.table("accuracy")["weights"])
    assert run.weights == "best"
    shown = words(" ".join(taught.section(made).paragraphs))
    split = run.split
    assert f"2 labels a class (6 in all) and from {len(split.unlabelled)} images without labels" in shown
    assert "In the last epoch 100.0 % of the pseudo-labels were confident (probability 0 or more)" in shown
    assert f"of {len(split.validation)} validation images" in shown
    assert "the averaged weights are right in" in shown
    assert "MB" in taught.cost(made)
    assert "averaged weights, as stored" in taught.accuracy(made).heads


def test_real_runs_side_by_side(trained: dict[str, Run], tmp_path: Path) -> None:
    folders = [run.folder for run in trained.values()]
    table, shown_at = compare_runs(folders, tmp_path / "both", command="spacewise compare")
    alone = "crossentropy@classifier, mu=0, choose=test"
    assert list(dict.fromkeys(table["method"])) == [
        "crossentropy@classifier + consistency(hard=True)@classifier, mu=2, choose=validation",
        alone,
    ]
    text = Reader(shown_at.read_text(encoding="utf-8")).text
    assert text.count("The best epoch was chosen on the test set") == 1
    assert f"“{alone}”: The best epoch was chosen on the test set" in text
