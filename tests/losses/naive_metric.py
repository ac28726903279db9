"""Metric-learning losses as loops over samples, in float64: what the fast ones must equal."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch

Vectors = list[list[float]]
Naive = Callable[[Vectors, list[int]], float]

CLASSES, DIMENSION = 4, 5  # what the losses with state are bound to, with seed 0


def dot(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other))


def distance(one: Sequence[float], other: Sequence[float]) -> float:
    return math.sqrt(sum((a - b) ** 2 for a, b in zip(one, other)))


def unit(vectors: Vectors) -> Vectors:
    return [[value / (math.sqrt(dot(row, row)) or 1.0) for value in row] for row in vectors]


def log_sum_exp(exponents: Sequence[float]) -> float:
    top = max(exponents)
    return top + math.log(sum(math.exp(exponent - top) for exponent in exponents))


def mean(terms: Sequence[float]) -> float:
    return sum(terms) / len(terms) if terms else 0.0


def positives(y: list[int]) -> list[tuple[int, int]]:
    """Ordered pairs of one class."""
    return [(i, j) for i in range(len(y)) for j in range(len(y)) if i != j and y[i] == y[j]]


def negatives(y: list[int], i: int) -> list[int]:
    return [n for n in range(len(y)) if y[n] != y[i]]


def npair(normalise: bool = False, length_weight: float = 0.0) -> Naive:
    def loss(x: Vectors, y: list[int]) -> float:
        f = unit(x) if normalise else x
        terms = []
        for i, p in positives(y):
            exponents = [dot(f[i], f[n]) - dot(f[i], f[p]) for n in negatives(y, i)]
            terms.append(log_sum_exp([0.0, *exponents]))
        return mean(terms) + length_weight * mean([dot(row, row) for row in f])

    return loss


def lifted_structure(margin: float = 1.0, normalise: bool = False) -> Naive:
    def loss(x: Vectors, y: list[int]) -> float:
        f = unit(x) if normalise else x
        terms = []
        for i, j in positives(y):
            away = [margin - distance(f[end], f[n]) for end in (i, j) for n in negatives(y, end)]
            if away:
                terms.append(max(0.0, log_sum_exp(away) + distance(f[i], f[j])) ** 2 / 2)
        return mean(terms)

    return loss


def weights(distances: list[float], dimension: int) -> list[float]:
    """Probabilities of an anchor's negatives."""

    def rarity(d: float) -> float:
        d = max(d, 0.5)
        return 1 / (d ** (dimension - 2) * (1 - d**2 / 4) ** ((dimension - 3) / 2))

    found = [rarity(d) if d < 1.4 else 0.0 for d in distances]
    return [w / sum(found) for w in found] if any(found) else [1 / len(distances) for _ in distances]


def margin(gap: float = 0.2, beta: float = 1.2) -> Naive:
    def loss(x: Vectors, y: list[int]) -> float:
        f, terms = unit(x), []
        for a, p in positives(y):
            far = [distance(f[a], f[n]) for n in negatives(y, a)]
            push = [w * max(0.0, beta + gap - d) for w, d in zip(weights(far, len(x[0])), far)]
            terms.append(max(0.0, distance(f[a], f[p]) - beta + gap) + sum(push))
        return mean(terms)

    return loss


def angular(angle: float = 40.0) -> Naive:
    t = math.tan(math.radians(angle)) ** 2

    def loss(x: Vectors, y: list[int]) -> float:
        f, terms = unit(x), []
        for a, p in positives(y):
            both = [one + other for one, other in zip(f[a], f[p])]
            exponents = [4 * t * dot(both, f[n]) - 2 * (1 + t) * dot(f[a], f[p]) for n in negatives(y, a)]
            terms.append(log_sum_exp([0.0, *exponents]))
        return mean(terms)

    return loss


def proxies() -> Vectors:
    """Those of a bound loss: normal numbers of the seed, in float32, each row divided by its length."""
    drawn = torch.randn(CLASSES, DIMENSION, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.normalize(drawn, dim=1).tolist()


def proxy_nca(scale: float = 3.0) -> Naive:
    placed = [[scale * value for value in row] for row in unit(proxies())]

    def loss(x: Vectors, y: list[int]) -> float:
        terms = []
        for row, label in zip(unit(x), y):
            d = [distance([scale * value for value in row], proxy) ** 2 for proxy in placed]
            terms.append(d[label] + log_sum_exp([-far for z, far in enumerate(d) if z != label]))
        return mean(terms)

    return loss


def supcon(temperature: float = 0.1) -> Naive:
    def loss(x: Vectors, y: list[int]) -> float:
        z, terms = unit(x), []
        for i in range(len(y)):
            mine = [p for p in range(len(y)) if p != i and y[p] == y[i]]
            if mine:
                others = log_sum_exp([dot(z[i], z[k]) / temperature for k in range(len(y)) if k != i])
                terms.append(-mean([dot(z[i], z[p]) / temperature - others for p in mine]))
        return mean(terms)

    return loss


# Each loss in each of its ways, and what it is.
NAIVE: dict[str, Naive] = {
    "npair": npair(),
    "npair(normalise=True)": npair(normalise=True),
    "npair(length_weight=0.02)": npair(length_weight=0.02),
    "lifted_structure": lifted_structure(),
    "lifted_structure(margin=2.0, normalise=True)": lifted_structure(2.0, normalise=True),
    "margin": margin(beta=float(np.float32(1.2))),  # boundaries are learnt in float32
    "margin(margin=0.1, beta=1.0, learn_beta=False)": margin(0.1, 1.0),
    "angular": angular(),
    "angular(angle=60.0)": angular(60.0),
    "proxy_nca": proxy_nca(),
    "proxy_nca(scale=1.0)": proxy_nca(1.0),
    "supcon": supcon(),
    "supcon(temperature=0.5)": supcon(0.5),
}

# Losses that hold in the backward pass what depends on the embeddings: finite differences see it move.
HELD = ("margin", "margin(margin=0.1, beta=1.0, learn_beta=False)")
