"""Silhouette of every sample of a large space: spacewise against scikit-learn, and against the product alone.

    python benchmarks/separation.py [--samples 50000] [--classes 10 100] [--rounds 1] [--threads 2]

Single-precision vectors of 256 numbers around the centres of their classes. Each variant runs in a process of
its own, in turn, with the same number of threads, after one small warm-up call; medians, ratios, the peak of
memory beyond the vectors and the largest difference from scikit-learn's silhouettes are printed. On a machine
that is busy with other work compare the processor seconds.

    spacewise      `separation.silhouette`
    scikit         scikit-learn, silhouette_samples
    half           no silhouette: the half of the single-precision matrix product that any method needs, tile by
                   tile of the same size
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
from collections.abc import Callable
from pathlib import Path

import numpy as np

DIMENSION, SHARE, WARM = 256, 0.2, 2000
FASTER, LIMIT, AGREED = 5, 1.3, 1e-6  # than scikit-learn; of the half product; largest difference


def vectors(samples: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    labels = generator.integers(classes, size=samples)
    centres = generator.standard_normal((classes, DIMENSION), dtype=np.float32)
    points = generator.standard_normal((samples, DIMENSION), dtype=np.float32)
    points *= np.sqrt(np.float32(1 - SHARE))
    points += np.sqrt(np.float32(SHARE)) * centres[labels]
    return points, labels


def spacewise(points: np.ndarray, labels: np.ndarray) -> np.ndarray:
    from spacewise.measures.separation import silhouette

    return silhouette(points, labels)


def scikit(points: np.ndarray, labels: np.ndarray) -> np.ndarray:
    from sklearn.metrics import silhouette_samples

    return silhouette_samples(points, labels)


def half(points: np.ndarray, labels: np.ndarray) -> np.ndarray:
    import torch

    from spacewise.measures.pairwise import TILE

    tiles = torch.from_numpy(points).split(TILE)
    for number, rows in enumerate(tiles):
        for columns in tiles[number:]:
            rows @ columns.T
    return np.full(len(points), np.nan)


VARIANTS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    function.__name__: function for function in (spacewise, scikit, half)
}


def measure(name: str, samples: int, classes: int, out: Path) -> dict[str, float]:
    points, labels = vectors(samples, classes)
    VARIANTS[name](points[:WARM].copy(), labels[:WARM])
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # peak memory starts anew
    before = _megabytes("VmRSS")
    began, busy = time.perf_counter(), time.process_time()
    found = VARIANTS[name](points, labels)
    figures = {
        "seconds": time.perf_counter() - began,
        "processor": time.process_time() - busy,
        "megabytes": _megabytes("VmHWM") - before,
    }
    np.save(out, found)
    return figures


def _megabytes(field: str) -> float:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise KeyError(field)


def in_processes(samples: int, classes: int, rounds: int, threads: int) -> tuple[dict[str, list], dict[str, float]]:
    """Figures of every round, and the largest difference from scikit-learn, by variant."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    environment = os.environ | dict.fromkeys(names, str(threads))
    measured: dict[str, list[dict[str, float]]] = {name: [] for name in VARIANTS}
    with tempfile.TemporaryDirectory() as folder:
        files = {name: Path(folder, f"{name}.npy") for name in VARIANTS}
        for name in [name for _ in range(rounds) for name in VARIANTS]:
            sizes = [str(samples), str(classes)]
            command = [sys.executable, __file__, "--measure", name, *sizes, str(files[name])]
            done = subprocess.run(command, env=environment, capture_output=True, text=True)
            if done.returncode:
                sys.exit(f"{name}: {done.stderr.strip()}")
            measured[name].append(json.loads(done.stdout.splitlines()[-1]))
        found = {name: np.load(file) for name, file in files.items()}
    return measured, {name: float(np.abs(values - found["scikit"]).max()) for name, values in found.items()}


def report(samples: int, classes: int, rounds: int, threads: int) -> None:
    measured, difference = in_processes(samples, classes, rounds, threads)
    print(f"{samples} x {DIMENSION}, {classes} classes, {threads} threads; processor: seconds of all threads")
    for clock in ("seconds", "processor"):
        median = {name: statistics.median(run[clock] for run in runs) for name, runs in measured.items()}
        for name, seconds in median.items():
            memory = max(run["megabytes"] for run in measured[name])
            times = f"{seconds:8.2f} s {seconds / median['spacewise']:6.2f} times spacewise's"
            print(f"{clock:9} {name:12} {times}  {memory:5.0f} MB  max difference {difference[name]:.1e}")
        faster, share = median["scikit"] / median["spacewise"], median["spacewise"] / median["half"]
        print(f"{clock}: {faster:.2f} times as fast as scikit-learn (wanted: {FASTER}), ", end="")
        print(f"{share:.2f} times the half product (wanted: at most {LIMIT}), ", end="")
        print(f"difference {difference['spacewise']:.1e} (wanted: at most {AGREED:.0e})", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=50_000)
    parser.add_argument("--classes", type=int, nargs="+", default=[10, 100])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--measure", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        name, samples, classes, out = options.measure
        print(json.dumps(measure(name, int(samples), int(classes), Path(out))))
        return
    for classes in options.classes:
        report(options.samples, classes, options.rounds, options.threads)


if __name__ == "__main__":
    main()
