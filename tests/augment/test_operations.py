"""RandAugment's operations against Pillow, bit for bit; on bytes of any number of bands and on floats."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor

from spacewise.augment.colours import (
    autocontrast,
    brightness,
    color,
    contrast,
    equalize,
    identity,
    posterize,
    sharpness,
    solarize,
)
from spacewise.augment.operations import BANDS, EIGHT_BITS, OPERATIONS, OPTICAL
from spacewise.augment.warps import rotate, shear_x, shear_y, translate_x, translate_y
from spacewise.errors import InputError

Picture = Image.Image


def affine(picture: Picture, *numbers: float) -> Picture:
    return picture.transform(picture.size, Image.Transform.AFFINE, numbers)


FACTORS = [0.0, 0.05, 0.14, 0.5, 0.86, 0.95, 1.0, 1.3, 1.9, 4.0, -0.5]
SLOPES = [0.0, 0.03, -0.03, 0.12, 0.27, -0.3, 0.3, 0.5, 1.0, -1.7]
PIXELS = [0, 1, -1, 7, -16, 33, 47, -60, 100]

# ours, Pillow's, and the values to try
PLAIN: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Picture], Picture]]] = {
    "autocontrast": (autocontrast, ImageOps.autocontrast),
    "equalize": (equalize, ImageOps.equalize),
    "identity": (identity, lambda picture: picture),
}
VALUED: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], Callable[[Picture, float], Picture], list]] = {
    "brightness": (brightness, lambda picture, value: ImageEnhance.Brightness(picture).enhance(value), FACTORS),
    "color": (color, lambda picture, value: ImageEnhance.Color(picture).enhance(value), FACTORS),
    "contrast": (contrast, lambda picture, value: ImageEnhance.Contrast(picture).enhance(value), FACTORS),
    "posterize": (posterize, lambda picture, value: ImageOps.posterize(picture, int(value)), list(range(1, 9))),
    "rotate": (rotate, lambda picture, value: picture.rotate(value), [0, 3, -27, 45, 90, 180, -90, 360, 400]),
    "sharpness": (sharpness, lambda picture, value: ImageEnhance.Sharpness(picture).enhance(value), FACTORS),
    "shear_x": (shear_x, lambda picture, value: affine(picture, 1, value, 0, 0, 1, 0), SLOPES),
    "shear_y": (shear_y, lambda picture, value: affine(picture, 1, 0, 0, value, 1, 0), SLOPES),
    "solarize": (solarize, lambda picture, value: ImageOps.solarize(picture, int(value)), [0, 1, 26, 128, 255, 256]),
    "translate_x": (translate_x, lambda picture, value: affine(picture, 1, 0, value, 0, 1, 0), PIXELS),
    "translate_y": (translate_y, lambda picture, value: affine(picture, 1, 0, 0, 0, 1, value), PIXELS),
}
WARPS = ("rotate", "shear_x", "shear_y", "translate_x", "translate_y")
FACTORED = ("brightness", "contrast", "sharpness")


def as_pillow(images: Tensor, values: list[float], change: Callable[[Picture, float], Picture]) -> Tensor:
    """Each image (band, height, width) of one or three bands changed by Pillow, one by one."""
    found = []
    for image, value in zip(images, values, strict=True):
        pixels = image.permute(1, 2, 0).squeeze(2).numpy()
        changed = np.array(change(Image.fromarray(pixels), value)).reshape(*image.shape[1:], -1)
        found.append(torch.from_numpy(changed).permute(2, 0, 1))
    return torch.stack(found)


def pictures(height: int, width: int, bands: int = 3) -> Tensor:
    """Noise, little contrast, few levels, one bright pixel, constants, gradients; and bands that differ."""
    random = torch.Generator().manual_seed(height)

    def noise(low: int, high: int) -> Tensor:
        return torch.randint(low, high, (bands, height, width), generator=random)

    rows, columns = torch.arange(height)[:, None], torch.arange(width)
    spot = torch.zeros(bands, height, width)
    spot[:, height // 2, width // 3] = 255
    ramp = (rows * 255 // max(height - 1, 1) + 0 * columns).expand(bands, -1, -1)
    slope = torch.stack([(rows + (band + 1) * columns) % 256 for band in range(bands)])
    levels = torch.tensor([0, 77, 128, 255])
    constants = [level * torch.ones(bands, height, width) for level in levels]
    mixed = noise(0, 256) * (torch.arange(bands) % 2)[:, None, None]
    return torch.stack([noise(0, 256), noise(100, 140), noise(0, 2), spot, ramp, slope, mixed, *constants]).byte()


SIZES = [(60, 60), (33, 47)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", PLAIN)
def test_operations_without_a_parameter_as_pillow(name: str, size: tuple[int, int]) -> None:
    ours, theirs = PLAIN[name]
    for bands in (3, 1):
        images = pictures(*size, bands)
        wanted = as_pillow(images, [0] * len(images), lambda picture, _: theirs(picture))
        assert torch.equal(ours(images), wanted)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", VALUED)
def test_operations_with_a_parameter_as_pillow(name: str, size: tuple[int, int]) -> None:
    ours, theirs, values = VALUED[name]
    for bands in (3,) if name == "color" else (3, 1):
        images = pictures(*size, bands)
        each = [value for value in values for _ in images]
        images = images.repeat(len(values), 1, 1, 1)
        assert torch.equal(ours(images, torch.tensor(each)), as_pillow(images, each, theirs))


@pytest.mark.parametrize("size", [*SIZES, (64, 31)])
def test_every_whole_degree_as_pillow(size: tuple[int, int]) -> None:
    degrees = list(range(-370, 371))
    image = torch.randint(1, 256, (1, 1, *size), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    images = image.expand(len(degrees), -1, -1, -1)
    assert torch.equal(rotate(images, torch.tensor(degrees)), as_pillow(images, degrees, Image.Image.rotate))


@pytest.mark.parametrize("name", ["autocontrast", "equalize"])
@given(seed=st.integers(0, 2**30), low=st.integers(0, 255), span=st.integers(1, 256), pixels=st.integers(1, 40))
def test_stretching_as_pillow_from_any_range(name: str, seed: int, low: int, span: int, pixels: int) -> None:
    random = torch.Generator().manual_seed(seed)
    size = (3, 3, pixels, pixels + 3)
    images = torch.randint(low, min(low + span, 256), size, generator=random, dtype=torch.uint8)
    ours, theirs = PLAIN[name]
    assert torch.equal(ours(images), as_pillow(images, [0] * 3, lambda picture, _: theirs(picture)))


def test_ranges_of_all_widths_are_stretched_as_pillow_stretches_them() -> None:
    """Pillow's tables are floats, cut off: for some ranges one short of the exact quotient."""
    ends = [(low, high) for low in range(0, 255, 9) for high in range(low + 1, 256, 2)]
    low, high = torch.tensor(ends).unbind(1)
    levels = torch.arange(256).clamp(low[:, None], high[:, None])
    strips = levels.byte().view(-1, 1, 1, 256)
    found = autocontrast(strips)
    assert torch.equal(found, as_pillow(strips, [0] * len(ends), lambda picture, _: ImageOps.autocontrast(picture)))
    exact = 255 * (levels - low[:, None]) // (high - low)[:, None]
    assert (exact - found.view(-1, 256)).unique().tolist() == [0, 1]


@pytest.mark.parametrize("name", VALUED)
@given(data=st.data())
def test_any_value_on_any_size_as_pillow(name: str, data: st.DataObject) -> None:
    ours, theirs, values = VALUED[name]
    height, width = data.draw(st.integers(1, 20)), data.draw(st.integers(1, 20))
    wide = st.integers(-400, 400) if name == "rotate" else st.integers(-25, 25)
    kinds = {"posterize": st.integers(1, 8), "solarize": st.integers(0, 256)}
    number = wide if isinstance(values[0], int) else st.floats(-3, 3)
    each = data.draw(st.lists(kinds.get(name, number), min_size=2, max_size=4))
    random = torch.Generator().manual_seed(data.draw(st.integers(0, 2**30)))
    images = torch.randint(0, 256, (len(each), 3, height, width), generator=random, dtype=torch.uint8)
    kind = torch.float64 if isinstance(values[0], float) else torch.int64
    assert torch.equal(ours(images, torch.tensor(each, dtype=kind)), as_pillow(images, each, theirs))


# Strengths


def fixmatch(name: str, picture: Picture, strength: int, sign: int) -> Picture:
    """One operation on one picture as RandAugmentMC(m=10) computes it."""
    factor, slope = float(strength) * 0.9 / 10 + 0.05, sign * (float(strength) * 0.3 / 10)
    across, down = (int(slope * side) for side in picture.size)
    numbers = {
        "brightness": factor, "color": factor, "contrast": factor, "sharpness": factor,
        "posterize": int(strength * 4 / 10) + 4, "rotate": sign * int(strength * 30 / 10),
        "shear_x": slope, "shear_y": slope, "solarize": 256 - int(strength * 256 / 10),
        "translate_x": across, "translate_y": down,
    }  # fmt: skip
    return VALUED[name][1](picture, numbers[name]) if name in numbers else PLAIN[name][1](picture)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", OPTICAL)
def test_every_strength_as_fixmatch(name: str, size: tuple[int, int]) -> None:
    draws = [(strength, sign) for strength in range(1, 10) for sign in (-1, 1)]
    strengths, signs = torch.tensor(draws).unbind(1)
    images = pictures(*size)[[0, 5]].repeat_interleave(len(draws), 0)
    places = [place % len(draws) for place in range(len(images))]
    wanted = as_pillow(images, places, lambda picture, place: fixmatch(name, picture, *draws[int(place)]))
    assert torch.equal(OPERATIONS[name](images, strengths.repeat(2), signs.repeat(2)), wanted)


def test_the_pools() -> None:
    assert len(OPTICAL) == 14
    assert len(BANDS) == 10
    assert set(OPTICAL) == {*PLAIN, *VALUED} == {*BANDS, *EIGHT_BITS}


# Batches


@pytest.mark.parametrize(
    ("name", "dtype"), [(name, torch.uint8) for name in OPTICAL] + [(name, torch.float32) for name in BANDS]
)
def test_a_batch_is_what_its_images_are_and_the_input_stays(name: str, dtype: torch.dtype) -> None:
    images = pictures(12, 17).to(dtype)
    strengths, signs = torch.arange(len(images)) % 9 + 1, torch.tensor([1, -1]).repeat(6)[: len(images)]
    before = images.clone()
    batch = OPERATIONS[name](images, strengths, signs)
    assert batch.dtype == dtype
    assert torch.equal(images, before)
    for index in range(len(images)):
        one = slice(index, index + 1)
        assert torch.equal(OPERATIONS[name](images[one], strengths[one], signs[one]), batch[one])


@pytest.mark.parametrize("shape", [(0, 3, 8, 8), (2, 3, 0, 8), (2, 3, 1, 1), (2, 3, 2, 5)])
@pytest.mark.parametrize("name", OPTICAL)
def test_empty_and_tiny_images(name: str, shape: tuple[int, ...]) -> None:
    images, ones = torch.full(shape, 9, dtype=torch.uint8), torch.ones(shape[0], dtype=torch.long)
    assert OPERATIONS[name](images, ones, ones).shape == shape


@pytest.mark.parametrize("name", [name for name in OPTICAL if name not in ("color", "contrast")])
def test_bands_of_any_number_are_treated_one_by_one(name: str) -> None:
    images = pictures(14, 11, bands=5)
    strengths, signs = torch.arange(len(images)) % 9 + 1, torch.ones(len(images), dtype=torch.long)
    seen = OPERATIONS[name](images, strengths, signs)
    for band in range(5):
        assert torch.equal(OPERATIONS[name](images[:, band, None], strengths, signs), seen[:, band, None])


def test_contrast_of_five_bands_is_about_the_mean_of_all() -> None:
    images = pictures(14, 11, bands=5)
    flat = contrast(images, torch.zeros(len(images)))
    means = (images.double().mean((1, 2, 3)) + 0.5).floor()
    assert torch.equal(flat.double(), means[:, None, None, None].expand(images.shape))


# Floats: any range


def floats(bands: int = 2) -> Tensor:
    """Values far beyond 0 to 255, on both sides."""
    return 900 * torch.randn(4, bands, 13, 18, generator=torch.Generator().manual_seed(0)) - 300


@pytest.mark.parametrize("name", WARPS)
def test_floats_are_moved_as_bytes_are(name: str) -> None:
    ours, _, values = VALUED[name]
    images = pictures(21, 30)[:1].expand(len(values), -1, -1, -1)
    moved = ours(images.float() + 1000, torch.tensor(values))
    inside = ours(torch.ones_like(images), torch.tensor(values)).bool()
    assert torch.equal(moved, torch.where(inside, ours(images, torch.tensor(values)) + 1000.0, 0.0))


def test_infinite_values_do_not_leak_into_the_rim() -> None:
    images = torch.full((1, 1, 4, 4), torch.inf)
    assert translate_x(images, torch.tensor([3]))[0, 0, 0].tolist() == [torch.inf, 0, 0, 0]


@pytest.mark.parametrize("name", FACTORED)
def test_factors_on_floats_as_plain_loops(name: str) -> None:
    images, factors = floats(), torch.tensor([0.0, 0.3, 1.0, 2.5])
    exact, seen = images.double().numpy(), VALUED[name][0](images, factors)
    base = np.zeros_like(exact)
    if name == "contrast":
        base[:] = exact.mean((1, 2, 3), keepdims=True)
    if name == "sharpness":
        base = exact.copy()
        for row, column in np.ndindex(11, 16):
            block = exact[:, :, row : row + 3, column : column + 3]
            base[:, :, row + 1, column + 1] = (block.sum((2, 3)) + 4 * block[:, :, 1, 1]) / 13
    wanted = base + factors.double().numpy()[:, None, None, None] * (exact - base)
    assert seen.dtype == torch.float32
    np.testing.assert_allclose(seen, wanted, rtol=1e-5, atol=2e-3)
    assert abs(wanted).max() > 2000


def test_autocontrast_gives_each_band_of_floats_the_range_of_the_image() -> None:
    images = floats(3) * torch.tensor([1.0, 0.01, 0.0])[:, None, None] + torch.tensor([0.0, 50.0, 7.0])[:, None, None]
    seen = autocontrast(images)
    low, high = images.amin((1, 2, 3)), images.amax((1, 2, 3))
    for band in (0, 1):
        torch.testing.assert_close(seen[:, band].amin((1, 2)), low)
        torch.testing.assert_close(seen[:, band].amax((1, 2)), high)
        torch.testing.assert_close(seen[:, band].flatten(1).argsort(1), images[:, band].flatten(1).argsort(1))
    assert torch.equal(seen[:, 2], images[:, 2])  # constant
    assert torch.equal(autocontrast(floats(1)), floats(1))


# Bad input


@pytest.mark.parametrize("name", EIGHT_BITS)
def test_floats_are_refused_where_grey_levels_are_needed(name: str) -> None:
    ones = torch.ones(4, dtype=torch.long)
    with pytest.raises(InputError, match=rf"^{name} .*uint8, not torch.float32"):
        OPERATIONS[name](floats(3), ones, ones)


def test_color_of_other_than_three_bands_is_refused() -> None:
    with pytest.raises(InputError, match="color needs the 3 bands red, green, blue, not 4"):
        color(torch.zeros(1, 4, 8, 8, dtype=torch.uint8), torch.ones(1))


@pytest.mark.parametrize("name", OPTICAL)
@pytest.mark.parametrize(
    ("images", "line"),
    [
        (torch.zeros(3, 8, 8, dtype=torch.uint8), r"\(sample, band, height, width\), not \(3, 8, 8\)"),
        (torch.zeros(2, 3, 8, 8, dtype=torch.int32), "must be uint8 or float32, not torch.int32"),
    ],
)
def test_images_of_another_form_are_refused(name: str, images: Tensor, line: str) -> None:
    ones = torch.ones(len(images), dtype=torch.long)
    with pytest.raises(InputError, match=line) as caught:
        PLAIN[name][0](images) if name in PLAIN else VALUED[name][0](images, ones)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", VALUED)
@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 1)])
def test_other_than_one_parameter_a_sample_is_refused(name: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=rf"{name}: one parameter a sample is expected, \(2,\), not"):
        VALUED[name][0](torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.ones(shape, dtype=torch.long))


@pytest.mark.parametrize("name", ["posterize", "rotate", "solarize", "translate_x", "translate_y"])
def test_fractions_are_refused_where_whole_numbers_are_needed(name: str) -> None:
    with pytest.raises(InputError, match=rf"{name}: the parameter must be of a whole-number type"):
        VALUED[name][0](torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.ones(2))


@pytest.mark.parametrize("bits", [0, 9])
def test_other_than_one_to_eight_bits_are_refused(bits: int) -> None:
    with pytest.raises(InputError, match=f"posterize keeps 1 to 8 bits, not {min(bits, 4)} to {max(bits, 4)}"):
        posterize(torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.tensor([4, bits]))
