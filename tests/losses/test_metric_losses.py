"""Metric-learning losses: larger batches, values worked out by hand, other libraries, memory, options."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable

import pytest
import torch
from tests.losses.largest import Largest
from torch import Tensor
from torch.nn import functional

from spacewise.errors import InputError
from spacewise.losses.angular import Angular, angular
from spacewise.losses.lifted_structure import LiftedStructure, lifted_structure
from spacewise.losses.loss import Loss
from spacewise.losses.margin import Margin, distance_weights, margin
from spacewise.losses.npair import NPair, npair
from spacewise.losses.proxy_nca import ProxyNCA, proxy_nca
from spacewise.losses.supcon import SupCon, supcon

KINDS: tuple[type[Loss], ...] = (NPair, LiftedStructure, Margin, Angular, ProxyNCA, SupCon)
CLASSES, DIMENSION = 7, 32

every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


def bound(loss: Loss, classes: int = CLASSES, dimension: int = DIMENSION) -> Loss:
    loss.bind(classes, dimension)
    return loss


def batch(samples: int = 60, seed: int = 0, spread: float = 0.5) -> tuple[Tensor, Tensor]:
    """Vectors around the centres of uneven classes, some with one sample; float64."""
    generator = torch.Generator().manual_seed(seed)
    shares = torch.tensor([0.4, 0.25, 0.15, 0.1, 0.05, 0.03, 0.02])
    labels = torch.multinomial(shares, samples, replacement=True, generator=generator)
    centers = torch.randn(CLASSES, DIMENSION, generator=generator, dtype=torch.float64)
    noise = torch.randn(samples, DIMENSION, generator=generator, dtype=torch.float64)
    return (centers[labels] + spread * noise) / DIMENSION**0.25, labels


# Larger batches, against formulas that hold a tensor of triplets


def pairs_and_negatives(labels: Tensor) -> tuple[Tensor, Tensor]:
    same = labels[:, None] == labels[None, :]
    return same & ~torch.eye(len(labels), dtype=torch.bool), ~same


def over_triplets(exponents: Tensor, labels: Tensor) -> Tensor:
    """Mean over pairs of log(1 + sum_n exp), from exponents (anchor, positive, negative)."""
    positive, negative = pairs_and_negatives(labels)
    return torch.log1p((exponents.exp() * negative[:, None, :]).sum(dim=2))[positive].mean()


def npair_by_triplets(x: Tensor, labels: Tensor, loss: Loss) -> Tensor:
    similarity = x @ x.T
    return over_triplets(similarity[:, None, :] - similarity[:, :, None], labels)


def angular_by_triplets(x: Tensor, labels: Tensor, loss: Loss) -> Tensor:
    cosine = functional.normalize(x) @ functional.normalize(x).T
    t = math.tan(math.radians(40)) ** 2
    return over_triplets(4 * t * (cosine[:, None, :] + cosine[None, :, :]) - 2 * (1 + t) * cosine[:, :, None], labels)


def lifted_by_triplets(x: Tensor, labels: Tensor, loss: Loss) -> Tensor:
    positive, negative = pairs_and_negatives(labels)
    distance = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist")
    away = (1 - distance).exp() * negative
    both = (away[:, None, :] + away[None, :, :]).sum(dim=2)
    return (both.log() + distance)[positive].clamp(min=0).square().sum() / (2 * positive.sum())


def margin_by_triplets(x: Tensor, labels: Tensor, loss: Loss) -> Tensor:
    positive, negative = pairs_and_negatives(labels)
    unit = functional.normalize(x)
    distance = torch.cdist(unit, unit, compute_mode="donot_use_mm_for_euclid_dist")
    bounded = distance.clamp(min=0.5)
    density = bounded ** (DIMENSION - 2) * (1 - bounded**2 / 4) ** ((DIMENSION - 3) / 2)
    weights = torch.where(negative & (distance < 1.4), 1 / density, 0.0)
    weights = torch.where(weights.any(1, keepdim=True), weights, negative.double())
    weights = weights / weights.sum(dim=1, keepdim=True)
    beta = loss.get_parameter("betas")[labels, None].double()
    pull = (distance - beta + 0.2).clamp(min=0)
    push = (weights * (beta + 0.2 - distance).clamp(min=0)).sum(dim=1, keepdim=True)
    return (pull + push)[positive].mean()


def proxy_nca_by_distances(x: Tensor, labels: Tensor, loss: Loss) -> Tensor:
    proxies = loss.get_parameter("proxies").double()
    far = (9 * torch.cdist(functional.normalize(x), functional.normalize(proxies)) ** 2).neg().exp()
    own = torch.eye(CLASSES, dtype=torch.bool)[labels]
    return -(far[own] / (far * ~own).sum(dim=1)).log().mean()


def supcon_by_softmax(x: Tensor, labels: Tensor, loss: Loss) -> Tensor:
    positive, _ = pairs_and_negatives(labels)
    exps = (functional.normalize(x) @ functional.normalize(x).T / 0.1).exp() * (1 - torch.eye(len(x)))
    share = (exps / exps.sum(dim=1, keepdim=True)).log()
    means = [-row[mine].mean() for row, mine in zip(share, positive) if mine.any()]
    return torch.stack(means).mean()


FORMULAS: dict[type[Loss], Callable[[Tensor, Tensor, Loss], Tensor]] = {
    NPair: npair_by_triplets,
    LiftedStructure: lifted_by_triplets,
    Margin: margin_by_triplets,
    Angular: angular_by_triplets,
    ProxyNCA: proxy_nca_by_distances,
    SupCon: supcon_by_softmax,
}


@every_kind
@pytest.mark.parametrize(("seed", "spread"), [(0, 0.5), (1, 0.2), (2, 2.0)])
def test_larger_batches_as_their_formulas(kind: type[Loss], seed: int, spread: float) -> None:
    loss = bound(kind())
    x, labels = batch(seed=seed, spread=spread)
    expected = FORMULAS[kind](x, labels, loss)
    torch.testing.assert_close(loss(x, labels), expected, rtol=1e-10, atol=1e-12, check_dtype=True)
    torch.testing.assert_close(loss(x.float(), labels).double(), expected, rtol=1e-4, atol=1e-6)


# Values worked out by hand


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (NPair(), (6 * math.log(1 + 2) + 2 * math.log(1 + 3)) / 8),
        (Angular(), (6 * math.log(1 + 2) + 2 * math.log(1 + 3)) / 8),
        (LiftedStructure(margin=2.0), (6 * (2 + math.log(4)) ** 2 + 2 * (2 + math.log(6)) ** 2) / 8 / 2),
        (Margin(beta=1.0), 1.2),
        (ProxyNCA(), math.log(2)),
        (SupCon(), math.log(4)),
    ],
)
def test_zero_vectors_stay_zero(loss: Loss, expected: float) -> None:
    """Three samples of one class and two of another: six ordered pairs with two negatives, two with three."""
    points = torch.zeros(5, 2, dtype=torch.float64, requires_grad=True)
    value = bound(loss, 3, 2)(points, torch.tensor([0, 0, 0, 1, 1]))
    value.backward()
    assert float(value.detach()) == pytest.approx(expected, rel=1e-6)
    assert points.grad.isfinite().all()


ARROWS = torch.tensor([[1.0, 0.0], [0.0, 2.0], [-1.0, 0.0]], dtype=torch.float64)
TWO_AND_ONE = torch.tensor([0, 0, 1])


def test_golden_values() -> None:
    """Two samples of one class at (1, 0) and (0, 2), one of another at (-1, 0)."""
    # products: 0 in the pair, -1 and 0 to the negative
    assert float(npair(ARROWS, TWO_AND_ONE)) == pytest.approx((math.log(1 + math.exp(-1)) + math.log(2)) / 2)
    lengths = 0.1 * (1 + 4 + 1) / 3
    assert float(npair(ARROWS, TWO_AND_ONE, length_weight=0.1) - npair(ARROWS, TWO_AND_ONE)) == pytest.approx(lengths)
    # distances: sqrt(5) in the pair, 2 and sqrt(5) to the negative
    away = math.log(math.exp(1 - 2) + math.exp(1 - 5**0.5)) + 5**0.5
    assert float(lifted_structure(ARROWS, TWO_AND_ONE)) == pytest.approx(away**2 / 2)
    # at 45 degrees: 4 (x_a + x_p) . x_n - 4 x_a . x_p = -4
    assert float(angular(ARROWS, TWO_AND_ONE, angle=45.0)) == pytest.approx(math.log(1 + math.exp(-4)))
    # each end of the pair sees its positive at cosine 0; the negative at -1 and 0
    assert float(supcon(ARROWS, TWO_AND_ONE, temperature=1.0)) == pytest.approx(
        (math.log(1 + math.exp(-1)) + math.log(2)) / 2
    )
    # unit vectors are sqrt(2) apart in the pair; the negative is beyond 1.4 of both
    assert float(margin(ARROWS, TWO_AND_ONE, 1.5)) == pytest.approx(2**0.5 - 1.3 + (1.7 - 2**0.5) / 2)
    proxies = torch.tensor([[3.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    # squared distances to the proxies: 0 and 2; 2 and 0; 4 and 2
    assert float(proxy_nca(ARROWS, TWO_AND_ONE, proxies, scale=1.0)) == pytest.approx((-2 + 2 - 2) / 3)


@every_kind
def test_nan_is_not_swallowed(kind: type[Loss]) -> None:
    loss = bound(kind())
    x, labels = batch()
    x[labels.tolist().index(0), 3] = math.nan
    assert loss(x, labels).isnan()
    assert loss(x[labels == 0], labels[labels == 0]).isnan()
    assert loss(torch.full((1, DIMENSION), math.nan), torch.tensor([1])).isnan()


@every_kind
def test_float64_is_computed_in_float64(kind: type[Loss]) -> None:
    """Also where parameters are float32."""
    x, labels = batch()
    moved = x.clone()
    moved[0, 0] += 1e-10
    one, other = (bound(kind())(values, labels) for values in (x, moved))
    assert one.dtype == torch.float64
    assert one != other


# Memory


@every_kind
@pytest.mark.parametrize("classes", [1, 8, 128])
def test_memory_grows_with_the_square_of_the_batch(kind: type[Loss], classes: int) -> None:
    samples = 256
    x = torch.randn(samples, 8, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss = bound(kind(), max(classes, 2), 8)
    with Largest() as largest:
        loss(x, torch.arange(samples) % classes).backward()
    assert 0 < largest.elements <= 2 * samples**2  # pairs are picked by two indices each
    assert x.grad.isfinite().all()


# What each has of its own


def test_npair_puts_no_weight_on_the_order_of_views() -> None:
    x, _ = batch(12)
    labels = torch.arange(6).repeat(2)
    swapped = torch.cat([x[6:], x[:6]])
    torch.testing.assert_close(npair(swapped, labels), npair(x, labels), rtol=1e-12, atol=0)


def test_npair_weighs_lengths_without_pairs_too() -> None:
    x, _ = batch(4)
    labels = torch.arange(4)
    assert npair(x, labels) == 0
    torch.testing.assert_close(npair(x, labels, length_weight=2.0), 2 * x.square().sum(dim=1).mean())


@pytest.mark.parametrize(("dtype", "angle"), [(torch.float32, 73.0), (torch.float64, 83.0)])
def test_angular_without_a_negative_near_both_ends(dtype: torch.dtype, angle: float) -> None:
    """Opposite ends, each with a negative on top of it: the smallest sum that unit vectors can give."""
    points = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]], dtype=dtype)
    t = math.tan(math.radians(angle)) ** 2
    expected = functional.softplus(torch.tensor(math.log(2) + 2 * (1 + t), dtype=torch.float64))
    value = angular(points, torch.tensor([0, 0, 1, 2]), angle=angle)
    torch.testing.assert_close(value.double(), expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("angle", [0.01, 80.0, 89.9])
def test_angular_stays_finite(angle: float) -> None:
    x, labels = batch()
    x = x.float().requires_grad_()
    value = angular(x, labels, angle=angle)
    value.backward()
    assert value.isfinite()
    assert x.grad.isfinite().all()


def held(monkeypatch: pytest.MonkeyPatch, x: Tensor, labels: Tensor) -> None:
    """Holds the weights of the negatives at those of this batch."""
    distance = torch.cdist(functional.normalize(x), functional.normalize(x))
    weights = distance_weights(distance, labels[:, None] != labels[None, :], x.shape[1])
    monkeypatch.setattr(sys.modules[Margin.__module__], "distance_weights", lambda *_: weights)


def test_margin_has_the_gradient_of_held_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    x, labels = batch(14, spread=2.0)
    x = x[:, :5].requires_grad_()
    betas = torch.linspace(0.9, 1.3, CLASSES, dtype=torch.float64, requires_grad=True)
    value = margin(x, labels, betas)
    found = torch.autograd.grad(value, [x, betas])
    held(monkeypatch, x.detach(), labels)
    value = margin(x, labels, betas)
    torch.testing.assert_close(torch.autograd.grad(value, [x, betas]), found)
    assert torch.autograd.gradcheck(lambda x, betas: margin(x, labels, betas), (x, betas))


def test_margin_moves_the_boundaries_of_the_classes_with_pairs() -> None:
    loss = bound(Margin(), 4, 3)
    # a loose pair wants its boundary farther out; the pair at one place, with a negative near, farther in
    points = torch.tensor([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 1.0, 0.2]])
    loss(points, torch.tensor([0, 0, 1, 1, 2])).backward()
    gradient = loss.get_parameter("betas").grad
    assert gradient[0] < 0 < gradient[1]
    assert not gradient[2:].any()


def test_margin_of_one_class_pulls_only() -> None:
    points = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]], dtype=torch.float64)
    value = margin(points, torch.tensor([0, 0, 0]), 1.0)
    assert float(value) == pytest.approx((1.2 + 0.2 + 0.2) / 3)


@pytest.mark.parametrize("dimension", [1, 2, 3, 5, 128, 4096])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_weights_of_negatives(dimension: int, dtype: torch.dtype) -> None:
    rows = [[0.0, 0.5, 0.9, 1.3], [0.3, 0.4, 1.39, 1.5], [1.4, 1.6, 2.0, 0.2], [0.1, 0.2, 0.3, 0.4]]
    negative = torch.tensor([[1, 1, 1, 1], [0, 1, 1, 1], [1, 1, 1, 0], [0, 0, 0, 0]], dtype=torch.bool)
    weights = distance_weights(torch.tensor(rows, dtype=dtype), negative, dimension)
    torch.testing.assert_close(weights.sum(dim=1), torch.tensor([1, 1, 1, 0], dtype=dtype))
    assert weights[0, 0] == weights[0, 1]  # below the cut-off
    assert weights[1, 0] == weights[1, 3] == 0  # of the class; too far
    torch.testing.assert_close(weights[2], torch.tensor([1 / 3, 1 / 3, 1 / 3, 0], dtype=dtype))  # all too far
    if dimension > 1:
        assert (weights[0].diff() <= 0).all()


def test_proxies_are_those_of_their_seed() -> None:
    drawn = []
    for seed in (0, 0, 1):
        loss = ProxyNCA()
        loss.bind(CLASSES, DIMENSION, seed)
        drawn.append(loss.get_parameter("proxies").detach())
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    torch.testing.assert_close(drawn[0].norm(dim=1), torch.ones(CLASSES))


def test_the_state_of_losses() -> None:
    state = {kind.name: list(bound(kind()).state_dict()) for kind in KINDS}
    assert {name: names for name, names in state.items() if names} == {"margin": ["betas"], "proxy_nca": ["proxies"]}
    assert not bound(Margin(learn_beta=False)).state_dict()


def test_the_gradient_of_proxies() -> None:
    x, labels = batch(8)
    proxies = bound(ProxyNCA()).double().get_parameter("proxies")
    assert torch.autograd.gradcheck(lambda x, proxies: proxy_nca(x, labels, proxies), (x.requires_grad_(), proxies))


# Other libraries


def test_as_pytorch_metric_learning_has_supcon() -> None:
    peer = pytest.importorskip("pytorch_metric_learning.losses")
    for temperature in (0.1, 0.5):
        x, labels = batch()
        torch.testing.assert_close(
            supcon(x, labels, temperature=temperature),
            peer.SupConLoss(temperature=temperature)(x, labels),
            rtol=1e-12, atol=0,
        )  # fmt: skip


@pytest.mark.parametrize("angle", [30, 40, 55])
def test_as_pytorch_metric_learning_has_angular(angle: int) -> None:
    """It takes negatives at the length that they come with; the paper has unit vectors throughout."""
    peer = pytest.importorskip("pytorch_metric_learning.losses")
    x, labels = batch()
    expected = peer.AngularLoss(alpha=angle)(functional.normalize(x), labels)
    torch.testing.assert_close(angular(x, labels, angle=angle), expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("normalise", [False, True])
def test_as_pytorch_metric_learning_has_lifted_structure(normalise: bool) -> None:
    peer = pytest.importorskip("pytorch_metric_learning.losses")
    distances = pytest.importorskip("pytorch_metric_learning.distances")
    x, labels = batch()
    distance = distances.LpDistance(normalize_embeddings=normalise)
    expected = peer.LiftedStructureLoss(neg_margin=1.5, distance=distance)(x, labels)
    found = lifted_structure(x, labels, margin=1.5, normalise=normalise)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=0)


@pytest.mark.parametrize("normalise", [False, True])
def test_npair_is_ntxent_of_pytorch_metric_learning(normalise: bool) -> None:
    """Over all pairs, with the dot product and temperature 1."""
    peer = pytest.importorskip("pytorch_metric_learning.losses")
    distances = pytest.importorskip("pytorch_metric_learning.distances")
    x, labels = batch()
    distance = distances.DotProductSimilarity(normalize_embeddings=normalise)
    expected = peer.NTXentLoss(temperature=1.0, distance=distance)(x, labels)
    torch.testing.assert_close(npair(x, labels, normalise=normalise), expected, rtol=1e-12, atol=0)


def test_npair_is_that_of_the_paper_from_both_views() -> None:
    """NPairsLoss has the first samples of classes as anchors, and the second ones alone as negatives.

    Here the samples of one view are driven so far apart that they are no negatives of one another; what
    remains is the paper's loss, from the first view and from the second.
    """
    peer = pytest.importorskip("pytorch_metric_learning.losses")
    distances = pytest.importorskip("pytorch_metric_learning.distances")
    x, _ = batch(12)
    apart = 30 * (torch.eye(6) - 1 / 6).double()
    view, other = (torch.cat([apart * first, apart * (1 - first)], dim=1) for first in (1, 0))
    x = torch.cat([x, torch.cat([view, other])], dim=1)
    labels = torch.arange(6).repeat(2)
    loss = peer.NPairsLoss(distance=distances.DotProductSimilarity(normalize_embeddings=False))
    views = loss(x, labels) + loss(torch.cat([x[6:], x[:6]]), labels)
    torch.testing.assert_close(npair(x, labels), views / 2, rtol=1e-12, atol=0)


def test_as_pytorch_metric_learning_has_proxy_nca() -> None:
    """It keeps the positive in the denominator: log(1 + exp(value)) for each sample."""
    peer = pytest.importorskip("pytorch_metric_learning.losses")
    loss = bound(ProxyNCA()).double()
    proxies = loss.get_parameter("proxies")
    x, labels = batch()
    theirs = peer.ProxyNCALoss(CLASSES, DIMENSION, softmax_scale=9.0)
    theirs.proxies = torch.nn.Parameter(proxies.detach().clone())
    mine = torch.stack([functional.softplus(loss(row[None], label[None])) for row, label in zip(x, labels)])
    torch.testing.assert_close(mine.mean(), theirs(x, labels), rtol=1e-10, atol=1e-14)


def test_margin_as_pytorch_metric_learning_draws_and_weighs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The probabilities that its miner draws with, and its loss of every triplet under them."""
    peer = pytest.importorskip("pytorch_metric_learning.losses")
    miners = pytest.importorskip("pytorch_metric_learning.miners")
    helpers = pytest.importorskip("pytorch_metric_learning.utils.loss_and_miner_utils")
    reducers = pytest.importorskip("pytorch_metric_learning.reducers")
    x, labels = batch()
    given: dict[str, Tensor] = {}
    every = helpers.get_all_triplets_indices(labels)
    monkeypatch.setattr(helpers, "get_random_triplet_indices", lambda *_, **options: given.update(options) or every)
    miners.DistanceWeightedMiner()(x, labels)
    positive, negative = pairs_and_negatives(labels)
    assert given["weights"].isfinite().all()
    unit = functional.normalize(x)
    found = distance_weights(torch.cdist(unit, unit), negative, DIMENSION)
    torch.testing.assert_close(found, given["weights"], rtol=1e-9, atol=1e-300)

    losses = peer.MarginLoss(beta=1.25, reducer=reducers.DoNothingReducer())(x, labels, indices_tuple=every)
    anchors, _, away = every
    expected = (given["weights"][anchors, away] * losses["margin_loss"]["losses"]).sum() / positive.sum()
    torch.testing.assert_close(margin(x, labels, 1.25), expected, rtol=1e-9, atol=0)


# Options


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (NPair, {"normalise": "yes"}, "npair: normalise must be True or False, not 'yes'"),
        (NPair, {"length_weight": -0.1}, "npair: length_weight must be zero or more, not -0.1"),
        (NPair, {"length_weight": math.nan}, "npair: length_weight must be zero or more, not nan"),
        (NPair, {"normalise": True, "length_weight": 0.1}, "npair: length_weight moves nothing where normalise=True"),
        (LiftedStructure, {"margin": -1.0}, "lifted_structure: margin must be zero or more, not -1.0"),
        (LiftedStructure, {"margin": "wide"}, "lifted_structure: margin must be zero or more, not 'wide'"),
        (LiftedStructure, {"normalise": 1}, "lifted_structure: normalise must be True or False, not 1"),
        (Margin, {"margin": -0.2}, "margin: margin must be zero or more, not -0.2"),
        (Margin, {"beta": 0.0}, "margin: beta must be above zero, not 0.0"),
        (Margin, {"beta": math.inf}, "margin: beta must be above zero, not inf"),
        (Margin, {"learn_beta": "no"}, "margin: learn_beta must be True or False, not 'no'"),
        (Angular, {"angle": 0.0}, "angular: angle must lie between 0 and 90 degrees, not 0.0"),
        (Angular, {"angle": 90}, "angular: angle must lie between 0 and 90 degrees, not 90"),
        (Angular, {"angle": "wide"}, "angular: angle must lie between 0 and 90 degrees, not 'wide'"),
        (ProxyNCA, {"scale": 0}, "proxy_nca: scale must be above zero, not 0"),
        (ProxyNCA, {"scale": None}, "proxy_nca: scale must be above zero, not None"),
        (SupCon, {"temperature": 0.0}, "supcon: temperature must be above zero, not 0.0"),
        (SupCon, {"temperature": -1}, "supcon: temperature must be above zero, not -1"),
    ],
)
def test_bad_options_are_refused(kind: type[Loss], options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as caught:
        kind(**options)
    assert message in str(caught.value)


def test_proxies_need_two_classes() -> None:
    with pytest.raises(InputError, match="proxy_nca: proxies need two classes or more, not 1"):
        ProxyNCA().bind(1, DIMENSION)


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (Margin(), r"margin: learnt boundaries need bind\(classes, dimension\) before the first batch"),
        (ProxyNCA(), r"proxy_nca: proxies need bind\(classes, dimension\) before the first batch"),
    ],
)
def test_state_needs_its_classes(loss: Loss, message: str) -> None:
    with pytest.raises(InputError, match=message):
        loss(*batch())


def test_a_boundary_that_is_not_learnt_needs_no_classes() -> None:
    x, labels = batch()
    torch.testing.assert_close(Margin(beta=1.1, learn_beta=False)(x, labels), margin(x, labels, 1.1))
