"""Several processes at one archive, as torchrun starts them: they share a file system, and nothing else."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from spacewise.errors import InputError

LIMIT = 600.0  # seconds without a sign of the process that lists
POLL = 0.2


class Rank(NamedTuple):
    """Which of how many processes this is; `local` of those on this host."""

    number: int = 0
    world: int = 1
    local: int = 0
    here: int = 1


def this_rank() -> Rank:
    """From the environment; raises `InputError` where it makes no sense."""
    names = {"RANK": 0, "WORLD_SIZE": 1, "LOCAL_RANK": 0, "LOCAL_WORLD_SIZE": 1}
    try:
        rank = Rank(*(int(os.environ.get(name, default)) for name, default in names.items()))
    except ValueError as error:
        raise InputError(f"RANK and WORLD_SIZE in the environment are no whole numbers ({error})") from error
    if not 0 <= rank.number < rank.world:
        raise InputError(f"RANK is {rank.number} of WORLD_SIZE {rank.world}, expected 0 to {rank.world - 1}")
    if not 0 <= rank.local < rank.here:
        raise InputError(
            f"LOCAL_RANK is {rank.local} of LOCAL_WORLD_SIZE {rank.here}, expected 0 to one less than that size"
        )
    return rank


def wait_for(path: Path, sign: Path) -> None:
    """Until the file is there.

    Args:
        sign: a file that grows while somebody is at work on it.

    Raises:
        InputError: nothing has come or grown for `LIMIT` seconds.
    """
    seen, since = 0, time.monotonic()
    while not path.is_file():
        size = 0
        with suppress(OSError):
            size = sign.stat().st_size
        if size != seen:
            seen, since = size, time.monotonic()
        if time.monotonic() - since > LIMIT:
            raise InputError(
                f"{path} has not come within {LIMIT:.0f} s: the process of rank 0 makes it; has it failed, or does "
                "--out not lie on a disk that all processes see?"
            )
        time.sleep(POLL)
