"""Searches: the same trials every time, also across interruptions; what is stopped, and what is refused."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from tests.tune.in_process import Here, Pretended, given, searched

from spacewise import runs
from spacewise.errors import InputError
from spacewise.experiment import read
from spacewise.flags import Given
from spacewise.learn.supervised_training import SupervisedTraining
from spacewise.learn.training import Training
from spacewise.tune import study as journal
from spacewise.tune.finish import finish
from spacewise.tune.search import open_search, run
from spacewise.tune.template import Template, template

pytest.importorskip("optuna")

RATES = ("rate={1e-4..1e-2 log}",)


def of_rate(self: Training) -> dict[str, float]:
    """A validation figure that knows the best rate; it needs no network."""
    near = 1 - abs(float(f"{self.settings.rate:.4g}") - 3e-3) * 90
    return {"validation_accuracy": max(near, 0.0) * (self.facts["epoch"] + 1) / self.settings.epochs}


@pytest.fixture
def two_choices(pictures: Path) -> Template:
    loss = ("crossentropy@classifier", "{0|0.1}*center@feature")
    return Template(given(pictures, loss=loss, changes=RATES))


def test_four_trials_and_what_they_leave(pictures: Path, tmp_path: Path) -> None:
    search = searched(Template(given(pictures)), tmp_path / "out", 4)
    found, made = finish(search, command="spacewise tune")
    table = pd.read_csv(made["trials"])
    names = ["contrastive.weight", "contrastive.dissimilar_margin", "contrastive.space"]
    assert list(table) == ["trial", "status", "figure", "best_epoch", *names, "why"]
    assert list(table["status"]) == ["finished"] * 4
    for row in table.to_dict("records"):
        folder = tmp_path / "out" / "runs" / f"trial-{row['trial']:04}"
        log = pd.read_csv(folder / "log.csv").set_index("epoch")
        assert row["figure"] == log["validation_accuracy"][row["best_epoch"]] == log["validation_accuracy"].max()
        term = runs.read_experiment(folder).objective[1]
        assert f"{row['contrastive.weight']:g}*" in term
        assert f"dissimilar_margin={row['contrastive.dissimilar_margin']:g}" in term
        assert term.endswith(f"@{row['contrastive.space']}")
    best = f"trial-{found.finished['trial'].iloc[0]:04}"
    assert table["figure"].max() == found.finished["figure"].iloc[0]
    assert read(made["best"]) == runs.read_experiment(tmp_path / "out" / "runs" / best)
    assert made["report"].is_file()
    for line in search.path.read_text().splitlines():
        json.loads(line)  # nothing but JSON lines


def test_the_same_seed_draws_the_same_trials_whatever_interrupts_them(pictures: Path, tmp_path: Path) -> None:
    loss = ("crossentropy@classifier", "{0|0.1}*center@feature")
    chosen = Template(given(pictures, loss=loss, changes=RATES, epochs="3"))
    whole = searched(chosen, tmp_path / "whole", 16, Pretended()).table()
    again = searched(chosen, tmp_path / "again", 16, Pretended()).table()
    pd.testing.assert_frame_equal(whole, again)
    assert whole["rate"].nunique() == 16
    assert set(whole["status"]) == {"finished", "pruned"}
    with pytest.raises(KeyboardInterrupt):
        searched(chosen, tmp_path / "cut", 16, Pretended(most=3))  # the fourth has been drawn
    search = open_search(chosen, tmp_path / "cut")
    run(search, Pretended(), 6)
    journal.new_trial(search.study, search.seed)  # killed before its values were written down
    with search.path.open("ab") as stream:
        stream.write(b'{"op_code":4,"wor')  # and in the middle of a line
    place = Pretended()
    pd.testing.assert_frame_equal(searched(chosen, tmp_path / "cut", 16, place).table(), whole)
    assert place.done == [f"trial-{number:04}" for number in range(6, 16)]


def test_killed_in_the_middle_of_a_trial(
    two_choices: Template, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = Template(given(pictures, loss=two_choices.given.loss, changes=(*RATES, "batch=4"), epochs="2"))
    whole = searched(chosen, tmp_path / "whole", 2).table()
    plain, steps = SupervisedTraining.step, []

    def killed(self: SupervisedTraining, batch: Any) -> None:
        steps.append(1)
        if len(steps) == 11:  # in the second epoch of the second trial
            raise SystemExit
        plain(self, batch)

    monkeypatch.setattr(SupervisedTraining, "step", killed)
    with pytest.raises(SystemExit):
        searched(chosen, tmp_path / "cut", 2)
    assert runs.status(tmp_path / "cut" / "runs" / "trial-0001") == "training"
    before = len(steps)
    pd.testing.assert_frame_equal(searched(chosen, tmp_path / "cut", 2).table(), whole)
    assert len(steps) - before < before / 2  # the first trial was not trained again


def test_finished_trials_are_never_run_again_and_more_can_be_asked_for(two_choices: Template, tmp_path: Path) -> None:
    first = searched(two_choices, tmp_path, 2, Pretended()).table()
    place = Pretended(slots=2)
    assert len(searched(two_choices, tmp_path, 2, place).table()) == 2
    assert place.done == []
    more = searched(two_choices, tmp_path, 4, place).table()
    assert place.done == ["trial-0002", "trial-0003"]
    pd.testing.assert_frame_equal(more.head(2), first)


def test_a_trial_below_the_median_is_stopped_but_never_after_its_last_epoch(tmp_path: Path) -> None:
    study = journal.open_study(tmp_path / "study.log", warm_up=2)
    for _ in range(journal.COMPARED):
        trial = journal.new_trial(study, 0)
        for epoch in (1, 2, 3):
            trial.report(0.9, epoch)
        journal.end(study, trial, "finished", {"figure": 0.9})
    trial = journal.new_trial(study, 0)
    trial.set_user_attr("epochs", 3)
    told = journal.reporter(tmp_path / "study.log", trial.number)
    told.log_metrics({"rate": 1.0, "validation_accuracy": 0.1}, 1)  # before the warm-up
    with pytest.raises(journal.Pruned, match="after epoch 2"):
        told.log_metrics({"validation_accuracy": 0.1}, 2)
    told.log_metrics({"validation_accuracy": 0.1}, 3)
    with pytest.raises(InputError, match="no validation figure"):
        told.log_metrics({"accuracy": 0.1}, 3)
    with pytest.raises(InputError, match="knows no trial 99"):
        journal.reporter(tmp_path / "study.log", 99)


def test_a_search_stops_trials_saves_their_state_and_says_so(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Training, "validate", of_rate)
    chosen = Template(given(pictures, loss=("crossentropy@classifier",), changes=RATES, epochs="3"))
    table = searched(chosen, tmp_path, 7).table()
    stopped = table[table["status"] == "pruned"]
    assert len(stopped)
    for row in stopped.to_dict("records"):
        folder = tmp_path / "runs" / f"trial-{row['trial']:04}"
        assert "below the median" in row["why"]
        log = pd.read_csv(folder / "log.csv")
        assert len(log) < 3
        assert row["figure"] == log["validation_accuracy"].max()
        assert runs.status(folder) == "training"  # it could be resumed
    finished = table[table["status"] == "finished"]
    assert (finished["figure"] > 0).any()


def test_a_trial_that_was_stopped_while_nobody_listened_is_not_trained_on(
    two_choices: Template, tmp_path: Path
) -> None:
    search = searched(two_choices, tmp_path, 1, Pretended())
    trial = journal.new_trial(search.study, search.seed)
    trial.set_user_attr("pruned", "stopped after epoch 1")
    place = Pretended()
    assert list(searched(two_choices, tmp_path, 2, place).table()["status"]) == ["finished", "pruned"]
    assert place.done == []


def test_a_trial_that_diverges_fails_and_the_search_goes_on(
    two_choices: Template, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sometimes(self: Training) -> dict[str, float]:
        if "trial-0001" in str(self.out):
            raise InputError("training diverged: total is no longer finite")
        return {"validation_accuracy": 0.5}

    monkeypatch.setattr(Training, "validate", sometimes)
    search = searched(two_choices, tmp_path, 3)
    table = search.table()
    assert list(table["status"]) == ["finished", "failed", "finished"]
    assert "diverged" in table["why"][1]
    _, made = finish(search, command="spacewise tune")
    assert "trial 1: training diverged" in made["report"].read_text()


def test_what_is_killed_is_tried_again_and_what_always_fails_ends_the_search(
    two_choices: Template, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Training) -> dict[str, float]:
        raise RuntimeError("no memory left")

    monkeypatch.setattr(Training, "validate", broken)
    place = Here()
    with pytest.raises(InputError, match="the first 3 trials failed, such as trial-0002: RuntimeError: no memory left"):
        searched(two_choices, tmp_path, 30, place)
    assert len(place.done) == 9
    with pytest.raises(InputError, match="no trial is finished"):
        finish(open_search(two_choices, tmp_path), command="spacewise tune")


def test_another_search_in_the_same_folder_is_refused(two_choices: Template, pictures: Path, tmp_path: Path) -> None:
    searched(two_choices, tmp_path / "out", 1, Pretended())
    kept = (tmp_path / "out" / "study.log").read_bytes()
    other = Template(given(pictures, loss=two_choices.given.loss, changes=("rate={1e-4..1e-3 log}",)))
    with pytest.raises(InputError, match=r"holds another search: changes was .*1e-2 log.* now .*1e-3 log"):
        open_search(other, tmp_path / "out")
    assert (tmp_path / "out" / "study.log").read_bytes() == kept
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    with pytest.raises(InputError, match="already exists and is no search"):
        open_search(two_choices, tmp_path / "mine")


REFUSED = [
    ({}, ("validation=0",), "no validation samples"),
    ({"loss": ("crossentropy@classifier",)}, (), "nothing is left open"),
    ({"loss": ("{1|2}*center@{feature|clasifier}",)}, (), "unknown space 'clasifier': did you mean 'classifier'"),
    ({"loss": ("{1|2}*cente@feature",)}, (), "unknown loss 'cente'"),
    ({}, ("epochs={5..20}",), "epochs"),
    ({}, ("rate={0..1 log}",), "no logarithm at 0"),
    ({}, ("rte={0..1}",), "unknown key 'rte'"),
    ({"epochs": "{1|two}"}, (), "--epochs takes a whole number, not 'two'"),
]


@pytest.mark.parametrize(("flags", "changes", "words"), REFUSED)
def test_what_cannot_be_is_met_at_the_door(
    pictures: Path, tmp_path: Path, flags: dict[str, Any], changes: tuple[str, ...], words: str
) -> None:
    changes = tuple(f"data.split.{change}" if change.startswith("validation") else change for change in changes)
    with pytest.raises(InputError, match=words) as refused:
        open_search(Template(given(pictures, changes=changes, **flags)), tmp_path / "out")
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "out").exists()


def test_the_test_set_never_chooses(pictures: Path, tmp_path: Path) -> None:
    few = {"data": str(pictures), "labels": "2/class", "method": "fixmatch", "size": "32"}
    chosen = Template(Given(**few, changes=(*RATES, "mu=1", "batch=2", "choose=test")))
    with pytest.raises(InputError, match="a search goes by validation alone, and choose=test goes by the test set"):
        open_search(chosen, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_file_with_choices(pictures: Path, tmp_path: Path) -> None:
    path = tmp_path / "experiment.yaml"
    path.write_text(
        f"data:\n  source: {{name: folder, root: {pictures}}}\n  split: {{name: stratified}}\n"
        "net: {name: aconvnet, size: 24, padding: same}\n"
        "objective:\n- crossentropy@classifier\n- {0.1..10 log}*center@{feature|classifier}  # {a|b}\n"
        "regime: {epochs: 1, batch: 8, precision: float32}\nseed: 3\n"
    )
    search = searched(template(Given(experiment=str(path), changes=RATES)), tmp_path / "out", 2, Pretended())
    assert search.seed == 3
    assert [choice.name for choice in search.template.choices] == ["center.weight", "center.space", "rate"]
    assert yaml.safe_load((tmp_path / "out" / "tune.yaml").read_text())["flags"]["experiment"] == path.read_text()
    with pytest.raises(InputError, match="says data, network, losses and seed itself"):
        template(Given(experiment=str(path), data="chips"))
    with pytest.raises(InputError, match="does not exist"):
        template(Given(experiment=str(tmp_path / "none.yaml")))


def test_without_the_extra(two_choices: Template, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(InputError, match=r"pip install 'spacewise\[tune\]'"):
        open_search(two_choices, tmp_path / "out")
    assert not (tmp_path / "out").exists()
