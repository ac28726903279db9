"""The figure that chooses between epochs: accuracy, or recall at 1 where nothing classifies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from torch import Tensor

from spacewise.learn.batches import in_order
from spacewise.learn.embed import embed
from spacewise.measures.retrieval import first_hits
from spacewise.nets.chain import Chain
from spacewise.splits import Split


def by_retrieval(net: Chain, split: Split) -> bool:
    """Whether a network can only be judged by retrieval: its test classes are not trained, or it has no classifier."""
    return split.disjoint or "classifier" not in net.spaces


def validate(
    net: Chain, spaces: Sequence[str], split: Split, images: Tensor, *, shift: int, seed: int, precision: str
) -> dict[str, float]:
    """`validation_accuracy` or `validation_recall` by name; nothing where there is nothing to ask.

    Args:
        net: the chain.
        spaces: those under the objective; recall is asked of the deepest.
        split: its validation part is asked.
        images: of the whole source, (sample, band, height, width).
        shift: in pixels; where it is above 0, accuracy is also that of one translated copy of each image.
        seed: of the copies.
        precision: that of the training.

    Returns:
        NaN for a network whose vectors are not finite.
    """
    part = split.validation
    if len(part) == 0:
        return {}
    if by_retrieval(net, split):
        answerable = np.bincount(part.labels)[part.labels] > 1
        if not answerable.any() or len(part.classes) < 2:
            return {}
        values = _embedded(net, in_order(images, part), _deepest(net, spaces), precision)
        return {"validation_recall": _share(values, lambda: first_hits(values, part.labels)[answerable] == 1)}
    times = 2 if shift else 1
    batches = in_order(images, part, shift=shift, copies=times - 1, seed=seed)
    logits = _embedded(net, batches, "classifier", precision)
    return {"validation_accuracy": _share(logits, lambda: logits.argmax(axis=1) == np.tile(part.labels, times))}


def _deepest(net: Chain, spaces: Sequence[str]) -> str:
    order = {name: place for place, name in enumerate(net.spaces)}
    return max(spaces, key=lambda name: order[name.partition(":")[0]])


def _embedded(net: Chain, batches: Iterable[Tensor], space: str, precision: str) -> np.ndarray:
    return embed(net, batches, [space], precision=precision)[space]


def _share(values: np.ndarray, right: Callable[[], np.ndarray]) -> float:
    return float(right().mean()) if np.isfinite(values).all() else float("nan")
