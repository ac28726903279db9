"""Cross-entropy of a strong view under the pseudo-label that a weak view made, where that is confident.

Sources: Li et al., CoMatch (2021), equation 5 (soft pseudo-labels); Sohn et al., FixMatch (2020), equation 4 (hard).
"""

from __future__ import annotations

from torch import Tensor

from spacewise.errors import InputError
from spacewise.losses.agreement import Agreement, Views, check_views


def consistency(logits: Tensor, targets: Tensor, confident: Tensor, *, hard: bool = False) -> Tensor:
    """Mean over all samples of [confident] * -sum_k q_k log softmax(z)_k.

    Args:
        logits: (sample, class) of the strong view; halves are computed in float32.
        targets: (sample, class) pseudo-labels q.
        confident: bool (sample,): the others count as zero, and in the mean.
        hard: q is one at its largest class and zero elsewhere.
    """
    if hard:
        targets = targets == targets.amax(dim=1, keepdim=True)
    entropy = -(targets.float() * logits.float().log_softmax(dim=1)).sum(dim=1)
    return (entropy * confident).mean()


class Consistency(Agreement):
    """`consistency` of the first strong view, as a term of an objective. `hard` that is no bool raises `InputError`."""

    name = "consistency"
    views = 1

    def __init__(self, hard: bool = False) -> None:
        super().__init__(hard=hard)
        if not isinstance(hard, bool):
            raise InputError(f"consistency: hard must be True or False, not {hard!r}")

    def agree(self, views: Views) -> Tensor:
        check_views(views)
        return consistency(views.first, views.targets, views.confident, **self.options)
