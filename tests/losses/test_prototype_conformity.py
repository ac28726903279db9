"""Prototype conformity: values worked out by hand, how its centres move, what it reports; complement entropy."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from spacewise.errors import InputError
from spacewise.losses import ComplementEntropy, PrototypeConformity, complement_entropy
from spacewise.losses.prototype_conformity import DECAY, printed, released

POINTS = torch.tensor([[3.0, 4.0], [0.0, 0.0]], dtype=torch.float64)
LABELS = torch.tensor([0, 1])
CENTERS = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]], dtype=torch.float64)


def bound(**options: object) -> PrototypeConformity:
    loss = PrototypeConformity(**options)
    loss.bind(3, 2)
    return loss.double()


def test_golden_values_of_the_printed_form() -> None:
    pulled, pushed = printed(POINTS, LABELS, CENTERS)
    assert float(pulled) == pytest.approx((5 + 3) / 2)
    # the first sample to centres 1 and 2: 4 and 3; centre 0 to them: 3 and 4. The second: 0 and 4; centre 1: 3 and 5.
    assert float(pushed) == pytest.approx(((4 + 3 + 3 + 4) / 2 + (0 + 4 + 3 + 5) / 2) / 2)


def test_golden_values_of_the_released_form() -> None:
    pulled, pushed = released(POINTS, LABELS, CENTERS, CENTERS.flip(0))
    assert float(pulled) == pytest.approx((25 + 9) / 2)
    # flipped, the others of the first sample are (3, 0) and (0, 0), of the second (0, 4) and (0, 0)
    assert float(pushed) == pytest.approx((16 + 25 + 16 + 0) / 4)


def test_the_printed_form_pulls_what_it_pushes_in_the_released_one() -> None:
    """Both forms shrink when a sample moves to its own centre, and grow when it moves to another's."""
    for form in ("printed", "released"):
        loss = bound(form=form, push=0.1).eval()
        own, other = loss.centers[:1].clone(), loss.centers[1:2].clone()
        assert float(loss(own, LABELS[:1])) < float(loss(other, LABELS[:1]))


@pytest.mark.parametrize("options", [{}, {"push": 0.25}, {"form": "released", "push": 0.5, "push_rate": 0.01}])
def test_centres_take_a_step_of_gradient_descent_of_their_own(options: dict[str, object]) -> None:
    """As an SGD with learnt centres would, whatever the weight of the term."""
    loss = bound(**options)
    before = [buffer.clone() for buffer in loss.buffers() if buffer.numel()]
    leaves = [nn.Parameter(buffer.clone()) for buffer in before]
    loss(POINTS, LABELS)
    parts = printed if options.get("form") != "released" else released
    pulled, pushed = parts(POINTS, LABELS, *leaves)
    share = float(options.get("push", 1.0)) if parts is printed else 1.0
    (pulled - share * pushed).backward()
    rates = (0.5, float(options.get("push_rate", 1e-4)))
    decay = DECAY if parts is printed else 0.0
    after = [buffer for buffer in loss.buffers() if buffer.numel()]
    for start, leaf, rate, now in zip(before, leaves, rates, after, strict=False):
        torch.testing.assert_close(now, start - rate * (leaf.grad + decay * start))


def test_centres_stay_in_evaluation() -> None:
    loss = bound().eval()
    before = loss.centers.clone()
    loss(POINTS, LABELS)
    assert torch.equal(loss.centers, before)


def test_what_it_pulls_and_pushes_is_reported() -> None:
    loss = bound(push=0.25)
    value = loss(POINTS.requires_grad_(), LABELS)
    pulled, pushed = loss.reported["pulled"], loss.reported["pushed"]
    assert not pulled.requires_grad
    assert float(value.detach()) == pytest.approx(float(pulled - 0.25 * pushed))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"form": "print"}, "printed"),
        ({"rate": -1.0}, "rate must be a number, zero or more"),
        ({"push": math.inf}, "push must be a number"),
        ({"push_rate": 0.1}, "push_rate belongs to form='released'"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        PrototypeConformity(**options)


def test_without_classes_to_push_it_is_refused() -> None:
    with pytest.raises(InputError, match="two or more"):
        PrototypeConformity().bind(1, 4)
    with pytest.raises(InputError, match="need bind"):
        PrototypeConformity()(POINTS, LABELS)


def test_complement_entropy_lies_between_none_and_the_largest() -> None:
    even = torch.zeros(2, 5)
    sharp = torch.tensor([[0.0, 50.0, 0.0, 0.0, 0.0]])
    labels = torch.tensor([0, 3])
    assert float(complement_entropy(even, labels)) == pytest.approx(-math.log(4))
    assert float(complement_entropy(even, labels, form="released")) == pytest.approx(-math.log(4) / 5)
    assert float(complement_entropy(sharp, labels[:1])) == pytest.approx(0, abs=1e-6)


def test_complement_entropy_says_nothing_of_the_true_class() -> None:
    """However sure the network is: the released code divides by 1 - p, which is zero there."""
    logits = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 1, 2, 3, 4, 0])
    sure = logits + 1e4 * nn.functional.one_hot(labels, 5)
    torch.testing.assert_close(complement_entropy(sure, labels), complement_entropy(logits, labels))


def test_complement_entropy_is_the_released_one() -> None:
    """Its formula, with its two constants against zero, on ten classes."""
    logits = torch.randn(16, 10, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    labels = torch.randint(0, 10, (16,), generator=torch.Generator().manual_seed(2))
    p = logits.softmax(dim=1)
    q = p / (1 - p.gather(1, labels[:, None]) + 1e-7)
    wrong = 1 - nn.functional.one_hot(labels, 10)
    expected = (q * (q + 1e-10).log() * wrong).sum() / 16 / 10
    assert float(complement_entropy(logits, labels, form="released")) == pytest.approx(float(expected), rel=1e-5)


def test_complement_entropy_passes_nan_on() -> None:
    logits = torch.zeros(2, 4)
    logits[0, 1] = math.nan
    assert complement_entropy(logits, torch.tensor([1, 0])).isnan()
    assert complement_entropy(logits, torch.tensor([0, 0])).isnan()


def test_complement_entropy_needs_three_classes_and_a_form() -> None:
    with pytest.raises(InputError, match="expected 3 or more"):
        ComplementEntropy().bind(2, 2)
    with pytest.raises(InputError, match="printed"):
        ComplementEntropy("print")
