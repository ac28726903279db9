"""Prototype conformity and complement entropy as loops over samples and classes, in float64."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

Vectors = list[list[float]]
Naive = Callable[[Vectors, list[int]], float]

CLASSES, DIMENSION = 4, 5


def drawn(sets: int, dimension: int = DIMENSION) -> list[Vectors]:
    """The centres of a bound loss: normal numbers of the seed, in float32, one set after another."""
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(CLASSES, dimension, generator=generator).tolist() for _ in range(sets)]


def far(one: list[float], other: list[float]) -> float:
    return math.sqrt(sum((a - b) ** 2 for a, b in zip(one, other)))


def printed(push: float = 1.0) -> Naive:
    (centers,) = drawn(1)

    def loss(x: Vectors, y: list[int]) -> float:
        terms = []
        for row, label in zip(x, y):
            pushed = [far(row, centers[j]) + far(centers[label], centers[j]) for j in range(CLASSES) if j != label]
            terms.append(far(row, centers[label]) - push * sum(pushed) / (CLASSES - 1))
        return sum(terms) / len(terms) if terms else 0.0

    return loss


def released(push: float = 1e-4) -> Naive:
    centers, others = drawn(2)

    def loss(x: Vectors, y: list[int]) -> float:
        pulled = [far(row, centers[label]) ** 2 for row, label in zip(x, y)]
        pushed = [far(row, others[j]) ** 2 for row, label in zip(x, y) for j in range(CLASSES) if j != label]
        return sum(pulled) / len(pulled) - push * sum(pushed) / len(pushed) if pulled else 0.0

    return loss


def complement_entropy(*, released: bool = False) -> Naive:
    def loss(x: Vectors, y: list[int]) -> float:
        terms = []
        for row, label in zip(x, y):
            exponentials = [math.exp(value - max(row)) for value in row]
            p = [value / sum(exponentials) for value in exponentials]
            q = [p[j] / (1 - p[label]) for j in range(len(row)) if j != label]
            terms.append(sum(share * math.log(share) for share in q) / (len(row) if released else 1))
        return sum(terms) / len(terms) if terms else 0.0

    return loss


# Each loss in each of its ways, and what it is.
NAIVE: dict[str, Naive] = {
    "prototype_conformity": printed(),
    "prototype_conformity(push=0.1)": printed(0.1),
    "prototype_conformity(form='released')": released(),
    "prototype_conformity(form='released', push=0.5, push_rate=0.01)": released(0.5),
    "complement_entropy": complement_entropy(),
    "complement_entropy(form='released')": complement_entropy(released=True),
}
