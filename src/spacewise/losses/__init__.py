"""Losses: one file each. `LOSSES` is the table that the text form of an objective reads."""

from spacewise.losses.angular import Angular, angular
from spacewise.losses.center import Center, center
from spacewise.losses.contrastive import Contrastive, contrastive
from spacewise.losses.crossentropy import CrossEntropy
from spacewise.losses.hinge_triplet import HingeTriplet, hinge_triplet
from spacewise.losses.lifted_structure import LiftedStructure, lifted_structure
from spacewise.losses.loss import Loss, Term
from spacewise.losses.margin import Margin, margin
from spacewise.losses.npair import NPair, npair
from spacewise.losses.proxy_nca import ProxyNCA, proxy_nca
from spacewise.losses.smooth_triplet import SmoothTriplet, smooth_triplet
from spacewise.losses.supcon import SupCon, supcon

LOSSES: dict[str, type[Loss]] = {
    "crossentropy": CrossEntropy,
    "contrastive": Contrastive,
    "center": Center,
    "smooth_triplet": SmoothTriplet,
    "hinge_triplet": HingeTriplet,
    "npair": NPair,
    "lifted_structure": LiftedStructure,
    "margin": Margin,
    "angular": Angular,
    "proxy_nca": ProxyNCA,
    "supcon": SupCon,
}

__all__ = [
    "LOSSES",
    "Angular",
    "Center",
    "Contrastive",
    "CrossEntropy",
    "HingeTriplet",
    "LiftedStructure",
    "Loss",
    "Margin",
    "NPair",
    "ProxyNCA",
    "SmoothTriplet",
    "SupCon",
    "Term",
    "angular",
    "center",
    "contrastive",
    "hinge_triplet",
    "lifted_structure",
    "margin",
    "npair",
    "proxy_nca",
    "smooth_triplet",
    "supcon",
]
