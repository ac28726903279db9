"""Classification losses: extreme logits, values worked out by hand, other libraries, options."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from spacewise.errors import InputError
from spacewise.losses.additive_angular_margin import AdditiveAngularMargin, additive_angular_margin
from spacewise.losses.binary_crossentropy import BinaryCrossEntropy, binary_crossentropy
from spacewise.losses.crossentropy import CrossEntropy
from spacewise.losses.focal import Focal, focal
from spacewise.losses.guided_complement_entropy import GuidedComplementEntropy, guided_complement_entropy
from spacewise.losses.hinge import Hinge, hinge
from spacewise.losses.large_margin_cosine import LargeMarginCosine, large_margin_cosine
from spacewise.losses.loss import Loss
from spacewise.objective import parse_term

LOGITS: tuple[Loss, ...] = (
    CrossEntropy(0.1), BinaryCrossEntropy(), Focal(), Focal(0.3), Focal(0.0), Hinge(), Hinge("weston_watkins"),
    GuidedComplementEntropy(), GuidedComplementEntropy(0.01),
)  # fmt: skip
CLASSES, DIMENSION = 6, 16

on_logits = pytest.mark.parametrize("loss", LOGITS, ids=str)
DIRECTED: tuple[type[Loss], ...] = (LargeMarginCosine, AdditiveAngularMargin)
with_directions = pytest.mark.parametrize("kind", DIRECTED, ids=lambda kind: kind.name)


def batch(samples: int = 40, dimension: int = CLASSES, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(CLASSES, (samples,), generator=generator)
    return torch.randn(samples, dimension, generator=generator, dtype=torch.float64), labels


def bound(loss: Loss) -> Loss:
    loss.bind(CLASSES, DIMENSION)
    return loss


def directions(seed: int = 5) -> Tensor:
    """Of any length."""
    return torch.randn(CLASSES, DIMENSION, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# Every loss on logits


@on_logits
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [1e4, -1e4, 1e-30])
def test_extreme_logits(loss: Loss, dtype: torch.dtype, size: float) -> None:
    """The class, another or all of them far from the rest."""
    one = size * torch.eye(4, dtype=dtype)
    logits = torch.cat([one, torch.full_like(one, size), one.flip(0) - one]).requires_grad_()
    value = loss(logits, torch.tensor([0, 1, 3, 2] * 3))
    value.backward()
    assert value.isfinite()
    assert logits.grad.isfinite().all()


@on_logits
@pytest.mark.parametrize("column", range(CLASSES))
def test_nan_is_not_swallowed(loss: Loss, column: int) -> None:
    x, labels = batch()
    x[3, column] = math.nan
    assert loss(x, labels).isnan()


@on_logits
@pytest.mark.parametrize("shift", [-1000.0, 1000.0])
def test_a_shift_of_all_logits_changes_nothing(loss: Loss, shift: float) -> None:
    if isinstance(loss, BinaryCrossEntropy):
        pytest.skip("each logit counts by itself")
    x, labels = batch()
    torch.testing.assert_close(loss(x + shift, labels), loss(x, labels), rtol=1e-9, atol=1e-12)


@on_logits
def test_a_space_of_one_class_costs_nothing(loss: Loss) -> None:
    if isinstance(loss, BinaryCrossEntropy | GuidedComplementEntropy):
        pytest.skip("one logit is a decision of its own; no wrong classes")
    logits = torch.tensor([[3.0], [-2.0]], requires_grad=True)
    value = loss(logits, torch.tensor([0, 0]))
    value.backward()
    assert value == 0
    assert not logits.grad.any()


# Values worked out by hand


def test_values_worked_out_by_hand() -> None:
    logits = torch.tensor([[0.0, math.log(3), 0.0], [2.0, 0.0, 1.5]], dtype=torch.float64)  # p = 1/5, 3/5, 1/5
    one, label = logits[:1], torch.tensor([1])
    assert float(focal(one, label)) == pytest.approx(0.4**2 * math.log(5 / 3))
    assert float(guided_complement_entropy(one, label)) == pytest.approx(
        -((0.6 + 1e-7) ** 0.333) * math.log(2) / math.log(3), rel=1e-12
    )
    smoothed = 0.8 * math.log(5 / 3) + 0.1 * 2 * math.log(5)  # smoothing 0.3: 0.1 on every class, 0.7 more on one
    assert float(CrossEntropy(0.3)(one, label)) == pytest.approx(smoothed)
    assert float(binary_crossentropy(one, label)) == pytest.approx(math.log(4 / 3) + 2 * math.log(2))
    labels = torch.tensor([1, 0])
    above = [1 - math.log(3), 1 - math.log(3)], [-1.0, 0.5]
    assert float(hinge(logits, labels)) == pytest.approx((max(0, *above[0]) + 0.5) / 2)
    assert float(hinge(logits, torch.tensor([0, 2]), form="weston_watkins")) == pytest.approx(
        (1 + math.log(3) + 1 + 1.5) / 2
    )


def test_margins_of_angles_worked_out_by_hand() -> None:
    places = torch.tensor([[2.0, 0.0], [0.0, 0.5]], dtype=torch.float64)
    for degrees in (0, 20, 90, 150, 180):
        t = math.radians(degrees)
        x = 3 * torch.tensor([[math.cos(t), math.sin(t)]], dtype=torch.float64)
        beyond = math.cos(t) - 0.6 * math.sin(0.6)
        widened = math.cos(t + 0.6) if t + 0.6 <= math.pi else beyond
        expected = math.log1p(math.exp(2 * (math.sin(t) - widened)))
        assert float(additive_angular_margin(x, torch.tensor([0]), places, margin=0.6, scale=2)) == pytest.approx(
            expected, rel=1e-12
        )
        expected = math.log1p(math.exp(2 * (math.sin(t) - math.cos(t) + 0.6)))
        assert float(large_margin_cosine(x, torch.tensor([0]), places, margin=0.6, scale=2)) == pytest.approx(
            expected, rel=1e-12
        )


# What each has of its own


def test_crossentropy_without_options_is_written_as_ever() -> None:
    assert str(CrossEntropy() @ "classifier") == "crossentropy@classifier"
    assert str(CrossEntropy(0.1) @ "classifier") == "crossentropy(smoothing=0.1)@classifier"
    assert parse_term("crossentropy@classifier").loss.options == {"smoothing": 0.0}


def test_focal_of_gamma_zero_is_crossentropy() -> None:
    x, labels = batch()
    torch.testing.assert_close(focal(x, labels, gamma=0.0), functional.cross_entropy(x, labels), rtol=1e-12, atol=0)


@pytest.mark.parametrize("gamma", [0.3, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("gap", [-700.0, -90.0, 0.0, 10.0, 30.0])
def test_focal_of_one_logit_has_its_gradient(gamma: float, gap: float) -> None:
    """Of two classes and a logit `gap` above the other: d/dz = gamma p q^gamma log p - q^(gamma + 1)."""
    logits = torch.tensor([[gap, 0.0]], dtype=torch.float64, requires_grad=True)
    focal(logits, torch.tensor([0]), gamma=gamma).backward()
    log_p, log_q = -math.log1p(math.exp(-gap)), -math.log1p(math.exp(gap))
    expected = gamma * math.exp(log_p + gamma * log_q) * log_p - math.exp((gamma + 1) * log_q)
    # log p is held to 1e-16, no better, where p is near one
    assert float(logits.grad[0, 0]) == pytest.approx(expected, rel=1e-9, abs=1e-16)
    assert float(logits.grad.sum()) == pytest.approx(0, abs=1e-12)


@given(st.lists(st.floats(-20, 20), min_size=3, max_size=6), st.floats(0.01, 3))
def test_guided_complement_entropy_lies_between_its_ends(row: list[float], alpha: float) -> None:
    value = float(guided_complement_entropy(torch.tensor([row]).double(), torch.tensor([1]), alpha=alpha))
    assert -math.log(len(row) - 1) / math.log(len(row)) * (1 + 1e-7) ** alpha - 1e-12 <= value <= 0


def test_guided_complement_entropy_falls_to_the_right_class_and_to_equal_wrong_ones() -> None:
    logits = torch.tensor([[1.0, 2.0, 0.0, 0.5]], requires_grad=True)
    guided_complement_entropy(logits, torch.tensor([0])).backward()
    (gradient,) = logits.grad
    assert gradient[0] < 0  # a step down raises the right class,
    assert gradient[1] > 0  # lowers the likeliest wrong one
    assert (gradient[2:] < 0).all()  # and raises the others


@pytest.mark.parametrize("classes", [1, 2])
def test_guided_complement_entropy_needs_three_classes(classes: int) -> None:
    with pytest.raises(InputError, match=f"two wrong classes or more are needed: 3 in all, not {classes}"):
        GuidedComplementEntropy().bind(classes, 5)
    with pytest.raises(InputError, match=f"two wrong classes or more are needed: 3 in all, not {classes}"):
        guided_complement_entropy(torch.zeros(2, classes), torch.tensor([0, 0]))


# Directions


@with_directions
def test_directions_are_those_of_their_seed(kind: type[Loss]) -> None:
    drawn = []
    for seed in (0, 0, 1):
        loss = kind()
        loss.bind(CLASSES, DIMENSION, seed)
        assert list(loss.state_dict()) == ["directions"]
        drawn.append(loss.get_parameter("directions").detach())
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    torch.testing.assert_close(drawn[0].norm(dim=1), torch.ones(CLASSES))


@with_directions
def test_directions_need_their_classes(kind: type[Loss]) -> None:
    with pytest.raises(InputError, match=rf"{kind.name}: directions need bind\(classes, dimension\) before the first"):
        kind()(*batch())


@pytest.mark.parametrize("loss", [large_margin_cosine, additive_angular_margin])
def test_the_gradient_of_directions(loss: object) -> None:
    x, labels = batch(8, DIMENSION)
    places = directions().requires_grad_()
    assert torch.autograd.gradcheck(lambda x, places: loss(x, labels, places, scale=4.0), (x.requires_grad_(), places))


@with_directions
@pytest.mark.parametrize("column", [0, DIMENSION - 1])
def test_nan_in_a_vector_is_not_swallowed(kind: type[Loss], column: int) -> None:
    x, labels = batch(dimension=DIMENSION)
    x[3, column] = math.nan
    assert bound(kind())(x, labels).isnan()


@with_directions
def test_lengths_do_not_matter(kind: type[Loss]) -> None:
    x, labels = batch(dimension=DIMENSION)
    loss = bound(kind())
    lengths = torch.linspace(1e-3, 1e3, len(x), dtype=torch.float64)[:, None]
    torch.testing.assert_close(loss(lengths * x, labels), loss(x, labels), rtol=1e-10, atol=0)


@with_directions
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("factor", [1.0, -1.0, 0.0])
def test_vectors_on_their_directions(kind: type[Loss], dtype: torch.dtype, factor: float) -> None:
    """At angles of zero and pi, where the angle of a cosine has no finite gradient; and zero vectors."""
    loss = bound(kind()).to(dtype)
    labels = torch.arange(CLASSES)
    x = (factor * loss.get_parameter("directions").detach()[labels]).requires_grad_()
    value = loss(x, labels)
    value.backward()
    assert value.isfinite()
    assert x.grad.isfinite().all()
    assert loss.get_parameter("directions").grad.isfinite().all()
    if factor:
        assert x.grad.abs().max() < 200  # of the order of the scale


@pytest.mark.parametrize("margin", [0.0, 0.2, 0.5, 1.0, math.pi / 2])
def test_the_loss_grows_with_the_angle(margin: float) -> None:
    """Also where the margin takes the angle beyond pi. The other class is at a right angle throughout."""
    t = torch.linspace(0, math.pi, 1001, dtype=torch.float64)
    x = torch.stack([t.cos(), t.sin(), torch.zeros_like(t)], dim=1)
    places = torch.eye(3, dtype=torch.float64)[[0, 2]]
    values = [float(additive_angular_margin(row[None], torch.tensor([0]), places, margin=margin, scale=4)) for row in x]
    assert all(later > earlier for earlier, later in pairwise(values))


# Other libraries


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.9])
def test_as_torch_smoothes(smoothing: float) -> None:
    x, labels = batch()
    expected = functional.cross_entropy(x, labels, label_smoothing=smoothing)
    torch.testing.assert_close(CrossEntropy(smoothing)(x, labels), expected)


@pytest.mark.parametrize("margin", [0.0, 1.0, 2.5])
def test_as_torch_has_the_hinge_of_weston_and_watkins(margin: float) -> None:
    """It divides by the number of classes."""
    x, labels = batch()
    expected = functional.multi_margin_loss(x, labels, margin=margin) * CLASSES
    torch.testing.assert_close(hinge(x, labels, form="weston_watkins", margin=margin), expected, rtol=1e-12, atol=0)


def test_as_scikit_learn_has_the_hinge_of_crammer_and_singer() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    x, labels = batch()
    expected = metrics.hinge_loss(labels.numpy(), x.numpy(), labels=range(CLASSES))
    assert float(hinge(x, labels)) == pytest.approx(expected, rel=1e-12)


def test_as_torch_has_binary_crossentropy() -> None:
    """It takes the mean over samples and classes."""
    x, labels = batch()
    own = functional.one_hot(labels, CLASSES).double()
    expected = functional.binary_cross_entropy_with_logits(x, own) * CLASSES
    torch.testing.assert_close(binary_crossentropy(x, labels), expected, rtol=1e-12, atol=0)


def test_as_the_released_guided_complement_entropy() -> None:
    """With its small numbers against division by zero: 1e-7 beside 1 - p_y, 1e-10 in the logarithm."""
    x, labels = batch()
    p = x.softmax(dim=1)
    own = p[torch.arange(len(x)), labels]
    q = p / (1 - own + 1e-7)[:, None]
    wrong = functional.one_hot(labels, CLASSES) == 0
    expected = ((own + 1e-7) ** 0.333 * (q * (q + 1e-10).log() * wrong).sum(dim=1)).mean() / math.log(CLASSES)
    torch.testing.assert_close(guided_complement_entropy(x, labels), expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize(("margin", "scale"), [(0.35, 64.0), (0.1, 8.0), (0.0, 1.0)])
@pytest.mark.parametrize("seed", [0, 1])
def test_as_pytorch_metric_learning_has_cosface(margin: float, scale: float, seed: int) -> None:
    peer = pytest.importorskip("pytorch_metric_learning.losses")
    theirs = peer.CosFaceLoss(CLASSES, DIMENSION, margin=margin, scale=scale)
    compare(LargeMarginCosine(margin, scale), theirs, seed)


@pytest.mark.parametrize(("margin", "scale"), [(0.5, 64.0), (1.4, 8.0), (0.1, 1.0)])
@pytest.mark.parametrize("seed", [0, 1])
def test_as_pytorch_metric_learning_has_arcface(margin: float, scale: float, seed: int) -> None:
    """Its margin is in degrees; a margin of 1.4 takes many samples beyond pi."""
    peer = pytest.importorskip("pytorch_metric_learning.losses")
    theirs = peer.ArcFaceLoss(CLASSES, DIMENSION, margin=math.degrees(margin), scale=scale)
    compare(AdditiveAngularMargin(margin, scale), theirs, seed)


def compare(mine: Loss, theirs: torch.nn.Module, seed: int) -> None:
    """Value and gradients of vectors and directions, from the same ones."""
    x, labels = batch(dimension=DIMENSION, seed=seed)
    x.requires_grad_()
    mine = bound(mine).double()
    mine.load_state_dict({"directions": directions()})
    theirs.W = torch.nn.Parameter(directions().T.clone())
    own = mine.get_parameter("directions")
    value, expected = mine(x, labels), theirs(x, labels)
    torch.testing.assert_close(value, expected, rtol=1e-10, atol=0)
    found, places = torch.autograd.grad(value, [x, own])
    expected_found, expected_places = torch.autograd.grad(expected, [x, theirs.W])
    torch.testing.assert_close(found, expected_found, rtol=1e-8, atol=1e-12)
    torch.testing.assert_close(places, expected_places.T, rtol=1e-8, atol=1e-12)


# Options


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (CrossEntropy, {"smoothing": 1}, "crossentropy: smoothing must be zero or more and below 1, not 1"),
        (CrossEntropy, {"smoothing": -0.1}, "crossentropy: smoothing must be zero or more and below 1, not -0.1"),
        (CrossEntropy, {"smoothing": math.nan}, "crossentropy: smoothing must be zero or more and below 1, not nan"),
        (CrossEntropy, {"smoothing": "no"}, "crossentropy: smoothing must be zero or more and below 1, not 'no'"),
        (Focal, {"gamma": -1.0}, "focal: gamma must be zero or more, not -1.0"),
        (Focal, {"gamma": math.inf}, "focal: gamma must be zero or more, not inf"),
        (Hinge, {"margin": -1}, "hinge: margin must be zero or more, not -1"),
        (Hinge, {"margin": None}, "hinge: margin must be zero or more, not None"),
        (Hinge, {"form": "crammer"}, "unknown form of hinge 'crammer': did you mean 'crammer_singer'?"),
        (GuidedComplementEntropy, {"alpha": 0}, "guided_complement_entropy: alpha must be above zero, not 0"),
        (GuidedComplementEntropy, {"alpha": "a"}, "guided_complement_entropy: alpha must be above zero, not 'a'"),
        (LargeMarginCosine, {"margin": -0.1}, "large_margin_cosine: margin must lie between 0 and 2, not -0.1"),
        (LargeMarginCosine, {"margin": 2.1}, "large_margin_cosine: margin must lie between 0 and 2, not 2.1"),
        (LargeMarginCosine, {"scale": 0}, "large_margin_cosine: scale must be above zero, not 0"),
        (LargeMarginCosine, {"scale": math.inf}, "large_margin_cosine: scale must be above zero, not inf"),
        (AdditiveAngularMargin, {"margin": 28.6},
         "additive_angular_margin: margin must lie between 0 and pi / 2 radians, not 28.6"),
        (AdditiveAngularMargin, {"margin": math.nan},
         "additive_angular_margin: margin must lie between 0 and pi / 2 radians, not nan"),
        (AdditiveAngularMargin, {"scale": "64"}, "additive_angular_margin: scale must be above zero, not '64'"),
    ],
)  # fmt: skip
def test_bad_options_are_refused(kind: type[Loss], options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as caught:
        kind(**options)
    assert message in str(caught.value)


def test_an_unknown_form_is_refused_by_the_function() -> None:
    with pytest.raises(InputError, match="unknown form of hinge 'largest'"):
        hinge(*batch(), form="largest")
