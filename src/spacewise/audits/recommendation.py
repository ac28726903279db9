"""Which space to deploy: how much better, and on how much evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from spacewise.measures.retrieval import compare_recall


def recommendation(
    samples: pd.DataFrame, columns: Mapping[str, np.ndarray], spaces: Sequence[str], against: str, seed: int
) -> dict[str, Any]:
    """The space with the best recall at 1 on held-out classes, held against the one under the loss on test classes.

    Args:
        samples: with `part` and `target`.
        columns: `first_hit@SPACE`, ranks (sample,), negative for samples that were not asked.
        spaces: those that may be deployed, in the order of the network; the later one wins a tie.
        against: the space that would be deployed without asking.
        seed: of the bootstrap over classes.

    Returns:
        space, against, chosen_on (`validation`; `test` where nothing was held out that can tell, which flatters
        the choice), and of test: recall, against_recall, difference with low and high (95 %), n, classes.
    """
    parts = samples["part"].to_numpy()
    asked = columns[f"first_hit@{against}"] >= 0
    held = (parts == "validation") & asked
    tells = held.any() and len(set(samples["target"][held])) > 1 and (columns[f"first_hit@{against}"][held] > 0).any()
    chosen_on = "validation" if tells else "test"
    held = (parts == chosen_on) & asked
    space = max(reversed(spaces), key=lambda name: _recall(columns[f"first_hit@{name}"][held]))
    test = (parts == "test") & asked
    ours, theirs = (columns[f"first_hit@{name}"][test] for name in (space, against))
    labels = samples["target"].to_numpy()[test]
    difference, low, high = compare_recall(theirs, ours, labels, seed=seed)
    return {
        "space": space,
        "against": against,
        "chosen_on": chosen_on,
        "recall": _recall(ours),
        "against_recall": _recall(theirs),
        "difference": difference,
        "low": low,
        "high": high,
        "n": int((ours > 0).sum()),
        "classes": len(set(labels)),
    }


def _recall(hits: np.ndarray) -> float:
    """Recall at 1 of the queries that have an answer."""
    answered = hits > 0
    return float((hits[answered] == 1).mean()) if answered.any() else 0.0
