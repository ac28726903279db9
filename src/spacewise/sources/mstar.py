"""MSTAR public targets: radar chips of ground vehicles in the distribution's own folder tree."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from spacewise.describe import described
from spacewise.errors import InputError
from spacewise.sources import images, phoenix
from spacewise.sources.source import Source, file_stamp

VERSION = 1
LAYOUT = "…/17_DEG/COL2/SCENE1/2S1/HB14931.000 or …/17_DEG/BMP2/SN_C21/HB03787.000, also with .jpeg behind"
CHIP = re.compile(r"(HB\d+)\.\d{3}(\.jpe?g)?", re.IGNORECASE)
DEPRESSION = re.compile(r"(\d+)_DEG", re.IGNORECASE)
COLLECTION = re.compile(r"(COL\d+)", re.IGNORECASE)
SCENE = re.compile(r"(SCENE\d+)", re.IGNORECASE)
SERIAL = re.compile(r"SN_(.+)", re.IGNORECASE)

NAMES = ("BMP2", "BTR70", "T72", "2S1", "BRDM2", "BTR60", "D7", "T62", "ZIL131", "ZSU23-4")
# Of seven classes the public set has one vehicle each, whose published serial number the paths leave out.
SOLE_SERIAL = {
    "2S1": "b01",
    "BRDM2": "e-71",
    "BTR60": "k10yt7532",
    "D7": "92v13015",
    "T62": "a51",
    "ZIL131": "e12",
    "ZSU23-4": "d08",
}


class Place(NamedTuple):
    """What the folders above a chip tell; empty or None where they tell nothing."""

    label: str
    serial: str
    depression: int | None
    collection: str
    scene: str


@described
def mstar(root: str | Path) -> Source:
    """MSTAR chips anywhere below `root`: Phoenix files (`HB03787.000`) and their JPEG copy (`….jpeg`).

    Facts of every chip: `label` (BMP2, BTR70, T72, BTR60, 2S1, BRDM2, D7, T62, ZIL131, ZSU23-4; a folder
    of another name gives its name), `serial` (lower case: c21, 9563, s7), `depression` (degrees, whole),
    `collection` (COL1), `scene` (SCENE1), `frame` (HB03787). They come from the folders' names; a class,
    serial or depression that is not there comes from the Phoenix header. Where there are Phoenix files,
    also `aspect` and `measured_depression` (degrees, NaN for JPEG).

    Images: Phoenix (1, rows, columns) float32 linear magnitude; JPEG (1, height, width) uint8.

    Raises:
        InputError: no such folder, no chip in it, a chip without class or depression, the same chip
            twice (as Phoenix and JPEG, say), or a broken Phoenix header.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"mstar: {root} is no folder, expected one with {LAYOUT}")
    files = sorted(_chips(root), key=Path.as_posix)
    if not files:
        raise InputError(f"mstar: no chips in {root}, expected {LAYOUT}")
    facts = _facts(root, files)
    reader = partial(_read, files)
    stamp = file_stamp(root, files, VERSION)
    return Source("mstar", facts, reader, root, stamp, fit="crop", amplitude="magnitude")


def _chips(root: Path) -> Iterator[Path]:
    """All files that are named like chips; anything else in the tree is passed over."""
    for folder, _, names in os.walk(root, onerror=_refuse_folder, followlinks=True):
        yield from (Path(folder, name) for name in names if CHIP.fullmatch(name))


def _refuse_folder(error: OSError) -> None:
    raise InputError(f"mstar: cannot list {error.filename}: {error.strerror}") from error


def _facts(root: Path, files: Sequence[Path]) -> pd.DataFrame:
    folders = {file.parent for file in files}
    places = {folder: _place(folder) for folder in folders}
    facts = pd.DataFrame([_chip_facts(root, file, places[file.parent]) for file in files])
    _refuse_twins(files, facts)
    return facts


def _place(folder: Path) -> Place:
    """Read a chip's folders from the innermost out, those above the root included."""
    parts = folder.absolute().parts[::-1]
    serial, depression = _first(SERIAL, parts), _first(DEPRESSION, parts)
    target = next(part for part in parts if not SERIAL.fullmatch(part))
    frame = any(pattern.fullmatch(target) for pattern in (DEPRESSION, COLLECTION, SCENE))
    label = _class_name(target)
    if label not in NAMES and (frame or not depression):
        label = ""  # a folder of another name is a class (SLICY) only within the distribution's tree
    return Place(
        label,
        serial.lower(),
        int(depression) if depression else None,
        _first(COLLECTION, parts).upper(),
        _first(SCENE, parts).upper(),
    )


def _first(pattern: re.Pattern[str], parts: Sequence[str]) -> str:
    return next((found[1] for part in parts if (found := pattern.fullmatch(part))), "")


def _class_name(text: str) -> str:
    """`BTR_60` → `BTR60`; a name that is none of the ten classes stays as it is."""
    letters = _letters(text)
    return next((name for name in NAMES if _letters(name) == letters), text)


def _letters(text: str) -> str:
    return re.sub(r"[^0-9A-Z]", "", text.upper())


def _chip_facts(root: Path, file: Path, place: Place) -> dict[str, object]:
    header = {} if _is_jpeg(file) else phoenix.header(file)
    label = _label(place, header)
    depression = place.depression
    if depression is None and "DesiredDepression" in header:
        depression = round(_degrees(file, header, "DesiredDepression"))
    if not label or depression is None:
        missing = "class" if not label else "depression"
        raise InputError(f"mstar: neither path nor header tells the {missing} of {file}, expected {LAYOUT}")
    facts: dict[str, object] = {
        "id": file.relative_to(root).as_posix(),
        "label": label,
        "serial": place.serial or header.get("TargetSerNum", "").lower() or SOLE_SERIAL.get(label, ""),
        "depression": depression,
        "collection": place.collection,
        "scene": place.scene,
        "frame": file.name.partition(".")[0].upper(),
    }
    measured = {"aspect": "TargetAz", "measured_depression": "MeasuredDepression"}
    return facts | {fact: _degrees(file, header, key) for fact, key in measured.items() if key in header}


def _label(place: Place, header: dict[str, str]) -> str:
    """The folder's class, else the header's (`t72_tank`), else the folder's or header's text."""
    if place.label in NAMES:
        return place.label
    target = header.get("TargetType", "")
    named = (_class_name(text) for text in (target, target.rpartition("_")[0]))
    return next((name for name in named if name in NAMES), place.label or target)


def _degrees(file: Path, header: dict[str, str], key: str) -> float:
    try:
        value = float(header[key])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{file}: header field {key} is '{header[key]}', expected degrees")
    return value


def _refuse_twins(files: Sequence[Path], facts: pd.DataFrame) -> None:
    """The same chip in two formats would stand on both sides of any split."""
    seen: dict[tuple[object, ...], Path] = {}
    columns = (facts[name] for name in ("label", "serial", "depression", "collection", "scene"))
    for file, *place in zip(files, *columns):
        chip = (*place, *file.name.upper().split(".")[:2])  # frame and target number
        if chip in seen:
            raise InputError(f"mstar: {seen[chip]} and {file} are the same chip, expected one copy of each")
        seen[chip] = file


def _read(files: Sequence[Path], index: int) -> np.ndarray:
    file = files[index]
    if not _is_jpeg(file):
        return phoenix.read(file)[1][None]
    image = images.decode(file)
    if len(image) != 1:
        raise InputError(f"{file}: has {len(image)} bands, expected a grey chip")
    return image


def _is_jpeg(file: Path) -> bool:
    return file.suffix.lower() in (".jpeg", ".jpg")
