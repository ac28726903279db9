"""The page of one real, tiny transfer, its figures and lines, and several of them side by side."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from tests.explorer.pages import read_page
from tests.report.synthetic import synthetic
from tests.report.test_page import Reader

from spacewise import files
from spacewise.audits import Audit, audit
from spacewise.errors import InputError
from spacewise.experiment import Experiment
from spacewise.explain.make import Question
from spacewise.explorer import write_explorer
from spacewise.learn import start
from spacewise.report import comparison, drawing, numbers, provenance, reading, terminal, transferred, verdict
from spacewise.report.compare import compare_runs, method_names
from spacewise.report.figures import FIGURES, draw
from spacewise.report.page import write_report
from spacewise.report.three_views import explain_runs
from spacewise.report.tiles import tiles
from spacewise.runs import Run

CLASSES = ("bars", "blocks", "rings")
DOMAINS = ("source", "target")
SIDE = 16


def write_domains(root: Path) -> Path:
    """Two folders of twelve pictures a class; the second domain is darker and noisy."""
    generator = np.random.default_rng(0)
    rows, columns = np.indices((SIDE, SIDE))
    patterns = (rows // 3 % 2, (rows // 4 + columns // 4) % 2, np.hypot(rows - 8, columns - 8) // 3 % 2)
    for domain, (level, noise) in {"optical": (180, 10), "radar": (90, 60)}.items():
        for name, pattern in zip(CLASSES, patterns, strict=True):
            (root / domain / name).mkdir(parents=True)
            for number in range(12):
                picture = level * np.roll(pattern, number, axis=1) + noise * generator.random((SIDE, SIDE))
                Image.fromarray(picture.astype(np.uint8)).save(root / domain / name / f"{number:02d}.png")
    return root


def experiment(root: Path, *, seed: int = 0, labels: int = 9, **regime: Any) -> Experiment:
    few = {"name": "few-label", "labels": labels, "seed": seed, "within": {"name": "stratified", "seed": 0}}
    settings: dict[str, Any] = {"epochs": 1, "steps": 2, "batch": 6, "target_batch": 6, "unlabelled_batch": 6}
    settings |= {"alternate": ["sliced_wasserstein@embedding"], "pretraining": {"epochs": 1, "batch": 6}}
    return Experiment(
        data={"source": {"name": "folder", "root": str(root / "optical")}, "split": {"name": "stratified"}},
        target={"source": {"name": "folder", "root": str(root / "radar")}, "split": few},
        net={"name": "y-shaped", "encoder": "resnet20", "dimension": 8, "size": SIDE},
        objective=["crossentropy@classifier"],
        regime={"name": "transfer", **settings, **regime},
        seed=seed,
    )


@pytest.fixture(scope="module")
def quick() -> Iterator[None]:
    """Saves the time of drawing what no test looks at."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawing, "png", lambda figure: b"")
        yield


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """Aligned twice, with another seed and other labels; and on target labels alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPACEWISE_CACHE", str(tmp_path_factory.mktemp("cache")))
        root, out = write_domains(tmp_path_factory.mktemp("domains")), tmp_path_factory.mktemp("runs")
        alone = {"pretraining": None, "alternate": [], "batch": 0}
        made = {
            "aligned": start(experiment(root), out / "aligned"),
            "again": start(experiment(root, seed=1), out / "again"),
            "alone": start(experiment(root, **alone), out / "alone"),
        }
        for run in made.values():
            audit(run)
    return made


@pytest.fixture(scope="module")
def audited(runs: dict[str, Run]) -> Audit:
    return Audit(runs["aligned"].folder / "audit")


@pytest.fixture(scope="module")
def page(audited: Audit, quick: None) -> Path:
    return write_report(audited)


def test_the_page_shows_both_domains(audited: Audit, page: Path) -> None:
    read = Reader(page.read_text(encoding="utf-8"))
    ids = {attributes.get("id") for _, attributes in read.tags}
    assert {"domains", "domain_map", "domain_distances"} <= ids
    assert ("a", {"href": "#domains"}) in read.tags
    for name in ("domain_map", "domain_distances"):
        assert (page.parent / "figures" / f"{name}.svg").is_file()
    row = transferred.space(audited)
    for expected in (
        "Two domains",
        f"{row['separability']:.3f} [{row['low']:.3f}, {row['high']:.3f}]",
        transferred.matched_words(audited),
        "accuracy on the source, as stored",
        "after a pretraining of 1 epoch.",
        "in more than one part of the target's split",
    ):
        assert expected in read.text


def test_pictures_of_the_source_are_kept(audited: Audit, runs: dict[str, Run]) -> None:
    origin = runs["aligned"].origin
    assert origin is not None
    chips = audited.source_chips()
    assert chips.shape[:3] == (len(origin.test), *audited.chips().shape[1:3])
    assert [*audited.table("source_samples")["id"]] == [*origin.test.facts["id"]]
    assert np.ptp(chips.reshape(len(chips), -1), axis=1).min() > 100
    with pytest.raises(InputError, match="unknown space of the source 'chips'"):
        audited.source_space("chips")


def test_the_explorer_shows_both_domains(audited: Audit, tmp_path: Path) -> None:
    page = read_page(write_explorer([audited], tmp_path / "page.html", command="x"))
    parts = page.of(0, "part")
    sources = audited.table("source_samples")
    assert parts[-len(sources) :] == ["source test"] * len(sources)
    assert page.fact("label")[-len(sources) :] == sources["label"].tolist()
    assert {"embedding", "classifier"} <= {each["space"] for each in page.contents["runs"][0]["maps"]}
    assert np.isfinite(page.points(0, "embedding", "t-SNE")).all()


def test_the_experiment_on_the_page_reads_back(audited: Audit, runs: dict[str, Run]) -> None:
    shown = yaml.safe_load(provenance.experiment(audited))
    assert Experiment(**shown) == runs["aligned"].experiment
    assert shown["target"]["split"]["labels"] == 9
    assert provenance.commands(audited) == ["spacewise train experiment.yaml --out RUN", "spacewise audit RUN"]


def test_what_made_it_tells_both_domains_apart(audited: Audit, runs: dict[str, Run]) -> None:
    pairs = dict(provenance.pairs(audited))
    split, origin = runs["aligned"].split, runs["aligned"].origin
    assert origin is not None
    assert f"{len(split.train)} train" in pairs["samples"]
    assert f"{len(split.unlabelled)} unlabelled" in pairs["samples"]
    assert pairs["source's samples"] == f"{len(origin.train)} train, {len(origin.test)} test"
    assert pairs["source's split"] == origin.digest()
    assert pairs["pretraining"] == "1 epoch"
    assert pairs["training took"].endswith(", after the pretraining")


def test_the_answer_names_both_domains(audited: Audit) -> None:
    sentences = " ".join(verdict.of_run(audited))
    right = {row.domain: numbers.percent(row.accuracy) for row in audited.table("domain_accuracy").itertuples()}
    assert f"right in {right['target']}" in sentences
    assert "of test images of the target." in sentences
    assert f"On test images of the source it is right in {right['source']}" in sentences
    assert f"Of 3 classes, {transferred.matched(audited)[0]} lie" in sentences
    labels = [tile.label for tile in tiles(audited)]
    assert labels == ["overall", "source", "pixel floor"]


def test_a_terminal_gets_one_line_more(audited: Audit) -> None:
    *others, line = terminal.audit_lines(audited)
    assert others == terminal.accuracy_lines(audited)
    row = audited.table("domain_accuracy").set_index("domain").loc["source"]
    assert f"{100 * row['accuracy']:5.1f} %" in line
    assert f"separability {transferred.space(audited)['separability']:.3f}" in line
    assert f"{transferred.matched_words(audited)} classes matched" in line


def test_figures_of_any_space_that_both_branches_share(audited: Audit) -> None:
    figure = draw(audited, "domain_map", space="classifier", seed=3)
    (ax,) = figure.axes
    assert ax.get_title(loc="left") == "classifier, test images"
    marks = {name: [mark for mark in ax.collections if name in mark.get_label()] for name in DOMAINS}
    held = {name: sum(len(mark.get_offsets()) for mark in found) for name, found in marks.items()}
    assert held == {"source": len(audited.table("source_samples")), "target": len(reading.test_samples(audited))}
    bars = draw(audited, "domain_distances", space="encoded")
    table = audited.table("domain_classes").query("space == 'encoded'")
    assert [bar.get_width() for bar in bars.axes[0].patches] == pytest.approx(table["distance"].tolist())
    for name in ("domain_map", "domain_distances"):
        with pytest.raises(InputError, match=r"unknown space of both domains 'embeding'.*embedding"):
            draw(audited, name, space="embeding")


def test_a_run_of_one_domain_has_neither_figure(tmp_path: Path) -> None:
    one = synthetic(tmp_path, confusers=False, novelty=False, classes=("a", "b"))
    for name in ("domain_map", "domain_distances"):
        assert name in FIGURES
        with pytest.raises(InputError, match="its run is of one domain, there is no source to compare with"):
            draw(one, name)
    assert "target" not in yaml.safe_load(provenance.experiment(one))
    assert len(terminal.audit_lines(one)) == len(terminal.accuracy_lines(one))


def test_other_data_of_a_transfer_have_no_second_domain(audited: Audit, tmp_path: Path) -> None:
    (tmp_path / "audit-other").mkdir()
    files.write_json(tmp_path / "audit-other" / "audit.json", audited.facts)
    with pytest.raises(InputError, match="tests other data than its run's"):
        draw(Audit(tmp_path / "audit-other"), "domain_map")


def test_seeds_of_a_transfer_are_one_method(runs: dict[str, Run], tmp_path: Path, quick: None) -> None:
    folders = [run.folder for run in runs.values()]
    table, shown = compare_runs(folders, tmp_path / "both", command="spacewise compare")
    first = "batch=6, alternate=sliced_wasserstein@embedding, pretraining"
    assert set(table["method"]) == {first, "batch=0, no alternate, no pretraining"}
    assert comparison.value(table, first, "overall")["runs"] == 2
    read = Reader(shown.read_text(encoding="utf-8"))
    assert "no pretraining" in read.text
    assert read.text.count("target: ") == 2  # in the experiment of each method


def test_names_of_methods(tmp_path: Path) -> None:
    root = write_domains(tmp_path)
    base = experiment(root)
    long = experiment(root, pretraining={"epochs": 5, "batch": 6})
    assert method_names([base, long]) == ["pretraining.epochs=1", "pretraining.epochs=5"]
    assert (
        method_names([base, experiment(root, seed=4)])
        == ["crossentropy@classifier, then sliced_wasserstein@embedding"] * 2
    )
    assert method_names([base, experiment(root, labels=6)]) == [
        f"target few-label labels={labels} within=(stratified)" for labels in (9, 6)
    ]
    optical = base.data.model_dump()
    plain = Experiment(data=optical, net={"name": "resnet20", "size": SIDE}, objective=base.objective, seed=0)
    first, second = method_names([base, plain])
    assert first.startswith("y-shaped dimension=8 size=16, transfer, epochs=1")
    assert second.startswith("resnet20 size=16, supervised, epochs=30")


def test_one_method_on_several_seeds_is_paired_with_another(runs: dict[str, Run]) -> None:
    keys = [comparison.pair_key(Audit(run.folder / "audit")) for run in runs.values()]
    assert keys == ["0/0/0", "1/1/0", "0/0/0"]


def test_a_transfer_is_explained_on_its_target(runs: dict[str, Run], tmp_path: Path, quick: None) -> None:
    run = runs["aligned"]
    table, shown = explain_runs(
        [run.folder], Question(images=3, steps=4), tmp_path / "views", weights="best", command="spacewise explain"
    )
    assert shown.is_file()
    assert set(table["method"]) == {"crossentropy@classifier, then sliced_wasserstein@embedding"}
    samples = pd.read_parquet(run.folder / "explanation" / "samples.parquet")
    assert set(samples["id"]) <= set(run.split.test.facts["id"])
