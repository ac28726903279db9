"""Splits that are drawn: a random share of each class, or folds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from spacewise.describe import described
from spacewise.errors import InputError
from spacewise.sources.source import Source
from spacewise.splits.split import Split, assembled, hold_out


@described
def stratified(source: Source, *, test: float = 0.5, validation: float = 0.1, seed: int = 0, fold: int = 0) -> Split:
    """A random share of each class tests; of the rest, `validation` is held out.

    Wang et al., section V-A: half of AID tests, a tenth of the other half validates.
    """
    if not 0 < test < 1:
        raise InputError(f"test must be a share between 0 and 1, not {test}")
    rows, labels = np.arange(len(source)), source.facts["label"].to_numpy()
    rest, tested = hold_out(rows, labels, test, [seed, fold, 1])
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
    labels = source.facts["label"].to_numpy()
    smallest = pd.Series(labels).value_counts()
    if smallest.min() < folds:
        raise InputError(f"class '{smallest.idxmin()}' has {smallest.min()} samples, too few for {folds} folds")
    pieces = StratifiedKFold(folds, shuffle=True, random_state=seed).split(np.zeros(len(labels)), labels)
    rest, tested = list(pieces)[fold]
    return _hold_out_rest(source, rest, tested, validation, [seed, fold])


def _hold_out_rest(
    source: Source, rest: np.ndarray, tested: np.ndarray, validation: float, seed: Sequence[int]
) -> Split:
    labels = source.facts["label"].to_numpy()
    kept, held = hold_out(rest, labels[rest], validation, seed)
    return assembled(source, tuple(sorted(set(labels[rest]))), kept, held, tested, rest[:0], "", "")
