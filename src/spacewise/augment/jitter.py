"""Colour jitter of whole batches: brightness, contrast, saturation and hue in random order, and grey.

The operations are those of torchvision's `ColorJitter` on Pillow images, but in floats without rounding in between.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from spacewise.augment.blocks import BLOCK, stored
from spacewise.augment.colours import LUMA, luma
from spacewise.errors import InputError

STRENGTHS = (0.4, 0.4, 0.4, 0.1)  # of brightness, contrast, saturation, hue
STILL = (1.0, 1.0, 1.0, 0.0)  # factors that change nothing
JITTERED, GREYED = 0.8, 0.2  # probabilities


def turn_hue(images: Tensor, turns: Tensor) -> Tensor:
    """RGB images with another hue; value and saturation (HSV) stay.

    Over the circle of hues a band climbs from the least to the largest value within a sixth, stays for two, falls
    within one. Its height over the least is value + band - the two others, cut off below 0 and above the chroma.
    Turned by less than a sixth, that grows by six turns of the chroma where the band climbs, and shrinks by as much
    where it falls (for green: where red is above, or below, blue). No hue is computed, nothing divided.

    Args:
        images: (sample, 3, height, width), floats.
        turns: (sample, 1, 1, 1) shares of the circle, -1/6 to 1/6, positive from red towards green.
    """
    bands = images.split(1, dim=1)
    red, green, blue = bands
    value, least = red.maximum(green).maximum(blue), red.minimum(green).minimum(blue)
    chroma = value - least
    step, others = chroma * (6 * turns), value - red - green - blue
    found = torch.empty_like(images)
    # for each band, the two between which lies its slope: it climbs where the first is larger
    for band, (first, second) in enumerate(((blue, green), (red, blue), (green, red))):
        level = (first - second).sign_().mul_(step).add_(bands[band], alpha=2).add_(others)
        torch.add(level.clamp_(min=0).minimum(chroma), least, out=found[:, band : band + 1])
    return found


def _luminance(images: Tensor) -> Tensor:
    red, green, blue = images.split(1, dim=1)
    return (red * (LUMA[0] / 65536)).add_(green, alpha=LUMA[1] / 65536).add_(blue, alpha=LUMA[2] / 65536)


def _brightness(images: Tensor, factors: Tensor) -> Tensor:
    return images.mul_(factors).clamp_(0, 255)


def _contrast(images: Tensor, factors: Tensor) -> Tensor:
    # Pillow's grey is a whole number
    grey = _luminance(images).mean(dim=(2, 3), keepdim=True).round_()
    return images.mul_(factors).add_(grey * (1 - factors)).clamp_(0, 255)


def _saturation(images: Tensor, factors: Tensor) -> Tensor:
    grey = _luminance(images)
    return images.mul_(factors).add_(grey.mul_(1 - factors)).clamp_(0, 255)


# of floats (sample, 3, height, width), which the first three change in place, and factors (sample, 1, 1, 1)
OPERATIONS: tuple[Callable[[Tensor, Tensor], Tensor], ...] = (_brightness, _contrast, _saturation, turn_hue)


def jitters(samples: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draws for `jittered`: factors (sample, 5), and orders of the first four operations (block, 4).

    Brightness, contrast and saturation are uniform in 1 ± 0.4, the turn of the hue in ± 0.1; 1, 1, 1, 0 for a fifth
    of the samples, which keep their colours. The last is 0 for a fifth of the samples, which turn grey, else 1.
    """
    chosen = torch.rand(samples, 1, generator=generator) < JITTERED
    still = torch.tensor(STILL)
    drawn = still + torch.tensor(STRENGTHS) * (2 * torch.rand(samples, 4, generator=generator) - 1)
    coloured = torch.rand(samples, 1, generator=generator) >= GREYED
    orders = torch.rand(-(-samples // BLOCK), 4, generator=generator).argsort(1)
    return torch.cat([torch.where(chosen, drawn, still), coloured], 1), orders


def jittered(images: Tensor, factors: Tensor, orders: Tensor, first: int = 0) -> Tensor:
    """Brightness, contrast, saturation and hue of RGB bytes by their factors, in the order of their block; then grey.

    torchvision draws an order for each image. Here `BLOCK` neighbours of the whole batch share one: each order is as
    likely for an image, and there is no need to sort them.

    Args:
        images: (sample, 3, height, width) of uint8.
        factors: (sample, 5): of brightness, contrast, saturation, turn of the hue; the last is 0 for a grey image.
        orders: (block, 4) of the whole batch.
        first: place of the first image in the whole batch.

    Raises:
        InputError: a turn of the hue by more than a sixth of the circle.
    """
    if len(factors) and float(most := factors[:, 3].abs().max()) > 1 / 6 + 1e-6:
        raise InputError(f"a hue turns by 1/6 of the circle at most, not {float(most):.3g}")
    found = torch.empty_like(images)
    here = factors[..., None, None, None].to(images.device)
    for block in range(first // BLOCK, -(-(first + len(images)) // BLOCK)):
        rows = slice(max(block * BLOCK - first, 0), (block + 1) * BLOCK - first)
        seen = images[rows].float()  # a copy, as they are bytes
        for operation in orders[block].tolist():
            seen = OPERATIONS[operation](seen, here[rows, operation])
        found[rows] = stored(seen, images)
    grey = (factors[:, 4] == 0).nonzero().flatten().to(images.device)
    return found.index_copy_(0, grey, luma(found[grey]).byte().expand(-1, 3, -1, -1))
