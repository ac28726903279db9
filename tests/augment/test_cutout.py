"""Cut-outs: how large the square is, where it lies, what it is filled with."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from spacewise.augment.cutout import centres, cutout, cutout_side, means


def filled(image: np.ndarray, row: int, column: int, side: int, fill: np.ndarray | float) -> np.ndarray:
    """The same for one image (band, height, width), pixel by pixel."""
    found = image.copy()
    for y in range(row - side // 2, row + side // 2):
        for x in range(column - side // 2, column + side // 2):
            if 0 <= y < image.shape[1] and 0 <= x < image.shape[2]:
                found[:, y, x] = fill
    return found


@pytest.mark.parametrize(
    ("size", "side"), [((60, 60), 16), ((32, 32), 8), ((224, 300), 60), ((300, 64), 18), ((1, 1), 2)]
)
def test_the_side_is_scaled_to_the_image(size: tuple[int, int], side: int) -> None:
    assert cutout_side(*size) == side


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_every_place_as_pixel_by_pixel(dtype: torch.dtype) -> None:
    places = torch.cartesian_prod(torch.arange(7), torch.arange(9))
    images = torch.randint(0, 100, (63, 2, 7, 9), generator=torch.Generator().manual_seed(0)).to(dtype)
    before = images.clone()
    seen = cutout(images, places, 4)
    assert seen.dtype == dtype
    assert torch.equal(images, before)
    for image, place, found in zip(images, places.tolist(), seen, strict=True):
        np.testing.assert_array_equal(found, filled(image.numpy(), *place, 4, 127))


def test_each_band_of_each_image_has_its_own_fill() -> None:
    images, places = torch.rand(5, 3, 8, 8), torch.tensor([[0, 0], [7, 7], [4, 4], [2, 6], [5, 1]])
    fills = means(images)
    torch.testing.assert_close(fills, images.mean((2, 3)))
    for image, place, fill, found in zip(images, places.tolist(), fills, cutout(images, places, 4, fills), strict=True):
        np.testing.assert_array_equal(found, filled(image.numpy(), *place, 4, fill.numpy()))


def test_the_mean_of_bytes_is_a_byte() -> None:
    images = torch.tensor([[[[0, 255]], [[1, 2]], [[7, 8]]]], dtype=torch.uint8)
    found = means(images)
    assert found.dtype == torch.uint8
    assert found.tolist() == [[128, 2, 8]]  # halves go to the even


def test_a_square_larger_than_the_image_fills_it() -> None:
    assert torch.equal(cutout(torch.zeros(1, 1, 3, 3), torch.tensor([[1, 1]]), 8, 5.0), torch.full((1, 1, 3, 3), 5.0))


def test_every_pixel_is_as_likely_a_middle() -> None:
    drawn = centres(12000, 3, 4, torch.Generator().manual_seed(0))
    counts = np.bincount((drawn[:, 0] * 4 + drawn[:, 1]).numpy(), minlength=12)
    assert len(counts) == 12
    assert 880 < counts.min() <= counts.max() < 1120


def test_no_images_stay_none() -> None:
    assert cutout(torch.zeros(0, 3, 8, 8), torch.zeros(0, 2, dtype=torch.long), 4).shape == (0, 3, 8, 8)
