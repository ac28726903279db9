"""Runs with fresh weights, written as a finished training writes them."""

from __future__ import annotations

from pathlib import Path

import torch

from spacewise import files, nets, runs, splits
from spacewise.cache import decoded
from spacewise.experiment import split_by_name
from spacewise.nets import Chain
from spacewise.sources import Source
from spacewise.splits import Split

SIZE = 16


def fresh_run(
    folder: Path,
    source: Source,
    *,
    size: int = SIZE,
    seed: int = 0,
    precision: str = "32-true",
    split: Split | None = None,
) -> Chain:
    """A small A-ConvNet that was never trained; its preprocessing is fitted to the source. Returns the network."""
    split = split or split_by_name(source, splits.default(source))
    images = decoded(source, size).images
    torch.manual_seed(seed)
    net = nets.aconvnet(len(split.classes), images.shape[1], size, padding="same", feature=8)
    net.preprocess.fit(images, source.amplitude)
    runs.create(folder, runs.describe(net, ["crossentropy@classifier"], split, {}, seed), split, [])
    files.write_tensors(folder / "weights" / "best.safetensors", net.state_dict(), {"epoch": 1})
    facts = {"status": "finished", "epochs": 1, "best_epoch": 1, "seconds": 0.0, "precision": "32-true"}
    files.write_json(folder / "run.json", files.read_json(folder / "run.json") | facts)
    return net
