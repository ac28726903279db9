"""Retrieval in every space, on training and on test classes, at every kept epoch."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spacewise.audits.embedding import embedded, on_disk
from spacewise.audits.samples import paced, queries, say_cost, where
from spacewise.audits.stored import main_spaces
from spacewise.errors import InputError
from spacewise.measures.approximate import approximate_first_hits
from spacewise.measures.blocks import Advance
from spacewise.measures.blocks import blocks as by_blocks
from spacewise.measures.retrieval import first_hits, recall_row, retrieval_samples, shares
from spacewise.progress import console
from spacewise.runs import Run
from spacewise.splits import Part

RANKS = (1, 2, 4, 8, 10, 16, 32, 100, 1000)  # those of CUB and Cars, and those of Stanford Online Products
PARTS = ("train", "validation", "test")
NOT_ASKED = -1  # rank of the first hit of a sample that was in galleries alone
DEPTH = 32  # neighbours that an index is asked for
HALF = float(np.finfo(np.float16).max)


def retrieval_tables(
    spaces: Mapping[str, np.ndarray],
    samples: pd.DataFrame,
    asked: np.ndarray,
    seed: int,
    approximate_above: int | None = None,
) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """The table `retrieval`, one row a part and space, and per sample the rank of the first hit in each space.

    Args:
        spaces: name -> vectors (sample, dimension).
        samples: with `part` and `target`.
        asked: bool (sample,): those that are queries; every other sample of their part is in their gallery.
        seed: of the bootstrap over classes, and of the index.
        approximate_above: parts of more samples are searched by an index; what that loses is measured, printed,
            and kept in the column `recall_lost`.

    Returns:
        The table: `n` queries with an answer; where not all were asked also `gallery`, among how many, and
        `sample_low` and `sample_high`, between which recall at 1 of all lies with 95 % confidence. The ranks by
        column; NOT_ASKED where nobody asked.
    """
    rows, columns = [], {}
    targets = samples["target"].to_numpy()
    places = {part: mine for part in PARTS if len(targets[mine := where(samples, part)]) > 1}
    total = len(spaces) * sum(int(asked[mine].sum()) for mine in places.values())
    with paced("retrieval", total) as advance:
        for space, values in spaces.items():
            column = columns[f"first_hit@{space}"] = np.full(len(samples), NOT_ASKED)
            for part, mine in places.items():
                labels = targets[mine]
                if _by_index(labels, approximate_above):
                    column[mine], row = _approximate(values[mine], labels, seed, f"{part}, {space}")
                    advance(len(labels))
                else:
                    say_cost(f"retrieval in {space}, {part}", values[mine], labels, queries(asked[mine]))
                    column[mine], row = _exact(values[mine], labels, asked[mine], seed, advance)
                rows.append({"part": part, "space": space, "dimension": values.shape[1]} | row)
    return {"retrieval": pd.DataFrame(rows)}, columns


def _exact(
    values: np.ndarray, labels: np.ndarray, asked: np.ndarray, seed: int, advance: Advance
) -> tuple[np.ndarray, dict[str, float]]:
    found = retrieval_samples(values, labels, queries=queries(asked), advance=advance)
    hits = np.full(len(labels), NOT_ASKED)
    hits[asked] = found["first_hit"]
    both, answered = found[["r_precision", "average_precision_at_r"]].to_numpy(), found["hits"] > 0
    means = shares(both, answered, labels[asked], None if asked.all() else labels)
    return hits, _asked_row(hits, labels, seed) | dict(zip(("r_precision", "map_at_r"), means, strict=True))


def _asked_row(hits: np.ndarray, labels: np.ndarray, seed: int) -> dict[str, float]:
    """The row of those that were asked and, where others were not, how far it may be from asking all."""
    asked = hits != NOT_ASKED
    return _row(hits[asked], labels[asked], seed, len(labels) - 1, gallery=None if asked.all() else labels)


def check_index(above: int | None) -> None:
    """Raises `InputError` for a size below 1, or where an index is asked for and faiss is not installed."""
    if above is None:
        return
    if above < 1:
        raise InputError(f"approximate_above is a number of samples, 1 or more, not {above}")
    if importlib.util.find_spec("faiss") is None:
        raise InputError("faiss is not installed: pip install 'spacewise[index]'")


def _approximate(values: np.ndarray, labels: np.ndarray, seed: int, what: str) -> tuple[np.ndarray, dict[str, float]]:
    depth = min(DEPTH, len(labels) - 1)
    hits, lost = approximate_first_hits(values, labels, depth=depth, seed=seed)
    console.print(
        f"{what}: index instead of exact search: recall at 1 {100 * lost.recall_at_1:+.2f} points lower, "
        f"{100 * lost.neighbours_missed:.1f} % of nearest neighbours missed, measured on {lost.queries} queries"
    )
    return hits, _row(hits, labels, seed, depth) | {"recall_lost": lost.recall_at_1}


def _row(
    hits: np.ndarray, labels: np.ndarray, seed: int, most: int, gallery: np.ndarray | None = None
) -> dict[str, float]:
    """Recall at each rank up to `most`, the interval of the first over whole classes, and how many these are."""
    ranks = [rank for rank in RANKS if rank <= most]
    return recall_row(hits, labels, gallery=gallery, ranks=ranks, seed=seed) | {"classes": len(set(labels))}


def _by_index(labels: np.ndarray, approximate_above: int | None) -> bool:
    """Whether so many samples are searched by an index."""
    return approximate_above is not None and len(labels) > approximate_above


def chosen_rows(table: pd.DataFrame, run: Run) -> pd.DataFrame:
    """The rows of the audited weights, with their epoch."""
    facts = run.facts
    epoch = {"best": facts["best_epoch"], "last": facts["epochs"], "averaged": facts["epochs"]}.get(run.weights)
    return table.assign(weights=run.weights, epoch=int(run.weights[5:]) if epoch is None else epoch)


def kept_epochs(
    folder: Path,
    run: Run,
    parts: Mapping[str, Part],
    samples: pd.DataFrame,
    asked: np.ndarray,
    seed: int,
    approximate_above: int | None = None,
) -> pd.DataFrame:
    """The same at the epochs whose weights were kept, in the precision of the training, recall alone.

    Args:
        folder: of the main spaces then, `EPOCH/NAME.npy`, float16; what lies beyond its range, at its edge.
    """
    chosen, rows = run.weights, []
    terms = [*run.experiment.objective, *run.experiment.regime.alternate]
    kept = main_spaces(terms, list(run.net.spaces))
    for epoch in run.experiment.regime.keep:
        if epoch > run.facts["epochs"]:
            continue  # patience ended the training before it
        run.load(f"epoch{epoch}")
        vectors = folder / f".{epoch}"
        spaces = embedded(vectors, run, parts, precision="", what=f"epoch {epoch}, ")
        for part in PARTS:
            if part not in parts or len(parts[part]) < 2:
                continue
            mine = where(samples, part)
            labels = parts[part].labels
            for space, whole in spaces.items():
                values = whole[mine]
                row = {"weights": f"epoch{epoch}", "epoch": epoch, "part": part, "space": space}
                if _by_index(labels, approximate_above):
                    found = _approximate(values, labels, seed, f"epoch {epoch}, {part}, {space}")[1]
                else:
                    hits = np.full(len(labels), NOT_ASKED)
                    hits[asked[mine]] = first_hits(values, labels, queries=queries(asked[mine]))
                    found = _asked_row(hits, labels, seed)
                rows.append(row | {"dimension": values.shape[1]} | found)
        for space in kept:
            blocks = ({space: np.clip(each, -HALF, HALF).astype(np.float16)} for _, each in by_blocks(spaces[space]))
            on_disk(folder / str(epoch), blocks, len(samples))
        shutil.rmtree(vectors)
    run.load(chosen)
    return pd.DataFrame(rows)
