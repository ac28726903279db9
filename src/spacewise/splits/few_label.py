"""Label budgets: of the training samples of another split, only some keep their labels."""

from __future__ import annotations

import re
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

FORMS = "a number of images, such as 32, of each class, such as '4/class', or 'all'"


@described
def few_label(
    source: Source,
    *,
    labels: int | Literal["all"] | str = "all",
    transductive: bool = False,
    within: Mapping[str, Any] | None = None,
    validation: float = 0.0,
    seed: int = 0,
    fold: int = 0,
) -> Split:
    """The training images of another split, of which `labels` keep their labels; the rest are `unlabelled`.

    Budgets are nested: with one seed and fold, the images of a budget of 32 are among those of 128. They are
    drawn class by class in turn, so that a budget of at least the number of classes holds each of them; of
    a smaller one some classes have no labelled image, and stay classes of the split all the same. The images of
    `4/class` are those of 4 times the number of classes, where each class has as many.

    Args:
        labels: images that keep their labels, over all classes together; `"4/class"`: of each class; `"all"`:
            every one.
        transductive: whether the test images, without their labels, are among the unlabelled.
        within: the split whose training part it is, as an experiment writes it: `{"name": "folders"}`. None:
            the one that the source is made for. Samples that it leaves unlabelled stay so.
        validation: of `within`. The labels of validation samples are used besides the budget.
        seed, fold: which images keep their labels. They are those of `within` too, unless it says its own:
            `{"name": "stratified", "seed": 0}` tests the same images under every seed.

    Raises:
        InputError: a budget below 2, above the number of training images, or, of each class, above that of the
            smallest; `labels` of another form; `within` has no name, or is no split that can be made of the
            source; a validation share both here and in `within`.
    """
    split = _within(source, within, validation, seed, fold)
    rows = split.train.rows
    kept = rows if labels == "all" else _kept(rows, split.train.labels, _budget(split.train, labels), seed, fold)
    rest = np.union1d(np.setdiff1d(rows, kept), split.unlabelled.rows)
    rest = np.union1d(rest, split.test.rows) if transductive else rest
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


def _budget(train: Part, labels: object) -> int:
    """How many images keep their labels."""
    if isinstance(labels, str):
        number, each = _read(labels)
        return _of_each(train, number) if each else _total(train, number)
    try:
        return _total(train, index(labels))  # type: ignore[arg-type]
    except TypeError:
        raise InputError(f"labels must be {FORMS}, not {labels!r}") from None


def _read(labels: str) -> tuple[int, bool]:
    """The number of a budget, and whether it is of each class."""
    found = re.fullmatch(r"([0-9]{1,18})(/class)?", labels)
    if not found:
        raise InputError(f"labels must be {FORMS}, not {labels!r}")
    return int(found[1]), found[2] is not None


def _total(train: Part, number: int) -> int:
    if not 2 <= number <= len(train):
        raise InputError(
            f"{_place(train)}: labels must be 2 to {len(train)}, the number of training images, or 'all', not {number}"
        )
    return number


def _of_each(train: Part, number: int) -> int:
    counts = np.bincount(train.labels, minlength=len(train.classes))
    least = int(counts.min())
    if number < 1:
        raise InputError(f"{_place(train)}: labels of each class must be 1/class or more, not {number}/class")
    if number > least:
        images = "1 training image" if least == 1 else f"{least} training images"
        most = f"{least}/class is the largest budget of each class" if least else "give a number over all classes"
        name = train.classes[counts.argmin()]
        raise InputError(f"{_place(train)}: class '{name}' has {images}, too few for {number}/class; {most}")
    return number * len(train.classes)


def _place(train: Part) -> str:
    return str(train.source.root or train.source.name)


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
