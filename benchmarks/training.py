"""Training throughput of the A-ConvNet: spacewise's defaults against the plainest correct loop.

    python benchmarks/training.py [--rounds 3] [--steps 30] [--threads 2]

Each variant runs in a process of its own, in turn, several rounds; medians and ratios are printed.

    plain      float32, default memory format, per-image shifts in a DataLoader
    spacewise  `learn.supervised` with its default settings, as a user calls it
    bare       spacewise's own step (precision, memory format, optimizer) on batches that are ready:
               what the framework around the step costs is spacewise over bare
    cache      seconds from a second call on the same data to its first step, after imports
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SAMPLES, SIZE, BATCH, SHIFT, CLASSES = 2472, 128, 64, 10, 10


def plain(steps: int) -> dict[str, float]:
    import numpy as np
    import torch
    from torch.utils.data import DataLoader, Dataset

    from spacewise.nets import aconvnet

    generator = np.random.default_rng(0)
    images = generator.integers(0, 255, (SAMPLES, 1, SIZE, SIZE), np.uint8)
    labels = generator.integers(0, CLASSES, SAMPLES)

    class Shifted(Dataset):
        def __len__(self) -> int:
            return SAMPLES

        def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
            image = np.sqrt(images[index].astype(np.float32))
            padded = np.pad(image, ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT)), mode="reflect")
            down, right = np.random.randint(0, 2 * SHIFT + 1, 2)
            return torch.from_numpy(padded[:, down : down + SIZE, right : right + SIZE].copy()), int(labels[index])

    torch.manual_seed(0)
    net = aconvnet(CLASSES)
    optimizer = torch.optim.AdamW(net.parameters(), 1e-3)
    loader = DataLoader(Shifted(), BATCH, shuffle=True, drop_last=True)
    return {"seconds_per_step": _timed(_plain_steps(net, optimizer, loader), steps)}


def _plain_steps(net, optimizer, loader):
    import torch

    net.train()
    while True:
        for images, labels in loader:
            loss = torch.nn.functional.cross_entropy(net(images)["classifier"], labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            yield


def _timed(steps_of, steps: int) -> float:
    """Seconds a step, after five to warm up."""
    for _ in range(5):
        next(steps_of)
    began = time.perf_counter()
    for _ in range(steps):
        next(steps_of)
    return (time.perf_counter() - began) / steps


def spacewise(steps: int) -> dict[str, float]:
    """Whole epochs through the public function; the epochs after the first are counted."""
    run, _ = _train(2 + steps * BATCH // SAMPLES)
    log = run.log.iloc[1:]
    per_epoch = SAMPLES // BATCH
    return {"seconds_per_step": float((log["seconds"] / per_epoch).median())}


def _train(epochs: int, out: str = "run"):
    import torch

    import spacewise as sw

    source = _source()
    split = sw.splits.by_fact(source, train={"part": "train"}, test={"part": "test"}, validation=0.0)
    torch.manual_seed(0)
    net = sw.nets.aconvnet(CLASSES)
    goal = sw.Objective("crossentropy@classifier")
    folder = Path(tempfile.mkdtemp()) / out
    began = time.perf_counter()
    run = sw.learn.supervised(net, goal, split, out=folder, epochs=epochs, batch=BATCH, shift=SHIFT)
    return run, began


def _source():
    import numpy as np
    import pandas as pd

    from spacewise.sources import Source

    images = np.random.default_rng(0).integers(0, 255, (SAMPLES + 20, 1, SIZE, SIZE), np.uint8)
    facts = pd.DataFrame(
        {
            "id": [str(number) for number in range(len(images))],
            "label": [f"class{number % CLASSES}" for number in range(len(images))],
            "part": ["train"] * SAMPLES + ["test"] * 20,
        }
    )
    return Source("benchmark", facts, lambda index: images[index], stamp="benchmark-1", amplitude="magnitude")


def bare(steps: int) -> dict[str, float]:
    """The step alone: what `Training.step` does to images that are ready."""
    import torch

    from spacewise.learn.embed import Selected, fabric
    from spacewise.nets import aconvnet

    lightning = fabric("auto")
    torch.manual_seed(0)
    net = aconvnet(CLASSES).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), 1e-3, fused=True)
    model, optimizer = lightning.setup(Selected(net, ["classifier"]), optimizer)
    images = torch.randint(0, 255, (BATCH, 1, SIZE, SIZE), dtype=torch.uint8)
    labels = torch.randint(0, CLASSES, (BATCH,))

    def steps_of():
        while True:
            loss = torch.nn.functional.cross_entropy(model(images)["classifier"], labels)
            lightning.backward(loss)
            optimizer.step()
            optimizer.zero_grad()
            yield

    return {"seconds_per_step": _timed(steps_of(), steps)}


def cache(steps: int) -> dict[str, float]:
    """The real chips where `SPACEWISE_DATA` is set, else generated ones: second call to first step."""
    import torch

    import spacewise as sw
    from spacewise.learn.supervised_training import SupervisedTraining

    first_step: list[float] = []
    plain_step = SupervisedTraining.step

    def noted(self, *batch):
        first_step.append(time.perf_counter())
        plain_step(self, *batch)
        raise KeyboardInterrupt

    SupervisedTraining.step = noted
    seconds = []
    for _ in range(2):
        began = time.perf_counter()
        root = os.environ.get("SPACEWISE_DATA")
        chips = sw.sources.mstar(Path(root) / "mstar") if root else _source()
        split = (
            sw.splits.mstar_seen_unseen(chips)
            if root
            else sw.splits.by_fact(chips, train={"part": "train"}, test={"part": "test"})
        )
        torch.manual_seed(0)
        goal = sw.Objective("crossentropy@classifier")
        try:
            sw.learn.supervised(sw.nets.aconvnet(CLASSES), goal, split, out=Path(tempfile.mkdtemp()) / "run", epochs=1)
        except KeyboardInterrupt:
            seconds.append(first_step[-1] - began)
    return {"first_call": seconds[0], "second_call": seconds[1]}


VARIANTS = {"plain": plain, "spacewise": spacewise, "bare": bare, "cache": cache}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--variant", choices=VARIANTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.variant:
        print(json.dumps(VARIANTS[options.variant](options.steps)))
        return
    report(options.rounds, options.steps, options.threads)


def report(rounds: int, steps: int, threads: int) -> None:
    measured: dict[str, list[dict[str, float]]] = {name: [] for name in VARIANTS}
    with tempfile.TemporaryDirectory() as place:
        environment = os.environ | {"OMP_NUM_THREADS": str(threads), "SPACEWISE_CACHE": place}
        for round_number in range(rounds):
            for name in VARIANTS:
                if name == "cache" and round_number:
                    continue
                command = [sys.executable, __file__, "--variant", name, "--steps", str(steps)]
                done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
                measured[name].append(json.loads(done.stdout.splitlines()[-1]))
    timed = [name for name in VARIANTS if name != "cache"]
    median = {name: statistics.median(found["seconds_per_step"] for found in measured[name]) for name in timed}
    for name, seconds in median.items():
        every = " ".join(f"{1000 * found['seconds_per_step']:.1f}" for found in measured[name])
        print(f"{name:10} {1000 * seconds:7.1f} ms a step, {BATCH / seconds:6.0f} images a second   ({every})")
    print(f"spacewise is {median['plain'] / median['spacewise']:.2f} times as fast as the plain loop (wanted: 2)")
    around = 100 * (median["spacewise"] / median["bare"] - 1)
    print(f"around the step: {around:+.1f} % of it (wanted: below 3 %)")
    times = measured["cache"][0]
    print(f"to the first step: {times['first_call']:.2f} s, second call {times['second_call']:.2f} s (wanted: below 1)")


if __name__ == "__main__":
    main()
