"""Correlation alignment: the covariances of two domains brought together.

Source: Sun and Saenko, Deep CORAL: Correlation Alignment for Deep Domain Adaptation (2016), equation 1.
"""

from __future__ import annotations

from torch import Tensor

from spacewise.losses.alignment import Alignment, Domains, check_domains
from spacewise.losses.pairs import prepared, products


def coral(source: Tensor, target: Tensor) -> Tensor:
    """|C_s - C_t|^2 / (4 dimension^2), the squared Frobenius norm, C the covariance of a domain.

    The means of the domains do not enter: two that differ by a shift cost nothing.

    Args:
        source: (source sample, dimension); halves are computed in float32.
        target: (target sample, dimension).

    Returns:
        Scalar, in the unit of the vectors to the fourth power. Covariances divide by the samples less one; that
        of a single sample is zero. NaN in a vector gives NaN.

    Raises:
        InputError: dimensions differ, or a domain has no sample.
    """
    check_domains(source, target)
    apart = _covariance(source) - _covariance(target)
    return apart.square().mean() / 4


def _covariance(vectors: Tensor) -> Tensor:
    """(dimension, dimension)."""
    values = prepared(vectors, normalise=False)
    centred = values - values.mean(dim=0, keepdim=True)
    return products(centred.T) / max(len(values) - 1, 1)


class Coral(Alignment):
    """`coral` as a term of an objective, of the target as `Domains.sampled`."""

    name = "coral"

    def __init__(self) -> None:
        super().__init__()

    def align(self, domains: Domains) -> Tensor:
        return coral(domains.source, domains.sampled)
