"""What the processes of one training agree on before its first step, and what is said when one of them is gone."""

from __future__ import annotations

import hashlib
import os
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import distributed
from torch.distributed.distributed_c10d import _set_pg_timeout

from spacewise import files, runs
from spacewise.cache import Decoded
from spacewise.errors import InputError
from spacewise.experiment import Experiment
from spacewise.learn.global_batch import Gathered, Share
from spacewise.progress import console
from spacewise.splits import Split

if TYPE_CHECKING:
    from lightning_fabric import Fabric

PREPARING = timedelta(minutes=30)  # one host may decode its images while another has them in its cache
STEPPING = timedelta(minutes=5)  # then all take their steps together; what waits longer waits for a silent host
SEEN_WITHIN = 60.0  # seconds: a network file system may show a new folder that late


def share(lightning: Fabric) -> Share:
    """Rank and number of the processes."""
    return lightning.global_rank, lightning.world_size


def launch(
    lightning: Fabric, out: Path, resume: bool, experiment: Experiment, data: Sequence[tuple[Split, Decoded]]
) -> None:
    """Joins the processes, which must be about to train the same; none goes on before all are here.

    Args:
        resume: whether this process is about to continue the run in `out`.
        data: each split with its images.

    Raises:
        InputError: in every process, where one sees other images, another split or experiment, or no folder.
    """
    if lightning.world_size > 1 and "TORCHELASTIC_RUN_ID" in os.environ and not distributed.is_initialized():
        _join(lightning)
    lightning.launch()
    console.quiet |= not lightning.is_global_zero  # one training, one voice
    _check_folder(lightning, out, resume)
    if lightning.world_size > 1:
        splits, images = (split.digest() for split, _ in data), (_pixels(*each) for each in data)
        here = {"images": " ".join(images), "split": " ".join(splits), "experiment": _without_places(experiment)}
        check_same(lightning, here)  # the folder is made after all have looked for it


def _join(lightning: Fabric) -> None:
    """Makes the group of processes, which Fabric then finds."""
    store, rank, processes = next(distributed.rendezvous("env://", timeout=PREPARING))
    on_gpu = lightning.device.type == "cuda"
    distributed.init_process_group(
        "nccl" if on_gpu else "gloo",
        store=distributed.PrefixStore(_attempt(store, rank, processes), store),
        rank=rank,
        world_size=processes,
        timeout=PREPARING,
        device_id=lightning.device if on_gpu else None,
    )


def _attempt(store: distributed.Store, rank: int, processes: int) -> str:
    """A name for this attempt that all its processes know, and no process of an earlier one.

    After a restart torchrun's store still holds where the dead could be reached: who is new must not look there.
    Rank 0 welcomes whoever has said hello, until everybody has answered; the dead do not.
    """
    if rank > 0:
        mine = uuid.uuid4().hex
        store.set(f"hello/{rank}", mine)
        name = store.get(f"welcome/{mine}").decode()
        store.set(f"{name}/{rank}", "here")
        return name
    name, missing, until = uuid.uuid4().hex, set(range(1, processes)), time.monotonic() + PREPARING.total_seconds()
    while missing and time.monotonic() < until:
        for other in [other for other in missing if store.check([f"hello/{other}"])]:
            store.set(f"welcome/{store.get(f'hello/{other}').decode()}", name)
        missing = {other for other in missing if not store.check([f"{name}/{other}"])}
        time.sleep(0.02)
    if missing:
        raise ConnectionError(f"rank 0 has waited {PREPARING} for {_ranks(sorted(missing))}")
    return name


def check_same(lightning: Fabric, facts: Mapping[str, str]) -> None:
    """Raises `InputError` in every process that names the ranks whose facts differ from those of rank 0."""
    numbers = [int(hashlib.sha256(value.encode()).hexdigest()[:15], 16) for value in facts.values()]
    found = _gathered(lightning, numbers)
    differing = {
        name: [rank for rank, its in enumerate(found) if its[place] != found[0][place]]
        for place, name in enumerate(facts)
    }
    said = [f"the {name} of {_ranks(others)}" for name, others in differing.items() if others]
    if said:
        raise InputError(
            f"the processes do not train the same: {', '.join(said)} differ from those of rank 0; give every host the "
            "same data and the same command"
        )


def check_shared(lightning: Fabric, out: Path) -> None:
    """Waits until a new run's folder is seen everywhere; raises `InputError` in every process where it is not."""
    until = time.monotonic() + SEEN_WITHIN
    lightning.barrier()  # it has been made
    while not (seen := (out / "run.json").is_file()) and time.monotonic() < until:
        time.sleep(0.1)
    _check_folder(lightning, out, seen)


def _check_folder(lightning: Fabric, out: Path, seen: bool) -> None:
    """Raises `InputError` in every process where some see the run's folder and others do not."""
    blind = [rank for rank, (its,) in enumerate(_gathered(lightning, [seen])) if not its]
    if blind and len(blind) < lightning.world_size:
        raise InputError(
            f"{out} is not seen by {_ranks(blind)}: the run's folder must lie on a file system that all hosts share"
        )


def _gathered(lightning: Fabric, numbers: Sequence[int]) -> list[list[int]]:
    """The numbers of each process, by rank."""
    if lightning.world_size == 1:
        return [list(numbers)]
    mine = torch.tensor([list(numbers)], dtype=torch.int64, device=lightning.device)
    result: list[list[int]] = Gathered.apply(mine).tolist()
    return result


def _ranks(numbers: Sequence[int]) -> str:
    *most, last = (str(number) for number in numbers)
    return f"ranks {', '.join(most)} and {last}" if most else f"rank {last}"


def _pixels(split: Split, images: Decoded) -> str:
    """Digest of the pixels of all parts."""
    rows = np.concatenate([part.rows for part in split.parts.values()])
    return hashlib.sha256(images.digests[rows].tobytes()).hexdigest()


def _without_places(experiment: Experiment) -> str:
    """The experiment, but for where files lie: hosts may keep the same data in different folders."""
    values = experiment.model_dump()
    for named in (values["data"]["source"], (values["target"] or {}).get("source", {})):
        named.pop("root", None)
    values["net"].pop("weights", None)  # rank 0 hands its weights to the others
    return repr(values)


def restarted(out: Path) -> bool:
    """Whether the folder holds a run that this very torchrun job has begun, before it lost a process."""
    name = os.environ.get(runs.TORCHRUN)
    again = name != "none" or int(os.environ.get("TORCHELASTIC_RESTART_COUNT", 0)) > 0  # "none": torchrun's default
    if not (name and again and (out / "run.json").is_file()):
        return False
    return bool(files.read_json(out / "run.json").get(runs.JOB) == name)


@contextmanager
def together(lightning: Fabric) -> Iterator[None]:
    """Steps that all processes take together; when one dies, the others end, too, and say why in one line.

    A broken connection is noticed at once, a host that falls silent after five minutes.

    Raises:
        ConnectionError: another process is gone.
    """
    if lightning.world_size == 1:
        yield
        return
    _set_pg_timeout(STEPPING)
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, distributed.DistError) and "gloo" not in str(error):
            raise
        raise ConnectionError(
            f"rank {lightning.global_rank} has lost another process of the training; torchrun --max-restarts goes on "
            "from the last state by itself, and so does: spacewise train --resume RUN"
        ) from error
    finally:
        _set_pg_timeout(PREPARING)
