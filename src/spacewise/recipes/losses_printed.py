"""What Ito et al. print: Tables II to V. Eight figures a row: four data sets, then the same with COT."""

from __future__ import annotations

from collections.abc import Mapping

SETS = ("svhn", "cifar10", "cifar100", "tiny-imagenet")
GROUPS = ("resnet20", "resnet56", "wrn28-10")  # of Tiny ImageNet, ResNet-18 and ResNet-50 stand in the first two
ON_TINY = {"resnet20": "resnet18", "resnet56": "resnet50", "wrn28-10": "wrn28-10-64"}
LOSSES = ("", "-center", "-conformity")

ACCURACY = (  # percent
    (97.18, 95.00, 76.58, 59.69, 97.33, 95.19, 76.60, 59.86),
    (97.27, 95.32, 77.77, 60.07, 97.36, 95.26, 77.93, 60.28),
    (97.35, 95.21, 77.50, 60.20, 97.31, 95.36, 77.89, 60.70),
    (97.56, 95.50, 77.48, 62.91, 97.47, 95.64, 76.60, 62.50),
    (97.51, 95.20, 77.79, 60.91, 97.49, 94.78, 77.83, 61.03),
    (97.52, 95.04, 77.51, 60.98, 97.48, 94.57, 77.84, 61.11),
    (97.33, 95.64, 78.53, 64.30, 97.48, 95.74, 78.40, 64.45),
    (97.38, 95.63, 79.84, 63.35, 97.44, 95.58, 79.44, 63.11),
    (97.47, 95.38, 79.91, 63.51, 97.42, 95.80, 79.55, 63.95),
)
SILHOUETTE = (
    (0.544, 0.377, 0.063, 0.003, 0.684, 0.465, 0.065, 0.004),
    (0.862, 0.790, 0.255, 0.032, 0.877, 0.793, 0.242, 0.032),
    (0.874, 0.788, 0.254, 0.026, 0.868, 0.792, 0.256, 0.037),
    (0.556, 0.391, 0.085, 0.020, 0.677, 0.484, 0.090, 0.023),
    (0.889, 0.794, 0.330, 0.036, 0.873, 0.801, 0.294, 0.047),
    (0.887, 0.801, 0.327, 0.038, 0.858, 0.787, 0.334, 0.044),
    (0.616, 0.445, 0.104, 0.018, 0.748, 0.582, 0.108, 0.019),
    (0.862, 0.812, 0.349, 0.053, 0.883, 0.818, 0.362, 0.051),
    (0.871, 0.791, 0.362, 0.052, 0.866, 0.822, 0.361, 0.050),
)
CALINSKI_HARABASZ = (
    (12420.282, 2666.847, 72.687, 22.855, 22939.190, 3363.283, 72.644, 22.855),
    (53209.170, 15588.983, 226.769, 46.636, 54516.244, 14269.112, 220.540, 47.130),
    (54939.280, 15218.744, 227.184, 46.568, 52848.282, 14280.560, 227.568, 47.974),
    (12994.215, 2847.820, 87.742, 30.635, 22127.795, 3617.251, 88.059, 31.741),
    (59083.890, 14513.632, 295.858, 52.465, 55486.307, 12893.707, 271.807, 50.010),
    (57367.503, 14410.582, 294.515, 52.711, 57315.224, 12698.176, 291.533, 51.320),
    (17127.821, 3549.024, 96.0172, 30.834, 32332.632, 5931.204, 94.714, 31.643),
    (53761.992, 16395.141, 321.329, 53.119, 55713.822, 15607.673, 317.700, 50.218),
    (57868.697, 16096.414, 319.900, 52.903, 54049.729, 16046.791, 319.667, 50.626),
)
# Table V names no network: it stands beside the first group
INSERTION = (
    (0.585, 0.545, 0.385, 0.386, 0.552, 0.544, 0.392, 0.390),
    (0.275, 0.234, 0.267, 0.302, 0.259, 0.231, 0.260, 0.308),
    (0.339, 0.233, 0.263, 0.298, 0.300, 0.227, 0.272, 0.314),
)
DELETION = (
    (0.258, 0.422, 0.267, 0.419, 0.238, 0.439, 0.265, 0.413),
    (0.514, 0.710, 0.322, 0.495, 0.413, 0.726, 0.319, 0.492),
    (0.457, 0.721, 0.328, 0.489, 0.424, 0.696, 0.317, 0.494),
)
TABLES = {
    "accuracy": ACCURACY,
    "silhouette": SILHOUETTE,
    "calinski_harabasz": CALINSKI_HARABASZ,
    "insertion": INSERTION,
    "deletion": DELETION,
}


def printed(source: str) -> Mapping[str, dict[str, float]]:
    """Arm -> figure -> what the paper prints for a data set: accuracy in percent, the others as they are.

    Args:
        source: the format of the data (`cifar10`); nothing where it is none of the paper's sets.
    """
    if source not in SETS:
        return {}
    found: dict[str, dict[str, float]] = {}
    for figure, rows in TABLES.items():
        for number, row in enumerate(rows):
            group, loss = GROUPS[number // 3], LOSSES[number % 3]
            net = ON_TINY[group] if source == "tiny-imagenet" else group
            for place, complement in ((0, ""), (4, "-complement")):
                found.setdefault(f"{net}{loss}{complement}", {})[figure] = row[place + SETS.index(source)]
    return found
