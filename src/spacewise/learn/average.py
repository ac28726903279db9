"""The exponential average of a network's weights over the steps of its training, for evaluation."""

from __future__ import annotations

import copy
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from spacewise.nets.chain import Chain


class Average(nn.Module):
    """A copy of a network whose weights follow it: decay x average + (1 - decay) x weights after every step.

    The decay rises to its value as (1 + n) / (10 + n) with the steps n, so that the weights of the start do not
    linger in short trainings; from 8,990 steps on there is no difference at 0.999.

    Args:
        net: what is followed.
        decay: 0 to below 1.
    """

    steps: Tensor

    def __init__(self, net: Chain, decay: float) -> None:
        super().__init__()
        self.decay = decay
        self.net = copy.deepcopy(net).requires_grad_(False).eval()
        # as it will be when it is first asked: sums in another order would tell a resumed run
        self.net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def follow(self, net: nn.Module) -> None:
        """One step of the average."""
        self.steps += 1
        number = int(self.steps)
        rate = 1 - min(self.decay, (1 + number) / (10 + number))
        torch._foreach_lerp_(list(self.net.parameters()), list(net.parameters()), rate)

    @torch.no_grad()
    def copy_statistics(self, net: nn.Module) -> None:
        """Statistics of the normalisation as the followed network has them: they are of other weights."""
        for mine, its in zip(self.net.buffers(), net.buffers(), strict=True):
            mine.copy_(its)

    def estimate_statistics(self, batches: Iterable[Tensor], precision: str) -> None:
        """Statistics of the normalisation by the averaged weights: the mean over batches.

        Args:
            batches: training images (sample, band, height, width), two or more in each.
            precision: that of the training.
        """
        layers = [layer for layer in self.net.modules() if isinstance(layer, _BatchNorm)]
        momenta = [layer.momentum for layer in layers]
        for layer in layers:
            layer.reset_running_stats()
            layer.momentum = None  # a plain mean over batches
            layer.train()
        device = self.net.preprocess.mean.device
        with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            for images in batches:
                self.net(images.to(device))
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
            layer.eval()
