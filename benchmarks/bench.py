"""Runs every benchmark and writes one page: spacewise against its peers and against the machine.

    python benchmarks/bench.py [--quick] [--out results] [--rounds 1] [--threads 2] [--scale 1]
                               [--only growth training …] [--operation silhouette …]

Every script of this folder runs in turn; what it prints is kept in OUT/NAME.txt and on the page. `growth` measures
each heavy operation over four sizes. One that fails is said on the page and stops nothing. What is there already,
by this code and these settings, is not run again: a run that was interrupted goes on. OUT/benchmarks.html is the page,
OUT/growth.csv its measurements, OUT/benchmarks.json what a later run goes on from.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from benchmarks.growth import machine, run  # noqa: E402
from benchmarks.growth.measure import busy  # noqa: E402
from benchmarks.growth.table import OPERATIONS  # noqa: E402
from benchmarks.page.state import State  # noqa: E402
from benchmarks.page.write import write  # noqa: E402

from spacewise.errors import InputError, unknown  # noqa: E402
from spacewise.progress import bar  # noqa: E402

GROWTH = "growth"
SCRATCH = "FOLDER"  # among the arguments: an empty folder that is removed afterwards
QUICK = 0.15  # of the full sizes
EACH = 4.0  # seconds that a process of `growth` is expected to take

Advance = Callable[[str, float], None]


@dataclass(frozen=True)
class Script:
    """Arguments of a full and of a quick run, and the seconds that each is expected to take."""

    full: str = ""
    quick: str = ""
    seconds: tuple[int, int] = (120, 30)


SCRIPTS = {
    "training": Script("", "--rounds 1 --steps 5", (150, 45)),
    "triplet": Script("--rounds 1", "--rounds 1 --batches 256", (200, 35)),
    "retrieval": Script("", "--samples 6000", (150, 30)),
    "separation": Script("", "--samples 5000 --classes 10", (110, 10)),
    "explanation": Script(
        "--threads 2 --images 2", "--threads 2 --images 1 --steps 10 --questions gradcam one", (90, 40)
    ),
    "sliced_wasserstein": Script("--rounds 1 --seconds 1", "--quick --rounds 1 --seconds 0.2", (480, 60)),
    "so2sat": Script("", "--samples 2000 --rounds 1", (90, 10)),
    "views": Script("", "--rounds 1 --steps 1", (30, 8)),
    "processes": Script("", "--rounds 1 --steps 20", (150, 50)),
    "search": Script("--samples 500000", "--samples 20000 --queries 20", (300, 40)),
    "streaming": Script(
        "--folder FOLDER --samples 125000 250000 500000 1000000", "--folder FOLDER --samples 5000 10000", (600, 90)
    ),
    "sampled": Script("--samples 125000 250000 500000 1000000", "--samples 5000 10000 --queries 200", (240, 50)),
    "embedding": Script("--samples 200000 --folder FOLDER", "--samples 10000 --seconds 2 --folder FOLDER", (180, 30)),
}


def discovered() -> list[str]:
    """Names of the scripts of this folder, those of the table first."""
    found = {path.stem for path in HERE.glob("*.py")} - {Path(__file__).stem}
    return [name for name in SCRIPTS if name in found] + sorted(found - set(SCRIPTS))


def arguments(name: str, quick: bool) -> list[str]:
    """What a script is called with; one that is not in the table with nothing."""
    script = SCRIPTS.get(name, Script())
    return (script.quick if quick else script.full).split()


def expected(name: str, quick: bool) -> float:
    """Seconds that a script takes, about."""
    return SCRIPTS.get(name, Script()).seconds[quick]


def ran(name: str, quick: bool, code: str, commit: str) -> dict[str, Any]:
    """Runs a script to its end; its record."""
    given = arguments(name, quick)
    load, began, worked, own = os.getloadavg()[0], time.perf_counter(), busy(), _spent()
    started = datetime.now().strftime("%Y-%m-%d %H:%M")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE.parent / "src"), str(HERE.parent)])}
    with tempfile.TemporaryDirectory(prefix="bench") as place:
        words = [place if word == SCRATCH else word for word in given]
        command = [sys.executable, str(HERE / f"{name}.py"), *words]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    seconds = time.perf_counter() - began
    return {
        "name": name,
        "command": " ".join(["python", f"benchmarks/{name}.py", *given]),
        "code": code,
        "commit": commit,
        "started": started,
        "seconds": seconds,
        "load": load,
        "others": max(0.0, (busy() - worked - (_spent() - own)) / seconds),
        "done": done.returncode == 0,
        "printed": done.stdout,
        "error": "" if done.returncode == 0 else "\n".join(done.stderr.strip().splitlines()[-12:]) or "no word of why",
    }


def _spent() -> float:
    """Processor seconds of this process and of those that it waited for."""
    each = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in each)


def grow(state: State, options: argparse.Namespace, commit: str, advance: Advance) -> None:
    """Measures what is missing of the operations."""
    used = [HERE / f"{name}.py" for name in ("triplet", "retrieval", "separation", "explanation", "views")]
    code = machine.digest([*used, *(HERE / "growth").glob("*.py")])
    key = {"code": code, "scale": options.scale, "threads": options.threads}
    there = state.keep(key, options.operation)
    plan = run.planned(options.operation, options.scale, options.rounds)
    todo = [row for row in plan if row not in there]
    advance(GROWTH, EACH * (len(plan) - len(todo)))
    for row in run.measured(todo, options.scale, options.threads):
        state.growth(row | key | {"commit": commit})
        advance(f"{row['operation']}, {row['contender']}, {row['size']:,}", EACH)


def each_script(names: Sequence[str], state: State, options: argparse.Namespace, commit: str, advance: Advance) -> None:
    """Runs those that have not come to their end by this code, and says how each ended."""
    for name in names:
        advance(name, 0)
        code = machine.digest([HERE / f"{name}.py"])
        if not state.has_script(name, code, arguments(name, options.quick)):
            state.script(ran(name, options.quick, code, commit))
        advance(name, expected(name, options.quick))
        record = state.values["scripts"][name]
        outcome = "done" if record["done"] else f"FAILED: {record['error'].splitlines()[-1]}"
        print(f"{name:20}{record['seconds']:7.0f} s  {outcome}", flush=True)


def facts(threads: int) -> dict[str, Any]:
    """The machine, its libraries, and what it does at best."""
    speeds = run.alone(machine.speeds, threads, threads=threads)
    return {"described": machine.described(threads), "versions": machine.versions(), "speeds": speeds}


def bench(options: argparse.Namespace) -> int:
    """Runs what was asked for and writes the page; 1 where anything failed."""
    state, commit, began = State(options.out), machine.commit(), time.perf_counter()
    scripts = [name for name in discovered() if not options.only or name in options.only]
    grown = not options.only or GROWTH in options.only
    steps = len(run.planned(options.operation, options.scale, options.rounds)) if grown else 0
    state.values["machine"] = facts(options.threads)
    with bar() as progress:
        total = EACH * steps + sum(expected(name, options.quick) for name in scripts)
        task = progress.add_task("seconds of work", total=total, note="")

        def advance(note: str, seconds: float) -> None:
            progress.update(task, advance=seconds, note=note)

        if grown:
            grow(state, options, commit, advance)
        each_script(scripts, state, options, commit, advance)
    state.values |= {
        "command": " ".join(["python", "benchmarks/bench.py", *sys.argv[1:]]),
        "commit": commit,
        "date": datetime.now().strftime("%Y-%m-%d %H:%M"),
        "seconds": time.perf_counter() - began,
        **{key: getattr(options, key) for key in ("threads", "scale", "rounds", "quick")},
    }
    state.save()
    print(write(state.values, options.out))
    return int(state.failed())


def parsed(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The options; raises `InputError` for names that there are not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes: a few minutes for everything")
    parser.add_argument("--out", type=Path, help="folder; results, of a quick run out/benchmarks")
    parser.add_argument("--only", nargs="+", default=[], help="growth, or names of scripts")
    parser.add_argument("--operation", nargs="+", default=list(OPERATIONS), help="of growth; all")
    parser.add_argument("--scale", type=float, help="of the sizes of growth; 1")
    parser.add_argument("--rounds", type=int, default=1, help="of growth")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of growth; every core")
    options = parser.parse_args(given)
    for kind, names, known in (
        ("benchmark", options.only, [GROWTH, *discovered()]),
        ("operation", options.operation, list(OPERATIONS)),
    ):
        for name in names:
            if name not in known:
                raise unknown(kind, name, known)
    for name in ("rounds", "threads"):
        if getattr(options, name) < 1:
            raise InputError(f"--{name} must be 1 or more, not {getattr(options, name)}")
    if options.scale is not None and not options.scale > 0:
        raise InputError(f"--scale must be above 0, not {options.scale:g}")
    options.scale = options.scale or (QUICK if options.quick else 1.0)
    options.out = options.out or HERE.parent / ("out/benchmarks" if options.quick else "results")
    return options


def main() -> int:
    try:
        return bench(parsed())
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
