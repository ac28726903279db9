from __future__ import annotations

import re

import numpy as np
import pytest

from spacewise.errors import InputError
from spacewise.measures import cost, hits
from spacewise.measures.cost import Cost, pairwise_cost, said
from spacewise.measures.sampling import stratified


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "PILOT", 400)
    monkeypatch.setattr(cost, "SAMPLE", 300)
    monkeypatch.setattr(cost, "MANY", 128)


def world(samples: int = 1500, classes: int = 10) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = np.arange(samples) % classes
    return rng.normal(size=(classes, 8))[labels] + rng.normal(size=(samples, 8)), labels


@pytest.mark.parametrize("name", ["silhouette in feature", "recall in feature", "retrieval in feature, test"])
def test_what_all_would_take_and_what_a_sample(name: str) -> None:
    values, labels = world()
    found = pairwise_cost(name, values, labels)
    assert (found.queries, found.samples, found.dimension, found.pairs) == (1500, 1500, 8, 1500**2)
    assert found.seconds > 0
    assert found.sample_seconds > 0
    assert found.memory > values.nbytes
    assert (found.sample, found.worst) == (300, not name.startswith("silhouette"))
    assert 0 < found.half_width < 0.06
    assert re.fullmatch(
        rf"{name}: 1,500 x 1,500 pairs, about \d+ s on .* thread.*; a sample of 300 .* ± .*", said(found)
    )


def test_no_sample_is_offered_where_one_asks_or_few_do() -> None:
    values, labels = world()
    asked = pairwise_cost("silhouette", values, labels, stratified(labels, 200, 0))
    assert (asked.queries, asked.sample) == (200, 0)
    few = pairwise_cost("recall in feature", values[:600], labels[:600])
    assert (few.samples, few.sample) == (600, 0)
    assert ";" not in said(few)


@pytest.mark.parametrize("classes", [2, 140, 700])
def test_few_and_many_classes(classes: int) -> None:
    assert pairwise_cost("silhouette in feature", *world(classes=classes)).seconds > 0
    assert pairwise_cost("retrieval", *world(40, min(classes, 20))).seconds > 0


def test_cost_grows_with_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a clock that counts pairs, and samples, the cost is what it says."""
    ticks = [0.0]

    def ask(values: np.ndarray, labels: np.ndarray, queries: np.ndarray | None) -> np.ndarray:
        rows = len(values) if queries is None else len(queries)
        ticks[0] += 1e-6 * rows * len(values) + 1e-5 * len(values)
        return np.arange(rows) % 2

    monkeypatch.setattr(cost.time, "perf_counter", lambda: ticks[0])
    monkeypatch.setitem(cost.MEASURES, "recall", cost.Kind(ask, True, 1, 0))
    values, labels = world(100_000, 10)
    found = pairwise_cost("recall", values, labels)
    assert found.seconds == pytest.approx(1e-6 * 1e10 + 1e-5 * 1e5, rel=1e-6)
    assert found.sample_seconds == pytest.approx(1e-6 * 300 * 1e5 + 1e-5 * 1e5, rel=1e-6)
    monkeypatch.setitem(cost.MEASURES, "recall", cost.Kind(ask, True, 1, 8))
    monkeypatch.setattr(hits, "BAND_VALUES", 10_000_000)  # three walks of the gallery
    banded = pairwise_cost("recall", values, labels, np.arange(300))
    assert banded.seconds == pytest.approx(1e-6 * 300 * 1e5 + 3 * 1e-5 * 1e5, rel=1e-6)


def test_one_readable_line() -> None:
    long = Cost("silhouette in feature", 10**6, 10**6, 256, 2, 2460, 1_300_000_000, 5000, 12.2, 0.0042)
    assert said(long) == (
        "silhouette in feature: 1,000,000 x 1,000,000 pairs, about 41 min on 2 threads and 1.3 GB of memory; "
        "a sample of 5,000 takes about 12 s and knows the mean to ± 0.0042, as a pilot spreads"
    )
    share = Cost("recall in feature", 9, 10, 2, 1, 9000, 5_000_000, 5, 0.2, 0.0139, True)
    assert said(share) == (
        "recall in feature: 9 x 10 pairs, about 2.5 h on 1 thread and 5 MB of memory; "
        "a sample of 5 takes about 1 s and knows the mean to ± 1.4 points at worst"
    )


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("silhuette in feature", {}, "unknown measure 'silhuette': did you mean 'silhouette'"),
        ("", {}, "unknown measure ''"),
        ("recall", {"labels": np.zeros(3, int)}, "labels: 3 samples, expected 1500"),
        ("recall", {"values": np.zeros(3)}, "values: expected numbers"),
        ("recall", {"queries": [1500]}, "queries: 1500, expected indices"),
        ("silhouette", {"labels": np.zeros(1500, int)}, "labels: one class"),
    ],
)
def test_malformed_input_is_one_clear_line(name: str, changes: dict, message: str) -> None:
    values, labels = world()
    with pytest.raises(InputError, match=message) as caught:
        pairwise_cost(name, **({"values": values, "labels": labels} | changes))
    assert "\n" not in str(caught.value)
