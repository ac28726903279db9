"""Rotation, shear and translation of whole batches, pixel for pixel as Pillow's nearest neighbour.

Every function is pure: images (sample, band, height, width) of uint8 or float32 and a parameter for each sample
(sample,) -> the same shape, type and device. What comes from outside the image is 0. Each pixel takes the value
at the place its centre comes from, in Pillow's fixed-point numbers (16 bits after the point); the signs are those
of `Image.rotate` and `Image.transform(…, AFFINE, …)`, which map the result's pixels to the image's.
"""

from __future__ import annotations

import torch
from torch import Tensor

from spacewise.augment.colours import per_sample

POINT = 16  # bits after the point
SHORT = 2**13  # pixels a side up to which places fit into 32 bits, which are faster


def rotate(images: Tensor, degrees: Tensor) -> Tensor:
    """Turns each image about its centre by whole degrees, counter-clockwise.

    Raises:
        InputError: images of another form or type, not one whole number of degrees a sample.
    """
    turn = torch.deg2rad(per_sample("rotate", images, degrees, whole=True).cpu().double() % 360)
    cos, sin = turn.cos(), -turn.sin()
    across, down = images.shape[3] / 2, images.shape[2] / 2
    columns = _fixed(images, cos, sin, cos * -across + sin * -down + across)
    rows = _fixed(images, -sin, cos, -sin * -across + cos * -down + down)
    return _pick(images, rows, columns)


def shear_x(images: Tensor, slopes: Tensor) -> Tensor:
    """Moves row y to the left by `slope * (y + 1/2)` pixels.

    Raises:
        InputError: images of another form or type, not one slope a sample.
    """
    slope = per_sample("shear_x", images, slopes).cpu().double()
    return _pick(images, _rows(images), _fixed(images, torch.ones_like(slope), slope, torch.zeros_like(slope)))


def shear_y(images: Tensor, slopes: Tensor) -> Tensor:
    """Moves column x up by `slope * (x + 1/2)` pixels.

    Raises:
        InputError: images of another form or type, not one slope a sample.
    """
    slope = per_sample("shear_y", images, slopes).cpu().double()
    return _pick(images, _fixed(images, slope, torch.ones_like(slope), torch.zeros_like(slope)), _columns(images))


def translate_x(images: Tensor, pixels: Tensor) -> Tensor:
    """Moves each image to the left by whole pixels, to the right where they are negative.

    Raises:
        InputError: images of another form or type, not one whole number of pixels a sample.
    """
    moved = per_sample("translate_x", images, pixels, whole=True).to(images.device).view(-1, 1, 1)
    return _pick(images, _rows(images), _columns(images) + moved)


def translate_y(images: Tensor, pixels: Tensor) -> Tensor:
    """Moves each image up by whole pixels, down where they are negative.

    Raises:
        InputError: images of another form or type, not one whole number of pixels a sample.
    """
    moved = per_sample("translate_y", images, pixels, whole=True).to(images.device).view(-1, 1, 1)
    return _pick(images, _rows(images) + moved, _columns(images))


def _rows(images: Tensor) -> Tensor:
    return torch.arange(images.shape[2], device=images.device).view(1, -1, 1)


def _columns(images: Tensor) -> Tensor:
    return torch.arange(images.shape[3], device=images.device).view(1, 1, -1)


def _fixed(images: Tensor, across: Tensor, down: Tensor, start: Tensor) -> Tensor:
    """Where pixels come from on one axis, (sample, height, width): floor of across * x + down * y + start.

    The three, (sample,) in float64, are rounded to fixed-point numbers at the centre of the first pixel, as in
    Pillow; every step from there is a sum of whole numbers.
    """
    first = start + across * 0.5 + down * 0.5
    kind = torch.int32 if max(images.shape[2:]) <= SHORT else torch.int64
    steps = [(value * 2**POINT + 0.5).floor().to(images.device, kind).view(-1, 1, 1) for value in (across, down, first)]
    rows, columns = (steps[1] * _rows(images) + steps[2]).to(kind), (steps[0] * _columns(images)).to(kind)
    return (columns + rows) >> POINT


def _pick(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """The pixels at rows and columns, whole numbers that broadcast to (sample, height, width); 0 outside."""
    samples, bands, height, width = images.shape
    if images.numel() == 0:
        return images
    down, across = rows.clamp(0, height - 1), columns.clamp(0, width - 1)
    outside = (down != rows) | (across != columns)
    places = torch.add(across, down, alpha=width).long()
    places = places.expand(samples, height, width).flatten(1)[:, None].expand(-1, bands, -1)
    picked = images.flatten(2).gather(2, places).view_as(images)
    return picked.masked_fill_(outside[:, None], 0)
