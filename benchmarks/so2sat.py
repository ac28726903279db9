"""So2Sat LCZ42: shuffled batches from the converted array, against single rows through h5py.

    python benchmarks/so2sat.py [--samples 20000] [--rounds 5] [--out FILE]

Files in the layout of version 2 (float64, 147 kB a sample; 2.9 GB of 20,000) are written to a temporary folder and
converted there once for each sensor; then all samples are read in shuffled batches of 64, as tensors in float32.
One thread, timed by the processor, so that waiting for a core does not count; the fastest of the rounds. What was
just written lies in memory: from a disk, rows of HDF5 take longer still. The batches of all variants must be equal.

    convert   spacewise's `cache.decoded`, once: reading, checking, digests, writing
    mapped    batches of the converted array: `cache.decoded(…).images.index_select`
    open      h5py, the wanted channels of a row from a file that stays open
    reopened  h5py, all channels of a row from a file that is opened for each (200 samples a round)
"""

from __future__ import annotations

import argparse
import csv
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

SIDE, BATCH, BLOCK, REOPENED = 32, 64, 500, 200
WANTED = 4.0  # microseconds a sample
CHANNELS = {"optical": ("sen2", [2, 1, 0]), "radar": ("sen1", [2, 3])}


def write(root: Path, samples: int) -> None:
    """Four fifths to train, one fifth to test; a block of random patches again and again."""
    import h5py
    import numpy as np

    generator = np.random.default_rng(0)
    block = {
        "sen1": generator.standard_normal((BLOCK, SIDE, SIDE, 8)),
        "sen2": generator.random((BLOCK, SIDE, SIDE, 10)),
    }
    for name, count in (("training", samples - samples // 5), ("testing", samples // 5)):
        with h5py.File(root / f"{name}.h5", "w") as opened:
            opened["label"] = np.eye(17)[np.arange(count) % 17]
            for dataset, values in block.items():
                made = opened.create_dataset(dataset, (count, *values.shape[1:]), "f8")
                for start in range(0, count, BLOCK):
                    made[start : start + BLOCK] = values[: count - start]


def rows_of(root: Path, sensor: str, order: Any, samples: int, reopen: bool) -> Iterator[Any]:
    """Batches by plain h5py, as tensors (sample, band, 32, 32)."""
    import h5py
    import numpy as np
    import torch

    dataset, channels = CHANNELS[sensor]
    trained = samples - samples // 5
    places = [("training", row) if row < trained else ("testing", row - trained) for row in order.tolist()]
    opened = {} if reopen else {name: h5py.File(root / f"{name}.h5", "r") for name in ("training", "testing")}

    def row(name: str, number: int) -> Any:
        if not reopen:
            return opened[name][dataset][number, :, :, min(channels) : max(channels) + 1]
        with h5py.File(root / f"{name}.h5", "r") as file:
            return file[dataset][number][..., min(channels) : max(channels) + 1]

    turned = np.array(channels) - min(channels)
    for start in range(0, len(places), BATCH):
        stacked = np.stack([row(*place) for place in places[start : start + BATCH]])[..., turned]
        yield torch.from_numpy(np.ascontiguousarray(stacked.transpose(0, 3, 1, 2), np.float32))


def mapped(images: Any, order: Any) -> Iterator[Any]:
    for rows in order.split(BATCH):
        yield images.index_select(0, rows)


def seconds(batches: Callable[[], Iterator[Any]], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        began = time.process_time()
        for _batch in batches():
            pass
        times.append(time.process_time() - began)
    return min(times)


def compared(root: Path, sensor: str, samples: int, rounds: int) -> list[dict[str, object]]:
    import torch

    from spacewise import cache
    from spacewise.sources import so2sat

    began = time.process_time()
    images = cache.decoded(so2sat(root, sensor=sensor), SIDE).images
    converted = time.process_time() - began
    order = torch.randperm(samples, generator=torch.Generator().manual_seed(0))
    few = order[:REOPENED]
    for reopen in (False, True):
        pairs = zip(mapped(images, few), rows_of(root, sensor, few, samples, reopen))
        assert all(torch.equal(ours, theirs) for ours, theirs in pairs), f"{sensor}: the batches differ"
    each = {
        "convert": converted / samples,
        "mapped": seconds(lambda: mapped(images, order), rounds) / samples,
        "open": seconds(lambda: rows_of(root, sensor, order, samples, False), rounds) / samples,
        "reopened": seconds(lambda: rows_of(root, sensor, few, samples, True), rounds) / len(few),
    }
    return [
        {
            "sensor": sensor,
            "variant": variant,
            "microseconds": round(1e6 * value, 2),
            "times_mapped": round(value / each["mapped"], 1),
        }
        for variant, value in each.items()
    ]


def report(samples: int, rounds: int, out: Path | None) -> None:
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory(prefix="so2sat") as place:
        os.environ["SPACEWISE_CACHE"] = str(Path(place) / "cache")
        write(Path(place), samples)
        print(f"{samples} samples, batches of {BATCH}, one thread, the fastest of {rounds} rounds")
        print(f"{'sensor':9}{'variant':10}{'µs a sample':>12}{'times':>9}")
        for sensor in CHANNELS:
            for row in compared(Path(place), sensor, samples, rounds):
                wanted = f"  (wanted: {WANTED} or less)" if row["variant"] == "mapped" else ""
                print("{sensor:9}{variant:10}{microseconds:>12}{times_mapped:>9}".format(**row) + wanted, flush=True)
                rows.append(row)
    if out:
        with out.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, help="a CSV file of the table; nothing is written without it")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # before torch is loaded
    report(options.samples, options.rounds, options.out)


if __name__ == "__main__":
    main()
