"""Translation with mirrored edges, and the offsets that it takes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spacewise.augment import copies, mirrored, offsets, translate
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
