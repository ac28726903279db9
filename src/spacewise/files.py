"""Files that are either whole or not there."""

from __future__ import annotations

import fcntl
import json
import math
import os
import platform
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from spacewise.errors import InputError

PATIENCE = 10.0  # seconds: a process that has been told to stop may be saving its state


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yields a path to write to; it takes the name `path` only once it is complete and on the disk.

    Raises:
        InputError: the folder cannot be written, or the disk is full. What stood at `path` still stands.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        with partial.open("rb+") as stream:
            os.fsync(stream.fileno())
        partial.replace(path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):  # nothing there to remove where nothing could be written
            partial.unlink(missing_ok=True)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Nobody else is at this folder or file meanwhile, on any host that shares the file system.

    Raises:
        BlockingIOError: somebody does, also after a moment; it says who.
    """
    path = folder.with_name(f".{folder.name}.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + PATIENCE
    while True:
        with path.open("a+") as mark:
            if _taken(mark.fileno(), path):
                mark.truncate(0)
                mark.write(f"process {os.getpid()} on {platform.node()}")
                mark.flush()
                try:
                    yield
                finally:
                    path.unlink(missing_ok=True)
                return
            mark.seek(0)
            who = mark.read()
        if time.monotonic() > until:
            raise BlockingIOError(f"{folder}: another process is at it: {who}")
        time.sleep(0.1)


def _taken(number: int, path: Path) -> bool:
    """Whether the lock is ours now, and still the one of that name: its last holder may just have removed it."""
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(number), path.stat())
    except (BlockingIOError, FileNotFoundError):
        return False


def sweep(folder: Path) -> None:
    """Removes what an interrupted write left behind."""
    for partial in folder.rglob(".*.partial"):
        partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """A text as UTF-8."""
    with atomic(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """A value as JSON; what JSON does not know is written as text."""
    write_text(path, json.dumps(value, indent=2, default=str) + "\n")


def finite(value: Any) -> Any:
    """The same lists and mappings with None for NaN and infinities, which JSON has no words for."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_json(path: Path) -> Any:
    """Raises `InputError` when the file is missing or is no JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing") from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not valid JSON: {error}") from error


def write_table(path: Path, table: pd.DataFrame) -> None:
    """A table as Parquet or, by its ending, CSV."""
    with atomic(path) as partial:
        if path.suffix == ".csv":
            table.to_csv(partial, index=False)
        else:
            table.to_parquet(partial, index=False)


def write_tensors(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any] | None = None) -> None:
    """Tensors as safetensors; `facts` travel as JSON in its header, so that one file is one state."""
    whole = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()
    }
    with atomic(path) as partial:
        try:
            save_file(whole, partial, {"facts": json.dumps(facts or {})})
        except SafetensorError as error:
            raise OSError(str(error)) from error


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and facts; raises `InputError` when the file is missing or damaged."""
    if not path.is_file():
        raise InputError(f"{path} is missing")
    try:
        with safe_open(path, framework="pt") as stream:
            facts = json.loads((stream.metadata() or {}).get("facts", "{}"))
        return load_file(path), facts
    except SafetensorError as error:
        raise InputError(f"{path} is no readable safetensors file: {error}") from error


def reserved(path: Path, dtype: np.dtype | type, shape: tuple[int, ...]) -> np.ndarray:
    """A new mapped array whose blocks are on the disk: writing to a sparse map on a full disk kills the process."""
    array = np.lib.format.open_memmap(path, "w+", np.dtype(dtype), shape)
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as stream:
            os.posix_fallocate(stream.fileno(), 0, path.stat().st_size)
    return array


def replace_folder(partial: Path, folder: Path) -> None:
    """Puts a whole folder in the place of an older one."""
    old = folder.with_name(f".{folder.name}.old.partial")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    partial.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
