"""Colour jitter against Pillow's `ImageEnhance`, mode L and mode HSV, and against the standard library's colours."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance

from spacewise.augment.blocks import BLOCK
from spacewise.augment.jitter import STILL, jittered, jitters, turn_hue
from spacewise.errors import InputError

FACTORS = (0.6, 0.8, 1.0, 1.17, 1.4)
ENHANCERS = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)
IN_ORDER = torch.arange(4)[None]


def noise(samples: int, side: int = 16) -> torch.Tensor:
    """Bytes over the whole range, with some pixels grey, black and white."""
    found = torch.randint(0, 256, (samples, 3, side, side), generator=torch.Generator().manual_seed(0))
    found[:, :, 0] = found[:, :1, 0]
    found[:, :, 1, :4], found[:, :, 1, 4:8] = 0, 255
    return found.to(torch.uint8)


def opened(image: torch.Tensor) -> Image.Image:
    return Image.fromarray(image.permute(1, 2, 0).numpy())


def turned_by_pillow(image: Image.Image, turn: float) -> Image.Image:
    """As torchvision's `adjust_hue`: whole 255ths of the circle."""
    hue, saturation, value = image.convert("HSV").split()
    moved = np.array(hue) + np.array(int(turn * 255)).astype(np.uint8)
    return Image.merge("HSV", (Image.fromarray(moved), saturation, value)).convert("RGB")


def difference(seen: torch.Tensor, image: Image.Image) -> np.ndarray:
    return np.abs(seen.permute(1, 2, 0).numpy().astype(int) - np.asarray(image).astype(int))


@pytest.mark.parametrize("operation", [0, 1, 2])
def test_one_operation_as_pillow_to_one_grey_level(operation: int) -> None:
    images = noise(len(FACTORS))
    factors = torch.tensor([[*STILL, 1.0]] * len(FACTORS))
    factors[:, operation] = torch.tensor(FACTORS)
    seen = jittered(images, factors, IN_ORDER)
    assert seen.dtype == torch.uint8
    for image, factor, found in zip(images, FACTORS, seen, strict=True):
        # Pillow cuts off where we round
        assert difference(found, ENHANCERS[operation](opened(image)).enhance(factor)).max() <= 1


def test_grey_as_pillow() -> None:
    images = noise(3)
    seen = jittered(images, torch.tensor([[*STILL, 0.0]] * 3), IN_ORDER)
    for image, found in zip(images, seen, strict=True):
        assert difference(found, opened(image).convert("L").convert("RGB")).max() <= 1
        assert torch.equal(found[0], found[1])
        assert torch.equal(found[0], found[2])


@pytest.mark.parametrize("turn", [-1 / 6, -0.1, -0.03, 0.0, 0.05, 0.1, 1 / 6])
def test_hue_as_the_standard_library(turn: float) -> None:
    images = noise(2).float()
    seen = turn_hue(images, torch.full((2, 1, 1, 1), turn))
    for pixel, found in zip(images.permute(0, 2, 3, 1).reshape(-1, 3), seen.permute(0, 2, 3, 1).reshape(-1, 3)):
        hue, saturation, value = colorsys.rgb_to_hsv(*(pixel / 255).tolist())
        wanted = colorsys.hsv_to_rgb((hue + turn) % 1, saturation, value)
        np.testing.assert_allclose(found / 255, wanted, atol=1e-5)


@pytest.mark.parametrize("step", [-25, -7, 0, 12, 25])
def test_hue_as_pillow_but_for_its_whole_numbers(step: int) -> None:
    """Pillow keeps hue and saturation as bytes, cut off, and across red the circle has 256 steps instead of 255.

    Each is worth up to 6 grey levels in the brightest colours; below 1 in the mean.
    """
    images = noise(4, 32)
    factors = torch.tensor([[1.0, 1.0, 1.0, step / 255, 1.0]] * 4)
    for image, found in zip(images, jittered(images, factors, IN_ORDER), strict=True):
        # half a step more, so that the product with 255 is cut off to the step
        found_by = difference(found, turned_by_pillow(opened(image), (step + 0.5 * np.sign(step)) / 255))
        assert found_by.max() <= 12
        assert found_by.mean() < 1


def test_operations_are_done_in_the_order_of_the_block() -> None:
    images = noise(2 * BLOCK)
    factors = torch.tensor([[1.4, 0.6, 1.3, 0.08, 1.0]] * len(images))
    orders = torch.tensor([[0, 1, 2, 3], [3, 2, 1, 0]])
    seen = jittered(images, factors, orders)
    for row, order in ((0, orders[0]), (BLOCK - 1, orders[0]), (BLOCK, orders[1])):
        wanted = opened(images[row])
        for operation in order.tolist():
            factor = float(factors[row, operation])
            wanted = (
                turned_by_pillow(wanted, factor) if operation == 3 else ENHANCERS[operation](wanted).enhance(factor)
            )
        assert difference(seen[row], wanted).mean() < 2  # each of Pillow's four steps is rounded
    assert not torch.equal(jittered(images, factors, orders.flip(0)), seen)


def test_any_part_of_the_batch_is_as_in_the_whole() -> None:
    images = noise(4 * BLOCK + 3)
    factors, orders = jitters(len(images), torch.Generator().manual_seed(0))
    whole = jittered(images, factors, orders)
    for start, stop in ((0, 5), (5, BLOCK), (BLOCK - 1, 2 * BLOCK + 1), (3 * BLOCK, len(images)), (9, 9)):
        assert torch.equal(jittered(images[start:stop], factors[start:stop], orders, start), whole[start:stop])


def test_nothing_changes_without_factors() -> None:
    images = noise(BLOCK + 1)
    factors = torch.tensor([[*STILL, 1.0]] * len(images))
    assert torch.equal(jittered(images, factors, torch.tensor([[3, 1, 0, 2], [2, 0, 1, 3]])), images)


def test_factors_and_orders_are_drawn_evenly() -> None:
    factors, orders = jitters(24000, torch.Generator().manual_seed(0))
    still = (factors[:, :4] == torch.tensor(STILL)).all(1)
    assert abs(float(still.float().mean()) - 0.2) < 0.01
    assert abs(float((factors[:, 4] == 0).float().mean()) - 0.2) < 0.01
    drawn = factors[~still]
    low, high = drawn.min(0).values[:4], drawn.max(0).values[:4]
    torch.testing.assert_close(low, torch.tensor([0.6, 0.6, 0.6, -0.1]), atol=1e-3, rtol=0)
    torch.testing.assert_close(high, torch.tensor([1.4, 1.4, 1.4, 0.1]), atol=1e-3, rtol=0)
    kinds, counts = orders.unique(dim=0, return_counts=True)
    assert len(orders) == -(-24000 // BLOCK)
    assert len(kinds) == 24
    assert int(counts.min()) > 0.6 * len(orders) / 24


@pytest.mark.parametrize("turn", [0.2, -0.17])
def test_a_turn_beyond_a_sixth_is_refused(turn: float) -> None:
    with pytest.raises(InputError, match=r"turns by 1/6 of the circle at most, not 0\.(2|17)$"):
        jittered(noise(1), torch.tensor([[1.0, 1.0, 1.0, turn, 1.0]]), IN_ORDER)
