"""Silhouettes of some samples against all: those of the definition, and those of everybody asking."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.measures.test_separation import KINDS, naive, spread

from spacewise.errors import InputError
from spacewise.measures import pairwise_sample, products
from spacewise.measures.sampling import sample_interval, stratified
from spacewise.measures.separation import silhouette


@pytest.mark.parametrize("precision", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("kind", KINDS)
def test_some_samples_have_the_silhouette_they_have_among_all(kind: str, precision: type, tmp_path: Path) -> None:
    features, labels = spread(kind)
    np.save(tmp_path / "features.npy", features.astype(precision))
    mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
    whole, exact = silhouette(features.astype(precision), labels), naive(features.astype(precision), labels)
    for queries in (stratified(labels, 30, 0), np.array([80, 7, 3, 41]), np.arange(90)):
        found = silhouette(mapped, labels, queries=queries)
        assert found == pytest.approx(exact[queries], abs=1e-6)
        assert found == pytest.approx(whole[queries], abs=1e-6)


@pytest.mark.parametrize("tile", [1, 2, 7, 31, 512])
@pytest.mark.parametrize("classes", [2, 5, 40])
def test_the_size_of_a_tile_does_not_matter(tile: int, classes: int) -> None:
    features, labels = spread("random", classes=classes)
    place, queries = products.space(features.astype(np.float32)), stratified(labels, 33, 0)
    expected = pairwise_sample.own_and_other(place, labels, queries)
    for found, those in zip(pairwise_sample.own_and_other(place, labels, queries, tile), expected, strict=True):
        assert found == pytest.approx(those, rel=1e-6)


@pytest.mark.parametrize("classes", [2, 7, 400])
def test_large_and_many_classes(classes: int) -> None:
    features, labels = spread("random", samples=1300, classes=classes, dimension=32)
    queries = stratified(labels, 200, 0)
    found = silhouette(features.astype(np.float32), labels, queries=queries)
    assert found == pytest.approx(silhouette(features, labels)[queries], abs=1e-6)


def test_constant_features_have_silhouette_zero() -> None:
    assert (silhouette(np.full((900, 3), 0.1), np.arange(900) % 3, queries=[0, 700]) == 0).all()


def test_a_sample_knows_the_mean() -> None:
    features, labels = spread("random", samples=1000, classes=12, dimension=8)
    whole, held = silhouette(features, labels).mean(), 0
    for seed in range(10):
        queries = stratified(labels, 150, seed)
        _, low, high = sample_interval(silhouette(features, labels, queries=queries), labels[queries], labels)
        held += low < whole < high < low + 0.1
    assert held >= 8  # of ten at 95 %


@pytest.mark.parametrize("queries", [None, [5, 80, 2]])
def test_a_bar_is_told_of_every_query(queries) -> None:
    for kind in ("random", "one sample alone"):
        told: list[int] = []
        silhouette(*spread(kind), queries=queries, advance=told.append)
        assert sum(told) == (90 if queries is None else 3)


def test_queries_that_are_no_samples_are_refused() -> None:
    with pytest.raises(InputError, match="queries: 90, expected indices of samples, 0 to 89"):
        silhouette(*spread("random"), queries=[90])


MEASURED = """
import sys
import numpy as np
from spacewise.measures.nearest import nearest_neighbours
from spacewise.measures.retrieval import first_hits
from spacewise.measures.sampling import stratified
from spacewise.measures.separation import silhouette

def own() -> int:
    text = open("/proc/self/status").read()
    return int(text.split("RssAnon:")[1].split()[0]) // 1024

def asked(samples: int) -> None:
    values = np.load(sys.argv[1], mmap_mode="r")[:samples]
    labels = np.arange(samples) % 20
    queries = stratified(labels, 64, 0)
    first_hits(values, labels, queries=queries)
    silhouette(values, labels, queries=queries)
    nearest_neighbours(values[queries], values, 5)

import threading, time
asked(2000)
before, most, going = own(), 0, True

def watch() -> None:
    global most
    while going:
        most = max(most, own())
        time.sleep(0.002)

watcher = threading.Thread(target=watch)
watcher.start()
asked(150_000)
going = False
watcher.join()
print(most - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc to see a process's own memory")
def test_memory_is_not_that_of_the_gallery(tmp_path: Path) -> None:
    file = tmp_path / "values.npy"
    values = np.lib.format.open_memmap(file, "w+", np.float32, (150_000, 64))
    generator = np.random.default_rng(0)
    for start in range(0, len(values), 15_000):
        values[start : start + 15_000] = generator.standard_normal((15_000, 64), dtype=np.float32)
    values.flush()
    done = subprocess.run([sys.executable, "-c", MEASURED, str(file)], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 65  # MB; a copy in double precision is 77 by itself
