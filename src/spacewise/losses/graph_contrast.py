"""Contrast between views, guided by the graph of pseudo-labels.

Source: Li et al., CoMatch (2021), equations 8 to 10.
"""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional

from spacewise.errors import InputError
from spacewise.losses.agreement import Agreement, Views, check_views
from spacewise.losses.pairs import prepared, products


def graph_contrast(
    first: Tensor, second: Tensor, targets: Tensor, *, threshold: float = 0.8, temperature: float = 0.2
) -> Tensor:
    """Mean over images i of -sum_j Q_ij log S_ij: embeddings agree as far as pseudo-labels do.

    Q = p p^T with ones on its diagonal, zero below the threshold, rows brought to a sum of one; S is the softmax
    over j of z_i . z'_j / T, z of the first view and z' of the second, all of unit length. The views are not
    interchangeable: every image of the first is placed among those of the second.

    Args:
        first, second: (sample, dimension); zero vectors stay zero; halves are computed in float32.
        targets: (sample, class) pseudo-labels p.
        threshold: 0 to 1.
        temperature: T, above zero.

    Returns:
        Scalar; zero for one image, which has nothing to differ from. NaN in a vector gives NaN.

    Raises:
        InputError: shapes do not fit, or there is no sample.
    """
    check_views(first, second, targets)
    one, other = prepared(first), prepared(second)
    graph = products(targets.to(one.dtype)).fill_diagonal_(1)
    graph = graph.masked_fill(graph < threshold, 0)
    return functional.cross_entropy(products(one, other) / temperature, graph / graph.sum(dim=1, keepdim=True))


class GraphContrast(Agreement):
    """`graph_contrast` as a term of an objective.

    Raises:
        InputError: a threshold outside 0 to 1, or a temperature that is not above zero.
    """

    name = "graph_contrast"

    def __init__(self, threshold: float = 0.8, temperature: float = 0.2) -> None:
        super().__init__(threshold=threshold, temperature=temperature)
        if not (isinstance(threshold, int | float) and 0 <= threshold <= 1):
            raise InputError(f"graph_contrast: threshold must be 0 to 1, not {threshold!r}")
        if not (isinstance(temperature, int | float) and math.isfinite(temperature) and temperature > 0):
            raise InputError(f"graph_contrast: temperature must be above zero, not {temperature!r}")

    def agree(self, views: Views) -> Tensor:
        return graph_contrast(views.first, views.second, views.targets, **self.options)
