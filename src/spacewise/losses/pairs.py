"""What losses that compare samples share: vectors of one length, squared distances, who is of one class.

Everything is computed in float32 or better, also under autocast: squared lengths of halves overflow, and
small differences of bfloat16 are lost.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def prepared(embeddings: Tensor, *, normalise: bool = True) -> Tensor:
    """Vectors (sample, dimension) in float32 or better, of unit length where asked for; zero stays zero."""
    values = embeddings.float() if embeddings.dtype.itemsize < 4 else embeddings
    return functional.normalize(values, dim=1) if normalise else values


def products(values: Tensor, others: Tensor | None = None) -> Tensor:
    """Dot products (sample, other sample) of vectors, in their own precision; among themselves by default."""
    with torch.autocast(values.device.type, enabled=False):
        return values @ (values if others is None else others).T


def squared_distances(values: Tensor) -> Tensor:
    """Squared Euclidean distances (sample, sample), never below zero.

    By the Gram matrix of centred vectors: centring costs nothing and keeps the cancellation small.
    """
    if len(values) == 0:
        return values @ values.T
    centred = values - values.mean(dim=0, keepdim=True)
    lengths = centred.square().sum(dim=1)
    return (lengths[:, None] + lengths[None, :] - 2 * products(centred)).clamp(min=0)


def same_class(labels: Tensor) -> Tensor:
    """Whether two samples are of one class: bool (sample, sample), true on the diagonal."""
    return labels[:, None] == labels[None, :]
