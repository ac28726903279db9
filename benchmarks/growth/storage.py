"""What reads files: shards of embeddings, folders of pictures. Just written, they lie in memory."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.growth.operation import LIMIT, OURS, Call, Contender, Operation

DIMENSION, SPACE, SIDE, SMALL, BLOCK = 512, "feature", 256, 64, 2**23
NOTHING = float("nan")


class Folder:
    """A temporary folder that lives as long as what holds it."""

    def __init__(self) -> None:
        self._kept = tempfile.TemporaryDirectory(prefix="growth")
        self.path = Path(self._kept.name)


def embeddings(size: int) -> Folder:
    """An archive of so many samples of 512 numbers, in shards."""
    import numpy as np
    import pandas as pd

    from spacewise import files
    from spacewise.archive import stored

    place, generator = Folder(), np.random.default_rng(0)
    starts = range(0, size, stored.SHARD)
    for number, start in enumerate(starts):
        length = min(stored.SHARD, size - start)
        table = pd.DataFrame({"row": range(start, start + length)})
        vectors = generator.standard_normal((length, DIMENSION), dtype=np.float32)
        stored.write_part(place.path, number, table, {SPACE: vectors}, {})
    files.write_json(place.path / stored.FACTS, {"shards": len(starts), "spaces": {SPACE: DIMENSION}})
    return place


def spacewise_blocks(place: Folder) -> Call:
    from spacewise.archive.stored import open_embeddings

    return lambda: sum(float(block.values.sum()) for block in open_embeddings(place.path).blocks(SPACE))


def pyarrow_blocks(place: Folder) -> Call:
    from pyarrow import dataset

    def call() -> float:
        batches = dataset.dataset(place.path, format="parquet").to_batches(columns=[SPACE])
        return sum(float(batch.column(0).flatten().to_numpy().sum()) for batch in batches)

    return call


def numpy_blocks(place: Folder) -> Call:
    import numpy as np

    from spacewise.archive.stored import SHARD, open_embeddings

    file = place.path / "vectors.npy"
    blocks = [block.values for block in open_embeddings(place.path).blocks(SPACE)]
    np.save(file, np.concatenate(blocks))

    def call() -> float:
        array = np.load(file, mmap_mode="r")
        return sum(float(array[start : start + SHARD].sum()) for start in range(0, len(array), SHARD))

    return call


def read_files(paths: Callable[[Folder], list[Path]]) -> Contender:
    """The bytes of the files, one after the other, into one buffer."""

    def ready(place: Folder) -> Call:
        buffer, found = bytearray(BLOCK), paths(place)

        def call() -> float:
            for path in found:
                with path.open("rb", buffering=0) as stream:
                    while stream.readinto(buffer):
                        pass
            return NOTHING

        return call

    return ready


def pictures(size: int) -> Folder:
    """So many files of 256 x 256 RGB in four classes, PNG and JPEG in turn."""
    import numpy as np
    from PIL import Image

    place, generator = Folder(), np.random.default_rng(0)
    for label in range(4):
        (place.path / f"class{label}").mkdir()
    for number in range(size):
        coarse = generator.integers(20, 220, (SIDE // 16, SIDE // 16, 3)).repeat(16, 0).repeat(16, 1)
        pixels = (coarse + generator.integers(0, 16, coarse.shape)).astype(np.uint8)
        ending = "png" if number // 4 % 2 else "jpg"
        Image.fromarray(pixels).save(place.path / f"class{number % 4}" / f"{number:06}.{ending}")
    return place


def found_pictures(place: Folder) -> list[Path]:
    return sorted(place.path.glob("class*/*"))


def spacewise_decoded(place: Folder) -> Call:
    """The folder listed, every picture checked, its digest kept, and the array written: a cache that is empty."""
    import spacewise as sw

    def call() -> float:
        with tempfile.TemporaryDirectory(prefix="growth") as cache:
            os.environ["SPACEWISE_CACHE"] = cache
            return float(sw.cache.decoded(sw.sources.folder(place.path), SMALL).images.float().mean())

    return call


def in_threads(each: Callable[[Path], Any], place: Folder) -> list[Any]:
    """Of every picture, in as many threads as it is measured with."""
    import torch

    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        return list(pool.map(each, found_pictures(place)))


def pillow_decoded(place: Folder) -> Call:
    import numpy as np
    from PIL import Image

    def small(path: Path) -> Any:
        with Image.open(path) as picture:
            return np.asarray(picture.convert("RGB").resize((SMALL, SMALL), Image.Resampling.BILINEAR))

    return lambda: float(np.stack(in_threads(small, place)).mean())


def bare_decoded(place: Folder) -> Call:
    from PIL import Image

    def loaded(path: Path) -> None:
        with Image.open(path) as picture:
            picture.load()

    def call() -> float:
        in_threads(loaded, place)
        return NOTHING

    return call


def shards(place: Folder) -> list[Path]:
    return sorted(place.path.glob("part-*.parquet"))


OPERATIONS = {
    "shards": Operation(
        title="Reading embeddings from disk",
        words="A folder of Parquet shards, 512 numbers a sample, every block summed. spacewise verifies checksums as "
        "it reads, its peers do not; NumPy reads one mapped file of the same vectors, whose pages count as its memory.",
        unit="samples",
        smallest=16_384,
        make=embeddings,
        contenders={
            OURS: spacewise_blocks,
            "pyarrow": pyarrow_blocks,
            "NumPy memmap": numpy_blocks,
            LIMIT: read_files(shards),
        },
        limit="the bytes of the files read one after the other; they lie in memory",
        agree=(OURS, "pyarrow", "NumPy memmap"),
        tolerance=1e-3,  # sums in single precision, in another order
    ),
    "decoding": Operation(
        title="Decoding a folder of pictures",
        words="PNG and JPEG of 256 x 256 RGB, made 64 x 64: spacewise lists, checks, digests and writes the array that "
        "later runs map; Pillow decodes and resizes in a pool of threads, and keeps the array in memory.",
        unit="files",
        smallest=125,
        least=16,
        make=pictures,
        contenders={OURS: spacewise_decoded, "Pillow": pillow_decoded, LIMIT: bare_decoded},
        limit="decoding alone, in a pool of threads, pixels thrown away",
        agree=(OURS, "Pillow"),
        tolerance=1e-2,
    ),
}
