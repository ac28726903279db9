"""Is it the vehicle or the meadow? Attribution by region of a mask, and images with a region taken away."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from spacewise.errors import InputError
from spacewise.sources.masks import REGIONS

CLUTTER, TARGET, SHADOW = range(len(REGIONS))


def check_masks(masks: Tensor, images: Tensor) -> None:
    """Raises `InputError` unless masks (sample, height, width) of region numbers fit the images."""
    expected = (len(images), *images.shape[-2:])
    if tuple(masks.shape) != expected:
        raise InputError(f"masks are {tuple(masks.shape)}, their images {expected}: a mask that does not fit its chip")
    if len(masks) and not 0 <= int(masks.min()) <= int(masks.max()) < len(REGIONS):
        raise InputError(f"masks hold {int(masks.min())} to {int(masks.max())}, expected {dict(enumerate(REGIONS))}")


def shares(maps: Tensor, masks: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """How much of each map lies in each region, and how much of the image does.

    Args:
        maps: (sample, height, width) attributions, zero or more.
        masks: (sample, height, width) places in `REGIONS`.

    Returns:
        Shares (sample, region) of the attribution, which add up to 1 (NaN for a map of zeros), and of the area.

    Raises:
        InputError: shapes or region numbers do not fit; a negative or non-finite attribution.
    """
    check_masks(masks, maps[:, None])
    if not bool(torch.isfinite(maps).all()) or (len(maps) and float(maps.min()) < 0):
        raise InputError("maps: expected finite attributions, zero or more; take their size first")
    inside = torch.stack([masks == region for region in range(len(REGIONS))], dim=1).double()
    weight = (inside * maps.double()[:, None]).sum(dim=(2, 3))
    total = weight.sum(dim=1, keepdim=True)
    return torch.where(total > 0, weight / total, torch.nan).numpy(), inside.mean(dim=(2, 3)).numpy()


def without(images: Tensor, masks: Tensor, regions: tuple[int, ...], random: torch.Generator) -> Tensor:
    """The images with some regions taken away.

    Target and shadow are filled with pixels drawn from the image's own clutter, so that meadow goes on where
    they were; clutter is filled with its own median, band by band, so that nothing is left of its texture.

    Args:
        images: (sample, band, height, width) stored pixels.
        masks: (sample, height, width) places in `REGIONS`.
        regions: which go.

    Raises:
        InputError: masks that do not fit, or an image without clutter to fill from.
    """
    check_masks(masks, images)
    changed = images.clone()
    for picture, mask in zip(changed, masks, strict=True):
        clutter = picture[:, mask == CLUTTER]
        if clutter.shape[1] == 0:
            raise InputError("masks: an image has no clutter to fill from")
        hole = torch.zeros_like(mask, dtype=torch.bool)
        for region in regions:
            hole |= mask == region
        if CLUTTER in regions:
            picture[:, hole] = clutter.median(dim=1, keepdim=True).values.expand(-1, int(hole.sum()))
        else:
            picture[:, hole] = clutter[:, torch.randint(clutter.shape[1], (int(hole.sum()),), generator=random)]
    return changed


def moved(
    images: Tensor, masks: Tensor, others: Tensor, random: torch.Generator, chosen: Tensor | None = None
) -> Tensor:
    """Each image's target and shadow on the meadow of another image.

    The other's own target and shadow are first filled with its clutter, as in `without`.

    Args:
        images, masks: as in `without`.
        others: (chosen,) whose meadow each gets.
        chosen: (chosen,) which images are moved; all where it is None.
    """
    meadows = without(images, masks, (TARGET, SHADOW), random)
    if chosen is not None:
        images, masks = images[chosen], masks[chosen]
    return torch.where((masks == CLUTTER)[:, None], meadows[others], images)


def partners(labels: np.ndarray, random: torch.Generator, *, same: bool = False) -> Tensor:
    """For each sample (sample,) one of a different class, or another of its own, drawn at random.

    Raises:
        InputError: one class alone; with `same`, a class with one sample.
    """
    found = torch.empty(len(labels), dtype=torch.long)
    for number, label in enumerate(labels):
        chosen = labels == label if same else labels != label
        chosen[number] = False
        among = np.flatnonzero(chosen)
        if len(among) == 0:
            missing = f"class {label} has one image" if same else "all images are of one class"
            raise InputError(f"masks: {missing}, there is no other's meadow to put it on")
        found[number] = int(among[int(torch.randint(len(among), (1,), generator=random))])
    return found


def shuffled(images: Tensor, masks: Tensor, random: torch.Generator) -> Tensor:
    """The images with the pixels of their clutter in random order: what filling a region costs by itself."""
    check_masks(masks, images)
    changed = images.clone()
    for picture, mask in zip(changed, masks, strict=True):
        clutter = picture[:, mask == CLUTTER]
        picture[:, mask == CLUTTER] = clutter[:, torch.randperm(clutter.shape[1], generator=random)]
    return changed


Change = Callable[[Tensor, Tensor, torch.Generator], Tensor]

CHANGES: dict[str, Change] = {
    "as stored": lambda images, masks, random: images,
    "clutter shuffled": shuffled,
    "without shadow": lambda images, masks, random: without(images, masks, (SHADOW,), random),
    "without clutter": lambda images, masks, random: without(images, masks, (CLUTTER,), random),
    "without target": lambda images, masks, random: without(images, masks, (TARGET,), random),
    "clutter alone": lambda images, masks, random: without(images, masks, (TARGET, SHADOW), random),
    "target alone": lambda images, masks, random: without(images, masks, (CLUTTER, SHADOW), random),
}
"""What the network sees; beside these, `moved`: the target on the meadow of another image."""
