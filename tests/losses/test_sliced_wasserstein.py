"""Sliced Wasserstein loss: against loops and POT, properties of a distance, bad input, as a term."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.losses import naive_sliced
from tests.losses.sliced_domains import DIMENSION, MISFITS, PROJECTIONS, WAYS, both, drawn

from spacewise.errors import InputError
from spacewise.losses.sliced_wasserstein import BLOCK, SlicedWasserstein, directions, segments, sliced_wasserstein

SIZES = [(6, 6), (7, 4), (4, 7), (9, 3), (12, 8), (1, 5), (5, 1), (1, 1)]

every_size = pytest.mark.parametrize(("n", "m"), SIZES)
either = pytest.mark.parametrize("maximum", [False, True])


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


@pytest.mark.parametrize(("source", "target", "said"), MISFITS)
def test_shapes_that_do_not_fit(source: tuple[int, ...], target: tuple[int, ...], said: str) -> None:
    with pytest.raises(InputError, match=said):
        sliced_wasserstein(torch.zeros(source), torch.zeros(target), WAYS)


def test_directions_that_do_not_fit() -> None:
    for ways in (WAYS[:0], WAYS[0], WAYS.T):
        with pytest.raises(InputError, match="sliced Wasserstein takes directions"):
            sliced_wasserstein(*drawn(3, 3), ways)


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: SlicedWasserstein(projections=0), "sliced_wasserstein: projections must be a whole number"),
        (lambda: SlicedWasserstein(projections=2.0), "above zero, not 2.0"),
        (lambda: SlicedWasserstein(projections=True), "above zero, not True"),
        (lambda: SlicedWasserstein(maximum=1), "maximum must be True or False, not 1"),
    ],
)
def test_bad_options(build: Callable[[], object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        build()


# As terms of an objective


def test_directions_change_with_the_seed_alone() -> None:
    loss, found = SlicedWasserstein(), []
    for seed in (1, 2, 1):
        loss.reseed(seed)
        torch.manual_seed(len(found))  # of no account
        found.append(float(loss.align(both())))
    assert found[0] == found[2]
    assert found[0] != found[1]


@either
def test_aligns_all_of_the_source_and_the_target_without_labels(maximum: bool) -> None:
    """All of the target where each sample has a label."""
    loss = SlicedWasserstein(projections=9, maximum=maximum)
    loss.reseed(5)
    for labels, first in (([0, -1, -1, -1], 1), ([0, 1, 2, 0], 0)):
        domains = both(labels)
        ways = directions(9, DIMENSION, seed=5, like=domains.source)
        expected = sliced_wasserstein(domains.source, domains.target[first:], ways, maximum=maximum)
        assert torch.equal(loss.align(domains), expected)
