"""Indices of FAISS over embeddings: built once, block by block, kept beside the shards with what they were built of.

They are read by FAISS's own reader of numbers; nothing is unpickled.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from rich.markup import escape

from spacewise import files
from spacewise.archive.search import directions
from spacewise.archive.stored import Embeddings, part_facts
from spacewise.errors import InputError
from spacewise.measures.approximate import LINKS
from spacewise.progress import console, track
from spacewise.runs import file_digest

LISTS, A_LIST = 8192, 40  # most lists, and samples that train each
ITERATIONS = 10  # of the means that lists are made around
CODES = 256  # of each piece of a vector: a byte
SEED = 0


def opened(embeddings: Embeddings, space: str, kind: str) -> tuple[Any, dict[str, Any]]:
    """The FAISS index and its JSON: read where they fit the shards, else built and written."""
    faiss, path = _faiss(), place(embeddings, space, kind)
    expected = _expected(embeddings, space, kind)
    if path.is_file() and path.with_suffix(".json").is_file():
        facts = files.read_json(path.with_suffix(".json"))
        if _fits(path, facts, expected):
            return _read(faiss, path), facts
        console.print(
            f"{escape(str(path))} is damaged or no longer fits the shards: it is built anew",
            highlight=False,
            soft_wrap=True,
        )
    path.with_suffix(".json").unlink(missing_ok=True)  # never beside an index that is not its own
    began = time.perf_counter()
    index = _built(faiss, embeddings, space, kind, expected["settings"])
    _write(faiss, index, path)
    seconds = time.perf_counter() - began
    made = {"bytes": path.stat().st_size, "digest": file_digest(path), "seconds": seconds, "recall": {}}
    facts = {**expected, **made}
    files.write_json(path.with_suffix(".json"), facts)
    return index, facts


def place(embeddings: Embeddings, space: str, kind: str) -> Path:
    """The file of an index."""
    return embeddings.folder / f"_{space}.{kind}.faiss"


def _fits(path: Path, facts: Any, expected: dict[str, Any]) -> bool:
    """Whether an index is undamaged and what is expected; its whole file is read only where its facts are right."""
    if not isinstance(facts, dict) or not isinstance(facts.get("recall"), dict):
        return False
    same = facts.items() >= {**expected, "bytes": path.stat().st_size}.items()
    return same and facts.get("digest") == file_digest(path)


def _faiss() -> Any:
    try:
        import faiss
    except ImportError as error:
        raise InputError("faiss is not installed: pip install 'spacewise[index]'") from error
    return faiss


def _expected(embeddings: Embeddings, space: str, kind: str) -> dict[str, Any]:
    """What an index that fits says of itself."""
    samples, dimension = len(embeddings), embeddings.spaces[space]
    if kind == "hnsw":
        settings = {"links": LINKS}
    else:
        lists = max(1, min(round(4 * math.sqrt(samples)), samples // A_LIST, LISTS))
        pieces = min(each for each in range(1, dimension + 1) if dimension % each == 0 and 4 * each >= dimension)
        settings = {"lists": lists, "pieces": pieces, "iterations": ITERATIONS, "seed": SEED}
    shards = _digest(embeddings)
    return {"kind": kind, "samples": samples, "dimension": dimension, "shards": shards, "settings": settings}


def _digest(embeddings: Embeddings) -> str:
    """Of what the shards say they were made of."""
    digest = hashlib.sha256()
    for number in range(len(embeddings.lengths)):
        said = part_facts(embeddings.folder, number) or {}
        made_of = {key: value for key, value in said.items() if key != "seconds"}
        digest.update(json.dumps(made_of, sort_keys=True).encode())
    return digest.hexdigest()[:20]


def _built(faiss: Any, embeddings: Embeddings, space: str, kind: str, settings: dict[str, int]) -> Any:
    dimension, where = embeddings.spaces[space], f"{embeddings.folder}, space '{space}'"
    if kind == "hnsw":
        index = faiss.IndexHNSWFlat(dimension, settings["links"], faiss.METRIC_INNER_PRODUCT)
        each = 4 * dimension + 8 * settings["links"]
    else:
        index = _trained(faiss, embeddings, space, settings)
        each = settings["pieces"] + 8
    console.print(
        f"building the index {kind} of {space}, once: {len(embeddings):,} samples, "
        f"{len(embeddings) * each / 1e9:.2g} GB of memory and disk",
        highlight=False,
        soft_wrap=True,
    )
    shards = sum(length > 0 for length in embeddings.lengths)
    with _one_thread(faiss):
        for block in track(embeddings.blocks(space), "indexing", shards):
            index.add(directions(block.values, where, block.first))
    return index


def _trained(faiss: Any, embeddings: Embeddings, space: str, settings: dict[str, int]) -> Any:
    """Lists and codes around the means of a sample."""
    dimension, lists = embeddings.spaces[space], settings["lists"]
    index = faiss.IndexIVFPQ(
        faiss.IndexFlatIP(dimension), dimension, lists, settings["pieces"], 8, faiss.METRIC_INNER_PRODUCT
    )
    index.cp.niter, index.cp.seed = settings["iterations"], settings["seed"]
    drawn = drawn_from(len(embeddings), A_LIST * max(lists, CODES))
    index.train(directions(embeddings.take(space, drawn), f"{embeddings.folder}, space '{space}', sampled"))
    return index


def drawn_from(samples: int, number: int) -> np.ndarray:
    """So many of the samples, or all, in order; always the same."""
    return np.sort(np.random.default_rng(SEED).choice(samples, min(number, samples), replace=False))


@contextmanager
def _one_thread(faiss: Any) -> Iterator[None]:
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)


def _write(faiss: Any, index: Any, path: Path) -> None:
    with files.atomic(path) as partial:
        try:
            faiss.write_index(index, str(partial))
        except RuntimeError as error:
            raise InputError(f"cannot write {path}: {' '.join(str(error).split())[-120:]}") from error


def _read(faiss: Any, path: Path) -> Any:
    try:
        return faiss.read_index(str(path))
    except RuntimeError as error:
        raise InputError(f"{path} is damaged; delete it, and it will be built again") from error
