"""The views of the semi-supervised regime, by the kind of images they are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from spacewise.augment.blocks import by_blocks
from spacewise.augment.colours import brightness, contrast
from spacewise.augment.crop import boxes, resized
from spacewise.augment.cutout import GREY, centres, cutout, cutout_side, means
from spacewise.augment.geometry import flips, mirror, offsets, translate
from spacewise.augment.jitter import JITTERED, jittered, jitters
from spacewise.augment.radar import amplified, angles, gains, looks, rotated, speckle_factors, speckled
from spacewise.augment.randaugment import randaugment
from spacewise.errors import InputError, unknown

View = Callable[[Tensor, int, slice, torch.Generator], Tensor]

BAND_JITTER = 0.4  # brightness and contrast of a band vary by this share

# radar: largest shift as a share of the image's shorter side, largest turn in degrees, looks of the speckle, and
# the largest gain. Fewer looks are a stronger speckle: single-look images have 1
SHIFT = {"weak": 0.05, "strong": 0.125}
TURN = 10.0
LOOKS = {"strong": (1, 4), "mild": (8, 16)}
GAIN = 1.5


@dataclass(frozen=True)
class Augmentation:
    """The four views of a step: of labelled images, and a weak and two strong ones of unlabelled images.

    A view takes images (sample, band, height, width), the samples of the whole batch, which of them the images are,
    and a generator on the CPU; it draws for the whole batch, so that the number of processes does not matter, and
    returns images of the same shape and type on their device.

    Attributes:
        bands: that images must have; 0 for any number.
        types: that images may have.
    """

    labelled: View
    weak: View
    first: View
    second: View
    bands: int = 0
    types: tuple[torch.dtype, ...] = (torch.uint8, torch.float32)


def _flipped(images: Tensor, whole: int, mine: slice, random: torch.Generator) -> Tensor:
    return mirror(images, flips(whole, random)[mine])


def _cropped(images: Tensor, whole: int, mine: slice, random: torch.Generator) -> Tensor:
    """A random resized crop, mirrored in half of the images: as likely as the crop of a mirrored image."""
    height, width = images.shape[2:]
    rectangles = boxes(whole, height, width, random)[mine]
    return resized(images, rectangles, flips(whole, random)[mine])


def _holed(images: Tensor, whole: int, mine: slice, random: torch.Generator, fill: float | Tensor) -> Tensor:
    height, width = images.shape[2:]
    return cutout(images, centres(whole, height, width, random)[mine], cutout_side(height, width), fill)


def _optical_first(images: Tensor, whole: int, mine: slice, random: torch.Generator) -> Tensor:
    images = randaugment(_cropped(images, whole, mine, random), whole, mine, random, pool="optical")
    return _holed(images, whole, mine, random, GREY)


def _optical_second(images: Tensor, whole: int, mine: slice, random: torch.Generator) -> Tensor:
    images = _cropped(images, whole, mine, random)
    factors, orders = jitters(whole, random)
    return jittered(images, factors[mine], orders, mine.indices(whole)[0])


def _bands_first(images: Tensor, whole: int, mine: slice, random: torch.Generator) -> Tensor:
    images = randaugment(_cropped(images, whole, mine, random), whole, mine, random, pool="bands")
    return _holed(images, whole, mine, random, means(images))


def _bands_second(images: Tensor, whole: int, mine: slice, random: torch.Generator) -> Tensor:
    """Brightness, then contrast about the band's mean, each by band; bytes are cut off at 0 and 255, floats are not."""
    images = _cropped(images, whole, mine, random)
    drawn = 1 + BAND_JITTER * (2 * torch.rand(whole, images.shape[1], 2, generator=random) - 1)
    chosen = torch.rand(whole, 1, 1, generator=random) < JITTERED
    return by_blocks(_band_jittered, images, torch.where(chosen, drawn, 1.0)[mine])


def _band_jittered(images: Tensor, factors: Tensor) -> Tensor:
    bands = images.flatten(0, 1)[:, None]  # each an image by itself
    lighter, stronger = factors.flatten(0, 1).unbind(1)
    return contrast(brightness(bands, lighter), stronger).view_as(images)


def _shifted(images: Tensor, whole: int, mine: slice, random: torch.Generator, share: float) -> Tensor:
    limit = int(share * min(images.shape[2:]))
    return translate(images, offsets(whole, limit, random)[mine], limit)


def _radar_weak(images: Tensor, whole: int, mine: slice, random: torch.Generator) -> Tensor:
    """A shift alone: mirrored, a radar image shows what no radar sees, as shadows lie away from the sensor."""
    return _shifted(images, whole, mine, random, SHIFT["weak"])


def _radar_strong(images: Tensor, whole: int, mine: slice, random: torch.Generator, speckle: str) -> Tensor:
    """Shift, small turn, speckle, gain: in the order of scene, aspect, coherent sum, receiver."""
    images = _shifted(images, whole, mine, random, SHIFT["strong"])
    images = rotated(images, angles(whole, TURN, random)[mine])
    fewest, most = LOOKS[speckle]
    factors = speckle_factors(looks(whole, fewest, most, random), images.shape[2], images.shape[3], random)[mine]
    images = speckled(images, factors)
    return amplified(images, gains(whole, GAIN, random)[mine])


def _radar_first(images: Tensor, whole: int, mine: slice, random: torch.Generator) -> Tensor:
    images = _radar_strong(images, whole, mine, random, "strong")
    return _holed(images, whole, mine, random, means(images))


def _radar_second(images: Tensor, whole: int, mine: slice, random: torch.Generator) -> Tensor:
    return _radar_strong(images, whole, mine, random, "mild")


AUGMENTATIONS: dict[str, Augmentation] = {
    "optical": Augmentation(_cropped, _flipped, _optical_first, _optical_second, bands=3, types=(torch.uint8,)),
    "bands": Augmentation(_cropped, _flipped, _bands_first, _bands_second),
    "radar": Augmentation(_radar_weak, _radar_weak, _radar_first, _radar_second),
}


def check_augmentation(name: str, images: Tensor) -> None:
    """Raises `InputError` where the augmentation is unknown or does not fit images (sample, band, height, width)."""
    if name not in AUGMENTATIONS:
        raise unknown("augmentation", name, AUGMENTATIONS)
    wanted = AUGMENTATIONS[name]
    if images.ndim != 4:
        raise InputError(f"expected images (sample, band, height, width), not {tuple(images.shape)}")
    kind, bands = str(images.dtype).removeprefix("torch."), images.shape[1]
    if images.dtype not in (torch.uint8, torch.float32):
        raise InputError(f"augmentation={name} takes images of uint8 or float32, not {kind}")
    if images.dtype not in wanted.types or wanted.bands not in (0, bands):
        raise InputError(
            f"augmentation={name} takes 3 bands of uint8, not {bands} of {kind}; use augmentation=bands, or radar"
        )
