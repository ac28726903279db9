"""Triplet losses over all triplets of a batch: time and memory, against pytorch-metric-learning.

    python benchmarks/triplet.py [--threads 1] [--rounds 2] [--batches 32 256 512 1024] [--out FILE]

Forward and backward on vectors of 512 dimensions in ten classes. Each method and size of batch runs in a
process of its own, the methods in turn, several rounds; the fastest step counts, as other work on the
machine only adds. One thread is timed by the processor, so that waiting for a core does not count; several
are timed by the clock. Memory is what the process's peak grew by during a step. The losses of a method and of
its peer must be equal.

    smooth    log(1 + exp(d(a, p) - d(a, n)))
    hinge     max(0, d(a, p) - d(a, n) + 0.2)
    products  the product of matrices (B x d by d x B) that every method starts with: the last column of the
              table is how many times longer a method takes than the machine needs for this alone

The product alone takes 1.2 MiB at 256 samples, the block of triplets that is held at a time another.
open-metric-learning (`oml`) takes part where it is installed, in batches below 256: there it took a minute and
17 GB a step.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

DIMENSION, CLASSES, MARGIN = 512, 10, 0.2
LOSSES = ("smooth", "hinge")
WANTED = {32: 1, 256: 10, 512: 20, 1024: 30}  # times as fast as pytorch-metric-learning
SECONDS = 3.0  # that a process measures for


def spacewise(loss: str) -> Callable:
    from spacewise.losses import hinge_triplet, smooth_triplet

    if loss == "smooth":
        return lambda x, labels: smooth_triplet(x, labels, scale=1.0)
    return lambda x, labels: hinge_triplet(x, labels, margin=MARGIN)


def pytorch_metric_learning(loss: str) -> Callable:
    from pytorch_metric_learning.distances import LpDistance
    from pytorch_metric_learning.losses import TripletMarginLoss
    from pytorch_metric_learning.reducers import MeanReducer

    smooth = loss == "smooth"
    distance = LpDistance(power=2, collect_stats=False)
    return TripletMarginLoss(0 if smooth else MARGIN, smooth_loss=smooth, distance=distance, reducer=MeanReducer())


def oml(loss: str) -> Callable:
    """Its distances are not squared: time and memory only."""
    from oml.losses.triplet import TripletLossWithMiner
    from oml.miners.inbatch_all_tri import AllTripletsMiner
    from torch.nn.functional import normalize

    criterion = TripletLossWithMiner(None if loss == "smooth" else MARGIN, AllTripletsMiner(), need_logs=False)
    return lambda x, labels: criterion(normalize(x), labels)


def products(loss: str) -> Callable:
    return lambda x, labels: x @ x.T


OML_ENDS = 256
METHODS = {"spacewise": spacewise, "pytorch-metric-learning": pytorch_metric_learning, "oml": oml, "products": products}
EQUAL = ("spacewise", "pytorch-metric-learning")


def measure(method: str, loss: str, batch: int) -> dict[str, float]:
    """Seconds of the fastest step, bytes that the peak grew by, and the loss."""
    import torch

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    generator = torch.Generator().manual_seed(0)
    function = METHODS[method](loss)
    whole = torch.randn(batch, DIMENSION, generator=generator)
    labels = torch.arange(batch) % CLASSES

    def step(samples: int) -> float:
        x = whole[:samples].clone().requires_grad_(method != "products")
        found = function(x, labels[:samples])
        if method != "products":
            found.backward()
        return float(found.detach().mean())

    step(64 if batch > 64 else batch)  # loads what is loaded at first use
    before = _peak(reset=True)
    first, value = _timed(step, batch)
    grown = _peak() - before
    times = [first]
    while sum(times) < SECONDS:  # a step that takes longer than that is not repeated
        times.append(_timed(step, batch)[0])
    return {"seconds": min(times), "bytes": grown, "value": value}


def _timed(step: Callable[[int], float], batch: int) -> tuple[float, float]:
    clock = time.process_time if os.environ["OMP_NUM_THREADS"] == "1" else time.perf_counter
    began = clock()
    value = step(batch)
    return clock() - began, value


def _peak(reset: bool = False) -> int:
    """Bytes of the process's largest resident memory, since the last reset (Linux)."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text()
    return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


def in_a_process(method: str, loss: str, batch: int, threads: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--measure", method, loss, str(batch)]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def compared(loss: str, batch: int, methods: list[str], rounds: int, threads: int) -> list[dict[str, object]]:
    """A row a method: the least of the rounds, beside the peer's."""
    found = [{method: in_a_process(method, loss, batch, threads) for method in methods} for _ in range(rounds)]
    values = [of_round[method]["value"] for of_round in found for method in EQUAL]
    assert max(values) - min(values) <= 1e-5 * max(values), f"{loss} at {batch}: the losses differ: {values}"
    least = {m: {key: min(of_round[m][key] for of_round in found) for key in ("seconds", "bytes")} for m in methods}
    ours, limit = least["spacewise"], least["products"]["seconds"]
    return [
        {
            "loss": loss,
            "batch": batch,
            "method": method,
            "milliseconds": round(1000 * own["seconds"], 3),
            "times_spacewise": round(own["seconds"] / ours["seconds"], 2),
            "mebibytes": round(own["bytes"] / 2**20, 2),
            "memory_times_spacewise": round(own["bytes"] / max(ours["bytes"], 1), 1),
            "times_limit": round(own["seconds"] / limit, 1),
        }
        for method, own in least.items()
    ]


def report(batches: list[int], rounds: int, threads: int, out: Path | None) -> None:
    methods = [method for method in METHODS if method != "oml" or importlib.util.find_spec("oml")]
    if "oml" not in methods:
        print("open-metric-learning is not installed: left out")
    print(f"{DIMENSION} dimensions, {CLASSES} classes, {threads} thread(s), the fastest step of {rounds} round(s)")
    print(f"{'loss':7}{'batch':>6}  {'method':25}{'ms':>10}{'times':>8}{'MiB':>10}{'times':>8}{'x limit':>9}")
    rows: list[dict[str, object]] = []
    for loss in LOSSES:
        for batch in batches:
            fit = [method for method in methods if method != "oml" or batch < OML_ENDS]
            found = compared(loss, batch, fit, rounds, threads)
            for row in found:
                print(_line(row), flush=True)
            print(_verdict(found[1]), flush=True)
            rows += found
    if out:
        with out.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


def _line(row: dict[str, object]) -> str:
    return "{loss:7}{batch:>6}  {method:25}{milliseconds:>10}{times_spacewise:>8}{mebibytes:>10}".format(
        **row
    ) + "{memory_times_spacewise:>8}{times_limit:>9}".format(**row)


def _verdict(peer: dict[str, object]) -> str:
    wanted = WANTED.get(int(str(peer["batch"])))
    return (
        f"{'':15}{peer['times_spacewise']} times as fast (wanted: {wanted or 'more'}), "
        f"1/{peer['memory_times_spacewise']} of the extra memory (wanted from 256 on: 1/20)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--batches", type=int, nargs="+", default=list(WANTED))
    parser.add_argument("--out", type=Path, help="a CSV file of the table; nothing is written without it")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        method, loss, batch = options.measure
        print(json.dumps(measure(method, loss, int(batch))))
        return
    report(options.batches, options.rounds, options.threads, options.out)


if __name__ == "__main__":
    main()
