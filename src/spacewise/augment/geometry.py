"""Shifts, mirroring and cut-outs of whole batches, on their device, from an explicit generator."""

from __future__ import annotations

import torch
from torch import Tensor

from spacewise.errors import InputError


def mirrored(images: Tensor, margin: int) -> Tensor:
    """Images with `margin` pixels more on each side, mirrored about the edge pixel.

    By flipped slices: on bytes 24 times as fast as gathering by index.
    """
    if margin == 0:
        return images
    for axis in (2, 3):
        before = images.narrow(axis, 1, margin).flip(axis)
        after = images.narrow(axis, images.shape[axis] - margin - 1, margin).flip(axis)
        images = torch.cat([before, images, after], dim=axis)
    return images


def check_shift(images: Tensor, limit: int) -> None:
    """Raises `InputError` where mirrored edges cannot fill a shift of `limit` pixels."""
    height, width = images.shape[-2:]
    if not 0 <= limit < min(height, width):
        raise InputError(f"shift must be 0 to {min(height, width) - 1} pixels for {height} x {width}, not {limit}")


def translate(images: Tensor, offsets: Tensor, limit: int) -> Tensor:
    """Shifts each image by its own offset, with mirrored edges (Wang et al., section III-A).

    The batch is padded once; each result is one window of the view of all windows, so that nothing but
    the result is copied.

    Args:
        images: (sample, band, height, width), any type.
        offsets: (sample, 2) whole pixels down and right, between -limit and limit.
        limit: the largest shift in pixels, below height and width.

    Raises:
        InputError: the limit is negative, or not below the size of the images.
    """
    check_shift(images, limit)
    height, width = images.shape[-2:]
    if limit == 0:
        return images
    if len(offsets) and int(offsets.abs().max()) > limit:
        raise InputError(f"an offset of {int(offsets.abs().max())} pixels is beyond the limit of {limit}")
    padded = mirrored(images, limit)
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)
    start = limit - offsets.to(images.device)
    return windows[torch.arange(len(images), device=images.device), :, start[:, 0], start[:, 1]]


def offsets(samples: int, limit: int, generator: torch.Generator) -> Tensor:
    """Uniform whole-pixel shifts (sample, 2) from -limit to limit."""
    return torch.randint(-limit, limit + 1, (samples, 2), generator=generator)


def copies(samples: int, number: int, limit: int, seed: int) -> Tensor:
    """Offsets (sample, 1 + number, 2) of each sample and its fixed translated copies; the first is zero."""
    generator = torch.Generator().manual_seed(seed)
    shifts = offsets(samples * number, limit, generator).reshape(samples, number, 2)
    return torch.cat([torch.zeros(samples, 1, 2, dtype=torch.long), shifts], dim=1)


def flips(samples: int, generator: torch.Generator) -> Tensor:
    """Which of the samples are mirrored: bool (sample,), half of them on average."""
    return torch.rand(samples, generator=generator) < 0.5


def mirror(images: Tensor, chosen: Tensor) -> Tensor:
    """Mirrors the chosen images (sample, band, height, width) left to right."""
    both = torch.cat([images, images.flip(3)])  # three times as fast as choosing pixel by pixel
    rows = torch.arange(len(images)) + len(images) * chosen
    return both.index_select(0, rows.to(images.device))


def crops(samples: int, smallest: float, generator: torch.Generator) -> Tensor:
    """Random squares (sample, 3): side as a share of the image's, from `smallest` to 1, left and top edge."""
    side = smallest + (1 - smallest) * torch.rand(samples, generator=generator)
    corners = torch.rand(samples, 2, generator=generator) * (1 - side)[:, None]
    return torch.cat([side[:, None], corners], dim=1)


def enlarge(images: Tensor, squares: Tensor) -> Tensor:
    """Cuts one square out of each image and enlarges it to the image's size, bilinearly.

    Args:
        images: (sample, band, height, width), any type.
        squares: (sample, 3) side, left, top, as shares of the image's sides; as from `crops`.

    Returns:
        float32, of the images' shape.
    """
    side, left, top = squares.to(images.device).unbind(1)
    zero = torch.zeros_like(side)
    # in the coordinates of the grid, the image reaches from -1 to 1
    rows = [torch.stack([side, zero, 2 * left + side - 1], 1), torch.stack([zero, side, 2 * top + side - 1], 1)]
    grid = torch.nn.functional.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
    return torch.nn.functional.grid_sample(images.float(), grid, padding_mode="border", align_corners=False)
