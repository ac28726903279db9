"""Grad-CAM, insertion and deletion: spacewise against its peers, one process each, ratio printed.

    python benchmarks/explanation.py [--threads 1] [--rounds 1] [--images 4] [--steps 100] [--out FILE]

A ResNet-18 of 200 classes with the stem for small images, on images of 64 x 64 pixels. Its weights are random, its
batch statistics and the spread of its logits are not, so that probabilities move along a curve. Each variant runs in
a process of its own, in turn, after a warm-up; the fastest round counts, as other work on the machine only adds.
One thread is timed by the processor, several by the clock. A processor does the same work for each image: a few
images give the ratios of a hundred.

    gradcam   64 images in one batch, at the last feature maps; captum: LayerGradCam and its bilinear enlargement.
              The maps must be equal bit for bit
    one       one insertion and one deletion curve an image: the probability of the predicted class, zeros behind
      loop      one image and one step at a time
      torchcam  its DeletionInsertionMetric, given the same maps; in batches of 32, its default
    both      the curves of both of spacewise's definitions; the loop makes each by itself
    limit     no curve: the network alone, on as many images as `spacewise` asks about, in batches of 32

Largest differences are those to spacewise in float32: of a point of a curve where the steps are the same, else (with
torchcam, whose steps are rounded up to whole pixels) of the mean areas.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SIDE, CLASSES, CAMS, BATCH = 64, 200, 64, 32
SPACE = "stage4"
VARIANTS = {
    "gradcam": ("spacewise", "captum"),
    "one": ("spacewise", "spacewise bf16", "loop", "torchcam", "limit"),
    "both": ("spacewise", "spacewise bf16", "loop"),
}
WANTED = {("gradcam", "captum"): 1, ("one", "loop"): 5, ("one", "torchcam"): 1, ("both", "loop"): 5}
WANTED_HALF = 2  # times as fast as float32
Found = dict[str, Any]


def network(images: int):
    """Network, pixels, labels: the same in every process."""
    import torch

    from spacewise.nets import NETS

    torch.manual_seed(0)
    chain = NETS["resnet18"](classes=CLASSES, bands=3, size=SIDE, stem="small")
    coarse = torch.rand(max(images, 32), 3, 8, 8)
    pixels = torch.nn.functional.interpolate(coarse, (SIDE, SIDE), mode="bicubic").mul(255).clamp(0, 255).byte()
    chain.preprocess.fit(pixels[:32], "intensity")
    with torch.no_grad():
        for _ in range(5):
            logits = chain.train()(pixels[:32])["classifier"]
        chain.fc.weight.mul_(3 / logits.std())
    return chain.eval(), pixels[:images], torch.arange(images) % CLASSES


def attributed(chain, pixels, variant: str):
    import torch

    from spacewise.explain.attribution import grad_cam

    classes = torch.arange(len(pixels)) % CLASSES
    if variant == "spacewise":
        return grad_cam(chain, pixels, classes, SPACE)
    from captum.attr import LayerAttribution, LayerGradCam

    found = LayerGradCam(Logits(chain), chain.layer4).attribute(pixels.float(), classes, relu_attributions=True)
    return LayerAttribution.interpolate(found, (SIDE, SIDE), interpolate_mode="bilinear")[:, 0].detach()


def Logits(chain):
    """What captum and torchcam take for a network: images in, logits out."""
    import torch

    class Classifier(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.chain = chain

        def forward(self, images):
            return self.chain(images)["classifier"]

    return Classifier()


def definitions(question: str) -> dict[str, Any]:
    from spacewise.explain.curves import DEFINITIONS, Definition

    return DEFINITIONS if question == "both" else {"one": Definition("probability", "predicted", "zero", "zero")}


def ours(chain, pixels, labels, maps, steps: int, question: str, precision: str) -> Found:
    import numpy as np

    from spacewise.explain.curves import curves

    made = curves(chain, pixels, labels, maps, steps=steps, definitions=definitions(question), precision=precision)
    lines = [np.stack([each.insertion, each.deletion]) for each in made.values()]
    areas = [float(area.mean()) for each in made.values() for area in each.areas()]
    return {"lines": np.stack(lines).tolist(), "areas": areas}


def loop(chain, pixels, labels, maps, steps: int, question: str) -> Found:
    """One image and one step at a time."""
    import math

    import torch

    from spacewise.explain.perturb import blurred

    lines = []
    with torch.inference_mode():
        for each in definitions(question).values():
            curves: dict[str, list[list[float]]] = {"insertion": [], "deletion": []}
            for i in range(len(pixels)):
                x = chain.preprocess(pixels[i : i + 1])
                grounds = {"zero": torch.zeros_like(x), "blur": blurred(x)}
                order = maps[i].flatten().argsort(descending=True, stable=True)
                label = int(labels[i]) if each.target == "true" else int(chain.represent(x)["classifier"].argmax())
                for name, start, end in (
                    ("insertion", grounds[each.insertion], x),
                    ("deletion", x, grounds[each.deletion]),
                ):
                    line = []
                    for step in range(steps + 1):
                        picture, changed = start.clone(), order[: math.ceil(step * SIDE * SIDE / steps)]
                        picture.flatten(2)[:, :, changed] = end.flatten(2)[:, :, changed]
                        logits = chain.represent(picture)["classifier"][0]
                        right = each.score == "accuracy"
                        line.append(float(logits.argmax() == label if right else logits.softmax(0)[label]))
                    curves[name].append(line)
            lines.append([curves["insertion"], curves["deletion"]])
    return {"lines": lines, "areas": []}


class Given:
    """What torchcam asks of an extractor, for maps that are there already."""

    def __init__(self, chain, maps) -> None:
        self.model, self.maps = Logits(chain), maps

    def __call__(self, *_: Any, **__: Any) -> list[Any]:
        return [self.maps]

    def fuse_cams(self, cams: list[Any]) -> Any:
        return cams[0]

    @contextmanager
    def _hooks_off(self) -> Iterator[None]:
        yield


def torchcam(chain, pixels, maps, steps: int) -> Found:
    import torch
    from torchcam.metrics import DeletionInsertionMetric

    # its zeros are those of what it is given: the mean of the training images in stored pixels
    mean = chain.preprocess.mean[:, None, None]
    metric = DeletionInsertionMetric(
        Given(chain, maps), lambda logits: logits.softmax(dim=1), steps=steps, baseline=mean, batch_size=BATCH
    )
    with torch.no_grad():
        metric.update(pixels.float())
    return {"lines": [], "areas": [metric.summary()["insertion_auc"], metric.summary()["deletion_auc"]]}


def limit(chain, asked: int) -> Found:
    import torch

    chain.to(memory_format=torch.channels_last)
    batch = torch.zeros(BATCH, 3, SIDE, SIDE).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        for start in range(0, asked, BATCH):
            chain.represent(batch[: asked - start])
    return {"lines": [], "areas": []}


def measure(question: str, variant: str, images: int, steps: int) -> Found:
    """Seconds of one call after a warm-up, and what came out."""
    import torch

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    if question == "gradcam":
        chain, pixels, _ = network(CAMS)
        attributed(chain, pixels, variant)
        best = [_timed(lambda: {"maps": attributed(chain, pixels, variant)}) for _ in range(3)]
        maps = best[0]["maps"].contiguous()
        return {"seconds": min(each["seconds"] for each in best), "digest": digest(maps), "asked": CAMS}
    chain, pixels, labels = network(images)
    maps = attributed(chain, pixels, "spacewise")
    asked = images * (2 * (steps - 1) + 1) + 1
    calls: dict[str, Callable[[int, int], Found]] = {
        "spacewise": lambda n, k: ours(chain, pixels[:n], labels[:n], maps[:n], k, question, "float32"),
        "spacewise bf16": lambda n, k: ours(chain, pixels[:n], labels[:n], maps[:n], k, question, "bf16"),
        "loop": lambda n, k: loop(chain, pixels[:n], labels[:n], maps[:n], k, question),
        "torchcam": lambda n, k: torchcam(chain, pixels[:n], maps[:n], k),
        "limit": lambda n, k: limit(chain, asked if n == images else BATCH),
    }
    calls[variant](1, 8)
    return _timed(lambda: calls[variant](images, steps))


def digest(values: Any) -> str:
    return hashlib.sha256(values.numpy().tobytes()).hexdigest()


def _timed(call: Callable[[], Found]) -> Found:
    clock = time.process_time if os.environ["OMP_NUM_THREADS"] == "1" else time.perf_counter
    began = clock()
    found = call()
    return found | {"seconds": clock() - began}


def in_a_process(question: str, variant: str, options: argparse.Namespace) -> Found:
    command = [sys.executable, __file__, "--measure", question, variant]
    command += ["--images", str(options.images), "--steps", str(options.steps)]
    environment = os.environ | {"OMP_NUM_THREADS": str(options.threads)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{question}, {variant}: {done.stderr.strip()}")
    return json.loads(done.stdout.splitlines()[-1])


def difference(found: Found, exact: Found) -> str:
    import numpy as np

    if "digest" in found:
        return "none" if found["digest"] == exact["digest"] else "maps differ"
    for name, what in (("lines", "of a point"), ("areas", "of the areas")):
        if found[name]:
            return f"{np.abs(np.subtract(found[name], exact[name])).max():.1e} {what}"
    return ""


def compared(question: str, options: argparse.Namespace) -> list[dict[str, object]]:
    """A row a variant: its least time of the rounds, beside spacewise's in float32."""
    found: dict[str, list[Found]] = {variant: [] for variant in VARIANTS[question]}
    for _ in range(options.rounds):
        for variant, runs in found.items():
            runs.append(in_a_process(question, variant, options))
    least = {variant: min(run["seconds"] for run in runs) for variant, runs in found.items()}
    exact = found["spacewise"][0]
    return [
        {
            "question": question,
            "variant": variant,
            "seconds": round(seconds, 3),
            "times_spacewise": round(seconds / least["spacewise"], 3),
            "times_bf16": round(seconds / least["spacewise bf16"], 3) if "spacewise bf16" in least else "",
            "difference": difference(found[variant][0], exact),
        }
        for variant, seconds in least.items()
    ]


def report(options: argparse.Namespace) -> None:
    print(f"{options.images} images, {options.steps} steps, {options.threads} thread(s), least of {options.rounds}")
    print(f"{'question':10}{'variant':16}{'s':>9}{'times':>8}{'x bf16':>8}  largest difference")
    rows: list[dict[str, object]] = []
    for question in options.questions:
        for row in compared(question, options):
            line = "{question:10}{variant:16}{seconds:>9}{times_spacewise:>8}{times_bf16:>8}  {difference}".format(
                **row
            )
            wanted = WANTED.get((question, str(row["variant"])))
            print(line + (f" (wanted: {wanted} times)" if wanted else ""), flush=True)
            if row["variant"] == "spacewise" and row["times_bf16"]:
                print(f"{'':10}in bf16 {row['times_bf16']} times as fast (wanted: {WANTED_HALF})", flush=True)
            rows.append(row)
    if options.out:
        with options.out.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--questions", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--out", type=Path, help="a CSV file of the table; nothing is written without it")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(*options.measure, options.images, options.steps)))
        return
    report(options)


if __name__ == "__main__":
    main()
