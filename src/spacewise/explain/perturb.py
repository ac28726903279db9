"""Images of which the most important pixels are gone, or of which only those are left."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

BLUR_SIDE, BLUR_DEVIATION, BLUR_IMAGE = 11, 5.0, 224  # of RISE, in pixels


def ranked(maps: Tensor) -> Tensor:
    """Place of each pixel when the largest value comes first: int32 (sample, pixel). Ties go by pixel index."""
    order = maps.flatten(1).argsort(dim=1, descending=True, stable=True)
    places = torch.arange(order.shape[1], dtype=torch.int32, device=maps.device).expand_as(order)
    return torch.empty_like(places, memory_format=torch.contiguous_format).scatter_(1, order, places)


def tied(maps: Tensor) -> Tensor:
    """Share of the pixels whose value another pixel of the same map has, too: (sample,), 0 to 1."""
    values = maps.flatten(1).sort(dim=1).values
    same = values[:, 1:] == values[:, :-1]
    return (functional.pad(same, (1, 0)) | functional.pad(same, (0, 1))).double().mean(dim=1)


def blurred(images: Tensor) -> Tensor:
    """Images (sample, band, height, width) under the Gaussian of RISE (Petsiuk et al. 2018).

    RISE takes 11 x 11 pixels of deviation 5 where an image has 224: a side of s pixels takes a deviation of
    5 s / 224 and the odd number of pixels next to 11 s / 224, at least 3. Beyond the edge lie zeros.
    """
    height, width = images.shape[2:]
    rows, columns = _gaussian(height).to(images), _gaussian(width).to(images)
    bands = images.shape[1]
    kernel = (rows[:, None] * columns).expand(bands, 1, -1, -1)
    return functional.conv2d(images, kernel, padding=(len(rows) // 2, len(columns) // 2), groups=bands)


def _gaussian(side: int) -> Tensor:
    half = max(1, round((BLUR_SIDE * side / BLUR_IMAGE - 1) / 2))
    places = torch.arange(-half, half + 1) / (BLUR_DEVIATION * side / BLUR_IMAGE)
    weights = torch.exp(-(places**2) / 2)
    return weights / weights.sum()


def perturbed(pixels: Tensor, substrate: Tensor, ranks: Tensor, counts: Tensor, *, insert: bool) -> Tensor:
    """One image for each (sample, count): the first `count` pixels inserted into the substrate, or deleted.

    Args:
        pixels, substrate: (sample, band, height, width); the substrate may have one sample for all.
        ranks: (sample, pixel), `ranked`.
        counts: (sample,) pixels that are inserted or deleted.

    Returns:
        (sample, band, height, width), channels last in memory.
    """
    height, width = pixels.shape[2:]
    changed = (ranks < counts[:, None]).view(-1, 1, height, width)
    found = torch.where(changed if insert else ~changed, pixels, substrate)
    return found.contiguous(memory_format=torch.channels_last)
