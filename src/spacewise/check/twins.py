"""The same picture more than once: pixel by pixel, after a flip or quarter turn, or saved anew.

Pictures that are equal are found by digest and are certain. Copies that were saved anew (JPEG) are found
by the correlation of their thumbnails over the 8 flips and turns, then of the images at 128 x 128. Copies
that were also shifted, cut differently or compressed hard are missed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from spacewise.cache import fit
from spacewise.check.looks import CHIP, SIDE, Look, grey_of, symmetries
from spacewise.sources.source import Source

# Chosen by looking: on UC Merced, AID, CIFAR-100 and MSTAR (25,000 images) every pair above these is one
# picture; the nearest that are two reach 0.992 as thumbnails (neighbouring beaches of UC Merced).
ALIKE = 0.995
CONFIRMED = 0.9
AXES = 12  # a tree is fast in few dimensions
MOST_PAIRS = 500_000  # a few seconds
COUNTED = 10_000  # images whose pairs are counted, before those of all are found
BATCH = 4_000


@dataclass(frozen=True)
class Twins:
    """Samples that show the same picture.

    Attributes:
        kind: `identical`, `turned` (identical after a flip or quarter turn), or `similar` (saved anew).
        ids, labels: of the samples.
        parts: the values of the fact that tells training from testing; empty where there is none.
    """

    kind: str
    ids: tuple[str, ...]
    labels: tuple[str, ...]
    parts: tuple[str, ...]

    @property
    def conflict(self) -> bool:
        """Whether the picture carries different labels; an unlabelled copy carries none."""
        return len(set(self.labels) - {""}) > 1

    @property
    def crossing(self) -> bool:
        """Whether the picture is in different parts, such as train and test, or unlabelled and test."""
        return len(set(map(learnt, self.parts)) - {""}) > 1


def learnt(part: str) -> str:
    """What is unlabelled is learnt from, as what trains."""
    return "train" if part == "unlabelled" else part


class Groups:
    """Which samples belong together; `join` merges the groups of two."""

    def __init__(self, count: int) -> None:
        self.parents = list(range(count))

    def root(self, index: int) -> int:
        while self.parents[index] != index:
            self.parents[index] = index = self.parents[self.parents[index]]
        return index

    def join(self, one: int, other: int) -> None:
        self.parents[max(self.root(one), self.root(other))] = min(self.root(one), self.root(other))

    def members(self) -> list[list[int]]:
        """Groups of two or more, in order."""
        groups = defaultdict(list)
        for index in range(len(self.parents)):
            groups[self.root(index)].append(index)
        return [group for group in groups.values() if len(group) > 1]


def find(source: Source, looks: Sequence[Look], part: str) -> tuple[list[Twins], bool]:
    """Groups of samples that show the same picture, and whether re-saved copies could be looked for.

    Args:
        part: the fact that tells training from testing, "" where there is none.

    The second is False when so many images look alike that comparing them in pairs would take too long.
    """
    groups = Groups(len(looks))
    firsts: dict[bytes, int] = {}
    for index, look in enumerate(looks):
        groups.join(index, firsts.setdefault(look.turned, index))
    candidates = [index for index in firsts.values() if not looks[index].constant]
    pairs = alike([looks[index].thumbnail for index in candidates])
    for one, other in [] if pairs is None else pairs:
        first, second = candidates[one], candidates[other]
        joined = groups.root(first) == groups.root(second)
        if not joined and _confirmed(source, looks[first], looks[second]):
            groups.join(first, second)
    return [_twins(source, [looks[i] for i in group], part) for group in groups.members()], pairs is not None


def _twins(source: Source, looks: Sequence[Look], part: str) -> Twins:
    if len({look.exact for look in looks}) == 1:
        kind = "identical"
    else:
        kind = "turned" if len({look.turned for look in looks}) == 1 else "similar"
    facts = source.facts.iloc[[look.row for look in looks]]
    parts = tuple(map(str, facts[part])) if part else ()
    return Twins(kind, tuple(map(str, facts["id"])), tuple(map(str, facts["label"])), parts)


def alike(thumbnails: Sequence[np.ndarray]) -> Iterable[tuple[int, int]] | None:
    """Pairs of thumbnails that correlate in one of 8 positions, best first; None where there are too many."""
    if len(thumbnails) < 2:
        return []
    units = _unit(np.stack(thumbnails))
    pairs = _near(units, (2 * (1 - ALIKE)) ** 0.5)
    if pairs is None:
        return None
    scores = np.full(len(pairs), -1.0)
    for start in range(0, len(pairs), BATCH):
        ones, others = (units[column] for column in pairs[start : start + BATCH].T)
        for turned in symmetries(others):
            some = scores[start : start + BATCH]
            np.maximum(some, np.einsum("pyx,pyx->p", ones, turned), out=some)
    best = np.argsort(-scores, kind="stable")
    return [(int(one), int(other)) for one, other in pairs[best[scores[best] >= ALIKE]]]


def _near(units: np.ndarray, radius: float) -> np.ndarray | None:
    """(pair, 2) all pairs that may lie within `radius` of each other in one of the 8 positions.

    The mean over the 8 positions is the same for all of them, and a mean never lies further apart than
    the nearest positions do: no pair is missed. Nor does leaving out all but the principal axes lose one.
    """
    means = sum(symmetries(units), np.zeros((), np.float32)) / 8
    upper, right = np.triu_indices(SIDE // 2)  # the mean repeats 4 times on a diagonal, 8 times elsewhere
    orbits = means[:, upper, right] * np.where(upper == right, 4, 8) ** 0.5
    centred = orbits - orbits.mean(0)
    axes = np.linalg.eigh(centred.T @ centred)[1][:, ::-1]
    points = centred @ axes[:, :AXES]
    tree, some = cKDTree(points), cKDTree(points[:: -(-len(points) // COUNTED)])  # counting takes longer than finding
    if some.count_neighbors(tree, radius) * len(points) / some.n - len(points) > 2 * MOST_PAIRS:
        return None
    pairs = tree.query_pairs(radius, output_type="ndarray")
    pairs = pairs[np.lexsort(pairs.T[::-1])]
    batches = np.array_split(pairs, len(pairs) // BATCH + 1)
    apart = np.concatenate([np.square(orbits[p[:, 0]] - orbits[p[:, 1]]).sum(1) for p in batches])
    return pairs[apart <= radius**2]


def _confirmed(source: Source, one: Look, other: Look) -> bool:
    """Whether two images, read again, also agree at 128 x 128 in one of the 8 positions."""
    first, second = (_unit(fit(grey_of(source.read(look.row))[None], CHIP, source.fit)) for look in (one, other))
    return max(float((first * turned).sum()) for turned in symmetries(second)) >= CONFIRMED


def _unit(images: np.ndarray) -> np.ndarray:
    """Images (..., height, width) less their mean, of length 1: products are correlations."""
    centred = images - images.mean((-1, -2), keepdims=True)
    lengths = np.sqrt(np.square(centred).sum((-1, -2), keepdims=True))
    return centred / np.maximum(lengths, np.finfo(np.float32).tiny)
