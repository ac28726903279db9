"""Classification losses as loops over samples, in float64: what the fast ones must equal."""

from __future__ import annotations

import math

from tests.losses.naive_metric import Naive, Vectors, dot, log_sum_exp, mean, proxies, unit


def crossentropy(smoothing: float) -> Naive:
    def loss(x: Vectors, y: list[int]) -> float:
        terms = []
        for row, label in zip(x, y):
            for j, value in enumerate(row):
                share = smoothing / len(row) + (1 - smoothing if j == label else 0.0)
                terms.append(share * (log_sum_exp(row) - value))
        return sum(terms) / max(len(x), 1)

    return loss


def focal(gamma: float = 2.0) -> Naive:
    def loss(x: Vectors, y: list[int]) -> float:
        log_p = [row[label] - log_sum_exp(row) for row, label in zip(x, y)]
        return mean([-((1 - math.exp(log)) ** gamma) * log for log in log_p])

    return loss


def hinge(form: str = "crammer_singer", margin: float = 1.0) -> Naive:
    def loss(x: Vectors, y: list[int]) -> float:
        terms = []
        for row, label in zip(x, y):
            above = [max(0.0, margin + value - row[label]) for j, value in enumerate(row) if j != label]
            terms.append(max(above) if form == "crammer_singer" else sum(above))
        return mean(terms)

    return loss


def binary_crossentropy(x: Vectors, y: list[int]) -> float:
    wrong = [sum(log_sum_exp([0.0, -value if j == label else value]) for j, value in enumerate(row))
             for row, label in zip(x, y)]  # fmt: skip
    return mean(wrong)


def guided_complement_entropy(alpha: float = 0.333) -> Naive:
    def loss(x: Vectors, y: list[int]) -> float:
        terms = []
        for row, label in zip(x, y):
            wrong = [value for j, value in enumerate(row) if j != label]
            log_q = [value - log_sum_exp(wrong) for value in wrong]
            entropy = -sum(math.exp(log) * log for log in log_q) / math.log(len(row))
            terms.append(-((math.exp(row[label] - log_sum_exp(row)) + 1e-7) ** alpha) * entropy)
        return mean(terms)

    return loss


def large_margin_cosine(margin: float = 0.35, scale: float = 64.0) -> Naive:
    places = unit(proxies())

    def loss(x: Vectors, y: list[int]) -> float:
        terms = []
        for row, label in zip(unit(x), y):
            logits = [scale * (dot(row, place) - (margin if j == label else 0)) for j, place in enumerate(places)]
            terms.append(log_sum_exp(logits) - logits[label])
        return mean(terms)

    return loss


def additive_angular_margin(margin: float = 0.5, scale: float = 64.0) -> Naive:
    places = unit(proxies())

    def widened(cosine: float) -> float:
        angle = math.acos(cosine)
        return math.cos(angle + margin) if angle + margin <= math.pi else cosine - margin * math.sin(margin)

    def loss(x: Vectors, y: list[int]) -> float:
        terms = []
        for row, label in zip(unit(x), y):
            cosines = [dot(row, place) for place in places]
            logits = [scale * (widened(cosine) if j == label else cosine) for j, cosine in enumerate(cosines)]
            terms.append(log_sum_exp(logits) - logits[label])
        return mean(terms)

    return loss


# Each loss in each of its ways, and what it is.
NAIVE: dict[str, Naive] = {
    "crossentropy(smoothing=0.1)": crossentropy(0.1),
    "binary_crossentropy": binary_crossentropy,
    "focal": focal(),
    "focal(gamma=0.5)": focal(0.5),
    "focal(gamma=0)": focal(0),
    "hinge": hinge(),
    "hinge(margin=2.5)": hinge(margin=2.5),
    "hinge(form='weston_watkins')": hinge("weston_watkins"),
    "guided_complement_entropy": guided_complement_entropy(),
    "guided_complement_entropy(alpha=1.0)": guided_complement_entropy(1.0),
    "large_margin_cosine": large_margin_cosine(),
    "large_margin_cosine(margin=0.1, scale=8.0)": large_margin_cosine(0.1, 8.0),
    "additive_angular_margin": additive_angular_margin(),
    "additive_angular_margin(margin=1.5, scale=8.0)": additive_angular_margin(1.5, 8.0),
}
