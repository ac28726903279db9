"""The scripts of the folder above: what each is called with, and how it is run to its end."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.growth.measure import busy

HERE = Path(__file__).resolve().parents[1]
SCRATCH = "FOLDER"  # among the arguments: an empty folder that is removed afterwards
OPTION, VARIABLE = "--threads", "OMP_NUM_THREADS"
LEAST, TIMES = 600.0, 5.0
"""A script is ended after so many times the seconds that it is expected to take, or after the least of seconds."""

GRACE = 5.0
"""Seconds between asking a script and its processes to end, and ending them."""


@dataclass(frozen=True)
class Script:
    """Arguments of a full and of a quick run, the seconds that each is expected to take, and the threads.

    Threads are given by `OPTION` or by `VARIABLE`; anything else are the script's own, in words.
    """

    full: str = ""
    quick: str = ""
    seconds: tuple[int, int] = (120, 30)
    threads: str = VARIABLE


SCRIPTS = {
    "training": Script("", "--rounds 1 --steps 5", (150, 45), OPTION),
    "triplet": Script("--rounds 1", "--rounds 1 --batches 256", (200, 35), OPTION),
    "retrieval": Script("", "--samples 6000", (150, 30), OPTION),
    "separation": Script("", "--samples 5000 --classes 10", (110, 10), OPTION),
    "explanation": Script("--images 2", "--images 1 --steps 10 --questions gradcam one", (90, 40), OPTION),
    "sliced_wasserstein": Script("--rounds 1 --seconds 1", "--quick --rounds 1 --seconds 0.2", (480, 60), OPTION),
    "so2sat": Script("", "--samples 2000 --rounds 1", (90, 10), "1 (converting: every core)"),
    "views": Script("", "--rounds 1 --steps 1", (30, 8), "1"),
    "processes": Script("", "--rounds 1 --steps 20", (150, 50), "2, or 2 processes of 1"),
    "search": Script("--samples 500000", "--samples 20000 --queries 20", (300, 40), OPTION),
    "streaming": Script(
        "--folder FOLDER --samples 125000 250000 500000 1000000",
        "--folder FOLDER --samples 5000 10000",
        (600, 90),
        OPTION,
    ),
    "sampled": Script(
        "--samples 125000 250000 500000 1000000", "--samples 5000 10000 --queries 200", (240, 50), OPTION
    ),
    "embedding": Script("--samples 200000 --folder FOLDER", "--samples 10000 --seconds 2 --folder FOLDER", (180, 30)),
    "explorer": Script("--folder FOLDER", "--sizes 2000 --repeats 3 --folder FOLDER", (420, 45), OPTION),
    "audit": Script("--folder FOLDER", "--folder FOLDER --samples 20000 --sample 200", (900, 60)),
}


def discovered() -> list[str]:
    """Names of the scripts of the folder, those of the table first."""
    found = {path.stem for path in HERE.glob("*.py")} - {"bench"}
    return [name for name in SCRIPTS if name in found] + sorted(found - set(SCRIPTS))


def arguments(name: str, quick: bool, threads: int) -> list[str]:
    """What a script is called with; one that is not in the table with nothing."""
    script = SCRIPTS.get(name, Script())
    given = (script.quick if quick else script.full).split()
    return [*given, OPTION, str(threads)] if script.threads == OPTION else given


def threads_of(name: str, threads: int) -> str:
    """Those that a script runs with: the given ones, or its own in words."""
    own = SCRIPTS.get(name, Script()).threads
    return str(threads) if own in (OPTION, VARIABLE) else own


def expected(name: str, quick: bool) -> float:
    """Seconds that a script takes, about."""
    return SCRIPTS.get(name, Script()).seconds[quick]


def ran(name: str, quick: bool, threads: int) -> dict[str, Any]:
    """Runs a script to its end, or ends it when its time is over; its record."""
    given = arguments(name, quick, threads)
    load, began, worked, own = os.getloadavg()[0], time.perf_counter(), busy(), _spent()
    started = datetime.now().strftime("%Y-%m-%d %H:%M")
    path = os.pathsep.join([str(HERE.parent / "src"), str(HERE.parent)])
    environment = os.environ | {"PYTHONPATH": path, VARIABLE: str(threads)}
    with tempfile.TemporaryDirectory(prefix="bench", ignore_cleanup_errors=True) as place:
        words = [place if word == SCRATCH else word for word in given]
        command = [sys.executable, str(HERE / f"{name}.py"), *words]
        printed, error = called(command, environment, max(LEAST, TIMES * expected(name, quick)))
    seconds = time.perf_counter() - began
    return {
        "name": name,
        "command": " ".join(["python", f"benchmarks/{name}.py", *given]),
        "started": started,
        "seconds": seconds,
        "load": load,
        "others": max(0.0, (busy() - worked - (_spent() - own)) / seconds),
        "done": not error,
        "printed": printed,
        "error": error,
    }


def called(command: Sequence[str], environment: Mapping[str, str], limit: float) -> tuple[str, str]:
    """What a command printed within so many seconds, and why it failed; empty where it did not.

    Files, not pipes: a process that it leaves behind would hold a pipe open.
    """
    over = False
    with tempfile.TemporaryFile("w+", errors="replace") as out, tempfile.TemporaryFile("w+", errors="replace") as err:
        process = subprocess.Popen(command, stdout=out, stderr=err, env=environment, start_new_session=True)
        try:
            process.wait(limit)
        except subprocess.TimeoutExpired:
            over = True
        finally:
            if process.poll() is None:
                _end(process)
        for file in (out, err):
            file.seek(0)
        printed, lines = out.read(), err.read().strip().splitlines()[-12:]
    if over:
        lines.append(f"no end within {limit:g} s")
    why = "\n".join(lines) or f"exit code {process.returncode}"
    return printed, why if over or process.returncode else ""


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends a process and those that it started, of which some end their own when they are asked to."""
    os.killpg(process.pid, signal.SIGTERM)
    time.sleep(GRACE)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _spent() -> float:
    """Processor seconds of this process and of those that it waited for."""
    each = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in each)
