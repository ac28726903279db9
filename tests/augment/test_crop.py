"""Random resized crops: where the rectangles lie, and that Pillow enlarges them in the same way."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from PIL import Image

from spacewise.augment.crop import ATTEMPTS, boxes, resized, sampled

BOXES = [(0, 0, 12, 12), (3, 1, 5, 7), (0, 4, 12, 8), (11, 11, 1, 1), (2, 0, 10, 3), (0, 0, 1, 12)]


def noise(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def by_pillow(image: torch.Tensor, box: list[int]) -> np.ndarray:
    """One image (3, height, width), cut and enlarged as torchvision does it with Pillow images."""
    top, left, height, width = box
    opened = Image.fromarray(image.permute(1, 2, 0).numpy())
    cut = opened.crop((left, top, left + width, top + height))
    return np.asarray(cut.resize(opened.size, Image.Resampling.BILINEAR)).transpose(2, 0, 1)


@pytest.mark.parametrize("size", [(12, 12), (12, 31), (60, 60), (64, 45)])
def test_as_pillow_to_one_grey_level(size: tuple[int, int]) -> None:
    images = noise(40, 3, *size)
    drawn = boxes(34, *size, torch.Generator().manual_seed(1))
    rectangles = torch.cat([torch.tensor(BOXES), drawn])
    seen = resized(images, rectangles)
    assert seen.dtype == torch.uint8
    wanted = np.stack([by_pillow(*each) for each in zip(images, rectangles.tolist(), strict=True)])
    # Pillow rounds to bytes between the two axes as well
    assert np.abs(seen.numpy().astype(int) - wanted).max() <= 1


def test_floats_as_pillow_without_rounding() -> None:
    images = 1e4 * torch.randn(len(BOXES), 1, 12, 12, generator=torch.Generator().manual_seed(0))
    seen = resized(images, torch.tensor(BOXES))
    assert seen.dtype == torch.float32
    for image, (top, left, height, width), found in zip(images, BOXES, seen, strict=True):
        cut = Image.fromarray(image[0].numpy()).crop((left, top, left + width, top + height))
        wanted = np.asarray(cut.resize((12, 12), Image.Resampling.BILINEAR))
        np.testing.assert_allclose(found[0], wanted, atol=0.2)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_the_whole_image_stays_as_it_is(dtype: torch.dtype) -> None:
    images = noise(20, 2, 24, 31).to(dtype)
    torch.testing.assert_close(resized(images, torch.tensor([[0, 0, 24, 31]] * 20)), images, atol=1e-2, rtol=0)


def test_the_chosen_are_mirrored_after_the_crop() -> None:
    images, chosen = noise(20, 3, 18, 18), torch.arange(20) % 3 == 0
    rectangles = boxes(20, 18, 18, torch.Generator().manual_seed(2))
    plain, seen = resized(images, rectangles), resized(images, rectangles, chosen)
    assert torch.equal(seen[~chosen], plain[~chosen])
    assert (seen[chosen].int() - plain[chosen].flip(3).int()).abs().max() <= 1


def test_areas_and_ratios_are_within_their_ranges() -> None:
    height = width = 600
    top, left, tall, wide = boxes(4000, height, width, torch.Generator().manual_seed(0)).double().unbind(1)
    areas, ratios = tall * wide / (height * width), wide / tall
    assert 0.199 <= float(areas.min()) < 0.21
    assert 0.97 < float(areas.max()) <= 1
    assert 0.745 <= float(ratios.min()) < 0.76
    assert 1.32 < float(ratios.max()) <= 1.34
    assert abs(float(ratios.log().mean())) < 0.01
    small = areas < 0.5  # rectangles that always fit: uniform in area
    assert abs(float(areas[small].mean()) - 0.35) < 0.01
    assert int(top.min()) == 0
    assert int((top + tall).max()) == height
    assert int((left + wide).max()) == width


@pytest.mark.parametrize(("height", "width"), [(40, 400), (400, 40), (7, 5), (1, 1), (1, 30)])
def test_rectangles_lie_within_images_of_any_form(height: int, width: int) -> None:
    top, left, tall, wide = boxes(500, height, width, torch.Generator().manual_seed(0)).unbind(1)
    assert int(torch.stack([top, left]).min()) >= 0
    assert int(torch.stack([tall, wide]).min()) >= 1
    assert int((top + tall).max()) <= height
    assert int((left + wide).max()) <= width


def test_where_no_rectangle_fits_it_is_the_largest_in_the_middle() -> None:
    assert boxes(3, 30, 300, torch.Generator().manual_seed(0), area=(1.0, 1.0)).tolist() == [[0, 130, 30, 40]] * 3
    assert boxes(3, 300, 30, torch.Generator().manual_seed(0), area=(1.0, 1.0)).tolist() == [[130, 0, 40, 30]] * 3
    whole = boxes(3, 30, 30, torch.Generator().manual_seed(0), area=(1.5, 1.5))
    assert whole.tolist() == [[0, 0, 30, 30]] * 3


def test_the_first_attempt_that_fits_is_taken() -> None:
    """As torchvision's loop over attempts, from the same numbers."""
    generator = torch.Generator().manual_seed(5)
    found = boxes(50, 40, 50, generator)
    generator.manual_seed(5)
    draws = torch.rand(50, ATTEMPTS, 2, generator=generator).tolist()
    low, high = math.log(3 / 4), math.log(4 / 3)
    for attempts, (_, _, tall, wide) in zip(draws, found.tolist(), strict=True):
        sides = []
        for first, second in attempts:
            area, ratio = 40 * 50 * (0.2 + 0.8 * first), math.exp(low + (high - low) * second)
            sides.append((round(math.sqrt(area / ratio)), round(math.sqrt(area * ratio))))
        assert (tall, wide) == next((side for side in sides if side[0] <= 40 and side[1] <= 50), (40, 50))


def test_beyond_the_border_the_image_goes_on_as_there() -> None:
    image = torch.arange(4.0).reshape(1, 1, 1, 4).expand(1, 1, 4, 4)
    across = torch.tensor([-2.0, 0.5, 3.0, 9.0])[None, None]
    seen = sampled(image, across, torch.zeros(1, 4, 1))
    torch.testing.assert_close(seen[0, 0, 0], torch.tensor([0.0, 0.5, 3.0, 3.0]))
