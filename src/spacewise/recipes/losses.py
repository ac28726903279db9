"""Ito et al.: Analyzing the Accuracy, Representations, and Explainability of Various Loss Functions.

Every table and figure looks at the same networks from one of three sides: how accurate, how well separated,
whether they look at the right thing. `--data images=DIR` takes CIFAR-10, CIFAR-100, SVHN or Tiny ImageNet (the
paper's figures then stand beside ours), or any other images; `--only "resnet20*"` cuts down to one network.

The paper's: SGD with momentum 0.9, weight decay 1e-4, batches of 128, rate 0.1 (0.01 for complement entropy),
a tenth after 100 and again after 150 of 300 epochs, the first 100 with cross-entropy alone. Unstated there,
ours: shifts of 4 pixels and mirrored images, the weights of the center and the prototype conformity loss
(chosen on validation images of CIFAR-100, see docs/log.md), the small-image stem of ResNet-18 and -50. Other
than there: the rate of the centres, 0.5, does not fall, those of the center loss move as Wen et al. write and
do not decay, nor do biases and normalisation; a tenth of the training images is held out to be watched.
`losses.radar` asks the same of radar chips, with A-ConvNet and AdamW as for dual loss: no mirroring there,
since shadows fall to one side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from spacewise.recipes.recipe import Arm, Recipe
from spacewise.recipes.three_views import finish

ENTROPY = "crossentropy@classifier"
CENTER = "0.03*center@feature"
CONFORMITY = "0.1*prototype_conformity@feature"
COMPLEMENT = ["complement_entropy@classifier"]
REGIME = {
    "epochs": 300,
    "batch": 128,
    "optimizer": "sgd",
    "rate": 0.1,
    "weight_decay": 1e-4,
    "schedule": "tenths",
    "pretrain": 1 / 3,
    "shift": 4,
    "flip": True,
}
RADAR = {"epochs": 60, "batch": 64, "shift": 6}
NETS: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "resnet20": ("ResNet-20", {"name": "resnet20"}),
    "resnet56": ("ResNet-56", {"name": "resnet56"}),
    "wrn28-10": ("WRN-28-10", {"name": "wrn28-10"}),
    "wrn28-10-64": ("WRN-28-10, 64 pixels", {"name": "wrn28-10", "size": 64}),
    "resnet18": ("ResNet-18", {"name": "resnet18", "size": 64, "stem": "small"}),
    "resnet50": ("ResNet-50", {"name": "resnet50", "size": 64, "stem": "small"}),
    "aconvnet": ("A-ConvNet", {"name": "aconvnet", "size": 64, "padding": "same"}),
}
OBJECTIVES = {
    "": ("cross-entropy", [ENTROPY]),
    "-center": ("+ center loss", [ENTROPY, CENTER]),
    "-conformity": ("+ prototype conformity", [ENTROPY, CONFORMITY]),
}
COMPLEMENTS: Mapping[str, tuple[str, Sequence[str]]] = {"": ("", []), "-complement": (", COT", COMPLEMENT)}


def _arms() -> dict[str, Arm]:
    arms = {}
    for net, (named, options) in NETS.items():
        for complement, (also, alternate) in COMPLEMENTS.items():
            for loss, (title, objective) in OBJECTIVES.items():
                regime = {"alternate": list(alternate)} if alternate else {}
                arms[f"{net}{loss}{complement}"] = Arm(f"{named}, {title}{also}", options, objective, regime)
    return arms


ARMS = _arms()


def _recipe(number: str, title: str, nets: Sequence[str], losses: Sequence[str] = ()) -> Recipe:
    keys = [f"{net}{loss}{also}" for net in nets for also in COMPLEMENTS for loss in OBJECTIVES]
    return Recipe(
        name=f"losses.{number}",
        title=title,
        data="images",
        source="",
        split={},
        arms={key: {} for key in keys if not losses or key in losses},
        catalogue=ARMS,
        regime=RADAR if number == "radar" else REGIME,
        copies=0,
        finish=finish,
        masks=True,
    )


SMALL, TINY = ("resnet20", "resnet56", "wrn28-10"), ("resnet18", "resnet50", "wrn28-10-64")
FIGURE1 = ("resnet20", "resnet20-center", "resnet20-conformity", "resnet20-complement")
STUDIES = (
    _recipe("table2", "Table II: accuracy, by loss, network and data", (*SMALL, *TINY)),
    _recipe("table3", "Table III: Silhouette of the feature space", (*SMALL, *TINY)),
    _recipe("table4", "Table IV: Calinski-Harabasz index of the feature space", (*SMALL, *TINY)),
    _recipe("table5", "Table V: insertion and deletion along Grad-CAM", (*SMALL, *TINY)),
    _recipe("figure1", "Figure 1: maps of the feature space under four losses", ("resnet20",), FIGURE1),
    _recipe("figure2", "Figure 2: maps of the feature space, without and with COT", ("resnet20",)),
    _recipe("figure3", "Figure 3: attention maps of ResNet-18", ("resnet18",)),
    _recipe("figure4", "Figure 4: attention maps of ResNet-50 and WRN-28-10", ("resnet50", "wrn28-10-64")),
    _recipe("radar", "The three views on radar chips: the losses of Table II under A-ConvNet", ("aconvnet",)),
)
