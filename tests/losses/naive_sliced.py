"""Sliced Wasserstein losses as loops over directions and segments, in float64: what the fast ones must equal."""

from __future__ import annotations

from fractions import Fraction

from tests.losses.naive_metric import Vectors, dot, mean


def by_direction(source: Vectors, target: Vectors, directions: Vectors) -> list[float]:
    """Squared 2-Wasserstein distance along each direction."""
    return [
        squared_wasserstein([dot(row, way) for row in source], [dot(row, way) for row in target]) for way in directions
    ]


def squared_wasserstein(one: list[float], other: list[float]) -> float:
    """Moves mass from the left: what is left of the leftmost sample of each side goes to the other's."""
    left, right = sorted(one), sorted(other)
    total, i, j = 0.0, 0, 0
    own, their = Fraction(1, len(left)), Fraction(1, len(right))
    while i < len(left) and j < len(right):
        moved = min(own, their)
        total += float(moved) * (left[i] - right[j]) ** 2
        own, their = own - moved, their - moved
        if own == 0:
            i, own = i + 1, Fraction(1, len(left))
        if their == 0:
            j, their = j + 1, Fraction(1, len(right))
    return total


def sliced_wasserstein(source: Vectors, target: Vectors, directions: Vectors) -> float:
    return mean(by_direction(source, target, directions))


def conditional(
    source: Vectors, target: Vectors, source_labels: list[int], target_labels: list[int], directions: Vectors
) -> float:
    total = 0.0
    for label in range(max(source_labels + target_labels) + 1):
        one = [row for row, own in zip(source, source_labels) if own == label]
        other = [row for row, own in zip(target, target_labels) if own == label]
        if one and other:
            total += sliced_wasserstein(one, other, directions)
    return total
