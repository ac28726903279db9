"""Correlation alignment: the covariance that it takes, and what it does not see."""

from __future__ import annotations

import pytest
import torch
from tests.losses.two_domains import DIMENSION, domains

from spacewise.losses import coral


def test_coral_as_numpy_has_the_covariance() -> None:
    given = domains(40, 30)
    one, other = (torch.cov(values.detach().T) for values in (given.source, given.target))
    expected = (one - other).square().sum() / (4 * DIMENSION**2)
    torch.testing.assert_close(coral(given.source, given.target).detach(), expected)


def test_coral_does_not_see_a_shift() -> None:
    given = domains()
    assert float(coral(given.source, given.source + 7.0).detach()) == pytest.approx(0, abs=1e-25)
