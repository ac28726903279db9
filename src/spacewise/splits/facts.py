"""Splits by facts of the samples: depression, serial, role, folder."""

from __future__ import annotations

import numpy as np

from spacewise.describe import described
from spacewise.sources.source import Source
from spacewise.splits.drawn import hold_out
from spacewise.splits.split import Split, Where, assembled, check_classes, labelled, select

MSTAR_CLASSES = ("BMP2", "BTR70", "T72", "BTR60", "2S1", "BRDM2", "D7", "T62", "ZIL131", "ZSU23-4")
MSTAR_TRAINING_SERIALS = {"BMP2": "c21", "BTR70": "c71", "T72": "132"}


@described
def by_fact(
    source: Source,
    *,
    train: Where,
    test: Where,
    confusers: Where | None = None,
    validation: float = 0.1,
    seed: int = 0,
    fold: int = 0,
    novelty: str = "",
    group: str = "",
) -> Split:
    """Samples train and test by their facts: 17 degrees trains, 15 degrees tests.

    Args:
        train, test, confusers: fact -> value or values. Test samples of classes that are not trained
            are left out; confusers are only of such classes.
        validation: share of the training samples, by class, that is held out to choose by.
        seed, fold: which samples are held out; folds of one seed differ.
        novelty: a fact such as `serial`: the test set is reported as `seen` and `unseen` by whether
            the value occurs in training for the class.
        group: a fact whose values must not be shared between parts (checked, reported).

    Raises:
        InputError: an unknown fact or value, an empty part, fewer than two classes.
    """
    chosen = _selected(source, train)
    labels = source.facts["label"].to_numpy()
    classes = tuple(sorted(set(labels[chosen])))
    check_classes(source, classes)
    rows = _selected(source, test)
    rows = rows[np.isin(labels[rows], classes)]
    others = _selected(source, confusers) if confusers else np.zeros(0, np.int64)
    others = others[~np.isin(labels[others], classes)]
    kept, held = hold_out(chosen, labels[chosen], validation, [seed, fold])
    return assembled(source, classes, kept, held, rows, others, novelty, group)


def _selected(source: Source, where: Where) -> np.ndarray:
    """Rows of the samples with these facts that have a label."""
    rows = select(source, where)
    return rows[labelled(source)[rows]]


@described
def mstar_seen_unseen(source: Source, *, validation: float = 0.1, seed: int = 0, fold: int = 0) -> Split:
    """Ten classes, 17 degrees train, 15 degrees test, one serial of BMP2, BTR70 and T72 in training.

    Wang et al., section III-A. `unseen` are BMP2 9563, 9566 and T72 812, s7.
    """
    present = [name for name in MSTAR_CLASSES if name in source.classes]
    facts = source.facts
    serial = source.fact("serial")
    fixed = facts["label"].map(MSTAR_TRAINING_SERIALS)
    serials = sorted(set(serial[facts["label"].isin(present) & (fixed.isna() | (fixed == serial))]))
    return by_fact(
        source,
        train={"depression": 17, "label": present, "serial": serials},
        test={"depression": 15, "label": present},
        validation=validation,
        seed=seed,
        fold=fold,
        novelty="serial",
    )


@described
def mstar_confusers(source: Source, *, validation: float = 0.1, seed: int = 0, fold: int = 0) -> Split:
    """BMP2, BTR70, T72 known; 2S1 and ZIL131 confuse. Wang et al., section IV-A, after Chen et al.

    Training and test use the serials c21, c71 and 132 (588 chips in test).
    """
    serials = list(MSTAR_TRAINING_SERIALS.values())
    known = list(MSTAR_TRAINING_SERIALS)
    return by_fact(
        source,
        train={"depression": 17, "label": known, "serial": serials},
        test={"depression": 15, "label": known, "serial": serials},
        confusers={"depression": 15, "label": ["2S1", "ZIL131"]},
        validation=validation,
        seed=seed,
        fold=fold,
    )


@described
def roles(source: Source, *, validation: float = 0.1, seed: int = 0, fold: int = 0) -> Split:
    """The simulated source's own parts: seen serials train, all serials test, confusers confuse."""
    return by_fact(
        source,
        train={"role": "train"},
        test={"role": "test"},
        confusers={"role": "confuser"} if "confuser" in set(source.fact("role")) else None,
        validation=validation,
        seed=seed,
        fold=fold,
        novelty="serial",
    )


@described
def folders(source: Source, *, validation: float = 0.1, seed: int = 0, fold: int = 0) -> Split:
    """The parts that the source itself comes in: the facts `train` and `test` of its folders or files."""
    return by_fact(
        source, train={"split": "train"}, test={"split": "test"}, validation=validation, seed=seed, fold=fold
    )
