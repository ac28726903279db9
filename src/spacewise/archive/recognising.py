"""Which kind of archive somebody's path is."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spacewise import sources
from spacewise.archive.hdf5 import is_hdf5, open_hdf5
from spacewise.archive.held import Held
from spacewise.archive.pictures import Pictures
from spacewise.archive.scenes import ENDINGS, Scenes, holds_scenes
from spacewise.archive.taking import Archive, Takes
from spacewise.describe import make_named
from spacewise.errors import InputError

EXPECTED = "a folder of pictures or GeoTIFFs, a GeoTIFF, an HDF5 file, or the folder of a known data set"


def open_archive(
    data: str, takes: Takes, *, stride: int | None = None, like: Mapping[str, Any] | None = None, kind: str = ""
) -> Archive:
    """Opens whatever holds images.

    Args:
        data: a folder, `FILE.tif`, `FILE.h5`, `FILE.h5:DATASET`, or `simulated`.
        stride: of the tiles of a scene, in pixels; the network's size where it is not given.
        like: name and options of the source of the run: an archive of the same format is read in the same way.
        kind: as it was recognised before; looked for where it is not given.

    Raises:
        InputError: nothing is there, or nothing that is known; a stride for what is no scene; as the archive itself.
    """
    if stride is not None and stride < 1:
        raise InputError(f"--stride is the distance of tiles in pixels, 1 or more, not {stride}")
    kind = kind or recognise(data, takes.size)
    if kind == "scenes":
        return Scenes(Path(data), takes, stride or takes.size)
    if stride is not None:
        raise InputError(f"--stride is for tiles of GeoTIFFs; {data} holds {kind}: leave it out")
    if kind == "hdf5":
        file, dataset = _file_and_dataset(data)
        return open_hdf5(file, dataset, takes)
    if kind == "pictures":
        return Pictures(Path(data), takes)
    options = {key: value for key, value in (like or {}).items() if key not in ("name", "root")}
    given = [] if kind in sources.SIMULATED else [data]
    same = (like or {}).get("name") == kind
    return Held(data, make_named("source", sources.SOURCES, kind, options if same else {}, *given), takes)


def recognise(data: str, size: int) -> str:
    """`pictures`, `scenes`, `hdf5`, or the name of a source; raises `InputError` for anything else."""
    if data in sources.SIMULATED:
        return data
    path, (file, dataset) = Path(data), _file_and_dataset(data)
    if path.is_dir():
        name = sources.recognise(path)
        return name if name != "folder" else "scenes" if holds_scenes(path, size) else "pictures"
    if file.is_file() and is_hdf5(file):
        return "hdf5"
    if path.is_file() and path.suffix.lower() in ENDINGS:
        return "scenes"
    if path.is_file() or dataset:
        raise InputError(f"{data} is no archive, expected {EXPECTED}")
    raise InputError(f"{data} does not exist, expected {EXPECTED}")


def rooted(data: str) -> str:
    """The same path from the root of the file system; the name of a simulation stays."""
    return data if data in sources.SIMULATED else os.path.abspath(Path(data).expanduser())


def _file_and_dataset(data: str) -> tuple[Path, str]:
    """`FILE` or `FILE:DATASET`; the dataset is "" where none is named."""
    file, colon, dataset = data.rpartition(":")
    if colon and not Path(data).exists() and Path(file).is_file():
        return Path(file), dataset
    return Path(data), ""
