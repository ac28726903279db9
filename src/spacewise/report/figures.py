"""Every figure of one run, by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from spacewise.errors import unknown
from spacewise.report import (
    charts,
    curves,
    domains,
    gallery,
    ladder,
    layers,
    learning,
    maps,
    matrices,
    pictures,
    retrieval,
    unseen,
)

if TYPE_CHECKING:
    from spacewise.audits import Audit

FIGURES: dict[str, Callable[..., Figure]] = {
    "training": charts.training,
    "pseudo_labels": learning.pseudo_labels,
    "accuracy": charts.accuracy,
    "confusion": matrices.confusion,
    "domain_map": domains.map_of_audit,
    "domain_distances": domains.distances_of_audit,
    "spaces": ladder.spaces,
    "projection": maps.projection,
    "tsne": maps.tsne,
    "umap": maps.umap,
    "pacmap": maps.pacmap,
    "tsne_chips": pictures.tsne_chips,
    "representation": unseen.representation,
    "roc": curves.roc,
    "mistakes": pictures.mistakes,
}

LAYER_FIGURES: dict[str, Callable[..., Figure]] = {
    "layers": layers.layers,
    "train_test": layers.train_test,
    "layer_epochs": layers.layer_epochs,
    "gallery": gallery.gallery,
}
"""Those of a run whose test classes were never trained on, which has none of the others."""


def draw(audit: Audit, name: str, **options: Any) -> Figure:
    """One figure of an audit.

    Args:
        audit: what is drawn.
        name: a key of `FIGURES`; of `LAYER_FIGURES` where the audit is by retrieval.
        options: that figure's own: `accuracy(weights)`, `projection(first, second)`, `tsne(space, seed, fit)`, as
            `umap` and `pacmap`, `tsne_chips(space, seed)`, `representation(classes, space, seed)`, `roc(score)`,
            `mistakes(number)`, `gallery(spaces, number)`; of a transfer `domain_map(space, seed)` and
            `domain_distances(space)`.

    Raises:
        InputError: an unknown figure, option, class, space or score; a question that this audit has no
            samples for (no confusers: no `roc`; one domain: no `domain_map`; every image with its
            label: no `pseudo_labels`).
    """
    figures = LAYER_FIGURES if retrieval.is_disjoint(audit) else FIGURES
    if name not in figures:
        raise unknown("figure", name, figures)
    function = figures[name]
    known = [parameter for parameter in inspect.signature(function).parameters if parameter != "audit"]
    for option in options:
        if option not in known:
            raise unknown(f"option of figure {name}", option, known)
    return function(audit, **options)
