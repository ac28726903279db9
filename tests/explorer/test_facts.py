"""Copies, suspected labels and neighbours of an audit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import NearestNeighbors
from tests.report.synthetic import synthetic
from tests.report.synthetic_layers import synthetic_layers

from spacewise.audits import Audit
from spacewise.check import twins
from spacewise.explorer import facts
from spacewise.explorer.chips import Chips
from spacewise.measures.label_errors import suspected

RANDOM = np.random.default_rng(0)


def audit_of(folder: Path, chips: np.ndarray, source: np.ndarray | None = None) -> Audit:
    """No more than pictures."""
    folder.mkdir()
    np.save(folder / "chips.npy", chips)
    if source is not None:
        np.save(folder / "source_chips.npy", source)
        (folder / "source_samples.parquet").touch()
    return Audit(folder)


def picture(seed: int, side: int = 64, bands: int = 1) -> np.ndarray:
    """Coarse blobs, so that a shrunk picture still differs from another."""
    coarse = np.random.default_rng(seed).integers(0, 255, (8, 8, bands), dtype=np.uint8)
    return np.kron(coarse, np.ones((side // 8, side // 8, 1), np.uint8))


def groups(folder: Path, pictures: Sequence[np.ndarray]) -> list[int]:
    chips = [Chips(audit_of(folder, np.stack(pictures)))]
    found = facts.copies(chips, np.zeros(len(pictures), int), np.arange(len(pictures)))
    assert found is not None
    return found.tolist()


def test_copies_also_flipped_and_turned_and_saved_anew(tmp_path: Path) -> None:
    one, other, third = picture(1), picture(2), picture(3)
    noisy = np.clip(other + RANDOM.normal(0, 3, other.shape), 0, 255).astype(np.uint8)
    pictures = [one, other, third, np.rot90(one), noisy, one[:, ::-1], picture(4)]
    assert groups(tmp_path / "a", pictures) == [1, 2, 0, 1, 2, 1, 0]


def test_empty_pictures_are_no_copies(tmp_path: Path) -> None:
    empty = np.full((64, 64, 1), 7, np.uint8)
    assert groups(tmp_path / "a", [empty, empty, picture(1), picture(1)]) == [0, 0, 1, 1]


def test_copies_across_runs_and_sizes_and_bands(tmp_path: Path) -> None:
    grey = np.stack([picture(1), picture(2)])
    coloured = np.repeat(np.stack([picture(2, 48), picture(5, 48)]), 3, axis=3)
    chips = [Chips(audit_of(tmp_path / "a", grey)), Chips(audit_of(tmp_path / "b", coloured))]
    owner, row = np.array([0, 0, 1, 1, 1]), np.array([0, 1, 0, 1, 2])  # the last has no picture
    found = facts.copies(chips, owner, row)
    assert found is not None
    assert found.tolist() == [0, 1, 1, 0, 0]


def test_a_picture_a_thousand_times_is_one_group(tmp_path: Path) -> None:
    assert groups(tmp_path / "a", [picture(1)] * 1100 + [picture(2)]) == [1] * 1100 + [0]


def test_too_many_are_not_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chips = [Chips(audit_of(tmp_path / "a", np.stack([picture(i) for i in range(4)])))]
    owner, row = np.zeros(4, int), np.arange(4)
    with monkeypatch.context() as patch:
        patch.setattr(facts, "MOST_PICTURES", 3)
        assert facts.copies(chips, owner, row) is None
    monkeypatch.setattr(twins, "MOST_PAIRS", -1)
    assert facts.copies(chips, owner, row) is None


@pytest.mark.parametrize("side", [4, 16, 32])
def test_cells_are_means(tmp_path: Path, side: int) -> None:
    pictures = RANDOM.integers(0, 255, (5, 48, 48, 3), dtype=np.uint8)
    source = RANDOM.integers(0, 255, (3, 64, 64, 1), dtype=np.uint8)
    chips = Chips(audit_of(tmp_path / "a", pictures, source))
    assert (len(chips), chips.side) == (8, 48)
    assert (chips[7] == source[2]).all()
    rows = np.array([7, 0, 5, 4])
    found = chips.grey(rows, side)
    for each, row in zip(found, rows, strict=True):
        grey = chips[row].mean(axis=2)
        edges = np.linspace(0, len(grey), side + 1).astype(int)
        for i in range(0, side, 3):
            for j in range(side):
                cell = grey[edges[i] : edges[i + 1], edges[j] : edges[j + 1]]
                assert each[i, j] == pytest.approx(cell.mean(), rel=1e-5)


def test_labels_are_suspected_part_by_part(tmp_path: Path) -> None:
    audit = synthetic(tmp_path, quality=1.0)
    samples = audit.table("samples")
    found = facts.suspects(audit, samples)
    assert found[samples["target"] < 0].isna().all()
    for part in ("train", "test"):
        mine = np.flatnonzero(samples["part"] == part)
        expected = suspected(audit.space("probability")[mine], samples["target"].to_numpy()[mine])
        assert found[mine].tolist() == expected.tolist()
        assert expected.any()


def test_neighbours_of_a_classifier_are_training_samples(tmp_path: Path) -> None:
    audit = synthetic(tmp_path)
    parts = audit.table("samples")["part"].to_numpy()
    values = np.asarray(audit.space("feature"))
    found = facts.neighbours(audit, values, False)
    assert found is not None
    distances, rows = found
    train = np.flatnonzero(parts == "train")
    peer = NearestNeighbors(n_neighbors=9).fit(values[train])
    for row in range(len(values)):
        far, near = peer.kneighbors(values[row : row + 1])
        keep = train[near[0]] != row
        np.testing.assert_allclose(distances[row], far[0][keep][:8], rtol=1e-4, atol=1e-5)
        assert set(parts[rows[row]]) == {"train"}
        assert row not in rows[row]
        np.testing.assert_allclose(np.linalg.norm(values[rows[row]] - values[row], axis=1), distances[row], atol=1e-4)


def test_neighbours_of_retrieval_are_of_the_own_part(tmp_path: Path) -> None:
    audit = synthetic_layers(tmp_path, images=3, spaces=("fc6",), chosen="fc6")  # validation: two classes of three
    parts = audit.table("samples")["part"].to_numpy()
    found = facts.neighbours(audit, audit.space("fc6"), True)
    assert found is not None
    distances, rows = found
    for part, size in (("train", 18), ("validation", 6), ("test", 18)):
        mine = np.flatnonzero(parts == part)
        k = min(8, size - 1)
        assert (parts[rows[mine, :k]] == part).all()
        assert (rows[mine, k:] == -1).all()
        assert np.isinf(distances[mine, k:]).all()
        assert (np.diff(distances[mine, :k]) >= 0).all()


def test_of_too_many_samples_there_are_no_neighbours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "MOST", 50)
    audit = synthetic(tmp_path)
    assert facts.neighbours(audit, audit.space("feature"), False) is None


def test_clusters_are_found_the_largest_first() -> None:
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1, 2], [10, 30, 20])
    values = 8 * np.eye(3, 5)[truth] + rng.normal(0, 0.1, (60, 5))
    values[4] = np.nan
    found = facts.clusters(values.astype(np.float32), 3, seed=0)
    assert pd.isna(found[4])
    known = found.drop(4)
    assert known.tolist() == [{1: "1", 2: "2", 0: "3"}[each] for each in np.delete(truth, 4)]


def test_there_are_no_more_clusters_than_different_vectors() -> None:
    assert set(facts.clusters(np.ones((9, 2), np.float32), 4, seed=0)) == {"1"}
