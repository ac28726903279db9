"""Cut-outs: a square of each image is filled with one value."""

from __future__ import annotations

import torch
from torch import Tensor

from spacewise.augment.blocks import stored

SHARE = 16 / 60  # of the image's shorter side: 16 pixels at 60
GREY = 127


def cutout_side(height: int, width: int) -> int:
    """Side of the square in pixels, for images of this size; an even number, as it has as much on both sides."""
    return 2 * max(1, round(SHARE * min(height, width) / 2))


def centres(samples: int, height: int, width: int, generator: torch.Generator) -> Tensor:
    """Uniform pixels (sample, 2), row and column, about which the squares lie."""
    size = torch.tensor([height, width])
    return (torch.rand(samples, 2, generator=generator) * size).long().minimum(size - 1)


def cutout(images: Tensor, middles: Tensor, side: int, fill: float | Tensor = GREY) -> Tensor:
    """Fills a square about a pixel of each image; beyond the edges it is cut off (DeVries and Taylor 2017).

    Args:
        images: (sample, band, height, width), any type.
        middles: (sample, 2) row and column of the pixel, as from `centres`.
        side: of the square in pixels, even.
        fill: one value, or those of the bands (sample, band).

    Returns:
        of the images' shape and type; the input stays as it is.
    """
    reach = torch.arange(-(side // 2), side // 2, device=images.device)
    rows, columns = (middles.to(images.device)[:, axis, None] + reach for axis in (0, 1))
    # beyond the edge the edge is filled, which lies in the square as well
    rows, columns = rows.clamp(0, images.shape[2] - 1), columns.clamp(0, images.shape[3] - 1)
    sample = torch.arange(len(images), device=images.device)[:, None, None]
    values = torch.as_tensor(fill, dtype=images.dtype, device=images.device)
    found = images.clone()
    found[sample, :, rows[:, :, None], columns[:, None, :]] = values[:, None, None] if values.ndim else values
    return found


def means(images: Tensor) -> Tensor:
    """Mean of each band of each image (sample, band), of the images' type; bytes are rounded."""
    return stored(images.float().mean(dim=(2, 3)), images)
