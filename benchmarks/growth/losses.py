"""Losses over a batch, forward and backward to the vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks import triplet
from benchmarks.growth.operation import LIMIT, OURS, Call, Contender, Operation

DIMENSION, CLASSES, TEMPERATURE, PROJECTIONS = 512, 10, 0.1, 200
PML = "pytorch-metric-learning"


def batch(size: int) -> tuple[Any, ...]:
    """Vectors (sample, dimension) and labels (sample,)."""
    import torch

    return torch.randn(size, DIMENSION, generator=torch.Generator().manual_seed(0)), torch.arange(size) % CLASSES


def trained(loss: Callable[[], Callable]) -> Contender:
    """Forward and backward of a loss of the input's first tensors; the last is no variable."""

    def ready(data: tuple[Any, ...]) -> Call:
        *vectors, fixed = data
        variables, function = [each.requires_grad_() for each in vectors], loss()

        def step() -> float:
            for each in variables:
                each.grad = None
            found = function(*variables, fixed)
            found.backward()
            return float(found.detach())

        return step

    return ready


def products() -> Callable:
    """Their sum, so that the way back is two products more."""
    return lambda x, labels: (x @ x.T).sum()


def spacewise_supcon() -> Callable:
    from spacewise.losses import supcon

    return lambda x, labels: supcon(x, labels, temperature=TEMPERATURE)


def peer_supcon() -> Callable:
    from pytorch_metric_learning.losses import SupConLoss

    return SupConLoss(temperature=TEMPERATURE)


def domains(size: int) -> tuple[Any, ...]:
    """Source, target, and the directions that all are given."""
    import torch

    from spacewise.losses.sliced_wasserstein import directions

    generator = torch.Generator().manual_seed(0)
    source, target = (torch.randn(size, DIMENSION, generator=generator) + shift for shift in (0.0, 0.1))
    return source, target, directions(PROJECTIONS, DIMENSION, seed=0, like=source)


def spacewise_sliced() -> Callable:
    from spacewise.losses import sliced_wasserstein

    return sliced_wasserstein


def pot_sliced() -> Callable:
    import ot

    return lambda one, other, ways: ot.sliced_wasserstein_distance(one, other, projections=ways.T.contiguous()) ** 2


def projected() -> Callable:
    return lambda one, other, ways: (one @ ways.T).sum() + (other @ ways.T).sum()


OPERATIONS = {
    "triplet": Operation(
        title="Triplet loss over all triplets",
        words="Smooth triplet loss of a batch of 512 dimensions in ten classes, forward and backward.",
        unit="samples",
        smallest=128,
        least=32,
        make=batch,
        contenders={
            OURS: trained(lambda: triplet.spacewise("smooth")),
            PML: trained(lambda: triplet.pytorch_metric_learning("smooth")),
            "open-metric-learning": trained(lambda: triplet.oml("smooth")),
            LIMIT: trained(products),
        },
        limit="the product of the batch with itself, forward and backward",
        agree=(OURS, PML),
        up_to={"open-metric-learning": 1},
        needs={"open-metric-learning": "oml"},
    ),
    "supcon": Operation(
        title="Supervised contrastive loss",
        words="SupCon of a batch of 512 dimensions in ten classes, temperature 0.1, forward and backward.",
        unit="samples",
        smallest=512,
        least=32,
        make=batch,
        contenders={OURS: trained(spacewise_supcon), PML: trained(peer_supcon), LIMIT: trained(products)},
        limit="the product of the batch with itself, forward and backward",
        agree=(OURS, PML),
    ),
    "sliced_wasserstein": Operation(
        title="Sliced Wasserstein distance",
        words="Between two domains of as many samples each, 512 dimensions, 200 directions, forward and backward.",
        unit="samples a domain",
        smallest=2048,
        make=domains,
        contenders={OURS: trained(spacewise_sliced), "POT": trained(pot_sliced), LIMIT: trained(projected)},
        limit="both domains times the directions, forward and backward, nothing sorted",
        agree=(OURS, "POT"),
    ),
}
