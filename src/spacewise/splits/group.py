"""Splits disjoint by group: the cities or scenes that are tested were never trained."""

from __future__ import annotations

import numpy as np

from spacewise.describe import described
from spacewise.errors import InputError
from spacewise.sources.source import Source
from spacewise.splits.drawn import check_share, seeded
from spacewise.splits.split import Split, assembled, labelled


@described
def group_disjoint(
    source: Source, *, group: str, test: float = 0.25, validation: float = 0.0, seed: int = 0, fold: int = 0
) -> Split:
    """Whole values of a fact test, others validate, the rest train: no city is in two parts.

    Groups are drawn at random, but for those without which a class would not be trained: a class that occurs
    in one city only is trained there and never tested.

    Args:
        group: the fact, such as `city` or `scene`.
        test: share of the groups that test, at least one.
        validation: share of the other groups that is held out to choose by, at least one unless it is 0.
        seed, fold: which groups are drawn; folds of one seed differ.

    Raises:
        InputError: an unknown fact, samples without it, fewer than two groups (three with validation), a share
            outside its range, or too few groups that can be spared without leaving a class untrained.
    """
    if not 0 < test < 1:
        raise InputError(f"test must be a share between 0 and 1, not {test}")
    check_share(validation)
    rows = np.flatnonzero(labelled(source))
    names, codes = _groups(source, rows, group, 3 if validation else 2)
    classes, labels = np.unique(source.facts["label"].to_numpy(str)[rows], return_inverse=True)
    holds = np.zeros((len(names), len(classes)), bool)
    holds[codes, labels] = True
    order = seeded(seed, fold).permutation(len(names))
    tested = _spared(source, group, holds, order, _share(test, len(names), 2 if validation else 1), "test")
    rest = order[~np.isin(order, tested)]
    held = _spared(source, group, holds, rest, _share(validation, len(rest), 1), "validation")
    chosen = rest[~np.isin(rest, held)]
    train, validating, testing = (rows[np.isin(codes, part)] for part in (chosen, held, tested))
    return assembled(source, tuple(map(str, classes)), train, validating, testing, train[:0], novelty="", group=group)


def _groups(source: Source, rows: np.ndarray, group: str, needed: int) -> tuple[np.ndarray, np.ndarray]:
    """The values of the fact as text, sorted, and (row,) index of each one's."""
    column = source.fact(group).iloc[rows]
    missing = np.flatnonzero(column.isna() | (column.astype(str) == ""))
    if len(missing):
        example = source.facts["id"].iat[rows[missing[0]]]
        raise InputError(f"{len(missing)} samples of {source.root or source.name} have no {group}, such as {example}")
    names, codes = np.unique(column.to_numpy(str), return_inverse=True)
    if len(names) < needed:
        raise InputError(
            f"{source.root or source.name} has {len(names)} values of '{group}' ({', '.join(names)}), "
            f"{needed} or more are needed to keep the parts apart"
        )
    return names, codes


def _share(share: float, groups: int, others: int) -> int:
    """How many of the groups a share is, at least one unless it is 0; so many others stay."""
    return min(max(1, round(share * groups)), groups - others) if share else 0


def _spared(source: Source, group: str, holds: np.ndarray, order: np.ndarray, number: int, part: str) -> np.ndarray:
    """The first groups, in an order, without which each class that the ordered groups hold is still trained.

    Args:
        holds: (group, class) bool.
        order: (available group,) indices.
    """
    left = holds[order].sum(axis=0)  # groups that still train each class
    chosen: list[int] = []
    for one in order:
        if len(chosen) < number and (left[holds[one]] > 1).all():
            chosen.append(one)
            left = left - holds[one]
    if len(chosen) < number:
        lone = np.array(source.classes)[left == 1]
        raise InputError(
            f"{source.root or source.name}: {number} values of '{group}' are wanted for {part}, {len(chosen)} can be "
            f"spared; without another, a class such as '{lone[0]}' would not be trained; ask for a smaller share"
        )
    return np.array(chosen, np.int64)
