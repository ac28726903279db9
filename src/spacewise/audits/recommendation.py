"""Which space to deploy: how much better, and on how much evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from spacewise.measures.retrieval import compare_recall, shares


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
    parts, targets = samples["part"].to_numpy(), samples["target"].to_numpy()
    hits = {name: columns[f"first_hit@{name}"] for name in spaces}
    asked = hits[against] >= 0
    held = (parts == "validation") & asked
    tells = held.any() and len(set(targets[held])) > 1 and (hits[against][held] > 0).any()
    chosen_on = "validation" if tells else "test"
    held, test = ((parts == part) & asked for part in (chosen_on, "test"))
    # of a sample the recall of all: each class counts by its size
    whole, everyone = (None if asked[parts == part].all() else targets[parts == part] for part in (chosen_on, "test"))
    space = max(reversed(spaces), key=lambda name: _recall(hits[name][held], targets[held], whole))
    ours, theirs, labels = hits[space][test], hits[against][test], targets[test]
    difference, low, high = compare_recall(theirs, ours, labels, gallery=everyone, seed=seed)
    return {
        "space": space,
        "against": against,
        "chosen_on": chosen_on,
        "recall": _recall(ours, labels, everyone),
        "against_recall": _recall(theirs, labels, everyone),
        "difference": difference,
        "low": low,
        "high": high,
        "n": int((ours > 0).sum()),
        "classes": len(set(labels)),
    }


def _recall(hits: np.ndarray, labels: np.ndarray, gallery: np.ndarray | None) -> float:
    """Recall at 1 of the queries that have an answer, or, of a sample, that of all such."""
    answered = hits > 0
    return float(shares((hits == 1)[:, None], answered, labels, gallery)[0]) if answered.any() else 0.0
