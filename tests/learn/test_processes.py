"""Two processes train what one trains, and meet what happens to processes: other data, no folder, death."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import torch
from tests.forked import run_forked, run_restarted
from tests.learn.few_labels import COSTS, in_table
from tests.learn.regimes import REGIMES, write_data
from tests.learn.two_domains import same, tensors

from spacewise import files
from spacewise.learn import processes

TWO = """
import os, sys
from pathlib import Path
import torch
from spacewise.errors import InputError
from spacewise.learn import processes
from tests.learn.few_labels import in_table
from tests.learn.regimes import REGIMES, one_network

root, other, out = map(Path, sys.argv[1:])
with in_table():
    for name, train in REGIMES.items():
        train(root, out / name)
assert torch.distributed.get_world_size() == 2

rank = int(os.environ["RANK"])
os.environ["SPACEWISE_CACHE"] += str(rank)
processes.SEEN_WITHIN = 0.2
apart = {
    "data": lambda: one_network((root, other)[rank], out / "data"),
    "settings": lambda: one_network(root, out / "settings", rate=0.01 * (1 + rank)),
    "folder": lambda: one_network(root, out / str(rank) / "run"),
    "resumed": lambda: one_network(root, out / ("supervised", "none")[rank], resume=rank == 0),
}
for name, train in apart.items():
    try:
        train()
    except InputError as error:
        (out / f"{name}.{rank}.txt").write_text(str(error))
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with in_table():
        yield write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def two(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each regime's run by two processes; then what they say where they have not the same before them."""
    other, place = write_data(tmp_path_factory.mktemp("other")), tmp_path_factory.mktemp("two")
    first, second, *_ = sorted((other / "domains" / "optical").rglob("*.png"))
    first.write_bytes(second.read_bytes())
    run_forked(TWO, root, other, place, SPACEWISE_CACHE=str(tmp_path_factory.mktemp("cache") / "of"))
    return place


@pytest.mark.parametrize(
    ("regime", "holds"),
    [
        ("supervised", "objective.losses.1.centers"),
        ("alternating", "alternate_optimizer."),
        ("semi-supervised", "pseudo_labels.means"),
        ("transfer", "alternate.losses."),
    ],
)
def test_two_processes_are_one(two: Path, root: Path, tmp_path: Path, regime: str, holds: str) -> None:
    """Fifty steps with batch normalisation and dropout: weights, statistics, banks, alignment, centres, optimizers."""
    one = REGIMES[regime](root, tmp_path / "one").folder
    state = tensors(one, "state")
    assert all(any(part in key for key in state) for part in (holds, "running_var", "optimizer.0"))
    for path in one.rglob("*.safetensors"):
        name = path.relative_to(one)
        found, expected = files.read_tensors(two / regime / name)[0], files.read_tensors(path)[0]
        assert found.keys() == expected.keys()
        for key, values in expected.items():
            torch.testing.assert_close(found[key], values, rtol=0, atol=1e-5, msg=f"{name}: {key}", check_dtype=False)
    logs = [pd.read_csv(folder / "log.csv") for folder in (one, two / regime)]
    logs = [log.drop(columns=[name for name in COSTS if name in log]) for log in logs]
    pd.testing.assert_frame_equal(*logs, check_exact=False, rtol=1e-4)


# Death

KILLED = """
import os, sys, signal
from pathlib import Path
import torch
from spacewise.learn.training import Training
from tests.learn import regimes

root, out = map(Path, sys.argv[1:])
first = os.environ["TORCHELASTIC_RESTART_COUNT"] == "0"
move = Training.move


def moved(self, *turn):
    if first and self.done == 29 and self.fabric.global_rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    move(self, *turn)


Training.move = moved
try:
    run = regimes.one_network(root, out)
except ConnectionError as error:
    print(error, file=sys.stderr)
    sys.exit(2)
assert run.facts["status"] == "finished"
again = regimes.one_network(root, out)  # the same job: the run is there, and returned
assert again.facts == run.facts
torch.distributed.barrier()
"""


def test_a_killed_process_is_started_again_and_the_run_ends_as_undisturbed(
    two: Path, root: Path, tmp_path: Path
) -> None:
    """Killed in the middle of step 29 of 51; the other one ends, too, and says why."""
    said = run_restarted(KILLED, root, tmp_path / "run")
    assert said.count("rank 0 has lost another process of the training") <= 1  # torchrun may end it first
    assert "Traceback" not in said
    for name in ("best", "last", "state"):
        assert same(tensors(tmp_path / "run", name), tensors(two / "supervised", name)), name


# What processes must have in common


def test_processes_that_would_not_train_the_same_are_refused(two: Path) -> None:
    said = {path.name: path.read_text() for path in two.glob("*.txt")}
    for name, part in {
        "data": "the images of rank 1 differ from those of rank 0; give every host the same data",
        "settings": "the experiment of rank 1 differ",
        "folder": "is not seen by rank 1: the run's folder must lie on a file system that all hosts share",
        "resumed": "is not seen by rank 1: ",
    }.items():
        assert part in said[f"{name}.0.txt"]
        assert part in said[f"{name}.1.txt"]
    assert not (two / "data").exists()
    assert not (two / "settings").exists()


def test_a_job_goes_on_with_its_own_run_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "7")
    assert not processes.restarted(tmp_path)
    files.write_json(tmp_path / "run.json", {"status": "training"})
    assert not processes.restarted(tmp_path)
    files.write_json(tmp_path / "run.json", {"status": "training", "job": "7"})
    assert processes.restarted(tmp_path)
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "8")
    assert not processes.restarted(tmp_path)
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")  # of all jobs that were given no name
    files.write_json(tmp_path / "run.json", {"status": "training", "job": "none"})
    assert not processes.restarted(tmp_path)
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    assert processes.restarted(tmp_path)
    monkeypatch.delenv("TORCHELASTIC_RUN_ID")
    assert not processes.restarted(tmp_path)


def test_the_command_under_torchrun(pictures: Path, tmp_path: Path) -> None:
    words = ["--data", pictures, "--net", "resnet20", "--size", 16, "--loss", "crossentropy@classifier", "--epochs", 1]
    words += ["--set", "batch=8", "--out", tmp_path / "run"]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*torchrun, "-m", "spacewise", "train", *map(str, words)],
        env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert files.read_json(tmp_path / "run" / "run.json")["status"] == "finished"
    assert done.stderr.count("next: spacewise audit") == 1, "one process speaks"
