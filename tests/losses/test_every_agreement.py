"""One suite that every agreement of two views passes, against a naive loop in float64."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from tests.losses.naive_metric import dot, log_sum_exp, mean, unit
from torch import Tensor

from spacewise.errors import InputError
from spacewise.losses import AGREEMENTS, ALIGNMENTS, LOSSES
from spacewise.losses.agreement import Agreement, Views
from spacewise.objective import parse_term

SAMPLES, CLASSES = 9, 5  # the space has as many dimensions as classes, so that it can hold logits
Naive = Callable[[Views], float]


def log_softmax(row: list[float]) -> list[float]:
    return [value - log_sum_exp(row) for value in row]


def largest(row: list[float]) -> int:
    return row.index(max(row))


def consistency(hard: bool = False) -> Naive:
    def loss(views: Views) -> float:
        terms = []
        for z, q, confident in zip(views.first.tolist(), views.targets.tolist(), views.confident.tolist()):
            found = log_softmax(z)
            terms.append((-found[largest(q)] if hard else -dot(q, found)) if confident else 0.0)
        return mean(terms)

    return loss


def graph_contrast(threshold: float = 0.8, temperature: float = 0.2) -> Naive:
    def loss(views: Views) -> float:
        one, other, p = unit(views.first.tolist()), unit(views.second.tolist()), views.targets.tolist()
        terms = []
        for i in range(len(p)):
            edges = [1.0 if i == j else dot(p[i], p[j]) for j in range(len(p))]
            edges = [edge if edge >= threshold else 0.0 for edge in edges]
            found = log_softmax([dot(one[i], row) / temperature for row in other])
            terms.append(-sum(edge / sum(edges) * value for edge, value in zip(edges, found)))
        return mean(terms)

    return loss


def class_aware_contrast(temperature: float = 0.07, push: float = 0.0) -> Naive:
    def weight(i: int, j: int, p: list[list[float]]) -> float:
        """Of two vectors, each the first or second view of an image."""
        a, b = i % len(p), j % len(p)
        if a == b:
            return 1.0 if i != j else 0.0
        same, reached = largest(p[a]) == largest(p[b]), min(max(p[a]), max(p[b])) >= push
        return max(p[a]) * max(p[b]) if same and reached else 0.0

    def loss(views: Views) -> float:
        z, p = unit(views.first.tolist()) + unit(views.second.tolist()), views.targets.tolist()
        terms = []
        for i in range(len(z)):
            others = log_sum_exp([dot(z[i], z[k]) / temperature for k in range(len(z)) if k != i])
            weights = [weight(i, j, p) for j in range(len(z))]
            found = [m * (dot(z[i], z[j]) / temperature - others) for j, m in enumerate(weights)]
            terms.append(-sum(found) / sum(weights))
        return mean(terms)

    return loss


# Each agreement in each of its ways, and what it is.
NAIVE: dict[str, Naive] = {
    "consistency": consistency(),
    "consistency(hard=True)": consistency(hard=True),
    "graph_contrast": graph_contrast(),
    "graph_contrast(threshold=0.3, temperature=0.5)": graph_contrast(0.3, 0.5),
    "graph_contrast(threshold=0)": graph_contrast(0),
    "class_aware_contrast": class_aware_contrast(),
    "class_aware_contrast(temperature=0.5, push=0.7)": class_aware_contrast(0.5, 0.7),
}

every_agreement = pytest.mark.parametrize("text", NAIVE)
contrasts = pytest.mark.parametrize("text", [text for text in NAIVE if "consistency" not in text])


def made(text: str) -> Agreement:
    """The agreement, bound."""
    loss = parse_term(f"{text}@classifier").loss
    assert isinstance(loss, Agreement)
    loss.bind(CLASSES, CLASSES)
    return loss


def pair(samples: int = SAMPLES, dtype: torch.dtype = torch.float64, seed: int = 0) -> Views:
    """Two views near one another, some images taken for one class with confidence."""
    random = torch.Generator().manual_seed(seed)
    both = torch.randn(2, samples, CLASSES, generator=random, dtype=torch.float64)
    targets = (3 * torch.randn(samples, CLASSES, generator=random, dtype=torch.float64)).softmax(dim=1)
    first, second = (values.to(dtype).requires_grad_() for values in (both[0], both[0] + 0.5 * both[1]))
    return Views(first, second, targets, targets.amax(dim=1) >= 0.7)


def placed(views: Views, first: Tensor, second: Tensor) -> Views:
    """The same images with other vectors."""
    return replace(views, first=first.detach().requires_grad_(), second=second.detach().requires_grad_())


def value_and_gradients(loss: Agreement, views: Views) -> tuple[Tensor, tuple[Tensor, ...]]:
    value = loss.agree(views)
    return value.detach(), torch.autograd.grad(value, (views.first, views.second), materialize_grads=True)


def test_every_agreement_of_the_table_is_here() -> None:
    assert {parse_term(f"{text}@classifier").loss.name for text in NAIVE} == set(AGREEMENTS)
    assert all(kind.name == name for name, kind in AGREEMENTS.items())
    assert not set(AGREEMENTS) & (set(LOSSES) | set(ALIGNMENTS))


def test_the_pair_is_worth_a_test() -> None:
    """Some images are of one class and some are not; some are confident and some are not."""
    for seed in range(3):
        views = pair(seed=seed)
        classes = views.targets.argmax(dim=1)
        graph = views.targets @ views.targets.T
        assert 1 < len(classes.unique()) < SAMPLES
        assert 0 < views.confident.sum() < SAMPLES
        assert 0 < (graph.fill_diagonal_(0) >= 0.3).sum() < SAMPLES * (SAMPLES - 1)


@every_agreement
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("samples", [1, 2, SAMPLES, 30])
def test_as_a_naive_loop(text: str, seed: int, samples: int) -> None:
    views = pair(samples, seed=seed)
    value = made(text).agree(views)
    assert value.shape == ()
    assert float(value.detach()) == pytest.approx(NAIVE[text](views), rel=1e-12, abs=1e-12)


@every_agreement
@pytest.mark.parametrize("samples", [1, 2, SAMPLES])
def test_the_gradient_as_finite_differences(text: str, samples: int) -> None:
    views, loss = pair(samples), made(text)

    def value(first: Tensor, second: Tensor) -> Tensor:
        return loss.agree(replace(views, first=first, second=second))

    assert torch.autograd.gradcheck(value, (views.first, views.second))


@every_agreement
def test_the_order_of_the_samples_does_not_matter(text: str) -> None:
    views, loss = pair(), made(text)
    order = torch.randperm(SAMPLES, generator=torch.Generator().manual_seed(0))
    value, gradients = value_and_gradients(loss, views)
    moved = Views(views.first[order], views.second[order], views.targets[order], views.confident[order])
    moved_value, moved_gradients = value_and_gradients(loss, placed(moved, moved.first, moved.second))
    torch.testing.assert_close(moved_value, value)
    for gradient, expected in zip(moved_gradients, gradients, strict=True):
        torch.testing.assert_close(gradient, expected[order])


@every_agreement
def test_the_order_of_the_classes_does_not_matter(text: str) -> None:
    """Of the logits as well as of the pseudo-labels; a contrast sees no order of dimensions either."""
    views, order = pair(), torch.tensor([3, 1, 4, 0, 2])
    moved = replace(placed(views, views.first[:, order], views.second[:, order]), targets=views.targets[:, order])
    torch.testing.assert_close(made(text).agree(moved), made(text).agree(views))


@contrasts
def test_lengths_do_not_matter_to_a_contrast(text: str) -> None:
    views = pair()
    lengths = torch.linspace(0.1, 50, SAMPLES, dtype=torch.float64)[:, None]
    longer = placed(views, lengths * views.first, lengths.flip(0) * views.second)
    torch.testing.assert_close(made(text).agree(longer), made(text).agree(views))


@contrasts
def test_one_image_costs_a_contrast_nothing(text: str) -> None:
    value, gradients = value_and_gradients(made(text), pair(1))
    assert float(value) == pytest.approx(0, abs=1e-12)
    assert all(gradient.abs().max() < 1e-12 for gradient in gradients)


@every_agreement
@pytest.mark.parametrize("samples", [1, SAMPLES])
@pytest.mark.parametrize("where", [0.0, 300.7])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_coincident_vectors_have_a_finite_gradient(text: str, samples: int, where: float, dtype: torch.dtype) -> None:
    """Also without length."""
    views = pair(samples, dtype)
    views = placed(views, torch.full_like(views.first, where), torch.full_like(views.second, where))
    value, gradients = value_and_gradients(made(text), views)
    assert value.isfinite()
    assert all(gradient.isfinite().all() for gradient in gradients)


@every_agreement
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_vectors_without_length_among_others(text: str, dtype: torch.dtype) -> None:
    views = pair(dtype=dtype)
    held = torch.arange(SAMPLES)[:, None] >= 2
    views = placed(views, views.first * held, views.second * held)
    value, gradients = value_and_gradients(made(text), views)
    assert float(value) == pytest.approx(NAIVE[text](views), rel=1e-5)
    assert all(gradient.isfinite().all() for gradient in gradients)


@every_agreement
def test_falls_along_its_gradient(text: str) -> None:
    views, loss = pair(), made(text)
    value, (one, other) = value_and_gradients(loss, views)
    rate = 1e-3 / float(torch.cat([one, other]).norm())
    nearer = placed(views, views.first - rate * one, views.second - rate * other)
    assert float(loss.agree(nearer).detach()) < float(value)


@every_agreement
def test_pseudo_labels_get_no_gradient_and_stay_as_they_are(text: str) -> None:
    views = pair()
    before = views.targets.clone()
    made(text).agree(views).backward()
    assert views.targets.grad is None
    assert torch.equal(views.targets, before)


@every_agreement
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_halves_are_computed_in_float32(text: str, dtype: torch.dtype) -> None:
    views = pair(dtype=dtype)
    value, gradients = value_and_gradients(made(text), views)
    expected = value_and_gradients(made(text), placed(views, views.first.float(), views.second.float()))
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, expected[0])
    for gradient, other in zip(gradients, expected[1], strict=True):
        assert gradient.dtype == dtype
        torch.testing.assert_close(gradient, other.to(dtype))


@every_agreement
def test_bfloat16_is_near_float32(text: str) -> None:
    views = pair(30, torch.float32)
    rounded = placed(views, views.first.bfloat16(), views.second.bfloat16())
    rounded = replace(rounded, targets=views.targets.bfloat16())
    assert float(made(text).agree(rounded).detach()) == pytest.approx(float(made(text).agree(views).detach()), rel=0.02)


@every_agreement
def test_large_halves_do_not_overflow(text: str) -> None:
    views = pair(dtype=torch.float32)
    value, gradients = value_and_gradients(
        made(text), placed(views, (views.first * 1000).half(), (views.second * 1000).half())
    )
    assert value.isfinite()
    assert all(gradient.float().isfinite().all() for gradient in gradients)


@every_agreement
def test_autocast_changes_nothing(text: str) -> None:
    views = replace(pair(dtype=torch.float32), targets=pair().targets.float())
    expected, expected_gradients = value_and_gradients(made(text), views)
    with torch.autocast("cpu", torch.bfloat16):
        value = made(text).agree(views)
    gradients = torch.autograd.grad(value, (views.first, views.second), materialize_grads=True)
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(gradients, expected_gradients)


@every_agreement
def test_float32_is_near_float64(text: str) -> None:
    exact = pair(30)
    exact = placed(exact, exact.first.float().double(), exact.second.float().double())
    value = made(text).agree(placed(exact, exact.first.float(), exact.second.float()))
    assert value.dtype == torch.float32
    assert float(value.detach()) == pytest.approx(NAIVE[text](exact), rel=2e-5)


@every_agreement
@pytest.mark.parametrize("view", ["first", "second"])
@pytest.mark.parametrize("samples", [1, SAMPLES])
def test_nan_gives_nan(text: str, view: str, samples: int) -> None:
    views = pair(samples)
    broken = getattr(views, view).detach().clone()
    broken[0, 0] = math.nan
    value = made(text).agree(replace(views, **{view: broken}))
    assert value.isnan() or (made(text).views == 1 and view == "second")


@every_agreement
def test_shapes_that_do_not_fit_are_refused(text: str) -> None:
    views = pair()
    for wrong in (
        replace(views, first=views.first[:4], second=views.second[:4]), replace(views, targets=views.targets[:4]),
        replace(views, first=views.first[0], second=views.second[0]), replace(views, targets=views.targets[:, 0]),
        pair(0),
    ):  # fmt: skip
        with pytest.raises(InputError, match=r" takes .*\(sample, ") as caught:
            made(text).agree(wrong)
        assert "\n" not in str(caught.value)


@contrasts
def test_views_of_two_shapes_are_refused(text: str) -> None:
    views = pair()
    for second in (views.second[:4], views.second[:, :3]):
        with pytest.raises(InputError, match=r"an agreement takes two views \(sample, dimension\) of one shape"):
            made(text).agree(replace(views, second=second))


@every_agreement
def test_labelled_images_are_refused(text: str) -> None:
    loss = made(text)
    with pytest.raises(InputError, match=f"{loss.name} compares views of unlabelled images: use it in the regime semi"):
        loss(pair().first, torch.zeros(SAMPLES, dtype=torch.long))


@every_agreement
def test_the_text_reads_back(text: str) -> None:
    term = parse_term(f"0.25*{text}@classifier")
    again = parse_term(str(term))
    assert str(again) == str(term) == f"0.25*{text}@classifier"
    assert (again.weight, again.space, again.loss.options) == (0.25, "classifier", term.loss.options)


@every_agreement
def test_unknown_options_are_refused(text: str) -> None:
    with pytest.raises(TypeError):
        type(made(text))(sharpness=2)


@every_agreement
def test_there_is_no_state(text: str) -> None:
    loss = made(text)
    value = loss.agree(pair())
    assert not loss.state_dict()
    assert torch.equal(loss.agree(pair()), value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("consistency(hard=1)", "consistency: hard must be True or False, not 1"),
        ("consistency(hard='yes')", "consistency: hard must be True or False, not 'yes'"),
        ("consistency(soft=True)", "unknown option of loss consistency 'soft'"),
        ("graph_contrast(threshold=1.1)", "graph_contrast: threshold must be 0 to 1, not 1.1"),
        ("graph_contrast(threshold=-0.1)", "graph_contrast: threshold must be 0 to 1, not -0.1"),
        ("graph_contrast(threshold=None)", "graph_contrast: threshold must be 0 to 1, not None"),
        ("graph_contrast(temperature=0)", "graph_contrast: temperature must be above zero, not 0"),
        ("graph_contrast(temperature=1e999)", "graph_contrast: temperature must be above zero, not inf"),
        ("class_aware_contrast(temperature=-1)", "class_aware_contrast: temperature must be above zero, not -1"),
        ("class_aware_contrast(temperature='hot')", "class_aware_contrast: temperature must be above zero, not 'hot'"),
        ("class_aware_contrast(push=1.1)", "class_aware_contrast: push must be 0 to 1, not 1.1"),
        ("class_aware_contrast(push=[0.9])", "class_aware_contrast: push must be 0 to 1, not [0.9]"),
        ("class_aware_contrast(pull=0.9)", "unknown option of loss class_aware_contrast 'pull': did you mean 'push'?"),
        ("class_aware_contrst", "unknown loss 'class_aware_contrst': did you mean 'class_aware_contrast'?"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_term(f"{text}@classifier")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
