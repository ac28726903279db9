"""Graph contrast: its graph, and what it becomes where the graph has no edge, or all."""

from __future__ import annotations

import math

import pytest
import torch
from tests.losses.largest import Largest
from tests.losses.test_every_agreement import SAMPLES, pair
from torch.nn import functional

from spacewise.losses.graph_contrast import graph_contrast


def sure(*classes: int) -> torch.Tensor:
    return functional.one_hot(torch.tensor(classes), max(classes) + 1).double()


def test_worked_out_by_hand() -> None:
    """Two images of one class with right-angled vectors: half the weight on the other image, at cosine zero."""
    vectors = torch.eye(2, dtype=torch.float64)
    value = graph_contrast(vectors, vectors, sure(0, 0), temperature=0.5)
    assert float(value) == pytest.approx(math.log(math.e**2 + 1) - 1)
    apart = graph_contrast(vectors, vectors, sure(0, 1), temperature=0.5)
    assert float(apart) == pytest.approx(math.log(math.e**2 + 1) - 2)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_without_edges_each_image_finds_itself(seed: int) -> None:
    """The graph is then the identity, and the loss a cross-entropy over the images of the second view."""
    views = pair(seed=seed)
    one, other = functional.normalize(views.first), functional.normalize(views.second)
    expected = functional.cross_entropy(one @ other.T / 0.2, torch.arange(SAMPLES))
    targets = sure(*range(SAMPLES))
    torch.testing.assert_close(graph_contrast(views.first, views.second, targets), expected)
    torch.testing.assert_close(graph_contrast(views.first, views.second, views.targets, threshold=1), expected)


def test_of_one_class_all_images_are_sought_alike() -> None:
    views = pair()
    one, other = functional.normalize(views.first), functional.normalize(views.second)
    expected = -(one @ other.T / 0.2).log_softmax(dim=1).mean()
    torch.testing.assert_close(graph_contrast(views.first, views.second, sure(*[0] * SAMPLES)), expected)


def test_an_edge_counts_from_the_threshold_on() -> None:
    views = pair(2)
    targets = torch.tensor([[1.0, 0.0], [0.5, 0.5]], dtype=torch.float64)  # an edge of 0.5 exactly

    def value(threshold: float) -> torch.Tensor:
        return graph_contrast(views.first, views.second, targets, threshold=threshold).detach()

    assert torch.equal(value(0.5), value(0.0))
    assert not torch.equal(value(0.5), value(0.5 + 1e-9))


def test_the_diagonal_is_one_whatever_the_pseudo_label() -> None:
    """An image whose pseudo-label is spread evenly still finds itself, with its whole row."""
    views = pair()
    even = torch.full((SAMPLES, SAMPLES), 1 / SAMPLES, dtype=torch.float64)
    identity = graph_contrast(views.first, views.second, sure(*range(SAMPLES)))
    torch.testing.assert_close(graph_contrast(views.first, views.second, even), identity)


def test_cold_contrasts_stay_finite() -> None:
    views = pair(dtype=torch.float32)
    value = graph_contrast(views.first, views.second, views.targets, temperature=1e-4)
    gradients = torch.autograd.grad(value, (views.first, views.second))
    assert value.isfinite()
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_nan_in_a_pseudo_label_is_not_taken_for_no_edge() -> None:
    views = pair()
    targets = views.targets.clone()
    targets[0, 0] = math.nan
    assert graph_contrast(views.first, views.second, targets).isnan()


def test_nothing_larger_than_a_graph_is_held() -> None:
    views = pair(64)
    with Largest() as largest:
        graph_contrast(views.first, views.second, views.targets).backward()
    assert largest.elements == 64 * 64
