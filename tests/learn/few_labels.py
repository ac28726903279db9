"""Tiny pictures of which few have a label, and networks that learn them in a moment: what tests of the regime share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from tests.learn.two_domains import CLASSES, same, tensors, tiny
from torch import Tensor

from spacewise import nets, runs, splits
from spacewise.augment import AUGMENTATIONS, Augmentation
from spacewise.learn.semi_supervised import semi_supervised
from spacewise.nets.projected import Projected
from spacewise.objective import Objective
from spacewise.sources import folder
from spacewise.splits import Split

ENTROPY = "crossentropy@classifier"
COMATCH = (ENTROPY, "consistency@classifier", "graph_contrast@embedding")
SETTINGS: dict[str, Any] = {
    "epochs": 2, "steps": 3, "batch": 4, "mu": 3, "threshold": 0.6, "memory": 2, "rate": 0.02, "precision": "float32",
}  # fmt: skip
COSTS = ["seconds", "images_per_second", "data_share", "peak_memory_mb"]
WITHIN = {"name": "stratified", "test": 0.25, "validation": 0.25}
# what each view does in place of the drawn ones
FIXED = {
    "labelled": lambda images: images,
    "weak": lambda images: images.flip(3),
    "first": lambda images: images.flip(2),
    "second": lambda images: images.transpose(2, 3),
}


@contextmanager
def in_table() -> Iterator[None]:
    """The tiny network has a name while this lasts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(nets.NETS, "tiny", tiny)
        yield


def fix_views(patch: pytest.MonkeyPatch) -> None:
    """Views without chance."""
    views = {name: lambda images, *_, view=view: view(images) for name, view in FIXED.items()}
    patch.setitem(AUGMENTATIONS, "optical", Augmentation(**views, bands=3))


def write_pictures(root: Path, unlabelled: int = 0) -> Path:
    """RGB of 16 pixels: three classes of sixteen, stripes of three ways, and some in no class."""
    generator = np.random.default_rng(0)
    rows, columns = np.indices((16, 16))
    for name, number in [*((name, 16) for name in CLASSES), ("unlabelled", unlabelled)]:
        (root / name).mkdir(parents=True)
        for index in range(number):
            kind = CLASSES.index(name) if name in CLASSES else index % 3
            way = rows * np.sin(kind) + columns * np.cos(kind)
            stripes = 128 + 70 * np.sin(2 * np.pi * (way / 6 + generator.random()))
            noisy = stripes[..., None] + generator.normal(0, 20, (16, 16, 3))
            Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(root / name / f"{index}.png")
    if not unlabelled:
        (root / "unlabelled").rmdir()
    return root


def few(root: Path, labels: int | str = "2/class", **options: Any) -> Split:
    """Of 48 pictures 12 test, 9 validate, and 27 train, most of them without a label."""
    return splits.few_label(folder(root), labels=labels, within=WITHIN, **options)


def built(seed: int = 0) -> Projected:
    """The network that `described_in_yaml` names. Its first guesses are from sure to unsure."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = nets.projected(len(CLASSES), 3, 16, encoder="tiny", hidden=8, dimension=5)
    with torch.no_grad():
        net.encoder.head.weight.mul_(12)
    return net


def trained(root: Path, out: Path, *terms: str, **options: Any) -> runs.Run:
    """A short training; anything can be given otherwise."""
    net, split = options.pop("net", None) or built(), options.pop("split", None) or few(root)
    return semi_supervised(net, Objective(*(terms or COMATCH)), split, out=out, **(SETTINGS | options))


def described_in_yaml(root: Path, *terms: str, **regime: Any) -> dict[str, Any]:
    """An experiment of the same kind; its network starts as its own builder has it."""
    return {
        "data": {
            "source": {"name": "folder", "root": str(root)},
            "split": {"name": "few-label", "labels": "2/class", "within": WITHIN},
        },
        "net": {"name": "projected", "encoder": "tiny", "hidden": 8, "dimension": 5, "size": 16},
        "objective": list(terms or COMATCH),
        "regime": {"name": "semi-supervised", **SETTINGS, **regime},
    }


def assert_same_run(one: runs.Run, other: runs.Run, weights: tuple[str, ...] = ("best", "last", "averaged")) -> None:
    """Bit for bit, but for what it cost."""
    for name in (*weights, "state"):
        found, expected = tensors(one, name), tensors(other, name)
        assert same(found, expected), (name, differing(found, expected))
    pd.testing.assert_frame_equal(*(run.log.drop(columns=COSTS) for run in (one, other)), check_exact=True)


def differing(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> list[str]:
    """Names of the tensors that only one has, or both have with other values."""
    shared = one.keys() & other.keys()
    return sorted((one.keys() ^ other.keys()) | {name for name in shared if not torch.equal(one[name], other[name])})
