"""Hernandez-Sequeira et al.: Semi and Self-Supervised Metric Learning for Remote Sensing Applications.

Table II: CoMatch with three networks on all classes. Table III: methods on the ten classes that CoMatch mixes up most
(Table I are its settings); on the same page figure 4 (accuracy by epoch), 5 (confusion matrices) and 6 (t-SNE).
`--data images=DIR` takes UC Merced or AID (the paper's figures then stand beside ours) or any folder of images.

The paper's: 64 x 64 pixels of which 60 x 60 are seen, 4 labelled images a class, batches of 32 labelled and 7 times as
many unlabelled ones, SGD with Nesterov's momentum 0.9 and rate 0.03, weight decay 5e-4, 512 epochs of 1,024 steps.
Ours: images of 60 x 60 pixels without a margin; half of the images test, the same ones under every seed, a tenth of
the others validates; the seed draws the labelled images. The ten classes are those with the largest share of errors
among the test images of the first seed, as in the paper, and are written to `semi.classes.json`.

The paper's own figures come from a released code that learns from all labels of the training images, and from test
images without their labels, and reports the best epoch on the test images: `comatch-released` does the same, so that
the size of this can be seen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from spacewise import files
from spacewise.errors import InputError
from spacewise.experiment import Experiment
from spacewise.learn import ensure
from spacewise.methods import METHODS, preset
from spacewise.progress import console
from spacewise.recipes.recipe import Arm, Asked, Recipe, experiment
from spacewise.recipes.semi_finish import errors_by_class, finish
from spacewise.sources import recognise

CHOSEN = 10  # classes of Table III
LABELS = "4/class"
REGIME: Mapping[str, Any] = {"name": "semi-supervised", "epochs": 512, "steps": 1024}
KEPT = (1, 5, 10)  # epochs that figure 6 shows besides the last
RESNET = {"name": "projected", "encoder": "resnet18", "size": 60}
NETS = {
    "resnet18": ("ResNet-18", RESNET),
    "resnet50": ("ResNet-50", {**RESNET, "encoder": "resnet50"}),
    "wrn28-2": ("WRN-28-2", {**RESNET, "encoder": {"name": "wrn28-2", "leak": 0.1, "momentum": 0.001}}),
}
METHOD = {"regime", "objective", "mu", "threshold", "alignment", "memory", "choose", "statistics", "normalise"}
METHOD |= {"data.split", "net.weights", "data.split.labels", "data.split.seed", "data.split.transductive"}

TABLE2: Mapping[str, Mapping[str, float]] = {f"all-{net}": {} for net in NETS}
TABLE3: Mapping[str, Mapping[str, float]] = {key: {} for key in (*METHODS, "comatch-released")}


def _arms() -> dict[str, Arm]:
    """Of Table II by network, of Table III by method."""
    arms = {}
    comatch = METHODS["comatch"]
    for key, (title, net) in NETS.items():
        about = {"method": "comatch", "classes": "all"}
        arms[f"all-{key}"] = Arm(f"{comatch.title}, {title}", net, comatch.objective, about=about)
    for key, method in METHODS.items():
        arms[key] = Arm(method.title, RESNET, method.objective, method.regime, about={"method": key})
    about = {"method": "comatch", "preset": "as-released"}
    arms["comatch-released"] = Arm(f"{comatch.title}, as released", RESNET, comatch.objective, about=about)
    return arms


ARMS = _arms()


def build(recipe: Recipe, key: str, fold: int, asked: Asked) -> Experiment:
    """The experiment of an arm; Table III's on the chosen classes, where they have been chosen."""
    arm, root = recipe.catalogue[key], asked.places["images"]
    source: dict[str, Any] = {"name": recognise(root), "root": str(root)}
    if "classes" in asked.found and arm.about.get("classes") != "all":
        source["classes"] = {name: name for name in asked.found["classes"]}
    within = {"name": "stratified", "seed": 0, "validation": 0.1}  # the same images test under every seed
    split = {"name": "few-label", "labels": LABELS, "seed": fold, "within": within}
    values = {
        "data": {"source": source, "split": split},
        "net": dict(arm.net),
        "objective": list(arm.objective),
        "regime": {**REGIME, **arm.regime, "keep": [epoch for epoch in KEPT if epoch < _epochs(asked)]},
        "seed": fold,
    }
    return Experiment(**preset(values, arm.about.get("preset", "corrected")))


def _epochs(asked: Asked) -> int:
    """Of a training, as `--epochs` or `--set epochs=` says."""
    said = dict(change.removeprefix("regime.").split("=", 1) for change in asked.changes if "=" in change)
    number = said.get("epochs", str(asked.epochs or REGIME["epochs"]))
    return int(number) if number.isdecimal() else 0  # what is no number is met when the experiment is made


def choose(recipe: Recipe, asked: Asked, out: Path) -> Asked:
    """The ten classes of Table III: trains CoMatch on all, unless they have been chosen, or there are no more."""
    place = out / "semi.classes.json"
    made = experiment(recipe, "comatch", 0, asked)
    if len(made.split(made.source()).classes) <= CHOSEN:
        return asked
    chooser = experiment(TABLE_2, "all-resnet18", 0, asked)
    digest = hashlib.sha256(chooser.yaml().encode()).hexdigest()[:16]
    if not place.is_file():
        console.print(f"choosing the {CHOSEN} most confused classes by CoMatch on all of them")
        run = ensure(chooser, out / "runs" / "all-resnet18-fold0")
        run.load("last")
        errors = errors_by_class(run)
        ordered = sorted(errors, key=lambda name: (-errors[name], name))
        chosen = {"classes": sorted(ordered[:CHOSEN]), "errors": {name: errors[name] for name in ordered}}
        made_by = {"run": run.name, "experiment": digest, "seed": 0, "steps": steps(run.experiment)}
        files.write_json(place, chosen | made_by)
    found = files.read_json(place)
    if not isinstance(found, dict) or found.get("experiment") != digest:
        raise InputError(f"{place} was chosen by another training (other data, epochs or settings): give another --out")
    return replace(asked, found=found)


def steps(made: Experiment) -> int:
    """Steps of a whole training."""
    return int(made.regime.epochs * getattr(made.regime, "steps", 1))


def _study(name: str, title: str, arms: Mapping[str, Mapping[str, float]], **more: Any) -> Recipe:
    return Recipe(
        name=f"semi.{name}",
        title=title,
        data="images",
        source="",
        split={},
        arms=arms,
        catalogue=ARMS,
        regime=REGIME,
        copies=0,
        finish=finish,
        build=build,
        method=METHOD,
        **more,
    )


TABLE_2 = _study("table2", "Table II: CoMatch with three networks", TABLE2)
TABLE_3 = _study(
    "table3",
    "Tables I and III, figures 4 to 6: methods with few labels",
    TABLE3,
    prepare=choose,
)
STUDIES: Sequence[Recipe] = (TABLE_2, TABLE_3)
