"""`spacewise audit`."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path
from typing import Annotated, Any

import typer

from spacewise.cli.app import Json, app, done, out_folder
from spacewise.errors import InputError


@app.command()
def audit(
    run: Annotated[str, typer.Argument(help="A run's folder; or FILE.py:FUNCTION that builds a network.")],
    data: Annotated[str, typer.Option(help="Other data than it was trained on.")] = "",
    source: Annotated[str, typer.Option(help="Format of the other data.")] = "",
    copies: Annotated[int, typer.Option(help="Also test on this many translated copies of each sample.")] = 0,
    shift: Annotated[int | None, typer.Option(help="Largest translation of a copy in pixels; training's own.")] = None,
    weights: Annotated[
        str,
        typer.Option(help="best (on validation), last, averaged or epoch5; or the file of a network made elsewhere."),
    ] = "",
    approximate_above: Annotated[
        int | None, typer.Option(help="Retrieval among more samples than this by an index; prints what it loses.")
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option(
            help="Compare pairs for so many samples of each part (drawn by class) against all; with intervals."
        ),
    ] = None,
    split: Annotated[str, typer.Option(help="Made elsewhere: how samples are divided.")] = "",
    space: Annotated[list[str] | None, typer.Option(help="Made elsewhere: NAME=SUBMODULE; several.")] = None,
    size: Annotated[int | None, typer.Option(help="Made elsewhere: side of its images in pixels.")] = None,
    out: Annotated[Path | None, typer.Option(help="Made elsewhere: folder of the run; must not exist.")] = None,
    as_json: Json = False,
) -> None:
    """Measure every space of a run, or of a network made elsewhere; write its report and its explorer.

    [dim]Example:[/] spacewise audit runs/contrastive --copies 10

    [dim]Example:[/] spacewise audit net.py:build --weights net.pth --space feature=avgpool --size 64
    --data scenes --split class-disjoint --out audits/net
    """
    from spacewise.audits import audit as run_audit
    from spacewise.audits import other_part
    from spacewise.explorer import page_of, write_explorer
    from spacewise.report.page import write_report
    from spacewise.report.terminal import audit_lines

    elsewhere = ":" in run and not Path(run).exists()
    if elsewhere:
        opened, part = _adopted(run, data, source, weights, split, space or [], size, out), None
    else:
        opened = _opened(Path(run), weights, split, space, size, out)
        part = other_part(opened, data, source) if data else None
    try:
        made = run_audit(opened, part, copies=copies, shift=shift, approximate_above=approximate_above, sample=sample)
        command = shlex.join(["spacewise", "view", str(made.folder)])
        explorer = write_explorer([made], page_of(made), command=command)
        page = write_report(made)
    except BaseException:
        if elsewhere and not (opened.folder / "audit").exists():  # made by this command: nothing half-written stays
            shutil.rmtree(opened.folder)
        raise
    result = {"audit": made.folder, "report": page, "explorer": explorer}
    if made.has("accuracy"):
        result["accuracy"] = made.table("accuracy").to_dict("records")
    if "recommendation" in made.facts:
        result["recommendation"] = made.facts["recommendation"]
    done(result, as_json, *audit_lines(made), f"report: [bold]{page}[/]", f"explorer: [bold]{explorer}[/]")


def _adopted(
    reference: str,
    data: str,
    source: str,
    weights: str,
    split: str,
    spaces: list[str],
    size: int | None,
    out: Path | None,
) -> Any:
    """A network made elsewhere as a run."""
    from spacewise.adopt import adopt, named_spaces
    from spacewise.experiment import split_by_name
    from spacewise.sources import open_source
    from spacewise.splits import default

    opened = open_source(data, source)
    parts = split_by_name(opened, split or default(opened))
    file = Path(weights) if weights else None
    return adopt(reference, parts, out_folder(out), weights=file, spaces=named_spaces(spaces), size=size)


def _opened(run: Path, weights: str, *elsewhere: object) -> Any:
    """A run of our own; options for networks made elsewhere are refused."""
    from spacewise import runs

    if any(elsewhere):
        raise InputError("--split, --space, --size and --out are for a network made elsewhere (FILE.py:FUNCTION)")
    return runs.open_run(run, weights=weights or "best")
