"""Measures of one or two passes over a memory map: time, memory and how both grow, beside what peers take.

    python benchmarks/streaming.py --folder FOLDER [--samples 125000 250000 500000 1000000] [--threads 2]
        [--only mahalanobis …] [--no-peers]

FOLDER receives, once, single-precision vectors of 256 numbers behind a rectifier around the centres of 100
classes (1 GB a million), 10 % more of what belongs to none, the last layer and its logits; smaller sizes are the
first rows of the same files. Every operation runs in a process of its own after a small warm-up call, on files
that the system has in memory. Printed: seconds of the clock and of the processor, peak memory of the process beyond
what it held before (all; own pages, watched every 5 ms; pages of the files), the exponent of the growth of
processor seconds with samples, and the same of scikit-learn, scipy or numpy where they have it, which see the
same memory map. Scores are fitted on the samples of the classes and asked of them and of the others.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

DIMENSION, CLASSES, OTHERS, WARM, ROWS = 256, 100, 10, 2000, 10_000


@dataclass(frozen=True)
class World:
    """features (sample, dimension), labels (sample,), logits (sample, class); the same of others; the last layer."""

    features: np.ndarray
    labels: np.ndarray
    logits: np.ndarray
    others: np.ndarray
    other_logits: np.ndarray
    weight: np.ndarray
    bias: np.ndarray

    def first(self, samples: int) -> World:
        known, other = slice(samples), slice(max(samples // OTHERS, 1))
        parts = self.features[known], self.labels[known], self.logits[known], self.others[other]
        return World(*parts, self.other_logits[other], self.weight, self.bias)


def make(folder: Path, samples: int) -> None:
    """Writes the files of `World`, some rows at a time."""
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "bias.npy").is_file() and len(np.load(folder / "labels.npy", mmap_mode="r")) >= samples:
        return
    generator = np.random.default_rng(0)
    centres = generator.standard_normal((CLASSES, DIMENSION), dtype=np.float32)
    weight, bias = centres / 8, generator.standard_normal(CLASSES, dtype=np.float32)
    labels = generator.integers(CLASSES, size=samples)
    nowhere = np.full(samples // OTHERS, -1)
    for names, codes in ((("features", "logits"), labels), (("others", "other_logits"), nowhere)):
        sizes = (DIMENSION, CLASSES)
        out = [
            np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.float32, (len(codes), size))
            for name, size in zip(names, sizes, strict=True)
        ]
        for start in range(0, len(codes), ROWS):
            part = codes[start : start + ROWS]
            block = generator.standard_normal((len(part), DIMENSION), dtype=np.float32)
            block += np.where(part[:, None] < 0, 0, centres[part])
            out[0][start : start + ROWS] = np.maximum(block, 0, out=block)
            out[1][start : start + ROWS] = block @ weight.T + bias
    for name, array in {"labels": labels, "weight": weight, "bias": bias}.items():
        np.save(folder / f"{name}.npy", array)


def world(folder: Path) -> World:
    return World(**{name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in World.__dataclass_fields__})


def moments(here: World) -> None:
    from spacewise.measures.moments import class_moments

    class_moments(here.features, here.labels, scatter=True)


def covariances(here: World) -> None:
    from spacewise.measures.moments import class_moments

    class_moments(here.features, here.labels, apart="all")


def calinski_harabasz(here: World) -> None:
    from spacewise.measures.separation import calinski_harabasz

    calinski_harabasz(here.features, here.labels)


def davies_bouldin(here: World) -> None:
    from spacewise.measures.separation import davies_bouldin

    davies_bouldin(here.features, here.labels)


def class_distances(here: World) -> None:
    from spacewise.measures.separation import class_distances

    class_distances(here.features, here.labels)


def maximum_softmax(here: World) -> None:
    from spacewise.measures.scores import maximum_softmax

    for logits in (here.logits, here.other_logits):
        maximum_softmax(logits)


def energy(here: World) -> None:
    from spacewise.measures.scores import energy

    for logits in (here.logits, here.other_logits):
        energy(logits)


def mahalanobis(here: World) -> None:
    from spacewise.measures.fitted import fit_mahalanobis

    fit = fit_mahalanobis(here.features, here.labels)
    for features in (here.features, here.others):
        fit.score(features)


def relative_mahalanobis(here: World) -> None:
    from spacewise.measures.fitted import fit_relative_mahalanobis

    fit = fit_relative_mahalanobis(here.features, here.labels)
    for features in (here.features, here.others):
        fit.score(features)


def react(here: World) -> None:
    from spacewise.measures.fitted import fit_react

    fit = fit_react(here.weight, here.bias, here.features)
    for features in (here.features, here.others):
        fit.score(features)


def vim(here: World) -> None:
    from spacewise.measures.fitted import fit_vim

    fit = fit_vim(here.weight, here.bias, here.features)
    for features, logits in ((here.features, here.logits), (here.others, here.other_logits)):
        fit.score(features, logits)


def numpy_moments(here: World) -> None:
    values = here.features.astype(np.float64)
    means = np.stack([values[here.labels == code].mean(axis=0) for code in np.unique(here.labels)])
    values -= means[np.unique(here.labels, return_inverse=True)[1]]
    values.T @ values


def scikit_covariances(here: World) -> None:
    from sklearn.covariance import EmpiricalCovariance

    for code in np.unique(here.labels):
        EmpiricalCovariance(store_precision=False).fit(here.features[here.labels == code])


def scikit_calinski_harabasz(here: World) -> None:
    from sklearn.metrics import calinski_harabasz_score

    calinski_harabasz_score(here.features, here.labels)


def scikit_davies_bouldin(here: World) -> None:
    from sklearn.metrics import davies_bouldin_score

    davies_bouldin_score(here.features, here.labels)


def numpy_maximum_softmax(here: World) -> None:
    for logits in (here.logits, here.other_logits):
        values = logits.astype(np.float64)
        1 / np.exp(values - values.max(axis=1, keepdims=True)).sum(axis=1)


def scipy_energy(here: World) -> None:
    from scipy.special import logsumexp

    for logits in (here.logits, here.other_logits):
        logsumexp(logits.astype(np.float64), axis=1)


def scikit_mahalanobis(here: World) -> None:
    from scipy.spatial.distance import cdist
    from sklearn.covariance import EmpiricalCovariance

    values = here.features.astype(np.float64)
    codes = np.unique(here.labels, return_inverse=True)[1]
    means = np.stack([values[codes == code].mean(axis=0) for code in range(codes.max() + 1)])
    root = np.linalg.cholesky(EmpiricalCovariance(assume_centered=True).fit(values - means[codes]).precision_)
    for features in (values, here.others.astype(np.float64)):
        cdist(features @ root, means @ root, "sqeuclidean").min(axis=1)


def numpy_react(here: World) -> None:
    from scipy.special import logsumexp

    values = here.features.astype(np.float64)
    ceiling = np.percentile(values, 90)
    for features in (values, here.others.astype(np.float64)):
        logsumexp(np.minimum(features, ceiling) @ here.weight.T + here.bias, axis=1)


# each operation and its peer
OPERATIONS: dict[Callable[[World], None], Callable[[World], None] | None] = {
    moments: numpy_moments,
    covariances: scikit_covariances,
    calinski_harabasz: scikit_calinski_harabasz,
    davies_bouldin: scikit_davies_bouldin,
    class_distances: None,
    maximum_softmax: numpy_maximum_softmax,
    energy: scipy_energy,
    mahalanobis: scikit_mahalanobis,
    relative_mahalanobis: None,
    react: numpy_react,
    vim: None,
}
FUNCTIONS = {each.__name__: each for each in (*OPERATIONS, *OPERATIONS.values()) if each is not None}


def measure(name: str, folder: Path, samples: int) -> dict[str, float]:
    here = world(folder)
    FUNCTIONS[name](here.first(WARM))
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # peak memory starts anew
    before, most, over = status(), {"RssAnon": 0.0, "RssFile": 0.0}, threading.Event()

    def watch() -> None:
        while not over.wait(0.005):
            now = status()
            most.update({field: max(most[field], now[field] - before[field]) for field in most})

    watcher = threading.Thread(target=watch)
    watcher.start()
    began, busy = time.perf_counter(), time.process_time()
    FUNCTIONS[name](here.first(samples))
    seconds, processor = time.perf_counter() - began, time.process_time() - busy
    over.set()
    watcher.join()
    return {"seconds": seconds, "processor": processor, "peak": status()["VmHWM"] - before["VmRSS"], **most}


def status() -> dict[str, float]:
    """Megabytes of each field of memory that the system knows of this process."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    fields = (line.split(":") for line in lines if line.endswith(" kB"))
    return {field: int(amount.split()[0]) / 1024 for field, amount in fields}


def in_process(name: str, folder: Path, samples: int, threads: int) -> dict[str, float]:
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    environment = os.environ | dict.fromkeys(names, str(threads))
    command = [sys.executable, __file__, "--folder", str(folder), "--measure", name, str(samples)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{name}: {done.stderr.strip()}")
    return json.loads(done.stdout.splitlines()[-1])


def report(name: str, folder: Path, sizes: list[int], threads: int) -> list[dict[str, float]]:
    runs = []
    for samples in sizes:
        runs.append(in_process(name, folder, samples, threads))
        figures = "  ".join(f"{runs[-1][field]:6.0f}" for field in ("peak", "RssAnon", "RssFile"))
        print(f"{name:26} {samples:9,} {runs[-1]['seconds']:8.2f} s {runs[-1]['processor']:8.2f} s {figures} MB")
    if len(sizes) > 1:
        exponent = np.polyfit(np.log(sizes), np.log([run["processor"] for run in runs]), 1)[0]
        print(f"{name:26} grows with samples to the power of {exponent:.2f}", flush=True)
    return runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--samples", type=int, nargs="+", default=[125_000, 250_000, 500_000, 1_000_000])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=[each.__name__ for each in OPERATIONS])
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure[0], options.folder, int(options.measure[1]))))
        return
    make(options.folder, max(options.samples))
    for file in options.folder.glob("*.npy"):
        with file.open("rb") as stream:  # so that no operation waits for the disk
            while stream.read(2**24):
                pass
    print(f"{DIMENSION} dimensions, {CLASSES} classes, {options.threads} threads; seconds, processor's seconds;")
    print("peak memory beyond what the process held before: all, own pages, pages of the files")
    for operation, peer in OPERATIONS.items():
        if options.only and operation.__name__ not in options.only:
            continue
        ours = report(operation.__name__, options.folder, options.samples, options.threads)
        if peer is not None and not options.no_peers:
            theirs = report(peer.__name__, options.folder, options.samples, options.threads)
            times = theirs[-1]["processor"] / ours[-1]["processor"]
            own = theirs[-1]["RssAnon"] / max(ours[-1]["RssAnon"], 1)
            print(f"{'':26} spacewise: {times:.1f} times as fast, {own:.1f} times less memory of its own\n", flush=True)


if __name__ == "__main__":
    main()
