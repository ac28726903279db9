"""The operations of RandAugment by name, and what each does at a strength from 1 to 9.

As in the PyTorch version of FixMatch (Sohn et al., 2020) that CoMatch uses, too, `RandAugmentMC(n=2, m=10)`: a
strength is a number of tenths of an operation's largest change.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from spacewise.augment.colours import (
    autocontrast,
    brightness,
    color,
    contrast,
    equalize,
    identity,
    posterize,
    sharpness,
    solarize,
)
from spacewise.augment.warps import rotate, shear_x, shear_y, translate_x, translate_y

# images (sample, band, height, width), strengths (sample,) and signs (sample,), -1 or 1 -> images
Operation = Callable[[Tensor, Tensor, Tensor], Tensor]

OPERATIONS: dict[str, Operation] = {
    "autocontrast": lambda images, strengths, signs: autocontrast(images),
    "brightness": lambda images, strengths, signs: brightness(images, _factors(strengths)),
    "color": lambda images, strengths, signs: color(images, _factors(strengths)),
    "contrast": lambda images, strengths, signs: contrast(images, _factors(strengths)),
    "equalize": lambda images, strengths, signs: equalize(images),
    "identity": lambda images, strengths, signs: identity(images),
    "posterize": lambda images, strengths, signs: posterize(images, strengths * 4 // 10 + 4),
    "rotate": lambda images, strengths, signs: rotate(images, strengths * 30 // 10 * signs),
    "sharpness": lambda images, strengths, signs: sharpness(images, _factors(strengths)),
    "shear_x": lambda images, strengths, signs: shear_x(images, _share(strengths, 0.3) * signs),
    "shear_y": lambda images, strengths, signs: shear_y(images, _share(strengths, 0.3) * signs),
    "solarize": lambda images, strengths, signs: solarize(images, 256 - strengths * 256 // 10),
    "translate_x": lambda images, strengths, signs: translate_x(images, _pixels(strengths, images.shape[3]) * signs),
    "translate_y": lambda images, strengths, signs: translate_y(images, _pixels(strengths, images.shape[2]) * signs),
}

OPTICAL = tuple(OPERATIONS)
EIGHT_BITS = ("color", "equalize", "posterize", "solarize")  # these need colours or grey levels of 8 bits
BANDS = tuple(name for name in OPERATIONS if name not in EIGHT_BITS)
POOLS = {"optical": OPTICAL, "bands": BANDS}


def _share(strengths: Tensor, most: float) -> Tensor:
    return strengths.double() * most / 10


def _factors(strengths: Tensor) -> Tensor:
    return _share(strengths, 0.9) + 0.05


def _pixels(strengths: Tensor, side: int) -> Tensor:
    return (_share(strengths, 0.3) * side).long()
