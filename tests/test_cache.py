"""Images decoded once, and kept whole or not at all."""

from __future__ import annotations

import dataclasses
import errno
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spacewise import cache
from spacewise.cache import decoded, fit, folder
from spacewise.errors import InputError
from spacewise.sources import Source


def memory(images: Sequence[np.ndarray], stamp: str = "one", how: str = "crop") -> Source:
    """A source of arrays; `reads` counts what was decoded."""
    names = [f"chip{number:02d}" for number in range(len(images))]
    facts = pd.DataFrame({"id": names, "label": ["a", "b"] * (len(images) // 2) + ["a"] * (len(images) % 2)})
    return Source("memory", facts, lambda index: images[index], stamp=stamp, fit=how)


def unread(_index: int) -> np.ndarray:
    raise AssertionError("decoded again")


def grey(count: int = 6, height: int = 9, width: int = 7) -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    return [generator.integers(0, 256, (1, height, width), np.uint8) for _ in range(count)]


def left_in(place: Path) -> list[str]:
    return sorted(path.name for path in place.rglob("*"))


def test_images_sizes_and_digests(own_cache: Path) -> None:
    images = [*grey(3), *grey(2, 8, 12)]
    made = decoded(memory(images), 6)
    assert folder() == own_cache
    assert made.images.shape == (5, 1, 6, 6)
    assert made.images.dtype == torch.uint8
    assert made.sizes.tolist() == [[9, 7]] * 3 + [[8, 12]] * 2
    assert len(set(made.digests)) == 5
    for index, image in enumerate(images):
        np.testing.assert_array_equal(made.images[index], fit(image, 6, "crop"))


def test_equal_pixels_have_equal_digests_and_others_not() -> None:
    image = grey(1)[0]
    brighter = image.copy()
    brighter[0, 0, 0] ^= 1
    turned = image.reshape(1, 7, 9)
    digests = decoded(memory([image, image.copy(), brighter, turned]), 5).digests
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


@pytest.mark.parametrize("count", [1, 3, 4, 5, 12])
def test_images_read_a_slab_at_a_time_are_those_read_one_by_one(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "SLAB", 4)
    images = grey(count)
    asked = []

    def slab(first: int, last: int) -> np.ndarray:
        asked.append((first, last))
        return np.stack(images[first:last])

    single = decoded(memory(images, stamp=""), 6)
    whole = decoded(dataclasses.replace(memory(images, stamp=""), slab=slab), 6)
    assert asked == [(first, min(first + 4, count)) for first in range(0, count, 4)]
    assert torch.equal(whole.images, single.images)
    np.testing.assert_array_equal(whole.digests, single.digests)
    np.testing.assert_array_equal(whole.sizes, single.sizes)


def test_samples_wait_for_a_thread_a_slab_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "SLAB", 2)
    images, latest = grey(6), 0

    def read(index: int) -> np.ndarray:
        nonlocal latest
        if index < 2:
            time.sleep(0.05)
        latest = max(latest, index)
        assert index >= 2 or latest < 2, "a sample of the next slab was read before this one was done"
        return images[index]

    source = memory(images, stamp="")
    object.__setattr__(source, "reader", read)
    assert len(decoded(source, 6).images) == 6


def test_a_slab_that_cannot_be_read_is_named() -> None:
    def slab(first: int, last: int) -> np.ndarray:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with pytest.raises(InputError, match="cannot read chip00 to chip05: Input/output error"):
        decoded(dataclasses.replace(memory(grey()), slab=slab), 6)


def test_the_second_call_decodes_nothing() -> None:
    images = grey()
    first = decoded(memory(images), 8)
    again = memory(images)
    object.__setattr__(again, "reader", unread)
    second = decoded(again, 8)
    assert torch.equal(first.images, second.images)
    np.testing.assert_array_equal(first.sizes, second.sizes)
    np.testing.assert_array_equal(first.digests, second.digests)


@pytest.mark.parametrize(("stamp", "how", "size"), [("two", "crop", 8), ("one", "resize", 8), ("one", "crop", 6)])
def test_another_stamp_fit_or_size_decodes_again(stamp: str, how: str, size: int) -> None:
    decoded(memory(grey()), 8)
    changed = [255 - image for image in grey()]
    made = decoded(memory(changed, stamp, how), size)
    np.testing.assert_array_equal(made.images[0], fit(changed[0], size, how))


def test_a_source_without_a_stamp_is_not_kept(own_cache: Path) -> None:
    assert decoded(memory(grey(), stamp=""), 8).images.shape == (6, 1, 8, 8)
    assert not own_cache.exists()


def test_nobody_writes_to_the_cache_through_its_images() -> None:
    images = decoded(memory(grey()), 8).images
    before = images.clone()
    images.zero_()
    assert torch.equal(decoded(memory(grey()), 8).images, before)


@pytest.mark.parametrize("size", [0, -3])
def test_a_size_below_one_is_refused(size: int) -> None:
    with pytest.raises(InputError, match=f"size must be 1 pixel or more, not {size}"):
        decoded(memory(grey()), size)


def with_third(image: np.ndarray) -> list[np.ndarray]:
    images = [image.astype(np.float32) if image.dtype.kind == "f" else image for image in grey()]
    images[2] = image
    return images


FLAWED = {
    "bands": (with_third(np.zeros((3, 9, 7), np.uint8)), r"chip02 has 3 bands where chip00 has 1"),
    "type": (with_third(np.zeros((1, 9, 7), np.float32)), r"chip02 holds float32 where chip00 holds uint8"),
    "nan": ([np.full((1, 4, 4), value, np.float32) for value in (0, 1, np.nan)], r"chip02: 16 pixels are NaN"),
    "infinite": ([np.full((1, 4, 4), value) for value in (0.0, 1.0, np.inf)], r"chip02: 16 pixels are NaN or inf"),
    "too large": ([np.full((1, 4, 4), value) for value in (0.0, 1.0, 1e300)], r"chip02"),
}


@pytest.mark.parametrize("flaw", FLAWED)
def test_an_image_that_does_not_belong_is_named(flaw: str, own_cache: Path) -> None:
    images, message = FLAWED[flaw]
    with pytest.raises(InputError, match=message):
        decoded(memory(images), 4)
    assert left_in(own_cache) == []


def failing_after(count: int, failure: BaseException) -> Callable[[int], np.ndarray]:
    images = grey()

    def read(index: int) -> np.ndarray:
        if index == count:
            raise failure
        return images[index]

    return read


@pytest.mark.parametrize("failure", [InputError("chip04 is cut off"), KeyboardInterrupt()])
def test_a_stop_half_way_leaves_nothing(failure: BaseException, own_cache: Path) -> None:
    source = memory(grey())
    object.__setattr__(source, "reader", failing_after(4, failure))
    with pytest.raises(type(failure)):
        decoded(source, 8)
    assert left_in(own_cache) == []
    assert torch.equal(decoded(memory(grey()), 8).images, decoded(memory(grey(), stamp=""), 8).images)


def test_a_reader_that_fails_is_not_called_a_full_disk() -> None:
    source = memory(grey())
    missing = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "chip04")
    object.__setattr__(source, "reader", failing_after(4, missing))
    with pytest.raises((InputError, OSError)) as caught:
        decoded(source, 8)
    assert "cannot write" not in str(caught.value)


KILLED = """
import os, sys
import numpy as np, pandas as pd
from spacewise.cache import decoded
from spacewise.sources import Source

def read(index):
    if index == 4:
        os._exit(9)
    return np.zeros((1, 9, 7), np.uint8)

facts = pd.DataFrame({"id": [f"chip{n:02d}" for n in range(6)], "label": ["a", "b"] * 3})
decoded(Source("memory", facts, read, stamp="one"), 8)
"""


def test_a_killed_process_leaves_nothing_that_is_read(own_cache: Path) -> None:
    assert subprocess.run([sys.executable, "-c", KILLED], check=False, timeout=200).returncode == 9
    made = decoded(memory(grey()), 8)
    assert torch.equal(made.images, decoded(memory(grey(), stamp=""), 8).images)
    assert not list(own_cache.glob("*.partial")), "what the killed process left takes up the disk for ever"


def test_what_a_killed_process_of_the_same_number_left_is_no_obstacle(own_cache: Path) -> None:
    decoded(memory(grey()), 8)
    (place,) = own_cache.iterdir()
    # in a container the first process has the same number every time
    place.rename(own_cache / f"{place.name}.{os.getpid()}.partial")
    assert decoded(memory(grey()), 8).images.shape == (6, 1, 8, 8)


def attempted(act: Callable[[], torch.Tensor]) -> torch.Tensor | InputError:
    try:
        return act()
    except InputError as error:
        return error


@pytest.mark.parametrize("damage", ["missing", "cut off"])
def test_a_damaged_cache_is_made_again_or_named(damage: str, own_cache: Path) -> None:
    whole = decoded(memory(grey()), 8).images.clone()
    (file,) = own_cache.rglob("images.npy")
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-50])
    found = attempted(lambda: decoded(memory(grey()), 8).images)
    assert str(own_cache) in str(found) if isinstance(found, InputError) else torch.equal(found, whole)


def full(*_args: object, **_options: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("writer", ["numpy.save", "numpy.lib.format.open_memmap", "pathlib.Path.mkdir"])
def test_a_full_disk_is_one_line_and_no_residue(writer: str, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(writer, full)
        with pytest.raises(InputError, match=r"cannot write the cache .*: No space left on device"):
            decoded(memory(grey()), 8)
    assert left_in(own_cache) == []


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="the system does not reserve space")
def test_space_is_reserved_before_pixels_are_written(own_cache: Path) -> None:
    """A page of a sparse mapped file that finds the disk full kills the process with SIGBUS: no error to catch."""
    images = grey()
    reserved = []

    def read(index: int) -> np.ndarray:
        reserved.extend((s.st_blocks * 512, s.st_size) for s in map(os.stat, own_cache.rglob("images.npy")))
        return images[index]

    source = memory(images)
    object.__setattr__(source, "reader", read)
    decoded(source, 128)
    assert reserved
    assert all(blocks >= size for blocks, size in reserved)


# Bringing images to one size


@given(st.integers(1, 12), st.integers(1, 12), st.data())
def test_crop_takes_the_centre(height: int, width: int, data: st.DataObject) -> None:
    size = data.draw(st.integers(1, min(height, width)))
    image = np.arange(height * width, dtype=np.uint8).reshape(1, height, width)
    top, left = (height - size) // 2, (width - size) // 2
    np.testing.assert_array_equal(fit(image, size, "crop"), image[:, top : top + size, left : left + size])


@pytest.mark.parametrize(("length", "size"), [(5, 9), (6, 9), (5, 8), (3, 12), (1, 4)])
def test_crop_mirrors_where_the_image_is_too_small(length: int, size: int) -> None:
    image = np.arange(length * length, dtype=np.float32).reshape(1, length, length)
    before = (size - length + 1) // 2
    after = size - length - before
    margins = [(0, 0), (before, after), (before, after)]
    mirrored = np.pad(image, margins, mode="reflect" if length > 1 else "edge")
    np.testing.assert_array_equal(fit(image, size, "crop"), mirrored)


def test_resize_keeps_a_constant_and_a_mean() -> None:
    np.testing.assert_array_equal(fit(np.full((3, 11, 17), 201, np.uint8), 6, "resize"), 201)
    image = np.random.default_rng(0).integers(0, 256, (1, 32, 32), np.uint8)
    assert abs(float(fit(image, 8, "resize").mean()) - float(image.mean())) < 1.5


def test_pixels_that_cannot_be_written_are_resized_without_a_warning() -> None:
    """As decoders hand them over; torch warns once a process, so a process of its own asks."""
    code = "import numpy as np; from spacewise.cache import fit; a = np.zeros((1, 9, 9), np.uint8); "
    code += "a.flags.writeable = False; fit(a, 4, 'resize')"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=200)
    assert "not writable" not in done.stderr


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int32", "float32", "float64", ">f4"])
@pytest.mark.parametrize("how", ["crop", "resize"])
def test_eight_bits_stay_and_all_else_becomes_float(dtype: str, how: str) -> None:
    image = np.arange(2 * 6 * 6).reshape(2, 6, 6).astype(dtype)
    made = fit(image, 4, how)
    assert made.dtype == (np.uint8 if dtype == "uint8" else np.float32)
    assert made.shape == (2, 4, 4)
    np.testing.assert_allclose(fit(image, 6, how), image)


def test_an_unknown_fit_is_refused() -> None:
    with pytest.raises(InputError, match="crop"):
        decoded(memory(grey(), how="cropp"), 4)


def test_an_empty_name_of_the_cache_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPACEWISE_CACHE", "")
    assert folder().is_absolute()


def test_who_comes_second_waits_and_decodes_nothing(own_cache: Path) -> None:
    images, read = grey(), []
    begun, go_on = threading.Event(), threading.Event()

    def slow(index: int) -> np.ndarray:
        read.append(index)
        begun.set()
        go_on.wait(20)
        return images[index]

    waiting = dataclasses.replace(memory(images), reader=slow)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(decoded, waiting, 8)
        begun.wait(20)
        second = pool.submit(decoded, waiting, 8)
        time.sleep(0.2)
        assert not second.done()
        go_on.set()
        assert torch.equal(first.result(20).images, second.result(20).images)
    assert len(read) == len(waiting) + 1  # the first is read once more, to know bands and type
    assert not list(own_cache.glob("*.lock"))
