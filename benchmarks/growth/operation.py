"""What an operation is, and who takes part in it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

OURS, LIMIT = "spacewise", "limit"
MULTIPLES = (1, 2, 4, 8)

Call = Callable[[], float]
Contender = Callable[[Any], Call]
"""Takes the input and makes ready, unmeasured; what it returns is measured, and gives a number to compare."""


@dataclass(frozen=True)
class Operation:
    """Something heavy that is done at four sizes, each twice the one before.

    Attributes:
        title: what it is called on the page.
        words: what is done to what, and what the peers do differently.
        unit: what the sizes count.
        smallest: the first size.
        least: below which a scale does not take it.
        multiple: that every size is rounded up to one of, as of a batch.
        make: the input of a size, the same in every process.
        contenders: `OURS`, the peers, and `LIMIT`.
        limit: what the limit is.
        agree: contenders whose numbers are the same up to `tolerance`, relative to the largest.
        tolerance: see `agree`.
        up_to: contender -> largest multiple of the smallest size that it takes part in: beyond it takes far longer.
        needs: contender -> the module without which it takes no part.
        threads: that it is measured with; 0: those of the run.
    """

    title: str
    words: str
    unit: str
    smallest: int
    make: Callable[[int], Any]
    contenders: Mapping[str, Contender]
    limit: str
    least: int = 1
    multiple: int = 1
    agree: tuple[str, ...] = ()
    tolerance: float = 1e-4
    up_to: Mapping[str, int] = field(default_factory=dict)
    needs: Mapping[str, str] = field(default_factory=dict)
    threads: int = 0

    def sizes(self, scale: float = 1.0) -> list[int]:
        """The four sizes, the smallest times `scale`."""
        first = self.rounded(max(self.least, round(self.smallest * scale)))
        return [first * multiple for multiple in MULTIPLES]

    def rounded(self, size: int) -> int:
        """The next multiple."""
        return -(-size // self.multiple) * self.multiple

    def missing(self) -> list[str]:
        """Contenders whose library is not installed."""
        found = {name: importlib.util.find_spec(module) for name, module in self.needs.items()}
        return [name for name, spec in found.items() if spec is None or spec.origin is None]  # or an empty folder

    def cases(self, scale: float = 1.0) -> list[tuple[str, int]]:
        """Every (contender, size) that is measured, the smallest size first."""
        absent, pairs = self.missing(), list(zip(self.sizes(scale), MULTIPLES))
        return [
            (name, size)
            for size, multiple in pairs
            for name in self.contenders
            if name not in absent and multiple <= self.up_to.get(name, MULTIPLES[-1])
        ]
