"""Maximum mean discrepancy: its gradient, golden values, domains that collapse, bad bandwidths."""

from __future__ import annotations

import math

import pytest
import torch
from tests.losses.naive_alignments import HELD, NAIVE, discrepancy, sampled, typical
from tests.losses.two_domains import differences, domains, made, placed, value_and_gradients

from spacewise.errors import InputError
from spacewise.losses import MaximumMeanDiscrepancy, maximum_mean_discrepancy


@pytest.mark.parametrize("text", HELD)
def test_the_gradient_of_the_discrepancy_holds_the_scale(text: str) -> None:
    given, loss = domains(), made(text)
    _, gradients = value_and_gradients(loss, given)
    scale = typical(given.source.tolist() + sampled(given))

    def value() -> float:
        return discrepancy(given.source.tolist(), sampled(given), loss.options["bandwidths"], scale)

    for vectors, gradient in zip((given.source, given.target), gradients, strict=True):
        torch.testing.assert_close(gradient, differences(value, vectors.detach()), rtol=1e-6, atol=1e-9)


def test_the_discrepancy_of_golden_values() -> None:
    """Two single samples: 2 - 2 exp(-1 / b), whatever their distance."""
    given = domains(1, 1)
    for far in (1e-3, 1.0, 1e3):
        pair = placed(given, torch.zeros(1, 2), torch.tensor([[0.0, far]]))
        value = MaximumMeanDiscrepancy(bandwidths=(0.5,)).align(pair)
        assert float(value.detach()) == pytest.approx(2 - 2 * math.exp(-2), rel=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_discrepancy_where_most_pairs_coincide(dtype: torch.dtype) -> None:
    """The median is zero or rounding: the mean takes its place, and the collapsed domain is pulled."""
    given = domains(12, 4, dtype=dtype)  # of the target two are sampled
    collapsed = torch.full_like(given.source, 0.1)
    given = placed(given, collapsed, given.target)
    value, gradients = value_and_gradients(made("maximum_mean_discrepancy"), given)
    expected = NAIVE["maximum_mean_discrepancy"](given, made("maximum_mean_discrepancy"))
    assert float(value) == pytest.approx(expected, rel=1e-5)
    assert float(gradients[1].norm()) > 0.01


def test_the_discrepancy_of_one_place_is_zero_also_where_dimensions_differ_in_scale() -> None:
    """There lengths and products of the same vector round apart, and the median would be that rounding."""
    random = torch.Generator().manual_seed(0)
    for count in range(4, 40):
        place = torch.randn(1, 64, generator=random) * torch.logspace(-2, 2, 64)
        assert float(maximum_mean_discrepancy(place.expand(count, -1), place.expand(3, -1))) == 0


@pytest.mark.parametrize("bandwidths", [(), (0.0,), (1.0, -1.0), (math.nan,), (math.inf,), 1.0, "12", ("1",), None])
def test_bandwidths_that_are_none_are_refused(bandwidths: object) -> None:
    with pytest.raises(InputError, match="bandwidths must be numbers above zero"):
        MaximumMeanDiscrepancy(bandwidths=bandwidths)  # type: ignore[arg-type]
