"""Two tiny domains and a network of two branches that learns them in a moment: what tests of the transfer share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from spacewise import files, nets, runs, splits
from spacewise.describe import described
from spacewise.learn.transfer import transfer
from spacewise.nets.chain import Chain, Spaces, classify
from spacewise.nets.y_shaped import YShaped
from spacewise.objective import Objective
from spacewise.sources import folder
from spacewise.splits import Split

CLASSES = ("field", "port", "wood")
ENTROPY = "crossentropy@classifier"
SLICED = "sliced_wasserstein@embedding"
CONDITIONAL = "conditional_sliced_wasserstein@embedding"
FIRST: dict[str, Any] = {"epochs": 2, "batch": 6, "optimizer": "sgd", "rate": 0.05, "precision": "float32"}
SETTINGS: dict[str, Any] = {
    "epochs": 2, "steps": 3, "batch": 6, "target_batch": 3, "unlabelled_batch": 6, "shift": 2, "flip": True,
    "optimizer": "sgd", "rate": 0.05, "alternate_rate": 0.02, "schedule": "constant", "precision": "float32",
}  # fmt: skip
TIMES = ["seconds", "images_per_second"]


class Tiny(Chain):
    """One convolution with all that training can trip over: batch normalisation and dropout."""

    spaces = ("maps", "feature", "classifier", "probability")

    def __init__(self, classes: int, bands: int, size: int) -> None:
        super().__init__(bands, size)
        self.convolution = nn.Conv2d(bands, 6, 3, padding=1)
        self.normalisation = nn.BatchNorm2d(6)
        self.pool = nn.AdaptiveAvgPool2d(4)
        self.drop = nn.Dropout(0.2)
        self.embed = nn.Linear(6 * 4 * 4, 10)
        self.head = nn.Linear(10, classes)

    def represent(self, images: Tensor) -> Spaces:
        spaces: Spaces = {"maps": self.pool(self.normalisation(self.convolution(images)).relu())}
        return spaces | classify(self.embed(self.drop(spaces["maps"].flatten(1))).relu(), self.head)


@described
def tiny(classes: int, bands: int = 1, size: int = 16) -> Chain:
    return Tiny(classes, bands, size)


@contextmanager
def in_table() -> Iterator[None]:
    """The tiny network has a name while this lasts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(nets.NETS, "tiny", tiny)
        yield


def write_domains(root: Path) -> Path:
    """`root/optical`, RGB of 20 pixels, and `root/radar`, grey of 24: three classes of eight, stripes of three ways."""
    generator = np.random.default_rng(0)
    for domain, bands, side in (("optical", 3, 20), ("radar", 1, 24)):
        rows, columns = np.indices((side, side))
        for kind, name in enumerate(CLASSES):
            (root / domain / name).mkdir(parents=True)
            for index in range(8):
                way = rows * np.sin(kind) + columns * np.cos(kind)
                stripes = 128 + 70 * np.sin(2 * np.pi * (way / 6 + generator.random()))
                noisy = stripes[..., None] + generator.normal(0, 20, (side, side, bands))
                pixels = noisy.clip(0, 255).astype(np.uint8).squeeze()
                Image.fromarray(pixels).save(root / domain / name / f"{index}.png")
    return root


def optical(root: Path, **options: Any) -> Split:
    return splits.stratified(folder(root / "optical"), **({"test": 0.25, "validation": 0.0} | options))


def radar(root: Path, labels: int | str = 6, **options: Any) -> Split:
    within = {"name": "stratified", "test": 0.25, "validation": 0.0}
    return splits.few_label(folder(root / "radar"), labels=labels, within=within | options)


def built(seed: int = 0, **options: Any) -> YShaped:
    """The network that `experiment` describes."""
    given = {"encoder": "tiny", "source_bands": 3, "source_size": 12, "dimension": 5, "normalisation": "instance"}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nets.y_shaped(len(CLASSES), 1, 16, **(given | options))


def transferred(root: Path, out: Path, *terms: str, **options: Any) -> runs.Run:
    """A short transfer; anything can be given otherwise."""
    net, source = options.pop("net", None) or built(), options.pop("source", None) or optical(root)
    target = options.pop("target", None) or radar(root)
    return transfer(net, Objective(*(terms or (ENTROPY,))), source, target, out=out, **(SETTINGS | options))


def described_in_yaml(root: Path, **regime: Any) -> dict[str, Any]:
    """The same as an experiment."""
    within = {"name": "stratified", "test": 0.25, "validation": 0.0}
    net = {"name": "y-shaped", "encoder": "tiny", "size": 16, "source_size": 12, "dimension": 5}
    return {
        "data": {"source": {"name": "folder", "root": str(root / "optical")}, "split": within},
        "target": {
            "source": {"name": "folder", "root": str(root / "radar")},
            "split": {"name": "few-label", "labels": 6, "within": within},
        },
        "net": net | {"normalisation": "instance"},
        "objective": [ENTROPY],
        "regime": {"name": "transfer", **SETTINGS, **regime},
    }


def tensors(place: runs.Run | Path, name: str = "last") -> dict[str, Tensor]:
    """Kept weights, or, by the name of state, all that resuming needs."""
    root = place.folder if isinstance(place, runs.Run) else place
    path = "state" if name == "state" else f"weights/{name}"
    return files.read_tensors(root / f"{path}.safetensors")[0]


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


def assert_same_run(one: runs.Run, other: runs.Run) -> None:
    """Bit for bit, but for the times."""
    for name in ("best", "last", "state"):
        assert same(tensors(one, name), tensors(other, name)), name
    pd.testing.assert_frame_equal(*(run.log.drop(columns=TIMES) for run in (one, other)), check_exact=True)
