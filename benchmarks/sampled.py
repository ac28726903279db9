"""What compares all pairs, asked of a stratified sample of queries against everything: time, memory, growth.

    python benchmarks/sampled.py [--folder FOLDER] [--samples 125000 250000 500000 1000000] [--queries 2000]
        [--threads 2] [--only recall …]

FOLDER (a temporary one without) receives, once, single-precision vectors of 256 numbers around the centres of 100
classes, 1 GB a million; smaller sizes are the first rows of the same file. Every operation runs in a process of its
own after a small warm-up call, on a memory map that the system has in memory. Printed: seconds of the clock and of
the processor, peak memory of the process in all (VmHWM) and of its own pages (RssAnon, watched every 5 ms), the
exponent of the growth of processor seconds with samples, and for recall the ratio to the peer.

    recall         `retrieval.first_hits` of the queries: recall at 1 … 32, exact, ties by index
    silhouette     `separation.silhouette` of the queries
    nearest        `nearest.nearest_neighbours`, 33 of each query, exact, ties by index
    faiss          IndexFlatIP, vectors added in blocks, the 33 nearest of the same queries: recall at 1 … 32 in
                   single precision; it keeps a copy of all vectors
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

DIMENSION, CLASSES, SHARE, ROWS, DEPTH, WARM = 256, 100, 0.06, 16_384, 33, 3000
RIVALS = {"recall": "faiss", "nearest": "faiss"}


def make(folder: Path, samples: int) -> Path:
    """The file of vectors (sample, dimension), of unit length; sample i is of class i modulo `CLASSES`."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "sampled.npy"
    if file.is_file() and len(np.load(file, mmap_mode="r")) >= samples:
        return file
    generator = np.random.default_rng(0)
    centres = generator.standard_normal((CLASSES, DIMENSION), dtype=np.float32) * math.sqrt(SHARE)
    values = np.lib.format.open_memmap(file, "w+", np.float32, (samples, DIMENSION))
    for start in range(0, samples, ROWS):
        codes = np.arange(start, min(start + ROWS, samples)) % CLASSES
        block = generator.standard_normal((len(codes), DIMENSION), dtype=np.float32) * math.sqrt(1 - SHARE)
        block += centres[codes]
        values[start : start + ROWS] = block / np.linalg.norm(block, axis=1, keepdims=True)
    values.flush()
    return file


def recall(values: np.ndarray, labels: np.ndarray, queries: np.ndarray) -> float:
    from spacewise.measures.retrieval import first_hits

    return float((first_hits(values, labels, queries=queries) == 1).mean())


def silhouette(values: np.ndarray, labels: np.ndarray, queries: np.ndarray) -> float:
    from spacewise.measures.separation import silhouette

    return float(silhouette(values, labels, queries=queries).mean())


def nearest(values: np.ndarray, labels: np.ndarray, queries: np.ndarray) -> float:
    from spacewise.measures.nearest import nearest_neighbours

    return _first(nearest_neighbours(values[queries], values, DEPTH)[1], labels, queries)


def faiss(values: np.ndarray, labels: np.ndarray, queries: np.ndarray) -> float:
    import faiss

    index = faiss.IndexFlatIP(DIMENSION)
    for start in range(0, len(values), ROWS):
        index.add(np.ascontiguousarray(values[start : start + ROWS]))
    return _first(index.search(values[queries], DEPTH)[1], labels, queries)


def _first(found: np.ndarray, labels: np.ndarray, queries: np.ndarray) -> float:
    """Recall at 1, a query itself left out."""
    first = np.where(found[:, 0] == queries, found[:, 1], found[:, 0])
    return float((labels[first] == labels[queries]).mean())


OPERATIONS: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], float]] = {
    function.__name__: function for function in (recall, silhouette, nearest, faiss)
}


def measure(name: str, file: Path, samples: int, number: int) -> dict[str, float]:
    from spacewise.measures.sampling import stratified

    values = np.load(file, mmap_mode="r")[:samples]
    labels = np.arange(samples) % CLASSES
    queries = stratified(labels, min(number, samples), 0)
    OPERATIONS[name](values[:WARM], labels[:WARM], np.arange(100))
    values.sum(axis=0)  # now the system has the file in memory
    peak, done = [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.005):
            peak[0] = max(peak[0], _megabytes("RssAnon"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    began, busy = time.perf_counter(), time.process_time()
    figure = OPERATIONS[name](values, labels, queries)
    seconds, processor = time.perf_counter() - began, time.process_time() - busy
    done.set()
    watcher.join()
    memory = {"all": _megabytes("VmHWM"), "own": peak[0]}
    return {"seconds": seconds, "processor": processor, "figure": figure} | memory


def _megabytes(field: str) -> float:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise KeyError(field)


def in_process(name: str, file: Path, samples: int, number: int, threads: int) -> dict[str, float]:
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    command = [sys.executable, __file__, "--measure", name, str(file), str(samples), str(number)]
    done = subprocess.run(command, env=os.environ | dict.fromkeys(names, str(threads)), capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{name}: {done.stderr.strip()}")
    return json.loads(done.stdout.splitlines()[-1])


def exponent(sizes: list[int], seconds: list[float]) -> float:
    """Slope of the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def report(file: Path, options: argparse.Namespace) -> None:
    print(f"{options.queries} queries against samples x {DIMENSION}, {CLASSES} classes, {options.threads} threads")
    processor: dict[str, list[float]] = {}
    for name in options.only:
        runs = [in_process(name, file, size, options.queries, options.threads) for size in options.samples]
        processor[name] = [run["processor"] for run in runs]
        for size, run in zip(options.samples, runs, strict=True):
            times = f"{run['seconds']:8.2f} s {run['processor']:8.2f} s of the processor"
            memory = f"{run['all']:6.0f} MB in all {run['own']:6.0f} MB own"
            print(f"{name:11} {size:9,} {times} {memory}  {run['figure']:.4f}", flush=True)
        if len(options.samples) > 1:
            print(f"{name:11} grows with samples to the power {exponent(options.samples, processor[name]):.2f}")
    for name, rival in RIVALS.items():
        if name in processor and rival in processor:
            pairs = zip(options.samples, processor[name], processor[rival], strict=True)
            ratios = ", ".join(f"{theirs / ours:.2f} ({size:,})" for size, ours, theirs in pairs)
            print(f"processor: {name} is so many times as fast as {rival}: {ratios}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--samples", type=int, nargs="+", default=[125_000, 250_000, 500_000, 1_000_000])
    parser.add_argument("--queries", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=OPERATIONS, default=list(OPERATIONS))
    parser.add_argument("--measure", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        name, file, samples, number = options.measure
        print(json.dumps(measure(name, Path(file), int(samples), int(number))))
        return
    with tempfile.TemporaryDirectory() as temporary:
        report(make(options.folder or Path(temporary), max(options.samples)), options)


if __name__ == "__main__":
    main()
