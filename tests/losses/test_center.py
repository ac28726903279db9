"""The center loss: values worked out by hand, and how its centres move."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from spacewise.errors import InputError
from spacewise.losses import Center, center

POINTS = torch.tensor([[1.0, 0.0], [3.0, 0.0], [0.0, 2.0]])
LABELS = torch.tensor([0, 0, 2])


def bound(**options: object) -> Center:
    loss = Center(**options)
    loss.bind(3, 2)
    return loss


def test_golden_values() -> None:
    centers = torch.tensor([[2.0, 1.0], [9.0, 9.0], [0.0, 0.0]])
    assert float(center(POINTS, LABELS, centers)) == pytest.approx((2 + 2 + 4) / 6)
    assert float(bound().eval()(POINTS, LABELS)) == pytest.approx((1 + 9 + 4) / 6)
    # class 0 has its mean at (2, 0), class 2 its only sample
    assert float(bound(centers="batch")(POINTS, LABELS)) == pytest.approx((1 + 1 + 0) / 6)


def test_centres_start_at_zero() -> None:
    assert torch.equal(bound().centers, torch.zeros(3, 2))


def moved_by_loops(centers: np.ndarray, points: np.ndarray, labels: np.ndarray, rate: float) -> np.ndarray:
    """Wen et al., equation 4, class by class and sample by sample."""
    moved = centers.copy()
    for j in range(len(centers)):
        change, count = np.zeros(centers.shape[1]), 0
        for point, label in zip(points, labels):
            if label == j:
                change += centers[j] - point
                count += 1
        moved[j] -= rate * change / (1 + count)
    return moved


@pytest.mark.parametrize("rate", [0.1, 0.5, 1.0])
def test_centres_move_as_wen_et_al_write(rate: float) -> None:
    generator = torch.Generator().manual_seed(0)
    loss = Center(rate=rate)
    loss.bind(5, 4)
    loss = loss.double()
    expected = np.zeros((5, 4))
    for _ in range(4):
        points = torch.randn(12, 4, generator=generator, dtype=torch.float64)
        labels = torch.randint(0, 4, (12,), generator=generator)  # the last class never comes
        loss(points, labels)
        expected = moved_by_loops(expected, points.numpy(), labels.numpy(), rate)
        np.testing.assert_allclose(loss.centers, expected, rtol=1e-12)
    assert not loss.centers[4].any()


def test_rate_zero_keeps_the_centres() -> None:
    loss = bound(rate=0.0)
    loss(POINTS, LABELS)
    assert not loss.centers.any()


def test_evaluation_keeps_the_centres() -> None:
    loss = bound().eval()
    loss(POINTS, LABELS)
    assert not loss.centers.any()


def test_centres_do_not_depend_on_the_weight_of_the_term() -> None:
    """The loss does not see its weight; a scaled backward pass leaves the centres where they are."""
    one, other = bound(), bound()
    points = POINTS.clone().requires_grad_()
    (0.003 * one(points, LABELS)).backward()
    other(POINTS, LABELS)
    assert torch.equal(one.centers, other.centers)


def test_persistent_centres_take_no_gradient() -> None:
    loss = bound()
    assert not list(loss.parameters())
    points = POINTS.clone().requires_grad_()
    value = loss(points, LABELS)
    value.backward()  # after the centres have moved
    torch.testing.assert_close(points.grad, POINTS / 3)


def test_the_state_is_the_centres() -> None:
    loss = bound()
    loss(POINTS, LABELS)
    assert list(loss.state_dict()) == ["centers"]
    assert torch.equal(loss.state_dict()["centers"], loss.centers)


def test_bind_starts_anew() -> None:
    loss = bound()
    loss(POINTS, LABELS)
    loss.bind(4, 6)
    assert torch.equal(loss.centers, torch.zeros(4, 6))


def test_persistent_centres_need_their_classes() -> None:
    with pytest.raises(InputError, match=r"center: persistent centres need bind\(classes, dimension\)"):
        Center()(POINTS, LABELS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rate": -0.1}, "center: rate must lie between 0 and 1, not -0.1"),
        ({"rate": 1.5}, "center: rate must lie between 0 and 1, not 1.5"),
        ({"rate": float("nan")}, "center: rate must lie between 0 and 1, not nan"),
        ({"rate": "fast"}, "center: rate must lie between 0 and 1, not 'fast'"),
        ({"centers": "presistent"}, "unknown centers of center 'presistent': did you mean 'persistent'?"),
    ],
)
def test_bad_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as caught:
        Center(**options)
    assert message in str(caught.value)
