"""Label budgets: which training images keep their labels, and what becomes of the others."""

from __future__ import annotations

import inspect
import itertools
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacewise import runs, splits
from spacewise.audits import make
from spacewise.errors import InputError
from spacewise.experiment import Experiment, changed_experiment, read
from spacewise.sources import Source, folder
from spacewise.splits import Split, few_label, folders, stratified

UNEVEN = {"a": 3, "b": 9, "c": 20, "d": 1}


def source_of(train: dict[str, int], test: int = 2, **columns: Any) -> Source:
    """So many training images of each class, and some to test, mixed."""
    rows = [(label, "train") for label, count in train.items() for _ in range(count)]
    rows += [(label, "test") for label in train for _ in range(test)]
    facts = pd.DataFrame(rows, columns=["label", "split"]).assign(id=[f"{n:03d}" for n in range(len(rows))], **columns)
    return Source(
        "memory", facts.sample(frac=1, random_state=0, ignore_index=True), lambda i: np.zeros((1, 4, 4), np.uint8)
    )


def rows(split: Split) -> dict[str, set[int]]:
    return {name: set(getattr(split, name).rows.tolist()) for name in ("train", "validation", "test", "unlabelled")}


def experiment_on(root: Path, **split: Any) -> Experiment:
    return Experiment(
        data={"source": {"name": "folder", "root": str(root)}, "split": {"name": "few-label", **split}},
        net={"name": "ding", "size": 48},
        objective=["crossentropy@classifier"],
    )


# Which images keep their labels

sizes = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 12), min_size=2, max_size=8)


@settings(max_examples=50)
@given(each=sizes, seed=st.integers(0, 2**40), fold=st.integers(0, 5), data=st.data())
def test_budgets_are_nested_and_take_the_classes_in_turn(
    each: dict[str, int], seed: int, fold: int, data: st.DataObject
) -> None:
    present = sum(each.values())
    source = source_of(each)
    smaller, larger = sorted(data.draw(st.lists(st.integers(2, present), min_size=2, max_size=2)))
    small, large = (few_label(source, labels=labels, seed=seed, fold=fold) for labels in (smaller, larger))
    assert rows(small)["train"] <= rows(large)["train"]
    for split, budget in ((small, smaller), (large, larger)):
        parts = rows(split)
        assert len(parts["train"]) == budget
        assert all(not one & other for one, other in itertools.combinations(parts.values(), 2))
        assert parts["train"] | parts["unlabelled"] == rows(folders(source, validation=0))["train"]
        assert parts["test"] == rows(folders(source, validation=0))["test"]
        assert split.classes == split.test.classes == split.unlabelled.classes == source.classes
        counts = Counter(split.train.facts["label"])
        full = max(counts.values())
        for label, count in each.items():  # a round behind at most, unless a class has run out
            assert counts[label] == count or full - 1 <= counts[label] <= full
        assert budget < len(each) or set(counts) == set(each)
        assert few_label(source, labels=budget, seed=seed, fold=fold).digest() == split.digest()


def test_a_class_that_runs_out_is_passed_over() -> None:
    counts = Counter(few_label(source_of(UNEVEN), labels=18).train.facts["label"])
    assert counts == {"a": 3, "b": 7, "c": 7, "d": 1}
    counts = Counter(few_label(source_of(UNEVEN), labels=30).train.facts["label"])
    assert counts == {"a": 3, "b": 9, "c": 17, "d": 1}


def test_seeds_and_folds_draw_other_images_and_other_classes_first() -> None:
    source = source_of(dict.fromkeys("abcdef", 8))
    made = [few_label(source, labels=12, seed=seed, fold=fold) for seed, fold in ((0, 0), (0, 1), (1, 0))]
    assert len({split.digest() for split in made}) == 3
    first = {tuple(few_label(source, labels=2, seed=seed).train.facts["label"]) for seed in range(20)}
    assert len(first) > 5
    assert few_label(source, labels=2).classes == source.classes


def test_the_rows_of_a_part_are_in_order() -> None:
    split = few_label(source_of(UNEVEN), labels=9)
    for part in (split.train, split.unlabelled):
        assert part.rows.tolist() == sorted(part.rows.tolist())
        assert [part.classes[label] for label in part.labels] == part.facts["label"].tolist()


def test_every_label_is_the_split_itself() -> None:
    source = source_of(UNEVEN)
    for split in (few_label(source), few_label(source, labels=33)):
        assert split.digest() == folders(source, validation=0).digest()
        assert "unlabelled" not in split.parts
        assert len(split.unlabelled) == 0
    assert few_label(source).description == {"name": "few-label"}
    assert few_label(source, labels=np.int64(4)).description == {"name": "few-label", "labels": 4}


# Of each class


@settings(max_examples=50)
@given(each=sizes, seed=st.integers(0, 2**40), data=st.data())
def test_a_budget_of_each_class_is_so_many_of_each_and_nested(
    each: dict[str, int], seed: int, data: st.DataObject
) -> None:
    source, least = source_of(each), min(each.values())
    smaller, larger = sorted(data.draw(st.lists(st.integers(1, least), min_size=2, max_size=2)))
    small, large = (few_label(source, labels=f"{number}/class", seed=seed) for number in (smaller, larger))
    assert Counter(small.train.facts["label"]) == dict.fromkeys(each, smaller)
    assert rows(small)["train"] <= rows(large)["train"]
    total = few_label(source, labels=smaller * len(each), seed=seed)
    assert total.digest() == small.digest()
    with pytest.raises(InputError, match=f"too few for {least + 1}/class; {least}/class is the largest budget"):
        few_label(source, labels=f"{least + 1}/class", seed=seed)


def test_a_class_with_too_few_images_is_named() -> None:
    with pytest.raises(InputError) as caught:
        few_label(source_of(UNEVEN), labels="4/class")
    assert str(caught.value) == (
        "memory: class 'd' has 1 training image, too few for 4/class; 1/class is the largest budget of each class"
    )
    with pytest.raises(InputError, match=r"class '.' has 0 training images.*give a number over all classes"):
        few_label(source_of(UNEVEN), labels="1/class", within={"name": "few-label", "labels": 2})


def test_a_budget_of_each_class_is_read_back_from_yaml(pictures: Path, tmp_path: Path) -> None:
    experiment = experiment_on(pictures, labels="4/class", transductive=True)
    (tmp_path / "experiment.yaml").write_text(experiment.yaml(), encoding="utf-8")
    assert "labels: 4/class\n" in experiment.yaml()
    again = read(tmp_path / "experiment.yaml")
    split = again.split(again.source())
    assert split.description == {"name": "few-label", "labels": "4/class", "transductive": True}
    assert (len(split.train), len(split.unlabelled), split.transductive) == (12, 24, True)
    text = changed_experiment(again, ["data.split.labels='12'"])
    assert text.split(text.source()).digest() == split.digest()


# Test images among the unlabelled


def test_a_transductive_split_learns_from_test_images_without_their_labels() -> None:
    source = source_of(UNEVEN)
    plain = few_label(source, labels=10)
    split = few_label(source, labels=10, transductive=True)
    assert (plain.transductive, split.transductive) == (False, True)
    parts, without = rows(split), rows(plain)
    assert parts["unlabelled"] == without["unlabelled"] | without["test"]
    assert {name: parts[name] for name in ("train", "validation", "test")} == {
        name: without[name] for name in ("train", "validation", "test")
    }
    assert not parts["train"] & (parts["unlabelled"] | parts["test"])
    assert split.unlabelled.rows.tolist() == sorted(parts["unlabelled"])
    everything = few_label(source, transductive=True)
    assert rows(everything)["unlabelled"] == rows(everything)["test"]


def test_a_sample_of_two_parts_stands_twice_in_the_table() -> None:
    split = few_label(source_of(UNEVEN), labels=10, transductive=True)
    table = split.table()
    assert Counter(table["part"]) == {"train": 10, "unlabelled": 31, "test": 8}
    twice = table[table["id"].duplicated(keep=False)]
    assert Counter(twice["part"]) == {"unlabelled": 8, "test": 8}
    assert not table.duplicated(["id", "part"]).any()


def test_the_digest_changes_with_budget_seed_and_transductive() -> None:
    source = source_of(dict.fromkeys("abc", 8))
    options: list[dict[str, Any]] = [
        {"labels": "4/class"}, {"labels": "3/class"}, {"labels": 11}, {"labels": "4/class", "seed": 1},
        {"labels": "4/class", "fold": 1}, {"labels": "4/class", "transductive": True}, {"transductive": True}, {},
    ]  # fmt: skip
    assert len({few_label(source, **each).digest() for each in options}) == len(options)


def test_the_leaks_of_a_transductive_split_are_one_line() -> None:
    source = source_of(UNEVEN, city="x")
    split = few_label(source, labels=10, transductive=True, within={"name": "by-fact", "train": {"split": "train"},
                      "test": {"split": "test"}, "group": "city"})  # fmt: skip
    digests = np.arange(1, len(source) + 1).astype("S")
    said = "8 test images were learnt from without their labels (transductive)"
    assert split.leaks(digests) == [said, "train and test share 1 values of 'city'"]
    digests[split.train.rows[0]] = digests[split.test.rows[0]]
    assert [line.split(", such as")[0] for line in split.leaks(digests)] == [
        said, "train and test share 1 identical images", "train and test share 1 values of 'city'",
    ]  # fmt: skip
    one = source_of({"a": 4, "b": 4}, test=1)
    made = few_label(one, labels=4)
    single = np.sort(np.append(made.unlabelled.rows, made.test.rows[0]))
    made = replace(made, unlabelled=replace(made.unlabelled, rows=single))
    assert made.leaks(np.arange(1, 11).astype("S")) == ["1 test image was learnt from without its label (transductive)"]


def test_images_that_cannot_be_read_are_not_alike() -> None:
    split = few_label(source_of(UNEVEN), labels=10)
    digests = np.arange(1, len(split.source) + 1).astype("S")
    digests[[split.test.rows[0], split.unlabelled.rows[0]]] = b""
    assert split.leaks(digests) == []


def test_four_labels_of_each_class_of_uc_merced(real_data: Path) -> None:
    source = folder(real_data / "ucm")
    within = {"name": "stratified", "test": 0.2, "seed": 0}
    split, more = (few_label(source, labels=labels, within=within, seed=1) for labels in ("4/class", "25/class"))
    assert Counter(split.train.facts["label"]) == dict.fromkeys(source.classes, 4)
    assert (len(split.train), len(split.test), len(split.unlabelled)) == (84, 420, 2100 - 84 - 420)
    assert rows(split)["train"] < rows(more)["train"]
    assert not rows(split)["unlabelled"] & rows(split)["test"]
    assert not split.transductive
    assert few_label(source, labels="4/class", within=within, seed=1, transductive=True).transductive


# Of which split


WITHIN: dict[str, dict[str, Any]] = {
    "by-fact": {"train": {"split": "train"}, "test": {"split": "test"}, "novelty": "serial"},
    "roles": {},
    "folders": {},
    "stratified": {"test": 0.25},
    "kfold": {"folds": 3},
    "class-disjoint": {},
    "group-disjoint": {"group": "city"},
}


@pytest.mark.parametrize("name", WITHIN)
def test_a_budget_is_of_the_training_part_alone(name: str) -> None:
    plain = source_of(dict.fromkeys("abcdefgh", 6), test=3)
    cities = [f"city{number % 4}" for number in range(len(plain))]
    source = Source("memory", plain.facts.assign(role=plain.facts["split"], city=cities, serial=cities), plain.reader)
    passed: dict[str, Any] = {"validation": 0.34, "seed": 1, "fold": 2}
    split = few_label(source, labels=3, within={"name": name, **WITHIN[name]}, **passed)
    outer = splits.SPLITS[name](source, **WITHIN[name], **passed)
    parts, whole = rows(split), rows(outer)
    assert len(parts["train"]) == 3
    assert parts["train"] | parts["unlabelled"] == whole["train"]
    assert (parts["validation"], parts["test"]) == (whole["validation"], whole["test"])
    assert split.test.subsets.keys() == outer.test.subsets.keys()
    assert (split.group, split.classes, split.disjoint) == (outer.group, outer.classes, outer.disjoint)


@pytest.mark.parametrize("name", splits.SPLITS)
def test_every_split_takes_what_a_budget_passes_on(name: str) -> None:
    assert {"validation", "seed", "fold"} <= inspect.signature(splits.SPLITS[name]).parameters.keys()


def test_the_split_may_say_its_own_seed() -> None:
    source = source_of(dict.fromkeys("abc", 10))
    same = [few_label(source, labels=6, within={"name": "stratified", "seed": 0}, seed=seed) for seed in (1, 2)]
    assert same[0].test.rows.tolist() == same[1].test.rows.tolist()
    assert rows(same[0])["train"] != rows(same[1])["train"]
    other = [few_label(source, labels=6, within={"name": "stratified"}, seed=seed) for seed in (1, 2)]
    assert rows(other[0])["test"] != rows(other[1])["test"]
    assert rows(other[0])["test"] == rows(stratified(source, validation=0, seed=1))["test"]
    held = few_label(source, labels=6, within={"name": "folders", "validation": 0.2}).validation
    assert len(held) == len(few_label(source, labels=6, validation=0.2).validation) == 6


def test_what_a_split_leaves_unlabelled_stays_so() -> None:
    source = source_of(dict.fromkeys("abc", 10))
    within = {"name": "few-label", "labels": 12}
    split = few_label(source, labels=5, within=within)
    assert rows(split)["train"] < rows(few_label(source, labels=12))["train"]
    assert rows(split)["train"] | rows(split)["unlabelled"] == rows(folders(source, validation=0))["train"]


# What a split with unlabelled samples tells


def test_the_table_the_digest_and_the_record_know_unlabelled_samples() -> None:
    source = source_of(UNEVEN)
    split = few_label(source, labels=10)
    assert Counter(split.table()["part"]) == {"train": 10, "unlabelled": 23, "test": 8}
    assert runs.first_facts(split, [])["samples"] == {
        "train": 10, "validation": 0, "test": 8, "confusers": 0, "unlabelled": 23,
    }  # fmt: skip
    assert len({few_label(source, labels=labels).digest() for labels in (2, 3, 10, 32, 33)}) == 5


def test_training_images_may_be_alike_test_images_may_not() -> None:
    source = source_of(UNEVEN, city="x")
    split = few_label(source, labels=10, within={"name": "by-fact", "train": {"split": "train"},
                      "test": {"split": "test"}, "group": "city"})  # fmt: skip
    digests = np.arange(len(source)).astype("S")
    digests[split.unlabelled.rows[0]] = digests[split.train.rows[0]]
    assert split.leaks(digests) == [
        "train and test share 1 values of 'city'", "test and unlabelled share 1 values of 'city'",
    ]  # fmt: skip
    digests[split.unlabelled.rows[1]] = digests[split.test.rows[0]]
    assert any(line.startswith("test and unlabelled share 1 identical images") for line in split.leaks(digests))


def test_an_audit_does_not_ask_unlabelled_samples() -> None:
    split = few_label(source_of(UNEVEN), labels=10)
    net = SimpleNamespace(spaces=("feature", "classifier", "probability"))
    parts = make._parts(cast("runs.Run", SimpleNamespace(split=split, net=net)), None)
    assert "unlabelled" in split.parts
    assert "unlabelled" not in parts
    assert len(parts["train"]) == 10


# From an experiment


def test_a_budget_is_read_back_from_yaml(pictures: Path, tmp_path: Path) -> None:
    split = few_label(folder(pictures), labels=5, within={"name": "stratified", "test": 0.25}, seed=3)
    options = {key: value for key, value in split.description.items() if key != "name"}
    experiment = experiment_on(pictures, **options)
    (tmp_path / "experiment.yaml").write_text(experiment.yaml(), encoding="utf-8")
    again = read(tmp_path / "experiment.yaml")
    assert again == experiment
    assert again.split(again.source()).digest() == split.digest()
    every = changed_experiment(again, ["data.split.labels=all"])
    assert "labels" not in every.data.split.options
    assert len(every.split(every.source()).train) == 27
    fewer = changed_experiment(again, ["data.split.labels=4", "data.split.within.test=0.5"])
    made = fewer.split(fewer.source())
    assert (len(made.train), len(made.unlabelled), len(made.test)) == (4, 14, 18)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": 1}, "labels must be 2 to 18, the number of training images, or 'all', not 1"),
        ({"labels": 19}, "labels must be 2 to 18, the number of training images, or 'all', not 19"),
        (
            {"labels": "many"},
            "labels must be a number of images, such as 32, of each class, such as '4/class', or 'all'",
        ),
        ({"labels": "4/klass"}, "such as '4/class', or 'all', not '4/klass'"),
        ({"labels": "4 /class"}, "not '4 /class'"),
        ({"labels": "-4/class"}, "not '-4/class'"),
        ({"labels": "/class"}, "not '/class'"),
        ({"labels": "0/class"}, "labels of each class must be 1/class or more, not 0/class"),
        ({"labels": "7/class"}, "class 'checks' has 6 training images, too few for 7/class; 6/class is the largest"),
        ({"labels": "19"}, "labels must be 2 to 18, the number of training images, or 'all', not 19"),
        ({"labels": "4/class", "transductive": "maybe"}, "option transductive of split few-label: "),
        ({"labels": 2.5}, "option labels of split few-label: "),
        ({"labels": 2.5}, "valid integer"),
        ({"labels": 4, "seed": -1}, "0 or more"),
        ({"within": "folders"}, "option within of split few-label: input should be a valid"),
        ({"within": {}}, "within must name a split, such as {'name': 'folders'}, not {}"),
        ({"within": {"name": 3}}, "within must name a split"),
        ({"within": {"name": "stratifid"}}, "unknown split 'stratifid': did you mean 'stratified'?"),
        ({"within": {"name": "stratified", "tst": 0.5}}, "option of split stratified 'tst': did you mean 'test'?"),
        ({"within": {"name": "stratified", "test": "half"}}, "option test of split stratified: input should be"),
        ({"within": {"name": "folders"}}, "fact"),
        ({"within": {"name": "stratified", "validation": 0.1}, "validation": 0.2}, "say it once"),
    ],
)
def test_a_budget_that_cannot_be_met_is_one_line(pictures: Path, options: dict[str, Any], message: str) -> None:
    experiment = experiment_on(pictures, **options)
    with pytest.raises(InputError) as caught:
        experiment.split(experiment.source())
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("labels", ["al", 2.5, None, [3]])
def test_what_is_no_number_is_refused_from_python(labels: Any) -> None:
    with pytest.raises(InputError, match="labels must be a number of images, such as 32, of each class"):
        few_label(source_of(UNEVEN), labels=labels)
