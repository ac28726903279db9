"""Tables of two domains of which one has hardly any test images, or other classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spacewise.audits.transfer import transfer_tables
from spacewise.sources import Source
from spacewise.splits import Part

CLASSES = ("field", "port", "wood", "town")
PROBED = ["separability", "low", "high"]


def domain(labels: list[int], seed: int) -> tuple[dict[str, np.ndarray], Part]:
    """Random vectors in two spaces, and the part that they are of."""
    generator, facts = np.random.default_rng(seed), pd.DataFrame({"label": [CLASSES[label] for label in labels]})
    source = Source("memory", facts.assign(id=[f"{row}" for row in range(len(labels))]), lambda i: np.zeros((1, 4, 4)))
    spaces = {
        name: generator.normal(size=(len(labels), width)) for name, width in (("embedding", 5), ("classifier", 4))
    }
    return spaces, Part(source, np.arange(len(labels)), CLASSES)


def tables(source: list[int], target: list[int]) -> dict[str, pd.DataFrame]:
    (one, first), (other, second) = domain(source, 0), domain(target, 1)
    return transfer_tables(one, other, first, second)


@pytest.mark.parametrize(("source", "target"), [([0, 1, 2, 3], [0, 1] * 6), ([0, 1] * 6, [1]), ([0], [1])])
def test_too_few_images_for_a_probe(source: list[int], target: list[int]) -> None:
    made = tables(source, target)
    assert made["domains"]["space"].tolist() == ["embedding", "classifier"]
    assert made["domains"][PROBED].isna().all(axis=None)
    assert made["domain_accuracy"]["samples"].tolist() == [len(source), len(target)]
    assert np.isfinite(made["domain_accuracy"]["accuracy"]).all()


def test_five_images_are_enough() -> None:
    found = tables([0, 1, 2, 3, 0], [0, 1] * 6)["domains"]
    assert np.isfinite(found[[*PROBED, "distance", "class_distance", "matched"]].to_numpy(float)).all()


def test_no_class_in_both_domains(tmp_path: Path) -> None:
    made = tables([0, 1] * 4, [2, 3] * 4)
    found = made["domains"]
    assert found[["class_distance", "matched"]].isna().all(axis=None)
    assert np.isfinite(found[[*PROBED, "distance"]].to_numpy(float)).all()
    assert found["matched"].dtype == float
    assert made["domain_classes"]["matched"].isna().all()
    for name, table in made.items():  # as an audit keeps them
        table.to_parquet(tmp_path / f"{name}.parquet")
        pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / f"{name}.parquet"), table)


def test_a_class_of_one_domain_is_left_out_of_the_share() -> None:
    made = tables([0, 1, 2] * 4, [0, 1, 3] * 4)
    known = made["domain_classes"].dropna(subset=["matched"])
    assert set(known["class"]) == {"field", "port"}
    for name, rows in known.groupby("space"):
        share = made["domains"].set_index("space").loc[name, "matched"]
        assert share == pytest.approx(rows["matched"].astype(float).mean())
