"""Searches: the same trials every time, also across interruptions; what is stopped, and what is refused."""

from __future__ import annotations

import json
import sys
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from tests.tune.in_process import Here, Pretended, given, searched

from spacewise import files, runs
from spacewise.errors import InputError
from spacewise.experiment import read
from spacewise.flags import Given
from spacewise.grid.tasks import Outcome, Task
from spacewise.learn.supervised_training import SupervisedTraining
from spacewise.learn.training import Training
from spacewise.tune import study as journal
from spacewise.tune.finish import finish, tune
from spacewise.tune.search import open_search
from spacewise.tune.template import Template, template

pytestmark = pytest.mark.usefixtures("no_png")

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
    search = searched(chosen, tmp_path / "cut", 6, Pretended())
    begun = journal.new_trial(search.study)  # killed between its first value and its second
    journal.drawn(begun, chosen.choices[:1], search.seed)
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
        trial = journal.new_trial(study)
        for epoch in (1, 2, 3):
            trial.report(0.9, epoch)
        journal.end(study, trial, "finished", {"figure": 0.9})
    trial = journal.new_trial(study)
    trial.set_user_attr("epochs", 3)
    told = journal.reporter(tmp_path / "study.log", trial.number, tmp_path / "log.csv")
    told.log_metrics({"rate": 1.0, "validation_accuracy": 0.1}, 1)  # before the warm-up
    with pytest.raises(journal.Pruned, match="after epoch 2"):
        told.log_metrics({"validation_accuracy": 0.1}, 2)
    told.log_metrics({"validation_accuracy": 0.1}, 3)
    with pytest.raises(InputError, match="no validation figure"):
        told.log_metrics({"accuracy": 0.1}, 3)
    with pytest.raises(InputError, match="knows no trial 99"):
        journal.reporter(tmp_path / "study.log", 99, tmp_path / "log.csv")


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
    trial = journal.new_trial(search.study)
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
    with pytest.raises(InputError, match="all 3 trials have failed, such as trial-0002: RuntimeError: no memory left"):
        searched(two_choices, tmp_path, 30, place)
    assert len(place.done) == 9
    assert "no memory left" in (tmp_path / "runs" / ".trial-0002.error.txt").read_text()
    with pytest.raises(InputError, match="no trial is finished"), open_search(two_choices, tmp_path) as search:
        finish(search, command="spacewise tune")


class Failing(Pretended):
    """Fails the trials of these numbers, whose other half ends first."""

    def __init__(self, slots: int, *numbers: int) -> None:
        super().__init__(slots)
        self.failing = {f"trial-{number:04}" for number in numbers}

    def wait(self, seconds: float) -> Sequence[Outcome]:
        self.waiting = deque(sorted(self.waiting, key=lambda task: task.name not in self.failing))
        return super().wait(seconds)

    def carry_out(self, task: Task) -> Outcome:
        return Outcome(task, "refused", "diverged") if task.name in self.failing else super().carry_out(task)


def test_failures_that_arrive_first_say_nothing(two_choices: Template, tmp_path: Path) -> None:
    table = searched(two_choices, tmp_path, 6, Failing(4, 0, 1, 2)).table()
    assert list(table["status"]) == ["failed"] * 3 + ["finished"] * 3


def test_failures_are_counted_over_calls(two_choices: Template, tmp_path: Path) -> None:
    searched(two_choices, tmp_path, 2, Failing(1, 0, 1))
    with pytest.raises(InputError, match="all 3 trials have failed, such as trial-0002: diverged"):
        searched(two_choices, tmp_path, 9, Failing(1, 2, 3, 4))
    place = Failing(4, 3)  # called again it tries once more, one at a time until one is no failure
    with pytest.raises(InputError, match="all 4 trials have failed"):
        searched(two_choices, tmp_path, 9, place)
    assert place.done == ["trial-0003"]
    table = searched(two_choices, tmp_path, 9, Failing(4, 5, 6, 7, 8)).table()
    assert list(table["status"][4:]) == ["finished", *["failed"] * 4]


def test_a_second_command_changes_nothing(
    two_choices: Template, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "PATIENCE", 0.2)
    with open_search(two_choices, tmp_path / "out") as search:
        with search.path.open("ab") as stream:
            stream.write(b'{"op_code":4,"wor')  # the first is in the middle of a line
        before = search.path.read_bytes()
        with pytest.raises(BlockingIOError, match="another process is at it"), open_search(two_choices, search.out):
            pass
        assert search.path.read_bytes() == before


def test_an_interrupted_search_leaves_what_it_has_found(two_choices: Template, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        tune(two_choices, Pretended(most=0), tmp_path, 5, command="spacewise tune")
    assert not (tmp_path / "trials.csv").exists()
    with pytest.raises(KeyboardInterrupt):
        tune(two_choices, Written(most=2), tmp_path, 5, command="spacewise tune")
    assert list(pd.read_csv(tmp_path / "trials.csv")["status"]) == ["finished", "finished", "running"]
    assert (tmp_path / "best.yaml").is_file()
    assert (tmp_path / "tune.html").is_file()


class Written(Pretended):
    """Leaves the experiment, too."""

    def carry_out(self, task: Task) -> Outcome:
        files.write_text(task.folder / "experiment.yaml", task.experiment.yaml())
        return super().carry_out(task)


def test_epochs_that_a_kill_kept_from_the_journal_are_reported_from_the_log(tmp_path: Path) -> None:
    study = journal.open_study(tmp_path / "study.log", warm_up=2)
    for _ in range(journal.COMPARED + 1):
        trial = journal.new_trial(study)
        trial.set_user_attr("epochs", 4)
        for epoch in (1, 2, 3):
            trial.report(0.9 if trial.number < journal.COMPARED else 0.95, epoch)
        if trial.number < journal.COMPARED:
            journal.end(study, trial, "finished", {"figure": 0.9})
    log = tmp_path / "log.csv"
    begun = journal.new_trial(study)
    begun.set_user_attr("epochs", 4)
    figures = {1: 0.1 + 0.2, 2: 0.95, 3: 0.97}
    pd.DataFrame({"epoch": figures.keys(), "validation_accuracy": figures.values()}).to_csv(log, index=False)
    told = journal.reporter(tmp_path / "study.log", begun.number, log)
    told.log_metrics({"validation_accuracy": 0.98}, 4)
    assert study.get_trials()[begun.number].intermediate_values == figures | {4: 0.98}
    bad = journal.new_trial(study)
    bad.set_user_attr("epochs", 4)
    pd.DataFrame({"epoch": [1, 2], "validation_accuracy": [0.1, 0.2]}).to_csv(log, index=False)
    with pytest.raises(journal.Pruned, match="after epoch 2"):
        journal.reporter(tmp_path / "study.log", bad.number, log)


def test_another_search_in_the_same_folder_is_refused(two_choices: Template, pictures: Path, tmp_path: Path) -> None:
    searched(two_choices, tmp_path / "out", 1, Pretended())
    kept = (tmp_path / "out" / "study.log").read_bytes()
    other = Template(given(pictures, loss=two_choices.given.loss, changes=("rate={1e-4..1e-3 log}",)))
    with (
        pytest.raises(InputError, match=r"holds another search: changes was .*1e-2 log.* now .*1e-3 log"),
        open_search(other, tmp_path / "out"),
    ):
        pass
    assert (tmp_path / "out" / "study.log").read_bytes() == kept
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    with (
        pytest.raises(InputError, match="already exists and is no search"),
        open_search(two_choices, tmp_path / "mine"),
    ):
        pass


REFUSED = [
    ({}, ("validation=0",), "no validation samples"),
    ({"loss": ("crossentropy@classifier",)}, (), "nothing is left open"),
    ({"loss": ("{1|2}*center@{feature|clasifier}",)}, (), "unknown space 'clasifier': did you mean 'classifier'"),
    ({"loss": ("{1|2}*cente@feature",)}, (), "unknown loss 'cente'"),
    ({}, ("epochs={5..20}",), "epochs"),
    ({}, ("rate={0..1 log}",), "no logarithm at 0"),
    ({}, ("rte={0..1}",), "unknown key 'rte'"),
    ({}, ("seed={0..9 int}",), "their seed differs: 0 and"),
    ({}, ("data.split.seed={0|1}",), "their split differs: .*; write one of them, or .* spacewise grid"),
    ({}, ("shift={0|2}",), "their shift differs: 0 and 2"),
    ({"epochs": "{1|two}"}, (), "--epochs takes a whole number, not 'two'"),
]


@pytest.mark.parametrize(("flags", "changes", "words"), REFUSED)
def test_what_cannot_be_is_met_at_the_door(
    pictures: Path, tmp_path: Path, flags: dict[str, Any], changes: tuple[str, ...], words: str
) -> None:
    changes = tuple(f"data.split.{change}" if change.startswith("validation") else change for change in changes)
    chosen = Template(given(pictures, changes=changes, **flags))
    with pytest.raises(InputError, match=words) as refused, open_search(chosen, tmp_path / "out"):
        pass
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "out").exists()


def test_the_test_set_never_chooses(pictures: Path, tmp_path: Path) -> None:
    few = {"data": str(pictures), "labels": "2/class", "method": "fixmatch", "size": "32"}
    chosen = Template(Given(**few, changes=(*RATES, "mu=1", "batch=2", "choose=test")))
    with (
        pytest.raises(InputError, match="a search goes by validation alone, and choose=test goes by the test set"),
        open_search(chosen, tmp_path / "out"),
    ):
        pass
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
    with (
        pytest.raises(InputError, match=r"pip install 'spacewise\[tune\]'"),
        open_search(two_choices, tmp_path / "out"),
    ):
        pass
    assert not (tmp_path / "out").exists()
