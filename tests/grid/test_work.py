"""One task carried out, and tasks as JSON."""

from __future__ import annotations

import fcntl
import json
import os
import sys
import types
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.grid import study, tiny

from spacewise import files, runs
from spacewise.grid import Outcome, Task
from spacewise.grid.work import answer, carry_out, environment, packed, request, unpacked, work

WORK = sys.modules["spacewise.grid.work"]


@pytest.fixture
def one(pictures: Path, tmp_path: Path) -> Task:
    return tiny.task(pictures, tmp_path / "one")


# Work


def test_a_task_is_trained_and_then_read_back(one: Task) -> None:
    first = work(one)
    assert (first.status, first.why) == ("finished", "")
    assert first.facts == runs.read_facts(one.folder)
    made = (one.folder / "weights" / "last.safetensors").stat().st_mtime_ns
    assert work(one) == first
    assert (one.folder / "weights" / "last.safetensors").stat().st_mtime_ns == made
    assert not list(one.folder.parent.glob(".*")), "the lock is gone"


def test_bad_input_is_refused(one: Task) -> None:
    assert work(one).status == "finished"
    outcome = work(replace(one, experiment=one.experiment.model_copy(update={"seed": 1})))
    assert outcome.status == "refused"
    assert "holds another experiment" in outcome.why


def test_anything_else_has_failed(one: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("out of\nmemory")

    monkeypatch.setattr(WORK, "ensure", broken)
    kept = one.folder.with_name(".one.error.txt")
    assert work(one) == Outcome(one, "failed", f"RuntimeError: out of memory; trace in {kept}")
    assert kept.read_text().startswith("Traceback")
    assert kept.read_text().endswith("RuntimeError: out of\nmemory\n")
    monkeypatch.undo()
    assert work(one).status == "finished"
    assert not kept.exists()


def test_a_trace_that_cannot_be_kept_hides_no_error(one: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("first")

    monkeypatch.setattr(WORK, "ensure", broken)
    one.folder.parent.joinpath("file").write_text("")
    outcome = work(replace(one, folder=one.folder.parent / "file" / "one"))
    assert outcome.status == "failed"
    assert outcome.why.startswith("RuntimeError: first; its trace is lost: cannot write")


def test_a_trial_without_prospects_is_pruned(one: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Pruned(Exception):
        pass

    class Reporter:
        def log_metrics(self, metrics: dict[str, float], step: int) -> None:
            raise Pruned(f"behind the others after epoch {step}")

    heard: list[object] = []
    study = types.SimpleNamespace(Pruned=Pruned, reporter=lambda *asked: heard.append(asked) or Reporter())
    monkeypatch.setitem(sys.modules, "spacewise.tune.study", study)
    outcome = work(replace(one, study=tmp_path / "study", trial=3))
    assert (outcome.status, outcome.why) == ("pruned", "behind the others after epoch 1")
    assert heard == [(tmp_path / "study", 3, one.folder / "log.csv")]


# One process in a folder


def test_two_never_train_in_one_folder(one: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "PATIENCE", 0.2)
    with files.alone(one.folder):
        outcome = work(one)
    assert outcome.status == "failed"
    assert f"another process is at it: process {os.getpid()} on " in outcome.why
    assert not (one.folder / "state.safetensors").exists()


def test_a_lock_that_a_killed_process_left_is_free(one: Task) -> None:
    left = one.folder.with_name(".one.lock")
    left.write_text("process 1 on moon")
    with files.alone(one.folder):
        assert str(os.getpid()) in left.read_text()
        with left.open() as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert not left.exists()


# JSON


def test_a_task_is_the_same_after_its_journey(one: Task, tmp_path: Path) -> None:
    for task in (one, replace(one, pretrained=tmp_path / "first", study=tmp_path / "study", trial=7)):
        assert unpacked(json.loads(json.dumps(packed(task)))) == task


@pytest.mark.parametrize("key", study.TRANSFER.arms)
def test_so_are_transfers(key: str, tmp_path: Path) -> None:
    made = study.write_scenes(tmp_path)
    from spacewise.recipes.recipe import experiment

    task = Task(key, experiment(study.TRANSFER, key, 1, made), tmp_path / key)
    assert unpacked(json.loads(json.dumps(packed(task)))) == task


@settings(max_examples=30)
@given(rate=st.floats(1e-12, 1e6), weight=st.floats(1e-6, 1e6), name=st.text(min_size=1, max_size=8))
def test_figures_keep_their_last_bit(rate: float, weight: float, name: str) -> None:
    made = tiny.experiment(Path("/data"), rate=rate)
    made = made.model_copy(update={"objective": [f"{weight!r}*contrastive@feature"]})
    task = Task(name, made, Path("/runs/one"))
    assert unpacked(json.loads(json.dumps(packed(task)))) == task


def test_relative_folders_travel_whole(one: Task, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    there = unpacked(packed(replace(one, folder=Path("runs/one"), pretrained=Path("first"))))
    assert (there.folder, there.pretrained) == (tmp_path / "runs" / "one", tmp_path / "first")


def test_what_is_carried_out_is_answered(one: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["spacewise", "reproduce", "it"])
    asked = request(one, 1)
    monkeypatch.setattr(sys, "argv", ["worker"])
    outcome = answer(one, carry_out(asked))
    assert outcome == Outcome(one, "finished", facts=runs.read_facts(one.folder))
    assert outcome.facts["command"] == "spacewise reproduce it"


def test_an_interrupted_task_has_failed(one: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(WORK, "ensure", interrupted)
    monkeypatch.setattr(sys, "argv", ["spacewise"])
    assert answer(one, carry_out(request(one, 1))) == Outcome(one, "failed", "stopped by a signal")


def test_the_environment_of_a_worker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", "mine")
    monkeypatch.setenv("SPACEWISE_CACHE", "cache")
    found = environment(3)
    assert found["OMP_NUM_THREADS"] == "3"
    assert found["SPACEWISE_CACHE"] == str(tmp_path / "cache")
    assert str(tmp_path / "mine") in found["PYTHONPATH"].split(os.pathsep)
    monkeypatch.delenv("SPACEWISE_CACHE")
    assert "SPACEWISE_CACHE" not in environment(1)
