"""Label budgets: of the training samples of another split, only some keep their labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from operator import index
from typing import Any, Literal

import numpy as np

from spacewise.describe import described, make_named
from spacewise.errors import InputError
from spacewise.sources.source import Source
from spacewise.splits.drawn import seeded
from spacewise.splits.split import Part, Split


@described
def few_label(
    source: Source,
    *,
    labels: int | Literal["all"] = "all",
    within: Mapping[str, Any] | None = None,
    validation: float = 0.0,
    seed: int = 0,
    fold: int = 0,
) -> Split:
    """The training images of another split, of which `labels` keep their labels; the rest are `unlabelled`.

    Budgets are nested: with one seed and fold, the images of a budget of 32 are among those of 128. They are
    drawn class by class in turn, so that a budget of at least the number of classes holds each of them; of
    a smaller one some classes have no labelled image, and stay classes of the split all the same.

    Args:
        labels: images that keep their labels, over all classes together; `"all"`: every one.
        within: the split whose training part it is, as an experiment writes it: `{"name": "folders"}`. None:
            the one that the source is made for. Samples that it leaves unlabelled stay so.
        validation: of `within`. The labels of validation samples are used besides the budget.
        seed, fold: which images keep their labels. They are those of `within` too, unless it says its own:
            `{"name": "stratified", "seed": 0}` tests the same images under every seed.

    Raises:
        InputError: a budget below 2 or above the number of training images; `within` has no name, or is no
            split that can be made of the source; a validation share both here and in `within`.
    """
    split = _within(source, within, validation, seed, fold)
    rows = split.train.rows
    kept = rows if labels == "all" else _kept(rows, split.train.labels, _budget(source, labels, len(rows)), seed, fold)
    rest = np.union1d(np.setdiff1d(rows, kept), split.unlabelled.rows)
    return replace(split, train=Part(source, kept, split.classes), unlabelled=Part(source, rest, split.classes))


def _within(source: Source, within: Mapping[str, Any] | None, validation: float, seed: int, fold: int) -> Split:
    from spacewise.splits import SPLITS, default  # the table names this file's split too

    named = {"name": default(source)} if within is None else dict(within)
    name = named.pop("name", None)
    if not isinstance(name, str):
        raise InputError(f"within must name a split, such as {{'name': 'folders'}}, not {within!r}")
    if validation and "validation" in named:
        raise InputError(f"validation is {validation} and, within {name}, {named['validation']}: say it once")
    passed = {"validation": validation, "seed": seed, "fold": fold}
    return make_named("split", SPLITS, name, passed | named, source)


def _budget(source: Source, labels: object, present: int) -> int:
    try:
        budget = index(labels)  # type: ignore[arg-type]
    except TypeError:
        raise InputError(f"labels must be a number of images or 'all', not {labels!r}") from None
    if not 2 <= budget <= present:
        raise InputError(
            f"{source.root or source.name}: labels must be 2 to {present}, the number of training images, or 'all', "
            f"not {budget}"
        )
    return budget


def _kept(rows: np.ndarray, labels: np.ndarray, budget: int, seed: int, fold: int) -> np.ndarray:
    """The first of the rows, by class in turn: every class in a drawn order, the images of each in another.

    Args:
        rows: (sample,) of the source.
        labels: (sample,) class of each.
    """
    generator = seeded(seed, fold, 2)  # stream 1 draws test images
    order = generator.permutation(len(rows))
    place = generator.permutation(labels.max() + 1)  # of each class in a round
    turn = np.zeros(len(rows), np.int64)  # the round in which an image's turn comes
    for number in np.unique(labels):
        mine = order[labels[order] == number]
        turn[mine] = np.arange(len(mine))
    return np.sort(rows[np.lexsort((place[labels], turn))[:budget]])
