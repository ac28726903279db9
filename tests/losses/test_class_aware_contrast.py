"""Class-aware contrast: what it becomes without classes, with sure ones, and below its push."""

from __future__ import annotations

import math

import pytest
import torch
from tests.losses.largest import Largest
from tests.losses.test_every_agreement import pair
from torch import Tensor
from torch.nn import functional

from spacewise.losses.class_aware_contrast import ClassAwareContrast, class_aware_contrast
from spacewise.losses.supcon import supcon


def two_views(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """The contrast of two views as SimCLR has it: of all other vectors, the right one is the same image's."""
    vectors = functional.normalize(torch.cat([first, second]))
    logits = (vectors @ vectors.T / temperature).fill_diagonal_(-math.inf)
    return functional.cross_entropy(logits, torch.arange(len(vectors)).roll(len(first)))


def scattered(seed: int, samples: int = 12) -> tuple[Tensor, Tensor, Tensor]:
    """Two views of seven dimensions, and pseudo-labels among four classes."""
    random = torch.Generator().manual_seed(seed)
    first, second = torch.randn(2, samples, 7, generator=random, dtype=torch.float64)
    targets = (2 * torch.randn(samples, 4, generator=random, dtype=torch.float64)).softmax(dim=1)
    return first.requires_grad_(), second.requires_grad_(), targets


def assert_same(value: Tensor, expected: Tensor, inputs: tuple[Tensor, ...]) -> None:
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(torch.autograd.grad(value, inputs), torch.autograd.grad(expected, inputs))


def test_worked_out_by_hand() -> None:
    """Two images at right angles, T = 1: a vector meets its other view at cosine 1 and two others at cosine 0."""
    vectors = torch.eye(2, dtype=torch.float64)
    targets = torch.tensor([[0.5, 0.5], [0.8, 0.2]], dtype=torch.float64)
    weight = 0.5 * 0.8  # of equal classes the first
    expected = math.log(math.e + 2) - 1 / (1 + 2 * weight)
    assert float(class_aware_contrast(vectors, vectors, targets, temperature=1.0)) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("temperature", [0.07, 0.5])
def test_where_no_image_reaches_the_push_it_is_the_contrast_of_two_views(seed: int, temperature: float) -> None:
    first, second, targets = scattered(seed)
    value = class_aware_contrast(first, second, targets, temperature=temperature, push=1.1)
    assert_same(value, two_views(first, second, temperature), (first, second))


def test_so_it_is_where_every_image_is_of_a_class_of_its_own() -> None:
    first, second, _ = scattered(0)
    value = class_aware_contrast(first, second, torch.eye(12, dtype=torch.float64))
    assert_same(value, two_views(first, second, 0.07), (first, second))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("push", [0.0, 1.0])
def test_with_sure_pseudo_labels_it_is_the_supervised_contrast(seed: int, push: float) -> None:
    first, second, targets = scattered(seed)
    labels = targets.argmax(dim=1)
    value = class_aware_contrast(first, second, functional.one_hot(labels, 4).double(), push=push)
    expected = supcon(torch.cat([first, second]), labels.repeat(2), temperature=0.07)
    assert_same(value, expected, (first, second))


@pytest.mark.parametrize("seed", range(3))
def test_the_views_are_interchangeable(seed: int) -> None:
    first, second, targets = scattered(seed)
    value = class_aware_contrast(first, second, targets)
    assert_same(value, class_aware_contrast(second, first, targets), (first, second))


def test_below_the_push_an_image_is_pulled_to_its_other_view_alone() -> None:
    """What it is taken for no longer matters; without a push it does."""
    first, second, _ = scattered(0, 3)
    targets = torch.tensor([[0.95, 0.05], [0.92, 0.08], [0.6, 0.4]], dtype=torch.float64)
    otherwise = targets.clone()
    otherwise[2] = torch.tensor([0.4, 0.6])

    def value(p: Tensor, push: float) -> Tensor:
        return class_aware_contrast(first, second, p, push=push).detach()

    assert torch.equal(value(targets, 0.9), value(otherwise, 0.9))
    assert not torch.isclose(value(targets, 0.0), value(otherwise, 0.0))
    assert not torch.isclose(value(targets, 0.9), value(targets, 0.93))  # the first two no longer both reach it


def test_the_push_is_reached_by_what_equals_it() -> None:
    first, second, _ = scattered(0, 2)
    targets = torch.tensor([[0.75, 0.25], [0.75, 0.25]], dtype=torch.float64)
    at, above = (class_aware_contrast(first, second, targets, push=push).detach() for push in (0.75, 0.75 + 1e-9))
    torch.testing.assert_close(at, class_aware_contrast(first, second, targets).detach())
    torch.testing.assert_close(above, two_views(first, second, 0.07).detach())


def test_cold_contrasts_stay_finite() -> None:
    views = pair(dtype=torch.float32)
    value = class_aware_contrast(views.first, views.second, views.targets, temperature=1e-4)
    gradients = torch.autograd.grad(value, (views.first, views.second))
    assert value.isfinite()
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_the_term_passes_its_options_on() -> None:
    views = pair()
    value = ClassAwareContrast(temperature=0.3, push=0.7).agree(views)
    expected = class_aware_contrast(views.first, views.second, views.targets, temperature=0.3, push=0.7)
    assert torch.equal(value, expected)
    assert not torch.isclose(value, ClassAwareContrast(temperature=0.3).agree(views))


def test_nothing_larger_than_the_products_of_all_vectors_is_held() -> None:
    views = pair(32)
    with Largest() as largest:
        class_aware_contrast(views.first, views.second, views.targets).backward()
    assert largest.elements == 64 * 64
