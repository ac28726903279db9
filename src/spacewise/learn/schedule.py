"""Optimizers, and the learning rate as a function of how far the training is."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable
from typing import Any

import torch
from torch import nn

from spacewise.regime import Settings


def onecycle(share: float) -> float:
    """Cosine from 1/25 up to 1 over the first 30 %, then cosine down to nothing (Smith and Topin 2018)."""
    if share < 0.3:
        return 0.04 + 0.96 * (1 - math.cos(math.pi * share / 0.3)) / 2
    return (1 + math.cos(math.pi * (share - 0.3) / 0.7)) / 2


SCHEDULES: dict[str, Callable[[float], float]] = {
    "onecycle": onecycle,
    "cosine": lambda share: (1 + math.cos(math.pi * share)) / 2,
    "constant": lambda share: 1.0,
    "steps": lambda share: 0.9 ** int(20 * share),
    "tenths": lambda share: 0.1 ** ((3 * share >= 1) + (2 * share >= 1)),
    "sixteenths": lambda share: math.cos(7 * math.pi * share / 16),
}


def optimizer(modules: Iterable[nn.Module], settings: Settings, given: Container[str] = ()) -> torch.optim.Optimizer:
    """AdamW or SGD; weights of layers decay, biases and normalisation do not.

    Args:
        given: names of parameters that started from given weights: groups of their own, which `set_rate` can hold.
    """
    named = [(name, p) for module in modules for name, p in module.named_parameters() if p.requires_grad]
    groups: list[dict[str, Any]] = []
    for held in (False, True):
        mine = [parameter for name, parameter in named if (name in given) == held]
        decay = {"params": [p for p in mine if p.ndim > 1], "weight_decay": settings.weight_decay, "given": held}
        groups += [decay, {"params": [p for p in mine if p.ndim <= 1], "weight_decay": 0.0, "given": held}]
    groups = [group for group in groups if group["params"] or not group["given"]]
    if settings.optimizer == "sgd":
        momentum, nesterov = settings.momentum, settings.nesterov
        return torch.optim.SGD(groups, settings.rate, momentum=momentum, nesterov=nesterov, fused=True)
    return torch.optim.AdamW(groups, settings.rate, fused=True)


def forget(optimizer: torch.optim.Optimizer) -> None:
    """Drops what the optimizer gathered for given parameters while they were held: gradients of random layers above."""
    for group in optimizer.param_groups:
        for parameter in group["params"] if group["given"] else ():
            optimizer.state.pop(parameter, None)


def set_rate(optimizer: torch.optim.Optimizer, settings: Settings, share: float, *, hold: bool = False) -> float:
    """Sets and returns the rate for the step that begins when `share` (0 to 1) of the training is done.

    Args:
        hold: parameters that started from given weights stay as they are.
    """
    rate = settings.rate * SCHEDULES[settings.schedule](share)
    for group in optimizer.param_groups:
        group["lr"] = 0.0 if hold and group["given"] else rate
    return rate
