"""Cross-entropy of a strong view under the pseudo-label that a weak view made, where that is confident.

Sources: Li et al., CoMatch (2021), equation 5 (soft pseudo-labels); Sohn et al., FixMatch (2020), equation 4 (hard).
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from spacewise.errors import InputError
from spacewise.losses.agreement import Agreement, Views
from spacewise.losses.pairs import prepared


def consistency(logits: Tensor, targets: Tensor, confident: Tensor, *, hard: bool = False) -> Tensor:
    """Mean over all samples of [confident] * -sum_k q_k log softmax(z)_k.

    Args:
        logits: z (sample, class) of the strong view; halves are computed in float32.
        targets: q (sample, class) pseudo-labels.
        confident: bool (sample,): the others count as zero, and in the mean.
        hard: q is one at its largest class, the first of equal ones, and zero elsewhere.

    Returns:
        Scalar; zero where no sample is confident. NaN in the logits gives NaN, also of samples that are not.

    Raises:
        InputError: shapes do not fit, or there is no sample.
    """
    if logits.ndim != 2 or logits.shape != targets.shape or confident.shape != logits.shape[:1] or len(logits) == 0:
        raise InputError(
            "consistency takes logits and targets (sample, class) of one shape and confident (sample,), of one sample "
            f"or more, not {tuple(logits.shape)}, {tuple(targets.shape)} and {tuple(confident.shape)}"
        )
    values = prepared(logits, normalise=False)
    wanted = targets.argmax(dim=1) if hard else targets.to(values.dtype)
    return (functional.cross_entropy(values, wanted, reduction="none") * confident).mean()


class Consistency(Agreement):
    """`consistency` of the first strong view, as a term of an objective. `hard` that is no bool raises `InputError`."""

    name = "consistency"
    views = 1

    def __init__(self, hard: bool = False) -> None:
        super().__init__(hard=hard)
        if not isinstance(hard, bool):
            raise InputError(f"consistency: hard must be True or False, not {hard!r}")

    def bind(self, classes: int, dimension: int, seed: int = 0) -> None:
        """Raises `InputError` on a space that is not the logits of the classes."""
        if dimension != classes:
            raise InputError(
                f"consistency compares logits with pseudo-labels of {classes} classes, not a space of {dimension} "
                "dimensions: place it on the classifier, like consistency@classifier"
            )

    def agree(self, views: Views) -> Tensor:
        return consistency(views.first, views.targets, views.confident, **self.options)
