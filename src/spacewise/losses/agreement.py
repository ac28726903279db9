"""What every loss between two views of the same unlabelled images is."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from spacewise.errors import InputError
from spacewise.losses.loss import Loss


@dataclass(frozen=True)
class Views:
    """One space of two strong views of the same images, and what the images are taken for. Targets have no gradient.

    Attributes:
        first, second: (sample, dimension); row i of both is image i.
        targets: (sample, class) pseudo-labels: what each image is taken for, rows that sum to one.
        confident: bool (sample,) whether the largest target reaches the threshold of the regime.
    """

    first: Tensor
    second: Tensor
    targets: Tensor
    confident: Tensor


class Agreement(Loss):
    """A number that falls as two views of the same images agree with one another, or with a pseudo-label.

    Placed on a space as any loss is: `graph_contrast(threshold=0.8)@embedding`. It sees unlabelled images alone.

    Attributes:
        views: strong views that it looks at, 1 or 2; with 1, `second` is the first again.
    """

    of_views = True
    views: int = 2

    def agree(self, views: Views) -> Tensor:
        """Scalar, from one space of both views."""
        raise NotImplementedError

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Raises `InputError`: labelled images have one view."""
        raise InputError(
            f"{self.name} compares views of unlabelled images: use it in the regime semi-supervised, "
            "such as spacewise train --method comatch"
        )


def check_views(first: Tensor, second: Tensor, targets: Tensor) -> None:
    """Raises `InputError` unless both views and the targets are of the same images, one or more."""
    fits = first.ndim == 2 and first.shape == second.shape and targets.ndim == 2 and len(targets) == len(first)
    if not fits or len(first) == 0:
        raise InputError(
            "an agreement takes two views (sample, dimension) of one shape and targets (sample, class), of one sample "
            f"or more, not {tuple(first.shape)}, {tuple(second.shape)} and {tuple(targets.shape)}"
        )
