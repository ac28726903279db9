"""Every operation, in the order of the page."""

from __future__ import annotations

from benchmarks.growth import chips, losses, measures, networks, storage
from benchmarks.growth.operation import Operation

OPERATIONS: dict[str, Operation] = {
    **losses.OPERATIONS,
    **measures.OPERATIONS,
    **networks.OPERATIONS,
    **chips.OPERATIONS,
    **storage.OPERATIONS,
}
