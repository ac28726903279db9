"""RandAugment's operations on grey levels, for whole batches: bytes as Pillow computes them, float32 of any range.

Every function is pure: images (sample, band, height, width) of
uint8 or float32, and where it has one, a parameter for each sample (sample,); the result has the images' shape,
type and device. uint8 of three bands gives, bit for bit, what Pillow's `ImageOps` and `ImageEnhance` give for RGB;
any other number of bands is treated band by band. float32 is never clamped.
"""

from __future__ import annotations

import torch
from torch import Tensor

from spacewise.errors import InputError

LUMA = (19595, 38470, 7471)  # of red, green, blue, in 65536ths: ITU-R 601 as Pillow rounds it
LEVELS = 256


def per_sample(name: str, images: Tensor, values: Tensor, *, whole: bool = False) -> Tensor:
    """Checks images and the parameter of each sample; returns the parameters as they came.

    Raises:
        InputError: not four axes, neither uint8 nor float32; parameters of another shape than (sample,), or
            that are not whole numbers where these are demanded.
    """
    _checked(name, images)
    if values.shape != (len(images),):
        raise InputError(f"{name}: one parameter a sample is expected, ({len(images)},), not {tuple(values.shape)}")
    if whole and (values.is_floating_point() or values.dtype == torch.bool):
        raise InputError(f"{name}: the parameter must be of a whole-number type such as int64, not {values.dtype}")
    return values


def identity(images: Tensor) -> Tensor:
    """The images as they are."""
    return _checked("identity", images)


def autocontrast(images: Tensor) -> Tensor:
    """Stretches each band linearly: bytes to 0 to 255, float32 to the range of all bands of its image.

    A constant band stays, and so does one of float32 that has the range of its image already: a single one always.

    Raises:
        InputError: images of another form or type.
    """
    flat = _checked("autocontrast", images).flatten(2)
    if flat.numel() == 0:
        return images
    low, high = flat.amin(2, keepdim=True), flat.amax(2, keepdim=True)
    if images.dtype == torch.uint8:
        return _look_up(_stretched(low.double(), high.double()), flat.long()).view_as(images)
    bottom, top = low.amin(1, keepdim=True), high.amax(1, keepdim=True)
    span = torch.where(high > low, high - low, 1.0)
    seen = (flat - low) * ((top - bottom) / span) + bottom
    stays = (high == low) | ((low == bottom) & (high == top))
    return torch.where(stays, flat, seen).view_as(images)


def brightness(images: Tensor, factors: Tensor) -> Tensor:
    """Images times a factor for each sample: 0 is black, 1 the image.

    Raises:
        InputError: images of another form or type, not one factor a sample.
    """
    scale = _factors("brightness", images, factors)
    return _as_bytes(images * scale) if images.dtype == torch.uint8 else images * scale


def color(images: Tensor, factors: Tensor) -> Tensor:
    """Blends each image with its grey picture: factor 0 is grey, 1 the image. Bytes of three bands (RGB) alone.

    Raises:
        InputError: float32, other than three bands, not one factor a sample.
    """
    _bytes("color", images)
    if images.shape[1] != 3:
        raise InputError(f"color needs the 3 bands red, green, blue, not {images.shape[1]}")
    return _blend(luma(images), images, _factors("color", images, factors))


def contrast(images: Tensor, factors: Tensor) -> Tensor:
    """Blends each image with its mean grey level: factor 0 is that level everywhere, 1 the image.

    The level is, for bytes of three bands, the rounded mean of the grey picture; for bytes of any other number of
    bands the rounded mean over all bands and pixels; for float32 that mean, not rounded.

    Raises:
        InputError: images of another form or type, not one factor a sample.
    """
    scale = _factors("contrast", images, factors)
    if images.dtype != torch.uint8:
        return _blend(images.mean((1, 2, 3), keepdim=True), images, scale)
    grey = luma(images) if images.shape[1] == 3 else images
    pixels = max(grey.shape[1:].numel(), 1)
    level = (2 * grey.sum((1, 2, 3), keepdim=True) + pixels) // (2 * pixels)
    return _blend(level, images, scale)


def equalize(images: Tensor) -> Tensor:
    """Spreads the grey levels of each band so that all are about equally frequent. Bytes alone.

    Raises:
        InputError: float32, images of another form.
    """
    levels = _bytes("equalize", images).flatten(2).long()
    samples, bands, pixels = levels.shape
    if levels.numel() == 0:
        return images
    places = levels + LEVELS * torch.arange(samples * bands, device=images.device).view(samples, bands, 1)
    counts = torch.bincount(places.flatten(), minlength=samples * bands * LEVELS).view(samples, bands, LEVELS)
    brightest = counts.gather(2, levels.amax(2, keepdim=True))
    step = (pixels - brightest) // (LEVELS - 1)
    spread = (step // 2 + counts.cumsum(2) - counts) // step.clamp(min=1)
    # too few pixels for a step, a constant band among them: Pillow leaves the band alone
    tables = torch.where(step > 0, spread.clamp(max=LEVELS - 1), torch.arange(LEVELS, device=images.device))
    return _look_up(tables.byte(), levels).view_as(images)


def posterize(images: Tensor, bits: Tensor) -> Tensor:
    """Keeps the leading bits of each grey level, 1 to 8, a number for each sample. Bytes alone.

    Raises:
        InputError: float32, images of another form, not one whole number of bits a sample, bits outside 1 to 8.
    """
    kept = per_sample("posterize", _bytes("posterize", images), bits, whole=True)
    if len(kept) and not 1 <= int(kept.min()) <= int(kept.max()) <= 8:
        raise InputError(f"posterize keeps 1 to 8 bits, not {int(kept.min())} to {int(kept.max())}")
    masks = torch.tensor([256 - 2 ** (8 - number) for number in range(9)], dtype=torch.uint8)[kept.long().cpu()]
    return images & _broadcast(masks, images)


def sharpness(images: Tensor, factors: Tensor) -> Tensor:
    """Blends each image with its smoothed picture: factor 0 is smooth, 1 the image, more is sharper.

    Smoothed by the 3 x 3 mean in which the middle weighs 5 and the others 1; the outermost pixels stay.

    Raises:
        InputError: images of another form or type, not one factor a sample.
    """
    scale = _factors("sharpness", images, factors)
    exact = images.float()
    columns = exact[..., :-2] + exact[..., 1:-1] + exact[..., 2:]
    inner = images[..., 1:-1, 1:-1]
    total = columns[..., :-2, :] + columns[..., 1:-1, :] + columns[..., 2:, :] + 4 * exact[..., 1:-1, 1:-1]
    smooth = total / 13
    if images.dtype == torch.uint8:
        smooth = smooth.round_()  # never halfway: 13 is odd
    result = images.clone()
    result[..., 1:-1, 1:-1] = _blend(smooth, inner, scale)
    return result


def solarize(images: Tensor, thresholds: Tensor) -> Tensor:
    """Inverts the grey levels from each sample's threshold on: 0 inverts all, 256 none. Bytes alone.

    Raises:
        InputError: float32, images of another form, not one whole number a sample.
    """
    limits = per_sample("solarize", _bytes("solarize", images), thresholds, whole=True).long()
    above = images > _broadcast((limits - 1).clamp(0, 255).byte(), images)
    above |= _broadcast(limits <= 0, images)
    return images ^ (above.byte() * 255)


def _checked(name: str, images: Tensor) -> Tensor:
    if images.ndim != 4:
        raise InputError(f"{name}: images must be (sample, band, height, width), not {tuple(images.shape)}")
    if images.dtype not in (torch.uint8, torch.float32):
        raise InputError(f"{name}: images must be uint8 or float32, not {images.dtype}")
    return images


def _bytes(name: str, images: Tensor) -> Tensor:
    if _checked(name, images).dtype != torch.uint8:
        raise InputError(f"{name} works on grey levels of 8 bits: images must be uint8, not {images.dtype}")
    return images


def _broadcast(values: Tensor, images: Tensor) -> Tensor:
    return values.to(images.device).view(-1, 1, 1, 1)


def _factors(name: str, images: Tensor, factors: Tensor) -> Tensor:
    return _broadcast(per_sample(name, images, factors).float(), images)


def luma(images: Tensor) -> Tensor:
    """The grey picture (sample, 1, height, width) of red, green and blue, int32."""
    red, green, blue = images.int().split(1, dim=1)
    return (LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue + 32768) >> 16


def _blend(base: Tensor, images: Tensor, factors: Tensor) -> Tensor:
    """From the base (factor 0) to the images (factor 1) and beyond; in Pillow's order of operations."""
    base = base.float()
    mixed = base + factors * (images.float() - base)
    return _as_bytes(mixed) if images.dtype == torch.uint8 else mixed


def _as_bytes(values: Tensor) -> Tensor:
    return values.clamp_(0, 255).short().byte()  # by way of two bytes: half of the direct conversion


def _stretched(low: Tensor, high: Tensor) -> Tensor:
    """Tables (sample, band, 256) that map low to 0 and high to 255, in float64 as Python computes."""
    levels = torch.arange(LEVELS, device=low.device, dtype=low.dtype)
    # a number divided by a tensor is computed as a product with the inverse, one rounding too many
    scale = torch.full_like(low, 255.0) / (high - low).clamp(min=1)
    tables = torch.where(high > low, levels * scale - low * scale, levels)
    return tables.clamp_(0, 255).byte()


def _look_up(tables: Tensor, levels: Tensor) -> Tensor:
    """Grey levels (sample, band, pixel), int64, seen through tables (sample, band, 256)."""
    return tables.gather(2, levels)
