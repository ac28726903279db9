"""Whole batches as tensors, on their device, from an explicit generator."""

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
