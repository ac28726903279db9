"""How samples become batches: from (seed, epoch, step) alone."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from spacewise.augment import translate
from spacewise.errors import InputError
from spacewise.learn.batches import Batches, generator, in_order, mixed
from spacewise.learn.embed import embed
from spacewise.learn.schedule import SCHEDULES, onecycle, optimizer, set_rate
from spacewise.nets import aconvnet
from spacewise.regime import Supervised
from spacewise.sources import Source
from spacewise.splits import Part

SIDE = 8


def numbered(count: int = 20) -> tuple[Tensor, Part]:
    """Images of which the upper left pixel (and each other) tells the sample; every second one trains."""
    images = torch.arange(count, dtype=torch.uint8)[:, None, None, None].expand(-1, 1, SIDE, SIDE).clone()
    facts = pd.DataFrame({"id": [str(n) for n in range(count)], "label": ["ab"[n // 2 % 2] for n in range(count)]})
    source = Source("memory", facts, lambda index: images[index].numpy())
    return images, Part(source, np.arange(0, count, 2), ("a", "b"))


def batches(count: int = 20, **options: Any) -> Batches:
    images, part = numbered(count)
    return Batches(images, part, **({"batch": 4, "shift": 0, "copies": 0, "seed": 0} | options))


def samples(images: Tensor) -> list[int]:
    return images[:, 0, 0, 0].tolist()


def equal(one: list[tuple[Tensor, Tensor]], other: list[tuple[Tensor, Tensor]]) -> bool:
    return len(one) == len(other) and all(torch.equal(a, b) for a, b in zip(sum(one, ()), sum(other, ())))


# What an epoch holds


@given(count=st.integers(2, 30), batch=st.integers(2, 40), epoch=st.integers(0, 5), seed=st.integers(0, 2**40))
def test_every_sample_at_most_once_an_epoch(count: int, batch: int, epoch: int, seed: int) -> None:
    made = batches(2 * count, batch=batch, seed=seed)
    drawn = [samples(images) for images, _ in made.epoch(epoch)]
    assert len(drawn) == len(made) == count // min(batch, count)
    assert {len(each) for each in drawn} == {min(batch, count)}
    counts = Counter(itertools.chain(*drawn))
    assert max(counts.values()) == 1
    assert set(counts) <= set(range(0, 2 * count, 2))


def test_the_remainder_is_another_one_each_epoch() -> None:
    made = batches(22, batch=4)
    left = [set(range(0, 22, 2)) - {n for images, _ in made.epoch(e) for n in samples(images)} for e in range(8)]
    assert all(len(each) == 3 for each in left)
    assert len(set(map(frozenset, left))) > 1


def test_labels_belong_to_their_images() -> None:
    for images, labels in batches(shift=2).epoch(0):
        assert [n // 2 % 2 for n in samples(images)] == labels.tolist()
        assert labels.dtype == torch.int64


# From what it follows


def test_an_epoch_follows_from_seed_and_number_alone() -> None:
    one, other = batches(shift=3, seed=5), batches(shift=3, seed=5)
    list(other.epoch(7))  # what was drawn before does not matter
    torch.manual_seed(99)
    assert equal(list(one.epoch(2)), list(other.epoch(2)))
    assert not equal(list(one.epoch(2)), list(one.epoch(3)))
    assert not equal(list(one.epoch(2)), list(batches(shift=3, seed=6).epoch(2)))


def test_the_global_generator_is_left_alone() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    list(batches(shift=3).epoch(0))
    list(batches(shift=3, copies=2).epoch(0))
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("copies", [0, 2])
def test_a_resumed_epoch_is_the_rest_of_the_full_one(copies: int) -> None:
    made = batches(30, shift=3, copies=copies)
    full = list(made.epoch(1))
    for start in range(len(full) + 1):
        assert equal(list(made.epoch(1, start)), full[start:])


def test_seeds_of_different_purposes_differ() -> None:
    numbers = [(0,), (1,), (0, 1), (1, 2), (0, 2, 1), (0, 3, 1, 1), (0, 3, 2, 1), (0, 5, 1, 0), (0, 5, 1, 1)]
    assert len({mixed(*each) for each in numbers}) == len(numbers)
    assert all(0 <= mixed(*each) < 2**63 for each in numbers)
    assert mixed(1, 2, 3) == mixed(1, 2, 3)
    assert torch.equal(torch.rand(2, generator=generator(4, 2)), torch.rand(2, generator=generator(4, 2)))


# Translations


def textured(count: int = 6) -> tuple[Tensor, Part]:
    images = torch.randint(0, 256, (count, 1, SIDE, SIDE), generator=torch.Generator().manual_seed(0)).byte()
    return images, Part(numbered(count)[1].source, np.arange(count), ("a", "b"))


def shift_between(image: Tensor, moved: Tensor, limit: int) -> tuple[int, int]:
    """The one offset that takes an image to another."""
    offsets = torch.tensor(list(itertools.product(range(-limit, limit + 1), repeat=2)))
    every = translate(image.expand(len(offsets), -1, -1, -1), offsets, limit)
    (hit,) = (every == moved).flatten(1).all(dim=1).nonzero().flatten().tolist()
    return tuple(offsets[hit].tolist())


def shifts_of(made: Batches, images: Tensor, epoch: int) -> dict[tuple[int, int], tuple[int, int]]:
    """(sample, how often it has come) -> its offset."""
    found: dict[tuple[int, int], tuple[int, int]] = {}
    order = torch.randperm(made.samples, generator=generator(made.seed, 2, epoch))
    drawn = torch.cat([batch for batch, _ in made.epoch(epoch)])
    for position, image in zip(order.tolist(), drawn):
        sample = position % len(images)
        found[sample, position // len(images)] = shift_between(images[sample], image, made.shift)
    return found


def test_fresh_shifts_are_others_every_epoch() -> None:
    images, part = textured()
    made = Batches(images, part, batch=3, shift=3, copies=0, seed=0)
    first, second = shifts_of(made, images, 0), shifts_of(made, images, 1)
    assert first != second
    assert len(set(first.values())) > 1


def test_fixed_copies_are_the_same_every_epoch_and_the_image_is_one_of_them() -> None:
    images, part = textured()
    made = Batches(images, part, batch=6, shift=3, copies=2, seed=0)
    assert len(made) == 3
    first = shifts_of(made, images, 0)
    assert first == shifts_of(made, images, 1)
    assert len(first) == 18
    assert all(first[sample, 0] == (0, 0) for sample in range(6))
    assert len({first[sample, copy] for sample in range(6) for copy in (1, 2)}) > 3


def test_in_order_gives_the_images_then_their_copies() -> None:
    images, part = textured()
    plain = torch.cat(list(in_order(images, part, batch=4)))
    assert torch.equal(plain, images)
    both = torch.cat(list(in_order(images, part, shift=2, copies=2, seed=3, batch=4)))
    assert both.shape[0] == 18
    assert torch.equal(both[:6], images)
    assert torch.equal(both, torch.cat(list(in_order(images, part, shift=2, copies=2, seed=3, batch=5))))
    assert not torch.equal(both[6:12], both[12:])


def test_in_order_follows_the_rows_of_the_part() -> None:
    images, part = numbered()
    assert samples(torch.cat(list(in_order(images, part, batch=3)))) == list(range(0, 20, 2))


# Several processes


@pytest.mark.parametrize("processes", [2, 4])
@pytest.mark.parametrize("copies", [0, 1])
def test_the_shares_of_processes_make_the_global_batch(processes: int, copies: int) -> None:
    options = {"batch": 8, "shift": 3, "copies": copies, "seed": 1}
    images = textured(16)[0]
    part = Part(numbered(16)[1].source, np.arange(16), ("a", "b"))
    whole = list(Batches(images, part, **options).epoch(0))
    shares = [list(Batches(images, part, **options, share=(rank, processes)).epoch(0)) for rank in range(processes)]
    for step, (expected, expected_labels) in enumerate(whole):
        pieces = [share[step] for share in shares]
        assert {len(labels) for _, labels in pieces} == {8 // processes}
        found = Counter((image.numpy().tobytes(), int(y)) for piece in pieces for image, y in zip(*piece))
        assert found == Counter((image.numpy().tobytes(), int(y)) for image, y in zip(expected, expected_labels))


def test_shares_follow_each_other_as_they_are_gathered() -> None:
    """Losses on pairs (i, i + half) see in two processes the pairs that they see in one."""
    whole = torch.cat([images for images, _ in batches(batch=4).epoch(0)][:1])
    shares = [next(batches(batch=4, share=(rank, 2)).epoch(0))[0] for rank in (0, 1)]
    assert samples(torch.cat(shares)) == samples(whole)


# What cannot be


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch": 5, "share": (0, 2)}, "batch must be a multiple of the 2 processes, not 5"),
        ({"copies": 3}, "copies=3 needs a shift above 0: the copies would all be the same"),
        ({"count": 2}, "1 training samples are too few for a batch of 2 or more"),
        ({"shift": SIDE}, "shift must be 0 to 7 pixels for 8 x 8, not 8"),
    ],
)
def test_settings_that_cannot_be_met_are_refused_at_once(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        batches(**options)


# Optimizer and rate


def test_onecycle_rises_for_a_third_and_falls_to_nothing() -> None:
    shares = np.linspace(0, 1, 201)
    rates = np.array([onecycle(share) for share in shares])
    assert rates[0] == pytest.approx(0.04)
    assert rates.argmax() == 60
    assert rates.max() == pytest.approx(1)
    assert rates[-1] == pytest.approx(0, abs=1e-12)
    assert (np.diff(rates[:61]) > 0).all()
    assert (np.diff(rates[60:]) < 0).all()


def test_other_schedules() -> None:
    assert [SCHEDULES["cosine"](share) for share in (0, 0.5, 1)] == pytest.approx([1, 0.5, 0])
    assert SCHEDULES["constant"](0.7) == 1
    steps = [SCHEDULES["steps"](k / 20) for k in range(20)]
    assert steps == pytest.approx([0.9**k for k in range(20)])


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_weights_decay_biases_and_normalisation_do_not(name: str) -> None:
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.Linear(2, 2))
    settings = Supervised(optimizer=name, weight_decay=0.3, rate=0.5, momentum=0.7)
    made = optimizer([net], settings)
    decayed, others = made.param_groups
    assert (decayed["weight_decay"], others["weight_decay"]) == (0.3, 0)
    assert [id(p) for p in decayed["params"]] == [id(net[0].weight), id(net[2].weight)]
    assert len(others["params"]) == 4
    assert set_rate(made, settings.model_copy(update={"schedule": "cosine"}), 0.5) == pytest.approx(0.25)
    assert [group["lr"] for group in made.param_groups] == pytest.approx([0.25, 0.25])


def test_a_network_that_was_embedded_still_has_gradients() -> None:
    """Its weights change their layout on the way; within inference they could not go back."""
    chain = aconvnet(3, 1, 32, padding="same")
    images = torch.rand(2, 1, 32, 32)
    embed(chain, [images], ["classifier"])
    chain(images)["classifier"].sum().backward()
    assert chain.embed.weight.grad is not None
