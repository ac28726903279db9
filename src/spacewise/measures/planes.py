"""A space laid out in a plane, by one of several methods, fitted on the samples themselves or on others.

All of them keep neighbours together and nothing else: distances between clusters, their sizes and densities
mean nothing. `tsne` is the default; UMAP (McInnes et al. 2018) and PaCMAP (Wang et al., JMLR 2021) are extras.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from spacewise.errors import InputError, unknown
from spacewise.measures import checks
from spacewise.measures.projection import Projection, reduced, tsne

METHODS = {"tsne": "t-SNE", "umap": "UMAP", "pacmap": "PaCMAP"}
NEIGHBOURS = {"umap": 15, "pacmap": 10}
"""Those of the libraries; never more than half of the samples."""

LEAST = 8  # samples: below, a graph of neighbours is all samples
Fitted = Callable[[np.ndarray], np.ndarray]


def lay_out(method: str, embeddings: Any, *, seed: int, train: Any = None) -> Projection:
    """Points (sample, 2) of embeddings in a plane.

    Args:
        method: `"tsne"`, `"umap"` or `"pacmap"`.
        embeddings: (sample, dimension).
        seed: of the reduction to 50 dimensions, and of the layout; one thread, so that a seed gives one picture.
        train: (sample, dimension) that the plane is fitted on; the embeddings are then placed in it. The
            embeddings themselves where it is None.

    Where all samples that the plane is fitted on coincide, every point is the origin and the method `constant`.

    Raises:
        InputError: an unknown method, an extra that is not installed, malformed or too few embeddings, another
            dimension of `train`; t-SNE by scikit-learn, which cannot place new samples.
    """
    if method not in METHODS:
        raise unknown("method of a map", method, METHODS)
    seed = checks.whole("seed", seed, least=0, most=2**32 - 1)
    values = checks.matrix("embeddings", embeddings).astype(np.float64)
    if method == "tsne" and train is None:
        return tsne(values, seed=seed)
    fitted = values if train is None else checks.matrix("train", train, columns=values.shape[1]).astype(np.float64)
    if len(fitted) < LEAST:
        raise InputError(f"{len(fitted)} samples to fit a map on, expected at least {LEAST}")
    if (fitted == fitted[0]).all():
        return Projection(np.zeros((len(values), 2)), "constant")
    whole = reduced(np.concatenate([fitted, values]) if train is not None else values, seed, fit=len(fitted))
    if whole.shape[1] == 1:
        whole = np.pad(whole, ((0, 0), (0, 1)))  # all start from two principal components
    base, placed = whole[: len(fitted)], whole[len(fitted) :] if train is not None else None
    points, said = LAYOUTS[method](base, placed, seed)
    return Projection(
        np.asarray(points, np.float64), said + (", fitted on training samples" if train is not None else "")
    )


def _tsne(base: np.ndarray, placed: np.ndarray | None, seed: int) -> tuple[np.ndarray, str]:
    try:
        import openTSNE
    except ModuleNotFoundError as error:
        if error.name != "openTSNE":
            raise
        raise InputError(
            'scikit-learn\'s t-SNE cannot place new samples in a map; pip install "spacewise[viz]" has one that can'
        ) from error
    perplexity = min(30.0, (len(base) - 1) / 3)
    layout = openTSNE.TSNE(perplexity=perplexity, initialization="pca", random_state=seed, n_jobs=1).fit(base)
    return layout.transform(placed), f"openTSNE {openTSNE.__version__}, perplexity {perplexity:g}"


def _umap(base: np.ndarray, placed: np.ndarray | None, seed: int) -> tuple[np.ndarray, str]:
    umap = _extra("umap", "umap")  # seconds to minutes to import: it compiles
    neighbours = min(NEIGHBOURS["umap"], len(base) // 2)
    layout = umap.UMAP(n_neighbors=neighbours, random_state=seed, n_jobs=1).fit(base)
    points = layout.embedding_ if placed is None else layout.transform(placed)
    return points, f"umap-learn {umap.__version__}, {neighbours} neighbours"


def _pacmap(base: np.ndarray, placed: np.ndarray | None, seed: int) -> tuple[np.ndarray, str]:
    pacmap = _extra("pacmap", "viz")
    from importlib.metadata import version

    neighbours = min(NEIGHBOURS["pacmap"], len(base) // 2)
    layout = pacmap.PaCMAP(n_components=2, n_neighbors=neighbours, random_state=seed, apply_pca=False)
    points = layout.fit_transform(base.astype(np.float32))
    if placed is not None:
        points = layout.transform(placed.astype(np.float32), basis=base.astype(np.float32))
    return points, f"PaCMAP {version('pacmap')}, {neighbours} neighbours"


def _extra(module: str, extra: str) -> Any:
    import importlib

    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise InputError(f'{METHODS[module]} needs the extra {extra}: pip install "spacewise[{extra}]"') from error


LAYOUTS = {"tsne": _tsne, "umap": _umap, "pacmap": _pacmap}
