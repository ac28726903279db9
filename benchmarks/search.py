"""The 10 most similar of a large archive: spacewise from its shards, against FAISS.

    python benchmarks/search.py [--samples 1000000] [--queries 100] [--rounds 1] [--threads 2] [--only VARIANT …]

Vectors of 256 numbers around 600 centres, correlated and with noise, in shards as `spacewise embed` writes them (made
first, in a folder that is removed). Each variant runs in a process of its own, in turn, with the same number of
threads; queries are samples of the archive, 0.05 off. Printed: seconds and processor seconds from the call to the
answer, those of building (once for an archive), the peak of memory beyond what a small warm-up takes, recall at 10
against `exact`. On a machine that is busy with other work compare the processor seconds.

    exact        `search.exact`: one pass over the shards
    hnsw, ivfpq  `index.approximate`: the index is read, asked, and what it proposes is measured
    flat         FAISS IndexFlatIP: shards are read into memory, then searched
    flat_search  the same without the reading: what is in memory already is searched
    reading      no search: the shards are read. What no search from disk can undercut
    product      no search: the product of what is in memory already, block by block
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

DIMENSION, CENTRES, FACTORS, K, SPACE = 256, 600, 32, 10, "feature"
TOP, WARM, WARMING = "exact.npy", "warm", 12_000


def make(folder: Path, samples: int, number: int) -> None:
    """Shards, and queries beside them."""
    import numpy as np
    import pandas as pd

    from spacewise.archive import stored

    generator = np.random.default_rng(0)
    centres = generator.standard_normal((CENTRES, DIMENSION), dtype=np.float32)
    factors = generator.standard_normal((FACTORS, DIMENSION), dtype=np.float32)
    folder.mkdir(exist_ok=True)
    shards = -(-samples // stored.SHARD)
    for shard in range(shards):
        rows = np.arange(shard * stored.SHARD, min((shard + 1) * stored.SHARD, samples))
        values = generator.standard_normal((len(rows), FACTORS), dtype=np.float32) @ factors * 0.15
        values += 0.6 * centres[rows % CENTRES]
        values += 0.3 * generator.standard_normal(values.shape, dtype=np.float32)
        table = pd.DataFrame({"row": rows, "id": [f"{row}.png" for row in rows]})
        stored.write_part(folder, shard, table, {SPACE: values}, {})
    facts = {"spaces": {SPACE: DIMENSION}, "shards": shards}
    (folder / stored.FACTS).write_text(json.dumps(facts), encoding="utf-8")
    drawn = np.sort(generator.choice(samples, number, replace=False))
    queries = stored.open_embeddings(folder).take(SPACE, drawn)
    np.save(folder / "queries.npy", queries + 0.05 * generator.standard_normal(queries.shape, dtype=np.float32))


def whole(embeddings):
    """All vectors of unit length, and nothing else, in memory."""
    import numpy as np

    from spacewise.archive.search import directions

    values = np.empty((len(embeddings), DIMENSION), np.float32)
    for block in embeddings.blocks(SPACE):
        values[block.first : block.first + len(block.values)] = directions(block.values, "")
    return values


def exact(embeddings, queries):
    from spacewise.archive.search import exact as search

    return lambda: search(embeddings, SPACE, queries, K).indices


def hnsw(embeddings, queries):
    return _index(embeddings, queries, "hnsw")


def ivfpq(embeddings, queries):
    return _index(embeddings, queries, "ivfpq")


def _index(embeddings, queries, kind: str):
    from spacewise.archive.index import approximate

    approximate(embeddings, SPACE, kind, queries[:1], K)  # builds it
    return lambda: approximate(embeddings, SPACE, kind, queries, K)[0].indices


def flat(embeddings, queries):
    import faiss

    def search():
        index = faiss.IndexFlatIP(DIMENSION)
        index.add(whole(embeddings))
        return index.search(queries, K)[1]

    return search


def flat_search(embeddings, queries):
    import faiss

    index = faiss.IndexFlatIP(DIMENSION)
    index.add(whole(embeddings))
    return lambda: index.search(queries, K)[1]


def reading(embeddings, queries):
    return lambda: [block.values[0, 0] for block in embeddings.blocks(SPACE)][:0]


def product(embeddings, queries):
    import torch

    values, asked = torch.from_numpy(whole(embeddings)), torch.from_numpy(queries)
    return lambda: [(asked @ tile.T)[0, 0] for tile in values.split(4096)][:0]


VARIANTS: dict[str, Callable] = {
    function.__name__: function for function in (exact, flat, flat_search, hnsw, ivfpq, reading, product)
}


def measure(name: str, folder: Path) -> dict[str, float]:
    import numpy as np

    from spacewise.archive import open_embeddings

    embeddings, queries = open_embeddings(folder), np.load(folder / "queries.npy")
    VARIANTS[name](open_embeddings(folder / WARM), queries)()
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # peak memory starts anew
    before, began = _megabytes("VmRSS"), time.perf_counter()
    search = VARIANTS[name](embeddings, queries)
    built, began, busy = time.perf_counter() - began, time.perf_counter(), time.process_time()
    found = search()
    spent = {"seconds": time.perf_counter() - began, "processor": time.process_time() - busy, "built": built}
    if name == "exact":
        np.save(folder / TOP, found)
    truth = np.load(folder / TOP)
    recall = (
        np.mean([np.isin(row, mine).mean() for row, mine in zip(truth, found, strict=True)])
        if len(found)
        else float("nan")
    )
    return spent | {"megabytes": _megabytes("VmHWM") - before, "recall": float(recall)}


def _megabytes(field: str) -> float:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise KeyError(field)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS), help="besides exact")
    parser.add_argument("--variant", choices=VARIANTS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.variant:
        print(json.dumps(measure(options.variant, options.folder)))
        return
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder), options.samples, options.queries)
        make(Path(folder) / WARM, WARMING, 1)
        report(Path(folder), options)


def report(folder: Path, options: argparse.Namespace) -> None:
    variables = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    environment = os.environ | dict.fromkeys(variables, str(options.threads))
    names = list(dict.fromkeys(["exact", *options.only]))
    measured: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for _ in range(options.rounds):
        for name in names:
            command = [sys.executable, __file__, "--variant", name, "--folder", str(folder)]
            done = subprocess.run(command, env=environment, capture_output=True, text=True)
            if done.returncode:
                sys.exit(f"{name}: {done.stderr.strip()}")
            measured[name].append(json.loads(done.stdout.splitlines()[-1]))
    print(f"{options.samples} x {DIMENSION}, {options.queries} queries, k = {K}, {options.threads} threads")
    middle = {
        name: {key: statistics.median(run[key] for run in runs) for key in ("seconds", "processor")}
        for name, runs in measured.items()
    }
    for name, runs in measured.items():
        times = "".join(
            f"  {key} {middle[name][key]:8.3f} s {middle[name][key] / middle['exact'][key]:6.2f} times exact's"
            for key in ("seconds", "processor")
        )
        memory, built = max(run["megabytes"] for run in runs), runs[0]["built"]
        building = f"  built in {built:7.1f} s" if name in ("hnsw", "ivfpq") else ""
        print(f"{name:12}{times}  {memory:6.0f} MB  recall at {K} {runs[0]['recall']:.3f}{building}")


if __name__ == "__main__":
    main()
