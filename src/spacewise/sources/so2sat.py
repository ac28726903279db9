"""So2Sat LCZ42: patches of Sentinel-1 and Sentinel-2 of 32 x 32 pixels, by local climate zone, in HDF5 files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from spacewise.describe import described
from spacewise.errors import InputError, suggest, unknown
from spacewise.sources import listed
from spacewise.sources.source import Source, file_stamp
from spacewise.sources.zones import ZONES, zone_set

VERSION = 1
ORIGIN = "https://github.com/zhu-xlab/So2Sat-LCZ42"  # links all versions
SIDE = 32
SHAPES = {"sen1": (SIDE, SIDE, 8), "sen2": (SIDE, SIDE, 10), "label": (len(ZONES),)}  # of a sample
SPLITS = {"training": "train", "validation": "validation", "testing": "test"}
PARTS = ("random", "block", "culture_10")  # version 3: three ways to divide the same patches
BLOCK = 256  # rows that are read at once: 6 MB


class Sensor(NamedTuple):
    """Dataset of a sensor, and its channels in the order of the bands of an image."""

    dataset: str
    channels: tuple[int, ...]


SENSORS = {
    "optical": Sensor("sen2", (2, 1, 0)),  # B4, B3, B2: red, green, blue
    "radar": Sensor("sen1", (2, 3)),  # VV, unfiltered: real and imaginary part
}


def holds(folder: Path) -> bool:
    """Whether a folder looks like the set's own, of version 2, 3 or 4."""
    return any(_directly(place) for place in (folder, *(folder / part for part in PARTS)))


@described
def so2sat(root: str | Path, *, sensor: str = "optical", classes: str = "all", part: str = "") -> Source:
    """So2Sat LCZ42 (Zhu et al. 2020), whose folder is `root` or the only one directly in it.

    Layouts: `training.h5`, `validation.h5` and `testing.h5` (version 2; version 4 adds `training_geo.h5` and so
    on); `training.h5` and `testing.h5` in each of the folders `random`, `block` and `culture_10` (version 3).

    Facts: `id` (file and row in it, from 0: `training/000012`), `label` (name of the zone, `zones.ZONES`), `split`
    (train, validation, test), and `city` where the `_geo.h5` files have it. Rows in the order of the files.

    Images: (band, 32, 32) float32.

    Args:
        sensor: `optical`, Sentinel-2's red, green and blue as reflectance; or `radar`, real and imaginary part of
            Sentinel-1's VV, unfiltered.
        classes: a set of zones, `zones.SETS`; samples of other zones are left out.
        part: the folder of version 3 that is meant where `root` holds several.

    Raises:
        InputError: an unknown sensor, set of zones or part; several parts and none named; h5py is not installed; a
            file is missing, cut off or no HDF5; a dataset is missing, has another shape or type, or another number
            of samples than those beside it; a label is not one-hot; a `_geo.h5` file does not fit.
    """
    if sensor not in SENSORS:
        raise unknown("sensor of So2Sat", sensor, SENSORS)
    zones = zone_set(classes)
    home = _part(listed.home("so2sat", Path(root), holds), part)
    files = _files(home)
    tables = [_facts(file) for file in files]
    counts = [len(table) for table in tables]
    facts = pd.concat(tables, ignore_index=True)
    cities = _cities(files, counts)
    if cities is not None:
        facts["city"] = cities
    kept = facts["label"].isin(zones).to_numpy()
    places, rows = np.repeat(np.arange(len(files)), counts), np.concatenate([np.arange(count) for count in counts])
    reader = _Reader(files, SENSORS[sensor], places[kept], rows[kept])
    stamp = f"{file_stamp(home, files, VERSION)}:{sensor}:{classes}"
    return Source("so2sat", facts[kept].reset_index(drop=True), reader, home, stamp, slab=reader.slab)


@dataclass(frozen=True)
class _Reader:
    """Reads sample `index`; a file is opened at the first use and stays open (h5py serialises what threads ask).

    Attributes:
        places: (sample,) number of the file.
        rows: (sample,) row in it, ascending in each file.
    """

    files: Sequence[Path]
    sensor: Sensor
    places: np.ndarray
    rows: np.ndarray
    opened: dict[int, Any] = field(default_factory=dict)
    lock: Any = field(default_factory=Lock)

    def __call__(self, index: int) -> np.ndarray:
        row = int(self.rows[index])
        return self._read(int(self.places[index]), row, row + 1)[0]

    def slab(self, first: int, last: int) -> np.ndarray:
        """Samples `first` to `last` - 1 (sample, band, 32, 32).

        Whole ranges are read, what is not wanted of them dropped: a row by itself costs as much as many.
        """
        places, rows = self.places[first:last], self.rows[first:last]
        # a range ends with its block, so that few wanted rows in a large file take no more memory than many
        edges = np.flatnonzero(np.diff(places) | np.diff(rows // BLOCK)) + 1
        images = np.empty((len(rows), len(self.sensor.channels), SIDE, SIDE), np.float32)
        for start, end in pairwise([0, *edges, len(rows)]):
            low, high = int(rows[start]), int(rows[end - 1]) + 1
            images[start:end] = self._read(int(places[start]), low, high)[rows[start:end] - low]
        return images

    def _read(self, place: int, first: int, last: int) -> np.ndarray:
        channels = np.array(self.sensor.channels)
        low, high = channels.min(), channels.max() + 1
        with self.lock:
            if place not in self.opened:
                self.opened[place] = _open(self.files[place])
        try:
            pixels = self.opened[place][self.sensor.dataset][first:last, :, :, low:high]
        except (OSError, KeyError) as error:
            raise _damaged(self.files[place], error) from error
        with np.errstate(over="ignore"):  # too large for float32: the cache names the sample
            return pixels[..., channels - low].transpose(0, 3, 1, 2).astype(np.float32, order="C")


def _directly(folder: Path) -> bool:
    return any((folder / f"{name}.h5").is_file() for name in ("training", "testing"))


def _part(home: Path, part: str) -> Path:
    """The folder with the files: `home`, or the part of version 3 that is named or alone there."""
    if part and part not in PARTS:
        raise unknown("part of So2Sat", part, PARTS)
    there = [name for name in PARTS if _directly(home / name)]
    if part:
        if part not in there:
            raise InputError(f"so2sat: {home} has no part '{part}': {suggest(part, there)} (homepage: {ORIGIN})")
        return home / part
    if _directly(home):
        return home
    if len(there) > 1:
        raise InputError(f"so2sat: {home} holds the parts {', '.join(there)}: name one of them as part")
    if not there:
        nor = f"nor a folder {', '.join(PARTS)} with them (homepage: {ORIGIN})"
        raise InputError(f"so2sat: {home} has neither training.h5 and testing.h5 {nor}")
    return home / there[0]


def _files(home: Path) -> list[Path]:
    """Version 3 has no validation.h5."""
    files = [home / f"{name}.h5" for name in SPLITS]
    return [listed.present("so2sat", file, ORIGIN) for file in files if file.stem != "validation" or file.is_file()]


def _open(file: Path) -> Any:
    """The open `h5py.File`; raises `InputError` where it is no whole HDF5 file, or h5py is not installed."""
    try:
        import h5py
    except ImportError as error:
        raise InputError(f"so2sat: {file} needs h5py: pip install 'spacewise[geo]' ({error})") from error
    try:
        return h5py.File(file, "r")
    except OSError as error:
        raise _damaged(file, error) from error


def _damaged(file: Path, error: Exception) -> InputError:
    reason = " ".join(str(error).split())
    return InputError(f"cannot read {file}: {reason}; if it is cut off or damaged, fetch it again (homepage: {ORIGIN})")


def _facts(file: Path) -> pd.DataFrame:
    with _open(file) as opened:
        found = {name: _dataset(opened, file, name, "fiub" if name == "label" else "f") for name in SHAPES}
        for name, shape in SHAPES.items():
            if found[name].shape[1:] != shape:
                wanted = ", ".join(map(str, ("samples", *shape)))
                raise InputError(f"{file}: {name} has shape {found[name].shape}, expected ({wanted})")
        counts = {name: len(dataset) for name, dataset in found.items()}
        if len(set(counts.values())) > 1:
            each = ", ".join(f"{count} of {name}" for name, count in counts.items())
            raise InputError(f"{file}: holds {each}, expected as many samples of each")
        labels = np.array(ZONES, object)[_numbers(file, _all(found["label"], file))]
    ids = [f"{file.stem}/{row:06d}" for row in range(len(labels))]
    return pd.DataFrame({"id": ids, "label": labels, "split": SPLITS[file.stem]})


def _dataset(opened: Any, file: Path, name: str, kinds: str) -> Any:
    """A dataset whose dtype is of one of the kinds (numpy's letters)."""
    if not hasattr(opened.get(name), "dtype"):
        raise InputError(f"{file}: has no dataset '{name}': {suggest(name, opened)} (homepage: {ORIGIN})")
    if opened[name].dtype.kind not in kinds:
        wanted = "text" if "S" in kinds else "numbers" if "i" in kinds else "floating-point numbers"
        raise InputError(f"{file}: {name} holds {opened[name].dtype}, expected {wanted}")
    return opened[name]


def _all(dataset: Any, file: Path) -> np.ndarray:
    try:
        return dataset[()]
    except OSError as error:
        raise _damaged(file, error) from error


def _numbers(file: Path, labels: np.ndarray) -> np.ndarray:
    """One-hot labels (sample, zone) as numbers (sample,)."""
    sound = ((labels == 0) | (labels == 1)).all(1) & ((labels == 1).sum(1) == 1)
    if not sound.all():
        bad = int(np.argmin(sound))
        count = int((~sound).sum())
        raise InputError(f"{file}: {count} labels are not one-hot (a single 1 among zeros), the first is row {bad}")
    return labels.argmax(1)


def _cities(files: Sequence[Path], counts: Sequence[int]) -> np.ndarray | None:
    """(sample,) the city of each, from the files beside them; None where there are none, or they name no cities."""
    beside = [file.with_name(f"{file.stem}_geo.h5") for file in files]
    there = [file for file in beside if file.is_file()]
    if not there:
        return None
    if missing := next((file for file in beside if file not in there), None):
        raise InputError(f"so2sat: {missing} is missing beside {there[0].name}, expected all or none ({ORIGIN})")
    if not any(_has_cities(file) for file in beside):
        return None
    return np.concatenate([_named(file, count) for file, count in zip(beside, counts)])


def _has_cities(file: Path) -> bool:
    with _open(file) as opened:
        return "city" in opened  # documented are coordinates alone


def _named(file: Path, count: int) -> np.ndarray:
    with _open(file) as opened:
        dataset = _dataset(opened, file, "city", "SO")
        if dataset.shape not in ((count,), (count, 1)):
            raise InputError(f"{file}: city has shape {dataset.shape}, expected ({count},), one a sample")
        values = _all(dataset, file).reshape(-1)
    try:
        return np.array([bytes(value).decode().strip() for value in values], object)
    except (TypeError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: city holds what is no UTF-8 text: {error}") from error
