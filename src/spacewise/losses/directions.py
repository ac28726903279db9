"""What losses with one learnt direction for each class share: the directions, and a softmax of cosines.

These losses train the space that they are on, not the classifier: put `crossentropy@classifier` beside
them, or judge the space by neighbours.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from spacewise.errors import InputError
from spacewise.losses.loss import Loss


def softmax_of_cosines(cosines: Tensor, own: Tensor, labels: Tensor, scale: float) -> Tensor:
    """Cross-entropy of the cosines (sample, class) times scale, with `own` (sample,) for each sample's class."""
    return functional.cross_entropy(scale * cosines.scatter(1, labels[:, None], own[:, None]), labels)


def drawn(classes: int, dimension: int, seed: int) -> Tensor:
    """Random directions (class, dimension) of unit length, equal on every process."""
    normal = torch.randn(classes, dimension, generator=torch.Generator().manual_seed(seed))
    return functional.normalize(normal, dim=1)


class ClassDirections(Loss):
    """A loss with the parameter `directions` (class, dimension), which learns.

    It starts at random directions of unit length: normal numbers (class, dimension) from a generator on
    the CPU with the seed of `bind`, each row divided by its length.

    Raises:
        InputError: the margin is outside its range, the scale is not above zero; or, with a
            batch, `bind` has not been called.
    """

    directions: nn.Parameter
    margins: tuple[float, str]  # the largest, and how it is written

    def __init__(self, margin: float, scale: float) -> None:
        super().__init__(margin=margin, scale=scale)
        if not (isinstance(margin, int | float) and 0 <= margin <= self.margins[0]):
            raise InputError(f"{self.name}: margin must lie between 0 and {self.margins[1]}, not {margin!r}")
        if not (isinstance(scale, int | float) and math.isfinite(scale) and scale > 0):
            raise InputError(f"{self.name}: scale must be above zero, not {scale!r}")
        self.directions = nn.Parameter(torch.zeros(0, 0))

    def bind(self, classes: int, dimension: int, seed: int = 0) -> None:
        self.directions = nn.Parameter(drawn(classes, dimension, seed).to(self.directions))

    def bound(self) -> Tensor:
        """The directions, once there are any."""
        if self.directions.numel() == 0:
            raise InputError(f"{self.name}: directions need bind(classes, dimension) before the first batch")
        return self.directions
