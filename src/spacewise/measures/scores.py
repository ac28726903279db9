"""How much does a sample look like what was trained on? Scores of known against unknown.

Every score is higher for known samples. All follow from the stored feature space and the last layer's
weight and bias; nothing is fitted on unknown samples. `train_features` are those of the training
images, without augmentation where that can be had.

Directions in which the training features do not vary (ReLU units that never fire) carry no scale.
Covariances are inverted by pseudo-inverse: a direction whose standard deviation is below 1e-5 of the
largest is left out, because single-precision features cannot say more. A sample that differs in such a
direction alone is therefore not noticed by the Mahalanobis scores; `vim` does notice it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import logsumexp

from spacewise.errors import InputError
from spacewise.measures import checks
from spacewise.measures.nearest import nearest_neighbours

SMALLEST = 1e-5
"""Standard deviation of a direction in use, singular value of a weight: relative to the largest."""


def maximum_softmax(logits: Any) -> np.ndarray:
    """The largest posterior (sample,), in (0, 1] (Hendrycks and Gimpel, ICLR 2017).

    In double precision it reaches exactly 1, and samples tie, once the largest logit leads by about 37
    (in single precision: 17). Raises `InputError` for malformed logits (sample, class).
    """
    values = checks.matrix("logits", logits).astype(np.float64)
    return 1 / np.exp(values - values.max(axis=1, keepdims=True)).sum(axis=1)


def maximum_logit(logits: Any) -> np.ndarray:
    """The largest logit (sample,) (Hendrycks et al., ICML 2022). Raises `InputError` as above."""
    return checks.matrix("logits", logits).astype(np.float64).max(axis=1)


def energy(logits: Any, temperature: float = 1.0) -> np.ndarray:
    """T logsumexp(z / T), the negative free energy (sample,) (Liu et al., NeurIPS 2020).

    Raises `InputError` for malformed logits (sample, class) or a temperature that is not above 0.
    """
    if not np.isfinite(temperature) or temperature <= 0:
        raise InputError(f"temperature: {temperature!r}, expected a number above 0")
    values = checks.matrix("logits", logits).astype(np.float64)
    return temperature * logsumexp(values / temperature, axis=1)


def mahalanobis(features: Any, train_features: Any, train_labels: Any) -> np.ndarray:
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
    features, train, labels = _validate(features, train_features, train_labels)
    return -_nearest_class(features, train, labels)


def relative_mahalanobis(features: Any, train_features: Any, train_labels: Any) -> np.ndarray:
    """`mahalanobis` less the same for all classes as one (sample,) (Ren et al., arXiv:2106.09022).

    What is far from everything alike (a bright chip) cancels. Arguments and errors as `mahalanobis`.
    """
    features, train, labels = _validate(features, train_features, train_labels)
    background = _nearest_class(features, train, np.zeros_like(labels))
    return background - _nearest_class(features, train, labels)


def nearest_neighbour_score(features: Any, train_features: Any, k: int = 50) -> np.ndarray:
    """Minus the distance to the k-th nearest training feature (sample,) (Sun et al., ICML 2022).

    Features are L2-normalised first; a feature vector of zeros stays zero. With fewer than k training
    samples, k is their number.

    Raises `InputError` for malformed features (sample, dimension), (train sample, dimension), or k below 1.
    """
    features, train = _pair(features, train_features)
    depth = min(checks.whole("k", k), len(train))
    distances, _ = nearest_neighbours(_normalised(features), _normalised(train), depth)
    return -distances[:, -1]


def react(features: Any, weight: Any, bias: Any, train_features: Any, percentile: float = 90) -> np.ndarray:
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
    features, train = _pair(features, train_features)
    weight, bias = _layer(weight, bias, features.shape[1])
    if not 0 < percentile <= 100:
        raise InputError(f"percentile: {percentile!r}, expected a number above 0, at most 100")
    return energy(np.minimum(features, np.percentile(train, percentile)) @ weight.T + bias)


def vim(
    features: Any, logits: Any, weight: Any, bias: Any, train_features: Any, dimension: int | None = None
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
    features, train = _pair(features, train_features)
    weight, bias = _layer(weight, bias, features.shape[1])
    logits = checks.matrix("logits", logits, columns=len(weight), rows=len(features))
    # gradients of a softmax leave the sum of its rows alone and weight decay shrinks it: nearly singular
    origin = -np.linalg.pinv(weight, rcond=SMALLEST) @ bias
    basis = _principal(train - origin, dimension)
    train_residual = _residual(train - origin, basis).mean()
    scale = (train @ weight.T + bias).max(axis=1).mean() / train_residual
    return energy(logits) - scale * _residual(features - origin, basis)


def _nearest_class(features: np.ndarray, train: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Squared distance (sample,) to the nearest class mean under the shared covariance."""
    classes, codes = np.unique(labels, return_inverse=True)
    means = np.stack([train[codes == code].mean(axis=0) for code in range(len(classes))])
    gaps = train - means[codes]
    variances, directions = _directions(gaps.T @ gaps / len(gaps))
    whitening = directions / np.sqrt(variances)
    white = features @ whitening
    return np.min([((white - mean) ** 2).sum(axis=1) for mean in means @ whitening], axis=0)


def _directions(moments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The variances (used,), largest first, and directions (dimension, used) that are in use."""
    variances, directions = np.linalg.eigh(moments)
    used = np.flatnonzero(variances > max(variances[-1], 0) * SMALLEST**2)[::-1]
    return variances[used], directions[:, used]


def _principal(gaps: np.ndarray, dimension: int | None) -> np.ndarray:
    """An orthonormal basis (feature dimension, dimension) of the principal subspace about the origin."""
    _, directions = _directions(gaps.T @ gaps / len(gaps))
    used = directions.shape[1]
    if used == 0:
        raise InputError("train features: all are the point where every logit vanishes, expected some spread")
    size = used // 2 if dimension is None else checks.whole("dimension", dimension, least=0, most=used - 1)
    return directions[:, :size]


def _residual(gaps: np.ndarray, basis: np.ndarray) -> np.ndarray:
    return np.linalg.norm(gaps - (gaps @ basis) @ basis.T, axis=1)


def _normalised(features: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return features / np.where(lengths > 0, lengths, 1)


def _pair(features: Any, train_features: Any) -> tuple[np.ndarray, np.ndarray]:
    train = checks.matrix("train features", train_features)
    features = checks.matrix("features", features, columns=train.shape[1])
    return features.astype(np.float64), train.astype(np.float64)


def _validate(features: Any, train_features: Any, train_labels: Any) -> tuple[np.ndarray, ...]:
    features, train = _pair(features, train_features)
    return features, train, checks.labels("train labels", train_labels, length=len(train))


def _layer(weight: Any, bias: Any, dimension: int) -> tuple[np.ndarray, np.ndarray]:
    weight = checks.matrix("weight", weight, columns=dimension).astype(np.float64)
    return weight, checks.vector("bias", bias, length=len(weight))
