"""Wang, Virtue and Yu: Successive Embedding and Classification Loss for Aerial Image Classification.

Everything but the loss is equal between the arms of a table (the released runs also change pooling, batch
and standardisation; `aconvnet` takes `pooling: average` for theirs). Weights and margins are the paper's
best, as its tables III to V print them. Unstated in the paper, ours: shifts of up to 10 pixels, AdamW under
one cycle at 1e-3, batch 64, all pairs of the batch. One arm of table II takes some five minutes on two cores.
"""

from __future__ import annotations

from dataclasses import replace

from spacewise.recipes.finish import finish
from spacewise.recipes.recipe import Arm, Recipe

ACONVNET = {"name": "aconvnet", "size": 128}
SPP = {"name": "spp", "size": 128}
CAFFENET = {"name": "caffenet", "size": 128}
VGG16 = {"name": "vgg16", "size": 64, "normalisation": True}
ENTROPY = "crossentropy@classifier"
REGIME = {"epochs": 60, "batch": 64, "shift": 10}
SCENES = {"epochs": 40, "batch": 64, "shift": 8, "rate": 3e-4}


def _contrastive(weight: float, space: str, margin: float = 1.0) -> str:
    return f"{weight:g}*contrastive(dissimilar_margin={margin:g})@{space}"


def _arms() -> dict[str, Arm]:
    arms = {
        "ding": Arm("Ding", {"name": "ding", "size": 128}, [ENTROPY]),
        "spp": Arm("SPP", SPP, [ENTROPY]),
        "baseline": Arm("Baseline: classification loss only", ACONVNET, [ENTROPY]),
    }
    for net, title, prefix in ((ACONVNET, "Baseline", ""), (SPP, "SPP", "spp-")):
        for space in ("feature", "classifier"):
            weight = 0.15 if space == "feature" else 1.0
            arms[f"{prefix}center-{space}"] = Arm(
                f"{title} + center loss on {space} space", net, [ENTROPY, f"0.003*center@{space}"]
            )
            arms[f"{prefix}contrastive-{space}"] = Arm(
                f"{title} + contrastive loss on {space} space", net, [ENTROPY, _contrastive(weight, space)]
            )
    arms["contrastive-probability"] = Arm(
        "Baseline + contrastive loss on probability space",
        ACONVNET,
        [ENTROPY, _contrastive(1.0, "probability")],
    )
    for space in ("feature", "classifier"):
        for margin in (0.8, 1.0, 1.2):
            arms[f"contrastive-{space}-margin{margin}"] = Arm(
                f"contrastive loss on {space} space, margin {margin}",
                ACONVNET,
                [ENTROPY, _contrastive(1.0, space, margin)],
            )
        for weight in (0.15, 0.3, 0.8, 1.0):
            arms[f"contrastive-{space}-weight{weight}"] = Arm(
                f"contrastive loss on {space} space, weight {weight}",
                ACONVNET,
                [ENTROPY, _contrastive(weight, space)],
            )
        for weight in (3e-1, 3e-2, 3e-3, 3e-4):
            arms[f"center-{space}-weight{weight:g}"] = Arm(
                f"center loss on {space} space, weight {weight:g}",
                ACONVNET,
                [ENTROPY, f"{weight:g}*center@{space}"],
            )
    average = {**ACONVNET, "pooling": "average"}  # as the released contrastive networks pool
    for key in ("baseline", "center-classifier", "contrastive-classifier"):
        arms[f"{key}-average"] = Arm(f"{arms[key].title}, average pooling", average, arms[key].objective)
    for net, name in ((CAFFENET, "caffenet"), (VGG16, "vgg16")):
        title = {"caffenet": "CaffeNet", "vgg16": "VGG16"}[name]
        arms[name] = Arm(f"{title} + classification loss only", net, [ENTROPY])
        for space in ("feature", "classifier"):
            arms[f"{name}-center-{space}"] = Arm(
                f"{title} + center loss on {space} space", net, [ENTROPY, f"0.003*center@{space}"]
            )
    return arms


ARMS = _arms()


def _accuracy(number: str, title: str, arms: dict[str, dict[str, float]]) -> Recipe:
    return Recipe(
        name=f"dual-loss.table{number}",
        title=title,
        data="mstar",
        source="mstar",
        split={"name": "mstar-seen-unseen"},
        arms=arms,
        catalogue=ARMS,
        regime=REGIME,
        copies=10,
        finish=finish,
    )


def _three(seen: float, unseen: float, overall: float) -> dict[str, float]:
    return {"seen": seen, "unseen": unseen, "overall": overall}


def _overall(**figures: float) -> dict[str, dict[str, float]]:
    return {key: {"overall": figure} for key, figure in figures.items()}


TABLE2 = _accuracy(
    "2",
    "Table II: accuracy on translated MSTAR test chips, seen and unseen serials",
    {
        "ding": _three(83.0, 80.4, 82.4),
        "spp": _three(90.5, 84.1, 88.9),
        "baseline": _three(91.6, 91.0, 91.4),
        "center-feature": _three(97.4, 92.7, 96.3),
        "contrastive-feature": _three(92.2, 92.6, 92.3),
        "center-classifier": _three(98.7, 96.7, 98.2),
        "contrastive-classifier": _three(98.5, 97.2, 98.2),
        "contrastive-probability": _three(90.1, 92.4, 90.6),
    },
)

TABLE3 = _accuracy(
    "3",
    "Table III: contrastive loss, accuracy by dissimilar margin at weight 1",
    {
        f"contrastive-{space}-margin{margin}": {"overall": figure}
        for space, figures in (("feature", (88.6, 86.3, 87.7)), ("classifier", (97.6, 98.2, 98.0)))
        for margin, figure in zip((0.8, 1.0, 1.2), figures, strict=True)
    },
)

TABLE4 = _accuracy(
    "4",
    "Table IV: contrastive loss, accuracy by weight at margin 1",
    {
        f"contrastive-{space}-weight{weight}": {"overall": figure}
        for space, figures in (
            ("feature", (92.3, 92.1, 87.5, 86.3)),
            ("classifier", (96.0, 96.5, 97.1, 98.2)),
        )
        for weight, figure in zip((0.15, 0.3, 0.8, 1.0), figures, strict=True)
    },
)

TABLE5 = _accuracy(
    "5",
    "Table V: center loss, accuracy by weight",
    {
        f"center-{space}-weight{weight:g}": {"overall": figure}
        for space, figures in (
            ("feature", (95.1, 95.4, 96.3, 95.8)),
            ("classifier", (96.9, 97.3, 98.2, 97.6)),
        )
        for weight, figure in zip((3e-1, 3e-2, 3e-3, 3e-4), figures, strict=True)
    },
)

TABLE6 = _accuracy(
    "6",
    "Table VI: dual loss under spatial pyramid pooling",
    {
        "spp": _three(90.5, 84.1, 88.9),
        "spp-center-feature": _three(93.3, 84.7, 91.2),
        "spp-contrastive-feature": _three(92.1, 83.2, 89.9),
        "spp-center-classifier": _three(96.2, 89.8, 94.7),
        "spp-contrastive-classifier": _three(93.8, 86.1, 91.9),
    },
)

POOLING = replace(
    _accuracy(
        "2",
        "What pooling does: Table II's classifier-space rows with the average pooling of the released networks",
        {
            "baseline": _three(91.6, 91.0, 91.4),
            "baseline-average": {},
            "center-classifier": _three(98.7, 96.7, 98.2),
            "center-classifier-average": {},
            "contrastive-classifier": _three(98.5, 97.2, 98.2),
            "contrastive-classifier-average": {},
        },
    ),
    name="dual-loss.pooling",
    regime={**REGIME, "epochs": 120},
)

TABLE7 = Recipe(
    name="dual-loss.table7",
    title="Table VII: accuracy on AID, half of it testing (networks from random weights; no SVM row)",
    data="aid",
    source="folder",
    split={"name": "stratified"},
    arms=_overall(caffenet=92.5)
    | {"caffenet-center-feature": {"overall": 92.3}, "caffenet-center-classifier": {"overall": 94.0}}
    | _overall(vgg16=95.2)
    | {"vgg16-center-classifier": {"overall": 97.0}},
    catalogue=ARMS,
    regime=SCENES,
    copies=0,
    finish=finish,
)

FIGURE10 = Recipe(
    name="dual-loss.figure10",
    title="Figure 10: three known classes, two confusers, false alarms at 90 % detection",
    data="mstar",
    source="mstar",
    split={"name": "mstar-confusers"},
    arms={
        "baseline": {"pfa_at_pd90": 56.1},
        "center-feature": {},
        "contrastive-feature": {},
        "center-classifier": {"pfa_at_pd90": 39.9},
        "contrastive-classifier": {"pfa_at_pd90": 20.5},
    },
    catalogue=ARMS,
    regime={**REGIME, "epochs": 120},
    copies=0,
    finish=finish,
)
