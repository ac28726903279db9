"""What does a space look like on paper, and which two classes does it mix?

`orthogonal` reads two axes of the classifier space; `tsne` lays any space out in a plane. A t-SNE
picture shows neighbourhoods: its distances, sizes and densities mean nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from spacewise.errors import InputError
from spacewise.measures import checks

STEPS = 250
"""Iterations of t-SNE from given places."""

FIRST_DIMENSIONS = 50
"""Principal components that t-SNE sees (van der Maaten and Hinton, JMLR 2008, use 30 to 50)."""


@dataclass(frozen=True)
class PairConfusion:
    """How two classes are taken for one another. Shares, 0 to 1.

    Attributes:
        first_as_second: of the first class's samples, those predicted as the second. The entry of the
            row-normalised confusion matrix.
        second_as_first: the reverse.
        either: of both classes' samples together, those predicted as the other.
    """

    first_as_second: float
    second_as_first: float
    either: float


@dataclass(frozen=True)
class Projection:
    """Points (sample, 2) and how they were made: the words to print beside the figure.

    Attributes:
        points: (sample, 2).
        method: library and version, or `constant` where all samples coincide.
        perplexity: the one that t-SNE used, lower than asked where there are few samples; NaN of other methods.
    """

    points: np.ndarray
    method: str
    perplexity: float = float("nan")


def orthogonal(logits: Any, first: int, second: int) -> np.ndarray:
    """Coordinates (sample, 2) on two class axes of the classifier space (dual loss, figure 3).

    Raises `InputError` for malformed logits (sample, class) or a class index that is not there.
    """
    values = checks.matrix("logits", logits)
    _different(first, second, most=values.shape[1] - 1)
    return values[:, [first, second]]


def pair_confusion(labels: Any, predictions: Any, first: int, second: int) -> PairConfusion:
    """How often the classes `first` and `second` are taken for one another (dual loss, figure 3).

    The paper prints one figure for 2S1 and BRDM2 and does not define it. Its 8.0 % and 1.2 % are
    those of its confusion matrices (figure 5) for 2S1 taken as BRDM2, with none taken the other way:
    `first_as_second`, not `either`, which is about half.

    Args:
        labels: (sample,) integer class indices.
        predictions: (sample,) integer class indices.
        first: class index.
        second: class index.

    Raises:
        InputError: malformed arrays, the same class twice, a class without samples.
    """
    labels = checks.labels("labels", labels)
    predictions = checks.labels("predictions", predictions, length=len(labels))
    _different(first, second)
    for index in (first, second):
        if not (labels == index).any():
            raise InputError(f"labels: no sample of class {index}, expected some of both classes")
    crossed = predictions == np.where(labels == first, second, first)
    return PairConfusion(
        first_as_second=float(crossed[labels == first].mean()),
        second_as_first=float(crossed[labels == second].mean()),
        either=float(crossed[(labels == first) | (labels == second)].mean()),
    )


def tsne(embeddings: Any, *, seed: int, perplexity: float = 30, start: Any = None) -> Projection:
    """A plane (sample, 2) that keeps neighbours together (van der Maaten and Hinton, JMLR 2008).

    openTSNE where the extra `viz` is installed, otherwise scikit-learn, which takes several times as
    long; the result says which. Spaces of more than 50 dimensions are reduced to 50 principal
    components first. One thread, so that a seed gives one picture.

    Args:
        embeddings: (sample, dimension).
        seed: of the reduction and of the layout.
        perplexity: neighbours that count, about. Never above a third of the other samples: with few
            samples it is lowered to that, and the result says so.
        start: (sample, 2) places of the same samples in another map, from which they move on, without early
            exaggeration: so two maps can be compared point by point. Where they all coincide they are none.

    Raises:
        InputError: malformed embeddings or places, fewer than 4 samples, a perplexity below 1.
    """
    values = checks.matrix("embeddings", embeddings).astype(np.float64)
    seed = checks.whole("seed", seed, least=0, most=2**32 - 1)
    if len(values) < 4:
        raise InputError(f"embeddings: {len(values)} samples, expected at least 4 for t-SNE")
    if not np.isfinite(perplexity) or perplexity < 1:
        raise InputError(f"perplexity: {perplexity!r}, expected a number of at least 1")
    perplexity = min(float(perplexity), (len(values) - 1) / 3)
    if (values == values[0]).all():
        return Projection(np.zeros((len(values), 2)), "constant", perplexity)
    if start is not None:
        start = checks.matrix("start", start, columns=2, rows=len(values)).astype(np.float64)
        start = None if (start == start[0]).all() else start
    points, method = _layout(reduced(values, seed), seed, perplexity, start)
    return Projection(points, method, perplexity)


def reduced(values: np.ndarray, seed: int, fit: int | None = None) -> np.ndarray:
    """Vectors (sample, dimension) in at most 50 principal components: of all, or of the first `fit`."""
    if values.shape[1] <= FIRST_DIMENSIONS:
        return values
    from sklearn.decomposition import PCA  # here and below: seconds to import, and only figures need them

    base = values[:fit]
    components = PCA(min(FIRST_DIMENSIONS, len(base)), random_state=seed).fit(base)
    return components.transform(values)


def _layout(values: np.ndarray, seed: int, perplexity: float, start: np.ndarray | None) -> tuple[np.ndarray, str]:
    try:
        import openTSNE
    except ModuleNotFoundError as error:
        if error.name != "openTSNE":  # installed, but something it needs is missing: say that
            raise
        return _scikit_learn(values, seed, perplexity, start)
    method = f"openTSNE {openTSNE.__version__}"
    if start is None:
        layout = openTSNE.TSNE(perplexity=perplexity, initialization=_start(values), random_state=seed, n_jobs=1)
        return np.asarray(layout.fit(values)), method
    near = openTSNE.affinity.PerplexityBasedNN(values, perplexity, random_state=seed, n_jobs=1)
    placed = openTSNE.TSNEEmbedding(start, near, random_state=seed, n_jobs=1)
    return np.asarray(placed.optimize(STEPS, momentum=0.8)), method


def _scikit_learn(values: np.ndarray, seed: int, perplexity: float, start: np.ndarray | None) -> tuple[np.ndarray, str]:
    import sklearn
    from sklearn.manifold import TSNE

    given = {"init": _start(values)} if start is None else {"init": start, "early_exaggeration": 1, "max_iter": STEPS}
    layout = TSNE(perplexity=perplexity, random_state=seed, n_jobs=1, **given)
    return layout.fit_transform(values).astype(np.float64), f"scikit-learn {sklearn.__version__}"


def _start(values: np.ndarray) -> Literal["pca", "random"]:
    return "pca" if values.shape[1] > 1 else "random"  # two components cannot come of one dimension


def _different(first: int, second: int, most: int | None = None) -> None:
    checks.whole("first class", first, least=0, most=most)
    checks.whole("second class", second, least=0, most=most)
    if first == second:
        raise InputError(f"second class: {second}, the same as the first, expected another")
