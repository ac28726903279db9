"""The views of a semi-supervised step: whole batches of spacewise, against a DataLoader of Pillow images.

    python benchmarks/views.py [--rounds 7] [--steps 2] [--out FILE]

A step of CoMatch has 32 labelled views and 224 each of weak, first strong and second strong ones, of 60 x 60 RGB
pixels; augmentation `optical`. Both sides start from bytes in memory and end at normalised float32 batches on the
CPU. The sides take turns; medians of the rounds. One thread, timed by the processor, so that waiting for a core
does not count.

    paper      the pipeline of Hernandez-Sequeira et al.: a Dataset that opens arrays of 256 x 256 as Pillow images and,
               for every view, resizes them to 64 x 64; flip, random resized crop or centre crop to 60, RandAugment,
               cut-out, colour jitter and grey by Pillow's operations; to a tensor, over 255, normalised; collated by a
               DataLoader without workers (reading and decoding the files, which it does as well, is left out)
    pillow     the same from arrays of 64 x 64, as if somebody had resized the images beforehand
    spacewise  `AUGMENTATIONS["optical"]` on a batch gathered by index from images that the cache holds at 60 x 60, then
               `Preprocess`, the net's first module

Row `step` is the demand: all four views in the proportion of a step.
"""

from __future__ import annotations

import argparse
import csv
import math
import os
import random
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

SAMPLES, FILE, STORED, SIZE, BATCH, MU = 1000, 256, 64, 60, 32, 7
MEAN, DEVIATION = (0.48, 0.49, 0.45), (0.22, 0.2, 0.2)
VIEWS = {"labelled": BATCH, "weak": MU * BATCH, "first": MU * BATCH, "second": MU * BATCH}
WANTED = 3.0  # times as fast, a whole step


# per image, by Pillow


def flipped(image: Any) -> Any:
    from PIL import ImageOps

    return ImageOps.mirror(image) if random.random() < 0.5 else image


def centre_crop(image: Any) -> Any:
    edge = (STORED - SIZE) // 2
    return image.crop((edge, edge, edge + SIZE, edge + SIZE))


def resized_crop(image: Any) -> Any:
    from PIL import Image

    left, top, wide, tall = 0, 0, STORED, STORED
    for _ in range(10):
        area = STORED * STORED * random.uniform(0.2, 1)
        ratio = math.exp(random.uniform(math.log(3 / 4), math.log(4 / 3)))
        across, down = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < across <= STORED and 0 < down <= STORED:
            wide, tall = across, down
            left, top = random.randint(0, STORED - wide), random.randint(0, STORED - tall)
            break
    cut = image.crop((left, top, left + wide, top + tall))
    return cut.resize((SIZE, SIZE), Image.Resampling.BILINEAR)


def operations() -> list[Callable[[Any, int], Any]]:
    """The fourteen of RandAugment, with a strength from 1 to 9."""
    from PIL import Image, ImageEnhance, ImageOps

    def sign() -> int:
        return random.choice((-1, 1))

    def affine(image: Any, a: float, b: float, c: float, d: float, e: float, f: float) -> Any:
        return image.transform(image.size, Image.Transform.AFFINE, (a, b, c, d, e, f))

    return [
        lambda image, v: ImageOps.autocontrast(image),
        lambda image, v: ImageEnhance.Brightness(image).enhance(0.09 * v + 0.05),
        lambda image, v: ImageEnhance.Color(image).enhance(0.09 * v + 0.05),
        lambda image, v: ImageEnhance.Contrast(image).enhance(0.09 * v + 0.05),
        lambda image, v: ImageOps.equalize(image),
        lambda image, v: image,
        lambda image, v: ImageOps.posterize(image, v * 4 // 10 + 4),
        lambda image, v: image.rotate(v * 30 // 10 * sign()),
        lambda image, v: ImageEnhance.Sharpness(image).enhance(0.09 * v + 0.05),
        lambda image, v: affine(image, 1, 0.03 * v * sign(), 0, 0, 1, 0),
        lambda image, v: affine(image, 1, 0, 0, 0.03 * v * sign(), 1, 0),
        lambda image, v: ImageOps.solarize(image, 256 - v * 256 // 10),
        lambda image, v: affine(image, 1, 0, int(0.03 * v * SIZE) * sign(), 0, 1, 0),
        lambda image, v: affine(image, 1, 0, 0, 0, 1, int(0.03 * v * SIZE) * sign()),
    ]


def rand_augmented(image: Any, pool: Sequence[Callable[[Any, int], Any]]) -> Any:
    for operation in random.choices(pool, k=2):
        if random.random() < 0.5:
            image = operation(image, random.randint(1, 9))
    row, column = random.randrange(SIZE), random.randrange(SIZE)
    image = image.copy()
    image.paste((127, 127, 127), (max(column - 8, 0), max(row - 8, 0), min(column + 8, SIZE), min(row + 8, SIZE)))
    return image


def turned(image: Any, turn: float) -> Any:
    import numpy as np
    from PIL import Image

    hue, saturation, value = image.convert("HSV").split()
    moved = np.array(hue) + np.array(int(turn * 255)).astype(np.uint8)
    return Image.merge("HSV", (Image.fromarray(moved), saturation, value)).convert("RGB")


def jittered(image: Any) -> Any:
    from PIL import ImageEnhance

    if random.random() < 0.8:
        steps = [
            (lambda image, by=by: by(image).enhance(random.uniform(0.6, 1.4)))
            for by in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)
        ]
        steps.append(lambda image: turned(image, random.uniform(-0.1, 0.1)))
        random.shuffle(steps)
        for step in steps:
            image = step(image)
    return image.convert("L").convert("RGB") if random.random() < 0.2 else image


def normalised(image: Any) -> Any:
    import numpy as np
    import torch

    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous().float().div(255)
    mean, deviation = torch.tensor(MEAN)[:, None, None], torch.tensor(DEVIATION)[:, None, None]
    return pixels.sub_(mean).div_(deviation)


def pillow(arrays: Any) -> dict[str, Callable[[], Any]]:
    """One batch of each view."""
    from PIL import Image
    from torch.utils.data import DataLoader, Dataset

    pool = operations()
    transforms = {
        "labelled": lambda image: resized_crop(flipped(image)),
        "weak": lambda image: centre_crop(flipped(image)),
        "first": lambda image: rand_augmented(resized_crop(flipped(image)), pool),
        "second": lambda image: jittered(flipped(resized_crop(image))),
    }

    def opened(array: Any) -> Any:
        image = Image.fromarray(array)
        return image if image.size == (STORED, STORED) else image.resize((STORED, STORED), Image.Resampling.BILINEAR)

    class Seen(Dataset):
        def __init__(self, view: str) -> None:
            self.transform = transforms[view]

        def __len__(self) -> int:
            return len(arrays)

        def __getitem__(self, index: int) -> Any:
            return normalised(self.transform(opened(arrays[index])))

    def endless(view: str) -> Any:
        loader = DataLoader(Seen(view), VIEWS[view], shuffle=True, drop_last=True)
        while True:
            yield from loader

    batches = {view: endless(view) for view in VIEWS}
    return {view: (lambda view=view: next(batches[view])) for view in VIEWS}


# whole batches


def spacewise(arrays: Any) -> dict[str, Callable[[], Any]]:
    """One batch of each view."""
    import torch

    from spacewise.augment import AUGMENTATIONS
    from spacewise.nets.preprocess import Preprocess

    images = torch.from_numpy(arrays).permute(0, 3, 1, 2)[:, :, 2:-2, 2:-2].contiguous()
    preprocess = Preprocess(3)
    preprocess.mean.copy_(255 * torch.tensor(MEAN))
    preprocess.deviation.copy_(255 * torch.tensor(DEVIATION))
    generator = torch.Generator().manual_seed(0)

    def batch(view: str) -> Any:
        rows = torch.randperm(len(images), generator=generator)[: VIEWS[view]]
        made = getattr(AUGMENTATIONS["optical"], view)
        with torch.inference_mode():
            seen = made(images.index_select(0, rows), len(rows), slice(0, len(rows)), generator)
            return preprocess(seen)

    return {view: (lambda view=view: batch(view)) for view in VIEWS}


def seconds(make: Callable[[], Any], steps: int) -> float:
    """Processor time of one batch."""
    began = time.process_time()
    for _ in range(steps):
        make()
    return (time.process_time() - began) / steps


def measured(rounds: int, steps: int) -> dict[str, dict[str, float]]:
    """Seconds of a batch by side and view: medians of rounds in which the sides take turns."""
    import numpy as np
    import torch

    from spacewise.allocator import keep_memory

    torch.set_num_threads(1)
    keep_memory()  # as the trainings of spacewise do; Pillow's side gains by it as well
    random.seed(0)
    torch.manual_seed(0)
    arrays, files = (pictures(np.random.default_rng(0), size) for size in (STORED, FILE))
    sides = {"paper": pillow(files), "pillow": pillow(arrays), "spacewise": spacewise(arrays)}
    times: dict[str, dict[str, list[float]]] = {side: {view: [] for view in VIEWS} for side in sides}
    for number in range(rounds + 1):
        for view in VIEWS:
            for side, views in sides.items():
                found = seconds(views[view], steps)
                if number:  # the first round loads what is loaded at first use
                    times[side][view].append(found)
    medians = {side: {view: statistics.median(each) for view, each in of.items()} for side, of in times.items()}
    for side, of in times.items():
        medians[side]["step"] = statistics.median(sum(of_round) for of_round in zip(*of.values()))
    return medians


def pictures(generator: Any, size: int) -> Any:
    """Smooth coloured patterns with noise, uint8 (sample, size, size, 3)."""
    import numpy as np

    coarse = generator.integers(20, 220, (SAMPLES, 8, 8, 3)).repeat(size // 8, 1).repeat(size // 8, 2)
    return (coarse + generator.integers(0, 36, coarse.shape)).astype(np.uint8)


def report(rounds: int, steps: int, out: Path | None) -> None:
    medians = measured(rounds, steps)
    rows = []
    print(f"{SIZE} x {SIZE} RGB, {BATCH} labelled, {MU * BATCH} unlabelled, one thread, medians of {rounds} rounds")
    heads = f"{'view':10}{'views':>7}{'paper':>8}{'pillow':>8}{'spacewise':>11}  µs a view"
    print(f"{heads}{'paper ratio':>13}{'pillow ratio':>14}{'views a second':>16}")
    for view in (*VIEWS, "step"):
        number = sum(VIEWS.values()) if view == "step" else VIEWS[view]
        paper, theirs, ours = (medians[side][view] for side in ("paper", "pillow", "spacewise"))
        row = {
            "view": view,
            "views": number,
            "paper_microseconds": round(1e6 * paper / number, 1),
            "pillow_microseconds": round(1e6 * theirs / number, 1),
            "spacewise_microseconds": round(1e6 * ours / number, 1),
            "paper_ratio": round(paper / ours, 2),
            "pillow_ratio": round(theirs / ours, 2),
            "views_a_second": round(number / ours),
        }
        wanted = f"  (wanted: {WANTED} or more)" if view == "step" else ""
        line = (
            "{view:10}{views:>7}{paper_microseconds:>8}{pillow_microseconds:>8}{spacewise_microseconds:>11}           "
        )
        print((line + "{paper_ratio:>13}{pillow_ratio:>14}{views_a_second:>16}").format(**row) + wanted, flush=True)
        rows.append(row)
    if out:
        with out.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=2, help="batches of each view a round")
    parser.add_argument("--out", type=Path, help="a CSV file of the table; nothing is written without it")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # before torch is loaded
    report(options.rounds, options.steps, options.out)


if __name__ == "__main__":
    main()
