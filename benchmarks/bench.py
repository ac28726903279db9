"""Runs every benchmark and writes one page: spacewise against its peers and against the machine.

    python benchmarks/bench.py [--quick] [--out results] [--rounds 1] [--threads 2] [--scale 1]
                               [--only growth training …] [--operation silhouette …] [--page]

Every script of this folder runs in turn; what it prints is kept in OUT/NAME.txt and on the page. `growth` measures
each heavy operation over four sizes. One that fails, or takes several times as long as expected, is said on the page
and stops nothing. What is there already, by this code, machine, libraries and settings, is not run again: a run that
was interrupted goes on. OUT/benchmarks.html is the page, OUT/growth.csv its measurements, OUT/benchmarks.json what a
later run goes on from; `--page` makes the page anew of it and measures nothing.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from benchmarks.growth import machine, run  # noqa: E402
from benchmarks.growth.table import OPERATIONS  # noqa: E402
from benchmarks.page import scripts  # noqa: E402
from benchmarks.page.state import STATE, State  # noqa: E402
from benchmarks.page.write import write  # noqa: E402

from spacewise.errors import InputError, unknown  # noqa: E402
from spacewise.progress import bar  # noqa: E402

GROWTH = "growth"
QUICK = 0.15  # of the full sizes
EACH = 4.0  # seconds that a process of `growth` is expected to take

Advance = Callable[[str, float], None]


def keys(options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """By what `growth` and each script are measured now: what was measured by anything else is measured again."""
    used = [HERE / f"{name}.py" for name in ("triplet", "retrieval", "separation", "explanation", "views")]
    code = machine.digest([*used, *(HERE / "growth").glob("*.py")])
    here = machine.key()
    found = {GROWTH: here | {"code": code, "scale": options.scale, "threads": str(options.threads)}}
    return found | {
        name: here
        | {
            "code": machine.digest([HERE / f"{name}.py"]),
            "arguments": scripts.arguments(name, options.quick, options.threads),
            "threads": scripts.threads_of(name, options.threads),
        }
        for name in scripts.discovered()
    }


def grow(state: State, options: argparse.Namespace, commit: str, advance: Advance) -> None:
    """Measures what is missing of the operations."""
    key = state.values["keys"][GROWTH]
    there = state.keep(key, options.operation)
    plan = run.planned(options.operation, options.scale, options.rounds)
    todo = [row for row in plan if row not in there]
    advance(GROWTH, EACH * (len(plan) - len(todo)))
    for row in run.measured(todo, options.scale, options.threads):
        state.growth(row | key | {"commit": commit})
        advance(f"{row['operation']}, {row['contender']}, {row['size']:,}", EACH)


def each_script(names: Sequence[str], state: State, options: argparse.Namespace, commit: str, advance: Advance) -> None:
    """Runs those that have not come to their end by their key, and says how each ended."""
    for name in names:
        advance(name, 0)
        key = state.values["keys"][name]
        if not state.has_script(name, key):
            state.script(scripts.ran(name, options.quick, options.threads) | key | {"commit": commit})
        advance(name, scripts.expected(name, options.quick))
        record = state.values["scripts"][name]
        outcome = "done" if record["done"] else f"FAILED: {record['error'].splitlines()[-1]}"
        print(f"{name:20}{record['seconds']:7.0f} s  {outcome}", flush=True)


def facts(threads: int) -> dict[str, Any]:
    """The machine, its libraries, and what it does at best."""
    speeds = run.alone(machine.speeds, threads, threads=threads)
    return {"described": machine.described(threads), "versions": machine.versions(), "speeds": speeds}


def header(options: argparse.Namespace) -> dict[str, Any]:
    """What the page says of the last call, and what it names measurements by anything else against."""
    return {
        "machine": facts(options.threads),
        "keys": keys(options),
        "command": " ".join(["python", "benchmarks/bench.py", *sys.argv[1:]]),
        "commit": machine.commit(),
        "date": datetime.now().strftime("%Y-%m-%d %H:%M"),
        "seconds": 0.0,
        **{key: getattr(options, key) for key in ("threads", "scale", "rounds", "quick")},
    }


def bench(options: argparse.Namespace) -> int:
    """Runs what was asked for and writes the page; 1 where anything failed."""
    state, began = State(options.out), time.perf_counter()
    if options.page:
        return page(state)
    state.values |= header(options)
    names = [name for name in scripts.discovered() if not options.only or name in options.only]
    grown = not options.only or GROWTH in options.only
    steps = len(run.planned(options.operation, options.scale, options.rounds)) if grown else 0
    with bar() as progress:
        total = EACH * steps + sum(scripts.expected(name, options.quick) for name in names)
        task = progress.add_task("seconds of work", total=total, note="")

        def advance(note: str, seconds: float) -> None:
            progress.update(task, advance=seconds, note=note)

        if grown:
            grow(state, options, state.values["commit"], advance)
        each_script(names, state, options, state.values["commit"], advance)
    state.values["seconds"] = time.perf_counter() - began
    state.save()
    return page(state)


def page(state: State) -> int:
    """Writes the page of what is stored; 1 where anything of it failed. Raises `InputError` where nothing is."""
    if "keys" not in state.values:
        raise InputError(f"{state.out / STATE}: no measurements there to make a page of; run without --page first")
    print(write(state.values, state.out))
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
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of growth and of scripts; every core")
    parser.add_argument("--page", action="store_true", help="make the page from what is stored, measure nothing")
    options = parser.parse_args(given)
    for kind, names, known in (
        ("benchmark", options.only, [GROWTH, *scripts.discovered()]),
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
