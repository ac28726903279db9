"""Suspected labels: against a naive loop, and an example worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacewise.errors import InputError
from spacewise.measures.label_errors import suspected


def naive(probabilities: np.ndarray, labels: np.ndarray) -> list[bool]:
    """Northcutt et al., equations 1 and 2: thresholds, then the most probable class above its own."""
    classes = range(probabilities.shape[1])
    thresholds = {}
    for one in classes:
        own = [probabilities[i, one] for i in range(len(labels)) if labels[i] == one]
        if own:
            thresholds[one] = sum(own) / len(own)
    found = []
    for i, label in enumerate(labels):
        above = {one: probabilities[i, one] for one in thresholds if probabilities[i, one] >= thresholds[one] - 1e-6}
        most = max(above.values(), default=-1.0)
        found.append(bool(above) and above.get(label, -1.0) < most)
    return found


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits)
    return powers / powers.sum(axis=1, keepdims=True)


@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(1, 5), st.floats(0, 4))
def test_a_naive_loop_says_the_same(seed: int, samples: int, classes: int, quality: float) -> None:
    generator = np.random.default_rng(seed)
    labels = generator.integers(classes, size=samples)
    logits = generator.normal(size=(samples, classes)) + quality * np.eye(classes)[labels]
    assert suspected(softmax(logits), labels).tolist() == naive(softmax(logits), labels)


def test_an_example_by_hand() -> None:
    """Thresholds 0.7 = (0.9 + 0.8 + 0.4) / 3 and 0.65 = (0.9 + 0.4) / 2."""
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.1, 0.9], [0.6, 0.4]])
    labels = np.array([0, 0, 0, 1, 1])
    assert suspected(probabilities, labels).tolist() == [False] * 5  # 0.6 as another class is not usual for it
    probabilities[2], probabilities[4] = (0.3, 0.7), (0.75, 0.25)
    assert suspected(probabilities, labels).tolist() == [False, False, True, False, True]


def test_swapped_labels_are_found() -> None:
    generator = np.random.default_rng(0)
    truth = generator.integers(4, size=400)
    probabilities = softmax(generator.normal(size=(400, 4)) + 6 * np.eye(4)[truth])
    labels = truth.copy()
    labels[:20] = (labels[:20] + 1) % 4
    found = suspected(probabilities, labels)
    assert found[:20].mean() > 0.9
    assert found[20:].mean() < 0.02


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_network_that_knows_nothing_suspects_nothing(dtype: type) -> None:
    for classes in (2, 3, 7):
        assert not suspected(np.full((21, classes), 1 / classes, dtype), np.arange(21) % classes).any()


def test_a_class_without_samples_suspects_nothing() -> None:
    assert not suspected(np.array([[0.4, 0.1, 0.5]] * 3), np.array([0, 0, 0])).any()


@pytest.mark.parametrize(
    ("probabilities", "labels", "said"),
    [
        (np.eye(3), [0, 1], "labels: 2 samples, expected 3"),
        (np.eye(3), [0, 1, 3], "labels: expected 0 to 2"),
        (np.eye(3), [0, 1, -1], "labels: expected 0 to 2"),
        (np.full((2, 2), np.nan), [0, 1], "probabilities: NaN"),
        (np.ones(3), [0, 1, 2], "probabilities: expected numbers"),
    ],
)
def test_malformed_input_is_refused(probabilities: np.ndarray, labels: list[int], said: str) -> None:
    with pytest.raises(InputError, match=said):
        suspected(probabilities, labels)
