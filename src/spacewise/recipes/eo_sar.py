"""Transfer from optical to radar images with few labels, by sliced Wasserstein alignment of a shared embedding.

Figures 1 to 3: mean test accuracy over budgets of labels, by set of local climate zones; batch or instance
normalisation; without or with a contrastive loss in the pretraining. The paper prints curves, no figures to stand
beside ours. `--data so2sat=DIR` takes So2Sat LCZ42; without it they run on simulated pairs of both sensors.
`eo-sar.transfer` asks the same of any two folders of scenes, over the classes that they share by name.

The paper's: RGB, and real and imaginary part of the unfiltered VV channel; budgets of 32, 128, 1024 and all labels,
five seeds, mean and standard error. Unstated there, ours: A-ConvNet with padding as encoder, an embedding of 64
dimensions, AdamW with one cycle up to 1e-3 in both steps, shifts of 4 pixels and mirroring, 50 projections, both
alignments weighing 1 (smaller weights and rates, pseudo-labels, one joint step made no clear difference on training
images, see docs/log.md), pretraining for some 600 steps and 300 steps of transfer with 32 labelled images of each
domain and 64 unlabelled ones (on So2Sat LCZ42 some 10,000 and 5,000); the target's encoder starts from the source's,
but for its first layer where the bands differ. A pretraining with the contrastive loss sees two views of each image,
as that loss is defined, and its cross-entropy so sees twice as many. The last weights are reported: validation labels
would be labels beyond the budget. Instance normalisation wherever nothing else is said.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from spacewise.errors import InputError
from spacewise.experiment import Experiment
from spacewise.recipes.recipe import Arm, Asked, Recipe
from spacewise.recipes.shared_classes import shared_classes
from spacewise.recipes.transfer import finish
from spacewise.sources import open_source, recognise, so2sat

ENTROPY = "crossentropy@classifier"
SLICED = "sliced_wasserstein@embedding"
CONDITIONAL = "conditional_sliced_wasserstein@embedding"
LARGE = (10_000, 50)  # on So2Sat LCZ42: steps of pretraining, in whole epochs, and epochs of transfer, of 100 steps
OWN_EPOCHS = 40  # of pretraining on a folder of scenes
SETS = {"low-rise": 24, "urban": 10, "all": 6}  # epochs of pretraining on simulated pairs: some 600 steps
BUDGETS: tuple[int | str, ...] = (32, 128, 1024, "all")
VIEW = {"shift": 4, "flip": True}
REGIME: Mapping[str, Any] = {
    "name": "transfer",
    "epochs": 3,
    "steps": 100,
    "batch": 32,
    "target_batch": 32,
    "unlabelled_batch": 64,
    "alternate_rate": 1e-3,
    **VIEW,
}
# what tells the rows of a table apart
METHOD = {"regime", "batch", "alternate", "pretraining", "pretraining.objective", "pretraining.views", "objective"}
METHOD |= {"target", "target.split", "target.split.labels", "target.split.seed"}
PRETRAINING: Mapping[str, Any] = {"batch": 64, **VIEW}
CONTRASTIVE: Mapping[str, Any] = {"objective": [ENTROPY, "supcon@embedding"], "views": 2}
ALONE: Mapping[str, Any] = {"batch": 0}

# key -> title, settings of the regime, settings of the pretraining (None: there is none), normalisation
METHODS: Mapping[str, tuple[str, Mapping[str, Any], Mapping[str, Any] | None, str]] = {
    "target": ("target labels only", ALONE, None, "instance"),
    "finetune": ("source, then fine-tune", ALONE, {}, "instance"),
    "swd": ("SWD transfer", {"alternate": [SLICED, CONDITIONAL]}, {}, "instance"),
    "target-batch": ("target labels only, batch norm", ALONE, None, "batch"),
    "finetune-batch": ("source, then fine-tune, batch norm", ALONE, {}, "batch"),
    "swd-batch": ("SWD transfer, batch norm", {"alternate": [SLICED, CONDITIONAL]}, {}, "batch"),
    "swd-supcon": ("SWD transfer, SupCon", {"alternate": [SLICED, CONDITIONAL]}, CONTRASTIVE, "instance"),
    "mmd": ("MMD transfer", {"alternate": ["maximum_mean_discrepancy@embedding"]}, {}, "instance"),
    "coral": ("CORAL transfer", {"alternate": ["coral@embedding"]}, {}, "instance"),
    "dann": ("adversarial transfer", {"alternate": ["domain_adversarial@embedding"]}, {}, "instance"),
}


def _arms(sets: Sequence[str], budgets: Sequence[int | str]) -> dict[str, Arm]:
    arms = {}
    for name in sets:
        for method, (title, _, first, normalisation) in METHODS.items():
            for labels in budgets:
                about = {"set": name, "method": method, "labels": labels}
                key = "-".join(str(part) for part in (name, method, labels) if part)
                net = {"name": "y-shaped", "encoder": {"name": "aconvnet", "padding": "same"}, "size": 32}
                net |= {} if normalisation == "batch" else {"normalisation": normalisation}
                regime = {**REGIME, **METHODS[method][1]}
                if first is not None:
                    epochs = {"epochs": SETS[name] if name else OWN_EPOCHS}
                    regime["pretraining"] = {**PRETRAINING, **epochs, **first}
                arms[key] = Arm(title, net, [ENTROPY], regime, about=about)
    return arms


ARMS = _arms([*SETS], BUDGETS)
OWN = _arms([""], (32, 128, "all"))


def zones(recipe: Recipe, key: str, fold: int, asked: Asked) -> Experiment:
    """An arm of figures 1 to 3: on So2Sat LCZ42 where it is named, else on simulated pairs."""
    arm = recipe.catalogue[key]
    given = {"classes": arm.about["set"]}
    if "so2sat" in asked.places:
        root = str(asked.places["so2sat"])
        views = [{"name": "so2sat", "root": root, **given, "sensor": sensor} for sensor in ("optical", "radar")]
        arm = replace(arm, regime=_longer(arm.regime, root, arm.about["set"]))
    else:
        views = [{"name": "simulated-zones", "view": view, **given} for view in ("optical", "radar")]
    whole = {"name": "folders", "validation": 0.0}
    return _experiment(arm, views, [whole, _budget(arm, fold, whole)], fold)


def _longer(regime: Mapping[str, Any], root: str, zones: str) -> dict[str, Any]:
    """A regime for the many images of So2Sat LCZ42: as many steps of pretraining for every set of zones."""
    longer = {**regime, "epochs": LARGE[1]}
    if "pretraining" in regime:
        steps = max(1, _training_images(root, zones) // regime["pretraining"]["batch"])
        longer["pretraining"] = {**regime["pretraining"], "epochs": max(1, round(LARGE[0] / steps))}
    return longer


@functools.cache
def _training_images(root: str, zones: str) -> int:
    """Counted once: every arm of a figure asks."""
    return int((so2sat(root, classes=zones).facts["split"] == "train").sum())


def own(recipe: Recipe, key: str, fold: int, asked: Asked) -> Experiment:
    """An arm on two folders, over the classes that they share: half of the target tests, of the source a fifth."""
    arm = recipe.catalogue[key]
    roots = [str(asked.places[name]) for name in ("source", "target")]
    if asked.places["source"].resolve() == asked.places["target"].resolve():
        raise InputError(f"source and target are the same folder, {roots[0]}: a transfer goes from one set to another")
    opened = [open_source(root) for root in roots]
    folders = zip(roots, shared_classes(*(each.classes for each in opened)), strict=True)
    views = [{"name": recognise(root), "root": root, "classes": classes} for root, classes in folders]
    whole = {"name": "stratified", "seed": 0, "validation": 0.0}  # the same images test under every seed
    return _experiment(arm, views, [whole | {"test": 0.2}, _budget(arm, fold, whole)], fold)


def _budget(arm: Arm, fold: int, within: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": "few-label", "labels": arm.about["labels"], "seed": fold, "within": within}


def _experiment(
    arm: Arm, views: Sequence[Mapping[str, Any]], splits: Sequence[Mapping[str, Any]], fold: int
) -> Experiment:
    data, target = ({"source": view, "split": split} for view, split in zip(views, splits, strict=True))
    return Experiment(
        data=data, target=target, net=dict(arm.net), objective=list(arm.objective), regime=dict(arm.regime), seed=fold
    )


def _study(
    name: str, title: str, sets: Sequence[str], methods: Sequence[str], budgets: Sequence[int | str] = BUDGETS
) -> Recipe:
    keys = [f"{each}-{method}-{labels}" for each in sets for method in methods for labels in budgets]
    return Recipe(
        name=f"eo-sar.{name}",
        title=title,
        data="so2sat",
        source="",
        split={},
        arms={key: {} for key in keys},
        catalogue=ARMS,
        regime=REGIME,
        copies=0,
        finish=finish,
        optional=True,
        build=zones,
        method=METHOD,
    )


STUDIES = (
    _study(
        "figure1",
        "Figure 1: test accuracy over label budgets, by number of classes",
        [*SETS],
        ("target", "finetune", "swd"),
    ),
    _study(
        "figure2",
        "Figure 2: batch and instance normalisation for fine-tuning and SWD transfer",
        [*SETS],
        ("target-batch", "finetune", "finetune-batch", "swd", "swd-batch"),
    ),
    _study("figure3", "Figure 3: pretraining without and with a contrastive loss", ["low-rise"], ("swd", "swd-supcon")),
    _study(
        "alignments",
        "Other alignments on the same labels: MMD, CORAL, adversarial",
        ["low-rise"],
        ("finetune", "swd", "mmd", "coral", "dann"),
        (32,),
    ),
    Recipe(
        name="eo-sar.transfer",
        title="What transfer is worth between two sets of scenes",
        data="source",
        source="",
        split={},
        arms={key: {} for key in OWN},
        catalogue=OWN,
        regime=REGIME,
        copies=0,
        finish=finish,
        also=("target",),
        build=own,
        method=METHOD,
    ),
)
