"""A batch in pieces that lie in the processor's cache while they pass from one operation to the next."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

BLOCK = 8  # samples


def by_blocks(function: Callable[..., Tensor], images: Tensor, *draws: Tensor) -> Tensor:
    """`function(images, *draws)` of a few samples at a time on a CPU, of all together elsewhere.

    Args:
        images: (sample, band, height, width).
        draws: each (sample, …).
    """
    if images.device.type != "cpu" or len(images) <= BLOCK:
        return function(images, *draws)
    return torch.cat([function(*part) for part in zip(*(each.split(BLOCK) for each in (images, *draws)))])


def stored(values: Tensor, images: Tensor) -> Tensor:
    """Floats as the images' type, in place: bytes are rounded (from 0 to 255, as they came).

    By way of two bytes: from floats to those, and from those to one, takes a third of the direct conversion.
    """
    return values if images.is_floating_point() else values.round_().short().to(images.dtype)
