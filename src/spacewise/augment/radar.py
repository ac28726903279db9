"""What may vary between two radar images of one object: speckle, gain, place and a few degrees of aspect."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from spacewise.augment.blocks import by_blocks, stored
from spacewise.augment.crop import sampled


def looks(samples: int, fewest: int, most: int, generator: torch.Generator) -> Tensor:
    """Uniform whole numbers of looks (sample,) from `fewest` to `most`."""
    return torch.randint(fewest, most + 1, (samples,), generator=generator)


def speckle_factors(numbers: Tensor, height: int, width: int, generator: torch.Generator) -> Tensor:
    """Fully developed speckle of an intensity (sample, 1, height, width): mean 1, variance 1 / looks, gamma.

    Args:
        numbers: (sample,) of looks.
    """
    shape = numbers.float()[:, None, None, None].expand(-1, 1, height, width)
    # torch.distributions draws from the global generator; what it calls takes one
    return torch._standard_gamma(shape.contiguous(), generator=generator) / shape


def speckled(images: Tensor, factors: Tensor) -> Tensor:
    """Magnitudes, or parts of complex values, times the root of the factors of the intensity: its mean is kept.

    One factor a pixel for all bands, so that phases and the ratio of channels stay. Values that are stored as
    intensities get a milder speckle by this: a variance of about 1 / (4 looks).

    Args:
        images: (sample, band, height, width), bytes (cut off at 255) or floats (of either sign).
        factors: (sample, 1, height, width), as from `speckle_factors`.
    """
    return by_blocks(_times, images, factors.sqrt().to(images.device))


def gains(samples: int, most: float, generator: torch.Generator) -> Tensor:
    """Factors (sample,) from 1 / most to most, log-uniform."""
    return torch.exp(math.log(most) * (2 * torch.rand(samples, generator=generator) - 1))


def amplified(images: Tensor, factors: Tensor) -> Tensor:
    """Each image (sample, band, height, width) times its factor (sample,); bytes are rounded and cut off at 255."""
    return by_blocks(_times, images, factors[:, None, None, None].to(images.device))


def angles(samples: int, most: float, generator: torch.Generator) -> Tensor:
    """Uniform degrees (sample,) from -most to most."""
    return most * (2 * torch.rand(samples, generator=generator) - 1)


def rotated(images: Tensor, degrees: Tensor) -> Tensor:
    """Turns each image about its middle, bilinearly, counter-clockwise; beyond the border it goes on as there.

    Args:
        images: (sample, band, height, width), bytes (rounded) or floats.
        degrees: (sample,).

    Returns:
        of the images' shape and type.
    """
    turn = torch.deg2rad(degrees.float())[:, None, None]
    height, width = images.shape[2:]
    down = (torch.arange(height) - (height - 1) / 2)[:, None]
    across = torch.arange(width) - (width - 1) / 2
    left = turn.cos() * across - turn.sin() * down + (width - 1) / 2
    top = turn.sin() * across + turn.cos() * down + (height - 1) / 2
    return sampled(images, left, top)


def _times(images: Tensor, factors: Tensor) -> Tensor:
    seen = images.float() * factors
    return seen if images.is_floating_point() else stored(seen.clamp_(0, 255), images)
