"""Embedding an archive of radar chips: how near to the bare network's rate, and in how much memory.

    python benchmarks/embedding.py [--samples 2000000] [--folder DIR]

Makes, once, `DIR/chips.h5`: simulated chips of 64 x 64 pixels, uint8, a few thousand of them again and again with
fresh speckle and shifts, uncompressed in chunks of a slab; and `DIR/run`, an A-ConvNet with fresh weights. An
interrupted making goes on. Then, on the threads that torch takes (OMP_NUM_THREADS):

    bare     the network alone, on batches that are ready in memory, in the same precision; before and after
    embed    `spacewise.archive.embed_archive`, from the file to the Parquet shards, in a process of its own

and samples the resident memory of that process every second: `anonymous` is what it holds, `file` what the system
keeps of files that it reads, and can drop at any time. Writes `DIR/memory.csv` and `DIR/embedding.png`.
Where other work shares the processor, its time is the fairer measure: it is printed beside the rate.
The shards of an earlier call are deleted, so that the rate is of all samples.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

SIDE, SLAB, BATCH, CHIPS = 64, 4096, 256, 4000
WANTED = 0.9  # of the bare network's rate
EMBED = """
import json, sys
from spacewise.archive import embed_archive
print(json.dumps(embed_archive(*sys.argv[1:])))
"""


def make_chips(file: Path, samples: int) -> None:
    """Each slab follows from its number: what is there already stays."""
    import h5py
    import numpy as np

    from spacewise.progress import track
    from spacewise.sources import simulated

    with h5py.File(file, "a") as opened:
        if "chips" not in opened:
            opened.create_dataset("chips", (samples, SIDE, SIDE), "u1", chunks=(SLAB, SIDE, SIDE))
            opened.attrs["made"] = 0
        chips, made = opened["chips"], int(opened.attrs["made"])
        if len(chips) != samples:
            raise SystemExit(f"{file} holds {len(chips)} chips: delete it, or take another --folder")
        if made >= samples:
            return
        source = simulated(per_class=CHIPS // 23, size=SIDE)
        basis = np.concatenate([source.read(row) for row in track(range(len(source)), "rendering", len(source))])
        for first in track(range(made, samples, SLAB), "writing chips", -(-(samples - made) // SLAB)):
            last = min(first + SLAB, samples)
            chips[first:last] = varied(basis, np.random.default_rng([0, first]), last - first)
            opened.attrs["made"] = last
            opened.flush()


def varied(basis: Any, generator: Any, count: int) -> Any:
    """So many chips of the basis, each turned over its edges by some pixels and under fresh speckle of 4 looks."""
    import numpy as np

    chosen = basis[generator.integers(0, len(basis), count)]
    shifts = generator.integers(-8, 9, (count, 2))
    rows = (np.arange(SIDE) - shifts[:, :1]) % SIDE
    columns = (np.arange(SIDE) - shifts[:, 1:]) % SIDE
    moved = chosen[np.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]
    speckle = np.sqrt(generator.standard_gamma(4, moved.shape, np.float32) / 4)
    return (moved * speckle).clip(0, 255).astype(np.uint8)


def make_run(folder: Path) -> None:
    """An A-ConvNet that was not trained: how fast it is does not depend on its weights."""
    import torch

    from spacewise import files, nets, runs
    from spacewise.cache import decoded
    from spacewise.experiment import split_by_name
    from spacewise.learn.embed import fast_precision
    from spacewise.sources import simulated

    if folder.exists():
        return
    source = simulated(per_class=8, size=SIDE)
    split = split_by_name(source, "roles")
    torch.manual_seed(0)
    net = nets.aconvnet(len(split.classes), 1, SIDE, padding="same")
    net.preprocess.fit(decoded(source, SIDE).images, source.amplitude)
    runs.create(folder, runs.describe(net, ["crossentropy@classifier"], split, {}, 0), split, [])
    files.write_tensors(folder / "weights" / "best.safetensors", net.state_dict(), {"epoch": 1})
    precision = {"bf16": "bf16-mixed", "float32": "32-true"}[fast_precision()]
    done = {"status": "finished", "epochs": 1, "best_epoch": 1, "seconds": 0.0, "precision": precision}
    files.write_json(folder / "run.json", files.read_json(folder / "run.json") | done)


def bare_rate(run: Path, file: Path, seconds: float) -> tuple[float, float]:
    """Images a second, and a second of processor time, of the network alone on batches that are ready in memory."""
    import h5py
    import torch

    from spacewise.learn.embed import embed_each
    from spacewise.runs import open_net, read_facts

    net, _ = open_net(run)
    net.to("cuda" if torch.cuda.is_available() else "cpu")
    with h5py.File(file, "r") as opened:
        chips = torch.from_numpy(opened["chips"][: 8 * BATCH])[:, None]
    ready = list(chips.split(BATCH))
    precision = "bf16" if "bf16" in read_facts(run)["precision"] else "float32"

    def batches() -> Any:
        while True:
            yield from ready

    steps, began, spent = -2, time.perf_counter(), time.process_time()  # two to warm up
    for _ in embed_each(net, batches(), ["feature", "classifier", "probability"], precision=precision):
        steps += 1
        began, spent = (time.perf_counter(), time.process_time()) if steps == 0 else (began, spent)
        if steps > 0 and time.perf_counter() - began > seconds:
            break
    images = steps * BATCH
    return images / (time.perf_counter() - began), images / (time.process_time() - spent)


def state_of(process: int) -> dict[str, float]:
    """Megabytes that a process holds, of its own and of files, and its seconds of processor time; Linux."""
    lines = Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines()
    values = dict(line.split(":", 1) for line in lines)
    names = {"anonymous": "RssAnon", "file": "RssFile", "all": "VmRSS"}
    spent = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[11:13]
    processor = sum(map(int, spent)) / os.sysconf("SC_CLK_TCK")
    return {name: int(values[key].split()[0]) / 1024 for name, key in names.items()} | {"processor": processor}


def watched(run: Path, file: Path, out: Path, table: Path) -> tuple[dict[str, Any], list[dict[str, float]]]:
    """Embeds in a process of its own, and writes down its memory and shards every second."""
    words = [sys.executable, "-c", EMBED, str(run), str(file), str(out)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    rows: list[dict[str, float]] = []
    began = time.monotonic()
    with table.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, ["second", "shards", "anonymous", "file", "all", "processor"])
        writer.writeheader()
        while process.poll() is None:
            try:
                state = state_of(process.pid)
            except (OSError, KeyError):  # it has just ended
                break
            shards = len(list(out.glob("part-*.parquet")))
            rows.append({"second": round(time.monotonic() - began, 1), "shards": shards} | state)
            writer.writerow(rows[-1])
            stream.flush()
            time.sleep(1)
    said = process.communicate()[0]
    if process.returncode:
        raise SystemExit(process.returncode)
    return json.loads(said.splitlines()[-1]), rows


def ends(rows: list[dict[str, float]]) -> list[dict[str, float]]:
    """The seconds in which a shard was done, but for the last, which is a short one."""
    return [row for before, row in pairwise(rows) if row["shards"] > before["shards"]][:-1]


def per_processor_second(rows: list[dict[str, float]], shard: int) -> float:
    """Images a second of processor time, from the first shard on; NaN of less than three shards."""
    done = ends(rows)
    if len(done) < 2:
        return float("nan")
    return shard * (done[-1]["shards"] - done[0]["shards"]) / (done[-1]["processor"] - done[0]["processor"])


def draw(rows: list[dict[str, float]], shard: int, samples: int, bare: float, file: Path) -> None:
    import matplotlib.pyplot as plt

    figure, (upper, lower) = plt.subplots(2, 1, figsize=(8, 6), sharex=True, layout="constrained")
    seconds = [row["second"] for row in rows]
    for name in ("all", "anonymous", "file"):
        upper.plot(seconds, [row[name] for row in rows], label=name)
    upper.set(ylabel="resident memory, MB", ylim=(0, None), title=f"{samples:,} chips of {SIDE} x {SIDE}")
    upper.legend()
    pairs = list(pairwise(ends(rows)))
    rates = [shard * (b["shards"] - a["shards"]) / (b["second"] - a["second"]) for a, b in pairs]
    lower.plot([b["second"] for _, b in pairs], rates, marker=".", label="from file to shards")
    lower.axhline(bare, color="grey", linestyle="--", label="network alone")
    lower.set(xlabel="seconds", ylabel="images a second", ylim=(0, None))
    lower.legend()
    figure.savefig(file, dpi=150)


def report(samples: int, folder: Path, seconds: float) -> None:
    import shutil

    from spacewise.archive.stored import SHARD

    folder.mkdir(parents=True, exist_ok=True)
    run, file, out = folder / "run", folder / "chips.h5", folder / "embeddings.parquet"
    make_chips(file, samples)
    make_run(run)
    shutil.rmtree(out, ignore_errors=True)
    before, alone = bare_rate(run, file, seconds)
    facts, rows = watched(run, file, out, folder / "memory.csv")
    after, alone_after = bare_rate(run, file, seconds)
    rate, bare = facts["samples"] / facts["seconds"], (before + after) / 2
    work = per_processor_second(rows, SHARD)
    settled = [row["anonymous"] for row in rows if row["shards"] >= 1] or [row["anonymous"] for row in rows]
    print(f"{facts['samples']:,} images in {facts['precision']}, {facts['shards']} shards, {facts['seconds']:.1f} s")
    print(f"bare     {before:8,.0f} images/s before, {after:,.0f} after")
    print(f"embed    {rate:8,.0f} images/s: {rate / bare:.3f} of bare  (wanted: {WANTED} or more)")
    print(f"         {work:8,.0f} images a second of processor time: {2 * work / (alone + alone_after):.3f} of bare")
    print(
        f"memory   {max(row['all'] for row in rows):8,.0f} MB at most, of files {max(r['file'] for r in rows):,.0f} MB"
    )
    print(f"         {settled[0]:8,.0f} MB of its own after the first shard, {max(settled):,.0f} MB at most since")
    draw(rows, SHARD, samples, bare, folder / "embedding.png")
    print(f"figure   {folder / 'embedding.png'}, table {folder / 'memory.csv'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=2_000_000)
    parser.add_argument("--folder", type=Path, default=Path("embedding-benchmark"), help="8 GB with 2,000,000 samples")
    parser.add_argument("--seconds", type=float, default=20.0, help="that the bare network is measured, twice")
    options = parser.parse_args()
    report(options.samples, options.folder, options.seconds)


if __name__ == "__main__":
    main()
