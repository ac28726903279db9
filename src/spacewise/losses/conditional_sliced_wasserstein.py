"""Sliced Wasserstein distance between the classes of two domains, each class with its like.

Source: Rostami et al., Deep Transfer Learning for Few-Shot SAR Image Classification, Remote Sensing (2019);
with confident guesses as labels Gabourie et al., Learning a Domain-Invariant Embedding for Unsupervised Domain
Adaptation Using Class-Conditioned Distribution Alignment (arXiv:1907.02271).
"""

from __future__ import annotations

import torch
from torch import Tensor

from spacewise.errors import InputError
from spacewise.losses.alignment import Alignment, Domains, check_domains
from spacewise.losses.loss import check_batch
from spacewise.losses.pairs import prepared
from spacewise.losses.sliced_wasserstein import check_projections, costs_by_direction, directions


def conditional_sliced_wasserstein(
    source: Tensor, target: Tensor, source_labels: Tensor, target_labels: Tensor, directions: Tensor
) -> Tensor:
    """Sum over the classes of both domains of the sliced Wasserstein distance between their samples of the class.

    Each class weighs the same however many samples it has; the directions are the same for all.

    Args:
        source: (source sample, dimension); halves are computed in float32.
        target: (target sample, dimension).
        source_labels: (source sample,) class indices, -1 for a sample that is left out.
        target_labels: (target sample,) likewise.
        directions: (projection, dimension) unit vectors; they are held and get no gradient.

    Returns:
        Scalar in squared units of the space, with a first derivative only; zero where the domains have no class
        in common. NaN in the embeddings of a common class gives NaN.

    Raises:
        InputError: shapes do not fit, or a domain has no sample.
    """
    check_domains(source, target)
    check_batch(source, source_labels)
    check_batch(target, target_labels)
    known = source_labels[source_labels >= 0]
    classes = known[torch.isin(known, target_labels)].unique()
    if len(classes) == 0:
        return (prepared(source, normalise=False).sum() + prepared(target, normalise=False).sum()) * 0
    source_rows, source_sizes = _by_class(source_labels, classes)
    target_rows, target_sizes = _by_class(target_labels, classes)
    sizes = list(zip(source_sizes, target_sizes))
    ordered = source.index_select(0, source_rows), target.index_select(0, target_rows)
    return costs_by_direction(*ordered, directions, sizes).mean()


def _by_class(labels: Tensor, classes: Tensor) -> tuple[Tensor, list[int]]:
    """Samples of the sorted classes, class after class, and how many each has; each has one."""
    rows = torch.isin(labels, classes).nonzero()[:, 0]
    ordered, order = labels[rows].sort(stable=True)
    return rows[order], ordered.unique_consecutive(return_counts=True)[1].tolist()


def confident_labels(labels: Tensor, probability: Tensor, confidence: float) -> tuple[Tensor, Tensor]:
    """Labels with those of -1 filled in by the most probable class, where it is at least so probable.

    Args:
        labels: (sample,) class indices, -1 for a sample without a label.
        probability: (sample, class).
        confidence: in (0, 1].

    Returns:
        Labels (sample,), and the share of the samples without a label that got one: zero if there are none.

    Raises:
        InputError: there is not one row of probabilities for each label.
    """
    check_batch(probability, labels)
    largest, classes = probability.max(dim=1)
    unlabelled = labels < 0
    sure = unlabelled & (largest >= confidence)
    return torch.where(sure, classes, labels), sure.sum() / unlabelled.sum().clamp(min=1)


class ConditionalSlicedWasserstein(Alignment):
    """`conditional_sliced_wasserstein` as a term of an objective.

    With `confidence`, the log shows `pseudo_labelled`, the share of the unlabelled target samples that counted.

    Args:
        projections: how many directions are drawn, one or more.
        confidence: in (0, 1]: an unlabelled target sample counts as of the class that the network takes it for,
            where that class has at least this probability. None: only labelled samples count.

    Raises:
        InputError: projections is no whole number above zero, or confidence outside its range.
    """

    name = "conditional_sliced_wasserstein"

    def __init__(self, projections: int = 50, confidence: float | None = None) -> None:
        super().__init__(projections=projections, confidence=confidence)
        check_projections(self.name, projections)
        number = isinstance(confidence, int | float) and not isinstance(confidence, bool)
        if confidence is not None and not (number and 0 < confidence <= 1):
            raise InputError(f"{self.name}: confidence must be above 0 and at most 1, or None, not {confidence!r}")
        self.seed = 0

    def reseed(self, seed: int) -> None:
        self.seed = seed

    def align(self, domains: Domains) -> Tensor:
        source, target, labels = domains.source, domains.target, domains.target_labels
        check_domains(source, target)
        if (confidence := self.options["confidence"]) is not None:
            labels, share = confident_labels(labels, domains.target_probability, confidence)
            self.reported = {"pseudo_labelled": share}
        ways = directions(self.options["projections"], source.shape[1], self.seed, like=source)
        return conditional_sliced_wasserstein(source, target, domains.source_labels, labels, ways)
