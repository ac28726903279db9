"""`spacewise reproduce`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spacewise.cli.app import Json, app, done, out_folder
from spacewise.errors import InputError, unknown

if TYPE_CHECKING:
    from spacewise.grid import Place


@app.command()
def reproduce(
    name: Annotated[str, typer.Argument(help="Table or figure, such as dual-loss.table2; none: what there is.")] = "",
    data: Annotated[list[str] | None, typer.Option(help="NAME=DIR, such as mstar=chips; weights=FILE.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for runs, table and page.")] = None,
    folds: Annotated[int, typer.Option(help="Repetitions, each with other validation samples and weights.")] = 1,
    epochs: Annotated[int | None, typer.Option(help="Instead of the recipe's.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Only these rows, or a pattern: resnet20*.")] = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", help="key=value for every run, such as net.size=64.")
    ] = None,
    on: Annotated[str, typer.Option(help="Many runs at once: local, ray or ray://HOST:PORT.")] = "",
    cpus: Annotated[int, typer.Option(help="With --on: CPUs of each run.")] = 1,
    gpus: Annotated[float, typer.Option(help="With --on ray: GPUs of each run, such as 0.5.")] = 0.0,
    as_json: Json = False,
) -> None:
    """Reproduce a table or figure of a paper, the paper's figures beside ours.

    Finished runs are never run again; an interrupted one continues.

    [dim]Example:[/] spacewise reproduce dual-loss.table2 --data mstar=chips --out out --only baseline

    [dim]Example:[/] spacewise reproduce dual-loss.table2 --data mstar=chips --out out --folds 4 --on local
    """
    from rich.markup import escape

    from spacewise.recipes import RECIPES, Asked, places
    from spacewise.recipes import reproduce as run_recipe

    if not name:
        rows = [
            {"name": r.name, "data": r.data, "usage": r.usage, "title": r.title, "rows": list(r.arms)}
            for r in RECIPES.values()
        ]
        done(
            {"recipes": rows},
            as_json,
            *[f"[bold]{r.name:18}[/] {escape(r.usage)}  {r.title}" for r in RECIPES.values()],
        )
        return
    if name not in RECIPES:
        raise unknown("recipe", name, RECIPES)
    asked = Asked(places(RECIPES[name], data or []), folds, epochs, only or [], changes or [])
    page = run_recipe(RECIPES[name], asked, out_folder(out), _place(on, cpus, gpus))
    done({"report": page}, as_json, f"report: [bold]{escape(str(page))}[/]")


def _place(on: str, cpus: int, gpus: float) -> Place | None:
    """Where many runs go; None for one after another in this process."""
    from spacewise.grid import place

    if on:
        return place(on, cpus, gpus)
    if (cpus, gpus) != (1, 0):
        raise InputError("--cpus and --gpus are those of each of many runs at once: say where, with --on local or ray")
    return None
