"""The samples for embedding-atlas: columns and types that its options ask for."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from tests.explorer.pages import with_source
from tests.report.synthetic import CLASSES, SIZES, synthetic
from tests.report.synthetic_layers import synthetic_layers

from spacewise import files
from spacewise.errors import InputError
from spacewise.explorer import atlas, facts, write_atlas

OWN = sum(SIZES.values())


def test_columns_places_neighbours_and_pictures(tmp_path: Path) -> None:
    """`--x`, `--y` numbers; `--neighbors` a struct of row numbers and distances; `--image` a struct with bytes."""
    audit = synthetic(tmp_path)
    samples = audit.table("samples")
    table = pq.read_table(write_atlas(audit, tmp_path / "samples.parquet", space="classifier"))
    ours = ["projection_x", "projection_y", "neighbors", "image"]
    assert table.column_names == [*samples, *ours]
    assert table.schema.field("neighbors").type == atlas.NEIGHBOURS
    assert table.schema.field("image").type == atlas.IMAGE
    rows = table.to_pylist()
    assert [row["id"] for row in rows] == samples["id"].tolist()
    assert [row["prediction"] for row in rows] == [CLASSES[index] for index in samples["prediction"]]
    distances, indices = facts.neighbours(audit, audit.space("classifier"), False) or (None, None)
    assert [row["neighbors"]["ids"] for row in rows] == np.asarray(indices).tolist()
    np.testing.assert_allclose([row["neighbors"]["distances"] for row in rows], distances)
    for row, chip in zip(rows, audit.chips(), strict=True):
        assert (np.asarray(Image.open(io.BytesIO(row["image"]["bytes"]))) == chip[..., 0]).all()
    places = np.array([[row["projection_x"], row["projection_y"]] for row in rows])
    assert np.isfinite(places).all()
    assert np.ptp(places, axis=0).min() > 0


def test_group_by_group_and_of_the_first_main_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audit = synthetic(tmp_path)
    whole = pq.read_table(write_atlas(audit, tmp_path / "whole.parquet"))
    monkeypatch.setattr(atlas, "GROUP", 7)
    grouped = pq.ParquetFile(write_atlas(audit, tmp_path / "grouped.parquet"))
    assert grouped.num_row_groups == -(-OWN // 7)
    assert grouped.read() == whole
    assert (audit.folder / "projections" / "tsne-all-feature.parquet").is_file()


def test_facts_named_as_our_columns_are_renamed(tmp_path: Path) -> None:
    audit = synthetic(tmp_path)
    files.write_table(audit.folder / "samples.parquet", audit.table("samples").assign(image="a.png", neighbors=3))
    names = pq.read_schema(write_atlas(audit, tmp_path / "samples.parquet")).names
    assert len(names) == len(set(names))
    assert {"image of the source", "neighbors of the source"} < set(names)


def test_of_retrieval_in_colours(tmp_path: Path) -> None:
    audit = synthetic_layers(tmp_path, spaces=("fc6",), chosen="fc6", images=3)
    table = pq.read_table(write_atlas(audit, tmp_path / "samples.parquet"))
    rows = table.to_pylist()
    assert [len(row["neighbors"]["ids"]) for row in rows] == [8] * 18 + [5] * 6 + [8] * 18
    assert Image.open(io.BytesIO(rows[0]["image"]["bytes"])).mode == "RGB"
    assert "prediction" not in table.column_names


def test_of_a_transfer_the_source_has_no_neighbours(tmp_path: Path) -> None:
    audit = synthetic(tmp_path)
    with_source(audit, 5, pictured=False)
    rows = pq.read_table(write_atlas(audit, tmp_path / "samples.parquet")).to_pylist()
    assert [row["part"] for row in rows[OWN:]] == ["source test"] * 5
    assert all(row["neighbors"] is None and row["image"] is None for row in rows[OWN:])
    assert {(row["projection_x"], row["projection_y"]) for row in rows[OWN:]} == {(None, None)}  # no such space


def test_too_many_to_compare_have_no_neighbours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "MOST", 10)
    table = pq.read_table(write_atlas(synthetic(tmp_path), tmp_path / "samples.parquet"))
    assert table["neighbors"].null_count == OWN
    assert table.schema.field("neighbors").type == atlas.NEIGHBOURS


def test_nothing_half_written_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audit = synthetic(tmp_path / "run")

    def fail(*_: object) -> pa.StructArray:
        raise KeyboardInterrupt

    with pytest.raises(InputError, match="unknown space 'clasifier': did you mean 'classifier'"):
        write_atlas(audit, tmp_path / "samples.parquet", space="clasifier")
    monkeypatch.setattr(atlas, "_images", fail)
    with pytest.raises(KeyboardInterrupt):
        write_atlas(audit, tmp_path / "samples.parquet")
    assert [each.name for each in tmp_path.iterdir()] == ["run"]
