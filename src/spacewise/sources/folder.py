"""Pictures in one folder a class: the layout of UC Merced, AID, exports of CIFAR and most scene sets."""

from __future__ import annotations

import os
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
UNLABELLED = ("unlabelled", "unlabeled")  # folders so named are never classes


class Listing(NamedTuple):
    """What one folder holds, sorted; hidden names and those of archive tools (`__MACOSX`) left out.

    Folders of unlabelled images are not among `folders`.
    """

    folders: list[Path]
    pictures: list[Path]
    others: list[Path]
    unlabelled: list[Path]


@described
def folder(root: str | Path, *, classes: Mapping[str, str] | None = None, unlabelled: str = "") -> Source:
    """Pictures below `root`, the class of each being its folder's name; formats as `images.decode`.

    Layouts: `root/CLASS/picture`; or `root/train/CLASS/picture` beside `test` and `val` or `validation`,
    which adds the fact `split` (train, test, validation). A folder that holds nothing but one folder of
    class folders is stepped into (`root/Images/CLASS/picture`). Files of other kinds are passed over.

    Unlabelled pictures: of a folder named `unlabelled` (or `unlabeled`, in either case; never a class) beside the
    class folders, or beside `train`, `test`; directly in it or in folders of any depth. They come last, their label
    is "" and their fact `split` is `unlabelled`.

    Images: (band, height, width) in the dtype and size of the file.

    Args:
        classes: folder -> name of its class, which several folders may share; folders that are not named are
            left out unread. None: every folder, under its own name.
        unlabelled: the folder of unlabelled pictures where it has another name or place: a path from `root`, or
            an absolute one.

    Raises:
        InputError: no such folder; no class folders; a class folder without pictures or with folders in
            it; pictures outside a class folder; `classes` that are empty or name no folder; a folder of unlabelled
            pictures without any, within a split or with the class folders in it, or a second one. On reading:
            whatever `images.decode` refuses.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"folder: {root} is no folder, expected one with {LAYOUT}")
    given = _given(root, unlabelled)
    top = _top(root, given)
    parents = list(_parents(top, given))
    names = _names(root, [child.name for _, parent in parents for child in _list(parent, given).folders], classes)
    rows = [row for split, parent in parents for row in _samples(root, split, parent, names, given)]
    rows.sort(key=lambda row: row["id"])
    files = [root / row["id"] for row in rows]
    stamp = file_stamp(root, files, VERSION)  # of the chosen files: other names for them are the same images
    pool = _pool(root, top, [parent for _, parent in parents], given)
    if pool is not None:
        more = _pictures(pool)
        rows += [{"id": _id(root, pool, picture), "label": "", "split": "unlabelled"} for picture in more]
        files += more
        stamp += file_stamp(pool, more, VERSION)
    facts = pd.DataFrame(rows)
    if not facts["split"].ne("").any():
        facts = facts.drop(columns="split")
    reader = partial(_read, files)
    return Source("folder", facts, reader, root, stamp, fit="resize", amplitude="intensity")


def _list(directory: Path, given: Path | None = None) -> Listing:
    """What lies in a folder; `given` is one of unlabelled pictures whatever its name."""
    try:
        entries = sorted(directory.iterdir())
    except OSError as error:
        raise InputError(f"folder: cannot list {directory}: {error.strerror}") from error
    listing = Listing([], [], [], [])
    for entry in entries:
        if entry.name.startswith((".", "__")):
            continue
        if entry.is_dir():
            apart = entry.name.lower() in UNLABELLED or (given is not None and entry.samefile(given))
            (listing.unlabelled if apart else listing.folders).append(entry)
        elif entry.suffix.lower() in images.DECODERS:
            listing.pictures.append(entry)
        else:
            listing.others.append(entry)
    return listing


def _top(root: Path, given: Path | None) -> Path:
    """The folder that holds the class or split folders: `root`, or one further in."""
    listing = _list(root, given)
    while len(listing.folders) == 1 and not listing.pictures and not _splits(listing):
        inner = _list(listing.folders[0], given)
        if inner.pictures or not inner.folders:
            break
        root, listing = listing.folders[0], inner
    return root


def _splits(listing: Listing) -> list[Path]:
    """Folders named like a split that hold folders; `train` full of pictures is a class."""
    named = [child for child in listing.folders if child.name.lower() in SPLITS]
    return [child for child in named if (inner := _list(child)).folders and not inner.pictures]


def _parents(top: Path, given: Path | None) -> Iterator[tuple[str, Path]]:
    """Split and folder of each set of class folders; the split is "" where there is none."""
    listing = _list(top, given)
    splits = _splits(listing)
    strangers = [child for child in listing.folders if child not in splits] + listing.pictures
    if splits and strangers:
        names = ", ".join(child.name for child in splits)
        raise InputError(f"folder: {strangers[0]} lies beside {names}, expected only splits there")
    if not splits:
        yield "", top
    for child in splits:
        yield SPLITS[child.name.lower()], child


def _names(root: Path, folders: Sequence[str], classes: Mapping[str, str] | None) -> Mapping[str, str]:
    """Folder -> name of its class, of the folders that are read."""
    found = sorted(set(folders))
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


def _samples(
    root: Path, split: str, parent: Path, names: Mapping[str, str], given: Path | None
) -> Iterator[dict[str, str]]:
    listing = _list(parent, given)
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
    folders = listing.folders + listing.unlabelled
    if folders:
        raise InputError(f"folder: class folder {child} holds folders ({folders[0].name}), expected {LAYOUT}")
    if not listing.pictures:
        found = sorted({other.suffix or other.name for other in listing.others})
        held = f"only {', '.join(found)}" if found else "nothing"
        kinds = ", ".join(images.DECODERS)
        raise InputError(f"folder: class folder {child} is empty: it holds {held}, expected files {kinds}")
    return listing.pictures


def _given(root: Path, unlabelled: str) -> Path | None:
    given = Path(os.path.normpath(root / unlabelled)) if unlabelled else None
    if given is not None and not given.is_dir():
        raise InputError(f"folder: unlabelled: {given} is no folder, expected one of unlabelled pictures")
    return given


def _pool(root: Path, top: Path, parents: Sequence[Path], given: Path | None) -> Path | None:
    """The one folder of unlabelled pictures: it lies beside class or split folders, or anywhere where it is given."""
    outer = [place for place in (top, *top.parents) if place.is_relative_to(root)]
    found = [child for place in dict.fromkeys([*outer, *parents]) for child in _list(place, given).unlabelled]
    if given is not None and not any(child.samefile(given) for child in found):
        found.append(given)
    if len(found) > 1:
        raise InputError(
            f"folder: {found[0]} and {found[1]} both hold unlabelled pictures, expected them in one folder"
        )
    if found and top.resolve().is_relative_to(found[0].resolve()):
        raise InputError(f"folder: unlabelled: {found[0]} holds the class folders, expected one of unlabelled pictures")
    return found[0] if found else None


def _pictures(pool: Path) -> list[Path]:
    """The pictures of a folder and of all folders in it, sorted."""
    found = sorted(_below(pool, ()))
    if not found:
        raise InputError(f"folder: {pool} holds no pictures, expected files {', '.join(images.DECODERS)}")
    return found


def _below(directory: Path, above: tuple[Path, ...]) -> list[Path]:
    here = directory.resolve()
    if here in above:
        raise InputError(f"folder: {directory} links back to {here}, which holds it")
    listing = _list(directory)
    inner = (_below(child, (*above, here)) for child in listing.folders + listing.unlabelled)
    return [*listing.pictures, *(picture for pictures in inner for picture in pictures)]


def _id(root: Path, pool: Path, picture: Path) -> str:
    """The path below the root; of a folder that lies elsewhere, that below the folder, after `unlabelled`."""
    if pool.is_relative_to(root):
        return picture.relative_to(root).as_posix()
    return f"unlabelled/{picture.relative_to(pool).as_posix()}"


def _read(files: Sequence[Path], index: int) -> np.ndarray:
    return images.decode(files[index])
