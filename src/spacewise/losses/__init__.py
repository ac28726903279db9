"""Losses: one file each. `LOSSES` is the table that the text form of an objective reads."""

from spacewise.losses.center import Center, center
from spacewise.losses.contrastive import Contrastive, contrastive
from spacewise.losses.crossentropy import CrossEntropy
from spacewise.losses.loss import Loss, Term

LOSSES: dict[str, type[Loss]] = {
    "crossentropy": CrossEntropy,
    "contrastive": Contrastive,
    "center": Center,
}

__all__ = ["LOSSES", "Center", "Contrastive", "CrossEntropy", "Loss", "Term", "center", "contrastive"]
