"""Files below a folder, any number of them: sorted, one folder at a time."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from spacewise.errors import InputError


def files_below(root: Path, endings: Collection[str]) -> Iterator[bytes]:
    """Paths below the root, as the system spells them, of the files with such endings (lower case, with the dot).

    Those of a folder come in order, then those of the folders in it. Hidden names and those of archive tools
    (`__MACOSX`) are left out. No file is looked into, nor asked for its size.

    Raises:
        InputError: a folder cannot be listed, or links back to one that holds it.
    """
    top = os.fsencode(root)
    wanted = {os.fsencode(ending) for ending in endings}
    waiting = [b""]
    while waiting:
        below = waiting.pop()
        names, folders = _listed(os.path.join(top, below), wanted)
        yield from (os.path.join(below, name) for name in names)
        waiting += [os.path.join(below, name) for name in reversed(folders)]


def _listed(folder: bytes, wanted: Collection[bytes]) -> tuple[list[bytes], list[bytes]]:
    """Names of the wanted files and of the folders in one folder, each sorted."""
    names, folders = [], []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith((b".", b"__")):
                    continue
                if entry.is_dir():
                    _refuse_circle(folder, entry)
                    folders.append(entry.name)
                elif os.path.splitext(entry.name)[1].lower() in wanted:
                    names.append(entry.name)
    except OSError as error:
        raise InputError(f"cannot list {os.fsdecode(folder)}: {error.strerror or error}") from error
    return sorted(names), sorted(folders)


def _refuse_circle(folder: bytes, entry: os.DirEntry[bytes]) -> None:
    if not entry.is_symlink():
        return
    here, there = os.path.realpath(folder), os.path.realpath(entry.path)
    if os.path.commonpath([here, there]) == there:
        raise InputError(f"{os.fsdecode(entry.path)} links back to {os.fsdecode(there)}, which holds it")


def shown(path: bytes) -> str:
    """A path as text; bytes that are none are written out."""
    return path.decode("utf-8", "backslashreplace")
