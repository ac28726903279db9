"""Triplet losses: larger and uneven batches, pytorch-metric-learning, extremes, memory, options."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from tests.losses.largest import Largest
from tests.losses.naive_triplet import NAIVE
from torch import Tensor
from torch.nn import functional

from spacewise.errors import InputError
from spacewise.losses.hinge_triplet import HingeTriplet, hinge_triplet
from spacewise.losses.loss import Loss
from spacewise.losses.smooth_triplet import SmoothTriplet, smooth_triplet
from spacewise.losses.triplets import BLOCK, WHOLE
from spacewise.objective import parse_term

# (classes, samples): both sides of the size up to which a batch is one block, several blocks, all sizes of class
BATCHES = [(3, WHOLE), (3, WHOLE + 1), (2, 60), (7, 150), (40, 90)]
KINDS: tuple[Loss, ...] = (
    SmoothTriplet(),
    SmoothTriplet(normalise=False),
    HingeTriplet(),
    HingeTriplet(average="violating"),
    HingeTriplet(triplets="semihard"),
    HingeTriplet(triplets="hard"),
    HingeTriplet(triplets="easy_positive"),
)

every_kind = pytest.mark.parametrize("loss", KINDS, ids=str)
every_batch = pytest.mark.parametrize(("classes", "samples"), BATCHES)


def batch(classes: int, samples: int, dimension: int = 6, spread: float = 1.0) -> tuple[Tensor, Tensor]:
    """Vectors around the centres of classes of uneven size, one of them with one sample; float64."""
    generator = torch.Generator().manual_seed(samples)
    shares = 1 / torch.arange(1.0, classes)
    labels = torch.multinomial(shares, samples, replacement=True, generator=generator)
    labels[samples // 2] = classes - 1
    centers = torch.randn(classes, dimension, generator=generator, dtype=torch.float64)
    noise = torch.randn(samples, dimension, generator=generator, dtype=torch.float64)
    return centers[labels] + spread * noise, labels


def expected(loss: Loss, x: Tensor, labels: Tensor) -> Tensor:
    """The formula on a tensor of all triplets."""
    o = {"triplets": "all", "average": "all", "scale": 1.0, "margin": 0.0} | loss.options
    x = (functional.normalize(x) if loss.options["normalise"] else x) * o["scale"]
    distance = (x[:, None] - x[None]).square().sum(dim=2)
    same = labels[:, None] == labels[None]
    positive = same & ~torch.eye(len(x), dtype=torch.bool)
    gaps, there = distance[:, :, None] - distance[:, None, :], positive[:, :, None] & ~same[:, None, :]
    if loss.name == "smooth_triplet":
        return torch.logaddexp(gaps, torch.zeros_like(gaps))[there].mean()
    if o["triplets"] == "semihard":
        there = there & (gaps < 0) & (gaps > -o["margin"])
    terms = (gaps + o["margin"]).relu()[there]
    if o["triplets"] in ("hard", "easy_positive"):
        hardest = distance.masked_fill(same, math.inf).amin(1)
        mine = (
            distance.masked_fill(~positive, -math.inf).amax(1)
            if o["triplets"] == "hard"
            else distance.masked_fill(~positive, math.inf).amin(1)
        )
        terms = (mine - hardest + o["margin"])[positive.any(1)].relu()
    return terms[terms > 0].mean() if o["average"] == "violating" else terms.mean()


def value_and_gradient(loss: Any, x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    x = x.detach().requires_grad_()
    value = loss(x, labels)
    (gradient,) = torch.autograd.grad(value, x)
    return value.detach(), gradient


@every_kind
@every_batch
def test_larger_batches_of_uneven_classes(loss: Loss, classes: int, samples: int) -> None:
    x, labels = batch(classes, samples)
    found = value_and_gradient(loss, x, labels)
    wanted = value_and_gradient(lambda x, labels: expected(loss, x, labels), x, labels)
    torch.testing.assert_close(found, wanted, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("text", NAIVE)
def test_the_loops_agree_beyond_one_block(text: str) -> None:
    x, labels = batch(5, WHOLE + 5, dimension=3)
    value = parse_term(f"{text}@x").loss(x, labels)
    assert float(value.detach()) == pytest.approx(NAIVE[text](x.tolist(), labels.tolist()), rel=1e-12)


@every_kind
def test_the_gradient_beyond_one_block_as_finite_differences(loss: Loss) -> None:
    x, labels = batch(4, WHOLE + 1, dimension=2)
    assert torch.autograd.gradcheck(lambda x: loss(x, labels), x.requires_grad_())


def test_a_batch_takes_several_blocks() -> None:
    labels = torch.arange(150) % 2
    assert 4 * BLOCK < 150 * 74 * 75
    x = batch(2, 150)[0]
    torch.testing.assert_close(SmoothTriplet()(x, labels), expected(SmoothTriplet(), x, labels), rtol=1e-12, atol=0)


@every_kind
@every_batch
def test_float32_is_near_float64(loss: Loss, classes: int, samples: int) -> None:
    if loss.options.get("triplets") == "semihard":
        pytest.skip("which triplets are semihard changes with the last digit of a distance")
    x, labels = batch(classes, samples)
    x = x.float()
    found, gradient = value_and_gradient(loss, x, labels)
    wanted, exact = value_and_gradient(loss, x.double(), labels)
    assert found.dtype == torch.float32
    assert float(found) == pytest.approx(float(wanted), rel=2e-6)
    torch.testing.assert_close(gradient.double(), exact, rtol=1e-3, atol=1e-5 * float(exact.abs().max()))


@every_kind
def test_the_labels_are_only_names(loss: Loss) -> None:
    for classes, samples in ((3, 20), (5, 70)):
        x, labels = batch(classes, samples)
        renamed = torch.tensor([70, -3, 10**9, 4, 0])[labels]
        torch.testing.assert_close(loss(x, renamed), loss(x, labels), rtol=1e-12, atol=0)


@every_kind
@pytest.mark.parametrize("labels", [torch.zeros(60), torch.arange(60), torch.zeros(9), torch.arange(9)])
def test_without_a_triplet_nothing_moves(loss: Loss, labels: Tensor) -> None:
    value, gradient = value_and_gradient(loss, torch.randn(len(labels), 3), labels.long())
    assert float(value) == 0
    assert not gradient.any()


# Extremes


@every_kind
@pytest.mark.parametrize("samples", [10, 60])
@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_what_is_not_finite_stays_so(loss: Loss, samples: int, wrong: float) -> None:
    x, labels = batch(3, samples)
    x[0, 0] = wrong
    assert loss(x, labels).isnan()


@pytest.mark.parametrize("samples", [20, 60])
@pytest.mark.parametrize("size", [1e-3, 1.0, 6.0, 8.0, 10.0, 100.0, 1e4])
def test_distances_of_any_size(samples: int, size: float) -> None:
    """Also about the range beyond which an exponential of float32 overflows."""
    x, labels = batch(3, samples)
    x = (x * size).float()
    value, gradient = value_and_gradient(lambda *b: smooth_triplet(*b, scale=1.0, normalise=False), x, labels)
    loss = SmoothTriplet(scale=1.0, normalise=False)
    wanted, exact = value_and_gradient(lambda x, labels: expected(loss, x, labels), x.double(), labels)
    assert float(value) == pytest.approx(float(wanted), rel=1e-5)
    torch.testing.assert_close(gradient.double(), exact, rtol=1e-2, atol=1e-5 * float(exact.abs().max()))


@pytest.mark.parametrize("samples", [20, 60])
def test_a_small_loss_keeps_its_digits(samples: int) -> None:
    labels = torch.arange(samples) % 2
    x = functional.one_hot(labels, 8).double() + 0.01 * batch(2, samples, dimension=8)[0]
    value = smooth_triplet(x.float(), labels, scale=3.0)
    wanted = expected(SmoothTriplet(scale=3.0), x.float().double(), labels)
    assert 1e-9 < float(wanted) < 1e-7  # below the last digit of 1 in float32
    assert float(value) == pytest.approx(float(wanted), rel=1e-5)


def test_worked_out_by_hand() -> None:
    """On a line at 0, 1 | 3: d = 1 and 9, 1 and 4; the sample alone in its class anchors nothing."""
    x, labels = torch.tensor([[0.0], [1.0], [3.0]], dtype=torch.float64), torch.tensor([0, 0, 1])
    smooth = smooth_triplet(x, labels, scale=1.0, normalise=False)
    assert float(smooth) == pytest.approx((math.log1p(math.exp(-8)) + math.log1p(math.exp(-3))) / 2, rel=1e-12)
    hinge = {"margin": 4.0, "normalise": False}
    assert float(hinge_triplet(x, labels, **hinge)) == pytest.approx(0.5, rel=1e-12)
    assert float(hinge_triplet(x, labels, average="violating", **hinge)) == pytest.approx(1.0, rel=1e-12)
    assert float(hinge_triplet(x, labels, triplets="semihard", **hinge)) == pytest.approx(1.0, rel=1e-12)


def test_the_scale_is_learnt() -> None:
    x, labels = batch(3, 30)
    loss = SmoothTriplet(scale=2.0, learnt_scale=True)
    assert [(name, values.shape) for name, values in loss.named_parameters()] == [("scale", ())]
    loss(x, labels).backward()
    step = 1e-6
    rise = smooth_triplet(x, labels, scale=2 + step) - smooth_triplet(x, labels, scale=2 - step)
    assert float(loss.scale.grad) == pytest.approx(float(rise) / (2 * step), rel=1e-5)
    assert not list(SmoothTriplet().parameters())


# Another library


def peer(margin: float = 0.0, smooth: bool = False, mean: bool = True, power: int = 2) -> Any:
    losses = pytest.importorskip("pytorch_metric_learning.losses")
    reducers = pytest.importorskip("pytorch_metric_learning.reducers")
    reducer = reducers.MeanReducer() if mean else reducers.AvgNonZeroReducer()
    return losses.TripletMarginLoss(margin, smooth_loss=smooth, distance=lengths(), reducer=reducer)


def lengths() -> Any:
    return pytest.importorskip("pytorch_metric_learning.distances").LpDistance(power=2)


@every_batch
@pytest.mark.parametrize("mean", [True, False])
def test_as_pytorch_metric_learning(classes: int, samples: int, mean: bool) -> None:
    x, labels = batch(classes, samples)
    smooth = value_and_gradient(lambda *b: smooth_triplet(*b, scale=1.0), x, labels)
    torch.testing.assert_close(smooth, value_and_gradient(peer(smooth=True), x, labels))
    hinge = HingeTriplet(average="all" if mean else "violating")
    torch.testing.assert_close(
        value_and_gradient(hinge, x, labels), value_and_gradient(peer(0.2, mean=mean), x, labels)
    )


@every_batch
def test_semihard_as_pytorch_metric_learning(classes: int, samples: int) -> None:
    """Its definition includes both ends, which distances of real numbers do not meet."""
    miners = pytest.importorskip("pytorch_metric_learning.miners")
    x, labels = batch(classes, samples)
    miner = miners.TripletMarginMiner(0.2, "semihard", distance=lengths())
    mined = value_and_gradient(lambda x, labels: peer(0.2)(x, labels, miner(x, labels)), x, labels)
    torch.testing.assert_close(value_and_gradient(HingeTriplet(triplets="semihard"), x, labels), mined)


@every_batch
def test_hard_as_pytorch_metric_learning(classes: int, samples: int) -> None:
    miners = pytest.importorskip("pytorch_metric_learning.miners")
    x, labels = batch(classes, samples)
    miner = miners.BatchHardMiner(distance=lengths())
    mined = value_and_gradient(lambda x, labels: peer(0.2)(x, labels, miner(x, labels)), x, labels)
    torch.testing.assert_close(value_and_gradient(HingeTriplet(triplets="hard"), x, labels), mined)


# Memory


@every_kind
@pytest.mark.parametrize("classes", [2, 10, 256])
def test_memory_grows_with_the_square_of_the_batch(loss: Loss, classes: int) -> None:
    """Of 512 samples in ten classes there are 12 million triplets, in two classes 33 million."""
    samples = 512
    x = torch.randn(samples, 8, generator=torch.Generator().manual_seed(0)).requires_grad_()
    with Largest() as largest:
        loss(x, torch.arange(samples) % classes).backward()
    assert 0 < largest.elements <= max(2 * BLOCK, samples**2)
    assert x.grad.isfinite().all()


# Options


@pytest.mark.parametrize(
    ("kind", "options", "line"),
    [
        (SmoothTriplet, {"scale": 0.0}, "smooth_triplet: scale must be above zero, not 0.0"),
        (SmoothTriplet, {"scale": "4"}, "smooth_triplet: scale must be above zero, not '4'"),
        (SmoothTriplet, {"learnt_scale": 1}, "smooth_triplet: learnt_scale must be True or False, not 1"),
        (SmoothTriplet, {"normalise": "no"}, "smooth_triplet: normalise must be True or False, not 'no'"),
        (HingeTriplet, {"margin": -0.1}, "hinge_triplet: margin must be zero or more, not -0.1"),
        (HingeTriplet, {"margin": math.nan}, "hinge_triplet: margin must be zero or more, not nan"),
        (HingeTriplet, {"triplets": "semi"}, "unknown triplets of hinge_triplet 'semi': did you mean 'semihard'"),
        (
            HingeTriplet,
            {"average": "violated"},
            "unknown average of hinge_triplet 'violated': did you mean 'violating'",
        ),
        (HingeTriplet, {"normalise": None}, "hinge_triplet: normalise must be True or False, not None"),
    ],
)
def test_wrong_options_are_named(kind: type[Loss], options: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError) as error:
        kind(**options)
    assert str(error.value).startswith(line)
