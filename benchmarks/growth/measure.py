"""One contender at one size, in this process."""

from __future__ import annotations

import ctypes
import gc
import os
import statistics
import time
from pathlib import Path
from typing import Any

SECONDS = 0.5
"""That a call is repeated for; one that takes longer is made once."""


def measure(operation: str, contender: str, size: int, warm: int, threads: int) -> dict[str, float]:
    """Seconds, processor seconds (medians of the calls), megabytes beyond the input (of the first), and the number.

    Args:
        operation: a key of `table.OPERATIONS`.
        contender: one of its contenders.
        size: of the input.
        warm: size of a call before, which loads what is loaded at first use.
        threads: of the processor, and cores that all threads of the process may run on.
    """
    import torch
    from benchmarks.growth.table import OPERATIONS

    chosen = OPERATIONS[operation]
    threads = chosen.threads or threads
    # first: pools of threads that ask for the cores of the machine get no more than these
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    torch.set_num_threads(threads)
    ready = chosen.contenders[contender]
    first = chosen.make(warm)
    ready(first)()
    del first
    data = chosen.make(size)  # kept: files of it go with it
    call = ready(data)
    _tidy()
    began, own = busy(), time.process_time()
    before = megabytes("VmRSS", reset=True)
    walls: list[float] = []
    processors: list[float] = []
    while not walls or sum(walls) < SECONDS:
        start, worked = time.perf_counter(), time.process_time()
        value = call()
        walls.append(time.perf_counter() - start)
        processors.append(time.process_time() - worked)
        if len(walls) == 1:
            grown = megabytes("VmHWM") - before
    others = (busy() - began - (time.process_time() - own)) / sum(walls)
    return {
        "seconds": statistics.median(walls),
        "processor": statistics.median(processors),
        "megabytes": max(grown, 0.0),
        "value": value,
        "others": max(others, 0.0),
    }


def _tidy() -> None:
    """Gives freed memory back, so that the call cannot use it unseen."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)


def megabytes(field: str, reset: bool = False) -> float:
    """Resident memory of this process: `VmRSS` now, `VmHWM` the most since the last reset (Linux)."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith(field)) / 1024


def busy() -> float:
    """Seconds that all cores have worked, or were taken away by the host, since the machine started (Linux)."""
    user, nice, system, _, _, irq, softirq, steal = map(int, Path("/proc/stat").read_text().split(maxsplit=9)[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def as_plain(values: dict[str, Any]) -> dict[str, Any]:
    """Numbers that JSON knows; none for NaN."""
    return {key: None if value != value else value for key, value in values.items()}
