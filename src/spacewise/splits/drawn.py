"""Splits that are drawn: a random share of each class, or folds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from spacewise.describe import described
from spacewise.errors import InputError
from spacewise.sources.source import Source
from spacewise.splits.split import Split, assembled, labelled


@described
def stratified(source: Source, *, test: float = 0.5, validation: float = 0.1, seed: int = 0, fold: int = 0) -> Split:
    """A random share of each class tests; of the rest, `validation` is held out.

    Wang et al., section V-A: half of AID tests, a tenth of the other half validates.
    """
    if not 0 < test < 1:
        raise InputError(f"test must be a share between 0 and 1, not {test}")
    rows, labels = np.flatnonzero(labelled(source)), source.facts["label"].to_numpy()
    rest, tested = hold_out(rows, labels[rows], test, [seed, fold, 1])
    return _hold_out_rest(source, rest, tested, validation, [seed, fold])


@described
def kfold(source: Source, *, folds: int = 5, fold: int = 0, validation: float = 0.1, seed: int = 0) -> Split:
    """Stratified k-fold: each sample tests in exactly one of the folds."""
    from sklearn.model_selection import StratifiedKFold

    if folds < 2:
        raise InputError(f"folds must be 2 or more, not {folds}")
    if not 0 <= seed < 2**32:
        raise InputError(f"seed must be 0 to {2**32 - 1}, not {seed}")
    if not 0 <= fold < folds:
        raise InputError(f"fold must be 0 to {folds - 1}, not {fold}")
    rows = np.flatnonzero(labelled(source))
    labels = source.facts["label"].to_numpy()[rows]
    smallest = pd.Series(labels).value_counts()
    if smallest.min() < folds:
        raise InputError(f"class '{smallest.idxmin()}' has {smallest.min()} samples, too few for {folds} folds")
    pieces = StratifiedKFold(folds, shuffle=True, random_state=seed).split(np.zeros(len(labels)), labels)
    rest, tested = (rows[piece] for piece in list(pieces)[fold])
    return _hold_out_rest(source, rest, tested, validation, [seed, fold])


def _hold_out_rest(
    source: Source, rest: np.ndarray, tested: np.ndarray, validation: float, seed: Sequence[int]
) -> Split:
    labels = source.facts["label"].to_numpy()
    kept, held = hold_out(rest, labels[rest], validation, seed)
    return assembled(source, tuple(sorted(set(labels[rest]))), kept, held, tested, rest[:0], "", "")


def check_share(validation: float) -> None:
    """Raises `InputError` for a share that would hold out everything, or is none."""
    if not 0 <= validation < 1:
        raise InputError(f"validation must be a share from 0 to below 1, not {validation}")


def seeded(seed: int, fold: int, stream: int = 0) -> np.random.Generator:
    """What draws for a seed and a fold; streams above 0 draw independently. Raises `InputError` below 0."""
    if min(seed, fold) < 0:
        raise InputError(f"seed and fold must be 0 or more, not {seed} and {fold}")
    return np.random.default_rng([seed, fold, *([stream] if stream else [])])


def hold_out(
    rows: np.ndarray, labels: np.ndarray, share: float, seed: int | Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Splits rows into (kept, held out), the same share of each class, at least one of each on both sides.

    Raises:
        InputError: the share is not in [0, 1), or a class has a single sample to divide.
    """
    if len(rows) == 0:
        raise InputError("the split leaves no training samples")
    if any(number < 0 for number in np.atleast_1d(seed)):
        raise InputError(f"seed and fold must be 0 or more, not {seed}")
    check_share(share)
    if share == 0:
        return rows, rows[:0]
    generator = np.random.default_rng(seed)
    held = []
    for name in sorted(set(labels)):
        mine = generator.permutation(rows[labels == name])
        if len(mine) < 2:
            raise InputError(f"class '{name}' has {len(mine)} training sample: too few to hold one out")
        held.append(mine[: min(max(1, round(share * len(mine))), len(mine) - 1)])
    out = np.sort(np.concatenate(held))
    return np.setdiff1d(rows, out), out
