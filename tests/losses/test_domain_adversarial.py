"""Domain-adversarial training: the reversed gradient, the classifier that learns, its accuracy, bad options."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tests.losses.naive_alignments import NAIVE, REVERSED
from tests.losses.two_domains import CLASSES, DIMENSION, SOURCE, differences, domains, made, placed

from spacewise.errors import InputError
from spacewise.losses import DomainAdversarial


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
    given, loss = domains(SOURCE, 4, dtype=torch.float32), DomainAdversarial(hidden=8)
    loss.bind(CLASSES, DIMENSION)
    given = placed(given, given.source - 3, given.target + 3)  # apart, and of very unequal sizes
    optimizer = torch.optim.Adam(loss.parameters(), 0.05)
    for _ in range(100):
        optimizer.zero_grad()
        loss.align(given).backward()
        optimizer.step()
    assert float(loss.reported["domain_accuracy"]) == 1
    one_place = placed(given, torch.ones(9, DIMENSION), torch.ones(4, DIMENSION))
    loss.align(one_place)
    assert float(loss.reported["domain_accuracy"]) == 0.5
    assert not loss.reported["domain_accuracy"].requires_grad


def test_the_accuracy_is_that_of_the_samples_that_stand_for_the_target() -> None:
    """The classifier takes all of the source, and one sample of the target, for the source."""
    given, loss = domains(SOURCE, 4), made("domain_adversarial").double()
    source, target = torch.zeros(SOURCE, DIMENSION), torch.zeros(4, DIMENSION)
    with torch.no_grad():
        for parameter in loss.parameters():
            parameter.fill_(1.0)
        list(loss.parameters())[-1].fill_(-100.0)
    target[1:] = 1.0
    given = placed(given, source.double(), target.double())
    for labels, accuracy in (([1, -1, 0, -1], 1.0), ([-1, 1, 0, -1], 0.75), ([1, 1, 0, 2], 0.875)):
        loss.align(replace(given, target_labels=torch.tensor(labels)))
        assert float(loss.reported["domain_accuracy"]) == accuracy


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
