"""Consistency: what counts in its mean, ties of pseudo-labels, where it can stand."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from tests.losses.test_every_agreement import CLASSES, SAMPLES, pair
from torch.nn import functional

from spacewise.errors import InputError
from spacewise.losses.consistency import Consistency, consistency
from spacewise.nets.chain import Chain, output_sizes
from spacewise.objective import Objective


def test_worked_out_by_hand() -> None:
    """Two samples, one confident: log 2 for the soft label, log 4/3 for the hard one, half of it in the mean."""
    logits = torch.tensor([[math.log(3.0), 0.0], [5.0, -5.0]], dtype=torch.float64)
    targets = torch.tensor([[0.75, 0.25], [0.5, 0.5]], dtype=torch.float64)
    confident = torch.tensor([True, False])
    entropy = -0.75 * math.log(0.75) - 0.25 * math.log(0.25)
    assert float(consistency(logits, targets, confident)) == pytest.approx(entropy / 2)
    assert float(consistency(logits, targets, confident, hard=True)) == pytest.approx(math.log(4 / 3) / 2)


@pytest.mark.parametrize("seed", range(5))
def test_hard_is_the_crossentropy_of_confident_samples_over_all(seed: int) -> None:
    views = pair(30, seed=seed)
    each = functional.cross_entropy(views.first, views.targets.argmax(dim=1), reduction="none")
    expected = each[views.confident].sum() / len(each)
    torch.testing.assert_close(consistency(views.first, views.targets, views.confident, hard=True), expected)


def test_soft_labels_that_are_sure_are_hard() -> None:
    views = pair()
    sure = functional.one_hot(views.targets.argmax(dim=1), CLASSES).double()
    soft, hard = (consistency(views.first, sure, views.confident, hard=hard) for hard in (False, True))
    torch.testing.assert_close(soft, hard)


def test_a_soft_label_is_met_by_its_own_probabilities() -> None:
    """The least value is the entropy of the pseudo-labels, and the gradient there is zero."""
    views, everyone = pair(), torch.ones(SAMPLES, dtype=torch.bool)
    logits = views.targets.log().requires_grad_()
    value = consistency(logits, views.targets, everyone)
    torch.testing.assert_close(value.detach(), -(views.targets * views.targets.log()).sum(dim=1).mean())
    assert torch.autograd.grad(value, logits)[0].abs().max() < 1e-15


@pytest.mark.parametrize("hard", [False, True])
def test_none_confident_is_zero_with_a_gradient_of_zero(hard: bool) -> None:
    views = pair()
    value = consistency(views.first, views.targets, torch.zeros(SAMPLES, dtype=torch.bool), hard=hard)
    (gradient,) = torch.autograd.grad(value, views.first)
    assert float(value.detach()) == 0
    assert not gradient.any()


@pytest.mark.parametrize("hard", [False, True])
def test_only_confident_samples_get_a_gradient(hard: bool) -> None:
    views = pair()
    value = consistency(views.first, views.targets, views.confident, hard=hard)
    (gradient,) = torch.autograd.grad(value, views.first)
    assert torch.equal(gradient.any(dim=1), views.confident)


def test_of_equal_classes_the_first_is_the_hard_label() -> None:
    logits = torch.randn(3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    targets = torch.tensor([[0.4, 0.1, 0.4, 0.1], [0.0, 0.5, 0.0, 0.5], [0.25, 0.25, 0.25, 0.25]])
    value = consistency(logits, targets, torch.ones(3, dtype=torch.bool), hard=True)
    torch.testing.assert_close(value, functional.cross_entropy(logits, torch.tensor([0, 1, 0])))


def test_far_logits_stay_finite() -> None:
    views = pair(dtype=torch.float32)
    logits = (1e4 * views.first.detach()).requires_grad_()
    value = consistency(logits, views.targets, views.confident)
    (gradient,) = torch.autograd.grad(value, logits)
    assert value.isfinite()
    assert gradient.isfinite().all()


def test_the_second_view_is_not_looked_at() -> None:
    views = pair()
    value = Consistency().agree(views)
    torch.testing.assert_close(value, consistency(views.first, views.targets, views.confident))
    assert torch.autograd.grad(value, views.second, allow_unused=True) == (None,)


def test_a_space_that_holds_no_logits_is_refused(tiny_chain: Callable[..., Chain]) -> None:
    chain = tiny_chain()
    with pytest.raises(InputError, match="pseudo-labels of 3 classes, not a space of 16 dimensions: place it on the"):
        Objective("consistency@feature").bind(chain, 3, output_sizes(chain), unlabelled=True)
    Objective("consistency@classifier").bind(chain, 3, output_sizes(chain), unlabelled=True)


def test_confidence_of_other_samples_is_refused() -> None:
    views = pair()
    for confident in (views.confident[:4], views.confident[:, None]):
        with pytest.raises(InputError, match=r"consistency takes logits and targets \(sample, class\) of one shape"):
            consistency(views.first, views.targets, confident)
