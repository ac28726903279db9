"""Alignments as loops over samples, in float64: what the fast ones must equal."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from tests.losses import naive_sliced
from tests.losses.naive_metric import Vectors, mean

from spacewise.losses.alignment import Alignment, Domains
from spacewise.losses.directions import drawn

Naive = Callable[[Domains, Alignment], float]


def sampled(domains: Domains) -> Vectors:
    """Target samples without a label, or all where each has one."""
    target, labels = domains.target.tolist(), domains.target_labels.tolist()
    return [row for row, label in zip(target, labels) if label == -1] or target


def squared(one: Sequence[float], other: Sequence[float]) -> float:
    return sum((a - b) ** 2 for a, b in zip(one, other))


def typical(vectors: Vectors) -> float:
    """Lower median of the squared distances of pairs; their mean where it is zero; 1 where that is, too."""
    distances = sorted(squared(vectors[i], vectors[j]) for i in range(len(vectors)) for j in range(i))
    return distances[(len(distances) - 1) // 2] or mean(distances) or 1.0


def discrepancy(source: Vectors, target: Vectors, bandwidths: Sequence[float], scale: float) -> float:
    def kernel(x: list[float], y: list[float]) -> float:
        return mean([math.exp(-squared(x, y) / (bandwidth * scale)) for bandwidth in bandwidths])

    within = [mean([kernel(x, y) for x in domain for y in domain]) for domain in (source, target)]
    return sum(within) - 2 * mean([kernel(x, y) for x in source for y in target])


def maximum_mean_discrepancy(bandwidths: Sequence[float] = (0.25, 0.5, 1, 2, 4)) -> Naive:
    def loss(domains: Domains, _: Alignment) -> float:
        source, target = domains.source.tolist(), sampled(domains)
        return discrepancy(source, target, bandwidths, typical(source + target))

    return loss


def covariance(vectors: Vectors) -> Vectors:
    means = [mean(column) for column in zip(*vectors)]
    places = range(len(means))
    if len(vectors) == 1:
        return [[0.0 for _ in places] for _ in places]
    return [
        [sum((row[a] - means[a]) * (row[b] - means[b]) for row in vectors) / (len(vectors) - 1) for b in places]
        for a in places
    ]


def coral(domains: Domains, _: Alignment) -> float:
    source, target = covariance(domains.source.tolist()), covariance(sampled(domains))
    return sum(squared(one, other) for one, other in zip(source, target)) / (4 * len(source) ** 2)


def domain_adversarial(domains: Domains, loss: Alignment) -> float:
    """With the classifier that the loss holds."""
    first, first_bias, last, last_bias = (values.tolist() for values in loss.state_dict().values())

    def probability(x: list[float]) -> float:
        hidden = [max(0.0, sum(a * b for a, b in zip(row, x)) + bias) for row, bias in zip(first, first_bias)]
        return 1 / (1 + math.exp(-sum(a * b for a, b in zip(last[0], hidden)) - last_bias[0]))

    source = mean([-math.log(1 - probability(x)) for x in domains.source.tolist()])
    target = mean([-math.log(probability(x)) for x in sampled(domains)])
    return (source + target) / 2


def directions(domains: Domains, loss: Alignment) -> Vectors:
    """Those that the loss draws in this step."""
    return drawn(loss.options["projections"], domains.source.shape[1], loss.seed).tolist()


def sliced_wasserstein(domains: Domains, loss: Alignment) -> float:
    costs = naive_sliced.by_direction(domains.source.tolist(), sampled(domains), directions(domains, loss))
    return max(costs) if loss.options["maximum"] else mean(costs)


def conditional_sliced_wasserstein(domains: Domains, loss: Alignment) -> float:
    labels, confidence = domains.target_labels.tolist(), loss.options["confidence"]
    for sample, row in enumerate(domains.target_probability.tolist()):
        if confidence is not None and labels[sample] == -1 and max(row) >= confidence:
            labels[sample] = row.index(max(row))
    vectors = domains.source.tolist(), domains.target.tolist()
    return naive_sliced.conditional(*vectors, domains.source_labels.tolist(), labels, directions(domains, loss))


# Each alignment in each of its ways, and what it is.
NAIVE: dict[str, Naive] = {
    "sliced_wasserstein(projections=20)": sliced_wasserstein,
    "sliced_wasserstein(projections=20, maximum=True)": sliced_wasserstein,
    "conditional_sliced_wasserstein(projections=20)": conditional_sliced_wasserstein,
    "conditional_sliced_wasserstein(projections=20, confidence=0.6)": conditional_sliced_wasserstein,
    "maximum_mean_discrepancy": maximum_mean_discrepancy(),
    "maximum_mean_discrepancy(bandwidths=(0.5, 3.0))": maximum_mean_discrepancy((0.5, 3.0)),
    "coral": coral,
    "domain_adversarial": domain_adversarial,
    "domain_adversarial(hidden=3)": domain_adversarial,
}
HELD = ("maximum_mean_discrepancy", "maximum_mean_discrepancy(bandwidths=(0.5, 3.0))")  # the scale, backwards
REVERSED = ("domain_adversarial", "domain_adversarial(hidden=3)")  # the gradient of the vectors
