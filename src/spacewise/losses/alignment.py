"""What every loss between two domains is: optical and radar, two sensors, two cities."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from spacewise.errors import InputError
from spacewise.losses.loss import Loss


@dataclass(frozen=True)
class Domains:
    """One space of a batch of the source and of a batch of the target.

    Attributes:
        source: (source sample, dimension).
        target: (target sample, dimension), of as many samples as there are, labelled and unlabelled.
        source_labels: (source sample,) class indices.
        target_labels: (target sample,) class indices, -1 for a sample without a label.
        target_probability: (target sample, class) what the network takes each target sample for, without gradient.
    """

    source: Tensor
    target: Tensor
    source_labels: Tensor
    target_labels: Tensor
    target_probability: Tensor

    @property
    def sampled(self) -> Tensor:
        """Target samples that stand for the whole target: those without a label, or all where each has one.

        The few labelled ones come again and again, and would draw the distribution to themselves.
        """
        unlabelled = self.target_labels < 0
        return self.target[unlabelled] if unlabelled.any() else self.target


class Alignment(Loss):
    """A number that falls as the vectors of two domains come to lie in the same places.

    Placed on a space as any loss is: `0.5*sliced_wasserstein(projections=50)@embedding`. State is held and saved
    as in any loss; random draws come from the numbers that `reseed` is given before every step.
    """

    def reseed(self, seed: int) -> None:
        """Makes the draws of the next `align` follow from the seed: once a step, equal on every process."""

    def align(self, domains: Domains) -> Tensor:
        """Scalar, from one space of both domains."""
        raise NotImplementedError

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Raises `InputError`: one batch has one domain."""
        raise InputError(f"{self.name} compares two domains, a source and a target: use it in the regime transfer")


def check_domains(source: Tensor, target: Tensor) -> None:
    """Raises `InputError` unless both are (sample, dimension) of one dimension, with a sample each."""
    if source.ndim != 2 or target.ndim != 2 or source.shape[1:] != target.shape[1:]:
        raise InputError(
            "an alignment takes source (sample, dimension) and target (sample, dimension) of one dimension, "
            f"not {tuple(source.shape)} and {tuple(target.shape)}"
        )
    for name, values in (("source", source), ("target", target)):
        if len(values) == 0:
            raise InputError(f"an alignment needs at least one sample of each domain, the {name} has none")
