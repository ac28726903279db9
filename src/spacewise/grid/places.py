"""Places by name, as `--on` takes them."""

from __future__ import annotations

import os

from spacewise.errors import InputError, unknown
from spacewise.grid.tasks import Place


def place(on: str, cpus: int = 1, gpus: float = 0) -> Place:
    """Where experiments run.

    Args:
        on: `local`, `ray` or `ray://HOST:PORT`.
        cpus: of each experiment, which trains with as many threads.
        gpus: of each experiment over Ray, a part of one such as 0.5 too.

    Raises:
        InputError: another name, or more than this machine has.
    """
    if cpus < 1 or gpus < 0:
        raise InputError(f"an experiment takes 1 CPU or more and 0 GPUs or more, not {cpus} and {gpus:g}")
    if on == "local":
        from spacewise.grid.local import Local

        here = os.cpu_count() or 1
        if cpus > here:
            raise InputError(f"--cpus {cpus} of each experiment is more than this machine has: {here}")
        if gpus:
            raise InputError("--gpus are shared out by Ray; local experiments see all of them: use --on ray")
        return Local(here // cpus, cpus)
    if on == "ray" or on.startswith("ray://"):
        from spacewise.grid.cluster import Cluster

        return Cluster(on, cpus, gpus)
    raise unknown("place for --on", on, ["local", "ray", "ray://HOST:PORT"])
