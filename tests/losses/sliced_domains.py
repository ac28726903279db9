"""What the tests of both sliced Wasserstein losses share: two domains, directions, shapes that do not fit."""

from __future__ import annotations

import torch
from torch import Tensor

from spacewise.losses.alignment import Domains
from spacewise.losses.sliced_wasserstein import directions

DIMENSION, PROJECTIONS = 5, 7
WAYS = directions(PROJECTIONS, DIMENSION, seed=3, like=torch.empty(0, dtype=torch.float64))

# Shapes of source and of target, and what is said of them.
MISFITS = [
    ((4, 5), (4, 6), r"not \(4, 5\) and \(4, 6\)"),
    ((4, 5), (20,), r"not \(4, 5\) and \(20,\)"),
    ((0, 5), (4, 5), "the source has none"),
    ((4, 5), (0, 5), "the target has none"),
    ((4, 6), (4, 6), r"directions \(projection, 6\)"),
]


def drawn(*sizes: int, seed: int = 0) -> list[Tensor]:
    """Vectors (sample, dimension) of several domains, which do not lie in the same place; float64."""
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(size, DIMENSION, generator=generator, dtype=torch.float64) * (1 + place) + place
        for place, size in enumerate(sizes)
    ]


def both(labels: list[int] | None = None, probability: list[list[float]] | None = None) -> Domains:
    """Six samples of source, two a class, and four of target: of which only the first is labelled."""
    source, target = drawn(6, 4)
    return Domains(
        source,
        target,
        torch.tensor([0, 0, 1, 1, 2, 2]),
        torch.tensor(labels or [0, -1, -1, -1]),
        torch.tensor(probability or [[0.1, 0.8, 0.1], [0.9, 0.1, 0.0], [0.2, 0.7, 0.1], [0.3, 0.4, 0.3]]),
    )
