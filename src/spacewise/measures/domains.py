"""How far apart do two domains lie in a space, and do the same classes of both lie together?

`separability`: can a linear probe tell whether a vector comes from the source or from the target? `domain_distance`:
how far are the samples of one domain moved until they lie as those of the other? `domain_distances`: the same class
by class, which shows what the two others do not: domains that lie together with their classes exchanged.

A distance is the root of the sliced squared 2-Wasserstein distance divided by the standard deviation of all samples
along the same directions, both domains weighing the same: neither scale nor dimension of a space changes it. 0: the
same points; 2, the most that `domain_distance` reaches: each domain is a single point. Few samples lie apart by chance:
two draws of n samples from one normal distribution by about 2.4 / sqrt(n).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from spacewise.errors import InputError
from spacewise.measures import bootstrap, checks
from spacewise.measures.confusion import _within

if TYPE_CHECKING:
    from torch import Tensor

MOST = 2000  # samples of a domain that the probe is asked about
RESAMPLES = 1000
LAST_SEED = 2**32 - 1  # scikit-learn takes no larger one


@dataclass(frozen=True)
class Separability:
    """How well a linear probe tells two domains apart.

    Attributes:
        accuracy: balanced accuracy, a share: 0.5 they cannot be told apart, 1 entirely.
        low: lower end of the 95 % bootstrap interval over the samples of each domain, the probes held fixed.
        high: its upper end.
        source_samples: how many were drawn.
        target_samples: how many were drawn.
    """

    accuracy: float
    low: float
    high: float
    source_samples: int
    target_samples: int


def separability_samples(source: Any, target: Any, *, folds: int = 5, most: int = MOST, seed: int = 0) -> pd.DataFrame:
    """What a linear probe that has not seen a sample says of its domain.

    Logistic regression (L2, scikit-learn's C = 1, both domains weighing the same) on dimensions of mean 0 and
    deviation 1; probe and scale are fitted without the sample's fold. Of more than `most` samples of a domain, so
    many are drawn, so that the cost has an end.

    Args:
        source: (source sample, dimension).
        target: (target sample, dimension).
        folds: of the cross-validation, each with its share of both domains.
        most: samples of each domain.
        seed: of the samples drawn, and of the folds.

    Returns:
        One row a sample drawn, the source's first: domain (`source`, `target`), sample (its row in that array),
        probability (that the probe gives to the right domain), correct (1, 0, or 0.5 where that probability is 0.5).

    Raises:
        InputError: malformed arrays, dimensions that differ, fewer samples of a domain than folds.
    """
    from sklearn.linear_model import LogisticRegression  # seconds to import
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    domains = dict(zip(("source", "target"), _validate(source, target), strict=True))
    folds = checks.whole("folds", folds, least=2)
    most = checks.whole("most", most, least=folds)
    seed = checks.whole("seed", seed, least=0, most=LAST_SEED)
    for name, values in domains.items():
        if len(values) < folds:
            raise InputError(f"{name}: {len(values)} samples, expected at least {folds}, one for each fold")
    rows = [_drawn(len(values), most, seed) for values in domains.values()]
    vectors = np.concatenate([values[some] for values, some in zip(domains.values(), rows, strict=True)])
    of_target = np.repeat([0, 1], [len(some) for some in rows])
    probe = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=1000))
    split = StratifiedKFold(folds, shuffle=True, random_state=seed)
    found = cross_val_predict(probe, vectors.astype(np.float64), of_target, cv=split, method="predict_proba")
    right = found[np.arange(len(found)), of_target]
    return pd.DataFrame(
        {
            "domain": np.array(list(domains))[of_target],
            "sample": np.concatenate(rows),
            "probability": right,
            "correct": (np.sign(right - 0.5) + 1) / 2,
        }
    )


def separability(source: Any, target: Any, *, folds: int = 5, most: int = MOST, seed: int = 0) -> Separability:
    """Balanced accuracy of the probe of `separability_samples`: 0.5 for one distribution, 1 for two far ones.

    Arguments and errors as `separability_samples`; the seed is also that of the resamples.
    """
    samples = separability_samples(source, target, folds=folds, most=most, seed=seed)
    generator = np.random.default_rng(seed)
    parts = [samples.loc[samples["domain"] == name, "correct"].to_numpy() for name in ("source", "target")]
    drawn = [bootstrap.weights(np.arange(len(part)), RESAMPLES, generator) @ part / len(part) for part in parts]
    low, high = bootstrap.interval(np.mean(drawn, axis=0), 0.95)
    return Separability(float(np.mean([part.mean() for part in parts])), low, high, *map(len, parts))


def domain_distance(source: Any, target: Any, *, projections: int = 200, seed: int = 0) -> float:
    """How far the source lies from the target, all samples of each together, 0 to 2 (see above).

    Args:
        source: (source sample, dimension).
        target: (target sample, dimension).
        projections: random directions.
        seed: of the directions.

    Raises:
        InputError: malformed arrays, dimensions that differ.
    """
    return _distance(*_scaled(*_validate(source, target), projections, seed))


def domain_distances(
    source: Any,
    source_labels: Any,
    target: Any,
    target_labels: Any,
    classes: Sequence[str],
    *,
    projections: int = 200,
    seed: int = 0,
) -> pd.DataFrame:
    """How far each class of the source lies from the same class of the target, and which class there is nearest.

    All distances are divided by the one deviation of all samples, so that classes can be compared; a class far from
    all others may exceed 2.

    Args:
        source: (source sample, dimension).
        source_labels: (source sample,) integer class indices.
        target: (target sample, dimension).
        target_labels: (target sample,) integer class indices.
        classes: (class,) names, each once.
        projections: random directions.
        seed: of the directions.

    Returns:
        One row a class: class, source_samples, target_samples, distance, nearest (the class of the target whose
        samples lie nearest to the source's samples of this class; of several the class itself, or the first),
        nearest_distance, matched (whether nearest is the class itself). A class that one domain lacks has distance
        and nearest_distance NaN, nearest "" and matched missing.

    Raises:
        InputError: malformed arrays, dimensions that differ, an index without a name, a name given twice.
    """
    names = [str(name) for name in classes]
    if len(set(names)) != len(names):
        raise InputError(f"classes: {len(names)} names of which {len(set(names))} differ, expected each once")
    both = _validate(source, target)
    codes = [
        _codes(f"{name}_labels", labels, len(values), len(names))
        for name, labels, values in zip(("source", "target"), (source_labels, target_labels), both, strict=True)
    ]
    one, other, ways = _scaled(*both, projections, seed)
    there = {index: other[codes[1] == index] for index in np.unique(codes[1])}
    rows = []
    for index in range(len(names)):
        mine = one[codes[0] == index]
        found = {their: _distance(mine, there[their], ways) for their in there} if len(mine) and index in there else {}
        rows.append((len(mine), len(there.get(index, ())), *_nearest(index, found, names)))
    columns = ["source_samples", "target_samples", "distance", "nearest", "nearest_distance", "matched"]
    table = pd.DataFrame(rows, columns=columns).astype({"matched": "boolean"})
    table.insert(0, "class", names)
    return table


def _nearest(own: int, found: dict[int, float], names: Sequence[str]) -> tuple[float, str, float, bool | None]:
    """Distance to the own class, name and distance of the nearest, whether it is the own."""
    if not found:
        return np.nan, "", np.nan, None
    best = min(found, key=lambda index: (found[index], index != own, index))
    return found[own], names[best], found[best], best == own


def _scaled(source: np.ndarray, target: np.ndarray, projections: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Both domains moved and divided by the deviation of all samples along the directions, and these."""
    import torch  # here and below: measures load without it

    from spacewise.losses.sliced_wasserstein import directions

    projections = checks.whole("projections", projections)
    seed = checks.whole("seed", seed, least=0, most=2**63 - 1)
    precision = np.result_type(source, target, np.float32)
    moved = [values - source[0].astype(np.float64) for values in (source, target)]  # samples that coincide are zero
    middle = np.mean([values.mean(axis=0) for values in moved], axis=0)
    ways = directions(projections, source.shape[1], seed, like=torch.zeros(0, dtype=torch.float64))
    squares = [np.mean(((values - middle) @ ways.numpy().T) ** 2) for values in moved]
    deviation = np.sqrt(np.mean(squares)) or 1.0
    one, other = (torch.from_numpy(((values - middle) / deviation).astype(precision)) for values in moved)
    return one, other, ways.to(one.dtype)


def _distance(one: Tensor, other: Tensor, ways: Tensor) -> float:
    from spacewise.losses.sliced_wasserstein import sliced_wasserstein

    return float(sliced_wasserstein(one, other, ways).sqrt())


def _drawn(samples: int, most: int, seed: int) -> np.ndarray:
    """Rows in ascending order: all, or `most` of them."""
    if samples <= most:
        return np.arange(samples)
    return np.sort(np.random.default_rng(seed).choice(samples, most, replace=False))


def _codes(name: str, labels: Any, length: int, classes: int) -> np.ndarray:
    codes = checks.labels(name, labels, length=length)
    _within(name, codes, classes)
    return codes


def _validate(source: Any, target: Any) -> tuple[np.ndarray, np.ndarray]:
    source = checks.matrix("source", source)
    return source, checks.matrix("target", target, columns=source.shape[1])
