"""Whole batches as tensors, on their device, from an explicit generator."""

from spacewise.augment.augmentations import AUGMENTATIONS, Augmentation, View, check_augmentation
from spacewise.augment.geometry import (
    check_shift,
    copies,
    crops,
    enlarge,
    flips,
    mirror,
    mirrored,
    offsets,
    translate,
)

__all__ = [
    "AUGMENTATIONS",
    "Augmentation",
    "View",
    "check_augmentation",
    "check_shift",
    "copies",
    "crops",
    "enlarge",
    "flips",
    "mirror",
    "mirrored",
    "offsets",
    "translate",
]
