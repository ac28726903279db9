"""Cars-196: 16,185 pictures of 196 makes and models, annotated in MATLAB's files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spacewise.describe import described
from spacewise.errors import InputError
from spacewise.sources import listed
from spacewise.sources.source import Source

VERSION = 1
ORIGIN = "'Cars Dataset', Artificial Intelligence Laboratory of Stanford"
COMBINED = "cars_annos.mat"
META = "devkit/cars_meta.mat"
TRAIN = "devkit/cars_train_annos.mat"
TEST = "cars_test_annos_withlabels.mat"
TRAINING_CLASSES = 98


def holds(folder: Path) -> bool:
    """Whether a folder looks like the set's own."""
    return any((folder / name).is_file() for name in (COMBINED, META))


@described
def cars(root: str | Path) -> Source:
    """Cars-196 (Krause et al. 2013), whose folder is `root` or the only one of its kind directly in it.

    Layouts: `cars_annos.mat` beside `car_ims/`; or `devkit/` beside `cars_train/` and `cars_test/`, with
    `cars_test_annos_withlabels.mat` in or beside `devkit/`. The two number the pictures differently.

    Facts: `label` (class name: AM General Hummer SUV 2000), `number` (of the class, from 1), `split` (the
    set's own train and test), `protocol` (of retrieval, Oh Song et al. 2016: the first 98 classes train,
    the rest test). Rows in the order of the annotations, of the devkit's training pictures first.

    Images: (3, height, width) uint8, grey pictures as three equal bands.

    Raises:
        InputError: a file of annotations or a listed image is missing; annotations that are damaged, lack
            a field (the test annotations without classes) or hold a class without a name. On reading:
            whatever `images.rgb` refuses.
    """
    home = listed.home("cars", Path(root), holds)
    if not holds(home):
        raise InputError(f"cars: {home} has neither {COMBINED} nor {META}, parts of the set (homepage: {ORIGIN})")
    combined = (home / COMBINED).is_file()
    if combined and (home / META).is_file():  # both annotations: the pictures tell which of them is meant
        combined = (home / "car_ims").is_dir()
    files = [home / COMBINED] if combined else _devkit(home)
    classes = _class_names(files[0])
    rows = _combined(files[0]) if combined else [*_part(files[1], "train"), *_part(files[2], "test")]
    facts = pd.DataFrame([_facts(file, row, classes) for file, row in rows])
    return listed.listed("cars", home, facts, files, VERSION)


def _devkit(home: Path) -> list[Path]:
    """Files of class names, training and test annotations."""
    places = [home / "devkit" / TEST, home / TEST]
    test = next((place for place in places if place.is_file()), None)
    if test is None:
        there = ", cars_test_annos.mat has no classes" if (home / "devkit/cars_test_annos.mat").is_file() else ""
        raise InputError(
            f"cars: {places[0]} is missing{there}: fetch {TEST} and put it there or beside devkit/ (homepage: {ORIGIN})"
        )
    return [listed.present("cars", home / name, ORIGIN) for name in (META, TRAIN)] + [test]


def _combined(file: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    for row in _structs(file, ("relative_im_path", "class", "test")):
        if row["test"] not in (0, 1):
            raise InputError(f"{file}: field test of {row['relative_im_path']} is {row['test']}, expected 0 or 1")
        yield file, {"id": row["relative_im_path"], "class": row["class"], "split": "test" if row["test"] else "train"}


def _part(file: Path, side: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    for row in _structs(file, ("fname", "class")):
        yield file, {"id": f"cars_{side}/{row['fname']}", "class": row["class"], "split": side}


def _facts(file: Path, row: dict[str, Any], classes: Sequence[str]) -> dict[str, Any]:
    number = row["class"]
    if number not in range(1, len(classes) + 1):
        raise InputError(f"{file}: {row['id']} has class {number}, expected 1 to {len(classes)}")
    return {
        "id": row["id"],
        "label": classes[int(number) - 1],
        "number": int(number),
        "split": row["split"],
        "protocol": "train" if number <= TRAINING_CLASSES else "test",
    }


def _load(file: Path, variable: str) -> np.ndarray:
    """One variable of a MATLAB file, its elements in a row."""
    from scipy.io import loadmat  # half a second to import

    try:
        found = loadmat(file, appendmat=False, variable_names=[variable])
    except Exception as error:  # on broken bytes it raises anything from zlib.error to KeyError
        text = " ".join((getattr(error, "strerror", None) or str(error) or type(error).__name__).split())
        raise InputError(f"cannot read {file}: {text}") from error
    if variable not in found:
        raise InputError(f"{file}: has no variable '{variable}', expected the set's file (homepage: {ORIGIN})")
    return np.asarray(found[variable]).ravel()


def _class_names(file: Path) -> list[str]:
    names = [_single(file, "class_names", name) for name in _load(file, "class_names")]
    for name in names:
        if not isinstance(name, str) or names.count(name) > 1:
            raise InputError(f"{file}: class_names holds {name!r}, expected as many different names as classes")
    return names


def _structs(file: Path, fields: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The fields of each annotation; the first holds the picture's name, the others are whole numbers."""
    table = _load(file, "annotations")
    for field in fields:
        if field not in (table.dtype.names or ()):
            hint = f": the classes are in {TEST}" if field == "class" else ""
            raise InputError(f"{file}: its annotations have no field '{field}'{hint} (homepage: {ORIGIN})")
    if not len(table):
        raise InputError(f"{file}: holds no annotations")
    columns = [[_single(file, field, value) for value in table[field]] for field in fields]
    for row, (name, *numbers) in enumerate(zip(*columns), 1):
        if not isinstance(name, str) or not all(isinstance(number, int | float) for number in numbers):
            raise InputError(f"{file}: annotation {row} holds {(name, *numbers)}, expected a name and numbers")
        yield dict(zip(fields, (name, *numbers)))


def _single(file: Path, field: str, value: Any) -> Any:
    """What MATLAB wraps in an array of one element."""
    array = np.asarray(value)
    if array.size != 1:
        raise InputError(f"{file}: a value of {field} has {array.size} elements, expected one")
    return array.item()
