"""The processes of one group, forked from a process that has imported all that takes seconds to import."""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
import uuid
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import distributed

FORKS = multiprocessing.get_context("forkserver")
IMPORTED = ["pytest", "torch._dynamo", "lightning_fabric", "spacewise.learn", "spacewise.cli.train"]


def work(script: str, words: list[str], environment: Mapping[str, str], errors: Path) -> None:
    """What one process does: the script, to its end."""
    os.environ.clear()
    os.dup2(os.open(errors, os.O_WRONLY), 2)
    begin(script, words, environment)
    if distributed.is_initialized():
        distributed.barrier()
        distributed.destroy_process_group()
    os._exit(0)  # at the interpreter's end the group's threads can abort a process that has done its work


def begin(script: str, words: list[str], environment: Mapping[str, str]) -> None:
    os.environ.update(environment)
    sys.argv = ["script", *words]
    torch.set_num_threads(1)
    exec(compile(script, "script", "exec"), {"__name__": "__main__"})


def run_forked(script: str, *words: object, processes: int = 2, seconds: float = 120, **more: str) -> list[str]:
    """Runs a script in each process of a group; returns what each wrote to its standard error.

    In their environment is what `torchrun` puts there, the store that it keeps for its processes among it.

    Args:
        more: variables of their environment.
    """
    FORKS.set_forkserver_preload(IMPORTED)
    store = distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    shared = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""} | more
    shared |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port), "TORCHELASTIC_USE_AGENT_STORE": "True"}
    shared |= {"TORCHELASTIC_RUN_ID": "none", "TORCHELASTIC_RESTART_COUNT": "0", "WORLD_SIZE": str(processes)}
    with tempfile.TemporaryDirectory() as place:
        errors = [Path(place) / str(rank) for rank in range(processes)]
        for path in errors:
            path.touch()
        given = [(script, [*map(str, words)], _of_rank(shared, rank), errors[rank]) for rank in range(processes)]
        group = [FORKS.Process(target=work, args=each) for each in given]
        for process in reversed(group):  # the first is waited for
            process.start()
        for process in group:
            process.join(seconds)
            process.kill()
            process.join()
        said = [path.read_text(errors="replace") for path in errors]
    assert [process.exitcode for process in group] == [0] * processes, "\n".join(text[-4000:] for text in said)
    return said


def _of_rank(shared: Mapping[str, str], rank: int) -> dict[str, str]:
    own = {"RANK": rank, "LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": shared["WORLD_SIZE"], "GROUP_RANK": 0}
    return {**shared, **{name: str(value) for name, value in own.items()}}


def run_restarted(script: str, *words: object, seconds: float = 120, **more: str) -> str:
    """Runs a script in two processes under torchrun's own agent, which starts them again once when one is killed.

    Returns what all of them wrote to their standard error.
    """
    FORKS.set_forkserver_preload(IMPORTED)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""} | more
    with tempfile.TemporaryDirectory() as place:
        agent = FORKS.Process(target=watch, args=(script, [*map(str, words)], environment, Path(place)))
        agent.start()
        agent.join(seconds)
        agent.kill()
        agent.join()
        said = "\n".join(path.read_text(errors="replace") for path in sorted(Path(place).rglob("stderr.log")))
        assert agent.exitcode == 0, (Path(place) / "agent.log").read_text(errors="replace")[-4000:] + said[-4000:]
    return said


def watch(script: str, words: list[str], environment: Mapping[str, str], place: Path) -> None:
    """What the agent does, as `torchrun --standalone --nproc-per-node=2 --max-restarts=1`."""
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, Std
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    os.dup2(os.open(place / "agent.log", os.O_WRONLY | os.O_CREAT), 2)
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=2,
        max_restarts=1,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        start_method="forkserver",
        logs_specs=DefaultLogsSpecs(log_dir=str(place), redirects=Std.ERR),
    )
    elastic_launch(config, begin)(script, words, environment)
