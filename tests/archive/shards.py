"""Embeddings on disk that were never images."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from spacewise.archive import open_embeddings
from spacewise.archive.stored import FACTS, Embeddings, write_part


def stored(folder: Path, values: np.ndarray, cuts: list[int]) -> Embeddings:
    """Embeddings of one space `feature`, in shards that end at the cuts."""
    folder.mkdir(parents=True, exist_ok=True)
    ends = [0, *cuts, len(values)]
    for number, (first, last) in enumerate(pairwise(ends)):
        table = pd.DataFrame({"row": np.arange(first, last), "id": [f"{row}.png" for row in range(first, last)]})
        write_part(folder, number, table, {"feature": values[first:last].astype(np.float32)}, {})
    facts = {"spaces": {"feature": values.shape[1]}, "shards": len(ends) - 1}
    (folder / FACTS).write_text(json.dumps(facts), encoding="utf-8")
    return open_embeddings(folder)
