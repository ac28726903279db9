"""A run explained: what lies in its folder, and what is refused at the door."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from spacewise import files, runs, splits
from spacewise.errors import InputError
from spacewise.explain import make
from spacewise.explain.make import Question, explain, explained
from spacewise.explain.stored import open_explanation
from spacewise.learn import supervised
from spacewise.nets import Chain
from spacewise.objective import Objective
from spacewise.sources import Source
from spacewise.splits import Split

QUESTION = Question(images=8, steps=4)


@pytest.fixture(scope="module")
def split(chips: Source) -> Split:
    return splits.stratified(chips, test=0.4, validation=0.2)


@pytest.fixture(scope="module")
def run(split: Split, tiny_chain: Callable[..., Chain], tmp_path_factory: pytest.TempPathFactory) -> runs.Run:
    place = tmp_path_factory.mktemp("explained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPACEWISE_CACHE", str(place / "cache"))
        options = {"epochs": 3, "batch": 6, "rate": 0.01, "precision": "float32"}
        return supervised(tiny_chain(), Objective("crossentropy@classifier"), split, out=place / "run", **options)


@pytest.fixture
def masks(split: Split, tmp_path: Path) -> Path:
    """A square target and a shadow beside it, for every image."""
    for row in range(len(split.source)):
        facts = split.source.facts.iloc[row]
        mask = np.zeros(split.source.read(row).shape[1:], np.uint8)
        mask[6:12, 6:12], mask[6:12, 12:15] = 1, 2  # of 24 x 24, which are resized to 16 x 16
        place = tmp_path / "masks" / facts["label"]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(place / f"{Path(facts['id']).stem}.png")
    return tmp_path / "masks"


def test_every_table_belongs_to_the_images(run: runs.Run) -> None:
    made = explain(run, QUESTION)
    samples = made.table("samples")
    methods = ["gradcam", "random", "centre"]
    assert made.facts["methods"] == methods
    assert len(samples) == 8
    assert set(samples["id"]) <= set(run.split.test.facts["id"])
    assert made.pictures().shape[:3] == (8, 16, 16)
    assert made.maps("gradcam").shape == (8, 16, 16)
    scores = made.table("scores")
    assert len(scores) == 8 * 3 * 2
    assert scores[["insertion", "deletion"]].stack().between(0, 1).all()
    curves = made.table("curves")
    assert len(curves) == 3 * 2 * 2 * 5
    assert (curves["low"] <= curves["mean"] + 1e-12).all()
    assert (curves["mean"] <= curves["high"] + 1e-12).all()
    assert not made.has("regions")
    with pytest.raises(InputError, match="without --masks"):
        made.table("regions")


def test_the_area_of_the_mean_curve_is_the_mean_of_the_areas(run: runs.Run) -> None:
    made = explain(run, QUESTION)
    means = made.table("scores").groupby(["method", "definition"])[["insertion", "deletion"]].mean()
    for (method, definition, curve), line in made.table("curves").groupby(["method", "definition", "curve"]):
        area = np.trapezoid(line["mean"], line["share"])
        assert area == pytest.approx(means.at[(method, definition), curve])


def test_whole_images_score_as_the_network_does(run: runs.Run) -> None:
    """Where everything is inserted and nothing deleted, the curve of the true class is the accuracy."""
    made = explain(run, QUESTION)
    curves = made.table("curves").query("definition == 'accuracy' and method == 'gradcam'")
    right = made.table("samples")["correct"].mean()
    assert curves.query("curve == 'insertion' and share == 1")["mean"].item() == pytest.approx(right)
    assert curves.query("curve == 'deletion' and share == 0")["mean"].item() == pytest.approx(right)


def test_the_same_question_has_the_same_answer_and_is_not_asked_twice(
    run: runs.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = {name: explain(run, QUESTION).table(name) for name in ("samples", "scores", "curves")}
    again = explain(run, QUESTION)
    for name, table in first.items():
        pd.testing.assert_frame_equal(again.table(name), table)
    monkeypatch.setattr(make, "_fill", lambda *_: pytest.fail("made again"))
    assert explained(run, QUESTION).facts == open_explanation(run.folder).facts
    with pytest.raises(pytest.fail.Exception):
        explained(run, Question(images=8, steps=5))


def test_masks_tell_where_it_looks_and_what_it_needs(run: runs.Run, masks: Path) -> None:
    made = explain(run, Question(images=8, steps=4, masks=str(masks)))
    regions = made.table("regions")
    assert regions.groupby(["image", "method"])["area"].sum().to_numpy() == pytest.approx(1)
    known = regions.dropna().groupby(["image", "method"])["share"].sum()
    assert known.to_numpy() == pytest.approx(1)
    areas = regions.drop_duplicates("region").set_index("region")["area"]
    assert areas["target"] == pytest.approx(16 / 256)
    assert areas["shadow"] == pytest.approx(8 / 256)
    changes = made.table("changes").set_index(["change", "label"])
    logits = changes.at[("as stored", "own"), "accuracy"]
    tested = run.split.test
    predictions = make.tables.logits(run, make.decoded(tested.source, 16).images[tested.rows]).argmax(dim=1).numpy()
    assert logits == pytest.approx((predictions == tested.labels).mean())
    assert set(changes["n"]) == {len(tested)}
    assert ("on another's meadow", "meadow") in changes.index
    means = made.table("changed").groupby(["change", "label"])["correct"].mean()
    assert means.to_dict() == pytest.approx(changes["accuracy"].to_dict())


def test_a_lone_image_of_its_class_is_left_out_where_it_has_no_mate(run: runs.Run, masks: Path) -> None:
    test = run.split.test
    lone = int(test.labels[0])
    for row in test.rows[test.labels == lone][1:]:
        facts = run.split.source.facts.iloc[row]
        (masks / facts["label"] / f"{Path(facts['id']).stem}.png").unlink()
    changes = (
        explain(run, Question(images=8, steps=4, masks=str(masks))).table("changes").set_index(["change", "label"])
    )
    number = changes.at[("as stored", "own"), "n"]
    assert changes.at[("on its class's meadow", "own"), "n"] == number - 1
    assert changes.at[("on another's meadow", "own"), "n"] == number


def test_masks_that_do_not_fit_are_met_before_anything_is_computed(
    run: runs.Run, masks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = run.split.test.facts.iloc[0]
    Image.fromarray(np.zeros((5, 7), np.uint8)).save(masks / facts["label"] / f"{Path(facts['id']).stem}.png")
    monkeypatch.setattr(make.tables, "maps", lambda *_: pytest.fail("computed"))
    with pytest.raises(InputError, match=r"5 x 7|\(5, 7\)"):
        explain(run, Question(images=8, steps=4, masks=str(masks)))


def test_another_training_of_the_same_name_is_explained_anew(run: runs.Run) -> None:
    explain(run, QUESTION)
    facts = files.read_json(run.folder / "run.json")
    files.write_json(run.folder / "run.json", facts | {"started": "later"})
    try:
        assert explained(run, QUESTION).facts["of"]["started"] == "later"
    finally:
        files.write_json(run.folder / "run.json", facts)


def test_a_run_in_training_is_refused(run: runs.Run) -> None:
    facts = files.read_json(run.folder / "run.json")
    files.write_json(run.folder / "run.json", {k: v for k, v in facts.items() if k != "best_epoch"})
    try:
        with pytest.raises(InputError, match="not finished"):
            explain(run, QUESTION)
    finally:
        files.write_json(run.folder / "run.json", facts)


def test_an_older_explanation_stays_until_the_new_one_is_whole(run: runs.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    before = explain(run, QUESTION).facts

    def broken(*_: object) -> None:
        raise RuntimeError("power cut")

    monkeypatch.setattr(make.tables, "curves", broken)
    with pytest.raises(RuntimeError):
        explain(run, QUESTION)
    assert open_explanation(run.folder).facts == before
    assert not list(run.folder.glob(".*partial"))


@pytest.mark.parametrize(
    ("question", "said"),
    [
        (Question(methods=("gradcan",)), "gradcam"),
        (Question(methods=("random",)), "unknown method of attribution 'random'"),
        (Question(space="map"), "maps"),
        (Question(space="feature"), "'feature' holds no feature maps; those that do: maps"),
        (Question(images=0), "images must be 1 or more"),
        (Question(steps=0), "steps"),
        (Question(steps=257), "steps"),
        (Question(masks="nowhere"), "nowhere is no folder"),
    ],
)
def test_what_cannot_be_asked_is_refused(run: runs.Run, question: Question, said: str) -> None:
    before = sorted(run.folder.iterdir())
    with pytest.raises(InputError, match=said):
        explain(run, question)
    assert sorted(run.folder.iterdir()) == before


def test_nothing_to_read_back(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="spacewise explain"):
        open_explanation(tmp_path)
