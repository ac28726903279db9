"""What the scores need to know of the training samples, found once and kept small; then any samples are scored.

Two passes over the training samples at most, one over the samples, in blocks: neither is copied. `scores` does both
in one call and says what each score means.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from spacewise.errors import InputError
from spacewise.measures import checks
from spacewise.measures.blocks import Advance, blocks, per_sample
from spacewise.measures.moments import Moments, nearest_mean, of_codes
from spacewise.measures.percentiles import percentile

SMALLEST = 1e-5
"""Standard deviation of a direction in use, singular value of a weight: relative to the largest."""


@dataclass(frozen=True, eq=False)
class Mahalanobis:
    """Class means under one covariance.

    Attributes:
        centre: (dimension,) mean of all training samples.
        whitening: (dimension, used) makes the covariance the identity.
        means: (class, used) of the classes about the centre, whitened.
    """

    centre: np.ndarray
    whitening: np.ndarray
    means: np.ndarray

    def score(self, features: Any, *, advance: Advance | None = None) -> np.ndarray:
        """`scores.mahalanobis` (sample,) of features (sample, dimension); raises `InputError` where malformed."""
        values = checks.matrix("features", features, columns=len(self.centre))
        return per_sample(self.of_block, values, width=len(self.means), advance=advance)

    def of_block(self, block: np.ndarray) -> np.ndarray:
        """Minus the squared distance (row,) of float64 rows (row, dimension) to the nearest mean."""
        return -nearest_mean((block - self.centre) @ self.whitening, self.means)


@dataclass(frozen=True, eq=False)
class RelativeMahalanobis:
    """`own`: the classes. `background`: all classes as one."""

    own: Mahalanobis
    background: Mahalanobis

    def score(self, features: Any, *, advance: Advance | None = None) -> np.ndarray:
        """`scores.relative_mahalanobis` (sample,) of features (sample, dimension); errors as `Mahalanobis.score`."""
        values = checks.matrix("features", features, columns=len(self.own.centre))
        return per_sample(self._of_block, values, width=len(self.own.means), advance=advance)

    def _of_block(self, block: np.ndarray) -> np.ndarray:
        return self.own.of_block(block) - self.background.of_block(block)


@dataclass(frozen=True, eq=False)
class React:
    """The last layer, weight (class, dimension) and bias (class,), and the ceiling of what it reads."""

    ceiling: float
    weight: np.ndarray
    bias: np.ndarray

    def score(self, features: Any, *, advance: Advance | None = None) -> np.ndarray:
        """`scores.react` (sample,) of features (sample, dimension); raises `InputError` where malformed."""
        values = checks.matrix("features", features, columns=self.weight.shape[1])
        return per_sample(self._of_block, values, width=len(self.weight), advance=advance)

    def _of_block(self, block: np.ndarray) -> np.ndarray:
        return free_energy(np.minimum(block, self.ceiling) @ self.weight.T + self.bias)


@dataclass(frozen=True, eq=False)
class Vim:
    """The virtual logit.

    Attributes:
        origin: (dimension,) where all logits vanish.
        complement: (dimension, left) an orthonormal basis of what lies outside the principal subspace.
        scale: of a feature's length in there.
        classes: of the logits.
    """

    origin: np.ndarray
    complement: np.ndarray
    scale: float
    classes: int

    def score(self, features: Any, logits: Any, *, advance: Advance | None = None) -> np.ndarray:
        """`scores.vim` (sample,) of features (sample, dimension) and their logits (sample, class).

        Raises `InputError` for malformed arrays, sizes that do not fit.
        """
        values = checks.matrix("features", features, columns=len(self.origin))
        logits = checks.matrix("logits", logits, columns=self.classes, rows=len(values))
        virtual = per_sample(self.residual, values, advance=advance)
        virtual *= -self.scale
        virtual += per_sample(free_energy, logits)
        return virtual

    def residual(self, block: np.ndarray) -> np.ndarray:
        """Length (row,) of float64 rows (row, dimension) outside the principal subspace."""
        return np.linalg.norm((block - self.origin) @ self.complement, axis=1)


def free_energy(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """T logsumexp(z / T) (row,) of float64 logits (row, class), to the last digits also where one leads by far."""
    rest = logits / temperature
    rows, largest = np.arange(len(rest)), rest.argmax(axis=1)
    peak = rest[rows, largest]
    rest -= peak[:, None]
    np.exp(rest, out=rest)
    rest[rows, largest] = 0
    return temperature * (peak + np.log1p(rest.sum(axis=1)))


def fit_mahalanobis(train_features: Any, train_labels: Any, *, advance: Advance | None = None) -> Mahalanobis:
    """Class means and shared covariance; arguments and errors as `scores.mahalanobis`."""
    return mahalanobis_of(_moments(train_features, train_labels, advance))


def fit_relative_mahalanobis(
    train_features: Any, train_labels: Any, *, advance: Advance | None = None
) -> RelativeMahalanobis:
    """The same, and all classes as one; arguments and errors as `scores.mahalanobis`."""
    found = _moments(train_features, train_labels, advance)
    return RelativeMahalanobis(mahalanobis_of(found), mahalanobis_of(_as_one(found)))


def mahalanobis_of(moments: Moments) -> Mahalanobis:
    """From moments with their scatter, which shards or processes may have added up."""
    variances, directions = _directions(moments.covariance())
    whitening = directions[:, : len(variances)] / np.sqrt(variances)
    return Mahalanobis(moments.mean, whitening, (moments.means - moments.mean) @ whitening)


def fit_react(
    weight: Any, bias: Any, train_features: Any, percent: float = 90, *, advance: Advance | None = None
) -> React:
    """The percentile of all training activations; arguments and errors as `scores.react`."""
    train = checks.matrix("train features", train_features)
    weight, bias = _layer(weight, bias, train.shape[1])
    if not 0 < percent <= 100:
        raise InputError(f"percentile: {percent!r}, expected a number above 0, at most 100")
    return React(percentile(train, percent, advance=advance), weight, bias)


def fit_vim(
    weight: Any, bias: Any, train_features: Any, dimension: int | None = None, *, advance: Advance | None = None
) -> Vim:
    """Principal subspace and scale, in two passes; arguments and errors as `scores.vim`."""
    train = checks.matrix("train features", train_features)
    weight, bias = _layer(weight, bias, train.shape[1])
    # gradients of a softmax leave the sum of its rows alone and weight decay shrinks it: nearly singular
    origin = -np.linalg.pinv(weight, rcond=SMALLEST) @ bias
    together = np.zeros(len(train), dtype=np.int64)
    moments = of_codes(train, np.array([0]), together, scatter=True, advance=advance)
    complement = _complement(moments, origin, dimension)
    unscaled = Vim(origin, complement, 1.0, len(weight))
    residuals = logits = 0.0
    for _, block in blocks(train, width=len(weight), advance=advance):
        doubles = block.astype(np.float64)
        residuals += unscaled.residual(doubles).sum()
        logits += (doubles @ weight.T + bias).max(axis=1).sum()
    return Vim(origin, complement, logits / residuals, len(weight))


def _complement(moments: Moments, origin: np.ndarray, dimension: int | None) -> np.ndarray:
    """Basis (feature dimension, left) of what lies outside the principal subspace about the origin."""
    gap = moments.mean - origin
    variances, directions = _directions(moments.total / moments.counts.sum() + np.outer(gap, gap))
    used = len(variances)
    if used == 0:
        raise InputError("train features: all are the point where every logit vanishes, expected some spread")
    size = used // 2 if dimension is None else checks.whole("dimension", dimension, least=0, most=used - 1)
    return directions[:, size:]


def _directions(moments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Variances (used,) of the directions in use, largest first; all directions (dimension, dimension), those first."""
    variances, directions = np.linalg.eigh(moments)
    used = variances > max(variances[-1], 0) * SMALLEST**2
    return variances[used][::-1], directions[:, ::-1]


def _moments(train_features: Any, train_labels: Any, advance: Advance | None) -> Moments:
    train = checks.matrix("train features", train_features)
    classes, codes = np.unique(checks.labels("train labels", train_labels, length=len(train)), return_inverse=True)
    return of_codes(train, classes, codes, scatter=True, advance=advance)


def _as_one(moments: Moments) -> Moments:
    """All classes as one class."""
    mean, total = moments.mean, moments.total
    whole = np.array([0]), moments.counts.sum(keepdims=True), mean[None], np.trace(total)[None]
    return Moments(*whole, within=total)


def _layer(weight: Any, bias: Any, dimension: int) -> tuple[np.ndarray, np.ndarray]:
    weight = checks.matrix("weight", weight, columns=dimension).astype(np.float64)
    return weight, checks.vector("bias", bias, length=len(weight))
