"""Figures of semi-supervised methods hold what the tables hold."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from tests.report.test_semi_study import (
    ALONE,
    CHOICE,
    CLASSES,
    METHODS,
    SETS,
    SPACE,
    synthetic_confusions,
    synthetic_curves,
    synthetic_maps,
    synthetic_semi,
)

from spacewise.report import semi_figures
from spacewise.report.style import MUTED, OVERALL, UNSEEN


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return synthetic_semi(released=True)


@pytest.fixture(scope="module")
def curves(table: pd.DataFrame) -> pd.DataFrame:
    return synthetic_curves(table)


def test_a_method_has_one_colour_of_its_own(table: pd.DataFrame) -> None:
    found = semi_figures.inks(table)
    assert found[ALONE] == MUTED
    assert len(set(found.values())) == len(found)
    fewer = semi_figures.inks(table[table["set"] == SETS[1]])
    assert fewer == found


def test_only_what_was_measured_is_drawn(table: pd.DataFrame, curves: pd.DataFrame) -> None:
    both = (semi_figures.HELD_OUT, "averaged_accuracy")
    assert semi_figures.measured(curves, table, both) == [*both]
    assert semi_figures.measured(curves.drop(columns="averaged_accuracy"), table, both) == [semi_figures.HELD_OUT]
    assert semi_figures.measured(curves.assign(purity=np.nan), table, ("purity", "coverage")) == ["coverage"]
    assert semi_figures.measured(pd.DataFrame(), table, both) == []
    released = curves[curves["preset"] == "as-released"]
    assert semi_figures.measured(released, table, ("averaged_accuracy",)) == []


def test_lines_are_means_over_seeds(table: pd.DataFrame, curves: pd.DataFrame) -> None:
    figure = semi_figures.by_epoch(curves, table, [semi_figures.HELD_OUT, "averaged_accuracy"])
    assert [ax.get_title(loc="left") for ax in figure.axes] == [*SETS, *SETS]
    inks = semi_figures.inks(table)
    line = next(line for line in figure.axes[0].lines if line.get_color() == inks["CoMatch"])
    mine = curves[(curves["set"] == SETS[0]) & (curves["method"] == "CoMatch")]
    assert line.get_ydata() == pytest.approx(100 * mine.groupby("epoch")["validation_accuracy"].mean().to_numpy())
    assert len(figure.axes[0].lines) == len(METHODS)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [*METHODS]
    last = 100 * mine[mine["epoch"] == 12]["validation_accuracy"]
    error = last.std(ddof=1) / np.sqrt(3)
    place = [*METHODS].index("CoMatch")
    band = np.asarray(figure.axes[0].collections[place].get_paths()[0].vertices)
    ends = band[band[:, 0] == 12, 1]
    assert (ends.min(), ends.max()) == pytest.approx((last.mean() - error, last.mean() + error))


def test_sets_of_released_runs_alone_show_test_images(table: pd.DataFrame, curves: pd.DataFrame) -> None:
    mixed = table[(table["set"] == SETS[0]) | (table["preset"] == "as-released")]
    assert semi_figures.parts(curves, mixed) == {SETS[0]: "validation", SETS[1]: "test"}
    assert semi_figures.parts(pd.DataFrame(), mixed) == {}
    figure = semi_figures.by_epoch(curves, mixed, [semi_figures.HELD_OUT, "averaged_accuracy"])
    named = [ax.get_ylabel() for ax in figure.axes]
    assert named[:2] == ["validation accuracy, %", "test accuracy, %"]
    assert named[2:] == ["averaged network, validation accuracy, %", "averaged network, test accuracy, %"]
    (line,) = figure.axes[1].lines
    mine = curves[(curves["set"] == SETS[1]) & (curves["preset"] == "as-released")]
    assert line.get_ydata() == pytest.approx(100 * mine.groupby("epoch")["test_accuracy"].mean().to_numpy())


def test_labels_alone_have_no_pseudo_labels(table: pd.DataFrame, curves: pd.DataFrame) -> None:
    figure = semi_figures.by_epoch(curves, table, ["purity", "coverage"])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [*METHODS][1:]
    purity = figure.axes[0].lines[0]
    assert list(purity.get_xdata()) == [*range(2, 13)]  # the first epoch had no confident pseudo-label


def test_one_seed_has_no_band() -> None:
    single = synthetic_semi(seeds=(0,), sets=SETS[:1])
    figure = semi_figures.by_epoch(synthetic_curves(single), single, [semi_figures.HELD_OUT])
    assert "One seed: no bands." in figure.get_supxlabel()
    drawn = [path for band in figure.axes[0].collections for path in band.get_paths() if len(path.vertices)]
    assert drawn == []


def test_matrices_stand_side_by_side(table: pd.DataFrame) -> None:
    mine = [each for each in synthetic_confusions(table) if each[0] == SETS[0]]
    figure = semi_figures.confusion(mine)
    shown = [ax for ax in figure.axes if ax.get_visible()]
    assert [ax.get_title(loc="left") for ax in shown] == [each[1] for each in mine]
    assert {"70.0", "30.0"} <= {text.get_text() for text in shown[0].texts}
    assert len(semi_figures.confusion(mine[:1]).axes) == 1


def test_maps_are_a_grid_of_methods_and_epochs(table: pd.DataFrame) -> None:
    mine = [each for each in synthetic_maps(table) if each[0] == SETS[0]]
    figure = semi_figures.maps(mine[:-1])
    titles = [ax.get_title(loc="left").replace(SPACE, " ") for ax in figure.axes]
    assert len(titles) == 6
    assert titles[-1] == ""  # not handed over: its place stays empty
    assert titles[0].startswith("CoMatch\nepoch 1: ")
    assert titles[3].startswith("CoMatch + Triplet\nepoch 1: ")
    first, second = (
        [tuple(mark.get_facecolor()[0]) for mark in ax.collections] for ax in (figure.axes[0], figure.axes[4])
    )
    assert first == second
    assert len(first) == len(CLASSES)
    assert sum(len(mark.get_offsets()) for mark in figure.axes[0].collections) == 150


def test_chosen_classes_stand_out() -> None:
    (ax,) = semi_figures.classes(CHOICE).axes
    widths = [bar.get_width() for bar in ax.patches]
    assert widths == pytest.approx([42, 31, 12, 4, 0])
    inks = [to_hex(bar.get_facecolor()) for bar in ax.patches]
    assert inks == [UNSEEN.lower()] * 2 + [OVERALL.lower()] * 3
    flat = CHOICE | {"errors": dict.fromkeys(CLASSES, 0.0)}
    assert semi_figures.classes(flat).axes[0].get_xlim()[1] > 0
