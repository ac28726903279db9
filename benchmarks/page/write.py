"""Writes `benchmarks.html` and `growth.csv` from what was recorded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from benchmarks.growth.run import disagreements
from benchmarks.growth.table import OPERATIONS
from benchmarks.page import figures, fit, tables
from jinja2 import Environment, FileSystemLoader, StrictUndefined

import spacewise
from spacewise import files, report
from spacewise.report import drawing, numbers

PAGE, TABLE = "benchmarks.html", "growth.csv"
TEMPLATES = Path(report.__file__).parent


def write(state: Mapping[str, Any], out: Path) -> Path:
    """The page and its table.

    Args:
        state: `scripts` (name -> record), `growth` (rows), `machine`, and what the run was: `command`, `commit`,
            `date`, `seconds`, `threads`, `scale`, `rounds`, `quick`; and `keys`, those of the last call by `growth`
            or a script's name: what was measured by any other is named.
        out: the folder.

    Returns:
        The page.

    Raises:
        InputError: the folder cannot be written.
    """
    table = fit.medians(state["growth"])
    files.write_table(out / TABLE, table)
    files.write_text(out / PAGE, rendered(state, table))
    return out / PAGE


def rendered(state: Mapping[str, Any], table: pd.DataFrame) -> str:
    """The page's text; `table` are the medians of the state's rows."""
    environment = Environment(
        loader=FileSystemLoader([Path(__file__).parent, TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["tight"] = numbers.tight
    records, found = list(state["scripts"].values()), tables.found_verdicts(table, OPERATIONS)
    commits = {each["commit"] for each in records} | {row["commit"] for row in state["growth"]}
    machine = state["machine"]
    measured = list(dict.fromkeys(row["operation"] for row in state["growth"]))
    others = {OPERATIONS[name].title: _differing(name, state) for name in OPERATIONS}
    others |= {name: tables.differing([each], state["keys"].get(name, {})) for name, each in state["scripts"].items()}
    return environment.get_template("page.jinja").render(
        style=(TEMPLATES / "style.css").read_text(encoding="utf-8"),
        version=spacewise.__version__,
        sentences=tables.sentences(found, OPERATIONS),
        warnings=tables.warnings(table, records, commits, others),
        first=tables.first(found, OPERATIONS),
        operations=[_shown(name, state, table) for name in OPERATIONS if name in measured],
        facts=_facts(state),
        speeds=[(name, tables.significant(value)) for name, value in machine["speeds"].items()],
        versions=list(machine["versions"].items()),
        scripts=tables.scripts(records),
        records=records,
        machine=machine["described"],
        **{key: state[key] for key in ("quick", "threads", "commit", "command", "date")},
    )


def _facts(state: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows, records = state["growth"], state["scripts"].values()
    loads = [row["load"] for row in rows] + [each["load"] for each in records]
    found = dict(state["machine"]["described"]) | {
        "command": state["command"],
        "commit": state["commit"],
        "date": state["date"],
        "the last call took": numbers.duration(state["seconds"]),
        "rounds": str(state["rounds"]),
        "sizes": f"{state['scale']:g} times those of a full run" if state["scale"] != 1 else "full",
    }
    if loads:
        found["load average before each"] = f"{min(loads):.2f} to {max(loads):.2f}"
    return list(found.items())


def _differing(name: str, state: Mapping[str, Any]) -> list[str]:
    return tables.differing([row for row in state["growth"] if row["operation"] == name], state["keys"]["growth"])


def _shown(name: str, state: Mapping[str, Any], table: pd.DataFrame) -> dict[str, Any]:
    """What the template shows of an operation."""
    operation = OPERATIONS[name]
    rows = [row for row in state["growth"] if row["operation"] == name]
    lost = [f"{row['contender']} failed at {row['size']:,}: {row['error']}" for row in rows if row.get("error")]
    other = [f"measured with other {word} than the header says" for word in _differing(name, state)]
    drawn = ""
    if (table["operation"] == name).any():
        drawn = drawing.inline(drawing.svg(figures.grown(table, name, operation.unit), name), operation.title)
    return {
        "name": name,
        "operation": operation,
        "svg": drawn,
        "notes": tables.left_out(operation, state["scale"]),
        "problems": other + lost + disagreements(name, rows),
        "table": tables.cases(table, name, operation),
    }
