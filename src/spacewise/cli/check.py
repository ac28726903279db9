"""`spacewise check`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from spacewise.cli.app import Json, app


@app.command()
def check(
    folder: Annotated[str, typer.Argument(help="A folder of images, or 'simulated'.")],
    source: Annotated[str, typer.Option(help="Format of the folder; recognised where it is not given.")] = "",
    as_json: Json = False,
) -> None:
    """What a source holds, and what is wrong with it.

    Counts by fact, unreadable files, identical images, and facts that give the class away. Exit code 1
    where there is something to mend.

    [dim]Example:[/] spacewise check chips
    """
    from rich.console import Console

    from spacewise.check import check as run_check
    from spacewise.check import render
    from spacewise.sources import open_source

    report = run_check(open_source(folder, source))
    if as_json:
        print(json.dumps(report.as_dict(), default=str))
    else:
        render(report, Console())
    if report.problems:
        raise typer.Exit(1)
