"""Batches in pieces, and floats stored as the type that they came from."""

from __future__ import annotations

import pytest
import torch

from spacewise.augment.blocks import BLOCK, by_blocks, stored


@pytest.mark.parametrize("samples", [0, 1, BLOCK, BLOCK + 1, 3 * BLOCK])
def test_pieces_make_the_whole(samples: int) -> None:
    images, factors = torch.rand(samples, 2, 3, 4), torch.rand(samples, 1, 1, 1)
    sizes: list[int] = []

    def scaled(part: torch.Tensor, by: torch.Tensor) -> torch.Tensor:
        sizes.append(len(part))
        return part * by

    assert torch.equal(by_blocks(scaled, images, factors), images * factors)
    assert max(sizes) <= BLOCK
    assert sum(sizes) == samples


def test_bytes_are_rounded_and_floats_stay() -> None:
    values = torch.tensor([0.0, 0.4, 0.6, 254.6, 255.0])
    assert stored(values.clone(), torch.zeros(1, dtype=torch.uint8)).tolist() == [0, 0, 1, 255, 255]
    assert torch.equal(stored(values.clone(), torch.zeros(1)), values)


def test_every_byte_comes_back() -> None:
    values = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(stored(values.float(), values), values)
