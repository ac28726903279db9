"""What semi-supervised methods are worth beside labels alone, as a page.

After Tables I to III and figures 4 to 6 of Hernandez-Sequeira et al., Semi and Self-Supervised Metric Learning for
Remote Sensing Applications (2024).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.markup import escape

from spacewise import files
from spacewise.errors import InputError, suggest, unknown
from spacewise.progress import track
from spacewise.report import numbers, page, semi_figures, semi_tables, semi_verdict
from spacewise.report.numbers import count, percent
from spacewise.report.semi_verdict import (
    CORRECTED,
    RELEASED,
    Confusion,
    Map,
    difference,
    floor,
    gains,
    leaks,
    main,
    preset_of,
)
from spacewise.report.sidebyside import Panel
from spacewise.report.transfer_numbers import ranked
from spacewise.report.transfer_runs import _columns, sets

KEYS = ("set", "method", "preset", "seed")
SHARES = ("accuracy", "accuracy_best", "accuracy_averaged", "purity", "coverage")
BY_EPOCH = ("validation_accuracy", "test_accuracy", "averaged_accuracy", "purity", "coverage")  # shares
IMAGES = ("labels", "unlabelled", "transductive")
SIZES = ("best_epoch", "seconds", "parameters", *semi_tables.SETTINGS, *semi_tables.COST)
COLUMNS = (*KEYS, "key", *SHARES, *IMAGES, *SIZES, *semi_tables.MADE)
CURVES = ("set", "method", "preset", "seed", "epoch")
CHOICE = ("set", "classes", "errors", "run")


def write_semi(
    table: pd.DataFrame,
    folder: Path,
    *,
    title: str,
    command: str,
    curves: pd.DataFrame,
    confusions: Sequence[Confusion],
    maps: Sequence[Map],
    paper: pd.DataFrame,
    choices: Sequence[Mapping[str, Any]],
    notes: Sequence[str],
) -> Path:
    """Writes what semi-supervised methods are worth: page, figures, `semi.csv` and `curves.csv`.

    Args:
        table: a row a run, with the columns `COLUMNS`: set (of images), method (a title; the one with mu 0 learns from
            labels alone, `CoMatch` is what `CoMatch+…` is held against), key (of the arm), preset (`corrected` or
            `as-released`), accuracy (test, a share, last weights), accuracy_best, accuracy_averaged, purity, coverage
            (last epoch; shares), batch (labelled images a step), seconds (of training), steps (all). NaN where not
            measured.
        folder: is made where it is not there.
        title: the question, or the table of a paper.
        command: what made this, to print below it.
        curves: a row an epoch of a run: set, method, preset, seed, epoch and, where measured, validation_accuracy,
            test_accuracy (as released), averaged_accuracy (on the same images), purity, coverage (shares). May be
            empty.
        confusions: set, method, (true class, predicted class) counts summed over seeds, names of the classes.
        maps: set, method, epoch, (point, 2) places, (point,) class indices, names of the classes.
        paper: what the paper prints: set, key, top1, best_top1 (percent), time (text). May be empty.
        choices: how the classes of a set were chosen: set, classes (those chosen), errors (class -> share of its test
            images taken for another, every class), run; what else there is (seeds, steps) is printed behind the run.
        notes: what the reader is to know of how this was made.

    Returns:
        The page, `semi.html`.

    Raises:
        InputError: a column or key missing, no row, one set, method, preset and seed twice, an unknown preset, a share
            that is none, shapes that do not fit the classes, a folder that cannot be written.
    """
    check(table)
    _check_beside(curves, confusions, maps, paper, choices)
    panels = _panels(table, curves, confusions, maps, choices)
    drawn = {
        panel.name: page._shown(panel.name, panel.title, panel.caption, panel.draw(), folder / "figures")
        for panel in track(panels, "drawing the study", len(panels))
    }
    files.write_table(folder / "semi.csv", table)
    if not curves.empty:
        files.write_table(folder / "curves.csv", curves)
    context = _context(table, curves, confusions, maps, paper, choices)
    context |= {"title": title, "command": command, "figures": drawn, "notes": list(notes)}
    made = folder / "semi.html"
    files.write_text(made, page._render("semi.html.jinja", **context))
    return made


def check(table: pd.DataFrame) -> None:
    """Raises `InputError` for a table of runs that is none; see `write_semi`."""
    _columns("table", table, COLUMNS)
    if table.empty:
        raise InputError("table: no row, expected one row a run")
    twice = table.duplicated([*KEYS])
    if twice.any():
        found = table.loc[twice.to_numpy(), [*KEYS]].iloc[0]
        raise InputError(f"table: more than one run of {', '.join(f'{key} {found[key]!r}' for key in KEYS)}")
    for preset in table["preset"].unique():
        if preset not in (CORRECTED, RELEASED):
            raise unknown("preset", preset, (CORRECTED, RELEASED))
    for column in SHARES:
        _share("table", table, column)
    if table["accuracy"].isna().any():
        raise InputError(f"table: no accuracy in row {int(np.argmax(table['accuracy'].isna())) + 1}")


def _share(name: str, table: pd.DataFrame, column: str) -> None:
    if not pd.api.types.is_numeric_dtype(table[column]):
        raise InputError(f"{name}: column '{column}' is {table[column].dtype}, expected numbers")
    wrong = table[column][(table[column] < 0) | (table[column] > 1)]
    if len(wrong):
        raise InputError(f"{name}: {column} {wrong.iloc[0]:g}, expected a share, 0 to 1")


def _check_beside(
    curves: pd.DataFrame,
    confusions: Sequence[Confusion],
    maps: Sequence[Map],
    paper: pd.DataFrame,
    choices: Sequence[Mapping[str, Any]],
) -> None:
    if not curves.empty:
        _columns("curves", curves, CURVES)
        for column in BY_EPOCH:
            if column in curves:
                _share("curves", curves, column)
    if not paper.empty:
        _columns("paper", paper, ("set", "key", *semi_tables.PRINTED, "time"))
    for of_set, method, matrix, classes in confusions:
        if np.shape(matrix) != (len(classes), len(classes)):
            raise InputError(f"confusions: {of_set}, {method}: {np.shape(matrix)} for {len(classes)} classes")
    for of_set, method, epoch, points, labels, _ in maps:
        if np.shape(points) != (len(labels), 2):
            where = f"{of_set}, {method}, epoch {epoch}"
            raise InputError(f"maps: {where}: places {np.shape(points)}, expected ({len(labels)}, 2)")
    for choice in choices:
        for key in CHOICE:
            if key not in choice:
                raise InputError(f"choices: no '{key}': {suggest(key, choice)}")


def _panels(
    table: pd.DataFrame,
    curves: pd.DataFrame,
    confusions: Sequence[Confusion],
    maps: Sequence[Map],
    choices: Sequence[Mapping[str, Any]],
) -> list[Panel]:
    found = []
    for name, title, caption, figures in (_accuracy(semi_figures.parts(curves, table)), PSEUDO):
        held = semi_figures.measured(curves, table, figures)
        if held:
            found.append(Panel(name, title, caption, partial(semi_figures.by_epoch, curves, table, held)))
    title = "Figure 5: which class is taken for which, "
    for place, of_set in enumerate(dict.fromkeys(each[0] for each in confusions)):
        matrices = [each for each in confusions if each[0] == of_set]
        draw = partial(semi_figures.confusion, matrices)
        found.append(Panel(f"confusion-{place + 1}", f"{title}{of_set}", CONFUSIONS, draw))
    for place, of_set in enumerate(dict.fromkeys(each[0] for each in maps)):
        draw = partial(semi_figures.maps, [each for each in maps if each[0] == of_set])
        found.append(Panel(f"map-{place + 1}", f"Figure 6: the embedding by epoch, {of_set}", MAPS, draw))
    for place, choice in enumerate(choices):
        title = f"{choice['set']}: test images of each class taken for another"
        found.append(Panel(f"classes-{place + 1}", title, _chosen(choice), partial(semi_figures.classes, choice)))
    return found


def _accuracy(parts: Mapping[str, str]) -> tuple[str, str, str, tuple[str, ...]]:
    """Figure 4: name, title, caption and figures; `parts`: set -> `validation` or `test`, the images that chose."""
    kinds = set(parts.values())
    if kinds == {"test"}:
        of, images, rest = "test accuracy", "test images", "These chose the best epoch, as released."
    elif len(kinds) == 2:
        of, images = "accuracy", "the images that the axis names"
        rest = "Test images where all runs of a set are as released: there they chose the best epoch."
    else:
        of, images = "validation accuracy", "validation images"
        rest = "The paper's figure 4 shows test images."
    caption = (
        f"Accuracy on {images} after every epoch: the trained network and, where it was kept, its exponential "
        f"average. {rest}"
    )
    return "epochs", f"Figure 4: {of} by epoch", caption, (semi_figures.HELD_OUT, "averaged_accuracy")


PSEUDO = (
    "pseudo-labels",
    "Purity and coverage of the pseudo-labels by epoch",
    "Purity: the share of right ones among confident pseudo-labels whose true label is known; a line begins with the "
    "first such. Coverage: the share of unlabelled images whose pseudo-label is confident. Labels alone make no "
    "pseudo-labels.",
    ("purity", "coverage"),
)
CONFUSIONS = "Blue: right; orange: wrong, drawn by the root of its share so that single percents are seen."
MAPS = "One point an image, colour the true class; a row a method, a column an epoch. Compare how early clusters part."


def _chosen(choice: Mapping[str, Any]) -> str:
    chosen, made = choice["classes"], [f"{key} {_listed(value)}" for key, value in choice.items() if key not in CHOICE]
    run = f"{choice['run']} ({', '.join(made)})" if made else str(choice["run"])
    return (
        f"The {count(len(chosen))} most confused of {count(len(choice['errors']))} classes, by the test images of "
        f"{run}: {', '.join(map(str, chosen))}. Chosen to be hard, and on test images, as in the paper: their accuracy "
        "is not that of the whole set."
    )


def _listed(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _context(
    table: pd.DataFrame,
    curves: pd.DataFrame,
    confusions: Sequence[Confusion],
    maps: Sequence[Map],
    paper: pd.DataFrame,
    choices: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    rows, names = main(table), sets(table)
    leaking = [(name, found) for name in names if (found := semi_tables.leak(table, name, paper))]
    both = table[table["set"].isin([name for name, _ in leaking])]
    return {
        "kind": "semi-supervised",
        "subtitle": "",
        "sentences": semi_verdict.verdict(table),
        "tiles": [],
        "accuracy": [(name, semi_tables.accuracy(table, name, paper)) for name in names],
        "differences": semi_tables.differences(table),
        "early": semi_verdict.early(curves, rows),
        "pseudo": semi_tables.pseudo(table),
        "leaks": leaking,
        "leak_words": semi_tables.leak_words(both) if leaking else [],
        "settings": semi_tables.settings(table),
        "images": semi_tables.images(table),
        "cost": [(name, semi_tables.cost(table, name, paper)) for name in names],
        "confusion_words": semi_verdict.confusion_words(confusions),
        "map_words": semi_verdict.map_words(maps),
        "choices": len(choices),
        "facts": semi_tables.facts(table),
        "runs": semi_tables.every_run(table),
    }


def semi_lines(table: pd.DataFrame) -> list[str]:
    """For a terminal: of each set the leading method with its gain over labels alone, and the size of the leak.

    Args:
        table: as `write_semi` takes it.

    Raises:
        InputError: a table that `write_semi` refuses.
    """
    check(table)
    rows = main(table)
    wide, lines = max(len(name) for name in sets(rows)), []
    for of_set in sets(rows):
        means = ranked(rows, of_set, preset_of(rows, of_set))
        top, start = str(means.index[0]), escape(of_set.ljust(wide))
        base = floor(rows, of_set)
        found = {row["method"]: row for row in gains(rows, of_set)}
        line = f"{start}  [bold]{100 * means[top]:5.1f} %  {escape(top)}[/]"
        if top in found:
            line += f"  {difference(found[top])} against {escape(base)}, {percent(means[base])}"
        elif found:
            names = [name for name in means.index if name in found]
            line += f"  the best with unlabelled images: {escape(names[0])}, {percent(means[names[0]])}"
        lines.append(line)
        lines += [
            f"{start}  as released  {escape(name)} {difference(row)}" for name, row in leaks(table, of_set).items()
        ]
    return [line.replace(numbers.SPACE, " ") for line in lines]
