"""The Phoenix file format of MSTAR chips: a text header, then magnitude and phase.

A file is `PhoenixHeaderLength` bytes of ASCII lines `key= value` between `[PhoenixHeaderVer…]` and
`[EndofPhoenixHeader]`, then `native_header_length` bytes that the sensor's own tools wrote (often none),
then rows × columns magnitudes and as many phases, big-endian float32. Full scenes hold 16-bit integers
in the same frame; `PhoenixSigSize`, the size of the whole file, tells them apart.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

from spacewise.errors import InputError

START = b"[PhoenixHeaderVer"
END = b"[EndofPhoenixHeader]"
LENGTH = re.compile(rb"PhoenixHeaderLength=\s*(\d+)")
LENGTH_WITHIN = 1024  # the length stands on the second line; this is generous
MEGABYTE = 1 << 20
BYTES_PER_VALUE = 4


def header(path: str | Path) -> dict[str, str]:
    """The header's fields as text, `{"TargetAz": "346.500000", …}`; of a repeated field the first.

    Raises:
        InputError: the file is missing, does not begin with a Phoenix header, or ends within it.
    """
    try:
        with open(path, "rb") as file:
            begin = file.read(LENGTH_WITHIN)
            length = _header_length(path, begin)
            text = begin[:length] + file.read(max(0, length - len(begin)))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    if len(text) < length:
        raise InputError(f"{path}: is cut off in its header, expected {length} bytes, has {len(text)}")
    if END not in text:
        raise InputError(f"{path}: has no {END.decode()} in the {length} bytes of its header")
    return _fields(text[: text.index(END)].decode("latin-1"))


def read(path: str | Path) -> tuple[dict[str, str], np.ndarray, np.ndarray]:
    """Header, magnitude and phase of one chip.

    Returns:
        The header's fields; magnitude (rows, columns), float32, linear; phase (rows, columns), float32,
        radians. What follows the phase in the file is not read.

    Raises:
        InputError: as `header`; also for a size that is missing or no positive number, a file that is
            shorter than its header says, 16-bit full scenes, and magnitudes that are not finite.
    """
    fields = header(path)
    rows, columns = _count(path, fields, "NumberOfRows", 1), _count(path, fields, "NumberOfColumns", 1)
    start = _count(path, fields, "PhoenixHeaderLength", 1)
    if "native_header_length" in fields:
        start += _count(path, fields, "native_header_length", 0)
    _refuse_scene(path, fields, start, rows * columns)
    _refuse_short(path, start + 2 * BYTES_PER_VALUE * rows * columns)
    values = np.fromfile(path, dtype=">f4", count=2 * rows * columns, offset=start).astype(np.float32)
    magnitude, phase = values.reshape(2, rows, columns)
    bad = magnitude.size - int(np.isfinite(magnitude).sum())
    if bad:
        raise InputError(f"{path}: {bad} of {magnitude.size} magnitudes are not finite (NaN or infinite)")
    return fields, magnitude, phase


def _count(path: str | Path, fields: dict[str, str], key: str, least: int) -> int:
    text = fields.get(key, "")
    if not re.fullmatch("[0-9]{1,15}", text) or int(text) < least:
        raise InputError(f"{path}: header field {key} is '{text}', expected a whole number from {least}")
    return int(text)


def _header_length(path: str | Path, begin: bytes) -> int:
    found = LENGTH.search(begin)
    if not begin.lstrip().startswith(START) or found is None:
        raise InputError(f"{path}: has no Phoenix header, expected {START.decode()}…] and its length first")
    length = int(found[1])
    if not len(START) < length <= MEGABYTE:
        raise InputError(f"{path}: says that its header has {length} bytes, expected up to {MEGABYTE}")
    return length


def _fields(text: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals:
            fields.setdefault(key.strip(), value.strip())
    return fields


def _refuse_scene(path: str | Path, fields: dict[str, str], start: int, pixels: int) -> None:
    """A full scene of clutter has two bytes a value where a chip has four."""
    if "PhoenixSigSize" not in fields:
        return
    if _count(path, fields, "PhoenixSigSize", 0) == start + 2 * 2 * pixels:
        raise InputError(f"{path}: is a full scene with 16-bit values, expected a chip with 32-bit values")


def _refuse_short(path: str | Path, expected: int) -> None:
    actual = os.path.getsize(path)
    if actual < expected:
        raise InputError(f"{path}: is cut off, expected {expected} bytes, has {actual}")
