"""Maps: components as scikit-learn has them, t-SNE that moves from epoch to epoch, and who has no place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import PCA
from tests.explorer.pages import keep, with_source
from tests.report.synthetic import SIZES, synthetic

from spacewise.audits import Audit
from spacewise.explorer import places
from spacewise.report import layouts

OWN = sum(SIZES.values())


@pytest.fixture(scope="module")
def audit(tmp_path_factory: pytest.TempPathFactory) -> Audit:
    made = synthetic(tmp_path_factory.mktemp("run"))
    keep(made, [0, 2, 3])
    return made


def test_components_are_those_of_scikit_learn(audit: Audit) -> None:
    values = np.asarray(audit.space("feature"), np.float64)
    train = values[(audit.table("samples")["part"] == "train").to_numpy()]
    peer = PCA(2, svd_solver="full").fit(train)
    spread = np.sqrt(((train - train.mean(axis=0)) ** 2).sum(axis=1).mean())
    found = places.components(audit, "feature", [2], seed=0)
    np.testing.assert_allclose(np.abs(found.points[None]), np.abs(peer.transform(values)) / spread, atol=1e-4)
    assert f"{100 * peer.explained_variance_ratio_.sum():.0f} %" in found.said
    then = np.asarray(audit.space_at("feature", 2), np.float64)
    np.testing.assert_allclose(np.abs(found.points[2]), np.abs(peer.transform(then)) / spread, atol=1e-3)
    assert list(found.points) == [None, 2]


def test_components_of_wide_and_narrow_spaces(tmp_path: Path) -> None:
    audit = synthetic(tmp_path)
    generator = np.random.default_rng(0)
    for width, name in ((1, "feature"), (900, "classifier")):
        np.save(audit.folder / "spaces" / f"{name}.npy", generator.normal(size=(OWN, width)).astype(np.float32))
        found = places.components(audit, name, [], 0).points[None]
        assert found.shape == (OWN, 2)
        assert np.isfinite(found).all()
        assert (places.components(audit, name, [], 0).points[None] == found).all()
    np.save(audit.folder / "spaces" / "feature.npy", np.ones((OWN, 3), np.float32))
    assert (places.components(audit, "feature", [], 0).points[None] == 0).all()


def test_each_epoch_starts_from_the_one_after_it(audit: Audit) -> None:
    found = places.tsne(audit, "feature", [0, 2, 3], seed=0)
    assert set(found.points) == {None, 0, 2, 3}
    assert "each epoch 250 steps from the places of the one after it" in found.said
    size = np.abs(found.points[None]).max()
    moved = np.linalg.norm(found.points[3] - found.points[None], axis=1).mean()
    assert 0 < moved < 0.5 * size
    assert all(np.isfinite(points).all() for points in found.points.values())
    files = {each.name for each in (audit.folder / "projections").glob("*feature*")}
    assert files == {"tsne-all-feature.parquet", *(f"tsne-all-feature-epoch{epoch}.parquet" for epoch in (0, 2, 3))}
    again = places.tsne(audit, "feature", [0, 2, 3], seed=0)
    assert all((again.points[epoch] == found.points[epoch]).all() for epoch in found.points)


def test_kept_layouts_are_not_made_again(audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    places.tsne(audit, "feature", [2, 3], seed=0)

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("laid out again")

    monkeypatch.setattr(layouts, "lay_out", fail)
    monkeypatch.setattr(layouts, "tsne", fail)
    places.tsne(audit, "feature", [2, 3], seed=0)
    with pytest.raises(AssertionError):
        places.tsne(audit, "feature", [2, 3], seed=1)


def test_above_a_limit_the_others_lie_among_their_neighbours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layouts, "LIMIT", 40)
    audit = synthetic(tmp_path, quality=9.0)
    keep(audit, [2])
    found = places.tsne(audit, "feature", [2], seed=0)
    assert f"of 40 samples drawn at random; the other {OWN - 40} where their 10 nearest lie" in found.said
    laid = layouts.layout(audit, "feature", 0, fit="all")
    for epoch, points in found.points.items():
        assert np.isfinite(points).all()
        values = np.asarray(places.values_of(audit, "feature", epoch), np.float64)
        for row in np.setdiff1d(np.arange(OWN), laid["row"])[:5]:
            near = np.argsort(np.linalg.norm(values[laid["row"]] - values[row], axis=1), kind="stable")[:10]
            np.testing.assert_allclose(points[row], np.median(points[laid["row"].to_numpy()[near]], axis=0), atol=1e-5)


def test_of_training_and_test_alone_report_and_explorer_share_a_layout(tmp_path: Path) -> None:
    audit = synthetic(tmp_path, confusers=False)
    shared = layouts.layout(audit, "feature", 0)
    assert layouts.layout(audit, "feature", 0, fit="all").equals(shared)
    assert [each.name for each in (audit.folder / "projections").iterdir()] == ["tsne-feature.parquet"]


def test_with_confusers_they_are_two(tmp_path: Path) -> None:
    audit = synthetic(tmp_path)
    assert len(layouts.layout(audit, "feature", 0, fit="all")) == OWN
    assert len(layouts.layout(audit, "feature", 0)) == OWN - SIZES["confusers"]


def test_a_source_has_a_place_where_it_has_the_space(tmp_path: Path) -> None:
    audit = synthetic(tmp_path)
    with_source(audit, 30)
    keep(audit, [1])
    for space, there in (("classifier", True), ("feature", False)):  # the source's feature is of another dimension
        for found in (places.tsne(audit, space, [1], 0), places.components(audit, space, [1], 0)):
            now, then = found.points[None], found.points[1]
            assert len(now) == len(then) == OWN + 30
            assert np.isfinite(now[:OWN]).all()
            assert np.isfinite(then[:OWN]).all()
            assert np.isfinite(now[OWN:]).all() == there
            assert np.isnan(then[OWN:]).all()


def test_one_frame_for_a_method_over_runs_spaces_and_epochs() -> None:
    one = places.Map("feature", "t-SNE", {None: np.array([[1, -5], [np.nan, np.nan]]), 3: np.array([[2, 2.0]])}, "")
    other = places.Map("classifier", "t-SNE", {None: np.array([[7.0, 0]])}, "")
    third = places.Map("feature", "components", {None: np.zeros((2, 2))}, "")
    assert places.extents([one, other, third]) == {"t-SNE": 7, "components": pytest.approx(1e-6)}
