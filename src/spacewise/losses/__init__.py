"""Losses: one file each. `LOSSES` is the table that the text form of an objective reads.

`ALIGNMENTS` is the table of those that compare two domains, `AGREEMENTS` of those that compare two views of the
same unlabelled images.
"""

from spacewise.losses.additive_angular_margin import AdditiveAngularMargin, additive_angular_margin
from spacewise.losses.agreement import Agreement, Views
from spacewise.losses.alignment import Alignment, Domains
from spacewise.losses.angular import Angular, angular
from spacewise.losses.binary_crossentropy import BinaryCrossEntropy, binary_crossentropy
from spacewise.losses.center import Center, center
from spacewise.losses.class_aware_contrast import ClassAwareContrast, class_aware_contrast
from spacewise.losses.complement_entropy import ComplementEntropy, complement_entropy
from spacewise.losses.conditional_sliced_wasserstein import (
    ConditionalSlicedWasserstein,
    conditional_sliced_wasserstein,
)
from spacewise.losses.consistency import Consistency, consistency
from spacewise.losses.contrastive import Contrastive, contrastive
from spacewise.losses.coral import Coral, coral
from spacewise.losses.crossentropy import CrossEntropy
from spacewise.losses.domain_adversarial import DomainAdversarial
from spacewise.losses.focal import Focal, focal
from spacewise.losses.graph_contrast import GraphContrast, graph_contrast
from spacewise.losses.guided_complement_entropy import GuidedComplementEntropy, guided_complement_entropy
from spacewise.losses.hinge import Hinge, hinge
from spacewise.losses.hinge_triplet import HingeTriplet, hinge_triplet
from spacewise.losses.large_margin_cosine import LargeMarginCosine, large_margin_cosine
from spacewise.losses.lifted_structure import LiftedStructure, lifted_structure
from spacewise.losses.loss import Loss, Term
from spacewise.losses.margin import Margin, margin
from spacewise.losses.maximum_mean_discrepancy import MaximumMeanDiscrepancy, maximum_mean_discrepancy
from spacewise.losses.npair import NPair, npair
from spacewise.losses.prototype_conformity import PrototypeConformity
from spacewise.losses.proxy_nca import ProxyNCA, proxy_nca
from spacewise.losses.sliced_wasserstein import SlicedWasserstein, sliced_wasserstein
from spacewise.losses.smooth_triplet import SmoothTriplet, smooth_triplet
from spacewise.losses.supcon import SupCon, supcon

LOSSES: dict[str, type[Loss]] = {
    "crossentropy": CrossEntropy,
    "binary_crossentropy": BinaryCrossEntropy,
    "focal": Focal,
    "hinge": Hinge,
    "contrastive": Contrastive,
    "center": Center,
    "prototype_conformity": PrototypeConformity,
    "complement_entropy": ComplementEntropy,
    "guided_complement_entropy": GuidedComplementEntropy,
    "smooth_triplet": SmoothTriplet,
    "hinge_triplet": HingeTriplet,
    "npair": NPair,
    "lifted_structure": LiftedStructure,
    "margin": Margin,
    "angular": Angular,
    "proxy_nca": ProxyNCA,
    "supcon": SupCon,
    "large_margin_cosine": LargeMarginCosine,
    "additive_angular_margin": AdditiveAngularMargin,
}

ALIGNMENTS: dict[str, type[Alignment]] = {
    "sliced_wasserstein": SlicedWasserstein,
    "conditional_sliced_wasserstein": ConditionalSlicedWasserstein,
    "maximum_mean_discrepancy": MaximumMeanDiscrepancy,
    "coral": Coral,
    "domain_adversarial": DomainAdversarial,
}

AGREEMENTS: dict[str, type[Agreement]] = {
    "consistency": Consistency,
    "graph_contrast": GraphContrast,
    "class_aware_contrast": ClassAwareContrast,
}

__all__ = [
    "AGREEMENTS",
    "ALIGNMENTS",
    "LOSSES",
    "AdditiveAngularMargin",
    "Agreement",
    "Alignment",
    "Angular",
    "BinaryCrossEntropy",
    "Center",
    "ClassAwareContrast",
    "ComplementEntropy",
    "ConditionalSlicedWasserstein",
    "Consistency",
    "Contrastive",
    "Coral",
    "CrossEntropy",
    "DomainAdversarial",
    "Domains",
    "Focal",
    "GraphContrast",
    "GuidedComplementEntropy",
    "Hinge",
    "HingeTriplet",
    "LargeMarginCosine",
    "LiftedStructure",
    "Loss",
    "Margin",
    "MaximumMeanDiscrepancy",
    "NPair",
    "PrototypeConformity",
    "ProxyNCA",
    "SlicedWasserstein",
    "SmoothTriplet",
    "SupCon",
    "Term",
    "Views",
    "additive_angular_margin",
    "angular",
    "binary_crossentropy",
    "center",
    "class_aware_contrast",
    "complement_entropy",
    "conditional_sliced_wasserstein",
    "consistency",
    "contrastive",
    "coral",
    "focal",
    "graph_contrast",
    "guided_complement_entropy",
    "hinge",
    "hinge_triplet",
    "large_margin_cosine",
    "lifted_structure",
    "margin",
    "maximum_mean_discrepancy",
    "npair",
    "proxy_nca",
    "sliced_wasserstein",
    "smooth_triplet",
    "supcon",
]
