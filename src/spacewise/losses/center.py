"""Center loss: vectors of a class close to the centre of the class.

Sources: Wen et al., A Discriminative Feature Learning Approach for Deep Face Recognition (2016),
equations 2 to 4; Wang et al., Successive Embedding and Classification Loss, equation 8.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from spacewise.errors import InputError, unknown
from spacewise.losses.loss import Loss, check_batch

CENTERS = ("persistent", "batch")


def center(embeddings: Tensor, labels: Tensor, centers: Tensor) -> Tensor:
    """1 / (2 B) times the sum of squared distances to the centre of each sample's class (equation 8).

    Args:
        embeddings: (sample, dimension).
        labels: (sample,) class indices.
        centers: (class, dimension).

    Returns:
        Scalar; zero for an empty batch.
    """
    check_batch(embeddings, labels)
    values = embeddings.float() if embeddings.dtype.itemsize < 4 else embeddings
    return (values - centers[labels].to(values.dtype)).square().sum() / (2 * max(len(values), 1))


def class_means(embeddings: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Mean vector (class, dimension) of each class in the batch; zero for a class without samples."""
    sums = embeddings.new_zeros(classes, embeddings.shape[1]).index_add(0, labels, embeddings)
    counts = torch.bincount(labels, minlength=classes).clamp(min=1)
    return sums / counts[:, None]


class Center(Loss):
    """Center loss with its centres.

    Args:
        rate: how far centres move each step: c_j <- c_j - rate * sum_(y_i = j)(c_j - x_i) / (1 + n_j),
            independent of the weight of the term (Wen et al., equation 4). Between 0 and 1.
        centers: `"persistent"`: kept from step to step, starting at zero, as the released code does;
            `"batch"`: the mean of the class within the batch, as the text of equation 8 says.

    Raises:
        InputError: the rate is outside 0 to 1, or the name of the centres is unknown.
    """

    name = "center"
    centers: Tensor

    def __init__(self, rate: float = 0.5, centers: str = "persistent") -> None:
        super().__init__(rate=rate, centers=centers)
        if not (isinstance(rate, int | float) and math.isfinite(rate) and 0 <= rate <= 1):
            raise InputError(f"center: rate must lie between 0 and 1, not {rate!r}")
        if centers not in CENTERS:
            raise unknown("centers of center", centers, CENTERS)
        self.register_buffer("centers", torch.zeros(0, 0))

    def bind(self, classes: int, dimension: int, seed: int = 0) -> None:
        self.centers = self.centers.new_zeros(classes, dimension)

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        check_batch(embeddings, labels)
        values = embeddings.float() if embeddings.dtype.itemsize < 4 else embeddings
        if self.options["centers"] == "batch":
            classes = int(labels.max()) + 1 if len(labels) else 0
            return center(values, labels, class_means(values, labels, classes))
        if self.centers.numel() == 0:
            raise InputError("center: persistent centres need bind(classes, dimension) before the first batch")
        # a copy: the centres move below, and the backward pass needs those that the loss was computed with
        loss = center(values, labels, self.centers.clone())
        if self.training:
            self.move(values.detach(), labels)
        return loss

    @torch.no_grad()
    def move(self, embeddings: Tensor, labels: Tensor) -> None:
        """One update of the centres of the classes in the batch."""
        counts = torch.bincount(labels, minlength=len(self.centers)).to(self.centers.dtype)[:, None]
        sums = torch.zeros_like(self.centers).index_add_(0, labels, embeddings.to(self.centers.dtype))
        self.centers -= self.options["rate"] * (counts * self.centers - sums) / (1 + counts)
