"""The tables of an audit of a million samples, within a few gigabytes: time of each, and memory of all.

    python benchmarks/audit.py --folder DIR [--samples 1000000] [--sample 2000]

Vectors of 256 numbers around 100 centres, 60 % training, 30 % test, 10 % confusers, and the logits of a linear layer on
them, as memory maps in DIR (made once; 1.5 GB). Then, in one process and as `spacewise audit --sample` does: recall at
1 to 1000, R-precision and MAP@R of each part; Silhouette, Calinski-Harabasz, Davies-Bouldin and class distances of the
test part; class means and the covariance of every class; eleven scores of rejection and their figures. What compares
all pairs is asked of `--sample` queries a part against everything.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from spacewise import files
from spacewise.audits.retrieval import retrieval_tables
from spacewise.audits.samples import drawn
from spacewise.audits.tables import rejection_table, separation_table
from spacewise.measures.moments import class_moments

DIMENSION, CLASSES, BLOCK = 256, 100, 50_000
PARTS = {"train": 0.6, "test": 0.3, "confusers": 0.1}


def made(folder: Path, samples: int) -> tuple[dict[str, np.ndarray], pd.DataFrame, torch.nn.Linear]:
    """Spaces by name, part and target of each sample, and the layer between the spaces."""
    sizes = {part: round(share * samples) for part, share in PARTS.items()}
    table = pd.DataFrame({"part": np.repeat(list(sizes), list(sizes.values()))})
    table["target"] = np.arange(len(table)) % CLASSES
    strange = (table["part"] == "confusers").to_numpy()
    directions = np.random.default_rng(0).standard_normal((2 * CLASSES, DIMENSION), dtype=np.float32)
    head = torch.nn.Linear(DIMENSION, CLASSES)
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(directions[:CLASSES] / 16))
        head.bias.zero_()
    if not (folder / "classifier.npy").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        feature = files.reserved(folder / "feature.npy", np.float32, (len(table), DIMENSION))
        logits = files.reserved(folder / "partial.npy", np.float32, (len(table), CLASSES))
        centres = table["target"].to_numpy() + CLASSES * strange
        for first in range(0, len(table), BLOCK):
            mine = slice(first, first + BLOCK)
            noise = np.random.default_rng([1, first]).standard_normal((len(centres[mine]), DIMENSION), np.float32)
            feature[mine] = np.maximum(0.35 * directions[centres[mine]] + noise, 0)
            logits[mine] = feature[mine] @ head.weight.detach().numpy().T
        (folder / "partial.npy").rename(folder / "classifier.npy")
    spaces = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("feature", "classifier")}
    if len(spaces["feature"]) != len(table):
        raise SystemExit(f"{folder} holds {len(spaces['feature'])} samples: delete it, or take another --folder")
    table.loc[strange, "target"] = -1
    right = [block.argmax(axis=1) for block in np.array_split(spaces["classifier"], 50)]
    return spaces, table.assign(correct=np.concatenate(right) == table["target"]), head


class Memory(threading.Thread):
    """The largest resident memory of this process, looked at ten times a second; its own part and that of files."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most = {"VmRSS": 0.0, "RssAnon": 0.0, "RssFile": 0.0}

    def run(self) -> None:
        while True:
            for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
                name, _, rest = line.partition(":")
                if name in self.most:
                    self.most[name] = max(self.most[name], int(rest.split()[0]) / 1024)
            time.sleep(0.1)


def timed(name: str, ask: Callable[[], Any], memory: Memory) -> Any:
    """What is asked, with its time and the memory so far printed."""
    memory.most = dict.fromkeys(memory.most, 0.0)
    began, busy = time.perf_counter(), time.process_time()
    answer = ask()
    seconds, processor = time.perf_counter() - began, time.process_time() - busy
    most = memory.most
    print(
        f"{name:34} {seconds:7.1f} s {processor:7.1f} s of processor   {most['VmRSS']:6.0f} MB, "
        f"{most['RssAnon']:.0f} of its own, {most['RssFile']:.0f} of files",
        flush=True,
    )
    return answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--samples", type=int, default=1_000_000)
    parser.add_argument("--sample", type=int, default=2000)
    options = parser.parse_args()
    spaces, table, head = made(options.folder, options.samples)
    memory = Memory()
    memory.start()
    print(f"{options.samples:,} x {DIMENSION}, {options.sample:,} queries a part, {torch.get_num_threads()} threads")
    asked = drawn(table, options.sample, 0)
    feature = {"feature": spaces["feature"]}
    known = (table["part"] != "confusers").to_numpy()
    mine = slice(0, int(known.sum()))
    moments = timed(
        "class means and all covariances",
        lambda: class_moments(spaces["feature"][mine], table["target"].to_numpy()[mine], apart="all"),
        memory,
    )
    print(f"    {len(moments.counts)} classes of {moments.counts.min():,} samples or more")
    found, _ = timed("separation of the test part", lambda: separation_table(feature, table, asked, 0), memory)
    print("    " + found.round(4).to_string(index=False).replace("\n", "\n    "))
    tables, _ = timed("retrieval within each part", lambda: retrieval_tables(feature, table, asked, 0), memory)
    shown = ["part", "n", "gallery", "recall@1", "recall@10", "sample_low", "sample_high", "map_at_r"]
    print("    " + tables["retrieval"][shown].round(4).to_string(index=False).replace("\n", "\n    "))
    rejected, _ = timed("rejection by every score", lambda: rejection_table(spaces, table, asked, head, 0), memory)
    shown = ["score", "n_known", "n_unknown", "pfa_at_pd90", "low", "high", "auroc"]
    print("    " + rejected[shown].round(4).to_string(index=False).replace("\n", "\n    "))


if __name__ == "__main__":
    main()
