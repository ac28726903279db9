"""The door of every explanation: images, classes and spaces come in checked; the network is set to evaluate."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from spacewise.errors import InputError
from spacewise.nets.chain import Chain, Spaces


@contextmanager
def evaluating(chain: Chain) -> Iterator[torch.device]:
    """The chain in evaluation mode, each module as it was afterwards; gives the device that it is on."""
    modes = [(module, module.training) for module in chain.modules()]
    chain.eval()
    try:
        yield chain.preprocess.mean.device
    finally:
        for module, training in modes:
            module.training = training


def pictures(images: Tensor) -> Tensor:
    """`images` as (sample, band, height, width), at least one pixel."""
    if images.ndim != 4 or 0 in images.shape:
        raise InputError(f"expected images (sample, band, height, width), at least one, not {tuple(images.shape)}")
    return images


def indices(name: str, values: Any, count: int) -> Tensor:
    """`values` as class indices (sample,), one an image."""
    found = torch.as_tensor(values)
    whole = not (found.is_floating_point() or found.is_complex() or found.dtype == torch.bool)
    if found.shape != (count,) or not whole:
        raise InputError(
            f"{name}: expected integer class indices ({count},), one an image, not {found.dtype} {tuple(found.shape)}"
        )
    return found.long()


def within(name: str, values: Tensor, classes: int) -> None:
    """Raises `InputError` unless all class indices are below the number of classes."""
    wrong = (values < 0) | (values >= classes)
    if wrong.any():
        first = int(wrong.nonzero()[0, 0])
        raise InputError(
            f"{name}: {int(values[first])} of image {first} is no class; the network's are 0 to {classes - 1}"
        )


def attention(maps: Tensor, images: Tensor) -> Tensor:
    """`maps` as finite values (sample, height, width), a value a pixel."""
    expected = (images.shape[0], *images.shape[2:])
    if tuple(maps.shape) != expected:
        raise InputError(f"maps: expected a value a pixel {expected}, not {tuple(maps.shape)}")
    bad = ~torch.isfinite(maps).flatten(1).all(dim=1)
    if bad.any():
        raise InputError(f"maps: NaN or infinite in {int(bad.sum())} maps, first {int(bad.nonzero()[0, 0])}")
    return maps


def classifies(chain: Chain) -> None:
    """Raises `InputError` unless the chain has logits to explain."""
    if "classifier" not in chain.spaces:
        raise InputError(f"no space 'classifier' to explain; this network has: {', '.join(chain.spaces)}")


def whole_space(chain: Chain, space: str) -> None:
    """Raises `InputError` unless `space` is one of the chain's, named without a reading."""
    chain.check_space(space)
    name, _, reading = space.partition(":")
    if reading:
        raise InputError(f"'{space}': an attribution looks at whole feature maps; write '{name}'")


def feature_maps(spaces: Spaces, space: str) -> Tensor:
    """The space (sample, channel, height, width); `InputError` unless it has several positions."""
    spatial = [name for name, values in spaces.items() if values.ndim == 4 and values[0, 0].numel() > 1]
    if space not in spatial:
        shape = " x ".join(map(str, spaces[space].shape[1:]))
        raise InputError(
            f"space '{space}' ({shape}) has no positions to look at; feature maps: {', '.join(spatial) or 'none'}"
        )
    return spaces[space]
