"""One suite that every measure passes: perfect, random, degenerate, malformed."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spacewise.measures as measures
from spacewise.errors import InputError
from spacewise.measures import (
    accuracy,
    approximate,
    confusion,
    domains,
    nearest,
    planes,
    projection,
    rejection,
    representation,
    retrieval,
    sampling,
    scores,
    separation,
    summary,
)

SAMPLES, TRAIN, DIMENSION, CLASSES = 12, 20, 4, 3
RNG = np.random.default_rng(0)
ARRAYS: dict[str, np.ndarray] = {
    "labels": np.arange(SAMPLES) % CLASSES,
    "predictions": RNG.integers(CLASSES, size=SAMPLES),
    "features": RNG.normal(size=(SAMPLES, DIMENSION)),
    "logits": RNG.normal(size=(SAMPLES, CLASSES)),
    "train": RNG.normal(size=(TRAIN, DIMENSION)),
    "train_labels": np.arange(TRAIN) % CLASSES,
    "weight": RNG.normal(size=(CLASSES, DIMENSION)),
    "bias": RNG.normal(size=CLASSES),
    "known": RNG.normal(size=SAMPLES) + 1,
    "unknown": RNG.normal(size=TRAIN),
    "right": RNG.random(SAMPLES) < 0.8,
    "other_right": RNG.random(SAMPLES) < 0.6,
    "first_hits": np.arange(SAMPLES),
}
NAMES = ["a", "b", "c"]

# each measure as a call on named arrays
CALLS: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {
    "accuracy.correct": (accuracy.correct, ("predictions", "labels")),
    "accuracy.accuracy": (lambda p, t: accuracy.accuracy(p, t, samples=20), ("predictions", "labels")),
    "confusion.confusion": (lambda t, p: confusion.confusion(t, p, NAMES), ("labels", "predictions")),
    "sampling.stratified": (lambda t: sampling.stratified(t, 5, 0), ("labels",)),
    "sampling.sample_interval": (lambda v, t: sampling.sample_interval(v, t, np.arange(60) % 3), ("known", "labels")),
    "nearest.nearest_neighbours": (lambda q, g: nearest.nearest_neighbours(q, g, 3), ("features", "train")),
    "nearest.nearest_accuracy": (
        nearest.nearest_accuracy,
        ("features", "labels", "train", "train_labels"),
    ),
    "retrieval.first_hits": (retrieval.first_hits, ("features", "labels")),
    "retrieval.retrieval_samples": (retrieval.retrieval_samples, ("features", "labels")),
    "retrieval.retrieval": (lambda x, t: retrieval.retrieval(x, t, ranks=(1, 2), samples=20), ("features", "labels")),
    "retrieval.recall": (lambda found: retrieval.recall(found, (1, 2)), ("first_hits",)),
    "retrieval.recall_row": (
        lambda found, t: retrieval.recall_row(found, t, ranks=(1, 2), samples=20),
        ("first_hits", "labels"),
    ),
    "retrieval.compare_recall": (
        lambda a, b, t: retrieval.compare_recall(a, b, t, samples=20),
        ("first_hits", "first_hits", "labels"),
    ),
    "approximate.approximate_first_hits": (
        lambda x, t: approximate.approximate_first_hits(x, t, depth=3),
        ("features", "labels"),
    ),
    "scores.maximum_softmax": (scores.maximum_softmax, ("logits",)),
    "scores.maximum_logit": (scores.maximum_logit, ("logits",)),
    "scores.energy": (scores.energy, ("logits",)),
    "scores.mahalanobis": (scores.mahalanobis, ("features", "train", "train_labels")),
    "scores.relative_mahalanobis": (scores.relative_mahalanobis, ("features", "train", "train_labels")),
    "scores.nearest_neighbour_score": (scores.nearest_neighbour_score, ("features", "train")),
    "scores.react": (scores.react, ("features", "weight", "bias", "train")),
    "scores.vim": (scores.vim, ("features", "logits", "weight", "bias", "train")),
    "rejection.roc": (rejection.roc, ("known", "unknown")),
    "rejection.pfa_at_pd": (
        lambda known, unknown, right: rejection.pfa_at_pd(known, unknown, 0.5, right),
        ("known", "unknown", "right"),
    ),
    "rejection.auroc": (rejection.auroc, ("known", "unknown")),
    "rejection.fpr95_unknown_positive": (rejection.fpr95_unknown_positive, ("known", "unknown")),
    "rejection.rejection": (
        lambda known, unknown, right: rejection.rejection({"x": (known, unknown)}, right, samples=20),
        ("known", "unknown", "right"),
    ),
    "projection.orthogonal": (lambda logits: projection.orthogonal(logits, 0, 1), ("logits",)),
    "projection.pair_confusion": (
        lambda t, p: projection.pair_confusion(t, p, 0, 1),
        ("labels", "predictions"),
    ),
    "planes.lay_out": (lambda x: planes.lay_out("tsne", x, seed=0), ("features",)),
    "projection.tsne": (lambda x: projection.tsne(x, seed=0), ("features",)),
    "representation.margin_ratio": (
        representation.margin_ratio,
        ("features", "labels", "train", "train_labels"),
    ),
    "representation.same_class_neighbour": (
        representation.same_class_neighbour,
        ("features", "labels", "train", "train_labels"),
    ),
    "representation.representation": (
        representation.representation,
        ("features", "labels", "train", "train_labels"),
    ),
    "separation.silhouette": (separation.silhouette, ("features", "labels")),
    "separation.calinski_harabasz": (separation.calinski_harabasz, ("features", "labels")),
    "separation.davies_bouldin": (separation.davies_bouldin, ("features", "labels")),
    "separation.class_distances": (separation.class_distances, ("features", "labels")),
    "separation.separation": (separation.separation, ("features", "labels")),
    "separation.indices": (separation.indices, ("features", "labels")),
    "domains.separability_samples": (domains.separability_samples, ("features", "train")),
    "domains.separability": (domains.separability, ("features", "train")),
    "domains.domain_distance": (domains.domain_distance, ("features", "train")),
    "domains.domain_distances": (
        lambda x, t, y, u: domains.domain_distances(x, t, y, u, NAMES),
        ("features", "labels", "train", "train_labels"),
    ),
    "summary.mcnemar": (summary.mcnemar, ("right", "other_right")),
    "summary.paired_interval": (summary.paired_interval, ("right", "other_right")),
    "summary.paired_difference": (lambda a: summary.paired_difference(a, a + 1), ("known",)),
}
# those that take tables, and one step of others that has no door of its own; tested with their module
NOT_ON_ARRAYS = {
    "confusion.normalised",
    "summary.summarise",
    "projection.reduced",
    "retrieval.shares",
    "sampling.paced",
    "sampling.chosen",
}

# what is wrong with an array, as a change to a right one
DAMAGE: dict[str, Callable[[np.ndarray], Any]] = {
    "empty": lambda array: array[:0],
    "more axes": lambda array: array[None],
    "a number": lambda array: array.flat[0],
    "strings": lambda array: array.astype(str),
    "objects": lambda array: array.astype(object),
    "None": lambda array: None,
    "ragged": lambda array: [[1.0], [1.0, 2.0]],
    "complex": lambda array: array + 1j,
}
ONLY_FLOATS: dict[str, Callable[[np.ndarray], Any]] = {
    "NaN": lambda array: np.where(np.arange(array.size).reshape(array.shape) == 1, np.nan, array),
    "infinite": lambda array: np.where(np.arange(array.size).reshape(array.shape) == 1, -np.inf, array),
}

EVERY = pytest.mark.parametrize("name", CALLS)


def call(name: str, **changed: Any) -> Any:
    function, arguments = CALLS[name]
    return function(*[changed.get(argument, ARRAYS[argument]) for argument in arguments])


def damaged() -> list[tuple[str, str, str]]:
    return [
        (name, argument, kind)
        for name, (_, arguments) in CALLS.items()
        for argument in arguments
        for kind in (*DAMAGE, *(ONLY_FLOATS if ARRAYS[argument].dtype.kind == "f" else ()))
        if not (name == "summary.paired_difference" and kind in {"None", "strings", "ragged"})  # a + 1
        if not (name.startswith("rejection.") and argument == "right" and kind == "None")  # it may be left out
    ]


@pytest.mark.parametrize(("name", "argument", "kind"), damaged())
def test_malformed_input_is_one_clear_line(name: str, argument: str, kind: str) -> None:
    broken = (DAMAGE | ONLY_FLOATS)[kind](ARRAYS[argument])
    with pytest.raises(InputError) as caught:
        call(name, **{argument: broken})
    assert "\n" not in str(caught.value)
    assert ": " in str(caught.value)


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        (name, argument)
        for name, (_, arguments) in CALLS.items()
        for argument in arguments
        # alone, or free to have a length of its own
        if len(arguments) > 1 and argument in {"labels", "predictions", "train_labels", "right", "other_right", "bias"}
    ],
)
def test_lengths_that_differ_are_refused(name: str, argument: str) -> None:
    with pytest.raises(InputError, match="expected"):
        call(name, **{argument: ARRAYS[argument][:-1]})


@pytest.mark.parametrize("name", [name for name, (_, arguments) in CALLS.items() if "train" in arguments])
def test_dimensions_that_differ_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="columns"):
        call(name, features=ARRAYS["features"][:, :-1])


@pytest.mark.parametrize("argument", ["labels", "predictions"])
def test_labels_are_integers(argument: str) -> None:
    for wrong in (ARRAYS[argument].astype(float), ARRAYS[argument] > 0):
        with pytest.raises(InputError, match="integer class indices"):
            call("accuracy.correct", **{argument: wrong})


@EVERY
def test_input_is_left_as_it_was_and_repeats_exactly(name: str) -> None:
    before = {key: array.copy() for key, array in ARRAYS.items()}
    assert repr(call(name)) == repr(call(name))
    assert all((ARRAYS[key] == array).all() for key, array in before.items())


@EVERY
def test_single_precision_memory_maps_and_lists_are_welcome(name: str, tmp_path: Path) -> None:
    def mapped(key: str) -> np.ndarray:
        array = ARRAYS[key].astype(np.float32) if ARRAYS[key].dtype.kind == "f" else ARRAYS[key]
        np.save(tmp_path / f"{key}.npy", array)
        return np.load(tmp_path / f"{key}.npy", mmap_mode="r")

    arguments = CALLS[name][1]
    call(name, **{key: mapped(key) for key in arguments})
    if name != "summary.paired_difference":  # a + 1
        assert repr(call(name, **{key: ARRAYS[key].tolist() for key in arguments})) == repr(call(name))


@EVERY
def test_a_space_collapsed_to_a_point_gives_figures(name: str) -> None:
    flat = {
        key: np.ones_like(array)
        for key, array in ARRAYS.items()
        if key in {"features", "logits", "train", "known", "unknown"}
    }
    result = call(name, **flat)
    if isinstance(result, np.ndarray):
        assert np.isfinite(result).all()


def test_every_public_function_is_in_this_suite_and_documented() -> None:
    public = {
        f"{module}.{name}": function
        for module in measures.__all__
        for name, function in inspect.getmembers(getattr(measures, module), inspect.isfunction)
        if not name.startswith("_") and function.__module__ == f"spacewise.measures.{module}"
    }
    assert set(public) == set(CALLS) | NOT_ON_ARRAYS
    assert all(inspect.getdoc(function) for function in public.values())
    assert all(f"`{module}`" in (measures.__doc__ or "") for module in measures.__all__)


def test_measures_know_nothing_of_runs_files_or_pages() -> None:
    plain = {"__future__", "collections", "dataclasses", "typing", "time", "numpy", "pandas"}
    ours = ("spacewise.errors", "spacewise.measures")
    for file in Path(measures.__file__ or "").parent.glob("*.py"):
        tree = ast.parse(file.read_text())
        on_import = imported(tree.body)
        assert {name.split(".")[0] for name in on_import} <= plain | {"spacewise"}, file.name
        assert all(name.startswith(ours) for name in on_import if name.startswith("spacewise")), file.name
        later = imported(ast.walk(tree)) - on_import
        # seconds to import, so only where they are used; losses import torch
        heavy = {"scipy", "sklearn", "openTSNE", "torch", "faiss", "importlib"}
        assert all(name.split(".")[0] in heavy or name.startswith("spacewise.losses") for name in later), file.name


def imported(nodes: Iterable[ast.AST]) -> set[str]:
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names
