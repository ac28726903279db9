"""Prototype conformity: close to the own class's centre, far from those of the others.

Sources: Mustafa et al., Adversarial Defense by Restricting the Hidden Space of Deep Neural Networks (2019)
and its code; Ito et al., Analyzing the Accuracy, Representations, and Explainability of Various Loss
Functions, equation 4. What it repels has no bound: give it a small weight, and read the distances in the log.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from spacewise.errors import InputError, unknown
from spacewise.losses.loss import Loss, check_batch

DECAY = 1e-4  # of the centres, in the printed form (Ito et al., section III-A)
Parts = tuple[Tensor, Tensor]


def printed(embeddings: Tensor, labels: Tensor, centers: Tensor) -> Parts:
    """Mean over samples of |x - c_y|, and of the mean over j != y of |x - c_j| + |c_y - c_j| (equation 4).

    Args:
        embeddings: (sample, dimension).
        labels: (sample,) class indices.
        centers: (class, dimension), two or more.

    Returns:
        What is pulled and what is pushed, scalars: the loss is the first less the second.
    """
    check_batch(embeddings, labels)
    own = functional.one_hot(labels, len(centers)).to(embeddings.dtype)
    distances = _distances(embeddings, centers)
    between = _distances(centers, centers)[labels]
    pulled = (distances * own).sum() / max(len(labels), 1)
    pushed = ((distances + between) * (1 - own)).sum() / ((len(centers) - 1) * max(len(labels), 1))
    return pulled, pushed


def released(embeddings: Tensor, labels: Tensor, centers: Tensor, others: Tensor) -> Parts:
    """Mean over samples of |x - c_y|^2, and over samples and j != y of |x - o_j|^2, o other centres.

    Args and returns as `printed`; others: (class, dimension).
    """
    check_batch(embeddings, labels)
    own = functional.one_hot(labels, len(centers)).to(embeddings.dtype)
    count = max(len(labels), 1)
    pulled = (embeddings - centers[labels]).square().sum() / count
    squares = _distances(embeddings, others).square()
    return pulled, (squares * (1 - own)).sum() / ((len(others) - 1) * count)


def _distances(one: Tensor, other: Tensor) -> Tensor:
    """By differences, not products: a sample may sit on its centre. The gradient there is zero."""
    return torch.cdist(one, other, compute_mode="donot_use_mm_for_euclid_dist")


class PrototypeConformity(Loss):
    """Prototype conformity with its centres, which start at random and follow gradients of their own.

    The centres' steps do not depend on the weight of the term, as in the released code.

    Args:
        form: `"printed"`: distances, one set of centres, between which it pushes, too (equation 4, the mean
            over samples instead of the sum); `"released"`: squared distances, a set that pulls and one that pushes.
        rate: of the centres that pull.
        push: weight of what is pushed against what is pulled; 1 in print, 1e-4 in the released form.
        push_rate: of the centres that push, 1e-4; in the released form alone.

    Raises:
        InputError: an unknown form, a negative number, a push_rate for the printed form, fewer than two
            classes, or, with a batch, `bind` has not been called.
    """

    name = "prototype_conformity"
    centers: Tensor
    others: Tensor

    def __init__(
        self,
        form: str = "printed",
        rate: float = 0.5,
        push: float | None = None,
        push_rate: float | None = None,
    ) -> None:
        super().__init__(form=form, rate=rate, push=push, push_rate=push_rate)
        if form not in ("printed", "released"):
            raise unknown("form of prototype_conformity", form, ("printed", "released"))
        for name, value in (("rate", rate), ("push", push), ("push_rate", push_rate)):
            if value is not None and not (isinstance(value, int | float) and math.isfinite(value) and value >= 0):
                raise InputError(f"prototype_conformity: {name} must be a number, zero or more, not {value!r}")
        if form == "printed" and push_rate is not None:
            raise InputError("prototype_conformity: push_rate belongs to form='released'; the printed form has rate")
        self.push = push if push is not None else {"printed": 1.0, "released": 1e-4}[form]
        self.push_rate = push_rate if push_rate is not None else 1e-4
        self.register_buffer("centers", torch.zeros(0, 0))
        self.register_buffer("others", torch.zeros(0, 0))

    def bind(self, classes: int, dimension: int, seed: int = 0) -> None:
        if classes < 2:
            raise InputError(f"prototype_conformity: nothing to push with {classes} class, expected two or more")
        random = torch.Generator().manual_seed(seed)
        self.centers = torch.randn(classes, dimension, generator=random).to(self.centers)
        if self.options["form"] == "released":
            self.others = torch.randn(classes, dimension, generator=random).to(self.others)

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        check_batch(embeddings, labels)
        if self.centers.numel() == 0:
            raise InputError("prototype_conformity: centres need bind(classes, dimension) before the first batch")
        values = embeddings.float() if embeddings.dtype.itemsize < 4 else embeddings
        held = [buffer.clone().to(values.dtype) for buffer in (self.centers, self.others) if buffer.numel()]
        parts: Callable[..., Parts] = printed if self.options["form"] == "printed" else released
        pulled, pushed = parts(values, labels, *held)
        self.reported = {"pulled": pulled.detach(), "pushed": pushed.detach()}
        if self.training and len(labels):
            self.move(lambda *centers: parts(values.detach(), labels, *centers), held)
        return pulled - self.push * pushed

    def move(self, parts: Callable[..., Parts], held: list[Tensor]) -> None:
        """One step of the centres down their own gradient: of what pulls and pushes, as the form has it."""
        with torch.enable_grad():
            leaves = [centers.detach().requires_grad_() for centers in held]
            pulled, pushed = parts(*leaves)
            share = self.push if self.options["form"] == "printed" else 1.0
            gradients = torch.autograd.grad(pulled - share * pushed, leaves)
        decay = DECAY if self.options["form"] == "printed" else 0.0
        rates = (self.options["rate"], self.push_rate)
        for buffer, gradient, rate in zip((self.centers, self.others), gradients, rates, strict=False):
            buffer -= rate * (gradient + decay * buffer).to(buffer.dtype)
