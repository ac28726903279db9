"""Proxy-NCA: each sample close to the learnt proxy of its class, far from those of the others.

Source: Movshovitz-Attias et al., No Fuss Distance Metric Learning using Proxies (2017).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from spacewise.errors import InputError
from spacewise.losses.directions import drawn
from spacewise.losses.loss import Loss, check_batch
from spacewise.losses.pairs import prepared, products


def proxy_nca(embeddings: Tensor, labels: Tensor, proxies: Tensor, *, scale: float = 3.0) -> Tensor:
    """Mean over samples of -log(exp(-d(x, p_y)) / sum_{z != y} exp(-d(x, p_z))).

    d is the squared Euclidean distance of vectors and proxies, all brought to the length `scale`. The
    proxy of the sample's own class is not in the denominator, so that the value may fall below zero;
    where it is, as in ProxyNCA++ (Teh et al., 2020), a sample costs log(1 + exp(its cost here)).

    Args:
        embeddings: (sample, dimension); zero vectors stay zero; halves are computed in float32.
        labels: (sample,) class indices.
        proxies: (class, dimension), two or more, of any length but zero.
        scale: the length, above zero: squared, it is the inverse of a temperature. ProxyNCA++ has 3
            (temperature 1/9).

    Returns:
        Scalar; zero for an empty batch. NaN in the embeddings gives NaN.

    Raises:
        InputError: shapes do not fit.
    """
    check_batch(embeddings, labels)
    values = prepared(embeddings)
    if len(values) == 0:
        return values.sum() * 0
    # squared lengths are the same for all proxies and cancel: of the distances, the products remain
    logits = 2 * scale**2 * products(values, prepared(proxies.to(values.dtype)))
    own = functional.one_hot(labels, len(proxies)).bool()
    return (logits.masked_fill(own, -math.inf).logsumexp(dim=1) - logits[own]).mean()


class ProxyNCA(Loss):
    """`proxy_nca` with its proxies: the parameter `proxies` (class, dimension), which learns.

    It starts at random directions of unit length: normal numbers (class, dimension) from a generator on
    the CPU with the seed of `bind`, each row divided by its length.

    Args:
        scale: length of vectors and proxies, above zero.

    Raises:
        InputError: the scale is not above zero; `bind` meets fewer than two classes; or, with a batch,
            `bind` has not been called.
    """

    name = "proxy_nca"
    proxies: nn.Parameter

    def __init__(self, scale: float = 3.0) -> None:
        super().__init__(scale=scale)
        if not (isinstance(scale, int | float) and math.isfinite(scale) and scale > 0):
            raise InputError(f"proxy_nca: scale must be above zero, not {scale!r}")
        self.proxies = nn.Parameter(torch.zeros(0, 0))

    def bind(self, classes: int, dimension: int, seed: int = 0) -> None:
        if classes < 2:
            raise InputError(f"proxy_nca: proxies need two classes or more, not {classes}")
        self.proxies = nn.Parameter(drawn(classes, dimension, seed).to(self.proxies))

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        if self.proxies.numel() == 0:
            raise InputError("proxy_nca: proxies need bind(classes, dimension) before the first batch")
        return proxy_nca(embeddings, labels, self.proxies, **self.options)
