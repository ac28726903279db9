"""Triplet losses as loops over triplets, in float64: what the fast ones must equal."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

Vectors = list[list[float]]
Naive = Callable[[Vectors, list[int]], float]


def unit(vectors: Vectors) -> Vectors:
    return [[value / (math.sqrt(sum(v * v for v in row)) or 1.0) for value in row] for row in vectors]


def squared(one: list[float], other: list[float]) -> float:
    return sum((a - b) ** 2 for a, b in zip(one, other))


def mean(terms: list[float]) -> float:
    return sum(terms) / len(terms) if terms else 0.0


def softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def pairs_of_distances(x: Vectors, y: list[int]) -> Iterator[tuple[list[float], list[float]]]:
    """For each anchor, its distances to the others of its class and to those of other classes."""
    for a in range(len(y)):
        near = [squared(x[a], x[p]) for p in range(len(y)) if p != a and y[p] == y[a]]
        far = [squared(x[a], x[n]) for n in range(len(y)) if y[n] != y[a]]
        yield near, far


def smooth_triplet(scale: float = 4.0, normalise: bool = True) -> Naive:
    def loss(x: Vectors, y: list[int]) -> float:
        f = [[scale * value for value in row] for row in (unit(x) if normalise else x)]
        return mean([softplus(p - n) for near, far in pairs_of_distances(f, y) for p in near for n in far])

    return loss


def chosen(triplets: str, near: list[float], far: list[float], margin: float) -> list[tuple[float, float]]:
    if not (near and far):
        return []
    if triplets == "hard":
        return [(max(near), min(far))]
    if triplets == "easy_positive":
        return [(min(near), min(far))]
    return [(p, n) for p in near for n in far if triplets == "all" or p < n < p + margin]


def hinge_triplet(margin: float = 0.2, triplets: str = "all", average: str = "all", normalise: bool = True) -> Naive:
    def loss(x: Vectors, y: list[int]) -> float:
        terms = []
        for near, far in pairs_of_distances(unit(x) if normalise else x, y):
            terms += [max(0.0, p - n + margin) for p, n in chosen(triplets, near, far, margin)]
        return mean([term for term in terms if term > 0] if average == "violating" else terms)

    return loss


# Each loss in each of its ways, and what it is.
NAIVE: dict[str, Naive] = {
    "smooth_triplet": smooth_triplet(),
    "smooth_triplet(scale=2.0)": smooth_triplet(2.0),
    "smooth_triplet(normalise=False)": smooth_triplet(normalise=False),
    "smooth_triplet(scale=1.0, normalise=False)": smooth_triplet(1.0, normalise=False),
    "smooth_triplet(learnt_scale=True)": smooth_triplet(),
    "hinge_triplet": hinge_triplet(),
    "hinge_triplet(margin=1.0, average='violating')": hinge_triplet(1.0, average="violating"),
    "hinge_triplet(normalise=False)": hinge_triplet(normalise=False),
    "hinge_triplet(margin=0.5, triplets='semihard')": hinge_triplet(0.5, "semihard"),
    "hinge_triplet(triplets='semihard', average='violating')": hinge_triplet(0.2, "semihard", "violating"),
    "hinge_triplet(triplets='hard')": hinge_triplet(triplets="hard"),
    "hinge_triplet(triplets='easy_positive')": hinge_triplet(triplets="easy_positive"),
    "hinge_triplet(triplets='easy_positive', average='violating')": hinge_triplet(0.2, "easy_positive", "violating"),
}
