"""Large arrays are read some rows at a time: memory is that of one block in double precision, not of the array."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

VALUES = 2**19
"""Numbers of a block: 4 MB in double precision, 2,048 rows of 256; what follows finds it in the processor's cache."""

Advance = Callable[[int], object]
"""Told, after each block, how many samples it had; `rich.progress.Progress.advance` of a task, for example."""


def blocks(
    values: np.ndarray, *, width: int = 1, factor: int = 1, advance: Advance | None = None
) -> Iterator[tuple[slice, np.ndarray]]:
    """Where consecutive rows stand, and they, as views (row, …) in their own dtype.

    Args:
        values: (sample, …), in memory or a memory map.
        width: numbers a row that the caller makes, where those are more than the row has.
        factor: how many times larger blocks are than `VALUES`.
        advance: called when the caller asks for the next block.
    """
    step = max(1, factor * VALUES // max(width, values[:1].size))
    for start in range(0, len(values), step):
        block = values[start : start + step]
        yield slice(start, start + len(block)), block
        if advance is not None:
            advance(len(block))


def per_sample(
    function: Callable[[np.ndarray], np.ndarray],
    values: np.ndarray,
    *,
    width: int = 1,
    advance: Advance | None = None,
) -> np.ndarray:
    """`function` of the rows (row, dimension) in double precision, block by block: float64 (sample,)."""
    found = np.empty(len(values))
    for part, block in blocks(values, width=width, advance=advance):
        found[part] = function(block.astype(np.float64))
    return found
