"""The contrastive loss: values worked out by hand, its forms and its pairs."""

from __future__ import annotations

import pytest
import torch

from spacewise.errors import InputError
from spacewise.losses import Contrastive, contrastive

# distances 5 (0-1), 1 (0-2), sqrt(20) (1-2); the first two are of one class
POINTS = torch.tensor([[0.0, 0.0], [3.0, 4.0], [1.0, 0.0]])
LABELS = torch.tensor([0, 0, 1])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, (25 + 0 + 0) / 3),
        ({"dissimilar_margin": 4.0}, (25 + 3 + 0) / 3),
        ({"similar_margin": 5.0, "dissimilar_margin": 21.0}, (20 + 20 + 1) / 3),
        ({"form": "distance"}, 25 / 2 / 3),
        ({"form": "distance", "dissimilar_margin": 4.0}, (25 + 9) / 2 / 3),
        ({"form": "distance", "similar_margin": 2.0, "dissimilar_margin": 6.0}, (9 + 25 + (6 - 20**0.5) ** 2) / 2 / 3),
        ({"dissimilar_margin": 0.0}, 25 / 3),
    ],
)
def test_golden_values(options: dict[str, float], expected: float) -> None:
    assert float(contrastive(POINTS, LABELS, **options)) == pytest.approx(expected, rel=1e-6)
    assert float(Contrastive(**options)(POINTS, LABELS)) == pytest.approx(expected, rel=1e-6)


def test_siamese_pairs_the_halves() -> None:
    left = torch.tensor([[0.0, 0.0], [1.0, 1.0]])
    right = torch.tensor([[0.0, 2.0], [1.0, 1.5]])
    batch, labels = torch.cat([left, right]), torch.tensor([0, 1, 0, 2])
    # the pair of one class is 2 apart, the other 0.5
    assert float(contrastive(batch, labels, pairs="siamese")) == pytest.approx((4 + 0.75) / 2)
    assert float(contrastive(batch, labels, pairs="siamese", form="distance")) == pytest.approx((4 + 0.25) / 4)


def test_siamese_refuses_an_odd_batch() -> None:
    with pytest.raises(InputError, match=r"contrastive\(pairs='siamese'\) needs an even batch, not 3 samples"):
        contrastive(POINTS, LABELS, pairs="siamese")


def test_a_batch_without_a_positive_pair_pushes_only() -> None:
    points = POINTS.clone().requires_grad_()
    loss = contrastive(points, torch.tensor([0, 1, 2]), dissimilar_margin=2.0)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(1 / 3, rel=1e-5)
    assert points.grad[0, 0] > 0  # minimising moves the first point to the left, away from the third
    assert points.grad[2, 0] < 0


def test_pairs_beyond_their_margins_are_left_alone() -> None:
    points = POINTS.clone().requires_grad_()
    contrastive(points, LABELS, similar_margin=30.0, dissimilar_margin=0.5).backward()
    assert not points.grad.any()


@pytest.mark.parametrize("pairs", ["all", "siamese"])
def test_coincident_vectors_of_two_classes_are_held_not_moved(pairs: str) -> None:
    points = torch.ones(2, 3, requires_grad=True)
    loss = contrastive(points, torch.tensor([0, 1]), form="distance", dissimilar_margin=2.0, pairs=pairs)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(2.0)
    assert not points.grad.any()


def test_close_vectors_far_from_the_origin_keep_their_distance() -> None:
    """Two tight pairs far apart: the distances within a pair survive the subtraction of large squares."""
    points = torch.tensor([[300.0, 0.0], [300.5, 0.0], [-300.0, 0.0], [-300.0, 0.5]])
    loss = contrastive(points, torch.tensor([0, 1, 2, 3]), dissimilar_margin=1.0)
    assert float(loss) == pytest.approx(2 * 0.75 / 6, rel=1e-2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"similar_margin": -1.0}, "similar_margin must be zero or more, not -1.0"),
        ({"dissimilar_margin": float("nan")}, "dissimilar_margin must be zero or more, not nan"),
        ({"dissimilar_margin": "wide"}, "dissimilar_margin must be zero or more, not 'wide'"),
        ({"form": "square"}, "unknown form of contrastive 'square': did you mean 'squared'?"),
        ({"pairs": "siamse"}, "unknown pairs of contrastive 'siamse': did you mean 'siamese'?"),
    ],
)
def test_bad_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as caught:
        Contrastive(**options)
    assert message in str(caught.value)


@pytest.mark.parametrize("options", [{"form": "square"}, {"pairs": "siamse"}])
def test_the_function_refuses_unknown_names_too(options: dict[str, str]) -> None:
    with pytest.raises(InputError, match="did you mean"):
        contrastive(POINTS, LABELS, **options)
