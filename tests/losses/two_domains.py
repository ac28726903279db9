"""What the tests of alignments share: two small domains, alignments that are ready, gradients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from spacewise.losses.alignment import Alignment, Domains
from spacewise.objective import parse_term

SOURCE, TARGET, DIMENSION, CLASSES = 8, 6, 5, 3
SOURCE_LABELS = torch.tensor([0, 1, 2, 0, 1, 0, 0, 2])
TARGET_LABELS = torch.tensor([1, -1, 0, -1, -1, 2])


def unbound(text: str) -> Alignment:
    loss = parse_term(f"{text}@feature").loss
    assert isinstance(loss, Alignment)
    return loss


def made(text: str, seed: int = 0) -> Alignment:
    """The alignment, bound, before its draws of the step with this seed."""
    loss = unbound(text)
    loss.bind(CLASSES, DIMENSION)
    loss.reseed(seed)
    return loss


def domains(source: int = SOURCE, target: int = TARGET, dtype: torch.dtype = torch.float64, seed: int = 0) -> Domains:
    """Two clouds, of which the second is smaller and lies elsewhere."""
    random = torch.Generator().manual_seed(seed)
    one = torch.randn(source, DIMENSION, generator=random, dtype=torch.float64)
    other = 0.5 * torch.randn(target, DIMENSION, generator=random, dtype=torch.float64) + 0.3
    probability = (3 * torch.randn(target, CLASSES, generator=random)).softmax(dim=1)
    vectors = [values.to(dtype).requires_grad_() for values in (one, other)]
    labels = SOURCE_LABELS[torch.arange(source) % SOURCE], TARGET_LABELS[torch.arange(target) % TARGET]
    return Domains(*vectors, *labels, probability)


def placed(given: Domains, source: Tensor, target: Tensor) -> Domains:
    """The same domains with other vectors."""
    return replace(given, source=source.detach().requires_grad_(), target=target.detach().requires_grad_())


def value_and_gradients(loss: Alignment, given: Domains) -> tuple[Tensor, tuple[Tensor, ...]]:
    value = loss.align(given)
    return value.detach(), torch.autograd.grad(value, (given.source, given.target), materialize_grads=True)


def differences(function: Callable[[], float], values: Tensor, step: float = 1e-5) -> Tensor:
    """The gradient of a function of the values as central differences."""
    found = torch.zeros_like(values).flatten()
    with torch.no_grad():
        flat = values.view(-1)
        for place, held in enumerate(flat.tolist()):
            ends = []
            for side in (1, -1):
                flat[place] = held + side * step
                ends.append(function())
            flat[place] = held
            found[place] = (ends[0] - ends[1]) / (2 * step)
    return found.view_as(values)
