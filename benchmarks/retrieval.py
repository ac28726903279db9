"""Recall at 1 … 32 of a large space: spacewise against the libraries that are used for it.

    python benchmarks/retrieval.py [--samples 60000] [--rounds 1] [--threads 2]

Unit vectors of 512 numbers around 600 centres, recall at 1 about 60 % for 60,000 of them. Each variant
runs in a process of its own, in turn, with the same number of threads, after one small warm-up call;
medians, ratios and the peak of memory beyond the vectors are printed. On a machine that is busy with other
work compare the processor seconds.

    spacewise      `retrieval.first_hits`, from which recall at every k follows
    faiss_l2_2     IndexFlatL2, the two nearest (itself and one): recall at 1 alone
    faiss_ip_2     IndexFlatIP, the same
    faiss_l2_33    IndexFlatL2, the 33 nearest: recall at 1 … 32
    metric         pytorch-metric-learning, AccuracyCalculator, precision_at_1, k = 1
    scikit         scikit-learn, NearestNeighbors, brute force, one neighbour
    product        no search: the whole single-precision matrix product, tile by tile
    half           the same in bfloat16
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

DIMENSION, CLASSES, SHARE, TILE, WARM = 512, 600, 0.09, 2048, 3000
WANTED = 1.4
RIVALS = ("faiss_l2_2", "faiss_ip_2", "metric")


def vectors(samples: int):
    import numpy as np

    generator = np.random.default_rng(0)
    labels = np.arange(samples) % CLASSES
    centres = generator.standard_normal((CLASSES, DIMENSION), dtype=np.float32)
    centres *= np.sqrt(SHARE) / np.linalg.norm(centres, axis=1, keepdims=True)
    points = generator.standard_normal((samples, DIMENSION), dtype=np.float32)
    points *= np.sqrt((1 - SHARE) / DIMENSION)
    points += centres[labels]
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return points, labels


def spacewise(points, labels) -> float:
    from spacewise.measures.retrieval import first_hits, recall

    return float(recall(first_hits(points, labels))[0])


def _faiss(points, labels, flavour: str, k: int) -> float:
    import faiss
    import numpy as np

    index = getattr(faiss, f"IndexFlat{flavour}")(DIMENSION)
    index.add(points)
    _, found = index.search(points, k)
    first = np.where(found[:, 0] == np.arange(len(points)), found[:, 1], found[:, 0])
    return float((labels[first] == labels).mean())


def faiss_l2_2(points, labels) -> float:
    return _faiss(points, labels, "L2", 2)


def faiss_ip_2(points, labels) -> float:
    return _faiss(points, labels, "IP", 2)


def faiss_l2_33(points, labels) -> float:
    return _faiss(points, labels, "L2", 33)


def metric(points, labels) -> float:
    import torch
    from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator

    calculator = AccuracyCalculator(include=("precision_at_1",), k=1, device=torch.device("cpu"))
    return calculator.get_accuracy(torch.from_numpy(points), torch.from_numpy(labels))["precision_at_1"]


def scikit(points, labels) -> float:
    from sklearn.neighbors import NearestNeighbors

    found = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(points).kneighbors(return_distance=False)
    return float((labels[found[:, 0]] == labels).mean())


def product(points, labels) -> float:
    import torch

    return _tiles(torch.from_numpy(points))


def half(points, labels) -> float:
    import torch

    return _tiles(torch.from_numpy(points).to(torch.bfloat16))


def _tiles(points) -> float:
    for rows in points.split(TILE):
        for columns in points.split(TILE):
            rows @ columns.T
    return float("nan")


VARIANTS: dict[str, Callable] = {
    function.__name__: function
    for function in (spacewise, faiss_l2_2, faiss_ip_2, faiss_l2_33, metric, scikit, product, half)
}


def measure(name: str, samples: int) -> dict[str, float]:
    points, labels = vectors(samples)
    VARIANTS[name](points[:WARM].copy(), labels[:WARM])
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # peak memory starts anew
    before = _megabytes("VmRSS")
    began, busy = time.perf_counter(), time.process_time()
    recall = VARIANTS[name](points, labels)
    return {
        "seconds": time.perf_counter() - began,
        "processor": time.process_time() - busy,
        "megabytes": _megabytes("VmHWM") - before,
        "recall": recall,
    }


def _megabytes(field: str) -> float:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise KeyError(field)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=60_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--variant", choices=VARIANTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.variant:
        print(json.dumps(measure(options.variant, options.samples)))
        return
    report(options.samples, options.rounds, options.threads)


def report(samples: int, rounds: int, threads: int) -> None:
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    environment = os.environ | dict.fromkeys(names, str(threads))
    measured: dict[str, list[dict[str, float]]] = {name: [] for name in VARIANTS}
    for _ in range(rounds):
        for name in VARIANTS:
            command = [sys.executable, __file__, "--variant", name, "--samples", str(samples)]
            done = subprocess.run(command, env=environment, capture_output=True, text=True)
            if done.returncode:
                sys.exit(f"{name}: {done.stderr.strip()}")
            measured[name].append(json.loads(done.stdout.splitlines()[-1]))
    print(f"{samples} x {DIMENSION}, {threads} threads; processor: seconds of all threads, without waiting for others")
    for clock in ("seconds", "processor"):
        median = {name: statistics.median(run[clock] for run in runs) for name, runs in measured.items()}
        for name, seconds in median.items():
            memory, recall = max(run["megabytes"] for run in measured[name]), measured[name][0]["recall"]
            times = f"{seconds:8.2f} s {seconds / median['spacewise']:6.2f} times spacewise's"
            print(f"{clock:9} {name:12} {times}  {memory:5.0f} MB  recall@1 {recall:.4f}")
        least = min(median[name] for name in RIVALS) / median["spacewise"]
        print(f"{clock}: {least:.2f} times as fast as the fastest of {', '.join(RIVALS)} (wanted: {WANTED})")


if __name__ == "__main__":
    main()
