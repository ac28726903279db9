"""The map of two domains and the bars of their classes: what is drawn, where, and the same again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from tests.report.synthetic import HOSTILE

from spacewise import files
from spacewise.audits import Audit
from spacewise.errors import InputError
from spacewise.measures.domains import domain_distances
from spacewise.report import domains, drawing, transferred
from spacewise.report.captions import caption
from spacewise.report.figures import draw
from spacewise.report.style import OVERALL, UNSEEN, colour, plain, shortened

NAMES = ["forest", HOSTILE, "water", "rock"]
Domain = tuple[np.ndarray, np.ndarray]


def domain(samples: int, seed: int, order: tuple[int, ...] = (0, 1, 2, 3)) -> Domain:
    """Four clusters; class i lies at centre order[i]."""
    labels = np.arange(samples) % 4
    vectors = np.random.default_rng(seed).normal(size=(samples, 6))
    return vectors + 12 * np.eye(4, 6)[np.array(order)[labels]], labels


def without(one: Domain, index: int) -> Domain:
    kept = one[1] != index
    return one[0][kept], one[1][kept]


def map_of(source: Domain, target: Domain, **options: Any) -> Figure:
    return domains.domain_map(*source, *target, NAMES, title="embedding, after alignment", **options)


def table_of(source: Domain, target: Domain) -> pd.DataFrame:
    return domain_distances(*source, *target, NAMES, projections=20)


def legend_texts(figure: Figure) -> list[list[str]]:
    return [[text.get_text() for text in legend.get_texts()] for legend in figure.legends]


def note_of(figure: Figure) -> str:
    return figure.get_supxlabel().replace("\n", " ")


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def test_a_map_has_every_sample_in_the_colour_of_its_class() -> None:
    figure = map_of(domain(40, 0), domain(24, 1))
    (ax,) = figure.axes
    assert [mark.get_label() for mark in ax.collections] == [f"{d} {i}" for d in ("source", "target") for i in range(4)]
    assert [len(mark.get_offsets()) for mark in ax.collections] == [10] * 4 + [6] * 4
    for place, mark in enumerate(ax.collections):
        assert to_hex(mark.get_facecolor()[0]) == colour(place % 4).lower()
    assert ax.get_title(loc="left") == "embedding, after alignment"
    filled, crosses = (ax.collections[index].get_paths()[0] for index in (0, 4))
    assert len(filled.vertices) > len(crosses.vertices) == 4
    assert legend_texts(figure) == [["source", "target"], [plain(shortened(name, 24)) for name in NAMES]]
    said = note_of(figure)
    assert "t-SNE of both domains together (6 dimensions): 40 source samples and 24 target samples" in said
    assert "seed 0" in said


def test_the_domains_share_one_plane() -> None:
    """Where they lie on one another in the space, they do so in the map."""
    source = domain(80, 0)
    marks = map_of(source, domain(80, 1)).axes[0].collections
    middles = np.array([np.median(np.asarray(mark.get_offsets()), axis=0) for mark in marks])
    gaps = np.linalg.norm(middles[:4, None] - middles[None, 4:], axis=2)
    assert gaps.argmin(axis=1).tolist() == [0, 1, 2, 3]


def test_of_many_samples_some_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domains, "LIMIT", 30)
    figure = map_of(domain(80, 0), domain(24, 1))
    marks = figure.axes[0].collections
    assert sum(len(mark.get_offsets()) for mark in marks if str(mark.get_label()).startswith("source")) == 30
    assert "30 source samples, drawn at random from 80, and 24 target samples" in note_of(figure)


def test_a_class_that_one_domain_lacks() -> None:
    source, target = without(domain(40, 0), 0), without(domain(24, 1), 3)
    figure = map_of(source, target)
    assert len(figure.axes[0].collections) == 6
    named = legend_texts(figure)[1]
    assert (named[0], named[3]) == ("forest (target only)", "rock (source only)")
    bars = domains.distance_bars(table_of(source, target))
    assert len(bars.axes[0].patches) == 2
    assert {"no samples in the source", "no samples in the target"} < set(texts(bars))
    assert "2 of 4 classes are not in both domains" in note_of(bars)


def test_a_class_that_neither_has_is_left_out_of_the_legend_and_named_beside_its_row() -> None:
    source, target = without(domain(40, 0), 2), without(domain(24, 1), 2)
    assert len(legend_texts(map_of(source, target))[1]) == 3
    assert "no samples in the source and the target" in texts(domains.distance_bars(table_of(source, target)))


def test_bars_are_as_long_as_the_distances_and_wrong_matches_stand_out() -> None:
    table = table_of(domain(80, 0), domain(60, 1, order=(2, 1, 0, 3)))
    figure = domains.distance_bars(table)
    (ax,) = figure.axes
    assert [bar.get_width() for bar in ax.patches] == pytest.approx(table["distance"].tolist())
    assert [to_hex(bar.get_facecolor()) for bar in ax.patches] == [
        ink.lower() for ink in (UNSEEN, OVERALL, UNSEEN, OVERALL)
    ]
    assert [label.get_text() for label in ax.get_yticklabels()][0::2] == ["forest", "water"]
    ticks = [lines.get_segments()[0][0] for lines in ax.collections]
    assert [place[0] for place in ticks] == pytest.approx(table["nearest_distance"].tolist()[0::2])
    words = texts(figure)
    assert f"water {table['nearest_distance'][0]:.2f}" in words
    assert f"forest {table['nearest_distance'][2]:.2f}" in words
    assert f"{table['distance'][1]:.2f}" in words
    assert len(words) == 6


def test_figures_are_drawn_alike_again_and_take_the_ink_of_a_page() -> None:
    source, target = domain(40, 0), domain(24, 1, order=(1, 0, 2, 3))
    for drawing_of in (lambda: map_of(source, target), lambda: domains.distance_bars(table_of(source, target))):
        drawn = drawing.svg(drawing_of(), "d")
        assert drawn == drawing.svg(drawing_of(), "d")
        assert "<script>" not in drawn
        inlined = drawing.inline(drawn, "two domains")
        assert not any(ink in inlined for ink in drawing.THEMED)
        assert "var(--muted)" in inlined
    assert "var(--blue)" in inlined
    other = drawing.svg(map_of(source, target, seed=1), "d")
    assert other != drawing.svg(map_of(source, target), "d")
    assert "seed 1" in other


def test_domains_that_coincide_in_one_point_are_drawn() -> None:
    labels = np.arange(12) % 4
    flat: Domain = (np.ones((12, 3)), labels)
    assert "constant" in note_of(map_of(flat, flat))
    assert "<svg" in drawing.svg(domains.distance_bars(table_of(flat, flat)), "d")


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        (domain(8, 0), (np.ones((8, 5)), np.zeros(8, int)), "target: 5 columns, expected 6"),
        (domain(8, 0), (domain(8, 1)[0], np.arange(8)), "target_labels: class index 4, expected 0 to 3"),
        ((domain(8, 0)[0], np.arange(7)), domain(8, 1), "source_labels: 7 samples, expected 8"),
        (domain(1, 0), domain(2, 1), "3 samples, expected at least 4"),
    ],
)
def test_what_cannot_be_mapped_is_refused(source: Domain, target: Domain, message: str) -> None:
    with pytest.raises(InputError, match=message):
        map_of(source, target)


def test_a_table_of_something_else_is_refused() -> None:
    table = table_of(domain(8, 0), domain(8, 1))
    with pytest.raises(InputError, match="no column 'nearest', expected what domain_distances gives"):
        domains.distance_bars(table.drop(columns="nearest"))
    with pytest.raises(InputError, match="no rows"):
        domains.distance_bars(table[:0])


def transfer_of(folder: Path, source: Domain, target: Domain) -> Audit:
    """As much of an audit as the figures of two domains read; samples of training stand before those of the test."""
    samples = pd.DataFrame({"part": ["train"] * 3 + ["test"] * len(target[0]), "target": [0, 1, 2, *target[1]]})
    files.write_table(folder / "samples.parquet", samples)
    files.write_table(folder / "source_samples.parquet", pd.DataFrame({"target": source[1]}))
    for name, values in (("spaces", np.concatenate([np.zeros((3, 6)), target[0]])), ("source", source[0])):
        (folder / name).mkdir()
        np.save(folder / name / "embedding.npy", values.astype(np.float32))
    probe = {"space": "embedding", "separability": 0.75, "low": 0.7, "high": 0.8, "matched": 0.5}
    files.write_table(folder / "domains.parquet", pd.DataFrame([probe]))
    files.write_table(folder / "domain_classes.parquet", table_of(source, target).assign(space="embedding"))
    files.write_json(folder / "audit.json", {"classes": NAMES, "spaces": ["embedding"]})
    return Audit(folder)


def test_the_figures_of_an_audit_are_those_of_its_test_images(tmp_path: Path) -> None:
    source, target = domain(40, 0), domain(24, 1, order=(2, 1, 0, 3))
    audit = transfer_of(tmp_path, source, target)
    marks = draw(audit, "domain_map").axes[0].collections
    assert [len(mark.get_offsets()) for mark in marks] == [10] * 4 + [6] * 4
    bars = draw(audit, "domain_distances").axes[0].patches
    assert [bar.get_width() for bar in bars] == pytest.approx(table_of(source, target)["distance"].tolist())


def test_captions_say_how_well_domains_are_told_apart_and_which_classes_are_matched(tmp_path: Path) -> None:
    source, target = domain(40, 0), domain(24, 1, order=(2, 1, 0, 3))
    table = table_of(source, target)
    audit = transfer_of(tmp_path, source, target)
    assert "tells source from target: separability 0.750 [0.700, 0.800]" in caption(audit, "domain_map")
    said = caption(audit, "domain_distances")
    assert "2 of 4 classes of the source lie nearest to the same class" in said
    last = table.loc[table["distance"].idxmax()]
    assert f"farthest from itself is {last['class']} with {last['distance']:.2f}" in said
    assert "most clearly of those matched wrongly" in said
    lies = {"forest": "water", "water": "forest"}
    assert any(f"{one} lies nearer to the target's {other}" in said for one, other in lies.items())


def test_captions_of_domains_that_coincide_and_of_none_in_common(tmp_path: Path) -> None:
    (tmp_path / "same").mkdir()
    same = transfer_of(tmp_path / "same", domain(40, 0), domain(24, 1))
    files.write_table(same.folder / "domains.parquet", same.table("domains").assign(low=0.48))
    assert "does not clearly tell source from target" in caption(same, "domain_map")
    assert "4 of 4 classes" in caption(same, "domain_distances")
    assert "nearer" not in caption(same, "domain_distances")
    table = same.table("domain_classes").assign(distance=np.nan, nearest_distance=np.nan, matched=pd.NA)
    files.write_table(same.folder / "domain_classes.parquet", table.astype({"matched": "boolean"}))
    assert caption(same, "domain_distances") == "No class has test images in both domains."
    assert transferred.matched_words(same) == "0 of 0"
