"""Write MSTAR files in the true Phoenix layout, for tests; the numbers are invented."""

from __future__ import annotations

from pathlib import Path

import numpy as np

LENGTH_LINE = "PhoenixHeaderLength= {length:05d}"
SIZE_LINE = "PhoenixSigSize= {size:010d}"
END = "[EndofPhoenixHeader]"


def chip_fields(
    target: str = "t72_tank", serial: str = "132", aspect: float = 84.5, depression: int = 17
) -> dict[str, str]:
    """The fields of a chip's header that tell what it shows."""
    return {
        "TargetType": target,
        "TargetSerNum": serial,
        "TargetAz": f"{aspect:.6f}",
        "DesiredDepression": f"{depression}",
        "MeasuredDepression": f"{depression + 0.25:.6f}",
    }


def write_phoenix(
    path: Path,
    magnitude: np.ndarray,
    phase: np.ndarray | None = None,
    fields: dict[str, str] | None = None,
    native: int = 0,
    version: str = "01.04",
    lead: str = "",
) -> Path:
    """Write one Phoenix file: text header, `native` bytes, magnitude, phase; return its path.

    Arrays (rows, columns) of float32 make a chip, of uint16 a full scene. `fields` go in at the end of
    the header; a field set to None is left out, even one that this function would write.
    """
    phase = np.zeros_like(magnitude) if phase is None else phase
    data = b"\xff" * native + b"".join(
        array.astype(array.dtype.newbyteorder(">")).tobytes() for array in (magnitude, phase)
    )
    entries = {
        "PhoenixSigNum": "0001",
        "PhoenixHeaderCallingSequence": "",
        "native_header_length": f"{native}",
        "Filename": path.name,
        "NumberOfColumns": f"{magnitude.shape[1]}",
        "NumberOfRows": f"{magnitude.shape[0]}",
    } | (chip_fields() if fields is None else fields)
    lines = [f"{key}= {value}" for key, value in entries.items() if value is not None]
    head = "\n".join([f"{lead}[PhoenixHeaderVer{version}]", LENGTH_LINE, SIZE_LINE, *lines, END, ""])
    length = len(head.format(length=0, size=0))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(head.format(length=length, size=length + len(data)).encode("ascii") + data)
    return path
