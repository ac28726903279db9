"""Sets of pictures that annotation files list: what their readers share."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from spacewise.errors import InputError
from spacewise.sources.images import rgb
from spacewise.sources.source import Source, file_stamp


def listed(name: str, home: Path, facts: pd.DataFrame, annotations: Sequence[Path], version: int) -> Source:
    """A source of RGB pictures, `facts["id"]` being their paths below the folder `home`.

    Raises:
        InputError: a path leads out of the folder, is listed twice, or names no file.
    """
    where = ", ".join(str(file) for file in annotations)
    outside = [path for path in facts["id"] if path.startswith("/") or ".." in path.split("/")]
    if outside:
        raise InputError(f"{name}: image {outside[0]} of {where} leads out of {home}, expected a path below it")
    twice = facts["id"][facts["id"].duplicated()]
    if len(twice):
        raise InputError(f"{name}: image {twice.iat[0]} is listed twice in {where}")
    files = [home / path for path in facts["id"]]
    try:
        stamp = file_stamp(home, [*annotations, *files], version)
    except (OSError, ValueError) as error:  # ValueError: a NUL in a name
        raise _missing(name, files, where, error) from error
    return Source(name, facts, partial(_read_rgb, files), home, stamp, fit="resize", amplitude="intensity")


def _missing(name: str, files: Sequence[Path], where: str, error: Exception) -> InputError:
    missing = [file for file in files if not os.path.exists(file)]
    if not missing:
        return InputError(f"{name}: cannot look for the images of {where}: {' '.join(str(error).split())}")
    count = f"{len(missing)} of {len(files)} images are missing"
    return InputError(f"{name}: {count}, the first is {missing[0]}, listed in {where}")


def _read_rgb(files: Sequence[Path], index: int) -> np.ndarray:
    return rgb(files[index])


def homes(root: Path, holds: Callable[[Path], bool]) -> list[Path]:
    """Where a set lies: `root`, else the folders directly below it of which `holds` is true."""
    if not root.is_dir() or holds(root):
        return [root] if root.is_dir() else []
    try:
        children = sorted(root.iterdir())
    except OSError as error:
        raise InputError(f"cannot list {root}: {error.strerror}") from error
    return [child for child in children if not child.name.startswith((".", "__")) and holds(child)]


def home(name: str, root: Path, holds: Callable[[Path], bool]) -> Path:
    """The one folder that holds the set; `root` where none does, so that what is missing is missing there.

    Raises:
        InputError: no such folder, or several folders hold the set.
    """
    if not root.is_dir():
        raise InputError(f"{name}: {root} is no folder")
    found = homes(root, holds)
    if len(found) > 1:
        raise InputError(f"{name}: {found[0]} and {found[1]} both hold the set, expected the folder of one")
    return found[0] if found else root


def present(name: str, file: Path, origin: str) -> Path:
    """The file; raises `InputError` that names the set's homepage where it is missing."""
    if not file.is_file():
        raise InputError(f"{name}: {file} is missing, it is part of the set (homepage: {origin})")
    return file


def lines(file: Path, columns: int) -> Iterator[tuple[str, list[str]]]:
    """Place (`file:line`) and columns, separated by blanks, of each line of a text that is not empty.

    Raises:
        InputError: the file cannot be read, is no UTF-8, or a line has another number of columns.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {file}: {' '.join(str(error).split())}") from error
    for number, line in enumerate(text.split("\n"), 1):
        values = line.split()
        if values and len(values) != columns:
            raise InputError(f"{file}:{number}: has {len(values)} columns, expected {columns}: '{line.strip()[:80]}'")
        if values:
            yield f"{file}:{number}", values


def whole(place: str, text: str, what: str) -> int:
    """A whole number from 1; raises `InputError` that names the place and what the number is."""
    if not re.fullmatch("[0-9]{1,9}", text) or int(text) < 1:
        raise InputError(f"{place}: {what} is '{text}', expected a whole number from 1")
    return int(text)
