"""How much does a sample look like what was trained on? Scores of known against unknown.

Every score is higher for known samples. All follow from the stored feature space and the last layer's
weight and bias; nothing is fitted on unknown samples. `train_features` are those of the training
images, without augmentation where that can be had.

Directions in which the training features do not vary (ReLU units that never fire) carry no scale.
Covariances are inverted by pseudo-inverse: a direction whose standard deviation is below 1e-5 of the
largest is left out, because single-precision features cannot say more. A sample that differs in such a
direction alone is therefore not noticed by the Mahalanobis scores; `vim` does notice it.

Samples are looked at in blocks, memory maps too: beyond the arrays given, memory is that of a block and of the
scores. Where many sets are scored against one training set, `fitted` fits once. `advance` is called with the
number of samples of each block that is through, in every pass.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from spacewise.errors import InputError
from spacewise.measures import checks
from spacewise.measures.blocks import Advance, per_sample
from spacewise.measures.fitted import fit_mahalanobis, fit_react, fit_relative_mahalanobis, fit_vim, free_energy
from spacewise.measures.nearest import nearest_neighbours


def maximum_softmax(logits: Any, *, advance: Advance | None = None) -> np.ndarray:
    """The largest posterior (sample,), in (0, 1] (Hendrycks and Gimpel, ICLR 2017).

    In double precision it reaches exactly 1, and samples tie, once the largest logit leads by about 37
    (in single precision: 17). Raises `InputError` for malformed logits (sample, class).
    """

    def largest(block: np.ndarray) -> np.ndarray:
        block -= block.max(axis=1, keepdims=True)
        return 1 / np.exp(block, out=block).sum(axis=1)

    return per_sample(largest, checks.matrix("logits", logits), advance=advance)


def maximum_logit(logits: Any, *, advance: Advance | None = None) -> np.ndarray:
    """The largest logit (sample,) (Hendrycks et al., ICML 2022). Raises `InputError` as above."""
    return per_sample(lambda block: block.max(axis=1), checks.matrix("logits", logits), advance=advance)


def energy(logits: Any, temperature: float = 1.0, *, advance: Advance | None = None) -> np.ndarray:
    """T logsumexp(z / T), the negative free energy (sample,) (Liu et al., NeurIPS 2020).

    Raises `InputError` for malformed logits (sample, class) or a temperature that is not above 0.
    """
    if not np.isfinite(temperature) or temperature <= 0:
        raise InputError(f"temperature: {temperature!r}, expected a number above 0")
    values = checks.matrix("logits", logits)
    return per_sample(lambda block: free_energy(block, temperature), values, advance=advance)


def mahalanobis(features: Any, train_features: Any, train_labels: Any, *, advance: Advance | None = None) -> np.ndarray:
    """Minus the squared distance to the nearest class mean (sample,), under one covariance.

    The covariance is that of training features about their class means, shared by all classes
    (Lee et al., NeurIPS 2018). Where every class is a single point it is zero, and so is every score.

    Args:
        features: (sample, dimension).
        train_features: (train sample, dimension).
        train_labels: (train sample,) integer class indices.

    Raises:
        InputError: malformed arrays, lengths or dimensions that differ.
    """
    _comparable(features, train_features)
    return fit_mahalanobis(train_features, train_labels, advance=advance).score(features, advance=advance)


def relative_mahalanobis(
    features: Any, train_features: Any, train_labels: Any, *, advance: Advance | None = None
) -> np.ndarray:
    """`mahalanobis` less the same for all classes as one (sample,) (Ren et al., arXiv:2106.09022).

    What is far from everything alike (a bright chip) cancels. Arguments and errors as `mahalanobis`.
    """
    _comparable(features, train_features)
    return fit_relative_mahalanobis(train_features, train_labels, advance=advance).score(features, advance=advance)


def nearest_neighbour_score(features: Any, train_features: Any, k: int = 50) -> np.ndarray:
    """Minus the distance to the k-th nearest training feature (sample,) (Sun et al., ICML 2022).

    Features are L2-normalised first; a feature vector of zeros stays zero. With fewer than k training
    samples, k is their number.

    Raises `InputError` for malformed features (sample, dimension), (train sample, dimension), or k below 1.
    """
    train = checks.matrix("train features", train_features)
    features = checks.matrix("features", features, columns=train.shape[1])
    depth = min(checks.whole("k", k), len(train))
    distances, _ = nearest_neighbours(features, train, depth, normalise=True)
    return -distances[:, -1]


def react(
    features: Any,
    weight: Any,
    bias: Any,
    train_features: Any,
    percentile: float = 90,
    *,
    advance: Advance | None = None,
) -> np.ndarray:
    """Energy (sample,) after activations are clipped (ReAct; Sun et al., NeurIPS 2021).

    Args:
        features: (sample, dimension) what the last layer reads.
        weight: (class, dimension) of the last layer.
        bias: (class,) of the last layer.
        train_features: (train sample, dimension).
        percentile: of all training activations together, 0 to 100: the ceiling.

    Raises:
        InputError: malformed arrays, sizes that do not fit, a percentile outside 0 to 100.
    """
    _comparable(features, train_features)
    return fit_react(weight, bias, train_features, percentile, advance=advance).score(features, advance=advance)


def vim(
    features: Any,
    logits: Any,
    weight: Any,
    bias: Any,
    train_features: Any,
    dimension: int | None = None,
    *,
    advance: Advance | None = None,
) -> np.ndarray:
    """Energy less the virtual logit (sample,) (ViM; Wang et al., CVPR 2022).

    The virtual logit is the part of a feature outside the principal subspace of the training features,
    about the point where all logits vanish, scaled to the mean largest training logit.

    Args:
        features: (sample, dimension) what the last layer reads.
        logits: (sample, class) what it makes of them.
        weight: (class, dimension) of the last layer.
        bias: (class,) of the last layer.
        train_features: (train sample, dimension).
        dimension: of the principal subspace; None: half the number of directions that the training
            features use (the reference's 512 or 1,000 are for features of 768 and more).

    Raises:
        InputError: malformed arrays, sizes that do not fit, a subspace that leaves no used direction
            outside it, training features that are all the origin itself.
    """
    _comparable(features, train_features)
    checks.shaped("logits", logits, rows=len(features))
    fitted = fit_vim(weight, bias, train_features, dimension, advance=advance)
    return fitted.score(features, logits, advance=advance)


def _comparable(features: Any, train_features: Any) -> None:
    """Says early what would stop the scoring after a long fit."""
    train = checks.shaped("train features", train_features)
    checks.shaped("features", features, columns=train.shape[1])
