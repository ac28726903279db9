"""One suite that every alignment of two domains passes, against a naive loop in float64."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from tests.losses.naive_alignments import HELD, NAIVE, REVERSED
from tests.losses.two_domains import (
    CLASSES,
    DIMENSION,
    SOURCE,
    SOURCE_LABELS,
    TARGET,
    TARGET_LABELS,
    domains,
    made,
    placed,
    unbound,
    value_and_gradients,
)
from torch import Tensor

from spacewise.errors import InputError
from spacewise.losses import ALIGNMENTS, LOSSES
from spacewise.losses.alignment import Domains
from spacewise.objective import parse_term

every_alignment = pytest.mark.parametrize("text", NAIVE)
of_whole_distributions = pytest.mark.parametrize("text", [text for text in NAIVE if "conditional" not in text])


def test_every_alignment_of_the_table_is_here() -> None:
    assert {unbound(text).name for text in NAIVE} == set(ALIGNMENTS)
    assert all(kind.name == name for name, kind in ALIGNMENTS.items())
    assert not set(ALIGNMENTS) & set(LOSSES)


@every_alignment
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(("source", "target"), [(SOURCE, TARGET), (4, 11), (6, 6), (1, 5), (5, 1), (1, 1)])
def test_as_a_naive_loop(text: str, seed: int, source: int, target: int) -> None:
    given, loss = domains(source, target, seed=seed), made(text, seed)
    value = loss.align(given)
    assert value.shape == ()
    assert float(value.detach()) == pytest.approx(NAIVE[text](given, made(text, seed)), rel=1e-9, abs=1e-15)


@every_alignment
def test_the_gradient_as_finite_differences(text: str) -> None:
    if text in HELD or text in REVERSED:
        pytest.skip("its gradient is not that of its value; see its own test")
    given = domains()

    def value(source: Tensor, target: Tensor) -> Tensor:
        return made(text).align(replace(given, source=source, target=target))

    assert torch.autograd.gradcheck(value, (given.source, given.target))


@of_whole_distributions
def test_labelled_samples_of_the_target_do_not_matter_beside_others(text: str) -> None:
    given, labelled = domains(), TARGET_LABELS >= 0
    value, gradients = value_and_gradients(made(text), given)
    moved = placed(given, given.source, torch.where(labelled[:, None], 3 * given.target + 1, given.target))
    moved_value, moved_gradients = value_and_gradients(made(text), moved)
    assert torch.equal(moved_value, value)
    assert torch.equal(moved_gradients[0], gradients[0])
    assert not moved_gradients[1][labelled].any()
    assert torch.equal(moved_gradients[1][~labelled], gradients[1][~labelled])


@of_whole_distributions
def test_labelled_samples_of_the_target_matter_where_all_are(text: str) -> None:
    given, first = replace(domains(), target_labels=TARGET_LABELS.abs()), torch.arange(TARGET) < 1
    value, gradients = value_and_gradients(made(text), given)
    moved = placed(given, given.source, torch.where(first[:, None], 3 * given.target + 1, given.target))
    moved_value, _ = value_and_gradients(made(text), moved)
    assert abs(float(moved_value - value)) > 1e-6
    assert gradients[1].any(dim=1).all()


@every_alignment
def test_the_order_of_either_domain_does_not_matter(text: str) -> None:
    given = domains()
    value, gradients = value_and_gradients(made(text), given)
    random = torch.Generator().manual_seed(0)
    one, other = torch.randperm(SOURCE, generator=random), torch.randperm(TARGET, generator=random)
    moved = Domains(
        given.source.detach()[one].requires_grad_(), given.target.detach()[other].requires_grad_(),
        given.source_labels[one], given.target_labels[other], given.target_probability[other],
    )  # fmt: skip
    moved_value, moved_gradients = value_and_gradients(made(text), moved)
    torch.testing.assert_close(moved_value, value)
    torch.testing.assert_close(moved_gradients[0], gradients[0][one])
    torch.testing.assert_close(moved_gradients[1], gradients[1][other])


@every_alignment
@pytest.mark.parametrize(("source", "target"), [(1, 1), (1, TARGET), (SOURCE, 1)])
def test_a_domain_of_one_sample_has_a_finite_gradient(text: str, source: int, target: int) -> None:
    value, gradients = value_and_gradients(made(text), domains(source, target))
    assert value.isfinite()
    assert all(gradient.isfinite().all() for gradient in gradients)


@every_alignment
@pytest.mark.parametrize("where", [0.0, 300.7])
@pytest.mark.parametrize(("source", "target"), [(SOURCE, TARGET), (1, 1)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_coincident_vectors_have_a_finite_gradient(
    text: str, where: float, source: int, target: int, dtype: torch.dtype
) -> None:
    given = domains(source, target, dtype=dtype)
    given = placed(given, torch.full_like(given.source, where), torch.full_like(given.target, where))
    value, gradients = value_and_gradients(made(text), given)
    assert value.isfinite()
    assert all(gradient.isfinite().all() for gradient in gradients)
    if text not in REVERSED:
        assert abs(float(value)) < 1e-6


@every_alignment
def test_falls_as_the_domains_meet(text: str) -> None:
    """Of the adversarial one, which rises, the step along the gradient is what matters."""
    given, loss = domains(), made(text)
    value, gradients = value_and_gradients(loss, given)
    sign = 1 if text in REVERSED else -1
    rate = 1e-3 / float(torch.cat(gradients).norm())
    nearer = placed(given, given.source - rate * gradients[0], given.target - rate * gradients[1])
    loss.reseed(0)
    assert sign * (float(loss.align(nearer).detach()) - float(value)) > 0


@every_alignment
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_halves_are_computed_in_float32(text: str, dtype: torch.dtype) -> None:
    given = domains(dtype=dtype)
    value, gradients = value_and_gradients(made(text), given)
    expected, expected_gradients = value_and_gradients(
        made(text), placed(given, given.source.float(), given.target.float())
    )
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, expected)
    for gradient, other in zip(gradients, expected_gradients, strict=True):
        assert gradient.dtype == dtype
        torch.testing.assert_close(gradient, other.to(dtype))


@every_alignment
def test_large_halves_do_not_overflow(text: str) -> None:
    given = domains(dtype=torch.float32)
    given = placed(given, (given.source * 1000).half(), (given.target * 1000).half())
    value, gradients = value_and_gradients(made(text), given)
    assert value.isfinite()
    assert all(gradient.isnan().sum() == 0 for gradient in gradients)


@every_alignment
def test_autocast_changes_nothing(text: str) -> None:
    given = domains(dtype=torch.float32)
    expected, expected_gradients = value_and_gradients(made(text), given)
    with torch.autocast("cpu", torch.bfloat16):
        value = made(text).align(given)
    gradients = torch.autograd.grad(value, (given.source, given.target))
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(gradients, expected_gradients)


@every_alignment
@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_float32_is_near_float64(text: str, offset: float) -> None:
    """Also far from the origin, where squared lengths cancel."""
    given = domains()
    exact = placed(given, (given.source + offset).float().double(), (given.target + offset).float().double())
    value = made(text).align(placed(exact, exact.source.float(), exact.target.float()))
    assert float(value.detach()) == pytest.approx(NAIVE[text](exact, made(text)), rel=2e-4)


@every_alignment
@pytest.mark.parametrize("domain", ["source", "target"])
def test_nan_gives_nan(text: str, domain: str) -> None:
    given = domains()
    broken = getattr(given, domain).detach().clone()
    broken[:2] = math.nan  # a sample with a label and one without
    assert made(text).align(replace(given, **{domain: broken})).isnan()


@every_alignment
def test_dimensions_that_differ_are_refused(text: str) -> None:
    given = domains()
    for source, target in (
        (given.source[:, :3], given.target), (given.source, given.target[:, :3]), (given.source[0], given.target),
    ):  # fmt: skip
        with pytest.raises(InputError, match=r"an alignment takes source \(sample, dimension\) and target"):
            made(text).align(replace(given, source=source, target=target))


@every_alignment
@pytest.mark.parametrize(("source", "target", "named"), [(0, 4, "source"), (4, 0, "target"), (0, 0, "source")])
def test_an_empty_domain_is_refused(text: str, source: int, target: int, named: str) -> None:
    with pytest.raises(InputError, match=f"at least one sample of each domain, the {named} has none"):
        made(text).align(domains(source, target))


@every_alignment
def test_a_batch_of_one_domain_is_refused(text: str) -> None:
    loss = made(text)
    with pytest.raises(InputError, match=f"{loss.name} compares two domains"):
        loss(domains().source, SOURCE_LABELS)


@every_alignment
def test_the_text_reads_back(text: str) -> None:
    term = parse_term(f"0.25*{text}@feature")
    again = parse_term(str(term))
    assert str(again) == str(term) == f"0.25*{text}@feature"
    assert (again.weight, again.space, again.loss.options) == (0.25, "feature", term.loss.options)


@every_alignment
def test_unknown_options_are_refused(text: str) -> None:
    with pytest.raises(TypeError):
        type(unbound(text))(sharpness=2)


@every_alignment
def test_the_state_goes_there_and_back(text: str) -> None:
    loss = made(text)
    loss.align(domains())
    other = unbound(text)
    other.bind(CLASSES, DIMENSION, seed=1)
    other.load_state_dict(loss.state_dict())
    for each in (loss, other):
        each.reseed(5)
    assert torch.equal(other.align(domains(seed=1)), loss.align(domains(seed=1)))


@every_alignment
def test_the_same_seed_draws_the_same(text: str) -> None:
    loss, given = made(text), domains()
    values = []
    for seed in (3, 4, 3):
        loss.reseed(seed)
        values.append(float(loss.align(given).detach()))
    assert values[0] == values[2]
    assert (values[0] != values[1]) == ("sliced" in text)


@every_alignment
def test_the_global_random_numbers_stay_as_they_are(text: str) -> None:
    before = torch.get_rng_state()
    made(text).align(domains())
    assert torch.equal(torch.get_rng_state(), before)
