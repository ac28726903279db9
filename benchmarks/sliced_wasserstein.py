"""Sliced Wasserstein distance between two domains: time and memory, against POT.

    python benchmarks/sliced_wasserstein.py [--threads 1] [--rounds 2] [--quick] [--out FILE]

Forward and backward to the vectors of both domains, along the same directions, which both methods are given.
Each method and case runs in a process of its own, the methods in turn, several rounds; the fastest step counts,
as other work on the machine only adds. One thread is timed by the processor, so that waiting for a core does not
count; several are timed by the clock. Memory is what the process's peak grew by during a step. The distances of
both methods must be equal (to 1e-5 of them; POT takes the root, which is squared here).

    spacewise  the mean over directions of the squared 2-Wasserstein distance
    POT        ot.sliced_wasserstein_distance with the backend of torch, squared
    product    both domains times the directions, without gradient: what every method starts with
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

SIZES = ((128, 128), (512, 512), (2048, 2048), (4096, 4096), (4096, 3000), (128, 96))  # of source and target
DIMENSIONS, PROJECTIONS = (64, 512), (50, 200, 1000)
QUICK = (((128, 128), (2048, 2048), (128, 96)), (512,), (50, 200))  # what --quick keeps of these
WANTED = 2  # times as fast as POT
SHIFT = 0.1  # of the target, in standard deviations of each dimension

Case = tuple[int, int, int, int]  # source samples, target samples, dimensions, projections


def spacewise(directions) -> Callable:
    from spacewise.losses.sliced_wasserstein import sliced_wasserstein

    return lambda source, target: sliced_wasserstein(source, target, directions)


def pot(directions) -> Callable:
    import ot

    columns = directions.T.contiguous()
    return lambda source, target: ot.sliced_wasserstein_distance(source, target, projections=columns) ** 2


def product(directions) -> Callable:
    return lambda source, target: (source @ directions.T, target @ directions.T)[0].sum()


METHODS = {"spacewise": spacewise, "POT": pot, "product": product}


def measure(method: str, case: Case, seconds: float) -> dict[str, float]:
    """Seconds of the fastest step, bytes that the peak grew by, and the distance."""
    import torch

    from spacewise.losses.sliced_wasserstein import directions

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    n, m, dimension, projections = case
    generator = torch.Generator().manual_seed(0)
    trained = method != "product"
    source = torch.randn(n, dimension, generator=generator).requires_grad_(trained)
    target = (torch.randn(m, dimension, generator=generator) + SHIFT).requires_grad_(trained)
    ways = directions(projections, dimension, seed=0, like=source)

    def step(function: Callable, one: torch.Tensor, other: torch.Tensor) -> float:
        one.grad = other.grad = None
        found = function(one, other)
        if trained:
            found.backward()
        return float(found.detach())

    sliced = source[:8], target[: 8 * m // n]  # as unequal as they are
    few = [values.detach().clone().requires_grad_(trained) for values in sliced]
    step(METHODS[method](ways[:8]), *few)  # loads what is loaded at first use
    timed = partial(_timed, partial(step, METHODS[method](ways), source, target))
    before = _peak(reset=True)
    first, value = timed()
    grown = _peak() - before
    times = [first]
    while sum(times) < seconds:  # a step that takes longer than that is not repeated
        times.append(timed()[0])
    return {"seconds": min(times), "bytes": grown, "value": value}


def _timed(step: Callable[[], float]) -> tuple[float, float]:
    clock = time.process_time if os.environ["OMP_NUM_THREADS"] == "1" else time.perf_counter
    began = clock()
    value = step()
    return clock() - began, value


def _peak(reset: bool = False) -> int:
    """Bytes of the process's largest resident memory, since the last reset (Linux)."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text()
    return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


def in_a_process(method: str, case: Case, seconds: float, threads: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--seconds", str(seconds), "--measure", method, *map(str, case)]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def compared(case: Case, rounds: int, seconds: float, threads: int) -> dict[str, object]:
    """The row of a case: of each method the least of the rounds."""
    found = [{method: in_a_process(method, case, seconds, threads) for method in METHODS} for _ in range(rounds)]
    values = [of_round[method]["value"] for of_round in found for method in ("spacewise", "POT")]
    assert max(values) - min(values) <= 1e-5 * max(values), f"{case}: the distances differ: {values}"
    least = {m: {key: min(of_round[m][key] for of_round in found) for key in ("seconds", "bytes")} for m in METHODS}
    ours, peer = least["spacewise"], least["POT"]
    return {
        **dict(zip(("source", "target", "dimension", "projections"), case)),
        "spacewise_ms": round(1000 * ours["seconds"], 3),
        "pot_ms": round(1000 * peer["seconds"], 3),
        "times_as_fast": round(peer["seconds"] / ours["seconds"], 2),
        "product_ms": round(1000 * least["product"]["seconds"], 3),
        "spacewise_mib": round(ours["bytes"] / 2**20, 2),
        "pot_mib": round(peer["bytes"] / 2**20, 2),
    }


def report(cases: list[Case], options: argparse.Namespace) -> None:
    print(f"{options.threads} thread(s), the fastest step of {options.rounds} round(s)")
    rows: list[dict[str, object]] = []
    for case in cases:
        row = compared(case, options.rounds, options.seconds, options.threads)
        if not rows:
            print(" ".join(f"{name:>13}" for name in row))
        rows.append(row)
        print(" ".join(f"{value:>13}" for value in row.values()), flush=True)
    least = min(float(str(row["times_as_fast"])) for row in rows)
    print(f"at least {least} times as fast as POT (wanted: {WANTED})")
    if options.out:
        with options.out.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=2.0, help="that a process measures for")
    parser.add_argument("--quick", action="store_true", help="a few of the cases")
    parser.add_argument("--out", type=Path, help="a CSV file of the table; nothing is written without it")
    parser.add_argument("--measure", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        method, *case = options.measure
        n, m, dimension, projections = map(int, case)
        print(json.dumps(measure(method, (n, m, dimension, projections), options.seconds)))
        return
    kept = QUICK if options.quick else (SIZES, DIMENSIONS, PROJECTIONS)
    report([(*sizes, d, p) for sizes, d, p in itertools.product(*kept)], options)


if __name__ == "__main__":
    main()
