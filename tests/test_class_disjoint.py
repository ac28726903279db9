"""Splits disjoint by class: nothing that is tested was trained, not even its class."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacewise import splits
from spacewise.errors import InputError
from spacewise.sources import Source
from spacewise.splits import Split, class_disjoint

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def classes_of(each: dict[str, int], **columns: Any) -> Source:
    labels = [label for label, count in each.items() for _ in range(count)]
    facts = pd.DataFrame({"id": [f"{n:03d}" for n in range(len(labels))], "label": labels}).assign(**columns)
    return Source("memory", facts, lambda index: np.zeros((1, 4, 4), np.uint8))


def alike(number: int, **columns: Any) -> Source:
    """So many classes of three samples, their samples mixed."""
    source = classes_of(dict.fromkeys(LETTERS[:number], 3), **columns)
    return Source("memory", source.facts.sample(frac=1, random_state=0).reset_index(drop=True), source.reader)


def classes(split: Split) -> dict[str, set[str]]:
    """The classes of each part's samples."""
    return {name: set(part.facts["label"]) for name, part in split.parts.items()}


# Which classes do what


@given(
    number=st.integers(8, 26),
    validation=st.sampled_from([0.0, 0.01, 0.2, 0.34]),
    seed=st.integers(0, 2**40),
    fold=st.integers(0, 9),
)
def test_no_two_parts_share_a_class(number: int, validation: float, seed: int, fold: int) -> None:
    source = alike(number)
    split = class_disjoint(source, validation=validation, seed=seed, fold=fold)
    found = classes(split)
    for one, other in itertools.combinations(found.values(), 2):
        assert not one & other
    assert set().union(*found.values()) == set(source.classes)
    assert sorted(row for part in split.parts.values() for row in part.rows.tolist()) == list(range(len(source)))
    training = number // 2
    held = max(2, round(validation * training)) if validation else 0
    assert [len(found[name]) for name in ("train", "validation", "test")] == [training - held, held, number - training]
    assert not found["confusers"]


def test_each_part_numbers_its_own_classes() -> None:
    split = class_disjoint(alike(10))
    for part in (split.train, split.validation, split.test):
        assert part.classes == tuple(sorted(set(part.facts["label"])))
        assert [part.classes[number] for number in part.labels] == part.facts["label"].tolist()
    assert split.classes == split.train.classes


def test_a_protocol_says_which_classes_train() -> None:
    roles = {name: "train" if name in "bdfhj" else "test" for name in LETTERS[:12]}
    source = alike(12)
    source.facts["protocol"] = source.facts["label"].map(roles)
    for seed, fold in ((0, 0), (1, 0), (0, 3)):
        found = classes(class_disjoint(source, seed=seed, fold=fold))
        assert found["train"] | found["validation"] == set("bdfhj")
        assert found["test"] == set("acegikl")
        assert len(found["validation"]) == 2
    held = {frozenset(classes(class_disjoint(source, fold=fold))["validation"]) for fold in range(8)}
    assert len(held) > 1


def test_a_split_follows_from_seed_and_fold() -> None:
    made = [class_disjoint(alike(14), seed=seed, fold=fold) for seed, fold in ((0, 0), (0, 1), (1, 0), (1, 1), (0, 0))]
    assert made[0].digest() == made[4].digest()
    assert classes(made[0]) == classes(made[4])
    assert len({split.digest() for split in made}) == 4
    assert len({frozenset(classes(split)["test"]) for split in made}) > 2


def test_the_order_of_the_samples_does_not_matter() -> None:
    ordered, mixed = classes_of(dict.fromkeys(LETTERS[:9], 3)), alike(9)
    assert classes(class_disjoint(ordered)) == classes(class_disjoint(mixed))


# What a split tells


def test_a_split_knows_whether_its_classes_are_disjoint() -> None:
    assert class_disjoint(alike(8)).disjoint
    assert class_disjoint(alike(8), validation=0).disjoint
    assert not splits.stratified(alike(8), test=0.4, validation=0).disjoint


def test_without_validation_every_class_of_the_half_trains() -> None:
    split = class_disjoint(alike(4), validation=0)
    assert (len(split.classes), len(split.validation), len(split.test.classes)) == (2, 0, 2)
    assert set(split.table()["part"]) == {"train", "test"}


def test_identical_images_of_two_classes_are_leaks() -> None:
    split = class_disjoint(alike(8))
    digests = np.array([f"{n}".encode() for n in range(24)])
    assert split.leaks(digests) == []
    digests[split.test.rows[0]] = digests[split.validation.rows[0]]
    (line,) = split.leaks(digests)
    assert line.startswith("validation and test share 1 identical images, such as ")


def test_the_digest_follows_the_parts() -> None:
    one, other = class_disjoint(alike(8)), class_disjoint(alike(8), validation=0)
    assert one.digest() != other.digest()
    assert one.digest() == class_disjoint(alike(8), validation=0.2).digest()
    assert class_disjoint(alike(8), validation=0.5, fold=2).description == {
        "name": "class-disjoint", "validation": 0.5, "fold": 2,
    }  # fmt: skip


def test_by_default_none_is_held_out_where_two_cannot_be_spared() -> None:
    for number, held in ((4, 0), (7, 0), (8, 2), (20, 2), (26, 3)):
        split = class_disjoint(alike(number))
        assert len(split.validation.classes) == held
        assert len(split.train.classes) == number // 2 - held


def test_a_source_with_a_protocol_is_split_by_class() -> None:
    assert splits.default(alike(4, protocol="train")) == "class-disjoint"
    assert splits.default(alike(4)) == "stratified"


# What cannot be split


@pytest.mark.parametrize("share", [-0.1, 1, 1.5, float("nan")])
def test_a_share_outside_its_range_is_refused(share: float) -> None:
    with pytest.raises(InputError, match="validation must be a share from 0 to below 1"):
        class_disjoint(alike(8), validation=share)


@pytest.mark.parametrize(
    ("number", "options", "message"),
    [
        (1, {}, "one class, two are needed to train on some and test on others"),
        (3, {"validation": 0}, "training needs two classes or more, there are: "),
        (4, {"validation": 0.2}, "of 2 training classes, 2 held out leaves 0, and two are needed; take validation=0"),
        (20, {"validation": 0.99}, "of 10 training classes, 10 held out leaves 0, and two are needed"),
        (8, {"seed": -1}, "seed and fold must be 0 or more, not -1 and 0"),
        (8, {"fold": -2}, "seed and fold must be 0 or more, not 0 and -2"),
    ],
)
def test_a_split_that_cannot_be_made_is_one_line(number: int, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        class_disjoint(alike(number), **options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("protocol", "message"),
    [
        ("train", "its protocol trains every class, none is left to test"),
        ("test", "training needs two classes or more, there are: none"),
    ],
)
def test_a_protocol_of_one_half_is_refused(protocol: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        class_disjoint(alike(6, protocol=protocol))
