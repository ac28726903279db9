"""One suite that every alignment of two domains passes, against a naive loop in float64."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.losses.naive_alignments import HELD, NAIVE, REVERSED, discrepancy, typical
from torch import Tensor

from spacewise.errors import InputError
from spacewise.losses import (
    ALIGNMENTS,
    LOSSES,
    DomainAdversarial,
    MaximumMeanDiscrepancy,
    coral,
    maximum_mean_discrepancy,
)
from spacewise.losses.alignment import Alignment, Domains
from spacewise.objective import parse_term

SOURCE, TARGET, DIMENSION, CLASSES = 8, 6, 5, 3
SOURCE_LABELS = torch.tensor([0, 1, 2, 0, 1, 0, 0, 2])
TARGET_LABELS = torch.tensor([1, -1, 0, -1, -1, 2])

every_alignment = pytest.mark.parametrize("text", NAIVE)


def unbound(text: str) -> Alignment:
    loss = parse_term(f"{text}@feature").loss
    assert isinstance(loss, Alignment)
    return loss


def made(text: str, seed: int = 0) -> Alignment:
    """The alignment, bound, before its draws of the step with this seed."""
    loss = unbound(text)
    loss.bind(CLASSES, DIMENSION)
    loss.reseed(seed)
    return loss


def domains(source: int = SOURCE, target: int = TARGET, dtype: torch.dtype = torch.float64, seed: int = 0) -> Domains:
    """Two clouds, of which the second is smaller and lies elsewhere."""
    random = torch.Generator().manual_seed(seed)
    one = torch.randn(source, DIMENSION, generator=random, dtype=torch.float64)
    other = 0.5 * torch.randn(target, DIMENSION, generator=random, dtype=torch.float64) + 0.3
    probability = (3 * torch.randn(target, CLASSES, generator=random)).softmax(dim=1)
    vectors = [values.to(dtype).requires_grad_() for values in (one, other)]
    labels = SOURCE_LABELS[torch.arange(source) % SOURCE], TARGET_LABELS[torch.arange(target) % TARGET]
    return Domains(*vectors, *labels, probability)


def placed(given: Domains, source: Tensor, target: Tensor) -> Domains:
    """The same domains with other vectors."""
    return replace(given, source=source.detach().requires_grad_(), target=target.detach().requires_grad_())


def value_and_gradients(loss: Alignment, given: Domains) -> tuple[Tensor, tuple[Tensor, ...]]:
    value = loss.align(given)
    return value.detach(), torch.autograd.grad(value, (given.source, given.target), materialize_grads=True)


def differences(function: Callable[[], float], values: Tensor, step: float = 1e-5) -> Tensor:
    """The gradient of a function of the values as central differences."""
    found = torch.zeros_like(values).flatten()
    with torch.no_grad():
        flat = values.view(-1)
        for place, held in enumerate(flat.tolist()):
            ends = []
            for side in (1, -1):
                flat[place] = held + side * step
                ends.append(function())
            flat[place] = held
            found[place] = (ends[0] - ends[1]) / (2 * step)
    return found.view_as(values)


def test_every_alignment_of_the_table_is_here() -> None:
    assert {unbound(text).name for text in NAIVE} == set(ALIGNMENTS)
    assert all(kind.name == name for name, kind in ALIGNMENTS.items())
    assert not set(ALIGNMENTS) & set(LOSSES)


@every_alignment
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(("source", "target"), [(SOURCE, TARGET), (4, 11), (6, 6), (1, 5), (5, 1), (1, 1)])
def test_as_a_naive_loop(text: str, seed: int, source: int, target: int) -> None:
    given, loss = domains(source, target, seed=seed), made(text, seed)
    value = loss.align(given)
    assert value.shape == ()
    assert float(value.detach()) == pytest.approx(NAIVE[text](given, made(text, seed)), rel=1e-9, abs=1e-15)


@every_alignment
def test_the_gradient_as_finite_differences(text: str) -> None:
    if text in HELD or text in REVERSED:
        pytest.skip("its gradient is not that of its value; see its own test")
    given = domains()

    def value(source: Tensor, target: Tensor) -> Tensor:
        return made(text).align(replace(given, source=source, target=target))

    assert torch.autograd.gradcheck(value, (given.source, given.target))


@every_alignment
def test_the_order_of_either_domain_does_not_matter(text: str) -> None:
    given = domains()
    value, gradients = value_and_gradients(made(text), given)
    random = torch.Generator().manual_seed(0)
    one, other = torch.randperm(SOURCE, generator=random), torch.randperm(TARGET, generator=random)
    moved = Domains(
        given.source.detach()[one].requires_grad_(), given.target.detach()[other].requires_grad_(),
        given.source_labels[one], given.target_labels[other], given.target_probability[other],
    )  # fmt: skip
    moved_value, moved_gradients = value_and_gradients(made(text), moved)
    torch.testing.assert_close(moved_value, value)
    torch.testing.assert_close(moved_gradients[0], gradients[0][one])
    torch.testing.assert_close(moved_gradients[1], gradients[1][other])


@every_alignment
@pytest.mark.parametrize(("source", "target"), [(1, 1), (1, TARGET), (SOURCE, 1)])
def test_a_domain_of_one_sample_has_a_finite_gradient(text: str, source: int, target: int) -> None:
    value, gradients = value_and_gradients(made(text), domains(source, target))
    assert value.isfinite()
    assert all(gradient.isfinite().all() for gradient in gradients)


@every_alignment
@pytest.mark.parametrize("where", [0.0, 300.7])
@pytest.mark.parametrize(("source", "target"), [(SOURCE, TARGET), (1, 1)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_coincident_vectors_have_a_finite_gradient(
    text: str, where: float, source: int, target: int, dtype: torch.dtype
) -> None:
    given = domains(source, target, dtype=dtype)
    given = placed(given, torch.full_like(given.source, where), torch.full_like(given.target, where))
    value, gradients = value_and_gradients(made(text), given)
    assert value.isfinite()
    assert all(gradient.isfinite().all() for gradient in gradients)
    if text not in REVERSED:
        assert abs(float(value)) < 1e-6


@every_alignment
def test_falls_as_the_domains_meet(text: str) -> None:
    """Of the adversarial one, which rises, the step along the gradient is what matters."""
    given, loss = domains(), made(text)
    value, gradients = value_and_gradients(loss, given)
    sign = 1 if text in REVERSED else -1
    rate = 1e-3 / float(torch.cat(gradients).norm())
    nearer = placed(given, given.source - rate * gradients[0], given.target - rate * gradients[1])
    loss.reseed(0)
    assert sign * (float(loss.align(nearer).detach()) - float(value)) > 0


@every_alignment
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_halves_are_computed_in_float32(text: str, dtype: torch.dtype) -> None:
    given = domains(dtype=dtype)
    value, gradients = value_and_gradients(made(text), given)
    expected, expected_gradients = value_and_gradients(
        made(text), placed(given, given.source.float(), given.target.float())
    )
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, expected)
    for gradient, other in zip(gradients, expected_gradients, strict=True):
        assert gradient.dtype == dtype
        torch.testing.assert_close(gradient, other.to(dtype))


@every_alignment
def test_large_halves_do_not_overflow(text: str) -> None:
    given = domains(dtype=torch.float32)
    given = placed(given, (given.source * 1000).half(), (given.target * 1000).half())
    value, gradients = value_and_gradients(made(text), given)
    assert value.isfinite()
    assert all(gradient.isnan().sum() == 0 for gradient in gradients)


@every_alignment
def test_autocast_changes_nothing(text: str) -> None:
    given = domains(dtype=torch.float32)
    expected, expected_gradients = value_and_gradients(made(text), given)
    with torch.autocast("cpu", torch.bfloat16):
        value = made(text).align(given)
    gradients = torch.autograd.grad(value, (given.source, given.target))
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(gradients, expected_gradients)


@every_alignment
@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_float32_is_near_float64(text: str, offset: float) -> None:
    """Also far from the origin, where squared lengths cancel."""
    given = domains()
    exact = placed(given, (given.source + offset).float().double(), (given.target + offset).float().double())
    value = made(text).align(placed(exact, exact.source.float(), exact.target.float()))
    assert float(value.detach()) == pytest.approx(NAIVE[text](exact, made(text)), rel=2e-4)


@every_alignment
@pytest.mark.parametrize("domain", ["source", "target"])
def test_nan_gives_nan(text: str, domain: str) -> None:
    given = domains()
    broken = getattr(given, domain).detach().clone()
    broken[0] = math.nan
    assert made(text).align(replace(given, **{domain: broken})).isnan()


@every_alignment
def test_dimensions_that_differ_are_refused(text: str) -> None:
    given = domains()
    for source, target in (
        (given.source[:, :3], given.target), (given.source, given.target[:, :3]), (given.source[0], given.target),
    ):  # fmt: skip
        with pytest.raises(InputError, match=r"an alignment takes source \(sample, dimension\) and target"):
            made(text).align(replace(given, source=source, target=target))


@every_alignment
@pytest.mark.parametrize(("source", "target", "named"), [(0, 4, "source"), (4, 0, "target"), (0, 0, "source")])
def test_an_empty_domain_is_refused(text: str, source: int, target: int, named: str) -> None:
    with pytest.raises(InputError, match=f"at least one sample of each domain, the {named} has none"):
        made(text).align(domains(source, target))


@every_alignment
def test_a_batch_of_one_domain_is_refused(text: str) -> None:
    loss = made(text)
    with pytest.raises(InputError, match=f"{loss.name} compares two domains"):
        loss(domains().source, SOURCE_LABELS)


@every_alignment
def test_the_text_reads_back(text: str) -> None:
    term = parse_term(f"0.25*{text}@feature")
    again = parse_term(str(term))
    assert str(again) == str(term) == f"0.25*{text}@feature"
    assert (again.weight, again.space, again.loss.options) == (0.25, "feature", term.loss.options)


@every_alignment
def test_unknown_options_are_refused(text: str) -> None:
    with pytest.raises(TypeError):
        type(unbound(text))(sharpness=2)


@every_alignment
def test_the_state_goes_there_and_back(text: str) -> None:
    loss = made(text)
    loss.align(domains())
    other = unbound(text)
    other.bind(CLASSES, DIMENSION, seed=1)
    other.load_state_dict(loss.state_dict())
    for each in (loss, other):
        each.reseed(5)
    assert torch.equal(other.align(domains(seed=1)), loss.align(domains(seed=1)))


@every_alignment
def test_the_same_seed_draws_the_same(text: str) -> None:
    loss, given = made(text), domains()
    values = []
    for seed in (3, 4, 3):
        loss.reseed(seed)
        values.append(float(loss.align(given).detach()))
    assert values[0] == values[2]
    assert (values[0] != values[1]) == ("sliced" in text)


@every_alignment
def test_the_global_random_numbers_stay_as_they_are(text: str) -> None:
    before = torch.get_rng_state()
    made(text).align(domains())
    assert torch.equal(torch.get_rng_state(), before)


# Maximum mean discrepancy


@pytest.mark.parametrize("text", HELD)
def test_the_gradient_of_the_discrepancy_holds_the_scale(text: str) -> None:
    given, loss = domains(), made(text)
    _, gradients = value_and_gradients(loss, given)
    scale = typical(given.source.tolist() + given.target.tolist())

    def value() -> float:
        return discrepancy(given.source.tolist(), given.target.tolist(), loss.options["bandwidths"], scale)

    for vectors, gradient in zip((given.source, given.target), gradients, strict=True):
        torch.testing.assert_close(gradient, differences(value, vectors.detach()), rtol=1e-6, atol=1e-9)


def test_the_discrepancy_of_golden_values() -> None:
    """Two single samples: 2 - 2 exp(-1 / b), whatever their distance."""
    given = domains()
    for far in (1e-3, 1.0, 1e3):
        pair = placed(given, torch.zeros(1, 2), torch.tensor([[0.0, far]]))
        value = MaximumMeanDiscrepancy(bandwidths=(0.5,)).align(pair)
        assert float(value.detach()) == pytest.approx(2 - 2 * math.exp(-2), rel=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_discrepancy_where_most_pairs_coincide(dtype: torch.dtype) -> None:
    """The median is zero or rounding: the mean takes its place, and the collapsed domain is pulled."""
    given = domains(12, 2, dtype=dtype)
    collapsed = torch.full_like(given.source, 0.1)
    given = placed(given, collapsed, given.target)
    value, gradients = value_and_gradients(made("maximum_mean_discrepancy"), given)
    expected = NAIVE["maximum_mean_discrepancy"](given, made("maximum_mean_discrepancy"))
    assert float(value) == pytest.approx(expected, rel=1e-5)
    assert float(gradients[1].norm()) > 0.01


def test_the_discrepancy_of_one_place_is_zero_also_where_dimensions_differ_in_scale() -> None:
    """There lengths and products of the same vector round apart, and the median would be that rounding."""
    random = torch.Generator().manual_seed(0)
    for count in range(4, 40):
        place = torch.randn(1, 64, generator=random) * torch.logspace(-2, 2, 64)
        assert float(maximum_mean_discrepancy(place.expand(count, -1), place.expand(3, -1))) == 0


@pytest.mark.parametrize("bandwidths", [(), (0.0,), (1.0, -1.0), (math.nan,), (math.inf,), 1.0, "12", ("1",), None])
def test_bandwidths_that_are_none_are_refused(bandwidths: object) -> None:
    with pytest.raises(InputError, match="bandwidths must be numbers above zero"):
        MaximumMeanDiscrepancy(bandwidths=bandwidths)  # type: ignore[arg-type]


# Correlation alignment


def test_coral_as_numpy_has_the_covariance() -> None:
    given = domains(40, 30)
    one, other = (torch.cov(values.detach().T) for values in (given.source, given.target))
    expected = (one - other).square().sum() / (4 * DIMENSION**2)
    torch.testing.assert_close(coral(given.source, given.target).detach(), expected)


def test_coral_does_not_see_a_shift() -> None:
    given = domains()
    assert float(coral(given.source, given.source + 7.0).detach()) == pytest.approx(0, abs=1e-25)


# Domain-adversarial


@pytest.mark.parametrize("text", REVERSED)
def test_the_vectors_gradient_is_reversed_and_the_classifiers_is_not(text: str) -> None:
    given, loss = domains(), made(text).double()
    parameters = list(loss.parameters())
    gradients = torch.autograd.grad(loss.align(given), [given.source, given.target, *parameters])

    def value() -> float:
        return NAIVE[text](given, loss)

    for vectors, gradient in zip((given.source, given.target), gradients[:2], strict=True):
        torch.testing.assert_close(gradient, -differences(value, vectors.detach()), rtol=1e-5, atol=1e-9)
    for parameter, gradient in zip(parameters, gradients[2:], strict=True):
        torch.testing.assert_close(gradient, differences(value, parameter.detach()), rtol=1e-5, atol=1e-9)


def test_the_classifier_learns_and_reports_its_accuracy() -> None:
    given, loss = domains(dtype=torch.float32), DomainAdversarial(hidden=8)
    loss.bind(CLASSES, DIMENSION)
    given = placed(given, given.source - 3, given.target[:2] + 3)  # apart, and of very unequal sizes
    optimizer = torch.optim.Adam(loss.parameters(), 0.05)
    for _ in range(100):
        optimizer.zero_grad()
        loss.align(given).backward()
        optimizer.step()
    assert float(loss.reported["domain_accuracy"]) == 1
    one_place = placed(given, torch.ones(9, DIMENSION), torch.ones(2, DIMENSION))
    loss.align(one_place)
    assert float(loss.reported["domain_accuracy"]) == 0.5
    assert not loss.reported["domain_accuracy"].requires_grad


def test_sizes_of_the_domains_do_not_matter_to_the_classifier() -> None:
    given, loss = domains(), made("domain_adversarial")
    twice = placed(given, given.source.repeat(2, 1), given.target)
    torch.testing.assert_close(loss.align(twice), loss.align(given))


def test_the_classifier_starts_from_the_seed_as_linear_layers_do() -> None:
    losses = [DomainAdversarial(), DomainAdversarial(), DomainAdversarial()]
    for loss, seed in zip(losses, (0, 0, 1)):
        loss.bind(CLASSES, 100, seed)
    one, same, other = (torch.cat([values.flatten() for values in loss.state_dict().values()]) for loss in losses)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    first = losses[0].state_dict()["classifier.0.weight"]
    assert first.shape == (64, 100)
    assert 0.099 < float(first.abs().max()) <= 0.1
    assert all(parameter.requires_grad for parameter in losses[0].parameters())


def test_the_classifier_needs_to_be_bound() -> None:
    with pytest.raises(InputError, match=r"domain_adversarial: the classifier needs bind\(classes, dimension\)"):
        DomainAdversarial().align(domains())


@pytest.mark.parametrize("hidden", [0, -1, 1.5, True, "64", None])
def test_units_that_are_none_are_refused(hidden: object) -> None:
    with pytest.raises(InputError, match="hidden must be a whole number above zero"):
        DomainAdversarial(hidden=hidden)  # type: ignore[arg-type]


# Over two processes

GATHERED = """
import json, sys
from types import SimpleNamespace
import torch
from lightning_fabric import Fabric
from torch import nn
from spacewise.learn.training import Training
from spacewise.losses.alignment import Domains
from tests.losses.test_every_alignment import made

out, texts = sys.argv[1], json.loads(sys.argv[2])
data = torch.load(out + "/data.pt", weights_only=True)
fabric = Fabric(accelerator="cpu", devices=2, strategy="ddp")
fabric.launch()
torch.set_num_threads(1)
mine = [values[fabric.global_rank * len(values) // 2 :][: len(values) // 2] for values in data["domains"]]
found = {}
for text in texts:
    loss = made(text, 3)
    net = nn.Linear(5, 5, bias=False)
    net.load_state_dict({"weight": data["weight"]})
    model = fabric.setup(net)
    images = torch.cat(mine[:2])
    vectors = model(images).split([len(values) for values in mine[:2]])  # one forward pass of the wrapper
    gather = lambda values, **options: Training.gather(SimpleNamespace(fabric=fabric), values, **options)
    whole = [gather(values, sync_grads=True) for values in vectors]
    value = loss.align(Domains(*whole, *(gather(values) for values in mine[2:])))
    fabric.backward(value)
    own = [parameter.grad.tolist() for parameter in loss.parameters()]
    found[text] = [float(value), net.weight.grad.tolist(), own]
with open(f"{out}/found{fabric.global_rank}.json", "w") as file:
    json.dump(found, file)
"""


def test_gathered_over_two_processes_as_in_one(tmp_path: Path, two_processes: Callable[..., None]) -> None:
    """Eight samples of the source and six of the target, of which each process takes half."""
    given = domains(dtype=torch.float32)
    images = (given.source.detach(), given.target.detach())
    facts = (given.source_labels, given.target_labels, given.target_probability)
    data = {"domains": [*images, *facts], "weight": torch.eye(DIMENSION) + 0.1}
    torch.save(data, tmp_path / "data.pt")
    two_processes(GATHERED, tmp_path, json.dumps(list(NAIVE)))
    found = [json.loads((tmp_path / f"found{rank}.json").read_text()) for rank in (0, 1)]
    for text in NAIVE:
        loss, weight = made(text, 3), data["weight"].clone().requires_grad_()
        value = loss.align(Domains(*(values @ weight.T for values in images), *facts))
        value.backward()
        for process in found:
            its_value, gradient, own = process[text]
            assert its_value == pytest.approx(float(value.detach()), rel=1e-5), text
            torch.testing.assert_close(torch.tensor(gradient), weight.grad, msg=text)
            for one, parameter in zip(own, loss.parameters(), strict=True):
                torch.testing.assert_close(torch.tensor(one), parameter.grad, msg=text)
