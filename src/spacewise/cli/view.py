"""`spacewise view`."""

from __future__ import annotations

import shlex
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from spacewise.cli.app import Json, app, done
from spacewise.errors import InputError, unknown


@app.command()
def view(
    runs: Annotated[list[Path], typer.Argument(help="Folders of audited runs, or of their audits.")],
    out: Annotated[Path | None, typer.Option(help="The page; explorer.html beside the first run's report.")] = None,
    space: Annotated[
        list[str] | None, typer.Option(help="Lay out this space by t-SNE; several. The main ones.")
    ] = None,
    parquet: Annotated[
        Path | None, typer.Option(help="Also write the samples of one run for embedding-atlas: millions of points.")
    ] = None,
    show: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in the browser.")] = True,
    seed: Annotated[int, typer.Option(help="Of the layouts.")] = 0,
    as_json: Json = False,
) -> None:
    """Look into the spaces of audited runs: one page, by double click, without a network.

    [dim]Example:[/] spacewise view runs/baseline runs/dual --space feature --space classifier
    """
    from spacewise.audits import open_audit
    from spacewise.explorer import write_atlas, write_explorer
    from spacewise.progress import console

    audits = [open_audit(run) for run in runs]
    if parquet is not None and len(audits) > 1:
        raise InputError(f"--parquet holds the samples of one run, {len(audits)} are given")
    known = dict.fromkeys(name for audit in audits for name in audit.facts["spaces"])
    for name in space or []:
        if name not in known:
            raise unknown("space of these runs", name, known)
    page = out or audits[0].folder.parent / "explorer.html"
    words = ["spacewise", "view", *map(str, runs), *(word for name in space or [] for word in ("--space", name))]
    write_explorer(audits, page, spaces=space or (), seed=seed, command=shlex.join(words))
    made: dict[str, object] = {"explorer": page}
    lines = [f"explorer: [bold]{page}[/] ({page.stat().st_size / 1e6:.1f} MB)"]
    if parquet is not None:
        write_atlas(audits[0], parquet, seed=seed)
        made["parquet"] = parquet
        lines.append(f"samples for embedding-atlas: [bold]{parquet}[/]")
    if show and not as_json and console.is_terminal:
        webbrowser.open(page.resolve().as_uri())
    done(made, as_json, *lines)
