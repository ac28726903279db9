"""Maximum mean discrepancy: how far apart two domains are on average, seen through Gaussian kernels.

Sources: Gretton et al., A Kernel Two-Sample Test (2012), equation 5 (the biased estimate, squared) and section 8
(the median heuristic); Long et al., Learning Transferable Features with Deep Adaptation Networks (2015),
equation 2 (several kernels).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from spacewise.errors import InputError
from spacewise.losses.alignment import Alignment, Domains, check_domains
from spacewise.losses.pairs import prepared, squared_distances

COINCIDENT = 1e-5  # a median below this share of the mean is the rounding of vectors that are the same


def maximum_mean_discrepancy(
    source: Tensor, target: Tensor, *, bandwidths: Sequence[float] = (0.25, 0.5, 1, 2, 4)
) -> Tensor:
    """mean k(s, s') + mean k(t, t') - 2 mean k(s, t), k the mean over bandwidths b of exp(-|x - y|^2 / (b m)).

    This is the biased estimate: each sample is compared with itself, too, so that the value is never below
    zero but for rounding. m is `typical_squared_distance` of both domains together, held in the backward pass;
    the value stays when all vectors grow or shrink alike. The paper of the several kernels learns their shares;
    here they are equal.

    Args:
        source: (source sample, dimension); halves are computed in float32.
        target: (target sample, dimension).
        bandwidths: b, at least one, each above zero, in the unit of m.

    Returns:
        Scalar between 0 and 2, of no unit; zero where all vectors are the same. NaN in a vector gives NaN.

    Raises:
        InputError: dimensions differ, or a domain has no sample.
    """
    check_domains(source, target)
    joint = torch.cat([prepared(source, normalise=False), prepared(target, normalise=False)])
    # seen from one of them, vectors that are all the same are exactly zero
    squares = squared_distances(joint - joint[:1].detach())
    scale = typical_squared_distance(squares.detach())
    # the shares sum to zero, so that k - 1 gives what k does, and exactly zero where all vectors are the same
    less = sum((torch.expm1(squares / (-bandwidth * scale)) for bandwidth in bandwidths), start=squares.new_zeros(()))
    shares = torch.cat([squares.new_full((len(each),), 1 / len(each)) for each in (source, target)])
    shares[len(source) :].neg_()
    return (less * shares[:, None] * shares).sum() / len(bandwidths)


def typical_squared_distance(squares: Tensor) -> Tensor:
    """Median of the squared distances (sample, sample) of all pairs of two different samples.

    Of an even number of pairs it is the lower of the middle two. Where most pairs coincide, so that the
    median says nothing, it is the mean, and where all do, 1.
    """
    rows, columns = torch.triu_indices(len(squares), len(squares), offset=1, device=squares.device)
    pairs = squares[rows, columns]
    median, mean = pairs.median(), pairs.mean()
    typical = torch.where(median > COINCIDENT * mean, median, mean)
    return torch.where(typical > 0, typical, 1.0)


class MaximumMeanDiscrepancy(Alignment):
    """`maximum_mean_discrepancy` as a term of an objective, of the target as `Domains.sampled`.

    Raises:
        InputError: the bandwidths are not one or more numbers above zero.
    """

    name = "maximum_mean_discrepancy"

    def __init__(self, bandwidths: Sequence[float] = (0.25, 0.5, 1, 2, 4)) -> None:
        if not (
            isinstance(bandwidths, list | tuple)
            and bandwidths
            and all(isinstance(b, int | float) and math.isfinite(b) and b > 0 for b in bandwidths)
        ):
            raise InputError(
                f"maximum_mean_discrepancy: bandwidths must be numbers above zero, like (0.5, 1, 2), not {bandwidths!r}"
            )
        super().__init__(bandwidths=tuple(bandwidths))

    def align(self, domains: Domains) -> Tensor:
        return maximum_mean_discrepancy(domains.source, domains.sampled, **self.options)
