"""Tasks in processes of this machine: their ends, also the violent ones."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.grid import tiny

from spacewise import runs
from spacewise.errors import InputError
from spacewise.grid import place, run_all
from spacewise.grid.local import Local
from spacewise.grid.places import visible_gpus
from spacewise.learn import ensure

LONG = 40  # epochs: seconds enough to be met in the middle

PARENT = """
import sys, time
from pathlib import Path
from tests.grid import tiny
from spacewise.grid.local import Local

pictures, folder, epochs = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
with Local(1) as place:
    place.submit(tiny.task(pictures, folder, epochs=epochs))
    place.wait(60)
"""


@pytest.fixture(scope="module")
def undisturbed(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A long training in this process, from its first step to its last."""
    folder = tmp_path_factory.mktemp("undisturbed") / "long"
    ensure(tiny.experiment(pictures, epochs=LONG), folder)
    return folder


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def test_one_is_killed_and_goes_on_and_one_is_refused(
    pictures: Path, tmp_path: Path, undisturbed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    long = tiny.task(pictures, tmp_path / "runs" / "long", epochs=LONG)
    bad = tiny.task(tmp_path / "nowhere", tmp_path / "runs" / "bad")
    table = tmp_path / "experiments.csv"
    with (
        tiny.Struck(Local(2), long.folder) as place,
        pytest.raises(InputError, match=r"1 of 2 experiments failed: bad: .*nowhere.*; the same command"),
    ):
        run_all([long, bad], place, table=table)
    shown = " ".join(capsys.readouterr().err.split())
    assert "long failed (try 1 of 3): killed by signal 9" in shown
    assert "it goes on from its saved state" in shown
    assert table.read_text().splitlines()[1].startswith("long,finished,2,")
    assert tiny.same_weights(long.folder, undisturbed)
    assert runs.read_facts(long.folder)["threads"] == 1
    with Local(1) as place:
        assert place.wait(0.1) == [], "nothing was submitted"


def test_the_end_of_the_place_is_the_end_of_its_tasks(pictures: Path, tmp_path: Path) -> None:
    begun = tiny.task(pictures, tmp_path / "begun", epochs=1000)
    waiting = tiny.task(pictures, tmp_path / "waiting")
    with Local(1) as place:
        place.submit(begun)
        place.submit(waiting)
        until((begun.folder / "log.csv").is_file)
        (child,) = [child.process for child in place.children]
    assert child.returncode == 0, "it saved its state and said so"
    assert runs.status(begun.folder) == "training"
    assert not waiting.folder.exists()
    assert [*tmp_path.glob(".*.lock")] == []


def test_when_the_parent_is_killed_the_child_saves_and_leaves(
    pictures: Path, tmp_path: Path, undisturbed: Path
) -> None:
    folder = tmp_path / "long"
    paths = os.pathsep.join([*sys.path, str(Path(__file__).parents[2])])
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(pictures), str(folder), str(LONG)], env=os.environ | {"PYTHONPATH": paths}
    )
    until((folder / "log.csv").is_file)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    until(lambda: not (tmp_path / ".long.lock").exists(), 20)
    assert runs.status(folder) == "training"
    ensure(tiny.experiment(pictures, epochs=LONG), folder)
    assert tiny.same_weights(folder, undisturbed)


def test_a_process_that_says_nothing_has_failed(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with Local(1) as place:
        place.submit(tiny.task(pictures, tmp_path / "one"))
        (ended,) = place.wait(10)
    assert (ended.status, ended.why) == ("failed", "its process ended with exit code 1")


def test_what_a_process_said_last_is_kept(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, python = tmp_path / ".one.error.txt", tmp_path / "python"
    python.write_text("#!/bin/sh\necho first >&2; echo last >&2; exit 3\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    with Local(1) as place:
        place.submit(tiny.task(pictures, tmp_path / "one"))
        (ended,) = place.wait(10)
    assert ended.why == f"its process ended with exit code 3: last; trace in {kept}"
    assert kept.read_text() == "first\nlast\n"


def test_each_task_sees_a_gpu_of_its_own(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str | None] = []

    class Process(subprocess.Popen[bytes]):
        def __init__(self, words: list[str], env: dict[str, str], **more: Any) -> None:
            seen.append(env.get("CUDA_VISIBLE_DEVICES"))
            super().__init__(["true"], env=env, **more)

    monkeypatch.setattr(subprocess, "Popen", Process)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a, 3,7")
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert visible_gpus() == ["GPU-a", "3"]
    with Local(8, 1, visible_gpus()) as place:
        assert place.slots == 2
        for number in range(5):
            place.submit(tiny.task(pictures, tmp_path / str(number)))
        ended = 0
        while ended < 5:
            assert len({child.gpu for child in place.children}) == len(place.children)
            ended += len(place.wait(5))
    assert seen[:2] == ["GPU-a", "3"]
    assert set(seen) == {"GPU-a", "3"}
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert visible_gpus() == ["0", "1"]
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    assert visible_gpus() == []


def test_cpus_are_those_that_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 5})
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    assert place("local").slots == 3
    with pytest.raises(InputError, match="--cpus 4 of each experiment is more than this machine has: 3"):
        place("local", 4)


@pytest.mark.parametrize("gpus", [math.nan, math.inf, 1.5, -1])
def test_gpus_that_no_one_can_set_aside_are_refused(gpus: float) -> None:
    with pytest.raises(InputError, match=f"GPU.*{gpus:g}"):
        place("ray", 1, gpus)
