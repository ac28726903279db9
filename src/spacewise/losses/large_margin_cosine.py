"""Large margin cosine loss (CosFace): the cosine to the own class above the others' by a margin.

Source: Wang et al., CosFace: Large Margin Cosine Loss for Deep Face Recognition (2018), equation 4.
"""

from __future__ import annotations

from torch import Tensor

from spacewise.losses.directions import ClassDirections, softmax_of_cosines
from spacewise.losses.loss import check_batch
from spacewise.losses.pairs import prepared, products


def large_margin_cosine(
    embeddings: Tensor, labels: Tensor, directions: Tensor, *, margin: float = 0.35, scale: float = 64.0
) -> Tensor:
    """Mean over samples of -log(e_y / (e_y + sum_{j != y} exp(scale cos_j))), e_y = exp(scale (cos_y - margin)).

    cos_j is the cosine of the angle between the vector and the direction of class j.

    Args:
        embeddings: (sample, dimension), of any length; the cosines of a zero vector are zero; halves are
            computed in float32.
        labels: (sample,) class indices.
        directions: (class, dimension), of any length but zero.
        margin: between 0 and 2, the distance from -1 to 1.
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
    cosines = products(values, prepared(directions.to(values.dtype)))
    own = cosines.gather(1, labels[:, None]).squeeze(1)
    return softmax_of_cosines(cosines, own - margin, labels, scale)


class LargeMarginCosine(ClassDirections):
    """`large_margin_cosine` with its class directions, on any space of vectors, such as `feature`.

    The classifier space is not trained by this loss: put `crossentropy@classifier` beside it, or judge
    the space by neighbours.

    Args:
        margin: between 0 and 2, in the unit of cosines.
        scale: above zero.

    Raises:
        InputError: an option is out of its range; or, with a batch, `bind` has not been called.
    """

    name = "large_margin_cosine"
    margins = (2.0, "2")

    def __init__(self, margin: float = 0.35, scale: float = 64.0) -> None:
        super().__init__(margin, scale)

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return large_margin_cosine(embeddings, labels, self.bound(), **self.options)
