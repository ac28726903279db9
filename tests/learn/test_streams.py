"""Endless streams of samples: what a step takes follows from its number."""

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

from spacewise.errors import InputError
from spacewise.learn.batches import Batches
from spacewise.learn.streams import Step, Stream, Streams, View
from spacewise.sources import Source
from spacewise.splits import Part

SIDE = 8


def stream(count: int = 7, **options: Any) -> Stream:
    """Of images of which each pixel tells the sample; every second one of the source is in it, its label the row."""
    images = torch.arange(2 * count, dtype=torch.uint8)[:, None, None, None].expand(-1, 1, SIDE, SIDE).clone()
    rows = torch.arange(0, 2 * count, 2)
    return Stream("samples", images, rows, rows.clone(), **({"batch": 4, "view": View(), "seed": 0} | options))


def textured(**options: Any) -> Stream:
    """Of images that no shift, mirror or square leaves as they are."""
    images = torch.randint(0, 256, (9, 2, SIDE, SIDE), generator=torch.Generator().manual_seed(0)).byte()
    rows = torch.arange(9)
    return Stream(
        "samples", images, rows, rows.clone(), **({"batch": 4, "view": View(2, True, 0.6), "seed": 0} | options)
    )


def taken(made: Stream, steps: int) -> list[int]:
    """Samples of the first steps, one after another."""
    return torch.cat([made.at(step)[0][:, 0, 0, 0] for step in range(steps)]).tolist()


def equal(one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> bool:
    return all(torch.equal(a, b) and a.dtype == b.dtype for a, b in zip(one, other, strict=True))


# What a pass holds


@given(count=st.integers(1, 12), batch=st.integers(1, 30), seed=st.integers(0, 2**40))
def test_every_pass_takes_every_sample_once(count: int, batch: int, seed: int) -> None:
    """Also where a batch reaches over the end of a pass, or holds several passes."""
    passes = 3
    drawn = taken(stream(count, batch=batch, seed=seed), -(-passes * count // batch))
    for number in range(passes):
        assert sorted(drawn[number * count : (number + 1) * count]) == list(range(0, 2 * count, 2))


def test_passes_and_seeds_have_orders_of_their_own() -> None:
    drawn = taken(stream(12, batch=12), 3)
    orders = [tuple(drawn[start : start + 12]) for start in (0, 12, 24)]
    assert len({*orders}) == 3
    assert taken(stream(12, batch=12, seed=1), 3) != drawn
    assert taken(stream(12, batch=12), 3) == drawn


def test_a_batch_larger_than_the_samples_repeats_them_evenly() -> None:
    (images, labels) = stream(3, batch=10).at(0)
    counts = Counter(labels.tolist())
    assert sorted(counts.values()) == [3, 3, 4]
    assert images.shape == (10, 1, SIDE, SIDE)


def test_labels_belong_to_their_images() -> None:
    made = stream(9, batch=5, view=View(shift=2))
    for step in range(6):
        images, labels = made.at(step)
        assert images[:, 0, 0, 0].tolist() == labels.tolist()
        assert labels.dtype == torch.int64


# From what it follows


@given(steps=st.lists(st.integers(0, 40), min_size=1, max_size=6))
def test_a_step_is_the_same_whatever_was_taken_before(steps: list[int]) -> None:
    """So that a resumed training goes on with the samples of an undisturbed one."""
    wandering = textured()
    for step in steps:
        assert equal(wandering.at(step), textured().at(step))


def test_the_global_generator_is_left_alone() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    textured().at(3)
    assert torch.equal(torch.rand(3), expected)


def test_views_are_new_in_every_step_and_seed() -> None:
    made = textured(batch=9)  # a step is a pass: the same images, seen otherwise
    seen = [made.at(step) for step in range(3)] + [textured(batch=9, seed=1).at(0)]
    by_sample = [images[labels.argsort()] for images, labels in seen]
    for one, other in itertools.combinations(by_sample, 2):
        assert not any(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("processes", [2, 4])
@pytest.mark.parametrize("batch", [8, 24])
def test_the_pieces_of_processes_are_the_batch_of_one(processes: int, batch: int) -> None:
    for step in (0, 1, 5):
        pieces = [textured(batch=batch, share=(rank, processes)).at(step) for rank in range(processes)]
        together = tuple(torch.cat(parts) for parts in zip(*pieces, strict=True))
        assert equal(together, textured(batch=batch).at(step))
        assert {len(labels) for _, labels in pieces} == {batch // processes}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"count": 0}, "the stream of samples is empty: there is no sample to take"),
        ({"batch": 5, "share": (0, 2)}, "the batch of samples must be a multiple of the 2 processes, not 5"),
        ({"view": View(shift=SIDE)}, "shift must be 0 to 7 pixels for 8 x 8, not 8"),
    ],
)
def test_streams_that_cannot_flow_are_refused_at_once(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        stream(**options)
    assert str(caught.value) == message


# Three streams


def test_epochs_follow_each_other_without_a_seam() -> None:
    made = Streams(stream(5, seed=1), stream(7, seed=2), stream(11, seed=3), 3)
    assert len(made) == 3
    steps = [step for epoch in range(3) for step in made.epoch(epoch)]
    for number, step in enumerate(steps):
        for name in ("source", "target", "unlabelled"):
            assert equal(getattr(step, name), getattr(made, name).at(number))
    rest = [*made.epoch(1, 2), *made.epoch(2)]
    assert all(equal(mine.target, step.target) for mine, step in zip(rest, steps[5:], strict=True))


def test_streams_that_a_transfer_does_without_are_none() -> None:
    (step,) = Streams(None, stream(), None, 1).epoch(4)
    assert isinstance(step, Step)
    assert (step.source, step.unlabelled) == (None, None)


# Views in a supervised batch


def batches(**options: Any) -> Batches:
    made = textured()
    facts = pd.DataFrame({"id": [str(n) for n in range(9)], "label": ["abc"[n % 3] for n in range(9)]})
    part = Part(Source("memory", facts, lambda index: made.images[index].numpy()), np.arange(9), ("a", "b", "c"))
    given = {"batch": 4, "shift": 2, "copies": 0, "seed": 0, "views": 2, "flip": True}
    return Batches(made.images, part, **(given | options))


def test_each_sample_stands_twice_in_its_batch_seen_otherwise() -> None:
    plain = list(batches(views=1, shift=0, flip=False).epoch(2))
    made = list(batches().epoch(2))
    assert len(made) == len(plain) == 2
    shifted = list(batches(flip=False, shift=2).epoch(2))
    assert {len(images) for images, _ in made} == {8}
    for (images, labels), (_, once) in zip(made, plain, strict=True):
        assert torch.equal(labels, once.repeat(2))
        first, second = images.chunk(2)
        assert not torch.equal(first, second)
    assert any(not torch.equal(*images.chunk(2)) for images, _ in shifted)


@pytest.mark.parametrize("options", [{}, {"crop": 0.5}, {"views": 3, "batch": 8}])
def test_the_views_of_processes_are_those_of_one(options: dict[str, Any]) -> None:
    pieces = [list(batches(share=(rank, 2), **options).epoch(1)) for rank in range(2)]
    for step, whole in enumerate(batches(**options).epoch(1)):
        together = tuple(torch.cat(parts) for parts in zip(*(piece[step] for piece in pieces), strict=True))
        assert equal(together, whole)


@pytest.mark.parametrize("options", [{"shift": 0, "flip": False}, {"copies": 2}])
def test_views_that_would_all_be_the_same_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="views=2 needs a shift, flip or crop, and no fixed copies"):
        batches(**options)


@pytest.mark.parametrize("options", [{"shift": 1}, {"flip": True}, {"crop": 0.9}])
def test_any_way_of_seeing_anew_will_do(options: dict[str, Any]) -> None:
    assert len(batches(**({"shift": 0, "flip": False} | options))) == 2
