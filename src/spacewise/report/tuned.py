"""The page of a search: what was searched, what was found, and which choices mattered."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.markup import escape

from spacewise import files
from spacewise.progress import track
from spacewise.report import numbers, page
from spacewise.report.tables import Cell, Table
from spacewise.report.tiles import Tile
from spacewise.report.tuned_figures import panels

if TYPE_CHECKING:
    from spacewise.experiment import Experiment
    from spacewise.tune.choices import Choice
    from spacewise.tune.table import Searched

SHOWN = 10  # trials in the table


def write_tuned(found: Searched, out: Path, *, command: str, experiment: Experiment) -> Path:
    """Writes the page of a search, and its figures.

    Args:
        found: at least one trial is finished.
        out: folder of the search.
        command: what made this, to print below it.
        experiment: the best trial's.

    Returns:
        The page, `tune.html`.

    Raises:
        InputError: the folder cannot be written.
    """
    drawings = panels(found)
    drawn = {
        panel.name: page._shown(panel.name, panel.title, panel.caption, panel.draw(), out / "figures")
        for panel in track(drawings, "drawing the search", len(drawings))
    }
    made = out / "tune.html"
    best = out / "runs" / f"trial-{found.finished['trial'].iloc[0]:04}"
    context = _context(found) | {"figures": drawn, "command": command, "experiment": experiment.yaml()}
    context |= {"after": commands(found, out), "at_once": shlex.join(["spacewise", "audit", str(best)])}
    files.write_text(made, page._render("tuned.html.jinja", **context))
    return made


def commands(found: Searched, out: Path) -> list[str]:
    """What to type to train the best experiment from another seed, and to test it."""
    train = ["train", str(out / "best.yaml"), "--set", f"seed={found.seed + 1}", "--out", str(out / "best")]
    return [shlex.join(["spacewise", *words]) for words in (train, ["audit", str(out / "best")])]


def _context(found: Searched) -> dict[str, Any]:
    failed = found.trials[found.trials["status"] == "failed"]
    return {
        "title": f"Search over {', '.join(choice.name for choice in found.choices)}",
        "kind": f"search of {numbers.count(len(found.trials))} trials",
        "subtitle": "",
        "sentences": [best_line(found), _apart(found), _optimistic(found)],
        "tiles": _tiles(found),
        "searched": _searched(found),
        "leading": _leading(found),
        "mattered": _mattered(found),
        "failed": [f"trial {row['trial']}: {row['why']}" for row in failed.to_dict("records")],
    }


def best_line(found: Searched) -> str:
    """The best trial in one sentence."""
    best = found.finished.iloc[0]
    chosen = ", ".join(f"{choice.name} {shown(choice, best[choice.name])}" for choice in found.choices)
    figure = f"{numbers.percent(best['figure'])} {_interval(found, best['figure'])}"
    return f"Best {found.measure}: {figure} in trial {best['trial']}, with {chosen}."


def shown(choice: Choice, value: object) -> str:
    """A value of a choice as it stands in the experiment."""
    return str(value) if choice.options else f"{value:g}"


def _interval(found: Searched, figure: float) -> str:
    return numbers.interval(*numbers.wilson(figure, found.samples))


def _apart(found: Searched) -> str:
    """How far the trials can be told apart."""
    others = found.finished.iloc[1:]
    low = numbers.wilson(found.finished["figure"].iloc[0], found.samples)[0]
    near = int((others["figure"] >= low).sum())
    on = f"with {numbers.count(found.samples)} validation samples"
    if others.empty:
        return f"No other trial was trained to its end; {on}."
    if not near:
        return f"None of the {len(others)} other finished trials lies within its interval, {on}."
    return (
        f"{near} of the {len(others)} other finished trials lie{'s' if near == 1 else ''} within its interval: {on} "
        f"{'it' if near == 1 else 'they'} cannot be told apart from it."
    )


def _optimistic(found: Searched) -> str:
    number = len(found.trials)
    if number == 1:
        return "One trial is no search: call it again with more --trials."
    return (
        f"The best of {numbers.count(number)} trials is the luckiest among the good ones, and its figure, by which it "
        "was chosen, is optimistic. What it is worth, the test set says: spacewise train best.yaml, spacewise audit."
    )


def _tiles(found: Searched) -> list[Tile]:
    best, ended = found.finished["figure"].iloc[0], found.finished["figure"]
    counts = found.trials["status"].value_counts()
    parts = [f"{counts[status]} {status}" for status in ("finished", "pruned", "failed") if status in counts]
    rule = f"stopped: below the median, after epoch {found.warm_up} or later" if "pruned" in counts else "none stopped"
    return [
        Tile("best", numbers.percent(best), _interval(found, best), found.measure, "overall"),
        Tile("median", numbers.percent(float(ended.median())), "", "of the finished trials"),
        Tile("trials", numbers.count(len(found.trials)), "", f"{', '.join(parts)}; {rule}"),
        Tile("validation", numbers.count(found.samples), "", "samples behind each figure; the test set has no part"),
    ]


def _searched(found: Searched) -> Table:
    best, top = found.finished.iloc[0], found.finished.head(SHOWN)
    rows = []
    for choice in found.choices:
        spread = _spread(choice, top[choice.name])
        rows.append([Cell(choice.name), Cell(_among(choice)), Cell(shown(choice, best[choice.name])), Cell(spread)])
    heads = ["choice", "among", "best trial", f"best {len(top)} trials" if len(top) > 1 else "best trials"]
    return Table(heads, rows, "What was left open, and where the best trials lie.")


def _among(choice: Choice) -> str:
    if choice.options:
        return ", ".join(choice.options)
    kind = ("whole numbers, " if choice.whole else "") + ("even in the logarithm" if choice.log else "even")
    return f"{choice.low:g} to {choice.high:g}, {kind}"


def _spread(choice: Choice, values: pd.Series) -> str:
    if choice.options:
        return ", ".join(f"{number} × {value}" for value, number in values.value_counts(sort=False).items())
    return f"{values.min():g} to {values.max():g}"


def _leading(found: Searched) -> Table:
    rows: list[list[Cell]] = []
    top = found.finished.head(SHOWN)
    for row in top.to_dict("records"):
        figure = Cell(numbers.number(100 * row["figure"]), _interval(found, row["figure"]), not rows)
        values = [Cell(shown(choice, row[choice.name])) for choice in found.choices]
        rows.append([Cell(f"trial {row['trial']}"), figure, Cell(str(row["best_epoch"])), *values])
    heads = ["trial", f"{found.measure}, %", "best epoch", *(choice.name for choice in found.choices)]
    return Table(
        heads,
        rows,
        f"The best {len(rows)} of {len(found.finished)} finished trials, each by the validation of its best epoch. "
        "Intervals: Wilson, over validation samples. All trials are in trials.csv.",
    )


def _mattered(found: Searched) -> str:
    if any(share.beyond for share in found.importance.values()):
        return ""
    if found.importance:
        return "No choice explains more of the variance between finished trials than permuted figures do."
    if len(found.choices) < 2:
        return "There is a single choice, and nothing to weigh it against."
    return "Too few trials are finished, or too much alike, to say which choices mattered."


def lines(found: Searched, made: Mapping[str, Path]) -> list[str]:
    """What a terminal says of a search: the best trial, the files that were made, and what to type next."""
    named = [f"{name}: [bold]{escape(str(path))}[/]" for name, path in made.items()]
    return [escape(best_line(found)), *named, escape(f"next: {commands(found, made['best'].parent)[0]}")]
