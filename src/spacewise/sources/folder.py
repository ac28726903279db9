"""Pictures in one folder a class: the layout of UC Merced, AID, exports of CIFAR and most scene sets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from spacewise.describe import described
from spacewise.errors import InputError, unknown
from spacewise.sources import images
from spacewise.sources.source import Source, file_stamp

VERSION = 1
LAYOUT = "CLASS/picture.png or train/CLASS/picture.png beside test/ and validation/"
SPLITS = {
    "train": "train",
    "training": "train",
    "test": "test",
    "testing": "test",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
}


class Listing(NamedTuple):
    """What one folder holds, sorted; hidden names and those of archive tools (`__MACOSX`) left out."""

    folders: list[Path]
    pictures: list[Path]
    others: list[Path]


@described
def folder(root: str | Path, *, classes: Mapping[str, str] | None = None) -> Source:
    """Pictures below `root`, the class of each being its folder's name; formats as `images.decode`.

    Layouts: `root/CLASS/picture`; or `root/train/CLASS/picture` beside `test` and `val` or `validation`,
    which adds the fact `split` (train, test, validation). A folder that holds nothing but one folder of
    class folders is stepped into (`root/Images/CLASS/picture`). Files of other kinds are passed over.

    Images: (band, height, width) in the dtype and size of the file.

    Args:
        classes: folder -> name of its class, which several folders may share; folders that are not named are
            left out unread. None: every folder, under its own name.

    Raises:
        InputError: no such folder; no class folders; a class folder without pictures or with folders in
            it; pictures outside a class folder; `classes` that are empty or name no folder. On reading:
            whatever `images.decode` refuses.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"folder: {root} is no folder, expected one with {LAYOUT}")
    top = _top(root)
    parents = list(_parents(top))
    names = _names(root, [parent for _, parent in parents], classes)
    rows = [row for split, parent in parents for row in _samples(root, split, parent, names)]
    rows.sort(key=lambda row: row["id"])
    files = [root / row["id"] for row in rows]
    facts = pd.DataFrame(rows)
    if not facts["split"].ne("").any():
        facts = facts.drop(columns="split")
    reader = partial(_read, files)
    stamp = file_stamp(root, files, VERSION)  # of the chosen files: other names for them are the same images
    return Source("folder", facts, reader, root, stamp, fit="resize", amplitude="intensity")


def _list(directory: Path) -> Listing:
    try:
        entries = sorted(directory.iterdir())
    except OSError as error:
        raise InputError(f"folder: cannot list {directory}: {error.strerror}") from error
    listing = Listing([], [], [])
    for entry in entries:
        if entry.name.startswith((".", "__")):
            continue
        if entry.is_dir():
            listing.folders.append(entry)
        elif entry.suffix.lower() in images.DECODERS:
            listing.pictures.append(entry)
        else:
            listing.others.append(entry)
    return listing


def _top(root: Path) -> Path:
    """The folder that holds the class or split folders: `root`, or one further in."""
    listing = _list(root)
    while len(listing.folders) == 1 and not listing.pictures and not _splits(listing):
        inner = _list(listing.folders[0])
        if inner.pictures or not inner.folders:
            break
        root, listing = listing.folders[0], inner
    return root


def _splits(listing: Listing) -> list[Path]:
    """Folders named like a split that hold folders; `train` full of pictures is a class."""
    named = [child for child in listing.folders if child.name.lower() in SPLITS]
    return [child for child in named if (inner := _list(child)).folders and not inner.pictures]


def _parents(top: Path) -> Iterator[tuple[str, Path]]:
    """Split and folder of each set of class folders; the split is "" where there is none."""
    listing = _list(top)
    splits = _splits(listing)
    strangers = [child for child in listing.folders if child not in splits] + listing.pictures
    if splits and strangers:
        names = ", ".join(child.name for child in splits)
        raise InputError(f"folder: {strangers[0]} lies beside {names}, expected only splits there")
    if not splits:
        yield "", top
    for child in splits:
        yield SPLITS[child.name.lower()], child


def _names(root: Path, parents: Sequence[Path], classes: Mapping[str, str] | None) -> Mapping[str, str]:
    """Folder -> name of its class, of the folders that are read."""
    found = sorted({child.name for parent in parents for child in _list(parent).folders})
    if classes is None:
        return {name: name for name in found}
    if not classes:
        raise InputError(f"folder: classes names no folder of {root}, expected some such as {{'Beach': 'beach'}}")
    for name, label in classes.items():
        if name not in found:
            raise unknown(f"class folder of {root}", name, found)
        if not label:
            raise InputError(f"folder: classes gives '{name}' no name, expected one such as '{name.lower()}'")
    return classes


def _samples(root: Path, split: str, parent: Path, names: Mapping[str, str]) -> Iterator[dict[str, str]]:
    listing = _list(parent)
    if not listing.folders:
        held = "pictures directly in it" if listing.pictures else "no class folders"
        raise InputError(f"folder: {parent} has {held}, expected {LAYOUT}")
    if listing.pictures:
        raise InputError(f"folder: {listing.pictures[0]} lies beside class folders, expected it in one of them")
    for child in (child for child in listing.folders if child.name in names):
        for picture in _class_pictures(child):
            yield {"id": picture.relative_to(root).as_posix(), "label": names[child.name], "split": split}


def _class_pictures(child: Path) -> list[Path]:
    listing = _list(child)
    if listing.folders:
        raise InputError(f"folder: class folder {child} holds folders ({listing.folders[0].name}), expected {LAYOUT}")
    if not listing.pictures:
        found = sorted({other.suffix or other.name for other in listing.others})
        held = f"only {', '.join(found)}" if found else "nothing"
        kinds = ", ".join(images.DECODERS)
        raise InputError(f"folder: class folder {child} is empty: it holds {held}, expected files {kinds}")
    return listing.pictures


def _read(files: Sequence[Path], index: int) -> np.ndarray:
    return images.decode(files[index])
