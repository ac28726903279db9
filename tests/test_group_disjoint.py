"""Splits disjoint by group: no city that is tested was trained."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from spacewise.errors import InputError
from spacewise.sources import Source
from spacewise.splits import Split, few_label, group_disjoint


def cities(held: dict[str, str], each: int = 2) -> Source:
    """City -> one letter a class: so many images of each, mixed."""
    rows = [(city, label) for city, labels in held.items() for label in labels for _ in range(each)]
    facts = pd.DataFrame(rows, columns=["city", "label"]).assign(id=[f"{n:03d}" for n in range(len(rows))])
    return Source("memory", facts.sample(frac=1, random_state=1, ignore_index=True), lambda i: np.zeros((1, 4, 4)))


def alike(number: int, labels: str = "abc") -> Source:
    return cities({f"city{n:02d}": labels for n in range(number)})


def found(split: Split) -> dict[str, set[str]]:
    """The cities of each part."""
    return {name: set(part.facts["city"]) for name, part in split.parts.items()}


held = st.dictionaries(
    st.sampled_from([f"city{n}" for n in range(10)]),
    st.sets(st.sampled_from("abcde"), min_size=1).map(lambda labels: "".join(sorted(labels))),
    min_size=3,
)


@given(held=held, share=st.sampled_from([0.1, 0.25, 0.5]), validation=st.sampled_from([0.0, 0.2]), seed=st.integers(0))
def test_no_two_parts_share_a_group_and_every_class_trains(
    held: dict[str, str], share: float, validation: float, seed: int
) -> None:
    source = cities(held)
    assume(len(source.classes) > 1)
    try:
        split = group_disjoint(source, group="city", test=share, validation=validation, seed=seed)
    except InputError as error:
        if "would not be trained" not in str(error):
            raise
        return  # of such a draw the next test says when it is right
    parts = found(split)
    assert all(not one & other for one, other in itertools.combinations(parts.values(), 2))
    assert set().union(*parts.values()) == set(held)
    assert sum(len(part) for part in split.parts.values()) == len(source)
    assert set(split.train.facts["label"]) == set(source.classes) == set(split.classes)
    tested = min(max(1, round(share * len(held))), len(held) - (2 if validation else 1))
    assert len(parts["test"]) == tested
    rest = len(held) - tested
    assert len(parts["validation"]) == (min(max(1, round(validation * rest)), rest - 1) if validation else 0)
    assert split.leaks(np.arange(len(source)).astype("S")) == []


@given(held=held, seed=st.integers(0))
def test_a_group_tests_wherever_one_can_be_spared(held: dict[str, str], seed: int) -> None:
    source = cities(held)
    assume(len(source.classes) > 1)
    others = {city: set().union(*(held[other] for other in held if other != city)) for city in held}
    spared = {city for city in held if set(held[city]) <= others[city]}
    if not spared:
        with pytest.raises(InputError, match="would not be trained"):
            group_disjoint(source, group="city", test=0.01, seed=seed)
        return
    (tested,) = found(group_disjoint(source, group="city", test=0.01, seed=seed))["test"]
    assert tested in spared


def test_a_split_follows_from_seed_and_fold_not_from_the_order_of_the_samples() -> None:
    source = alike(12)
    ordered = Source("memory", source.facts.sort_values("id", ignore_index=True), source.reader)
    made = [group_disjoint(source, group="city", seed=seed, fold=fold) for seed, fold in ((0, 0), (0, 1), (1, 0))]
    assert len({frozenset(found(split)["test"]) for split in made}) == 3
    assert found(group_disjoint(ordered, group="city")) == found(made[0])
    assert made[0].digest() == group_disjoint(source, group="city").digest()
    assert made[1].description == {"name": "group-disjoint", "group": "city", "fold": 1}
    tested = [found(group_disjoint(source, group="city", seed=seed))["test"] for seed in range(30)]
    assert set().union(*tested) == {f"city{n:02d}" for n in range(12)}


def test_a_class_of_one_city_is_trained_there() -> None:
    source = cities({"north": "ab", "south": "abz", "east": "ab", "west": "ab"})
    for seed in range(12):
        split = group_disjoint(source, group="city", test=0.5, validation=0.2, seed=seed)
        assert "south" in found(split)["train"]
        assert set(split.test.facts["label"]) == {"a", "b"}
        assert split.classes == ("a", "b", "z")


def test_values_may_be_numbers() -> None:
    source = alike(8)
    facts = source.facts.assign(scene=source.facts["city"].str[4:].astype(int))
    split = group_disjoint(Source("memory", facts, source.reader), group="scene")
    assert len(set(split.test.facts["scene"])) == 2
    assert split.group == "scene"


def test_labels_are_few_in_groups_of_their_own() -> None:
    source = alike(8)
    within = {"name": "group-disjoint", "group": "city"}
    split = few_label(source, labels=7, within=within, validation=0.2)
    assert len(split.train) == 7
    parts = found(split)
    assert not (parts["train"] | parts["unlabelled"] | parts["validation"]) & parts["test"]
    assert split.leaks(np.arange(len(source)).astype("S")) == []


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        (alike(4), {"group": "cty"}, "unknown fact of memory 'cty': did you mean 'city'?"),
        (alike(1), {}, "memory has 1 values of 'city' (city00), 2 or more are needed to keep the parts apart"),
        (alike(2), {"validation": 0.2}, "3 or more are needed"),
        (alike(4, "a"), {}, "training needs two classes or more, there are: a"),
        (alike(4), {"test": 0}, "test must be a share between 0 and 1, not 0"),
        (alike(4), {"test": 1.0}, "test must be a share between 0 and 1, not 1.0"),
        (alike(4), {"validation": 1.0}, "validation must be a share from 0 to below 1, not 1.0"),
        (alike(4), {"validation": float("nan")}, "validation must be a share"),
        (alike(4), {"seed": -1}, "seed and fold must be 0 or more, not -1 and 0"),
        (
            cities({"north": "ab", "south": "cd"}),
            {},
            "1 values of 'city' are wanted for test, 0 can be spared; without another, a class such as 'a' would",
        ),
        (
            cities({"north": "ab", "south": "ab", "east": "c"}),
            {"validation": 0.5},
            "1 values of 'city' are wanted for validation, 0 can be spared",
        ),
        (alike(4), {"group": "label"}, "would not be trained"),
    ],
)
def test_a_split_that_cannot_be_made_is_one_line(source: Source, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        group_disjoint(source, **{"group": "city", **options})
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("nothing", [None, "", float("nan")])
def test_samples_without_the_fact_are_named(nothing: Any) -> None:
    source = alike(4)
    source.facts["city"] = source.facts["city"].where(source.facts["id"] != "007", nothing)
    with pytest.raises(InputError, match="1 samples of memory have no city, such as 007"):
        group_disjoint(source, group="city")
