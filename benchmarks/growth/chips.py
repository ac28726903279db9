"""Training on radar chips, and embedding them."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from benchmarks.growth.operation import LIMIT, OURS, Call, Operation

CLASSES, SIZE, BATCH, SHIFT = 10, 128, 64, 10
NOTHING = float("nan")


def chips(size: int) -> tuple[Any, Any, Any]:
    """An A-ConvNet, chips (sample, 1, 128, 128) and labels."""
    import torch

    from spacewise.nets import aconvnet

    torch.manual_seed(0)
    return (
        aconvnet(CLASSES),
        torch.randint(0, 255, (size, 1, SIZE, SIZE), dtype=torch.uint8),
        torch.arange(size) % CLASSES,
    )


def epoch(data: tuple[Any, Any, Any]) -> Call:
    """`learn.supervised` for one epoch, as a user calls it, chips decoded already."""
    import os

    import pandas as pd

    import spacewise as sw
    from spacewise.sources import Source

    chain, images, labels = data
    place = tempfile.TemporaryDirectory()
    os.environ["SPACEWISE_CACHE"] = str(Path(place.name) / "cache")
    pixels, few = images.numpy(), min(20, len(images))
    facts = pd.DataFrame({"label": [f"class{label}" for label in labels.tolist()], "part": "train"})
    facts = pd.concat([facts, facts[:few].assign(part="test")], ignore_index=True)
    facts.insert(0, "id", [str(number) for number in range(len(facts))])
    read = lambda index: pixels[index % len(pixels)]  # noqa: E731
    source = Source("growth", facts, read, stamp=f"growth-{len(facts)}", amplitude="magnitude")
    split = sw.splits.by_fact(source, train={"part": "train"}, test={"part": "test"}, validation=0.0)
    sw.cache.decoded(source, SIZE)
    goal = sw.Objective("crossentropy@classifier")

    def call() -> float:
        out = Path(tempfile.mkdtemp(dir=place.name)) / "run"
        sw.learn.supervised(chain, goal, split, out=out, epochs=1, batch=BATCH, shift=SHIFT)
        return NOTHING

    return call


def plain_epoch(data: tuple[Any, Any, Any], fast: bool = False) -> Call:
    """The plainest correct loop: chips shifted one by one in a DataLoader; float32, or `fast`: as spacewise trains.

    That is bf16 by autocast, channels last, and AdamW fused.
    """
    import numpy as np
    import torch
    from torch.utils.data import DataLoader, Dataset

    chain, images, labels = data

    class Shifted(Dataset):
        def __len__(self) -> int:
            return len(images)

        def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
            image = np.sqrt(images[index].numpy().astype(np.float32))
            padded = np.pad(image, ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT)), mode="reflect")
            down, right = np.random.randint(0, 2 * SHIFT + 1, 2)
            return torch.from_numpy(padded[:, down : down + SIZE, right : right + SIZE].copy()), int(labels[index])

    layout = torch.channels_last if fast else torch.contiguous_format
    chain.train().to(memory_format=layout)

    def call() -> float:
        optimizer = torch.optim.AdamW(chain.parameters(), 1e-3, fused=fast)
        for batch, codes in DataLoader(Shifted(), BATCH, shuffle=True, drop_last=True):
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=fast):
                loss = torch.nn.functional.cross_entropy(chain(batch.to(memory_format=layout))["classifier"], codes)
            loss.backward()
            optimizer.step()
        return NOTHING

    return call


def plain_bf16_epoch(data: tuple[Any, Any, Any]) -> Call:
    return plain_epoch(data, fast=True)


def bare_epoch(data: tuple[Any, Any, Any]) -> Call:
    """The step alone, in the precision and layout that spacewise chooses, on one batch that is ready."""
    import torch

    from spacewise.learn.embed import Selected, fabric

    lightning = fabric("auto")
    net = data[0].to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), 1e-3, fused=True)
    model, optimizer = lightning.setup(Selected(net, ["classifier"]), optimizer)
    images, labels = data[1][:BATCH], data[2][:BATCH]

    def call() -> float:
        for _ in range(len(data[1]) // BATCH):
            lightning.backward(torch.nn.functional.cross_entropy(model(images)["classifier"], labels))
            optimizer.step()
            optimizer.zero_grad()
        return NOTHING

    return call


def embedded(data: tuple[Any, Any, Any]) -> Call:
    from spacewise.learn.embed import embed

    chain, images, _ = data
    return lambda: float(embed(chain, images.split(BATCH), ["feature"])["feature"].mean())


def plain_embedded(data: tuple[Any, Any, Any]) -> Call:
    import torch

    chain, images = data[0].eval(), data[1]

    def call() -> float:
        with torch.no_grad():
            return float(torch.cat([chain(batch)["feature"].flatten(1) for batch in images.split(BATCH)]).mean())

    return call


def bare_embedded(data: tuple[Any, Any, Any]) -> Call:
    import torch

    chain = data[0].eval().to(memory_format=torch.channels_last)
    batch = chain.preprocess(data[1][:BATCH])

    def call() -> float:
        with torch.inference_mode():
            for _ in range(len(data[1]) // BATCH):
                chain.represent(batch)
        return NOTHING

    return call


OPERATIONS = {
    "training": Operation(
        title="Training",
        words="An epoch of an A-ConvNet on chips of 128 x 128 pixels, batches of 64, shifted: `learn.supervised` with "
        "its default settings and all that it writes, against the plainest correct PyTorch loop (float32, DataLoader), "
        "and the same loop in bf16 (autocast), channels last, with fused AdamW. Whole batches at every size.",
        unit="chips",
        smallest=256,
        multiple=BATCH,
        make=chips,
        contenders={OURS: epoch, "PyTorch loop": plain_epoch, "plain bf16": plain_bf16_epoch, LIMIT: bare_epoch},
        limit="the step alone on one batch that is ready, in the precision that spacewise chooses",
    ),
    "embedding": Operation(
        title="Embedding of chips",
        words="An A-ConvNet on chips of 128 x 128 pixels, batches of 64, float32, one space kept: `learn.embed`, "
        "against a plain PyTorch loop.",
        unit="chips",
        smallest=256,
        multiple=BATCH,
        make=chips,
        contenders={OURS: embedded, "PyTorch loop": plain_embedded, LIMIT: bare_embedded},
        limit="the network alone on one batch that is ready, float32",
        agree=(OURS, "PyTorch loop"),
    ),
}
