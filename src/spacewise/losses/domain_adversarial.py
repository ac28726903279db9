"""Domain-adversarial training: vectors by which a classifier cannot tell the domains apart.

Source: Ganin et al., Domain-Adversarial Training of Neural Networks (2016), section 4.2.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from spacewise.errors import InputError
from spacewise.losses.alignment import Alignment, Domains, check_domains
from spacewise.losses.pairs import prepared


class Reversal(torch.autograd.Function):
    """The vectors as they are; backwards, the gradient times minus one."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return -gradients[0]


def seeded_linear(inputs: int, outputs: int, generator: torch.Generator) -> nn.Linear:
    """A layer that starts as `nn.Linear` does: uniform within 1 / sqrt(inputs), drawn on the CPU."""
    layer = nn.Linear(inputs, outputs, device="meta").to_empty(device="cpu")
    with torch.no_grad():
        for parameter in (layer.weight, layer.bias):
            parameter.uniform_(-(inputs**-0.5), inputs**-0.5, generator=generator)
    return layer


class DomainAdversarial(Alignment):
    """Binary cross-entropy of a classifier of domains, which learns to tell them apart: source 0, target 1.

    It is the mean over the source and the mean over the target, which is `Domains.sampled` here and in the
    reported accuracy, averaged, so that the sizes of the domains do not matter. The gradient that reaches the
    vectors is reversed: minimising trains the classifier down and the network up. Unlike those of other
    alignments the value therefore rises as the domains meet: where the classifier can only guess, it is log 2.
    The weight of the term is the paper's lambda for the network, and weighs the classifier's gradient, too. The
    paper lets lambda grow during training; here it is constant.

    The classifier is linear, ReLU, linear; its parameters are made in `bind` from the seed, start as those
    of `nn.Linear` do, and learn together with the network. Halves are computed in float32.

    Attributes:
        reported: `domain_accuracy`, the mean of the shares (0 to 1) of source and of target that the
            classifier recognises: 0.5 is a guess.

    Args:
        hidden: units of the classifier between its two layers.

    Raises:
        InputError: `hidden` is no number of units, or, with a batch, `bind` has not been called, dimensions
            differ, or a domain has no sample.
    """

    name = "domain_adversarial"

    def __init__(self, hidden: int = 64) -> None:
        super().__init__(hidden=hidden)
        if not (isinstance(hidden, int) and not isinstance(hidden, bool) and hidden > 0):
            raise InputError(f"domain_adversarial: hidden must be a whole number above zero, not {hidden!r}")
        self.classifier = nn.Sequential()

    def bind(self, classes: int, dimension: int, seed: int = 0) -> None:
        random = torch.Generator().manual_seed(seed)
        hidden = self.options["hidden"]
        self.classifier = nn.Sequential(
            seeded_linear(dimension, hidden, random), nn.ReLU(), seeded_linear(hidden, 1, random)
        )

    def align(self, domains: Domains) -> Tensor:
        check_domains(domains.source, domains.sampled)
        source, target = self.logits(domains.source), self.logits(domains.sampled)
        recognised = [(source <= 0).float().mean(), (target > 0).float().mean()]
        self.reported = {"domain_accuracy": torch.stack(recognised).mean()}
        return (functional.softplus(source).mean() + functional.softplus(-target).mean()) / 2

    def logits(self, vectors: Tensor) -> Tensor:
        """(sample,), above zero for what the classifier takes for the target; backwards, reversed."""
        if len(self.classifier) == 0:
            raise InputError(f"{self.name}: the classifier needs bind(classes, dimension) before the first batch")
        values = Reversal.apply(prepared(vectors, normalise=False))
        held = {name: parameter.to(values.dtype) for name, parameter in self.classifier.named_parameters()}
        with torch.autocast(values.device.type, enabled=False):
            return functional_call(self.classifier, held, (values,)).squeeze(1)
