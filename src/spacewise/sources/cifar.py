"""CIFAR-10 and CIFAR-100: 60,000 pictures of 32 x 32 pixels each, in their binary form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from spacewise.describe import described
from spacewise.errors import InputError
from spacewise.sources import listed
from spacewise.sources.source import Source, file_stamp

VERSION = 1
ORIGIN = "https://www.cs.toronto.edu/~kriz/cifar.html"
SHAPE = (3, 32, 32)  # planes of red, green and blue
PIXELS = 3072


class Form(NamedTuple):
    """How one of the two sets is kept.

    Attributes:
        parts: file -> split; records of one byte a name list, then the pixels.
        names: fact -> file with the names, one a line, in the order of the record's bytes.
        pickled: files that only the Python form has.
    """

    title: str
    parts: Mapping[str, str]
    names: Mapping[str, str]
    pickled: Sequence[str]


FORMS = (
    Form(
        "CIFAR-10",
        {f"data_batch_{number}.bin": "train" for number in range(1, 6)} | {"test_batch.bin": "test"},
        {"label": "batches.meta.txt"},
        ("batches.meta", "data_batch_1"),
    ),
    Form(
        "CIFAR-100",
        {"train.bin": "train", "test.bin": "test"},
        {"group": "coarse_label_names.txt", "label": "fine_label_names.txt"},
        ("meta", "train", "test"),
    ),
)


def holds(folder: Path) -> bool:
    """Whether a folder looks like one of the two sets, in the binary or the Python form."""
    return any(_binary(folder, form) or _pickled(folder, form) for form in FORMS)


@described
def cifar(root: str | Path) -> Source:
    """CIFAR-10 or CIFAR-100 (Krizhevsky 2009) by what lies in `root` or in the only such folder directly in it.

    Layouts: `data_batch_1.bin` to `data_batch_5.bin`, `test_batch.bin` and `batches.meta.txt`; or `train.bin`,
    `test.bin`, `fine_label_names.txt` and `coarse_label_names.txt`.

    Facts: `id` (file and number of the record, from 0: `train.bin#00017`), `label` (class name), `split`
    (train, test); of CIFAR-100 also `group` (superclass: fruit_and_vegetables). Rows in the order of the files.

    Images: (3, 32, 32) uint8, read through a memory map.

    Raises:
        InputError: a file is missing, is no whole number of records, or holds a class that has no name; a
            name stands twice; both sets in one folder; the Python form, which only unpickling could read.
    """
    home = listed.home("cifar", Path(root), holds)
    form = _form(home)
    names = {fact: _names(listed.present("cifar", home / file, ORIGIN)) for fact, file in form.names.items()}
    files = [listed.present("cifar", home / file, ORIGIN) for file in form.parts]
    records = [_records(file, len(names)) for file in files]
    facts = pd.concat(
        [_facts(file, rows, names, form.parts[file.name]) for file, rows in zip(files, records)], ignore_index=True
    )
    stamp = file_stamp(home, [*(home / file for file in form.names.values()), *files], VERSION)
    starts = np.cumsum([0, *map(len, records)])
    return Source("cifar", facts, partial(_read, records, starts), home, stamp, fit="resize", amplitude="intensity")


def _binary(folder: Path, form: Form) -> bool:
    """By a file of names or, in CIFAR-10, of pictures; `train.bin` alone might be anything."""
    marks = [*form.names.values(), *(name for name in form.parts if "batch" in name)]
    return any((folder / name).is_file() for name in marks)


def _pickled(folder: Path, form: Form) -> bool:
    return all((folder / name).is_file() for name in form.pickled)


def _form(home: Path) -> Form:
    found = [form for form in FORMS if _binary(home, form)]
    if len(found) > 1:
        raise InputError(f"cifar: {home} holds files of CIFAR-10 and of CIFAR-100, expected one set a folder")
    if found:
        return found[0]
    for form in FORMS:
        if _pickled(home, form):
            raise InputError(
                f"cifar: {home} holds the Python (pickled) form of {form.title}, and nothing is unpickled here: "
                f"get the binary version from {ORIGIN}"
            )
    marks = " nor ".join(form.names["label"] for form in FORMS)
    raise InputError(f"cifar: {home} has neither {marks}, parts of the sets' binary form (homepage: {ORIGIN})")


def _names(file: Path) -> list[str]:
    """One name a line; empty lines, which CIFAR-10's list ends in, left out."""
    names = [name for _, (name,) in listed.lines(file, 1)]
    twice = next((name for name in names if names.count(name) > 1), "")
    if twice or not names:
        raise InputError(f"{file}: {f'two classes are named {twice!r}' if twice else 'is empty'}, expected class names")
    return names


def _records(file: Path, header: int) -> np.ndarray:
    """The file as (record, byte), mapped: `header` numbers of classes, then the pixels."""
    length, size = file.stat().st_size, header + PIXELS
    if length == 0 or length % size:
        rest = f"{length // size} records of {size} bytes and {length % size} bytes more" if length else "empty"
        raise InputError(f"{file}: is {rest}, expected whole records: fetch it again (homepage: {ORIGIN})")
    try:
        return np.memmap(file, np.uint8, "r", shape=(length // size, size))
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror}") from error


def _facts(file: Path, records: np.ndarray, names: Mapping[str, Sequence[str]], split: str) -> pd.DataFrame:
    facts: dict[str, object] = {"id": [f"{file.name}#{number:05d}" for number in range(len(records))]}
    for place, (fact, known) in enumerate(names.items()):
        numbers = np.array(records[:, place])
        if numbers.max() >= len(known):
            bad = int(np.argmax(numbers >= len(known)))
            raise InputError(f"{file}: record {bad} has {fact} {numbers[bad]}, expected 0 to {len(known) - 1}")
        facts[fact] = np.array(known, object)[numbers]
    order = ["id", "label", "split", *(fact for fact in names if fact != "label")]
    return pd.DataFrame(facts | {"split": split})[order]


def _read(records: Sequence[np.ndarray], starts: np.ndarray, index: int) -> np.ndarray:
    part = int(np.searchsorted(starts, index, "right")) - 1
    return np.array(records[part][index - starts[part], -PIXELS:]).reshape(SHAPE)
