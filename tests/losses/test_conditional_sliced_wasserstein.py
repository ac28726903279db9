"""Sliced Wasserstein loss class by class: against loops, common classes, guessed labels, bad input."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.losses import naive_sliced
from tests.losses.sliced_domains import DIMENSION, MISFITS, WAYS, both, drawn
from torch import Tensor

from spacewise.errors import InputError
from spacewise.losses.alignment import Domains
from spacewise.losses.conditional_sliced_wasserstein import (
    ConditionalSlicedWasserstein,
    conditional_sliced_wasserstein,
    confident_labels,
)
from spacewise.losses.sliced_wasserstein import directions, sliced_wasserstein

LABELS = [
    pytest.param([0, 0, 1, 1, 1, 2, 2], [1, 0, 2, 1, 0, 2, 2, 1], id="every class in both"),
    pytest.param([0, 1, 0, 1, 0, 1, 0], [1, 0, 0, 1, 1, 0, 0, 0], id="as many of each"),
    pytest.param([0, 0, 0, 1, 1, 3, 3], [1, 2, 2, 1, 0, 1, 1, 1], id="classes in one domain only"),
    pytest.param([-1, 0, -1, 1, 1, 3, 3], [1, -1, -1, 1, 0, 1, 1, -1], id="samples without a label"),
    pytest.param([5, 5, 5, 5, 5, 5, 5], [5, 5, 5, 5, 5, 5, 5, 5], id="one class"),
]


@pytest.mark.parametrize(("own", "their"), LABELS)
def test_conditional_equals_the_loops(own: list[int], their: list[int]) -> None:
    source, target = drawn(7, 8)
    expected = naive_sliced.conditional(source.tolist(), target.tolist(), own, their, WAYS.tolist())
    value = conditional_sliced_wasserstein(source, target, torch.tensor(own), torch.tensor(their), WAYS)
    assert expected > 0
    assert float(value) == pytest.approx(expected)


@pytest.mark.parametrize(("own", "their"), LABELS)
def test_conditional_gradient(own: list[int], their: list[int]) -> None:
    inputs = [values.requires_grad_() for values in drawn(7, 8)]
    labels = torch.tensor(own), torch.tensor(their)
    assert torch.autograd.gradcheck(
        lambda one, other: conditional_sliced_wasserstein(one, other, *labels, WAYS), inputs
    )


@pytest.mark.parametrize(("own", "their"), [([0, 0, 1], [2, 2, 3]), ([0, 1, 2], [-1, -1, -1]), ([-1] * 3, [-1] * 3)])
def test_no_class_in_common(own: list[int], their: list[int]) -> None:
    inputs = [values.requires_grad_() for values in drawn(3, 3)]
    value = conditional_sliced_wasserstein(*inputs, torch.tensor(own), torch.tensor(their), WAYS)
    value.backward()
    assert float(value.detach()) == 0
    assert all(values.grad is not None and not values.grad.any() for values in inputs)


labelled = st.lists(st.integers(-1, 3), min_size=1, max_size=20)


@given(own=labelled, their=labelled)
def test_conditional_is_the_sum_over_the_common_classes(own: list[int], their: list[int]) -> None:
    source, target = drawn(len(own), len(their))
    mine, yours = torch.tensor(own), torch.tensor(their)
    parts = [
        float(sliced_wasserstein(source[mine == label], target[yours == label], WAYS))
        for label in {*own} & {*their} - {-1}
    ]
    value = conditional_sliced_wasserstein(source, target, mine, yours, WAYS)
    assert float(value) == pytest.approx(sum(parts), rel=1e-9)


# Bad input


@pytest.mark.parametrize(("source", "target", "said"), MISFITS)
def test_shapes_that_do_not_fit(source: tuple[int, ...], target: tuple[int, ...], said: str) -> None:
    one, other = torch.zeros(source), torch.zeros(target)
    labels = [torch.zeros(len(values), dtype=torch.int64) for values in (one, other)]
    with pytest.raises(InputError, match=said):
        conditional_sliced_wasserstein(one, other, *labels, WAYS)


def test_labels_that_do_not_fit() -> None:
    with pytest.raises(InputError, match=r"labels \(sample,\)"):
        conditional_sliced_wasserstein(*drawn(3, 3), torch.zeros(3), torch.zeros(4), WAYS)


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: ConditionalSlicedWasserstein(projections=-3), "conditional_sliced_wasserstein: projections"),
        (lambda: ConditionalSlicedWasserstein(confidence=0), "above 0 and at most 1, or None, not 0"),
        (lambda: ConditionalSlicedWasserstein(confidence=1.5), "not 1.5"),
        (lambda: ConditionalSlicedWasserstein(confidence=True), "not True"),
        (lambda: ConditionalSlicedWasserstein(confidence=float("nan")), "not nan"),
        (lambda: ConditionalSlicedWasserstein(confidence="high"), "not 'high'"),
    ],
)
def test_bad_options(build: Callable[[], object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        build()


# As a term of an objective


def test_directions_change_with_the_seed_alone() -> None:
    loss, found = ConditionalSlicedWasserstein(), []
    for seed in (1, 2, 1):
        loss.reseed(seed)
        torch.manual_seed(len(found))  # of no account
        found.append(float(loss.align(both())))
    assert found[0] == found[2]
    assert found[0] != found[1]


def aligned_with(labels: list[int], domains: Domains) -> Tensor:
    ways = directions(50, DIMENSION, seed=0, like=domains.source)
    return conditional_sliced_wasserstein(
        domains.source, domains.target, domains.source_labels, torch.tensor(labels), ways
    )


@pytest.mark.parametrize(
    ("confidence", "labels", "share"),
    [
        (None, [0, -1, -1, -1], None),
        (1.0, [0, -1, -1, -1], 0),
        (0.9, [0, 0, -1, -1], 1 / 3),
        (0.5, [0, 0, 1, -1], 2 / 3),
        (0.01, [0, 0, 1, 1], 1),
    ],
)
def test_confident_guesses_count(confidence: float | None, labels: list[int], share: float | None) -> None:
    """The labelled sample keeps its label, whatever the network takes it for."""
    loss, domains = ConditionalSlicedWasserstein(confidence=confidence), both()
    assert torch.equal(loss.align(domains), aligned_with(labels, domains))
    assert {name: float(value) for name, value in loss.reported.items()} == (
        {} if share is None else {"pseudo_labelled": pytest.approx(share)}
    )


def test_guesses_all_of_one_class_align_that_class_only() -> None:
    domains = both([-1] * 4, [[0.0, 1.0, 0.0]] * 4)
    loss = ConditionalSlicedWasserstein(confidence=1.0)
    ways = directions(50, DIMENSION, seed=0, like=domains.source)
    expected = sliced_wasserstein(domains.source[2:4], domains.target, ways)
    torch.testing.assert_close(loss.align(domains), expected)
    assert float(loss.reported["pseudo_labelled"]) == 1


def test_no_sample_without_a_label() -> None:
    loss = ConditionalSlicedWasserstein(confidence=0.5)
    loss.align(both([0, 1, 2, 0]))
    assert float(loss.reported["pseudo_labelled"]) == 0


def test_probabilities_that_do_not_fit() -> None:
    with pytest.raises(InputError, match=r"\(3, 2\) and \(4,\)"):
        confident_labels(torch.zeros(4), torch.zeros(3, 2), 0.5)
