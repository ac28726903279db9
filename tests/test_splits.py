"""Which samples train, validate, test or confuse."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from spacewise import splits
from spacewise.errors import InputError
from spacewise.sources import Source, folder, mstar
from spacewise.splits import (
    Part,
    Split,
    by_fact,
    class_disjoint,
    few_label,
    hold_out,
    kfold,
    restricted,
    select,
    stratified,
)

SERIALS = {"a": ("a1", "a2"), "b": ("b1",), "c": ("c1", "c2"), "d": ("d1",)}


def vehicles(each: int = 5, **columns: Any) -> Source:
    """Four classes in six serials at two depressions, `each` chips of each."""
    rows = [
        {"id": f"{serial}-{depression}-{number}", "label": label, "serial": serial, "depression": depression}
        for label, serials in SERIALS.items()
        for serial in serials
        for depression in (15, 17)
        for number in range(each)
    ]
    return Source("memory", pd.DataFrame(rows).assign(**columns), lambda index: np.zeros((1, 4, 4), np.uint8))


def classes_of(each: dict[str, int]) -> Source:
    labels = [label for label, count in each.items() for _ in range(count)]
    facts = pd.DataFrame({"id": [f"{n:03d}" for n in range(len(labels))], "label": labels})
    return Source("memory", facts, lambda index: np.zeros((1, 4, 4), np.uint8))


def rows(split: Split) -> dict[str, set[int]]:
    return {name: set(part.rows.tolist()) for name, part in split.parts.items()}


def assert_disjoint(split: Split) -> None:
    for one, other in itertools.combinations(rows(split).values(), 2):
        assert not one & other


# Selecting by facts


def test_select_takes_values_and_lists_of_values() -> None:
    source = vehicles()
    facts = source.facts
    chosen = select(source, {"depression": 17, "label": ["a", "b"]})
    expected = (facts["depression"] == 17) & facts["label"].isin(["a", "b"])
    np.testing.assert_array_equal(chosen, np.flatnonzero(expected))
    np.testing.assert_array_equal(select(source, {}), np.arange(len(source)))


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"depresion": 17}, "'depresion': did you mean 'depression'?"),
        ({"label": "e"}, "unknown value of fact 'label' 'e': (there are: a, b, c, d)"),
        ({"depression": [17, 45]}, "unknown value of fact 'depression' '45'"),
    ],
)
def test_what_is_not_there_is_named(where: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        select(vehicles(), where)
    assert message in str(caught.value)


def test_a_number_may_be_written_as_text() -> None:
    assert np.array_equal(select(vehicles(), {"depression": "17"}), select(vehicles(), {"depression": 17}))


# Holding out


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.99])
def test_hold_out_takes_the_share_of_each_class(share: float) -> None:
    labels = np.array(["a"] * 100 + ["b"] * 10 + ["c"] * 2)
    kept, held = hold_out(np.arange(112), labels, share, 0)
    assert sorted([*kept, *held]) == list(range(112))
    for name, count in Counter(labels.tolist()).items():
        taken = int((labels[held] == name).sum())
        assert taken == min(max(1, round(share * count)), count - 1)


def test_hold_out_follows_from_the_seed() -> None:
    everything, labels = np.arange(60), np.array(["a", "b", "c"] * 20)
    first = hold_out(everything, labels, 0.2, [3, 0])[1]
    np.testing.assert_array_equal(first, hold_out(everything, labels, 0.2, [3, 0])[1])
    assert set(first) != set(hold_out(everything, labels, 0.2, [3, 1])[1])
    assert set(first) != set(hold_out(everything, labels, 0.2, [4, 0])[1])


@pytest.mark.parametrize("share", [-0.1, 1.0, 1.5, float("nan")])
def test_a_share_outside_its_range_is_refused(share: float) -> None:
    with pytest.raises(InputError, match="validation must be a share from 0 to below 1"):
        hold_out(np.arange(4), np.array(["a", "a", "b", "b"]), share, 0)


def test_a_class_of_one_sample_cannot_be_divided() -> None:
    with pytest.raises(InputError, match="class 'b' has 1 training sample: too few to hold one out"):
        hold_out(np.arange(3), np.array(["a", "a", "b"]), 0.5, 0)


# By fact


def test_by_fact_trains_and_tests_by_facts() -> None:
    source = vehicles()
    where = {"depression": 17, "label": ["a", "b"], "serial": ["a1", "b1"]}
    split = by_fact(source, train=where, test={"depression": 15}, confusers={"depression": 15}, novelty="serial")
    assert split.classes == ("a", "b")
    assert_disjoint(split)
    assert rows(split)["train"] | rows(split)["validation"] == set(select(source, where).tolist())
    assert set(split.test.facts["label"]) == {"a", "b"}
    assert set(split.confusers.facts["label"]) == {"c", "d"}
    assert split.test.labels.tolist() == [0] * 10 + [1] * 5
    assert set(split.confusers.labels.tolist()) == {-1}
    seen = split.test.facts["serial"].isin(["a1", "b1"]).to_numpy()
    np.testing.assert_array_equal(split.test.subsets["seen"], seen)
    np.testing.assert_array_equal(split.test.subsets["unseen"], ~seen)


def test_a_value_is_seen_only_within_its_class() -> None:
    source = vehicles(serial="1")  # the same number for every class
    split = by_fact(
        source, train={"depression": 17, "label": ["a", "b"]}, test={"depression": 15}, novelty="serial", validation=0
    )
    assert split.test.subsets["seen"].all()
    mixed = vehicles(serial=["1" if label == "a" else "2" for label in vehicles().facts["label"]])
    mixed.facts.loc[(mixed.facts["label"] == "a") & (mixed.facts["depression"] == 15), "serial"] = "2"
    split = by_fact(mixed, train={"depression": 17}, test={"depression": 15}, novelty="serial", validation=0)
    assert not split.test.subsets["seen"][split.test.facts["label"] == "a"].any()


def test_folds_of_a_seed_hold_out_other_samples() -> None:
    options: dict[str, Any] = {"train": {"depression": 17}, "test": {"depression": 15}, "validation": 0.4}
    folds = [by_fact(vehicles(), **options, seed=1, fold=fold) for fold in (0, 1, 0)]
    assert rows(folds[0]) == rows(folds[2])
    assert rows(folds[0])["validation"] != rows(folds[1])["validation"]
    assert rows(folds[0])["test"] == rows(folds[1])["test"]
    assert folds[0].digest() == folds[2].digest() != folds[1].digest()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train": {"label": "a"}, "test": {"label": "a"}}, "training needs two classes or more, there are: a"),
        ({"train": {"depression": 17}, "test": {"depression": 17}}, "samples into training and test"),
        ({"train": {"serial": ["a1", "b1"]}, "test": {"label": "d"}}, "the split leaves no test samples"),
        ({"train": {"serial": "a1", "label": "b"}, "test": {"depression": 15}}, "two classes or more"),
        ({"train": {"label": []}, "test": {"depression": 15}}, "two classes or more"),
        ({"train": {"depression": 17}, "test": {"depression": 15}, "novelty": "serail"}, "did you mean 'serial'"),
        ({"train": {"depression": 17}, "test": {"depression": 15}, "group": "serail"}, "did you mean 'serial'"),
        ({"train": {"depression": 17}, "test": {"depression": 15}, "validation": 1.0}, "validation must be a share"),
        ({"train": {"depression": 17}, "test": {"depression": 15}, "seed": -1}, "seed"),
    ],
)
@pytest.mark.parametrize("validation", [0.0, 0.2])
def test_a_split_that_cannot_be_made_is_one_line(options: dict[str, Any], message: str, validation: float) -> None:
    options = {"validation": validation} | options
    if message == "seed" and not options["validation"]:
        pytest.skip("nothing is drawn")
    with pytest.raises(InputError) as caught:
        by_fact(vehicles(), **options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["mstar-seen-unseen", "mstar-confusers", "roles", "folders"])
def test_a_split_made_for_another_source_is_one_line(name: str, chips: Source) -> None:
    with pytest.raises(InputError):
        splits.SPLITS[name](chips)


# Random splits


@pytest.mark.parametrize("share", [0.25, 0.5, 0.8])
def test_stratified_covers_everything_once(share: float) -> None:
    source = classes_of({"a": 40, "b": 20, "c": 8})
    split = stratified(source, test=share, validation=0.25, seed=2)
    assert_disjoint(split)
    assert set().union(*rows(split).values()) == set(range(len(source)))
    assert Counter(split.test.facts["label"]) == {"a": 40 * share, "b": 20 * share, "c": round(8 * share)}
    assert rows(split) == rows(stratified(source, test=share, validation=0.25, seed=2))
    assert rows(split) != rows(stratified(source, test=share, validation=0.25, seed=3))
    assert rows(split)["test"] != rows(stratified(source, test=share, validation=0.25, seed=2, fold=1))["test"]


@pytest.mark.parametrize("share", [0, 1, -0.5, 2])
def test_a_test_share_outside_its_range_is_refused(share: float) -> None:
    with pytest.raises(InputError, match="test must be a share between 0 and 1"):
        stratified(classes_of({"a": 4, "b": 4}), test=share)


@pytest.mark.parametrize(("folds", "seed"), [(2, 0), (3, 1), (5, 7)])
def test_each_sample_tests_in_exactly_one_fold(folds: int, seed: int) -> None:
    source = classes_of({"a": 17, "b": 9, "c": 5})
    made = [kfold(source, folds=folds, fold=fold, seed=seed, validation=0.2) for fold in range(folds)]
    tested = Counter(row for split in made for row in split.test.rows.tolist())
    assert tested == dict.fromkeys(range(len(source)), 1)
    for split in made:
        assert_disjoint(split)
        assert set().union(*rows(split).values()) == set(range(len(source)))
        assert set(split.test.facts["label"]) == {"a", "b", "c"}


@pytest.mark.parametrize("options", [{"folds": 1}, {"folds": 0}, {"fold": 5}, {"fold": -1}, {"folds": 6}, {"seed": -1}])
def test_folds_that_cannot_be_made_are_one_line(options: dict[str, int]) -> None:
    with pytest.raises(InputError):
        kfold(classes_of({"a": 9, "b": 5}), **options)


# What a split tells


def test_a_split_without_validation_keeps_all_for_training() -> None:
    split = stratified(classes_of({"a": 4, "b": 4}), validation=0)
    assert len(split.validation) == 0
    assert len(split.train) == 4


def test_the_digest_follows_the_samples_not_their_folder(tmp_path: Path, pictures: Path) -> None:
    twin = tmp_path / "twin"
    twin.mkdir()
    for place in pictures.iterdir():
        (twin / place.name).symlink_to(place)
    one, other = stratified(folder(pictures)), stratified(folder(twin))
    assert one.digest() == other.digest()
    assert one.digest() != stratified(folder(pictures), seed=1).digest()


def test_the_table_has_one_row_a_sample_with_part_subsets_and_facts() -> None:
    split = by_fact(
        vehicles(), train={"depression": 17, "serial": ["a1", "b1"]}, test={"depression": 15}, novelty="serial"
    )
    table = split.table()
    assert Counter(table["part"]) == {name: len(part) for name, part in split.parts.items() if len(part)}
    assert {"id", "label", "serial", "depression", "subset:seen", "subset:unseen"} <= set(table.columns)
    assert table["id"].is_unique
    tested = table[table["part"] == "test"]
    np.testing.assert_array_equal(tested["subset:seen"].astype(bool), split.test.subsets["seen"])


def test_identical_images_in_two_parts_are_leaks() -> None:
    split = stratified(classes_of({"a": 6, "b": 6}), validation=0.3)
    digests = np.array([f"{n}".encode() for n in range(12)])
    assert split.leaks(digests) == []
    one, other = split.train.rows[0], split.test.rows[-1]
    digests[other] = digests[one]
    (line,) = split.leaks(digests)
    assert line.startswith("train and test share 1 identical images, such as ")
    assert split.source.facts["id"][one] in line
    assert split.source.facts["id"][other] in line


def test_values_of_the_grouping_fact_in_two_parts_are_leaks() -> None:
    source = vehicles(site=["hill" if number % 2 else "plain" for number in range(60)])
    split = by_fact(source, train={"depression": 17}, test={"depression": 15}, group="site", validation=0)
    digests = np.arange(len(source)).astype("S")
    assert split.leaks(digests) == ["train and test share 2 values of 'site'"]
    clean = by_fact(source, train={"site": "hill"}, test={"site": "plain"}, group="site", validation=0)
    assert clean.leaks(digests) == []


def test_digests_stay_what_they_are() -> None:
    source = vehicles()
    made = [
        stratified(source),
        by_fact(source, train={"depression": 17}, test={"depression": 15}, validation=0.2, seed=3),
        class_disjoint(source, validation=0, seed=1),
        kfold(source, fold=2),
    ]
    assert [split.digest() for split in made] == [
        "afd0c628bfc0a331", "aeeeeb3f81eed6b9", "6cce0f0cce6715e7", "8f068282d7cb0657",
    ]  # fmt: skip


def test_nothing_is_unlabelled_where_nobody_says_so() -> None:
    source = vehicles()
    part = Part(source, np.arange(10), source.classes)
    split = Split(source, part, part, part, part, "serial")
    assert list(split.parts) == ["train", "validation", "test", "confusers"]
    assert (len(split.unlabelled), split.unlabelled.classes) == (0, source.classes)


def test_unlabelled_samples_are_a_part() -> None:
    source = vehicles()
    split = stratified(source, validation=0)
    rows = split.train.rows
    less = replace(split, train=replace(split.train, rows=rows[5:]), unlabelled=replace(split.train, rows=rows[:5]))
    assert list(less.parts) == ["train", "validation", "test", "confusers", "unlabelled"]
    assert less.digest() != split.digest()
    assert less.digest() != replace(less, unlabelled=replace(less.unlabelled, rows=rows[:4])).digest()
    assert set(less.table()["id"]) == set(split.table()["id"])
    assert (less.table()["part"] == "unlabelled").sum() == 5


# Seen by another network


def test_the_parts_stay_what_they_are_under_other_classes() -> None:
    source = vehicles()
    split = by_fact(
        source, train={"depression": 17, "label": ["a", "b"], "serial": ["a1", "b1"]}, test={"depression": 15},
        confusers={"label": "d"}, novelty="serial",
    )  # fmt: skip
    seen = restricted(split, ("z", "b", "y", "a"))
    assert seen.classes == ("z", "b", "y", "a")
    assert not seen.disjoint
    assert rows(seen) == rows(split)
    assert seen.digest() == split.digest()
    assert seen.description == split.description
    for name, part in seen.parts.items():
        names = [part.classes[label] if label >= 0 else "d" for label in part.labels]
        assert names == split.parts[name].facts["label"].tolist()
    assert set(seen.test.labels) == {1, 3}
    np.testing.assert_array_equal(seen.test.subsets["seen"], split.test.subsets["seen"])
    less = restricted(few_label(source, labels=4), [*"dcbae"])
    assert less.unlabelled.classes == ("d", "c", "b", "a", "e")
    assert set(less.unlabelled.labels) == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ((), "unknown class of memory 'a': (there are none)"),
        (("bus", "a", "c"), "unknown class of memory 'b': did you mean 'bus'?"),
        (("a", "b", "b", "c"), "class 'b' is named twice among the 4 classes of the network"),
        (("a", "b", "c", "d"), "class 'd' of the confusers is one that the network learns"),
    ],
)
def test_classes_that_the_network_does_not_have_are_named(classes: tuple[str, ...], message: str) -> None:
    split = by_fact(
        vehicles(), train={"depression": 17, "label": ["a", "b"]}, test={"depression": 15}, confusers={"label": "d"}
    )
    with pytest.raises(InputError) as caught:
        restricted(split, classes)
    assert message in str(caught.value)


def test_classes_that_are_only_tested_must_be_known_too() -> None:
    split = class_disjoint(vehicles(), validation=0)
    assert restricted(split, "abcd").test.classes == tuple("abcd")
    with pytest.raises(InputError, match="unknown class of memory"):
        restricted(split, split.classes)


@pytest.mark.parametrize("name", splits.SPLITS)
def test_a_split_remembers_its_name(name: str) -> None:
    assert splits.SPLITS[name].__name__.replace("_", "-") == name


def test_a_split_remembers_its_options() -> None:
    made = stratified(classes_of({"a": 4, "b": 4}), test=0.25, validation=0.1)
    assert made.description == {"name": "stratified", "test": 0.25}


# Real chips


@pytest.fixture(scope="module")
def chips_of_mstar(real_data: Path) -> Source:
    return mstar(real_data / "mstar")


def test_seen_and_unseen_serials_of_mstar(chips_of_mstar: Source) -> None:
    split = splits.mstar_seen_unseen(chips_of_mstar)
    assert len(split.train) + len(split.validation) == 2747
    assert len(split.test) == 3203
    assert split.test.subsets["seen"].sum() == 2426
    assert split.test.subsets["unseen"].sum() == 777
    unseen = split.test.facts[split.test.subsets["unseen"]]
    assert set(zip(unseen["label"], unseen["serial"])) == {
        ("BMP2", "9563"), ("BMP2", "9566"), ("T72", "812"), ("T72", "s7"),
    }  # fmt: skip
    trained = split.train.facts
    assert set(trained[trained["label"] == "T72"]["serial"]) == {"132"}
    assert set(trained["depression"]) == {17}
    assert set(split.test.facts["depression"]) == {15}
    assert len(split.classes) == 10
    assert_disjoint(split)


def test_confusers_of_mstar(chips_of_mstar: Source) -> None:
    split = splits.mstar_confusers(chips_of_mstar)
    assert split.classes == ("BMP2", "BTR70", "T72")
    assert len(split.test) == 588
    assert Counter(split.confusers.facts["label"]) == {"2S1": 274, "ZIL131": 274}
    assert_disjoint(split)
