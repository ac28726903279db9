"""Caltech-UCSD Birds-200-2011: 11,788 pictures of 200 species of birds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

import pandas as pd

from spacewise.describe import described
from spacewise.errors import InputError
from spacewise.sources import listed
from spacewise.sources.source import Source

VERSION = 1
ORIGIN = "'Caltech-UCSD Birds-200-2011', Vision Lab of Caltech"
FILES = ("images.txt", "image_class_labels.txt", "classes.txt", "train_test_split.txt")
SIDES = {"1": "train", "0": "test"}
TRAINING_CLASSES = 100

Value = TypeVar("Value")


def holds(folder: Path) -> bool:
    """Whether a folder looks like the set's own."""
    return all((folder / name).is_file() for name in FILES[:2])


@described
def cub(root: str | Path) -> Source:
    """CUB-200-2011 (Wah et al. 2011), whose folder is `root` or the only one of its kind directly in it.

    Facts: `label` (001.Black_footed_Albatross), `number` (of the class, from 1), `split` (the set's own
    train and test), `protocol` (of retrieval, Oh Song et al. 2016: the first 100 classes train, the rest
    test). Rows in the order of `images.txt`; bounding boxes are not used.

    Images: (3, height, width) uint8, grey pictures as three equal bands.

    Raises:
        InputError: a file of annotations or a listed image is missing; a line with other columns, a
            number twice, a class that is not in `classes.txt`; files that list different images.
            On reading: whatever `images.rgb` refuses.
    """
    home = listed.home("cub", Path(root), holds)
    files = [listed.present("cub", home / name, ORIGIN) for name in FILES]
    listing, labels, names, sides = files

    classes = _classes(names)
    paths = _values(listing, lambda place, text: f"images/{text}")
    numbers = _values(labels, lambda place, text: _class_number(place, text, classes, names))
    splits = _values(sides, _side)
    _same_images(listing, paths, labels, numbers)
    _same_images(listing, paths, sides, splits)

    facts = pd.DataFrame({"id": paths.values(), "number": [numbers[image] for image in paths]})
    facts.insert(1, "label", facts["number"].map(classes))
    facts["split"] = [splits[image] for image in paths]
    facts["protocol"] = ["train" if number <= TRAINING_CLASSES else "test" for number in facts["number"]]
    return listed.listed("cub", home, facts, files, VERSION)


def _values(file: Path, parse: Callable[[str, str], Value]) -> dict[int, Value]:
    """The second column by the number in the first; `parse` gets the place and the text."""
    values: dict[int, Value] = {}
    for place, (key, text) in listed.lines(file, 2):
        number = listed.whole(place, key, "number")
        if number in values:
            raise InputError(f"{place}: number {number} stands twice in the file")
        values[number] = parse(place, text)
    if not values:
        raise InputError(f"{file}: is empty")
    return values


def _classes(file: Path) -> dict[int, str]:
    classes = _values(file, lambda place, text: text)
    if len(set(classes.values())) < len(classes):
        twice = next(name for name in classes.values() if list(classes.values()).count(name) > 1)
        raise InputError(f"{file}: two classes are named '{twice}'")
    return classes


def _class_number(place: str, text: str, classes: Iterable[int], names: Path) -> int:
    number = listed.whole(place, text, "class")
    if number not in classes:
        raise InputError(f"{place}: class {number} is not in {names}, expected {min(classes)} to {max(classes)}")
    return number


def _side(place: str, text: str) -> str:
    if text not in SIDES:
        raise InputError(f"{place}: the mark of training is '{text}', expected 1 (train) or 0 (test)")
    return SIDES[text]


def _same_images(first: Path, one: Iterable[int], second: Path, other: Iterable[int]) -> None:
    for lacking, full, lost in ((second, first, set(one) - set(other)), (first, second, set(other) - set(one))):
        if lost:
            more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
            raise InputError(f"{lacking}: lacks image {min(lost)}{more} of {full}, expected the same images in both")
