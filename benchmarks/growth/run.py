"""Every contender and size in a process of its own, one after the other."""

from __future__ import annotations

import multiprocessing
import os
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.growth.measure import as_plain, measure
from benchmarks.growth.table import OPERATIONS

PATIENCE = 600.0
"""Seconds after which a process is ended."""

PRELOADED = ("torch", "sklearn.metrics", "spacewise", "spacewise.learn", "spacewise.measures", "lightning_fabric")
LIBRARIES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
Row = dict[str, Any]


def alone(function: Callable[..., Any], *arguments: Any, threads: int) -> Any:
    """What a function of this package returns in a process of its own, forked from one that has loaded the libraries.

    `threads` are those of the first call.

    Raises:
        RuntimeError: it raised, died, or took longer than `PATIENCE`; with the last line of the reason.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    before = dict(os.environ)
    os.environ.update(dict.fromkeys(LIBRARIES, str(threads)))  # read once, when the libraries are loaded
    forkserver.ensure_running()
    os.environ.clear()
    os.environ.update(before)
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(sender, function, arguments), daemon=True)
    process.start()
    sender.close()
    try:
        failed, result = receiver.recv() if receiver.poll(PATIENCE) else (True, f"no result in {PATIENCE:g} s")
    except EOFError:
        process.join()
        failed, result = True, f"the process died with exit code {process.exitcode}"
    finally:
        process.kill()
        process.join()
    if failed:
        raise RuntimeError(result)
    return result


def _work(sender: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    silence = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):  # bars and warnings of what is measured
        os.dup2(silence, stream)
    try:
        sender.send((False, function(*arguments)))
    except Exception as error:  # whatever it is, the page says so
        place = traceback.extract_tb(error.__traceback__)[-1]
        sender.send((True, f"{type(error).__name__}: {error} ({place.filename.rpartition('/')[2]}:{place.lineno})"))


def planned(names: Iterable[str], scale: float, rounds: int) -> list[Row]:
    """What is to be measured: operation, contender, size, round; the contenders in turn."""
    return [
        {"operation": name, "contender": contender, "size": size, "round": number}
        for name in names
        for number in range(rounds)
        for contender, size in OPERATIONS[name].cases(scale)
    ]


def measured(todo: Iterable[Row], scale: float, threads: int) -> Iterator[Row]:
    """The same rows with what was measured, or with `error`; and the machine's load average before each."""
    for row in todo:
        operation = row["operation"]
        chosen = OPERATIONS[operation]
        warm = chosen.rounded(max(1, chosen.sizes(scale)[0] // 2))
        load = os.getloadavg()[0]
        try:
            found = alone(measure, operation, row["contender"], row["size"], warm, threads, threads=threads)
        except RuntimeError as error:
            found = {"error": str(error)}
        yield row | as_plain(found) | {"load": load}


def disagreements(name: str, rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Sizes at which contenders that should agree do not, in words."""
    operation, found = OPERATIONS[name], []
    values: dict[int, dict[str, float]] = {}
    for row in rows:
        if row["contender"] in operation.agree and row.get("value") is not None:
            values.setdefault(row["size"], {})[row["contender"]] = row["value"]
    for size, each in values.items():
        if max(each.values()) - min(each.values()) > operation.tolerance * max(map(abs, each.values())):
            numbers = ", ".join(f"{who} {value:.6g}" for who, value in each.items())
            found.append(f"the results differ at {size:,} {operation.unit}: {numbers}")
    return found
