"""Sliced Wasserstein losses: against loops and POT, properties of a distance, classes, guessed labels, bad input."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.losses import naive_sliced
from torch import Tensor

from spacewise.errors import InputError
from spacewise.losses.alignment import Domains
from spacewise.losses.conditional_sliced_wasserstein import (
    ConditionalSlicedWasserstein,
    conditional_sliced_wasserstein,
    confident_labels,
)
from spacewise.losses.sliced_wasserstein import BLOCK, SlicedWasserstein, directions, segments, sliced_wasserstein

DIMENSION, PROJECTIONS = 5, 7
SIZES = [(6, 6), (7, 4), (4, 7), (9, 3), (12, 8), (1, 5), (5, 1), (1, 1)]
WAYS = directions(PROJECTIONS, DIMENSION, seed=3, like=torch.empty(0, dtype=torch.float64))

every_size = pytest.mark.parametrize(("n", "m"), SIZES)
either = pytest.mark.parametrize("maximum", [False, True])


def drawn(*sizes: int, seed: int = 0) -> list[Tensor]:
    """Vectors (sample, dimension) of several domains, which do not lie in the same place; float64."""
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(size, DIMENSION, generator=generator, dtype=torch.float64) * (1 + place) + place
        for place, size in enumerate(sizes)
    ]


# Values


@every_size
def test_equals_the_loops(n: int, m: int) -> None:
    source, target = drawn(n, m)
    expected = naive_sliced.by_direction(source.tolist(), target.tolist(), WAYS.tolist())
    assert float(sliced_wasserstein(source, target, WAYS)) == pytest.approx(sum(expected) / len(expected))
    assert float(sliced_wasserstein(source, target, WAYS, maximum=True)) == pytest.approx(max(expected))


def test_a_value_by_hand() -> None:
    """0, 0, 3 against 1, 4: a third of 1, a sixth of 1, a sixth of 16, a third of 1."""
    source, target = torch.tensor([[3.0], [0.0], [0.0]]), torch.tensor([[4.0], [1.0]])
    assert float(sliced_wasserstein(source, target, torch.ones(1, 1))) == pytest.approx(1 / 3 + 1 / 6 + 16 / 6 + 1 / 3)


@every_size
@either
def test_equals_pot(n: int, m: int, maximum: bool) -> None:
    ot = pytest.importorskip("ot")
    source, target = drawn(n, m)
    peer = ot.max_sliced_wasserstein_distance if maximum else ot.sliced_wasserstein_distance
    expected = peer(source.numpy(), target.numpy(), projections=WAYS.T.numpy())
    assert float(sliced_wasserstein(source, target, WAYS, maximum=maximum)) == pytest.approx(expected**2)


@every_size
def test_gradient_equals_that_of_pot(n: int, m: int) -> None:
    ot = pytest.importorskip("ot")
    ours = [values.requires_grad_() for values in drawn(n, m)]
    theirs = [values.requires_grad_() for values in drawn(n, m)]
    sliced_wasserstein(*ours, WAYS).backward()
    (ot.sliced_wasserstein_distance(*theirs, projections=WAYS.T) ** 2).backward()
    for one, other in zip(ours, theirs):
        torch.testing.assert_close(one.grad, other.grad)


@every_size
@either
def test_gradient(n: int, m: int, maximum: bool) -> None:
    inputs = [values.requires_grad_() for values in drawn(n, m)]
    assert torch.autograd.gradcheck(lambda one, other: sliced_wasserstein(one, other, WAYS, maximum=maximum), inputs)


def test_only_the_domain_that_learns_gets_a_gradient() -> None:
    source, target = drawn(5, 4)
    sliced_wasserstein(source, target.requires_grad_(), WAYS).backward()
    assert source.grad is None
    assert target.grad is not None


@pytest.mark.parametrize(("n", "m"), [(BLOCK // 3, BLOCK // 3), (BLOCK // 3, 17)])
def test_blocks_of_directions_change_nothing(n: int, m: int) -> None:
    source, target = drawn(n, m)
    apart = [sliced_wasserstein(source, target, WAYS[[way]]) for way in range(PROJECTIONS)]
    torch.testing.assert_close(sliced_wasserstein(source, target, WAYS), torch.stack(apart).mean())


@given(n=st.integers(1, 400), m=st.integers(1, 400))
def test_segments_are_the_quantile_functions(n: int, m: int) -> None:
    one, other, width = segments(n, m)
    assert len(width) <= n + m - 1
    assert (width > 0).all()
    at = Fraction(0)
    for i, j, share in zip(one.tolist(), other.tolist(), width.tolist()):
        assert (i, j) == (at * n // 1, at * m // 1)
        end = min(Fraction(i + 1, n), Fraction(j + 1, m))
        assert share == pytest.approx(float(end - at), rel=1e-12)
        at = end
    assert at == 1


# Properties


@every_size
@either
def test_symmetric_and_blind_to_the_order_of_samples(n: int, m: int, maximum: bool) -> None:
    source, target = drawn(n, m)
    value = sliced_wasserstein(source, target, WAYS, maximum=maximum)
    torch.testing.assert_close(sliced_wasserstein(target, source, WAYS, maximum=maximum), value)
    torch.testing.assert_close(sliced_wasserstein(source.flip(0), target.roll(1, 0), WAYS, maximum=maximum), value)


@pytest.mark.parametrize("times", [1, 2, 3])
def test_zero_from_a_domain_to_itself_however_often(times: int) -> None:
    [source] = drawn(6)
    target = source.flip(0).repeat(times, 1)
    assert float(sliced_wasserstein(source, target, WAYS)) == pytest.approx(0, abs=1e-20)


@either
def test_a_shift_costs_its_square_along_each_direction(maximum: bool) -> None:
    [source] = drawn(6)
    shift = torch.arange(1.0, 1 + DIMENSION, dtype=torch.float64)
    expected = (WAYS @ shift).square()
    value = sliced_wasserstein(source, source + shift, WAYS, maximum=maximum)
    torch.testing.assert_close(value, expected.max() if maximum else expected.mean())


@every_size
def test_grows_with_the_square_of_the_scale(n: int, m: int) -> None:
    source, target = drawn(n, m)
    torch.testing.assert_close(
        sliced_wasserstein(3 * source, 3 * target, WAYS), 9 * sliced_wasserstein(source, target, WAYS)
    )


@either
def test_all_embeddings_equal(maximum: bool) -> None:
    source, target = (torch.ones(size, DIMENSION, requires_grad=True) for size in (6, 4))
    value = sliced_wasserstein(source, target, WAYS, maximum=maximum)
    value.backward()
    assert float(value.detach()) == pytest.approx(0, abs=1e-12)
    for values in (source, target):
        torch.testing.assert_close(values.grad, torch.zeros_like(values), atol=1e-6, rtol=0)


@either
@pytest.mark.parametrize("domain", [0, 1])
def test_nan_gives_nan(maximum: bool, domain: int) -> None:
    domains = drawn(6, 4)
    domains[domain][2, 1] = torch.nan
    assert sliced_wasserstein(*domains, WAYS, maximum=maximum).isnan()


@pytest.mark.parametrize("precision", [torch.float16, torch.bfloat16])
def test_halves_are_computed_in_float32(precision: torch.dtype) -> None:
    """Also under autocast, where a product would be of halves; squares of 300 overflow float16."""
    inputs = [(300 + values).to(precision).requires_grad_() for values in drawn(6, 4)]
    expected = sliced_wasserstein(*(values.detach().double() for values in inputs), WAYS)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = sliced_wasserstein(*inputs, WAYS)
        value.backward()
    assert value.dtype == torch.float32
    torch.testing.assert_close(value.double(), expected, rtol=1e-4, atol=0)
    assert all(values.grad is not None and values.grad.isfinite().all() for values in inputs)


def test_directions_are_unit_vectors_that_follow_from_the_seed() -> None:
    like = torch.empty(0, dtype=torch.bfloat16)
    ways = directions(40, 3, seed=1, like=like)
    assert ways.shape == (40, 3)
    assert ways.dtype == torch.float32
    torch.testing.assert_close(ways.norm(dim=1), torch.ones(40))
    assert torch.equal(ways, directions(40, 3, seed=1, like=like))
    assert torch.equal(ways.double(), directions(40, 3, seed=1, like=like.double()))
    assert not torch.equal(ways, directions(40, 3, seed=2, like=like))


# Bad input


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        ((4, 5), (4, 6), r"not \(4, 5\) and \(4, 6\)"),
        ((4, 5), (20,), r"not \(4, 5\) and \(20,\)"),
        ((0, 5), (4, 5), "the source has none"),
        ((4, 5), (0, 5), "the target has none"),
        ((4, 6), (4, 6), r"directions \(projection, 6\)"),
    ],
)
def test_shapes_that_do_not_fit(source: tuple[int, ...], target: tuple[int, ...], said: str) -> None:
    one, other = torch.zeros(source), torch.zeros(target)
    with pytest.raises(InputError, match=said):
        sliced_wasserstein(one, other, WAYS)
    labels = [torch.zeros(len(values), dtype=torch.int64) for values in (one, other)]
    with pytest.raises(InputError, match=said):
        conditional_sliced_wasserstein(one, other, *labels, WAYS)


def test_directions_that_do_not_fit() -> None:
    for ways in (WAYS[:0], WAYS[0], WAYS.T):
        with pytest.raises(InputError, match="sliced Wasserstein takes directions"):
            sliced_wasserstein(*drawn(3, 3), ways)


def test_labels_that_do_not_fit() -> None:
    with pytest.raises(InputError, match=r"labels \(sample,\)"):
        conditional_sliced_wasserstein(*drawn(3, 3), torch.zeros(3), torch.zeros(4), WAYS)


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: SlicedWasserstein(projections=0), "sliced_wasserstein: projections must be a whole number"),
        (lambda: SlicedWasserstein(projections=2.0), "above zero, not 2.0"),
        (lambda: SlicedWasserstein(projections=True), "above zero, not True"),
        (lambda: SlicedWasserstein(maximum=1), "maximum must be True or False, not 1"),
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


# As terms of an objective


def both(labels: list[int] | None = None, probability: list[list[float]] | None = None) -> Domains:
    """Six samples of source, two a class, and four of target: of which only the first is labelled."""
    source, target = drawn(6, 4)
    return Domains(
        source,
        target,
        torch.tensor([0, 0, 1, 1, 2, 2]),
        torch.tensor(labels or [0, -1, -1, -1]),
        torch.tensor(probability or [[0.1, 0.8, 0.1], [0.9, 0.1, 0.0], [0.2, 0.7, 0.1], [0.3, 0.4, 0.3]]),
    )


@pytest.mark.parametrize("loss", [SlicedWasserstein(), ConditionalSlicedWasserstein()], ids=lambda loss: loss.name)
def test_directions_change_with_the_seed_alone(loss: SlicedWasserstein | ConditionalSlicedWasserstein) -> None:
    found = []
    for seed in (1, 2, 1):
        loss.reseed(seed)
        torch.manual_seed(len(found))  # of no account
        found.append(float(loss.align(both())))
    assert found[0] == found[2]
    assert found[0] != found[1]


@either
def test_aligns_all_samples_of_both_domains(maximum: bool) -> None:
    loss, domains = SlicedWasserstein(projections=9, maximum=maximum), both()
    loss.reseed(5)
    ways = directions(9, DIMENSION, seed=5, like=domains.source)
    expected = sliced_wasserstein(domains.source, domains.target, ways, maximum=maximum)
    assert torch.equal(loss.align(domains), expected)


# Class by class

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
