"""Pseudo-labels against plain loops: aligned over recent batches, smoothed by a memory, first in first out."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from spacewise.learn.pseudo_labels import PseudoLabels, aligned, smoothed
from spacewise.regime import SemiSupervised

CLASSES, DIMENSION, LABELLED, UNLABELLED = 4, 5, 3, 6
Batch = tuple[Tensor, Tensor, Tensor, Tensor]
Rows = list[list[float]]


def asked(pseudo_labels: PseudoLabels, probability: Tensor, vectors: Tensor, known: Tensor, labels: Tensor) -> Tensor:
    return pseudo_labels({"probability": probability, "embedding": vectors}, {"embedding": known}, labels)


def made(**settings: Any) -> PseudoLabels:
    return PseudoLabels(SemiSupervised(**settings), CLASSES, DIMENSION, LABELLED + UNLABELLED)


def batches(number: int, seed: int = 0) -> Iterator[Batch]:
    """Probabilities, embeddings of unit length, those of labelled images, and their labels."""
    random = torch.Generator().manual_seed(seed)
    for _ in range(number):
        drawn = torch.randn(2 * UNLABELLED + LABELLED, 5, generator=random)
        logits, vectors = drawn[:UNLABELLED, :CLASSES], torch.nn.functional.normalize(drawn[UNLABELLED:], dim=1)
        labels = torch.randint(CLASSES, (LABELLED,), generator=random)
        yield (2 * logits + torch.arange(CLASSES) / 2).softmax(1), vectors[:UNLABELLED], vectors[UNLABELLED:], labels


# In float64, with lists


def naive_aligned(probability: Rows, means: Rows) -> Rows:
    found = []
    for row in probability:
        over = [p / (sum(mean[k] for mean in means) / len(means)) for k, p in enumerate(row)]
        found.append([value / sum(over) for value in over])
    return found


def naive_smoothed(probability: Rows, vectors: Rows, memory: list[tuple[list[float], list[float]]]) -> Rows:
    found = []
    for row, vector in zip(probability, vectors):
        near = [math.exp(sum(a * b for a, b in zip(vector, other)) / 0.2) for other, _ in memory]
        word = [sum(a * q[k] for a, (_, q) in zip(near, memory)) / sum(near) for k in range(len(row))]
        found.append([0.9 * p + 0.1 * q for p, q in zip(row, word)])
    return found


class Naive:
    """The algorithm with queues of Python."""

    def __init__(self, alignment: int, memory: int) -> None:
        self.means: deque[list[float]] | None = deque(maxlen=alignment) if alignment else None
        self.memory: deque[list[tuple[list[float], list[float]]]] = deque(maxlen=memory)

    def __call__(self, probability: Tensor, vectors: Tensor, known: Tensor, labels: Tensor) -> Rows:
        own = probability.tolist()
        if self.means is not None:
            self.means.append([sum(column) / len(own) for column in zip(*own)])
            own = naive_aligned(own, list(self.means))
        full = len(self.memory) == self.memory.maxlen != 0
        remembered = [entry for batch in self.memory for entry in batch]
        result = naive_smoothed(own, vectors.tolist(), remembered) if full else own
        one_hot = [[float(k == label) for k in range(CLASSES)] for label in labels.tolist()]
        self.memory.append([*zip(vectors.tolist(), own), *zip(known.tolist(), one_hot)])
        return result


def assert_close(found: Tensor, expected: Rows) -> None:
    torch.testing.assert_close(found.double(), torch.tensor(expected, dtype=torch.float64), rtol=0, atol=2e-6)


def test_both_steps_are_plain_loops() -> None:
    (probability, vectors, *_), (targets, memory, *_) = batches(2)
    means = [[0.1, 0.2, 0.3, 0.4], [0.4, 0.1, 0.1, 0.4]]
    assert_close(aligned(probability, torch.tensor(means)), naive_aligned(probability.tolist(), means))
    entries = list(zip(memory.tolist(), targets.tolist()))
    found = smoothed(probability, vectors, (memory, targets), share=0.9, temperature=0.2)
    assert_close(found, naive_smoothed(probability.tolist(), vectors.tolist(), entries))
    assert_close(found.sum(1, keepdim=True), [[1.0]] * UNLABELLED)


@pytest.mark.parametrize(("alignment", "memory"), [(32, 5), (3, 2), (1, 1), (0, 5), (32, 0), (0, 0)])
def test_forty_batches_are_queues_of_python(alignment: int, memory: int) -> None:
    """Longer than both queues; smoothing begins once the memory is full, of what it held before the batch."""
    pseudo_labels, naive = made(alignment=alignment, memory=memory), Naive(alignment, memory)
    for number, batch in enumerate(batches(40)):
        found = asked(pseudo_labels, *batch)
        assert_close(found, naive(*batch))
        unsmoothed = made(alignment=alignment, memory=0)
        unsmoothed.load_state_dict({**unsmoothed.state_dict(), "means": pseudo_labels.means})
        own = aligned(batch[0], pseudo_labels.means[: number + 1]) if alignment else batch[0]
        assert torch.equal(found, own) == (number < memory or not memory)


def test_what_is_remembered_is_aligned_and_not_smoothed() -> None:
    """And of labelled images their labels, in the place of the oldest batch."""
    pseudo_labels, naive = made(alignment=32, memory=2), Naive(32, 2)
    for number, batch in enumerate(batches(7)):
        asked(pseudo_labels, *batch)
        naive(*batch)
        place = slice(number % 2 * 9, (number % 2 + 1) * 9)
        vectors, targets = (list(each) for each in zip(*naive.memory[-1]))
        assert_close(pseudo_labels.embeddings[place], vectors)
        assert_close(pseudo_labels.targets[place], targets)
        assert_close(pseudo_labels.targets[place][UNLABELLED:], torch.eye(CLASSES)[batch[3]].tolist())
    assert int(pseudo_labels.batches) == 7


def test_alone_it_is_the_networks_own_word() -> None:
    pseudo_labels = made(alignment=0, memory=0)
    assert {name: value.numel() for name, value in pseudo_labels.state_dict().items()} == {
        "means": 0, "embeddings": 0, "targets": 0, "batches": 1,
    }  # fmt: skip
    for batch in batches(3):
        assert torch.equal(asked(pseudo_labels, *batch), batch[0])


@pytest.mark.parametrize("cut", [1, 2, 17])
def test_a_state_that_was_kept_goes_on_alike(cut: int) -> None:
    """Also while the memory fills."""
    straight, first, second = (made(alignment=4, memory=3) for _ in range(3))
    for number, batch in enumerate(batches(24)):
        expected = asked(straight, *batch)
        if number == cut:
            second.load_state_dict({name: value.clone() for name, value in first.state_dict().items()})
        assert torch.equal(asked(first if number < cut else second, *batch), expected)
    assert all(torch.equal(value, second.state_dict()[name]) for name, value in straight.state_dict().items())


def test_no_gradient_flows() -> None:
    pseudo_labels = made(alignment=4, memory=1)
    for probability, vectors, known, labels in batches(3):
        given = [each.requires_grad_() for each in (probability, vectors, known)]
        assert not asked(pseudo_labels, *given, labels).requires_grad
    assert not any(value.requires_grad for value in pseudo_labels.state_dict().values())
    assert not list(pseudo_labels.parameters())


def test_a_class_that_never_occurs_is_no_nan() -> None:
    pseudo_labels = made(alignment=4, memory=2)
    for probability, *others, labels in batches(6):
        without = probability.clone()
        without[:, 2] = 0
        without[0] = torch.tensor([1.0, 0, 0, 0])
        found = asked(pseudo_labels, without / without.sum(1, keepdim=True), *others, labels)
        assert torch.isfinite(found).all()
        assert_close(found.sum(1, keepdim=True), [[1.0]] * UNLABELLED)


def test_halves_are_computed_in_full() -> None:
    pseudo_labels = made(alignment=4, memory=1)
    for probability, vectors, known, labels in batches(3):
        found = asked(pseudo_labels, probability.bfloat16(), vectors.bfloat16(), known.bfloat16(), labels)
        assert found.dtype == torch.float32
        assert_close(found.sum(1, keepdim=True), [[1.0]] * UNLABELLED)
