"""Places by name, as `--on` takes them."""

from __future__ import annotations

import math
import os

from spacewise.errors import InputError, unknown
from spacewise.grid.tasks import Place


def place(on: str, cpus: int = 1, gpus: float = 0) -> Place:
    """Where experiments run.

    Args:
        on: `local`, `ray` or `ray://HOST:PORT`. Local ones have one GPU each, where this machine has any.
        cpus: of each experiment, which trains with as many threads.
        gpus: of each experiment over Ray: a whole number, or a part of one such as 0.5.

    Raises:
        InputError: another name, or more than this machine has.
    """
    if cpus < 1 or gpus < 0:
        raise InputError(f"an experiment takes 1 CPU or more and 0 GPUs or more, not {cpus} and {gpus:g}")
    if not (math.isfinite(gpus) and (gpus <= 1 or float(gpus).is_integer())):
        raise InputError(f"--gpus takes a whole number, or a part of one GPU such as 0.5, not {gpus:g}")
    if on == "local":
        from spacewise.grid.local import Local

        here = usable_cpus()
        if cpus > here:
            raise InputError(f"--cpus {cpus} of each experiment is more than this machine has: {here}")
        if gpus:
            raise InputError("--gpus are shared out by Ray; local experiments have one each: use --on ray")
        return Local(here // cpus, cpus, visible_gpus())
    if on == "ray" or on.startswith("ray://"):
        from spacewise.grid.cluster import Cluster

        return Cluster(on, cpus, gpus)
    raise unknown("place for --on", on, ["local", "ray", "ray://HOST:PORT"])


def visible_gpus() -> list[str]:
    """Names of the GPUs that this process may use, as in `CUDA_VISIBLE_DEVICES`."""
    import torch

    named = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    count = torch.cuda.device_count()
    return named[:count] if named else [str(number) for number in range(count)]


def usable_cpus() -> int:
    """CPUs that this process may run on, where the system says so."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
