"""Batches of p classes times k samples, and their mirrored and enlarged views."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from spacewise.augment import crops, enlarge, flips, mirror
from spacewise.errors import InputError
from spacewise.learn.batches import Batches, ByClass, generator
from spacewise.sources import Source
from spacewise.splits import Part

SIDE = 8
SIZES = (2, 3, 5, 8, 13, 21)


def part_of(sizes: tuple[int, ...], apart: int = 1) -> Part:
    """Classes of the given sizes, their samples mixed; every `apart`-th sample of the source is in the part."""
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(len(sizes)), sizes))
    names = [f"c{number:02d}" for number in range(len(sizes))]
    label = np.repeat([names[number] for number in labels], apart)
    facts = pd.DataFrame({"id": [str(n) for n in range(len(label))], "label": label})
    source = Source("memory", facts, lambda index: np.zeros((1, SIDE, SIDE), np.uint8))
    return Part(source, np.arange(0, len(label), apart), tuple(names))


def textured(count: int) -> Tensor:
    return torch.randint(0, 256, (count, 1, SIDE, SIDE), generator=torch.Generator().manual_seed(0)).byte()


def batches(sizes: tuple[int, ...] = SIZES, apart: int = 1, **options: Any) -> Batches:
    part = part_of(sizes, apart)
    given = {"batch": 12, "shift": 0, "copies": 0, "seed": 0, "per_class": 4} | options
    return Batches(textured(len(part.source)), part, **given)


def equal(one: list[tuple[Tensor, Tensor]], other: list[tuple[Tensor, Tensor]]) -> bool:
    return len(one) == len(other) and all(torch.equal(a, b) for a, b in zip(sum(one, ()), sum(other, ())))


# What is drawn


@given(per_class=st.integers(2, 6), number=st.integers(2, 6), copies=st.integers(0, 2), seed=st.integers(0, 2**40))
def test_so_many_classes_times_so_many_samples(per_class: int, number: int, copies: int, seed: int) -> None:
    part = part_of(SIZES)
    drawn = ByClass(part, per_class * number, per_class, copies).draw(generator(seed)).numpy()
    labels = part.labels[drawn % len(part)]
    assert (labels.reshape(number, per_class) == labels.reshape(number, per_class)[:, :1]).all()
    assert set(Counter(labels.tolist()).values()) == {per_class}
    assert drawn.max() < len(part) * (1 + copies)
    for kind in set(labels.tolist()):
        there = SIZES[kind] * (1 + copies)
        times = Counter(drawn[labels == kind].tolist()).values()
        assert max(times) == -(-per_class // there), "a sample came again before the class was through"
        assert len(times) == min(per_class, there)


def test_classes_come_in_proportion_to_their_size() -> None:
    part, generator_ = part_of((2, 4, 6, 8)), torch.Generator().manual_seed(0)
    two = ByClass(part, 4, 2)
    drawn = np.array([int(two.draw(generator_)[0]) for _ in range(4000)])
    shares = np.bincount(part.labels[drawn], minlength=4) / 4000
    np.testing.assert_allclose(shares, np.array([2, 4, 6, 8]) / 20, atol=0.03)


def test_classes_are_drawn_one_after_the_other_without_replacement() -> None:
    """The chance of a pair: that of the first, times that of the second among those that are left."""
    part, generator_ = part_of((2, 4, 6)), torch.Generator().manual_seed(1)
    two = ByClass(part, 4, 2)
    drawn = np.stack([two.draw(generator_)[::2].numpy() for _ in range(4000)])
    pairs = Counter(map(tuple, part.labels[drawn].tolist()))
    weights = np.array([2, 4, 6]) / 12
    for (first, second), count in pairs.items():
        expected = weights[first] * weights[second] / (1 - weights[first])
        assert count / 4000 == pytest.approx(expected, abs=0.03)
    assert len(pairs) == 6


def test_samples_of_a_class_come_alike() -> None:
    part, generator_ = part_of((5, 7)), torch.Generator().manual_seed(2)
    both = ByClass(part, 4, 2)
    drawn = torch.cat([both.draw(generator_) for _ in range(2000)])
    counts, labels = np.bincount(drawn.numpy(), minlength=12), part.labels
    for kind in (0, 1):
        mine = counts[labels == kind]
        assert mine.min() > 0.85 * mine.mean()
        assert mine.max() < 1.15 * mine.mean()


def test_classes_that_are_not_in_the_part_are_not_drawn() -> None:
    whole = part_of(SIZES)
    rows = np.flatnonzero(np.isin(whole.labels, [1, 3, 4]))
    part = Part(whole.source, rows, whole.classes)
    drawn = ByClass(part, 6, 2).draw(generator(0))
    assert set(part.labels[drawn.numpy()]) == {1, 3, 4}


# As batches


def test_an_epoch_has_as_many_steps_as_without_regard_to_class() -> None:
    made = batches()
    drawn = list(made.epoch(0))
    assert len(drawn) == len(made) == sum(SIZES) // 12
    for images, labels in drawn:
        assert images.shape == (12, 1, SIDE, SIDE)
        assert set(Counter(labels.tolist()).values()) == {4}


def test_a_part_that_is_smaller_than_a_batch_repeats_itself() -> None:
    made = batches((2, 3), batch=12, per_class=6)
    assert len(made) == 1
    ((_, labels),) = made.epoch(0)
    assert Counter(labels.tolist()) == {0: 6, 1: 6}


def test_labels_belong_to_their_images() -> None:
    made = batches(apart=3)
    part = part_of(SIZES, 3)
    known = {made.images[row].numpy().tobytes(): label for row, label in zip(part.rows, part.labels)}
    for images, labels in made.epoch(0):
        assert [known[image.numpy().tobytes()] for image in images] == labels.tolist()


def test_fixed_copies_are_other_views_of_the_same_samples() -> None:
    """Of one class of a single sample, an image and its two copies make a batch by themselves."""
    made = batches((1, 1, 1), batch=6, per_class=2, copies=2, shift=3)
    seen = {image.numpy().tobytes() for number in range(20) for images, _ in made.epoch(number) for image in images}
    assert 3 < len(seen) <= 9


VIEWS: list[dict[str, Any]] = [
    {},
    {"shift": 2},
    {"flip": True},
    {"crop": 0.6},
    {"flip": True, "crop": 0.6, "shift": 2},
    {"flip": True, "crop": 0.6, "shift": 2, "copies": 1},
]


@pytest.mark.parametrize("per_class", [0, 4])
@pytest.mark.parametrize("views", VIEWS, ids=str)
def test_a_resumed_epoch_is_the_rest_of_the_full_one(views: dict[str, Any], per_class: int) -> None:
    made = batches(**views, per_class=per_class)
    full = list(made.epoch(1))
    assert len(full) > 2
    for start in range(len(full) + 1):
        assert equal(list(made.epoch(1, start)), full[start:])
    assert not equal(full, list(made.epoch(2)))


@pytest.mark.parametrize("processes", [2, 3])
@pytest.mark.parametrize("per_class", [0, 4])
@pytest.mark.parametrize("views", VIEWS, ids=str)
def test_the_shares_of_processes_make_the_global_batch(views: dict[str, Any], per_class: int, processes: int) -> None:
    whole = list(batches(**views, per_class=per_class).epoch(0))
    shares = [
        list(batches(**views, per_class=per_class, share=(rank, processes)).epoch(0)) for rank in range(processes)
    ]
    for (images, labels), *pieces in zip(whole, *shares, strict=True):
        assert {len(piece) for piece, _ in pieces} == {12 // processes}
        assert torch.equal(torch.cat([piece for piece, _ in pieces]), images)
        assert torch.equal(torch.cat([piece for _, piece in pieces]), labels)


def test_views_are_those_of_the_settings() -> None:
    plain = list(batches().epoch(0))
    for step, ((images, _), (seen, _)) in enumerate(zip(plain, batches(flip=True, crop=0.5).epoch(0), strict=True)):
        random = generator(0, 8, 0, step)
        mirrored = mirror(images, flips(12, random))
        assert torch.equal(seen, enlarge(mirrored, crops(12, 0.5, random)))
    for (images, _), (seen, _) in zip(plain, batches(flip=True).epoch(0), strict=True):
        assert seen.dtype == torch.uint8
        kept = (seen == images).flatten(1).all(dim=1)
        turned = (seen == images.flip(3)).flatten(1).all(dim=1)
        assert (kept ^ turned).all()
        assert 0 < int(turned.sum()) < 12


def test_an_epoch_follows_from_seed_and_number_alone() -> None:
    one, other = batches(flip=True, crop=0.7, seed=5), batches(flip=True, crop=0.7, seed=5)
    list(other.epoch(7))
    torch.manual_seed(99)
    assert equal(list(one.epoch(2)), list(other.epoch(2)))
    assert not equal(list(one.epoch(2)), list(batches(flip=True, crop=0.7, seed=6).epoch(2)))


# What cannot be


@pytest.mark.parametrize(
    ("sizes", "options", "message"),
    [
        (SIZES, {"per_class": 1}, "per_class must be 2 or more and divide the batch of 12, not 1"),
        (SIZES, {"per_class": 5}, "per_class must be 2 or more and divide the batch of 12, not 5"),
        (SIZES, {"per_class": 24}, "divide the batch of 12, not 24"),
        ((4, 4, 4), {"batch": 32, "per_class": 4}, "needs 8 classes, training has 3; take per_class=16 or more"),
        (SIZES[:5], {"batch": 32, "per_class": 4}, "needs 8 classes, training has 5; take per_class=8 or more"),
        ((5, 1, 5), {"per_class": 4}, "class 'c01' has one training sample: too few to compare it with its own"),
    ],
)
def test_batches_that_cannot_be_made_are_one_line(
    sizes: tuple[int, ...], options: dict[str, int], message: str
) -> None:
    with pytest.raises(InputError) as caught:
        batches(sizes, **options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_suggested_works() -> None:
    for number in range(2, 9):
        sizes = (3,) * number
        with pytest.raises(InputError) as caught:
            batches(sizes, batch=36, per_class=2)
        suggested = str(caught.value).partition("take per_class=")[2].partition(" ")[0]
        assert len(list(batches(sizes, batch=36, per_class=int(suggested)).epoch(0))) == 1
