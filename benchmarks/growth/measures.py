"""Measures of a space, and scores of what was never trained on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks import retrieval, separation
from benchmarks.growth.operation import LIMIT, OURS, Contender, Operation

CLASSES, DIMENSION, QUERIES, K, TILE = 10, 256, 2000, 50, 2048


def asked(function: Callable[..., float]) -> Contender:
    """A function of the input's arrays."""
    return lambda data: lambda: float(function(*data))


def tiles(rows: Any, columns: Any, half: bool = False) -> float:
    """The product of all pairs, tile by tile; of one set with itself the upper half suffices."""
    for number, block in enumerate(rows.split(TILE)):
        for other in columns.split(TILE)[number if half else 0 :]:
            block @ other.T
    return float("nan")


def recall_limit(data: tuple[Any, ...]) -> Callable[[], float]:
    import torch

    from spacewise.measures.products import precisions

    points = torch.from_numpy(data[0]).to(precisions()[0])
    return lambda: tiles(points, points, half=True)


def silhouette_limit(points: Any, labels: Any) -> float:
    import torch

    tensor = torch.from_numpy(points)
    return tiles(tensor, tensor, half=True)


def spacewise_calinski(points: Any, labels: Any) -> float:
    from spacewise.measures.separation import calinski_harabasz

    return calinski_harabasz(points, labels)


def scikit_calinski(points: Any, labels: Any) -> float:
    from sklearn.metrics import calinski_harabasz_score

    return calinski_harabasz_score(points, labels)


def read_once(points: Any, labels: Any) -> float:
    import torch

    torch.from_numpy(points).sum()
    return float("nan")


def gallery(size: int) -> tuple[Any, Any]:
    """Queries and training features, of unit length."""
    points, _ = separation.vectors(QUERIES + size, CLASSES)
    points /= (points * points).sum(axis=1, keepdims=True) ** 0.5
    return points[:QUERIES], points[QUERIES:]


def spacewise_nearest(queries: Any, points: Any) -> float:
    from spacewise.measures.scores import nearest_neighbour_score

    return nearest_neighbour_score(queries, points, k=K).mean()


def faiss_nearest(queries: Any, points: Any) -> float:
    import faiss

    index = faiss.IndexFlatL2(points.shape[1])
    index.add(points)
    squared, _ = index.search(queries, K)
    return -(squared[:, -1].clip(0) ** 0.5).mean()


def scikit_nearest(queries: Any, points: Any) -> float:
    from sklearn.neighbors import NearestNeighbors

    found, _ = NearestNeighbors(n_neighbors=K, algorithm="brute").fit(points).kneighbors(queries)
    return -found[:, -1].mean()


def nearest_limit(queries: Any, points: Any) -> float:
    import torch

    return tiles(torch.from_numpy(queries), torch.from_numpy(points))


OPERATIONS = {
    "recall": Operation(
        title="Recall at 1 … 32",
        words="Every sample asks all others, 512 dimensions. spacewise finds the first hit, from which recall at every "
        "k follows, FAISS (flat) the 33 nearest; scikit-learn and pytorch-metric-learning one neighbour, recall at 1.",
        unit="samples",
        smallest=4000,
        least=1500,  # two samples a class and more
        make=retrieval.vectors,
        contenders={
            OURS: asked(retrieval.spacewise),
            "FAISS": asked(retrieval.faiss_l2_33),
            "scikit-learn": asked(retrieval.scikit),
            "pytorch-metric-learning": asked(retrieval.metric),
            LIMIT: recall_limit,
        },
        limit="half the product of all pairs, in the fastest precision of the machine (bf16 where it has it)",
        agree=(OURS, "FAISS", "scikit-learn", "pytorch-metric-learning"),
        tolerance=1e-3,  # neighbours that tie in single precision
    ),
    "silhouette": Operation(
        title="Silhouette of every sample",
        words="256 dimensions, ten classes.",
        unit="samples",
        smallest=5000,
        least=200,
        make=lambda size: separation.vectors(size, CLASSES),
        contenders={
            OURS: asked(lambda points, labels: separation.spacewise(points, labels).mean()),
            "scikit-learn": asked(lambda points, labels: separation.scikit(points, labels).mean()),
            LIMIT: asked(silhouette_limit),
        },
        limit="half the product of all pairs, in single precision: all distances count to the sixth digit",
        agree=(OURS, "scikit-learn"),
    ),
    "calinski_harabasz": Operation(
        title="Calinski-Harabasz index",
        words="256 dimensions, ten classes.",
        unit="samples",
        smallest=25_000,
        make=lambda size: separation.vectors(size, CLASSES),
        contenders={OURS: asked(spacewise_calinski), "scikit-learn": asked(scikit_calinski), LIMIT: asked(read_once)},
        limit="the vectors read once",
        agree=(OURS, "scikit-learn"),
    ),
    "nearest_score": Operation(
        title="Nearest-neighbour score",
        words=f"Distance of {QUERIES:,} queries to their {K}th nearest training feature, 256 dimensions, unit length.",
        unit="training features",
        smallest=5000,
        least=2 * K,
        make=gallery,
        contenders={
            OURS: asked(spacewise_nearest),
            "FAISS": asked(faiss_nearest),
            "scikit-learn": asked(scikit_nearest),
            LIMIT: asked(nearest_limit),
        },
        limit="the product of queries and features, in single precision",
        agree=(OURS, "FAISS", "scikit-learn"),
    ),
}
