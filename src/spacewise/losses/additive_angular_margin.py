"""Additive angular margin loss (ArcFace): the angle to the own class smaller than the others' by a margin.

Source: Deng et al., ArcFace: Additive Angular Margin Loss for Deep Face Recognition (2019), equation 3, and
its released code, for angles near pi.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from spacewise.losses.directions import ClassDirections, softmax_of_cosines
from spacewise.losses.loss import check_batch
from spacewise.losses.pairs import prepared, products


def additive_angular_margin(
    embeddings: Tensor, labels: Tensor, directions: Tensor, *, margin: float = 0.5, scale: float = 64.0
) -> Tensor:
    """Mean over samples of -log(e_y / (e_y + sum_{j != y} exp(scale cos_j))), e_y = exp(scale cos(t_y + margin)).

    t_j is the angle between the vector and the direction of class j, cos_j its cosine. Beyond
    t_y = pi - margin, where cos(t_y + margin) would rise again, cos_y - margin sin(margin) stands in its
    place, as in the authors' code and in pytorch-metric-learning: the loss grows with the angle throughout,
    with a jump upwards there.

    Args:
        embeddings: (sample, dimension), of any length; a zero vector is at a right angle to every
            direction; halves are computed in float32.
        labels: (sample,) class indices.
        directions: (class, dimension), of any length but zero.
        margin: radians, between 0 and pi / 2.
        scale: above zero, the inverse of a temperature.

    Returns:
        Scalar; zero for an empty batch. NaN in the embeddings gives NaN.

    Raises:
        InputError: shapes do not fit.
    """
    check_batch(embeddings, labels)
    values = prepared(embeddings)
    if len(values) == 0:
        return values.sum() * 0
    places = prepared(directions.to(values.dtype))
    cosines = products(values, places)
    return softmax_of_cosines(cosines, _widened(values, places[labels], margin), labels, scale)


def _widened(values: Tensor, own: Tensor, margin: float) -> Tensor:
    """cos(t + margin) (sample,) of the angles t between unit vectors and those of their classes."""
    cosine = (values * own).sum(dim=1)
    # the sine as a length: sqrt(1 - cosine^2) has no gradient at an angle of zero and rounds near it
    sine = torch.linalg.vector_norm(own - cosine[:, None] * values, dim=1)
    widened = cosine * math.cos(margin) - sine * math.sin(margin)
    return torch.where(cosine >= -math.cos(margin), widened, cosine - margin * math.sin(margin))


class AdditiveAngularMargin(ClassDirections):
    """`additive_angular_margin` with its class directions, on any space of vectors, such as `feature`.

    The classifier space is not trained by this loss: put `crossentropy@classifier` beside it, or judge
    the space by neighbours.

    Args:
        margin: radians, between 0 and pi / 2.
        scale: above zero.

    Raises:
        InputError: an option is out of its range; or, with a batch, `bind` has not been called.
    """

    name = "additive_angular_margin"
    margins = (math.pi / 2, "pi / 2 radians")

    def __init__(self, margin: float = 0.5, scale: float = 64.0) -> None:
        super().__init__(margin, scale)

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return additive_angular_margin(embeddings, labels, self.bound(), **self.options)
