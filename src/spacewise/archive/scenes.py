"""An archive that is one GeoTIFF or a folder of them: tiles of the network's size, read window by window."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import tifffile

from spacewise.archive.taking import BATCH, Batch, OtherBands, Takes, batch_of, taken, tried
from spacewise.archive.walking import files_below, shown
from spacewise.errors import InputError

ENDINGS = (".tif", ".tiff")
GEOGRAPHY = 34735  # the tag of the keys of a GeoTIFF
WINDOW = 2**25  # bytes that are read at once: tiles side by side share the rows of the file
SCHEMA = pa.schema(
    [
        ("path", pa.binary()),
        ("top", pa.int32()),
        ("left", pa.int32()),
        ("x", pa.float64()),
        ("y", pa.float64()),
        ("crs", pa.string()),
    ]
)


class Run(NamedTuple):
    """Tiles side by side in one scene, at consecutive places of a shard."""

    path: bytes
    top: int
    lefts: list[int]
    first: int


@dataclass(frozen=True)
class Scenes:
    """Tiles of GeoTIFFs; the id is `SCENE#ROW,COLUMN` of the upper left pixel.

    Facts: `x` and `y` of the centre in the scene's coordinates, `crs`. Tiles that hold nothing but nodata are left
    out; what else is nodata is 0. The last tiles of a row and column end with the scene.

    Attributes:
        stride: pixels from one tile to the next.
        opened: the one scene that is open.
    """

    root: Path
    takes: Takes
    stride: int
    kind: str = "scenes"
    schema: pa.Schema = SCHEMA
    opened: dict[bytes, Any] = field(default_factory=dict)

    @property
    def path(self) -> str:
        return str(self.root)

    def listing(self) -> Iterator[pa.Table]:
        found = False
        for path in files_below(self.root, ENDINGS) if self.root.is_dir() else [b""]:
            found = True
            yield from self._tiles(path)
        if not found:
            raise InputError(f"{self.root} holds no GeoTIFFs, expected files {', '.join(ENDINGS)}")

    def _tiles(self, path: bytes) -> Iterator[pa.Table]:
        """Those of one scene, a row of tiles at a time; one that cannot be opened is one tile that cannot be read."""
        try:
            scene = self._open(path)
        except InputError:
            yield _row(path, 0, np.zeros(1, np.int64), np.full(1, np.nan), np.full(1, np.nan), "")
            return
        if scene.count != self.takes.bands:
            name = self._file(path)
            raise OtherBands(f"{name} has {scene.count} bands, the network takes {self.takes.bands}")
        size, crs = self.takes.size, scene.crs.to_string() if scene.crs else ""
        lefts = np.array(starts(scene.width, size, self.stride))
        columns = lefts + min(size, scene.width) / 2
        for top in starts(scene.height, size, self.stride):
            middle = top + min(size, scene.height) / 2
            to = scene.transform
            x, y = to.a * columns + to.b * middle + to.c, to.d * columns + to.e * middle + to.f
            yield _row(path, top, lefts, x, y, crs)

    def columns(self, rows: pa.Table) -> pa.Table:
        places = zip(*(rows[name].to_pylist() for name in ("path", "top", "left")), strict=True)
        ids = [f"{self._name(path)}#{top},{left}" for path, top, left in places]
        return pa.table({"id": pa.array(ids, pa.string()), **{name: rows[name] for name in ("x", "y", "crs")}})

    def one(self, rows: pa.Table, place: int) -> np.ndarray | None:
        path, top, left = (rows[name][place].as_py() for name in ("path", "top", "left"))
        return self._taken(self._window(path, top, left, left), path, top, left)

    def read(self, rows: pa.Table, pool: Executor) -> Iterator[Batch]:
        for first in range(0, len(rows), BATCH):
            runs = self._runs(rows.slice(first, BATCH), first)
            yield batch_of(first, [tile for run in runs for tile in self._read_run(run, rows)], self.takes)

    def _runs(self, rows: pa.Table, first: int) -> Iterator[Run]:
        """Consecutive tiles of one scene and one row, as many as one window may hold."""
        run: Run | None = None
        widest = WINDOW // (8 * self.takes.bands * self.takes.size)
        for place, (path, top, left) in enumerate(
            zip(*(rows[name].to_pylist() for name in ("path", "top", "left")), strict=True), first
        ):
            if run and run[:2] == (path, top) and left + self.takes.size - run.lefts[0] <= widest:
                run.lefts.append(left)
                continue
            if run:
                yield run
            run = Run(path, top, [left], place)
        if run:
            yield run

    def _read_run(self, run: Run, rows: pa.Table) -> list[np.ndarray | str | None]:
        path, top, lefts, first = run
        try:
            window = self._window(path, top, lefts[0], lefts[-1])
        except (InputError, OSError):  # which of them?
            return [tried(self, rows, first + place) for place in range(len(lefts))]
        found: list[np.ndarray | str | None] = []
        for left in lefts:
            try:
                tile = window[:, :, left - lefts[0] : left - lefts[0] + self.takes.size]
                found.append(self._taken(tile, path, top, left))
            except InputError as error:
                found.append(" ".join(str(error).split()))
        return found

    def _taken(self, tile: Any, path: bytes, top: int, left: int) -> np.ndarray | None:
        """A masked tile (band, height, width) as the network takes it; None where all of it is nodata."""
        if tile.mask.all():
            return None
        name = f"{self._file(path)}#{top},{left}"
        if tile.dtype.kind not in "uif":
            raise InputError(f"{name}: holds {tile.dtype} values, expected real numbers")
        return taken(np.ascontiguousarray(tile.filled(0)), self.takes, name)

    def _window(self, path: bytes, top: int, left: int, last: int) -> Any:
        """Masked pixels (band, size, width) from the tile at `left` to that at `last`."""
        scene, size = self._open(path), self.takes.size
        from rasterio.errors import RasterioError
        from rasterio.windows import Window

        width, height = min(last + size, scene.width) - left, min(size, scene.height - top)
        try:
            return scene.read(window=Window(left, top, width, height), masked=True)
        except RasterioError as error:
            # the reason of a reason: GDAL's own words
            raise InputError(f"cannot read {self._file(path)}: {_brief(error.__cause__ or error)}") from error

    def _open(self, path: bytes) -> Any:
        if path not in self.opened:
            for scene in self.opened.values():
                scene.close()
            self.opened.clear()
            self.opened[path] = open_scene(self._file(path))
        return self.opened[path]

    def _file(self, path: bytes) -> Path:
        return self.root / os.fsdecode(path) if path else self.root

    def _name(self, path: bytes) -> str:
        return shown(path or os.fsencode(self.root.name))


def starts(length: int, size: int, stride: int) -> list[int]:
    """Where tiles begin along a side; the last one ends with it."""
    found = list(range(0, length - size + 1, stride)) or [0]
    return found if found[-1] + size >= length else [*found, length - size]


def open_scene(file: Path) -> Any:
    """An open rasterio dataset; `InputError` where rasterio is not installed or the file is no GeoTIFF."""
    try:
        import rasterio
        from rasterio.errors import RasterioError
    except ImportError as error:
        raise InputError(f"{file}: GeoTIFF needs rasterio: pip install 'spacewise[geo]'") from error
    try:
        return rasterio.open(file, driver="GTiff")
    except (RasterioError, OSError) as error:
        raise InputError(f"cannot read {file}: {_brief(error)}") from error


def holds_scenes(root: Path, size: int) -> bool:
    """Whether the first TIFF of a folder that can be opened is a GeoTIFF with a side above `size`: then all are."""
    for path in files_below(root, ENDINGS):
        try:
            with tifffile.TiffFile(root / os.fsdecode(path)) as file:
                page = file.pages.first
                return GEOGRAPHY in page.tags and max(page.imagewidth, page.imagelength) > size
        except (OSError, ValueError, IndexError, KeyError):  # TiffFileError is a ValueError
            continue
    return False


def _row(path: bytes, top: int, lefts: np.ndarray, x: np.ndarray, y: np.ndarray, crs: str) -> pa.Table:
    many = len(lefts)
    return pa.table(
        {"path": [path] * many, "top": [top] * many, "left": lefts, "x": x, "y": y, "crs": [crs] * many}, SCHEMA
    )


def _brief(error: object) -> str:
    return " ".join(str(error).split())[:200]
