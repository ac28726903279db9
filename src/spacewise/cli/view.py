"""`spacewise view`."""

from __future__ import annotations

import os
import shlex
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spacewise.cli.app import Json, app, done
from spacewise.errors import InputError

if TYPE_CHECKING:
    from spacewise.audits import Audit


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
    from spacewise.explorer import page_of, write_atlas, write_explorer
    from spacewise.progress import console

    audits = _audits(runs, parquet)
    page = out or page_of(audits[0])
    _writable("--out", page, "explorer.html")
    if parquet is not None:
        _writable("--parquet", parquet, "samples.parquet")
    names = space or []
    words = ["spacewise", "view", *map(str, runs), *(word for name in names for word in ("--space", name))]
    words += ["--seed", str(seed)] if seed else []
    write_explorer(audits, page, spaces=names, seed=seed, command=shlex.join(words))
    made: dict[str, object] = {"explorer": page}
    lines = [f"explorer: [bold]{page}[/] ({page.stat().st_size / 1e6:.1f} MB)"]
    if parquet is not None:
        write_atlas(audits[0], parquet, space=names[0] if names else "", seed=seed)
        made["parquet"] = parquet
        lines.append(f"samples for embedding-atlas: [bold]{parquet}[/]")
    if show and not as_json and console.is_terminal:
        webbrowser.open(page.resolve().as_uri())
    done(made, as_json, *lines)


def _audits(runs: list[Path], parquet: Path | None) -> list[Audit]:
    """The audits of the runs; raises `InputError` where one is given twice."""
    from spacewise.audits import open_audit

    audits = [open_audit(run) for run in runs]
    folders = [audit.folder.resolve() for audit in audits]
    for run, folder in zip(runs, folders, strict=True):
        if folders.count(folder) > 1:
            raise InputError(f"{run} is given twice; a page shows each run once")
    if parquet is not None and len(audits) > 1:
        raise InputError(f"--parquet holds the samples of one run, {len(audits)} are given")
    return audits


def _writable(option: str, path: Path, example: str) -> None:
    """Raises `InputError` for a place where no file can be written, before what takes minutes."""
    if path.is_dir():
        raise InputError(f"{option} {path} is a folder, expected a file such as {path / example}")
    above = next(each for each in path.absolute().parents if each.exists())
    if not above.is_dir() or not os.access(above, os.W_OK):
        raise InputError(f"{option} {path}: cannot write in {above}")
