"""Splits disjoint by class: what is tested was never trained, not even as a class."""

from __future__ import annotations

import numpy as np

from spacewise.describe import described
from spacewise.errors import InputError
from spacewise.sources.source import Source
from spacewise.splits.drawn import check_share, seeded
from spacewise.splits.split import Part, Split, check_classes


@described
def class_disjoint(source: Source, *, validation: float | None = None, seed: int = 0, fold: int = 0) -> Split:
    """Half of the classes train, the other half tests, and some of the training half validate.

    Where the source has the fact `protocol` (Cars-196, CUB-200-2011, Stanford Online Products: the first half
    of the classes, as in Oh Song et al. 2016), it says which classes train; elsewhere half of the classes,
    the larger half of an odd number, are drawn to test.

    Args:
        validation: share of the training classes that is held out to choose by, at least two: with one class
            every neighbour is right. None: a fifth, or none of fewer than four training classes.
        seed, fold: which classes are drawn; folds of one seed differ.

    Raises:
        InputError: fewer than two training classes, none to test, or a share outside 0 to below 1.
    """
    check_share(validation or 0)
    generator = seeded(seed, fold)
    training, tested = _halves(source, generator)
    held = round((0.2 if validation is None else validation) * len(training))
    held = max(2, held) if validation != 0 else 0
    held = 0 if validation is None and len(training) - held < 2 else held
    order = generator.permutation(len(training))
    chosen = sorted(training[i] for i in order[held:])
    validating = sorted(training[i] for i in order[:held])
    check_classes(source, training)
    if len(chosen) < 2:
        raise InputError(
            f"{source.root or source.name}: of {len(training)} training classes, {held} held out leaves "
            f"{len(chosen)}, and two are needed; take validation=0"
        )
    if not tested:
        raise InputError(f"{source.root or source.name}: its protocol trains every class, none is left to test")
    labels = source.facts["label"]

    def part(names: list[str]) -> Part:
        # by hashing: numpy compares texts one by one, minutes for the 22,634 classes of Online Products
        return Part(source, np.flatnonzero(labels.isin(names)), tuple(names))

    return Split(source, part(chosen), part(validating), part(tested), part([]))


def _halves(source: Source, generator: np.random.Generator) -> tuple[list[str], list[str]]:
    """Names of the training and of the test classes, sorted."""
    if "protocol" in source.facts:
        facts = source.facts
        trained = set(facts["label"][facts["protocol"] == "train"])
        training = [name for name in source.classes if name in trained]
        tested = [name for name in source.classes if name not in trained]
        return training, tested
    order = generator.permutation(list(source.classes))
    half = len(order) // 2
    if half == 0:
        raise InputError(f"{source.root or source.name}: one class, two are needed to train on some and test on others")
    return sorted(map(str, order[:half])), sorted(map(str, order[half:]))
