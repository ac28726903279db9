"""One suite that every loss passes, against a naive loop in float64."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tests.losses import naive_classification, naive_metric, naive_prototypes, naive_triplet
from torch import Tensor

from spacewise.errors import InputError
from spacewise.losses import LOSSES, Loss
from spacewise.nets.chain import Chain, output_sizes
from spacewise.objective import Objective, parse_term

SAMPLES, DIMENSION, CLASSES = 10, 5, 4
LABELS = torch.tensor([0, 1, 2, 0, 1, 3, 0, 0, 2, 1])
CENTERS = torch.randn(CLASSES, DIMENSION, generator=torch.Generator().manual_seed(9))


def crossentropy(x: list[list[float]], y: list[int]) -> float:
    terms = [math.log(sum(math.exp(value - row[label]) for value in row)) for row, label in zip(x, y)]
    return sum(terms) / len(terms) if terms else 0.0


def squared(one: list[float], other: list[float]) -> float:
    return sum((a - b) ** 2 for a, b in zip(one, other))


def all_pairs(count: int) -> list[tuple[int, int]]:
    return [(i, j) for i in range(count) for j in range(i + 1, count)]


def siamese_pairs(count: int) -> list[tuple[int, int]]:
    return [(i, i + count // 2) for i in range(count // 2)]


def contrastive(
    similar: float = 0.0,
    dissimilar: float = 1.0,
    form: str = "squared",
    pairs: Callable[[int], list[tuple[int, int]]] = all_pairs,
) -> Callable[[list[list[float]], list[int]], float]:
    def loss(x: list[list[float]], y: list[int]) -> float:
        terms = []
        for i, j in pairs(len(x)):
            d = squared(x[i], x[j]) if form == "squared" else math.sqrt(squared(x[i], x[j]))
            beyond = max(0.0, d - similar) if y[i] == y[j] else max(0.0, dissimilar - d)
            terms.append(beyond if form == "squared" else beyond**2 / 2)
        return sum(terms) / len(terms) if terms else 0.0

    return loss


def center(x: list[list[float]], y: list[int]) -> float:
    return sum(squared(row, CENTERS[label].tolist()) for row, label in zip(x, y)) / (2 * max(len(x), 1))


def center_of_batch(x: list[list[float]], y: list[int]) -> float:
    total = 0.0
    for row, label in zip(x, y):
        mine = [other for other, its in zip(x, y) if its == label]
        total += squared(row, [sum(values) / len(mine) for values in zip(*mine)])
    return total / (2 * max(len(x), 1))


# Each loss in each of its ways, and what it is.
NAIVE: dict[str, Callable[[list[list[float]], list[int]], float]] = {
    "crossentropy": crossentropy,
    "contrastive": contrastive(),
    "contrastive(similar_margin=0.5, dissimilar_margin=12.0)": contrastive(0.5, 12.0),
    "contrastive(dissimilar_margin=3.0, form='distance')": contrastive(0.0, 3.0, "distance"),
    "contrastive(similar_margin=0.5, form='distance')": contrastive(0.5, 1.0, "distance"),
    "contrastive(dissimilar_margin=9.0, pairs='siamese')": contrastive(0.0, 9.0, pairs=siamese_pairs),
    "contrastive(form='distance', pairs='siamese')": contrastive(0.0, 1.0, "distance", siamese_pairs),
    "center": center,
    "center(centers='batch')": center_of_batch,
    **naive_classification.NAIVE,
    **naive_prototypes.NAIVE,
    **naive_triplet.NAIVE,
    **naive_metric.NAIVE,
}

every_loss = pytest.mark.parametrize("text", NAIVE)


def made(text: str) -> Loss:
    """The loss, bound, with centres somewhere (they start at zero), in evaluation mode."""
    loss = parse_term(f"{text}@feature").loss
    loss.bind(CLASSES, DIMENSION)
    if loss.name == "center":
        loss.load_state_dict({"centers": CENTERS})
    return loss.eval()


def vectors(samples: int = SAMPLES, dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    values = torch.randn(samples, DIMENSION, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return values.to(dtype).requires_grad_()


def value_and_gradient(loss: Loss, embeddings: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    value = loss(embeddings, labels)
    (gradient,) = torch.autograd.grad(value, embeddings)
    return value.detach(), gradient


def siamese(text: str) -> bool:
    return "siamese" in text


def test_every_loss_of_the_table_is_here() -> None:
    assert {parse_term(f"{text}@x").loss.name for text in NAIVE} == set(LOSSES)


@every_loss
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_as_a_naive_loop(text: str, seed: int) -> None:
    embeddings = vectors(seed=seed)
    value = made(text)(embeddings, LABELS)
    assert value.shape == ()
    assert float(value.detach()) == pytest.approx(NAIVE[text](embeddings.tolist(), LABELS.tolist()), rel=1e-12)


@every_loss
def test_the_gradient_as_finite_differences(text: str) -> None:
    if text in naive_metric.HELD:
        pytest.skip("its weights are held: they move under finite differences, not in the gradient; see its own test")
    loss = made(text)
    assert torch.autograd.gradcheck(lambda embeddings: loss(embeddings, LABELS), vectors())


@every_loss
def test_the_order_of_the_batch_does_not_matter(text: str) -> None:
    loss, embeddings = made(text), vectors()
    order = torch.randperm(SAMPLES // 2, generator=torch.Generator().manual_seed(0))
    halves = [order, order + SAMPLES // 2]
    order = torch.cat(halves if siamese(text) else halves[::-1])  # of siamese halves, whole pairs change places
    value, gradient = value_and_gradient(loss, embeddings, LABELS)
    moved, moved_gradient = value_and_gradient(loss, embeddings.detach()[order].requires_grad_(), LABELS[order])
    torch.testing.assert_close(moved, value)
    torch.testing.assert_close(moved_gradient, gradient[order])


@every_loss
@pytest.mark.parametrize("label", [0, CLASSES - 1])
def test_a_batch_of_one_class(text: str, label: int) -> None:
    labels = torch.full((SAMPLES,), label)
    embeddings = vectors()
    value, gradient = value_and_gradient(made(text), embeddings, labels)
    assert float(value) == pytest.approx(NAIVE[text](embeddings.tolist(), labels.tolist()), rel=1e-12)
    assert gradient.isfinite().all()


@every_loss
def test_a_batch_of_one(text: str) -> None:
    embeddings = vectors(1)
    if siamese(text):
        with pytest.raises(InputError, match="needs an even batch, not 1 samples"):
            made(text)(embeddings, LABELS[:1])
        return
    value, gradient = value_and_gradient(made(text), embeddings, LABELS[:1])
    assert float(value) == pytest.approx(NAIVE[text](embeddings.tolist(), LABELS[:1].tolist()), rel=1e-12)
    assert gradient.isfinite().all()


@every_loss
def test_an_empty_batch_costs_nothing(text: str) -> None:
    value, gradient = value_and_gradient(made(text), vectors(0), LABELS[:0])
    assert float(value) == 0
    assert gradient.shape == (0, DIMENSION)


@every_loss
def test_coincident_vectors_have_a_finite_gradient(text: str) -> None:
    embeddings = torch.ones(SAMPLES, DIMENSION, dtype=torch.float64, requires_grad=True)
    value, gradient = value_and_gradient(made(text), embeddings, LABELS)
    assert value.isfinite()
    assert gradient.isfinite().all()


@every_loss
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_halves_are_computed_in_float32(text: str, dtype: torch.dtype) -> None:
    embeddings = vectors(dtype=dtype)
    value, gradient = value_and_gradient(made(text), embeddings, LABELS)
    exact = vectors(dtype=dtype).detach().float().requires_grad_()
    expected, expected_gradient = value_and_gradient(made(text), exact, LABELS)
    assert value.dtype == torch.float32
    assert gradient.dtype == dtype
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(gradient, expected_gradient.to(dtype))


@every_loss
def test_large_halves_do_not_overflow(text: str) -> None:
    embeddings = (vectors(dtype=torch.float32) * 1000).detach().half().requires_grad_()
    value, gradient = value_and_gradient(made(text), embeddings, LABELS)
    assert value.isfinite()
    assert gradient.float().isfinite().all()


@every_loss
def test_autocast_changes_nothing(text: str) -> None:
    embeddings = vectors(dtype=torch.float32)
    expected, expected_gradient = value_and_gradient(made(text), embeddings, LABELS)
    with torch.autocast("cpu", torch.bfloat16):
        value = made(text)(embeddings, LABELS)
    (gradient,) = torch.autograd.grad(value, embeddings)
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(gradient, expected_gradient)


@every_loss
@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_float32_is_near_float64(text: str, offset: float) -> None:
    """Also far from the origin, where squared lengths cancel."""
    if offset and parse_term(f"{text}@x").loss.name in ("center", "prototype_conformity"):
        offset = 0.0  # centres do not move along
    exact = vectors().detach() + offset
    exact = exact.float().double()
    value = made(text)(exact.float(), LABELS)
    assert float(value.detach()) == pytest.approx(NAIVE[text](exact.tolist(), LABELS.tolist()), rel=2e-4)


@every_loss
def test_shapes_that_do_not_fit_are_refused(text: str) -> None:
    loss = made(text)
    for embeddings, labels in ((vectors(4), LABELS[:3]), (vectors(4)[0], LABELS[:1]), (vectors(4), LABELS[:4, None])):
        with pytest.raises(InputError, match=r"a loss takes embeddings \(sample, dimension\) and labels \(sample,\)"):
            loss(embeddings, labels)


@every_loss
def test_the_text_reads_back(text: str) -> None:
    term = parse_term(f"0.25*{text}@feature")
    again = parse_term(str(term))
    assert str(again) == str(term)
    assert (again.weight, again.space, again.loss.options) == (0.25, "feature", term.loss.options)


@every_loss
def test_unknown_options_are_refused(text: str) -> None:
    kind = type(parse_term(f"{text}@x").loss)
    with pytest.raises((InputError, TypeError)):
        kind(sharpness=2)


@every_loss
def test_the_state_goes_there_and_back(text: str) -> None:
    loss = made(text).train()
    loss(vectors(), LABELS)  # state moves
    other = parse_term(f"{text}@feature").loss
    other.bind(CLASSES, DIMENSION)
    other.load_state_dict(loss.state_dict())
    assert torch.equal(other.eval()(vectors(seed=1), LABELS), loss.eval()(vectors(seed=1), LABELS))


@every_loss
def test_training_sees_the_gradient_of_the_state_before_it_moves(text: str) -> None:
    expected = value_and_gradient(made(text), vectors(), LABELS)
    found = value_and_gradient(made(text).train(), vectors(), LABELS)
    torch.testing.assert_close(found, expected)


# On every space


@every_loss
@pytest.mark.parametrize("space", ["maps", "maps:mean", "maps:max", "maps:flatten", "feature", "classifier"])
def test_on_every_space(text: str, space: str, tiny_chain: Callable[..., Chain]) -> None:
    chain = tiny_chain(classes=CLASSES)
    objective = Objective(f"2.0*{text}@{space}")
    objective.bind(chain, CLASSES, output_sizes(chain))
    images = torch.rand(SAMPLES, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    spaces = chain(images)
    total, terms = objective(spaces, LABELS)
    name, _, reading = space.partition(":")
    values = spaces[name]
    if values.ndim == 4:
        values = {"mean": values.mean((2, 3)), "max": values.amax((2, 3)), "flatten": values.flatten(1)}[
            reading or "mean"
        ]
    fresh = parse_term(f"{text}@{space}").loss
    fresh.bind(CLASSES, values.shape[1])
    expected = fresh(values, LABELS)
    torch.testing.assert_close(total, 2 * expected)
    torch.testing.assert_close(terms[f"{fresh.name}@{space}"], expected.detach())
    total.backward()
    assert chain.convolution.weight.grad.abs().sum() > 0


# Over two processes

GATHERED = """
import json, sys
from types import SimpleNamespace
import torch
from lightning_fabric import Fabric
from torch import nn
from spacewise.learn.training import Training
from spacewise.objective import Objective

out, texts = sys.argv[1], json.loads(sys.argv[2])
data = torch.load(out + "/data.pt", weights_only=True)
fabric = Fabric(accelerator="cpu", devices=2, strategy="ddp")
fabric.launch()
torch.set_num_threads(1)
training = SimpleNamespace(fabric=fabric)
training.gather = lambda *values, **options: Training.gather(training, *values, **options)
half = slice(5 * fabric.global_rank, 5 * fabric.global_rank + 5)
found = {}
for text in texts:
    objective = Objective(text + "@feature")
    objective.losses[0].bind(4, 5)
    net = nn.Linear(5, 5, bias=False)
    net.load_state_dict({"weight": data["weight"]})
    model = fabric.setup(net)
    spaces, labels = Training.gathered(training, {"feature": model(data["images"][half])}, data["labels"][half])
    total, _ = objective(spaces, labels)
    fabric.backward(total)
    state = [values.tolist() for values in objective.state_dict().values()]
    found[text] = [float(total), net.weight.grad.tolist(), state]
with open(f"{out}/found{fabric.global_rank}.json", "w") as file:
    json.dump(found, file)
"""


def test_gathered_over_two_processes_as_in_one(tmp_path: Path, two_processes: Callable[..., None]) -> None:
    """A batch of ten, of which each process takes five."""
    data = {"images": vectors(dtype=torch.float32).detach(), "labels": LABELS, "weight": torch.eye(5) + 0.1}
    torch.save(data, tmp_path / "data.pt")
    two_processes(GATHERED, tmp_path, json.dumps(list(NAIVE)))
    found = [json.loads((tmp_path / f"found{rank}.json").read_text()) for rank in (0, 1)]
    for text in NAIVE:
        objective = Objective(f"{text}@feature")
        objective.losses[0].bind(CLASSES, DIMENSION)
        weight = data["weight"].clone().requires_grad_()
        total, _ = objective({"feature": data["images"] @ weight.T}, data["labels"])
        total.backward()
        state = [values.tolist() for values in objective.state_dict().values()]
        for process in found:
            value, gradient, moved = process[text]
            assert value == pytest.approx(float(total.detach()), rel=1e-6), text
            torch.testing.assert_close(torch.tensor(gradient), weight.grad, msg=text)
            for one, other in zip(moved, state, strict=True):
                torch.testing.assert_close(torch.tensor(one), torch.tensor(other), msg=text)
