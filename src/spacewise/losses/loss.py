"""What every loss on a space is."""

from __future__ import annotations

import inspect
import math
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from spacewise.errors import InputError, unknown


class Loss(nn.Module):
    """A number to minimise, from the vectors of one space and the labels.

    `Contrastive(dissimilar_margin=1.0) @ "classifier"` places it on a space; `0.5 * … @ …` weighs it.
    State (centres, prototypes, banks) is held in buffers or parameters, so that it is saved and moved.

    Attributes:
        reported: what the log shows of the last batch beside the loss itself, by name: scalars without gradient.
        of_views: whether it compares views of unlabelled samples.
    """

    name: str
    of_views = False

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.options = options
        self.reported: dict[str, Tensor] = {}

    def bind(self, classes: int, dimension: int, seed: int = 0) -> None:
        """Makes room for state, once the number of classes and the dimension of the space are known.

        Args:
            seed: of state that starts at random (proxies); equal on every process.
        """

    def check_batch(self, size: int) -> None:
        """Raises `InputError` where batches of `size` samples cannot be used."""

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Scalar, from embeddings (sample, dimension) and labels (sample,)."""
        raise NotImplementedError

    def __matmul__(self, space: str) -> Term:
        return Term(1.0, self, space)

    def __rmul__(self, weight: float) -> Weighed:
        return Weighed(float(weight), self)

    def __str__(self) -> str:
        """The text form, without the options that stand at their defaults."""
        defaults = inspect.signature(type(self)).parameters
        changed = {k: v for k, v in self.options.items() if v != defaults[k].default}
        return f"{self.name}({', '.join(f'{key}={value!r}' for key, value in changed.items())})"


@dataclass(frozen=True)
class Weighed:
    """A loss with its weight, not yet on a space."""

    weight: float
    loss: Loss

    def __matmul__(self, space: str) -> Term:
        return Term(self.weight, self.loss, space)


SAMPLES = ("labelled", "unlabelled")


@dataclass(frozen=True)
class Term:
    """weight x loss @ space.

    Attributes:
        samples: which the loss sees: `labelled`, or, in the semi-supervised regime, `unlabelled` ones under their
            pseudo-labels.
    """

    weight: float
    loss: Loss
    space: str
    samples: str = "labelled"

    def __post_init__(self) -> None:
        if self.samples not in SAMPLES:
            raise unknown("samples of a term", self.samples, SAMPLES)
        if self.loss.of_views:
            object.__setattr__(self, "samples", "unlabelled")
        if not (math.isfinite(self.weight) and self.weight >= 0):
            raise InputError(f"{self.name}: the weight must be a number, zero or more, not {self.weight!r}")

    @property
    def name(self) -> str:
        """`contrastive@classifier`: how the term is logged."""
        return f"{self.loss.name}@{self.space}{self._of}"

    @property
    def unlabelled(self) -> bool:
        """Whether it needs unlabelled samples."""
        return self.samples == "unlabelled"

    @property
    def _of(self) -> str:
        return "" if self.samples == "labelled" or self.loss.of_views else f" of {self.samples}"

    def __rmul__(self, weight: float) -> Term:
        return Term(float(weight) * self.weight, self.loss, self.space, self.samples)

    def __str__(self) -> str:
        call = str(self.loss).removesuffix("()")
        weight = f"{self.weight!r}*" if self.weight != 1.0 else ""
        return f"{weight}{call}@{self.space}{self._of}"


def check_batch(embeddings: Tensor, labels: Tensor) -> None:
    """Raises `InputError` unless there is one vector for each label."""
    if embeddings.ndim != 2 or labels.ndim != 1 or len(embeddings) != len(labels):
        raise InputError(
            f"a loss takes embeddings (sample, dimension) and labels (sample,), "
            f"not {tuple(embeddings.shape)} and {tuple(labels.shape)}"
        )
