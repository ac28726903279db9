"""Translation with mirrored edges and the offsets that it takes; mirroring; cutting out and enlarging."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from spacewise.augment import copies, crops, enlarge, flips, mirror, mirrored, offsets, translate
from spacewise.errors import InputError


def padded_and_cropped(image: np.ndarray, down: int, right: int, limit: int) -> np.ndarray:
    """The same, image by image, as numpy does it."""
    height, width = image.shape[-2:]
    padded = np.pad(image, [(0, 0), (limit, limit), (limit, limit)], mode="reflect")
    return padded[:, limit - down : limit - down + height, limit - right : limit - right + width]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize("limit", [1, 3, 5])
def test_every_offset_as_numpy_pads_and_crops(limit: int, dtype: torch.dtype) -> None:
    images = torch.arange(2 * 6 * 9).reshape(1, 2, 6, 9).to(dtype)
    span = range(-limit, limit + 1)
    shifts = torch.tensor(list(itertools.product(span, span)))
    moved = translate(images.expand(len(shifts), -1, -1, -1), shifts, limit)
    assert moved.dtype == dtype
    for result, (down, right) in zip(moved, shifts.tolist(), strict=True):
        np.testing.assert_array_equal(result, padded_and_cropped(images[0].numpy(), down, right, limit))


def test_each_image_moves_by_its_own_offset() -> None:
    images = torch.rand(4, 3, 7, 7, generator=torch.Generator().manual_seed(0))
    shifts = torch.tensor([[0, 0], [2, -1], [-2, 2], [1, 0]])
    moved = translate(images, shifts, 2)
    for index, (down, right) in enumerate(shifts.tolist()):
        np.testing.assert_array_equal(moved[index], padded_and_cropped(images[index].numpy(), down, right, 2))


def test_positive_offsets_move_down_and_right() -> None:
    image = torch.zeros(1, 1, 9, 9)
    image[0, 0, 4, 4] = 1
    moved = translate(image, torch.tensor([[3, 1]]), 3)
    assert moved[0, 0].nonzero().tolist() == [[7, 5]]


def test_no_shift_changes_nothing() -> None:
    images = torch.rand(3, 1, 5, 5)
    assert torch.equal(translate(images, torch.zeros(3, 2, dtype=torch.long), 0), images)
    assert torch.equal(translate(images, torch.zeros(3, 2, dtype=torch.long), 4), images)


def test_the_input_stays_as_it_was() -> None:
    images = torch.rand(3, 1, 5, 5)
    before = images.clone()
    translate(images, torch.full((3, 2), 2), 2).zero_()
    assert torch.equal(images, before)


def test_an_empty_batch_stays_empty() -> None:
    moved = translate(torch.zeros(0, 1, 8, 8), torch.zeros(0, 2, dtype=torch.long), 3)
    assert moved.shape == (0, 1, 8, 8)


@pytest.mark.parametrize("limit", [-1, 5, 9])
def test_a_limit_outside_the_image_is_refused(limit: int) -> None:
    with pytest.raises(InputError, match=r"shift must be 0 to 4 pixels for 5 x 8, not"):
        translate(torch.zeros(1, 1, 5, 8), torch.zeros(1, 2, dtype=torch.long), limit)


@pytest.mark.parametrize("offset", [-3, 3])
def test_an_offset_beyond_the_limit_is_refused(offset: int) -> None:
    with pytest.raises(InputError):
        translate(torch.zeros(1, 1, 8, 8), torch.tensor([[offset, 0]]), 2)


@given(st.integers(1, 9), st.data())
def test_mirror_as_numpy_reflects(length: int, data: st.DataObject) -> None:
    margin = data.draw(st.integers(0, length - 1))
    side = torch.arange(length, dtype=torch.uint8).reshape(1, 1, 1, length).expand(1, 1, length, length)
    wanted = np.pad(np.arange(length, dtype=np.uint8), margin, mode="reflect")
    np.testing.assert_array_equal(mirrored(side, margin)[0, 0, 0], wanted)
    np.testing.assert_array_equal(mirrored(side.transpose(2, 3), margin)[0, 0, :, 0], wanted)


def test_offsets_reach_both_ends_alike() -> None:
    drawn = offsets(7000, 3, torch.Generator().manual_seed(0))
    counts = np.bincount(drawn.flatten() + 3, minlength=7)
    assert drawn.shape == (7000, 2)
    assert len(counts) == 7
    assert counts.min() > 1850
    assert counts.max() < 2150


def test_offsets_follow_from_the_generator() -> None:
    first, again = (offsets(9, 4, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, offsets(9, 4, torch.Generator().manual_seed(4)))


def test_the_first_copy_is_the_image_itself() -> None:
    table = copies(5, 3, 4, seed=0)
    assert table.shape == (5, 4, 2)
    assert not table[:, 0].any()
    assert table[:, 1:].any()
    assert int(table.abs().max()) <= 4
    assert torch.equal(table, copies(5, 3, 4, seed=0))
    assert not torch.equal(table, copies(5, 3, 4, seed=1))


# Mirroring


def test_half_of_the_images_are_mirrored() -> None:
    chosen = flips(4000, torch.Generator().manual_seed(0))
    assert chosen.dtype == torch.bool
    assert 0.47 < float(chosen.float().mean()) < 0.53
    assert torch.equal(chosen, flips(4000, torch.Generator().manual_seed(0)))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_chosen_images_are_mirrored_left_to_right(dtype: torch.dtype) -> None:
    images = torch.arange(4 * 2 * 3 * 5).reshape(4, 2, 3, 5).to(dtype)
    seen = mirror(images, torch.tensor([True, False, False, True]))
    assert seen.dtype == dtype
    for index, image in enumerate(images.numpy()):
        np.testing.assert_array_equal(seen[index], image[:, :, ::-1] if index in (0, 3) else image)
    assert torch.equal(mirror(mirror(images, torch.ones(4).bool()), torch.ones(4).bool()), images)


# Cutting out and enlarging


@given(smallest=st.floats(0.01, 1), seed=st.integers(0, 2**40))
def test_squares_lie_in_the_image(smallest: float, seed: int) -> None:
    side, left, top = crops(50, smallest, torch.Generator().manual_seed(seed)).unbind(1)
    assert ((side >= smallest - 1e-6) & (side <= 1 + 1e-6)).all()
    for corner in (left, top):
        assert (corner >= 0).all()
        assert (corner + side <= 1 + 1e-6).all()


def test_sides_and_places_of_squares_are_uniform() -> None:
    side, left, top = crops(8000, 0.4, torch.Generator().manual_seed(0)).unbind(1)
    for values in ((side - 0.4) / 0.6, left / (1 - side), top / (1 - side)):
        counts = torch.histc(values, 4, 0, 1) / 8000
        torch.testing.assert_close(counts, torch.full((4,), 0.25), atol=0.02, rtol=0)


def bilinear(image: np.ndarray, side: float, left: float, top: float) -> np.ndarray:
    """The same, pixel by pixel: centres of pixels, edges repeated."""
    bands, height, width = image.shape
    found = np.zeros(image.shape)
    for row, column in np.ndindex(height, width):
        y = min(max((top + side * (row + 0.5) / height) * height - 0.5, 0), height - 1)
        x = min(max((left + side * (column + 0.5) / width) * width - 0.5, 0), width - 1)
        above, before = int(y), int(x)
        below, behind = min(above + 1, height - 1), min(before + 1, width - 1)
        down, right = y - above, x - before
        for band in range(bands):
            one = (1 - right) * image[band, above, before] + right * image[band, above, behind]
            other = (1 - right) * image[band, below, before] + right * image[band, below, behind]
            found[band, row, column] = (1 - down) * one + down * other
    return found


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_squares_are_enlarged_as_pixel_by_pixel(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (6, 2, 7, 9), generator=generator).to(dtype)
    squares = crops(6, 0.3, generator)
    seen = enlarge(images, squares)
    assert seen.dtype == torch.float32
    for image, square, result in zip(images, squares, seen, strict=True):
        expected = bilinear(image.double().numpy(), *square.double().tolist())
        np.testing.assert_allclose(result, expected, atol=2e-3)  # of 255


@pytest.mark.parametrize(("side", "left", "top"), [(0.5, 0.25, 0.5), (0.75, 0.0, 0.25), (0.25, 0.75, 0.0)])
def test_squares_of_whole_pixels_are_enlarged_as_pillow_does(side: float, left: float, top: float) -> None:
    """But for the square's rim, where Pillow sees the square alone and we see the image around it."""
    pixels = np.random.default_rng(0).random((16, 16)).astype(np.float32)
    box = (int(16 * left), int(16 * top), int(16 * (left + side)), int(16 * (top + side)))
    expected = np.asarray(Image.fromarray(pixels).crop(box).resize((16, 16), Image.Resampling.BILINEAR))
    seen = enlarge(torch.from_numpy(pixels)[None, None], torch.tensor([[side, left, top]]))[0, 0]
    rim = round(0.5 / side) + 1
    inner = slice(rim, 16 - rim)
    np.testing.assert_allclose(seen[inner, inner], expected[inner, inner], atol=1e-5)


def test_the_whole_image_stays_as_it_is() -> None:
    images = torch.rand(3, 2, 24, 31, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(enlarge(images, torch.tensor([[1.0, 0.0, 0.0]] * 3)), images, atol=1e-4, rtol=0)


def test_left_goes_across_and_top_goes_down() -> None:
    image = torch.zeros(1, 1, 8, 8)
    image[0, 0, :4, 4:] = 1  # the upper right quarter
    corners = {(0.0, 0.5): 0, (0.5, 0.0): 1, (0.0, 0.0): 0, (0.5, 0.5): 0}
    for (left, top), value in corners.items():
        inner = enlarge(image, torch.tensor([[0.5, left, top]]))[0, 0, 1:-1, 1:-1]
        assert torch.equal(inner, torch.full_like(inner, value)), (left, top)
