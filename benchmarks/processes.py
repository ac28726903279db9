"""Training throughput of two processes with one thread each against one process with two threads.

    python benchmarks/processes.py [--rounds 3] [--steps 60]

Each is started as a user starts it, by `torchrun` or alone, in turn, several rounds; medians and ratios are printed.
Images a second are those of log.csv, of the epochs after the first; the data are made and cached beforehand.

    aconvnet   A-ConvNet, images of 64 pixels, 64 a batch
    resnet20   ResNet-20, images of 32 pixels, 64 a batch
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

SAMPLES, BATCH, CLASSES = 1280, 64, 10
NETS = {"aconvnet": 64, "resnet20": 32}
STARTS = {
    "one process, two threads": (2, ["{python}"]),
    "two processes, one thread each": (
        1,
        ["{python}", "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"],
    ),
}


def train(name: str, steps: int, out: Path) -> None:
    """Whole epochs through the public function; the median of those after the first, on standard output."""
    import torch

    import spacewise as sw

    torch.manual_seed(0)
    size = NETS[name]
    options = {"padding": "same"} if name == "aconvnet" else {}
    net = sw.nets.NETS[name](CLASSES, 1, size, **options)
    split = sw.splits.by_fact(_source(size), train={"part": "train"}, test={"part": "test"}, validation=0.0)
    epochs = 1 + max(1, steps * BATCH // SAMPLES)
    goal = sw.Objective("crossentropy@classifier")
    run = sw.learn.supervised(net, goal, split, out=out, epochs=epochs, batch=BATCH, shift=4, precision="float32")
    if os.environ.get("RANK", "0") == "0":
        print(json.dumps({"images_per_second": float(run.log["images_per_second"].iloc[1:].median())}), flush=True)


def _source(size: int):
    import numpy as np
    import pandas as pd

    from spacewise.sources import Source

    images = np.random.default_rng(0).integers(0, 255, (SAMPLES + 20, 1, size, size), np.uint8)
    facts = pd.DataFrame(
        {
            "id": [str(number) for number in range(len(images))],
            "label": [f"class{number % CLASSES}" for number in range(len(images))],
            "part": ["train"] * SAMPLES + ["test"] * 20,
        }
    )
    return Source("benchmark", facts, lambda index: images[index], stamp=f"processes-{size}", amplitude="magnitude")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--net", choices=NETS, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.net:
        train(options.net, options.steps, options.out)
        return
    report(options.rounds, options.steps)


def report(rounds: int, steps: int) -> None:
    """Every net with both starts, round by round."""
    measured: dict[tuple[str, str], list[float]] = {(net, start): [] for net in NETS for start in STARTS}
    with tempfile.TemporaryDirectory() as place:
        for number in range(rounds):
            for net, start in measured:
                out = Path(place) / f"{net}-{start.split()[0]}-{number}"
                measured[net, start].append(_measure(net, start, steps, out))
    for net, size in NETS.items():
        print(f"{net}, {size} pixels, batch {BATCH}, float32")
        median = {start: statistics.median(measured[net, start]) for start in STARTS}
        for start, figure in median.items():
            every = " ".join(f"{found:.0f}" for found in measured[net, start])
            print(f"  {start:31} {figure:7.0f} images a second   ({every})")
        one, two = median.values()
        print(f"  two processes are {two / one:.2f} times as fast as one")


def _measure(net: str, start: str, steps: int, out: Path) -> float:
    threads, words = STARTS[start]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "SPACEWISE_CACHE": str(out.parent / "cache")}
    command = [word.format(python=sys.executable) for word in words]
    command += [__file__, "--net", net, "--steps", str(steps), "--out", str(out)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout.splitlines()[-1])["images_per_second"])


if __name__ == "__main__":
    main()
