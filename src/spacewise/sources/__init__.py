"""Sources of samples. `SOURCES` is the table that an experiment reads."""

import os
import re
from collections.abc import Callable
from pathlib import Path

from spacewise.errors import InputError, unknown
from spacewise.sources.folder import folder
from spacewise.sources.mstar import mstar
from spacewise.sources.simulated import simulated
from spacewise.sources.source import Source

SOURCES: dict[str, Callable[..., Source]] = {
    "folder": folder,
    "mstar": mstar,
    "simulated": simulated,
}

__all__ = ["SOURCES", "Source", "folder", "mstar", "open_source", "recognise", "simulated"]


def recognise(root: str | Path) -> str:
    """The format of a folder by its look: `mstar` where a folder is named like `17_DEG`, else `folder`."""
    for place, folders, _ in os.walk(root):
        if any(re.fullmatch(r"\d+_DEG", name, re.IGNORECASE) for name in [Path(place).name, *folders]):
            return "mstar"
    return "folder"


def open_source(data: str, name: str = "") -> Source:
    """Opens a folder in the format that is named, or recognised; `simulated` needs none.

    Raises:
        InputError: no folder is given, or the format is unknown.
    """
    if data == "simulated" and name in ("", "simulated"):
        return simulated()
    if not data:
        raise InputError("--data is missing: a folder of images, or simulated")
    if name and name not in SOURCES:
        raise unknown("source", name, SOURCES)
    return SOURCES[name or recognise(data)](data)
