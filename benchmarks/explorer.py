"""How large the explorer's page is, how fast it opens, and how fast it answers.

    python benchmarks/explorer.py [--sizes 2000 100000 1000000] [--repeats 9] [--threads 2] [--folder DIR] [--out FILE]

For each size an audit is made up: ten classes as clusters of 64 dimensions, a classifier of ten, five subsets, a score
of rejection, and simulated radar chips of 64 pixels (2,000 are rendered, then flipped, turned and brightened). The page
is written by `spacewise.explorer.write_explorer` and opened from its file by Debian's Chromium without a GPU (WebGL in
software, by SwiftShader), without a network.

    write   seconds to write the page: t-SNE of 6,000 samples, places of the others, neighbours, pictures
    size    of the file
    open    seconds from the start of loading until the first map is drawn
    filter  milliseconds from a click on a class until the count, the charts and the table show its samples; `shown`:
            until the map does, which a processor draws here in place of a GPU; medians of the clicks
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

CLASSES, RENDERED, SIDE = 10, 200, 64  # rendered: a class
WANTED = {2_000: {"size": 5.0}, 100_000: {"size": 50.0, "filter": 100.0}, 1_000_000: {"open": 15.0}}
FLAGS = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]

FILTER = """async (entry) => {
  const plot = document.querySelector(".plot");
  const drawn = new Promise((done) => {
    new MutationObserver((_, observer) => (observer.disconnect(), done(performance.now())))
      .observe(plot, { attributes: true, attributeFilter: ["data-draws"] });
  });
  const told = new Promise((done) => {
    new MutationObserver((_, observer) => (observer.disconnect(), setTimeout(() => done(performance.now()))))
      .observe(document.querySelector("#chosen"), { characterData: true, childList: true, subtree: true });
  });
  const button = document.querySelectorAll(".legend li button")[entry];
  const began = performance.now();
  button.click();
  return [(await told) - began, (await drawn) - began];
}"""


def chips() -> np.ndarray:
    """(chip, 64, 64, 1) uint8 of ten classes, and their classes."""
    import torch

    from spacewise.audits.embedding import pictured
    from spacewise.sources import simulated

    source = simulated(per_class=RENDERED, size=SIDE)
    rows = range(min(len(source), CLASSES * RENDERED))
    images = np.stack([np.asarray(source.read(row), np.float32) for row in rows])
    return np.concatenate(
        [pictured(torch.from_numpy(part), source.amplitude, SIDE).numpy() for part in np.array_split(images, 8)]
    )


def made_up(folder: Path, count: int, rendered: np.ndarray | None) -> Any:
    """An audit of so many samples, on disk."""
    from spacewise import files
    from spacewise.audits import Audit

    rng = np.random.default_rng(0)
    target = rng.integers(0, CLASSES, count)
    middles = rng.normal(0, 1, (CLASSES, 64))
    feature = (middles[target] + rng.normal(0, 0.55, (count, 64))).astype(np.float32)
    logits = (feature @ middles.T).astype(np.float32)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    probability = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    part = rng.choice(["train", "test", "confusers"], count, p=[0.5, 0.45, 0.05])
    names = [f"vehicle {i}" for i in range(CLASSES)]
    prediction = probability.argmax(axis=1)
    samples = pd.DataFrame(
        {
            "id": [f"{part[i]}/{names[target[i]]}/HB{i:07d}.jpeg" for i in range(count)],
            "label": np.array(names)[target],
            "serial": rng.integers(0, 20, count).astype(str),
            "depression": rng.choice([15, 17, 30], count),
            "part": part,
            "target": np.where(part == "confusers", -1, target),
            "prediction": prediction,
            "confidence": probability.max(axis=1),
            "correct": prediction == target,
            "score:energy": np.log(powers.sum(axis=1)) + logits.max(axis=1),
            "first_hit@feature": rng.geometric(0.9, count),
            "subset:seen": pd.Series(rng.random(count) < 0.7).where(part == "test"),
        }
    )
    (folder / "spaces").mkdir(parents=True)
    for name, values in {"feature": feature, "classifier": logits, "probability": probability}.items():
        np.save(folder / "spaces" / f"{name}.npy", values)
    files.write_table(folder / "samples.parquet", samples)
    accuracy = pd.DataFrame(
        [
            {
                "weights": "last",
                "view": "as stored",
                "subset": "overall",
                "n": count,
                "accuracy": 0.9,
                "low": 0.89,
                "high": 0.91,
            }
        ]
    )
    files.write_table(folder / "accuracy.parquet", accuracy)
    held = np.lib.format.open_memmap(folder / "chips.npy", "w+", np.uint8, (count, SIDE, SIDE, 1))
    if rendered is not None:
        for start in range(0, count, 10_000):
            rows = rng.integers(0, len(rendered), min(10_000, count - start))
            held[start : start + len(rows)] = np.rot90(rendered[rows], start // 10_000 % 4, (1, 2))
    else:
        held = np.lib.format.open_memmap(folder / "chips.npy", "w+", np.uint8, (count, 1, 1, 1))
    del held
    log = [{"epoch": epoch, "total": 1 / epoch, "validation_accuracy": 1 - 0.5 / epoch} for epoch in range(1, 21)]
    experiment = {"objective": ["crossentropy@classifier"], "regime": {"name": "supervised"}, "seed": 0}
    experiment["data"] = {"source": {"name": "simulated"}, "split": {"name": "roles"}}
    facts = {"run": f"{count:,} samples", "weights": "last", "experiment": experiment, "training": {}, "log": log}
    facts |= {
        "classes": names,
        "spaces": ["feature", "classifier", "probability"],
        "novelty": [],
        "seconds": 0.0,
        "seed": 0,
    }
    files.write_json(folder / "audit.json", facts)
    return Audit(folder)


def opened(page: Path, repeats: int) -> dict[str, Any]:
    """Opens a page: seconds, and milliseconds of each click."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        tab = browser.new_page(viewport={"width": 1500, "height": 1000})
        failed: list[str] = []
        tab.on("pageerror", lambda error: failed.append(str(error)))
        began = time.perf_counter()
        tab.goto(page.resolve().as_uri(), timeout=120_000, wait_until="commit")
        tab.wait_for_selector("[data-draws]", timeout=120_000)
        seconds = time.perf_counter() - began
        tab.wait_for_timeout(1500)
        clicks = [tab.evaluate(FILTER, i % CLASSES) for i in range(repeats)]
        drawn = tab.get_attribute("[data-drawn]", "data-drawn")
        browser.close()
    if failed:
        raise RuntimeError(failed[0])
    known, shown = (statistics.median(each) for each in zip(*clicks, strict=True))
    return {"open": seconds, "filter": known, "shown": shown, "drawn": int(drawn or 0)}


def measured(folder: Path, count: int, repeats: int, rendered: np.ndarray | None) -> dict[str, Any]:
    """One row: what a page of so many samples costs."""
    from spacewise.explorer import write_explorer
    from spacewise.explorer.pictures import MOST

    place = folder / f"explorer-{count}"
    shutil.rmtree(place, ignore_errors=True)
    audit = made_up(place / "audit", count, rendered if count <= MOST else None)
    began = time.perf_counter()
    page = write_explorer([audit], place / "explorer.html", command="python benchmarks/explorer.py")
    row = {"samples": count, "write": time.perf_counter() - began, "size": page.stat().st_size / 1e6}
    return row | opened(page, repeats)


def judged(row: dict[str, Any]) -> str:
    """One line, and whether it is within what is wanted."""
    wanted = WANTED.get(row["samples"], {})
    words = {"write": f"{row['write']:.0f} s", "size": f"{row['size']:.1f} MB", "open": f"{row['open']:.1f} s"}
    words |= {"filter": f"{row['filter']:.0f} ms", "shown": f"{row['shown']:.0f} ms"}
    units = {"size": "MB", "open": "s", "filter": "ms"}
    told = "; ".join(
        f"{name} {'within' if row[name] <= limit else 'ABOVE'} {limit:g} {units[name]}"
        for name, limit in wanted.items()
    )
    return f"{row['samples']:>9,}  " + "  ".join(f"{words[name]:>9}" for name in words) + (f"   {told}" if told else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[2_000, 100_000, 1_000_000])
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    import torch

    torch.set_num_threads(options.threads)
    if not (shutil.which("chromium") or shutil.which("google-chrome")):
        sys.exit("no Chromium on this machine: nothing to open a page with")
    lines = [f"{'samples':>9}  " + "  ".join(f"{name:>9}" for name in ("write", "size", "open", "filter", "shown"))]
    print(lines[0], flush=True)
    rendered = chips()
    with tempfile.TemporaryDirectory() as temporary:
        for count in options.sizes:
            row = measured(options.folder or Path(temporary), count, options.repeats, rendered)
            lines.append(judged(row))
            print(lines[-1], flush=True)
    if options.out:
        options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
