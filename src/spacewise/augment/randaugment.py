"""RandAugment: a few operations drawn for each sample, each with a random strength, for whole batches."""

from __future__ import annotations

import torch
from torch import Tensor

from spacewise.augment.operations import OPERATIONS, POOLS
from spacewise.errors import InputError, unknown

STRONGEST = 9  # of the strengths, whole numbers from 1


def randaugment(
    images: Tensor,
    whole: int,
    mine: slice,
    generator: torch.Generator,
    *,
    pool: str = "optical",
    operations: int = 2,
    probability: float = 0.5,
) -> Tensor:
    """Operations drawn for each sample with replacement, each applied with a probability, one after the other.

    Strengths are uniform from 1 to 9; rotations, shears and translations go either way. All is drawn on the CPU
    for the `whole` batch, so that neither the number of processes nor the device matters. As FixMatch (Sohn et al.,
    2020) augments strongly, but for its cut-out.

    Args:
        images: (sample, band, height, width) of slice `mine`; for pool `optical` uint8 of three bands, for `bands`
            uint8 or float32 of any number of bands.
        whole: samples of the batch over all processes.
        mine: which of these are the images.
        generator: on the CPU.
        pool: `optical` (14 operations) or `bands` (the 10 that need neither colours nor 8 bits).
        operations: drawn for each sample.
        probability: with which an operation drawn is applied.

    Returns:
        Of the images' shape, type and device; the images themselves stay as they were.

    Raises:
        InputError: an unknown pool, images that do not fit it or the slice, fewer than 1 operation, a probability
            outside 0 to 1.
    """
    _check(images, pool, operations, probability)
    if len(images) != (expected := len(range(whole)[mine])):
        raise InputError(
            f"randaugment: the slice has {expected} of {whole} samples, but there are {len(images)} images"
        )
    names = POOLS[pool]
    shape = (whole, operations)
    kinds = torch.randint(len(names), shape, generator=generator)[mine]
    strengths = torch.randint(1, STRONGEST + 1, shape, generator=generator)[mine]
    signs = 2 * torch.randint(2, shape, generator=generator)[mine] - 1
    # -1 is no operation
    kinds = kinds.where(torch.rand(shape, generator=generator)[mine] < probability, -1)
    seen = images.clone()
    for turn in range(operations):
        _apply(seen, names, kinds[:, turn], strengths[:, turn], signs[:, turn])
    return seen


def _apply(images: Tensor, names: tuple[str, ...], kinds: Tensor, strengths: Tensor, signs: Tensor) -> None:
    """Changes the images in place: those of one operation together."""
    for kind, name in enumerate(names):
        rows = (kinds == kind).nonzero().flatten()
        if len(rows):
            here = rows.to(images.device)
            changed = OPERATIONS[name](images.index_select(0, here), strengths[rows], signs[rows])
            images.index_copy_(0, here, changed)


def _check(images: Tensor, pool: str, operations: int, probability: float) -> None:
    if pool not in POOLS:
        raise unknown("pool", pool, POOLS)
    if images.ndim != 4:
        raise InputError(f"randaugment: images must be (sample, band, height, width), not {tuple(images.shape)}")
    if pool == "optical" and (images.dtype != torch.uint8 or images.shape[1] != 3):
        found = f"{images.dtype} of {images.shape[1]} bands"
        raise InputError(f"pool 'optical' needs uint8 images of 3 bands, not {found}: pool 'bands' takes these")
    if images.dtype not in (torch.uint8, torch.float32):
        raise InputError(f"randaugment: images must be uint8 or float32, not {images.dtype}")
    if operations < 1:
        raise InputError(f"randaugment draws 1 operation or more for each sample, not {operations}")
    if not 0 <= probability <= 1:
        raise InputError(f"the probability of an operation must be 0 to 1, not {probability}")
