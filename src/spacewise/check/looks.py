"""One look at every image: decoded once, of which only digests, a thumbnail and a few numbers stay."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

import numpy as np

from spacewise.cache import fit
from spacewise.errors import InputError
from spacewise.progress import track
from spacewise.sources.source import Source
from spacewise.splits.split import labelled

SIDE = 32  # of a thumbnail, in cells
CHIP = 128  # pixels of a chip's centre that its thumbnail shows; of a scene it shows everything
WORKERS = 4
BLOCK = 64  # neighbours go to one worker: a simulation renders them together


class Unreadable(NamedTuple):
    """An image that training would stop at, or skip where it is unlabelled, and why, in one line."""

    id: str
    reason: str


@dataclass(frozen=True)
class Look:
    """What is kept of one image.

    Attributes:
        row: index into the source.
        shape: (band, height, width).
        low, high: least and largest value.
        constant: whether every band is one value throughout.
        brightness, deviation: mean and standard deviation of the mean of the bands.
        exact: digest of the pixels.
        turned: digest that the image shares with its flips and quarter turns.
        thumbnail: (32, 32) mean of the bands, float32.
    """

    row: int
    shape: tuple[int, ...]
    dtype: str
    low: float
    high: float
    constant: bool
    brightness: float
    deviation: float
    exact: bytes
    turned: bytes
    thumbnail: np.ndarray


def look_at(source: Source) -> tuple[list[Look], list[Unreadable]]:
    """Looks at every image of a source, in order; those that cannot be used are named with the reason."""
    count = len(source)
    blocks = [range(start, min(start + BLOCK, count)) for start in range(0, count, BLOCK)]

    def look_through(rows: range) -> list[Look | Unreadable]:
        return [_look(source, row) for row in rows]

    with ThreadPoolExecutor(min(WORKERS, os.cpu_count() or 1)) as pool:
        found = chain.from_iterable(pool.map(look_through, blocks))
        seen = list(track(found, f"looking at {source.name}", count))
    looks = [one for one in seen if isinstance(one, Look)]
    return looks, [one for one in seen if isinstance(one, Unreadable)]


def fitting(source: Source, looks: Sequence[Look]) -> tuple[list[Look], list[Unreadable]]:
    """Sets apart the unlabelled images whose bands or type are not those of the labelled: training skips them."""
    known = labelled(source)
    first = next((look for look in looks if known[look.row]), None)
    kept: list[Look] = []
    others: list[Unreadable] = []
    for look in looks:
        why = "" if first is None or known[look.row] else _differs(source, look, first)
        if why:
            others.append(Unreadable(_name(source, look.row), why))
        else:
            kept.append(look)
    return kept, others


def _differs(source: Source, look: Look, first: Look) -> str:
    """What keeps an image out of a batch with the first labelled one; "" where nothing does."""
    if look.shape[0] != first.shape[0]:
        return f"has {look.shape[0]} bands where {_name(source, first.row)} has {first.shape[0]}"
    if look.dtype != first.dtype and "uint8" in (look.dtype, first.dtype):
        return f"holds {look.dtype} where {_name(source, first.row)} holds {first.dtype}"
    return ""


def _look(source: Source, row: int) -> Look | Unreadable:
    try:
        pixels = source.read(row)
    except (InputError, OSError) as error:
        return Unreadable(_name(source, row), " ".join(str(error).split()))
    grey = grey_of(pixels)
    bad = grey.size - int(np.isfinite(grey).sum())
    if bad:
        return Unreadable(_name(source, row), f"{bad} of {grey.size} pixels are NaN or infinite")
    low, high = pixels.min((1, 2)), pixels.max((1, 2))
    return Look(
        row,
        pixels.shape,
        pixels.dtype.name,
        low.min().item(),
        high.max().item(),
        bool((low == high).all()),
        float(grey.mean()),
        float(grey.std()),
        digest(pixels),
        digest(canonical(pixels)),
        thumbnail(grey, source.fit),
    )


def _name(source: Source, row: int) -> str:
    return str(source.facts["id"].iat[row])


def grey_of(pixels: np.ndarray) -> np.ndarray:
    """(band, height, width) to the mean of the bands (height, width), float32."""
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows here would overflow in training
        return pixels.mean(0, dtype=np.float32)


def thumbnail(grey: np.ndarray, how: str) -> np.ndarray:
    """(height, width) to (32, 32): a scene is shrunk, of a chip the centre's cells are averaged."""
    if how == "resize":
        return fit(grey[None], SIDE, "resize")[0]
    side = max(SIDE, min(CHIP, *grey.shape) // SIDE * SIDE)
    cell = side // SIDE
    return fit(grey[None], side, "crop").reshape(SIDE, cell, SIDE, cell).mean((1, 3))


def digest(pixels: np.ndarray) -> bytes:
    """Equal for equal images: type, shape and every pixel."""
    stamp = f"{pixels.dtype}{pixels.shape}".encode()
    return hashlib.blake2b(stamp + np.ascontiguousarray(pixels).tobytes(), digest_size=16).digest()


def symmetries(images: np.ndarray) -> Iterator[np.ndarray]:
    """The 8 flips and quarter turns of images (..., height, width), as views; the first is the image."""
    for upright in (images, images.swapaxes(-1, -2)):
        for rows in (upright, upright[..., ::-1, :]):
            yield rows
            yield rows[..., ::-1]


def canonical(pixels: np.ndarray) -> np.ndarray:
    """One of the 8 flips and turns of (band, height, width), the same one whichever of them is given.

    It is the one that comes first in order of shape, first rows, all pixels. The first rows nearly
    always decide, so that only one of the eight is copied.
    """
    turned = list(symmetries(pixels))
    starts = [(view.shape, view[:, 0].tobytes()) for view in turned]
    first = min(starts)
    tied = [view for view, start in zip(turned, starts, strict=True) if start == first]
    return tied[0] if len(tied) == 1 else min(tied, key=lambda view: view.tobytes())
