"""`spacewise grid` and `spacewise tune`: choices in an experiment."""

from __future__ import annotations

import shlex
import sys
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spacewise.cli import options
from spacewise.cli.app import Json, app, done, out_folder
from spacewise.errors import InputError

if TYPE_CHECKING:
    from spacewise.tune.template import Template

Size = Annotated[str, typer.Option(help=options.SIZE)]
Epochs = Annotated[str, typer.Option(help=options.EPOCHS)]
Seed = Annotated[str, typer.Option(help=options.SEED)]
On = Annotated[str, typer.Option(help="local (processes of this machine), ray, or ray://HOST:PORT.")]
Cpus = Annotated[int, typer.Option(help="Of each experiment; as many run at a time as there are CPUs for.")]
Gpus = Annotated[float, typer.Option(help="Of each experiment, over Ray; a part of one too.")]


@app.command()
def grid(
    context: typer.Context,
    experiment: options.File = None,
    data: options.Data = "",
    source: options.Source = "",
    target: options.Target = "",
    labels: options.Labels = "",
    method: options.Method = "",
    preset: options.Preset = "",
    net: options.Net = "",
    loss: options.Loss = None,
    split: options.Split = "",
    size: Size = "",
    epochs: Epochs = "",
    seed: Seed = "",
    changes: options.Changes = None,
    out: Annotated[Path | None, typer.Option(help="Folder for runs, table and page.")] = None,
    on: On = "local",
    cpus: Cpus = 1,
    gpus: Gpus = 0,
    as_json: Json = False,
) -> None:
    """Train every combination of the choices in an experiment, and compare them.

    Choices are written in braces, {a|b|c}, in any option or in the file. Runs that differ only in seed or fold are
    one method. Finished runs are never run again; an interrupted one continues.

    [dim]Example:[/] spacewise grid --data chips --loss crossentropy@classifier
    --loss "{0.1|1|10}*contrastive@{feature|classifier}" --set "seed={0|1|2}" --out out
    """
    from rich.markup import escape

    from spacewise.grid.places import place
    from spacewise.report.terminal import comparison_lines
    from spacewise.tune.grid import grid as run_grid

    where = place(on, cpus, gpus)
    table, page = run_grid(_template(context), where, out_folder(out, "grids/first"), command=_command())
    made = {"report": page, "table": table.to_dict("records")}
    done(made, as_json, *comparison_lines(table), f"report: [bold]{escape(str(page))}[/]")


@app.command()
def tune(
    context: typer.Context,
    experiment: options.File = None,
    data: options.Data = "",
    source: options.Source = "",
    target: options.Target = "",
    labels: options.Labels = "",
    method: options.Method = "",
    preset: options.Preset = "",
    net: options.Net = "",
    loss: options.Loss = None,
    split: options.Split = "",
    size: Size = "",
    epochs: Epochs = "",
    seed: Seed = "",
    changes: options.Changes = None,
    trials: Annotated[int, typer.Option(help="In all, those of earlier calls included.")] = 30,
    out: Annotated[Path | None, typer.Option(help="Folder for runs, journal, table and page.")] = None,
    on: On = "local",
    cpus: Cpus = 1,
    gpus: Gpus = 0,
    as_json: Json = False,
) -> None:
    """Search the choices in an experiment for the best, by validation alone.

    Choices are written in braces, in any option or in the file: {a|b|c}, {0.1..10 log}, {1..8 int}. Trials without
    prospects are stopped early. Called again, a search goes on where it was.

    [dim]Example:[/] spacewise tune --data chips --loss crossentropy@classifier
    --loss "{0.1..10 log}*contrastive(dissimilar_margin={0.5..2})@{feature|classifier}" --trials 30 --out out

    [dim]Example:[/] spacewise tune experiment.yaml --set "rate={1e-4..1e-2 log}" --out out
    """
    from spacewise.grid.places import place
    from spacewise.report.tuned import lines
    from spacewise.tune.finish import tune as run_search

    if trials < 1:
        raise InputError(f"--trials must be 1 or more, not {trials}")
    where = place(on, cpus, gpus)
    found, made = run_search(_template(context), where, out_folder(out, "searches/first"), trials, command=_command())
    best = found.finished.drop(columns="why").iloc[0].to_dict()
    done(made | {"trial": best}, as_json, *lines(found, made))


def _template(context: typer.Context) -> Template:
    """What the options that describe an experiment say, as they were typed."""
    from spacewise.flags import Given
    from spacewise.tune.template import template

    typed: dict[str, Any] = {field.name: context.params[field.name] for field in fields(Given)}
    several = {name: tuple(typed[name] or ()) for name in ("loss", "changes")}
    return template(Given(**(typed | several | {"experiment": str(typed["experiment"] or "")})))


def _command() -> str:
    return shlex.join(["spacewise", *sys.argv[1:]])
