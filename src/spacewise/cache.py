"""Decode once into a memory-mapped array; later epochs and runs start at once.

The cache lives in `$SPACEWISE_CACHE` or `~/.cache/spacewise`, one folder a (source, size). It may be
deleted at any time.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from spacewise import files
from spacewise.errors import InputError
from spacewise.progress import console, track
from spacewise.sources.source import Source
from spacewise.splits.split import Part, labelled

VERSION = 3
NAMED = 3  # unreadable images that a line names
SLAB = 256  # samples at a time: memory stays the same however many there are


@dataclass(frozen=True)
class Decoded:
    """The images of a source at one size.

    Attributes:
        images: (sample, band, height, width), uint8 where the files are, float32 otherwise.
        sizes: (sample, 2) native height and width.
        digests: (sample,) digest of the decoded pixels at their native size: equal for identical images.
        unreadable: row of each unlabelled sample that cannot be used -> why, one line. Its image is zero, its
            digest empty.
    """

    images: Tensor
    sizes: np.ndarray
    digests: np.ndarray
    unreadable: Mapping[int, str] = field(default_factory=dict)


def folder() -> Path:
    """Where decoded images are kept."""
    return Path(os.environ.get("SPACEWISE_CACHE") or Path.home() / ".cache" / "spacewise")


def decoded(source: Source, size: int) -> Decoded:
    """All images of a source at `size` x `size` pixels, from the cache or decoded into it.

    Images without a label that cannot be used are passed over, and named in `unreadable`.

    Raises:
        InputError: a labelled file cannot be decoded, its bands differ, its pixels are not finite; no image can be
            read, or the disk is full.
    """
    if size < 1:
        raise InputError(f"size must be 1 pixel or more, not {size}")
    key = hashlib.sha256(f"{VERSION}:{source.name}:{source.stamp}:{source.fit}:{size}".encode())
    key.update(np.packbits(labelled(source)).tobytes())  # a flaw that is passed over here may be fatal there
    place = folder() / key.hexdigest()[:24]
    if not source.stamp:
        return _decode(source, size, None)
    if not (place / "digests.npy").is_file():
        try:
            with _turn(place):
                if not (place / "digests.npy").is_file():
                    _fill(place, source, size)
        except OSError as error:
            raise InputError(f"cannot write the cache {place}: {error.strerror or error}") from error
    # copy-on-write: torch accepts only writable arrays, and nothing here may write to the file
    try:
        images = torch.from_numpy(np.load(place / "images.npy", mmap_mode="c"))
        unreadable = {
            int(row): str(why) for row, why in json.loads((place / "unreadable.json").read_text("utf-8")).items()
        }
        return Decoded(images, np.load(place / "sizes.npy"), np.load(place / "digests.npy"), unreadable)
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(f"the cache {place} is damaged ({error}); delete it, and it will be made again") from error


def readable(part: Part, images: Decoded) -> Part:
    """The part without the samples whose images cannot be read."""
    if not images.unreadable:
        return part
    kept = ~np.isin(part.rows, list(images.unreadable))
    subsets = {name: mask[kept] for name, mask in part.subsets.items()}
    return replace(part, rows=part.rows[kept], subsets=subsets)


def skipped(source: Source, images: Decoded) -> str:
    """How many unlabelled images cannot be read, of how many, and which, in one line; "" where all can be."""
    rows = list(images.unreadable)
    if not rows:
        return ""
    ids = source.facts["id"].iloc[rows[:NAMED]].tolist()
    more = f" and {len(rows) - NAMED:,} more" if len(rows) > NAMED else ""
    verb = "is" if len(rows) == 1 else "are"
    total = int((~labelled(source)).sum())
    return f"{len(rows):,} of {total:,} unlabelled images cannot be read and {verb} skipped: {', '.join(ids)}{more}"


@contextmanager
def _turn(place: Path) -> Iterator[None]:
    """One process decodes, others that want the same wait for it; whoever dies gives way."""
    place.parent.mkdir(parents=True, exist_ok=True)
    path = place.with_name(f"{place.name}.lock")
    with path.open("w") as mark:
        try:
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            console.print("another process decodes these images; waiting for it", style="dim")
            fcntl.flock(mark, fcntl.LOCK_EX)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _fill(place: Path, source: Source, size: int) -> None:
    """Builds the folder beside its place and moves it there; the loser of a race discards its own."""
    place.parent.mkdir(parents=True, exist_ok=True)
    _sweep(place.parent)
    partial = Path(tempfile.mkdtemp(suffix=".partial", prefix=f"{place.name}.", dir=place.parent))
    mark = (partial / "lock").open("w")
    fcntl.flock(mark, fcntl.LOCK_EX)
    try:
        made = _decode(source, size, partial / "images.npy")
        np.save(partial / "sizes.npy", made.sizes)
        np.save(partial / "digests.npy", made.digests)
        (partial / "unreadable.json").write_text(json.dumps(made.unreadable), encoding="utf-8")
        del made
        (partial / "lock").unlink()
        try:
            partial.rename(place)
        except OSError:
            if not place.is_dir():
                raise
    finally:
        mark.close()
        shutil.rmtree(partial, ignore_errors=True)


def _sweep(root: Path) -> None:
    """Removes what killed processes left half-built: nobody holds its lock any more."""
    for partial in root.glob("*.partial"):
        if not (partial / "lock").is_file():
            continue  # begun or finished at this moment by another process
        with (partial / "lock").open() as mark:
            try:
                fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            shutil.rmtree(partial, ignore_errors=True)


def _decode(source: Source, size: int, file: Path | None) -> Decoded:
    known = labelled(source)
    number, first = _first(source, known)
    dtype = np.dtype(np.uint8) if first.dtype == np.uint8 else np.dtype(np.float32)
    shape = (len(source), first.shape[0], size, size)
    images = np.empty(shape, dtype) if file is None else files.reserved(file, dtype, shape)
    sizes = np.zeros((len(source), 2), np.int32)
    digests = np.zeros(len(source), "S32")
    unreadable: dict[int, str] = {}

    def keep(index: int, pixels: np.ndarray | None = None) -> None:
        try:
            pixels = _read(source, index) if pixels is None else pixels
            _check(source, index, pixels, number, first)
        except InputError as error:
            if known[index]:
                raise
            unreadable[index], images[index] = " ".join(str(error).split()), 0
            return
        sizes[index] = pixels.shape[1:]
        stamp = f"{pixels.dtype}{pixels.shape}".encode() + np.ascontiguousarray(pixels).tobytes()
        digests[index] = hashlib.blake2b(stamp, digest_size=16).hexdigest().encode()
        images[index] = fit(pixels, size, source.fit)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in track(_each(source, keep, pool), f"decoding {source.name}", len(source)):
            pass
    return Decoded(torch.from_numpy(images), sizes, digests, dict(sorted(unreadable.items())))


def _first(source: Source, known: np.ndarray) -> tuple[int, np.ndarray]:
    """Row and pixels of the image whose bands and type the others must have: a labelled one where there is one."""
    if known.any():
        row = int(known.argmax())
        return row, _read(source, row)
    why = ""
    for row in range(len(source)):
        try:
            return row, _read(source, row)
        except InputError as error:
            why = why or str(error)
    raise InputError(f"none of the {len(source):,} images of {source.root or source.name} can be read; {why}")


def _each(source: Source, keep: Callable[..., None], pool: Executor) -> Iterator[None]:
    """Hands every sample to `keep`, a slab at a time: read as a whole where the source can, else in threads."""
    for first in range(0, len(source), SLAB):
        rows = range(first, min(first + SLAB, len(source)))
        if source.slab is None:
            yield from pool.map(keep, rows)
        else:
            yield from map(keep, rows, _read_slab(source, source.slab, rows))


def _read(source: Source, index: int) -> np.ndarray:
    try:
        return source.read(index)
    except OSError as error:
        raise InputError(f"cannot read {source.facts['id'].iat[index]}: {error.strerror or error}") from error


def _read_slab(source: Source, slab: Callable[[int, int], np.ndarray], rows: range) -> np.ndarray:
    try:
        return slab(rows.start, rows.stop)
    except OSError as error:
        ids = source.facts["id"]
        raise InputError(f"cannot read {ids.iat[rows[0]]} to {ids.iat[rows[-1]]}: {error.strerror or error}") from error


def _check(source: Source, index: int, pixels: np.ndarray, number: int, first: np.ndarray) -> None:
    """Raises `InputError` for what differs from the first image, of that number, and for what no network is fed."""
    name, one = source.facts["id"].iat[index], source.facts["id"].iat[number]
    if pixels.shape[0] != first.shape[0]:
        raise InputError(
            f"{name} has {pixels.shape[0]} bands where {one} has {first.shape[0]}; "
            "all images of a source need the same bands"
        )
    if pixels.dtype != first.dtype and np.uint8 in (pixels.dtype, first.dtype):
        raise InputError(
            f"{name} holds {pixels.dtype} where {one} holds {first.dtype}; all images of a source need the same type"
        )
    if pixels.dtype.kind == "f" and not (np.abs(pixels) <= np.finfo(np.float32).max).all():
        bad = int((~(np.abs(pixels) <= np.finfo(np.float32).max)).sum())
        raise InputError(f"{name}: {bad} pixels are NaN or infinite in float32; replace them or leave the file out")


def fit(pixels: np.ndarray, size: int, how: str) -> np.ndarray:
    """One image (band, height, width) at size x size.

    `crop` takes the centre and mirrors the edges where the image is too small; `resize` interpolates
    with antialiasing. 8-bit images stay 8-bit; others become float32.
    """
    if pixels.dtype != np.uint8:
        pixels = pixels.astype(np.float32)
    if pixels.shape[1:] == (size, size):
        return pixels
    if how == "crop":
        rows, columns = (_centre(length, size) for length in pixels.shape[1:])
        return pixels[:, rows][:, :, columns]
    values = torch.from_numpy(pixels.copy()).float()[None]
    values = torch.nn.functional.interpolate(values, (size, size), mode="bilinear", antialias=True)[0]
    return values.round().clamp(0, 255).byte().numpy() if pixels.dtype == np.uint8 else values.numpy()


def _centre(length: int, size: int) -> np.ndarray:
    """Indices of the `size` central positions of a side, mirrored beyond its ends."""
    positions = np.arange(size) + (length - size) // 2
    if length == 1:
        return np.zeros(size, int)
    period = 2 * (length - 1)
    folded = np.mod(positions, period)
    return np.where(folded < length, folded, period - folded)
