"""Random resized crops: a rectangle of whole pixels is cut out of each image and enlarged to the image's size."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from spacewise.augment.blocks import by_blocks, stored

AREA, RATIO = (0.2, 1.0), (3 / 4, 4 / 3)
ATTEMPTS = 10  # rectangles drawn for each image, of which the first that fits is taken


def boxes(
    samples: int,
    height: int,
    width: int,
    generator: torch.Generator,
    *,
    area: tuple[float, float] = AREA,
    ratio: tuple[float, float] = RATIO,
) -> Tensor:
    """Random rectangles (sample, 4) in whole pixels: top, left, height, width (Szegedy et al. 2015, section 6).

    The area is uniform in `area` as a share of the image's, width over height log-uniform in `ratio`. Of ten
    rectangles the first counts that fits into the image; where none does, the largest in the middle.
    """
    low, high = math.log(ratio[0]), math.log(ratio[1])
    draws = torch.rand(samples, ATTEMPTS, 2, generator=generator)
    areas = height * width * (area[0] + (area[1] - area[0]) * draws[..., 0])
    ratios = torch.exp(low + (high - low) * draws[..., 1])
    sides = torch.stack([(areas / ratios).sqrt(), (areas * ratios).sqrt()], 2).round().long().clamp(min=1)
    fits = (sides[..., 0] <= height) & (sides[..., 1] <= width)
    chosen = sides[torch.arange(samples), fits.int().argmax(1)]
    room = torch.tensor([height, width]) - chosen
    corners = (torch.rand(samples, 2, generator=generator) * (room + 1)).long().minimum(room)
    found = torch.cat([corners, chosen], 1)
    return torch.where(fits.any(1, keepdim=True), found, _middle(height, width, ratio))


def _middle(height: int, width: int, ratio: tuple[float, float]) -> Tensor:
    """The largest rectangle (4,) in the middle of an image whose width over height is within `ratio`."""
    tall = min(height, max(1, round(width / ratio[0])))
    wide = min(width, max(1, round(height * ratio[1])))
    return torch.tensor([(height - tall) // 2, (width - wide) // 2, tall, wide])


def resized(images: Tensor, rectangles: Tensor, mirrored: Tensor | None = None) -> Tensor:
    """Cuts one rectangle out of each image and enlarges it to the image's size, bilinearly.

    As Pillow does it, which sees nothing beyond the rectangle; bytes are rounded.

    Args:
        images: (sample, band, height, width), bytes or floats.
        rectangles: (sample, 4) top, left, height, width in pixels; as from `boxes`.
        mirrored: which of the results are mirrored left to right: bool (sample,); none if left out.

    Returns:
        of the images' shape and type.
    """
    top, left, tall, wide = rectangles[:, :, None].float().unbind(1)
    height, width = images.shape[2:]
    rows, columns = top + _places(height, tall), left + _places(width, wide)
    if mirrored is not None:
        columns = torch.where(mirrored[:, None], columns.flip(1), columns)
    return sampled(images, columns[:, None, :], rows[:, :, None])


def _places(size: int, side: Tensor) -> Tensor:
    """Where the `size` pixels of the result lie in a rectangle of this side (sample, 1), in its pixels."""
    return ((torch.arange(size) + 0.5) * side / size - 0.5).clamp(min=0).minimum(side - 1)


def sampled(images: Tensor, across: Tensor, down: Tensor) -> Tensor:
    """Bilinear values at places in pixels, each (sample, height, width) or of size 1 along an axis.

    Beyond the border the image goes on as there. Of the images' shape and type; bytes are rounded.
    """
    height, width = images.shape[2:]
    # in the coordinates of the grid, the image reaches from -1 to 1
    places = ((2 * across + 1) / width - 1, (2 * down + 1) / height - 1)
    return by_blocks(_sampled, images, *(each.to(images.device) for each in places))


def _sampled(images: Tensor, across: Tensor, down: Tensor) -> Tensor:
    # one sum of complex numbers lays out the pairs faster than stacking
    grid = torch.view_as_real(across + 1j * down)
    seen = torch.nn.functional.grid_sample(images.float(), grid, padding_mode="border", align_corners=False)
    return stored(seen, images)
