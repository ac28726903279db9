"""Vo and Hays: Generalization in Metric Learning: Should the Embedding Layer be the Embedding Layer?

Every table and figure asks one question of some of the same networks: recall at 1 of each space, on classes
that were trained and on classes that were not. `--data images=DIR` takes Cars-196, CUB-200-2011, Stanford
Online Products (the paper's figures then stand beside ours) or any folder of images with classes, of which
half are drawn to train. `--data weights=FILE` is what the convolutions start from, in the paper VGG16 with
batch normalisation trained on ImageNet; without it they start from scratch, and the page says so.

The paper's: SGD with momentum 0.9, weight decay 5e-4, rate 0.01, the given layers held for 100 steps, scaled,
cropped and mirrored images, batches of 32, unit vectors times 4, 20,000 steps (Products 200,000). Unstated
there, ours: crops of 60 to 100 % of the side, a cosine in place of two drops of the rate, eight classes times
four samples (the released sampler: sixteen times two), and a fifth of the training classes held out to choose
the space by.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from spacewise import files
from spacewise.audits import Audit
from spacewise.recipes.finish import audited, command
from spacewise.recipes.recipe import Arm, Asked, Recipe
from spacewise.report.layer_study import write_study
from spacewise.runs import Run

REGIME = {
    "epochs": 25,
    "batch": 32,
    "per_class": 4,
    "optimizer": "sgd",
    "rate": 0.01,
    "weight_decay": 5e-4,
    "schedule": "cosine",
    "freeze": 100,
    "flip": True,
    "crop": 0.6,
}
# recall at k of pool5.3 of NetA, percent; Table 1
TABLE1 = {
    "cars": dict(zip((1, 2, 4, 8, 16, 32), (87.8, 92.7, 95.6, 97.5, 98.6, 99.2), strict=True)),
    "cub": dict(zip((1, 2, 4, 8, 16, 32), (66.4, 77.5, 85.4, 91.3, 95.2, 97.1), strict=True)),
    "products": dict(zip((1, 10, 100, 1000), (74.8, 88.3, 95.2, 98.5), strict=True)),
}
LAST = {"netA": "fc6", "netB": "fc6", "netC": "fc6", "netD": "pool5.3", "netE": "fc7", "netF": "fc8"}
TITLES = {
    "netA": "NetA",
    "netB": "NetB: conv5.3 from scratch",
    "netC": "NetC: all from scratch",
    "netD": "NetD: loss on pool5.3",
    "netE": "NetE: fc7 added",
    "netF": "NetF: fc7 and fc8 added",
}
DIMENSIONS = (64, 128, 256, 512)

# recall at 1 on test classes, percent; Table 2, and Table 3 for the networks of Oh Song et al.
PAPER: dict[str, dict[str, dict[str, float]]] = {
    "cars": {
        "netA": {"pool5.3": 87.8, "fc6": 81.0},
        "netE": {"pool5.3": 86.7, "fc6": 84.3, "fc7": 71.4},
        "lifted-64": {"fc6": 49.7, "pool5.3": 70.8},
        "lifted-128": {"fc6": 50.1, "pool5.3": 70.1},
        "lifted-256": {"fc6": 50.0, "pool5.3": 68.7},
        "lifted-512": {"fc6": 47.9, "pool5.3": 65.1},
    },
    "cub": {
        "netA": {"pool5.3": 66.4, "fc6": 61.7},
        "netE": {"pool5.3": 65.8, "fc6": 63.7, "fc7": 56.8},
        "lifted-64": {"fc6": 42.8, "pool5.3": 49.3},
        "lifted-128": {"fc6": 44.5, "pool5.3": 49.1},
        "lifted-256": {"fc6": 45.3, "pool5.3": 48.8},
        "lifted-512": {"fc6": 46.3, "pool5.3": 47.1},
    },
    "products": {
        "netA": {"pool5.3": 74.8, "fc6": 74.1},
        "netE": {"pool5.3": 73.6, "fc6": 73.3, "fc7": 71.4},
        "lifted-64": {"fc6": 60.2, "pool5.3": 64.8},
        "lifted-128": {"fc6": 60.8, "pool5.3": 65.0},
        "lifted-256": {"fc6": 61.2, "pool5.3": 65.0},
        "lifted-512": {"fc6": 62.1, "pool5.3": 65.9},
    },
}


def _arms() -> dict[str, Arm]:
    arms = {
        key: Arm(TITLES[key], {"name": key}, [f"smooth_triplet@{space}"], given=key != "netC")
        for key, space in LAST.items()
    }
    head = {"name": "netA", "head": True}
    arms["netA-classification"] = Arm("NetA under a classification loss", head, ["crossentropy@classifier"], given=True)
    for dimension in DIMENSIONS:
        net = {"name": "netA", "dimension": dimension}
        title = f"NetA, lifted structure loss, {dimension} dimensions"
        arms[f"lifted-{dimension}"] = Arm(title, net, ["lifted_structure@fc6"], given=True)
    return arms


ARMS = _arms()


def finish_study(recipe: Recipe, finished: Mapping[str, Sequence[Run]], asked: Asked, out: Path) -> Path:
    """Audits the last weights of every run; writes `NAME.csv` (their figures) and the study, which it returns.

    The last, as in the paper: two or three validation classes can choose a space, but not an epoch.
    """
    audits: dict[str, list[Audit]] = {}
    for key, runs in finished.items():
        for run in runs:
            run.load("last")
        audits[recipe.catalogue[key].title] = [audited(run, copies=0) for run in runs]
    first = next(iter(finished.values()))[0]
    source = first.split.source.name
    paper = {recipe.catalogue[key].title: PAPER.get(source, {}).get(key, {}) for key in finished}
    if "netA" in finished:
        at_k = {f"pool5.3@{k}": share for k, share in TABLE1.get(source, {}).items()}
        paper[TITLES["netA"]] = {**paper[TITLES["netA"]], **at_k}
    page = write_study(audits, out / recipe.name, title=recipe.title, command=command(), paper=paper)
    table = pd.read_csv(page.with_name("study.csv"))
    files.write_table(out / f"{recipe.name}.csv", table[table["chosen"]].drop(columns=["chosen", "weights"]).round(4))
    return page


def _study(number: str, title: str, *keys: str) -> Recipe:
    return Recipe(
        name=f"layers.{number}",
        title=title,
        data="images",
        source="",
        split={"name": "class-disjoint"},
        arms={key: {} for key in keys},
        catalogue=ARMS,
        regime=REGIME,
        copies=0,
        finish=finish_study,
        moments=4,
    )


STUDIES = (
    _study("table1", "Table 1: recall at k of NetA's pool5.3", "netA"),
    _study("table2", "Table 2: recall at 1 of the last spaces of NetA and NetE", "netA", "netE"),
    _study(
        "table3",
        "Table 3: output and penultimate space under the lifted structure loss, by dimension, and NetA",
        *(f"lifted-{dimension}" for dimension in DIMENSIONS),
        "netA",
    ),
    _study("figure1", "Figure 1: the embedding layer against the layer before it", "netA"),
    _study("figure2", "Figure 2: every layer of NetA on training and test classes", "netA"),
    _study("figure3", "Figure 3: metric learning against classification over epochs", "netA", "netA-classification"),
    _study("figure4", "Figure 4: what starts from given weights", "netA", "netB", "netC"),
    _study("figure5", "Figure 5: where the loss stands", "netA", "netD", "netE", "netF"),
    _study("figure6", "Figure 6: NetA and NetE on CUB-200-2011", "netA", "netE"),
    _study("figure7", "Figure 7: NetA and NetE on Stanford Online Products", "netA", "netE"),
)
