"""Each regime once, fifty steps long, with all that processes could trip over.

The rates are low: at ten times as much, rounding errors of float32 grow tenfold every ten steps.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from tests.learn import few_labels, two_domains
from tests.learn.two_domains import CLASSES, CONDITIONAL, ENTROPY, SLICED, Tiny

from spacewise import runs
from spacewise.learn import supervised
from spacewise.methods import TRIPLET
from spacewise.objective import Objective

SGD: dict[str, Any] = {"optimizer": "sgd", "rate": 0.002, "schedule": "constant", "precision": "float32"}
TERMS = (ENTROPY, "0.1*center@feature", "0.5*contrastive@maps:max")
FEW = (*few_labels.COMATCH, "class_aware_contrast@embedding", TRIPLET, "0.1*center@feature of unlabelled")


def write_data(root: Path) -> Path:
    """`root/domains` and `root/few`."""
    two_domains.write_domains(root / "domains")
    few_labels.write_pictures(root / "few")
    return root


def one_network(root: Path, out: Path, **options: Any) -> runs.Run:
    """Eighteen images train, six a step: seventeen epochs."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = Tiny(len(CLASSES), 3, 16)
    settings = SGD | {"epochs": 17, "batch": 6, "shift": 2, "flip": True, "crop": 0.8}
    split = two_domains.optical(root / "domains")
    return supervised(net, Objective(*TERMS), split, out=out, **(settings | options))


def alternating(root: Path, out: Path) -> runs.Run:
    return one_network(root, out, alternate=["complement_entropy@classifier"], alternate_rate=0.001)


def semi_supervised(root: Path, out: Path) -> runs.Run:
    settings = SGD | {"epochs": 2, "steps": 25, "rate": 0.0005, "threshold": 0.5, "alignment": 4}
    return few_labels.trained(root / "few", out, *FEW, **settings)


def transfer(root: Path, out: Path) -> runs.Run:
    alternate = [SLICED, CONDITIONAL, "domain_adversarial(hidden=4)@embedding"]
    pretraining = SGD | {"epochs": 2, "batch": 6, "shift": 1}
    options = SGD | {"epochs": 2, "steps": 25, "target_batch": 4, "alternate": alternate, "pretraining": pretraining}
    net = two_domains.built(normalisation="batch")
    return two_domains.transferred(root / "domains", out, net=net, **options)


REGIMES: dict[str, Callable[[Path, Path], runs.Run]] = {
    "supervised": one_network,
    "alternating": alternating,
    "semi-supervised": semi_supervised,
    "transfer": transfer,
}
