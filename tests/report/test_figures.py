"""Every figure is drawn, is the same when drawn again, and says what is wrong with a wrong name."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from tests.report.synthetic import CLASSES, HOSTILE, synthetic

from spacewise import InputError
from spacewise.audits import Audit
from spacewise.report import drawing, labels, layouts, reading, sidebyside
from spacewise.report.comparison import compare
from spacewise.report.figures import FIGURES, draw
from spacewise.report.style import COLOURS, colour, marker, shortened


@pytest.fixture(scope="module")
def audit(tmp_path_factory: pytest.TempPathFactory) -> Audit:
    return synthetic(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def plain_audit(tmp_path_factory: pytest.TempPathFactory) -> Audit:
    """Neither novelty nor confusers nor copies, and every prediction right."""
    folder = tmp_path_factory.mktemp("plain")
    return synthetic(folder, confusers=False, novelty=False, copies=0, quality=50, classes=("a", "b"))


OTHERS = ("domain_map", "domain_distances", "pseudo_labels")  # of other regimes: see test_transfer_page, test_taught


def figures(*without: str) -> list[object]:
    """All figures; those that need an extra are skipped where it is not installed."""
    extras = {name: pytest.mark.skipif(find_spec(name) is None, reason=f"needs {name}") for name in ("umap", "pacmap")}
    kept = [name for name in FIGURES if name not in (*without, *OTHERS)]
    return [pytest.param(name, marks=extras[name]) if name in extras else name for name in kept]


@pytest.mark.parametrize("name", figures())
def test_every_figure_is_drawn_and_drawn_alike_again(audit: Audit, name: str) -> None:
    figure = draw(audit, name)
    assert isinstance(figure, Figure)
    drawn = drawing.svg(figure, name)
    assert drawn == drawing.svg(draw(audit, name), name)
    assert "<svg" in drawn
    assert "dc:date" not in drawn
    assert "<script>" not in drawn


@pytest.mark.parametrize("name", figures("roc", "representation"))
def test_an_audit_without_subsets_confusers_and_mistakes_is_drawn(plain_audit: Audit, name: str) -> None:
    assert "<svg" in drawing.svg(draw(plain_audit, name), name)


def test_a_figure_needs_what_it_shows(plain_audit: Audit) -> None:
    with pytest.raises(InputError, match="no table 'rejection'"):
        draw(plain_audit, "roc")
    with pytest.raises(InputError, match="no unseen test samples"):
        draw(plain_audit, "representation")
    assert draw(plain_audit, "representation", classes=["a"])


def test_text_is_text_and_no_formula(audit: Audit) -> None:
    drawn = drawing.svg(draw(audit, "confusion"), "confusion")
    shown = " ".join(re.findall(r"<text[^>]*>([^<]*)</text>", drawn))
    assert "Ω" in shown
    assert "$x_1$" in shown
    assert "_T72" in shown
    assert "_T72" in drawing.svg(draw(audit, "tsne_chips"), "tsne_chips")


def test_an_unknown_figure_names_the_nearest(audit: Audit) -> None:
    with pytest.raises(InputError, match="unknown figure 'tnse': did you mean 'tsne'"):
        draw(audit, "tnse")
    with pytest.raises(InputError, match="unknown figure 'confusions': did you mean 'confusion'"):
        audit.figure("confusions")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("tsne", {"spaces": "feature"}, "unknown option of figure tsne 'spaces': did you mean 'space'"),
        ("tsne", {"space": "featur"}, "unknown space 'featur': did you mean 'feature'"),
        ("tsne", {"seed": -1}, "seed: -1, expected"),
        ("projection", {"first": "BMP", "second": "_T72"}, "unknown class 'BMP': did you mean 'BMP2'"),
        ("projection", {"first": "BMP2"}, "needs both classes"),
        ("projection", {"first": "BMP2", "second": "BMP2"}, "the same as the first"),
        ("roc", {"score": "enrgy"}, "unknown score 'enrgy': did you mean 'energy'"),
        ("accuracy", {"weights": "lost"}, "unknown weights 'lost': did you mean 'last'"),
        ("representation", {"classes": ["tank"]}, "unknown class 'tank'"),
        ("mistakes", {"number": 0}, "number: 0, expected"),
        ("training", {"space": "feature"}, "unknown option of figure training 'space'"),
    ],
)
def test_a_wrong_option_is_named(audit: Audit, name: str, options: dict, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        draw(audit, name, **options)


def test_options_are_heeded(audit: Audit) -> None:
    assert "t-SNE of the feature space (6 dimensions)" in drawing.svg(draw(audit, "tsne", space="feature"), "t")
    one = drawing.svg(draw(audit, "roc", score="energy"), "r")
    assert "energy" in one
    assert "largest posterior" not in one
    figure = draw(audit, "projection", first=HOSTILE, second="BMP2")
    assert "&lt;script&gt;" in drawing.svg(figure, "p")


def test_a_layout_is_computed_once_and_says_how(audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    first = layouts.layout(audit, "probability")
    path = audit.folder / "projections" / "tsne-probability.parquet"
    pd.testing.assert_frame_equal(pd.read_parquet(path), first)
    assert first["points"].unique().tolist() == [81]
    assert first["seed"].unique().tolist() == [0]
    assert first["perplexity"].iloc[0] == pytest.approx(80 / 3)
    assert "TSNE" in first["method"].iloc[0] or "scikit" in first["method"].iloc[0]
    assert set(audit.table("samples").loc[first["row"], "part"]) == {"train", "test"}

    def never(*_: object, **__: object) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr(layouts, "lay_out", never)
    pd.testing.assert_frame_equal(layouts.layout(audit, "probability"), first)
    with pytest.raises(AssertionError, match="computed again"):
        layouts.layout(audit, "probability", seed=1)
    words = layouts.made(audit, "probability", 0)
    for expected in ("45 test and 36 training samples", "seed 0", "perplexity 26.6667", first["method"].iloc[0]):
        assert expected in words


def test_too_many_points_are_drawn_at_random(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layouts, "LIMIT", 30)
    small = synthetic(tmp_path)
    assert len(layouts.layout(small, "classifier")) == 30
    assert "drawn at random from 81" in layouts.made(small, "classifier", 0)
    assert draw(small, "tsne_chips")


def test_no_setting_of_matplotlib_is_left_behind(audit: Audit) -> None:
    before = dict(matplotlib.rcParams)
    drawing.svg(draw(audit, "accuracy"), "a")
    assert dict(matplotlib.rcParams) == before
    for file in Path(drawing.__file__).parent.glob("*.py"):
        assert "pyplot" not in file.read_text(encoding="utf-8").replace("never pyplot", "")


def test_files_have_dark_ink_and_pages_their_own(audit: Audit, tmp_path: Path) -> None:
    drawn = drawing.save(draw(audit, "spaces"), tmp_path, "spaces")
    assert (tmp_path / "spaces.svg").read_text(encoding="utf-8") == drawn
    assert (tmp_path / "spaces.png").read_bytes()[:4] == b"\x89PNG"
    assert not list(tmp_path.glob(".*"))
    assert "currentColor" not in drawn
    inlined = drawing.inline(drawn, 'a "title" <b>')
    for sentinel in drawing.THEMED:
        assert sentinel not in inlined
    assert "currentColor" in inlined
    assert "var(--muted)" in inlined
    assert "http" not in inlined
    assert 'aria-label="a &quot;title&quot; &lt;b&gt;"' in inlined
    for reference in re.findall(r"""(?:url\(|href=")#([\w.-]+)""", inlined):
        assert f'id="{reference}"' in inlined


def test_labels_move_apart_and_keep_their_order() -> None:
    generator = np.random.default_rng(0)
    for _ in range(50):
        values = generator.random(generator.integers(1, 9))
        placed = labels.spread(values, 0.1)
        assert (np.diff(np.sort(placed)) >= 0.1 - 1e-9).all()
        assert (np.argsort(placed, kind="stable") == np.argsort(values, kind="stable")).all()
    assert labels.spread([0.0, 5.0], 1.0).tolist() == [0.0, 5.0]
    assert labels.spread([1.0, 1.0], 1.0).tolist() == [0.5, 1.5]


def test_the_most_confused_pair(audit: Audit, tmp_path: Path) -> None:
    other = synthetic(tmp_path, quality=0.5)
    table = reading.counts(other).to_numpy()
    totals = table.sum(axis=1)
    best = max(
        ((table[i, j] + table[j, i]) / (totals[i] + totals[j]), -i, -j) for i in range(3) for j in range(i + 1, 3)
    )
    assert reading.most_confused(other) == (CLASSES[-best[1]], CLASSES[-best[2]])


def test_thirty_classes_have_thirty_looks() -> None:
    looks = {(colour(index), marker(index, 100)) for index in range(100)}
    assert len(looks) == 100
    assert len(set(COLOURS)) == 30


def test_names_are_shortened_in_the_middle() -> None:
    assert shortened("short", 10) == "short"
    assert shortened("serial-0000-north", 9) == "seri…orth"


def test_figures_side_by_side(audit: Audit, tmp_path: Path) -> None:
    methods = {"baseline": [audit], HOSTILE: [synthetic(tmp_path, seed=3, quality=4)]}
    first = {name: runs[0] for name, runs in methods.items()}
    table = compare(methods, {"baseline": {"seen": 90.0}})
    floors = {"overall": 0.4, "seen": 0.5, "unseen": 0.3}
    for figure in (
        sidebyside.methods(table, floors),
        sidebyside.roc(first),
        sidebyside.tsne(first),
        sidebyside.projections(first, *CLASSES[:2]),
        sidebyside.confusions(first),
    ):
        drawn = drawing.svg(figure, "together")
        assert "<script>" not in drawn
        assert "baseline" in drawn


@pytest.mark.parametrize("fit", ["both", "train"])
def test_a_map_by_another_method_says_which_and_what_it_was_fitted_on(audit: Audit, fit: str) -> None:
    pytest.importorskip("pacmap")
    svg = drawing.svg(draw(audit, "pacmap", space="feature", fit=fit), "p")
    assert "PaCMAP of the feature space (6 dimensions)" in svg
    assert "neighbours" in svg
    assert ("fitted on training samples" in svg) == (fit == "train")
    with pytest.raises(InputError, match="unknown fit of a map 'trian': did you mean 'train'"):
        draw(audit, "pacmap", fit="trian")
