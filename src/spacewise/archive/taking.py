"""What a network takes, and how images of any kind become its batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from typing import NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from spacewise.cache import fit
from spacewise.errors import InputError

BATCH = 256


class OtherBands(InputError):
    """An image has other bands than the network takes: so have, most likely, all that follow."""


class Takes(NamedTuple):
    """What a network takes: so many bands, size x size pixels, brought there by `crop` or `resize`."""

    bands: int
    size: int
    fit: str


class Batch(NamedTuple):
    """What became of consecutive rows of a shard of the listing.

    Attributes:
        rows: how many they were.
        places: (sample,) places in the shard of those that can be embedded.
        images: (sample, band, size, size) uint8 or float32.
        unreadable: place -> why, one line.
        empty: places of tiles without data.
    """

    rows: int
    places: np.ndarray
    images: Tensor
    unreadable: Mapping[int, str]
    empty: int


class Archive(Protocol):
    """Images of one kind, listed once and read by shards of their listing."""

    @property
    def kind(self) -> str:
        """`pictures`, `hdf5`, `scenes`, or the name of a source."""

    @property
    def path(self) -> str:
        """What the user named."""

    @property
    def schema(self) -> pa.Schema:
        """Of the listing."""

    def listing(self) -> Iterator[pa.Table]:
        """All that there is, in order and in pieces of any length; `InputError` where there is nothing."""

    def columns(self, rows: pa.Table) -> pa.Table:
        """Of rows of the listing: `id` and facts, as they stand beside the vectors."""

    def one(self, rows: pa.Table, place: int) -> np.ndarray | None:
        """One image (band, size, size); None for a tile without data; `InputError` where it cannot be read."""

    def read(self, rows: pa.Table, pool: Executor) -> Iterator[Batch]:
        """All images of a shard of the listing, which has its numbers as `row` beside its own columns."""


def taken(pixels: np.ndarray, takes: Takes, name: str) -> np.ndarray:
    """One image (band, height, width) as the network takes it.

    Raises:
        OtherBands: other bands. InputError: pixels that are not finite in float32.
    """
    if len(pixels) != takes.bands:
        raise OtherBands(f"{name} has {len(pixels)} bands, the network takes {takes.bands}")
    if not finite(pixels[None])[0]:
        raise InputError(f"{name}: has pixels that are NaN or infinite in float32")
    return fit(pixels, takes.size, takes.fit)


def finite(images: np.ndarray) -> np.ndarray:
    """(sample,) whether all pixels of an image (sample, …) are finite in float32."""
    if images.dtype.kind != "f":
        return np.ones(len(images), bool)
    with np.errstate(invalid="ignore"):
        return (np.abs(images) <= np.finfo(np.float32).max).reshape(len(images), -1).all(1)


def batch_of(first: int, found: Sequence[np.ndarray | str | None], takes: Takes) -> Batch:
    """A batch from what was found at consecutive places: an image as it is taken, why not, or None for no data."""
    there = [place for place, each in enumerate(found) if isinstance(each, np.ndarray)]
    images = [each for each in found if isinstance(each, np.ndarray)]
    stacked = np.stack(images) if images else np.empty((0, takes.bands, takes.size, takes.size), np.float32)
    unreadable = {first + place: each for place, each in enumerate(found) if isinstance(each, str)}
    empty = sum(each is None for each in found)
    return Batch(len(found), first + np.array(there, np.int64), torch.from_numpy(stacked), unreadable, empty)


def batch_of_slab(first: int, slab: np.ndarray, takes: Takes, names: Callable[[int], str]) -> Batch:
    """A batch from images (sample, band, height, width) of one array; all at once, as `taken` does it one by one.

    Args:
        names: what an image at a place is called, for why it cannot be used.
    """
    sound = finite(slab)
    places = first + np.flatnonzero(sound)
    unreadable = {
        int(place): f"{names(int(place))}: has pixels that are NaN or infinite in float32"
        for place in first + np.flatnonzero(~sound)
    }
    kept = slab if sound.all() else slab[sound]
    # fitting treats bands alike: all images as the bands of one
    flat = fit(kept.reshape(-1, *kept.shape[2:]), takes.size, takes.fit) if len(kept) else np.empty(0, np.float32)
    images = flat.reshape(len(kept), takes.bands, takes.size, takes.size)
    return Batch(len(slab), places, torch.from_numpy(np.ascontiguousarray(images)), unreadable, 0)


def tried(archive: Archive, rows: pa.Table, place: int) -> np.ndarray | str | None:
    """`archive.one`, with why it cannot be read as one line."""
    try:
        return archive.one(rows, place)
    except (InputError, OSError) as error:
        return " ".join(str(error).split())


def one_by_one(archive: Archive, rows: pa.Table, takes: Takes, pool: Executor) -> Iterator[Batch]:
    """Batches of images that are decoded each by itself, in threads, one batch ahead."""
    starts = range(0, len(rows), BATCH)
    begun = [(first, _begin(archive, rows, first, pool)) for first in starts[:1]]
    for following in [*starts[1:], None]:
        if following is not None:
            begun.append((following, _begin(archive, rows, following, pool)))
        first, found = begun.pop(0)
        yield batch_of(first, list(found), takes)


def _begin(archive: Archive, rows: pa.Table, first: int, pool: Executor) -> Iterator[np.ndarray | str | None]:
    places = range(first, min(first + BATCH, len(rows)))
    return pool.map(lambda place: tried(archive, rows, place), places)
