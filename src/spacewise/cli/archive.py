"""`spacewise embed`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from spacewise.cli.app import Json, app, done, out_folder


@app.command()
def embed(
    run: Annotated[Path, typer.Argument(help="A run's folder.")],
    data: Annotated[
        str,
        typer.Argument(metavar="DIR", help="Folder of pictures or GeoTIFFs; a GeoTIFF; FILE.h5 or FILE.h5:DATASET."),
    ],
    out: Annotated[Path | None, typer.Option(help="Folder of the shards, such as embeddings.parquet.")] = None,
    space: Annotated[list[str] | None, typer.Option(help="embedding, else feature, by default; several.")] = None,
    weights: Annotated[str, typer.Option(help="best (on validation), last, averaged or epoch5.")] = "best",
    stride: Annotated[
        int | None, typer.Option(help="Pixels from one tile of a GeoTIFF to the next; the network's size by default.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Embed an archive of any size with a run's network, into Parquet files.

    Called again, it goes on where it was. Under torchrun, processes share the work.

    [dim]Example:[/] spacewise embed runs/dual archive --out embeddings.parquet
    """
    from spacewise.archive import embed_archive

    target = out_folder(out, "embeddings.parquet")
    facts = embed_archive(run, data, target, spaces=space or [], weights=weights, stride=stride)
    done({"embeddings": target, **facts}, as_json, *_lines(target, facts))


def _lines(out: Path, facts: dict[str, Any]) -> list[str]:
    """What was made, and what was passed over."""
    from rich.markup import escape

    where = f"[bold]{escape(str(out))}[/]"
    if "samples" not in facts:
        return [f"the shards of this process are done; others still work at {where}"]
    spaces = ", ".join(f"{name} ({dimension})" for name, dimension in facts["spaces"].items())
    lines = [f"embeddings: {where} ({facts['samples']:,} images, {escape(spaces)}, {facts['seconds']:.0f} s)"]
    if facts["unreadable"]:
        line = unreadable_line(facts["unreadable"], facts["listed"], facts["named"])
        lines.append(f"{line}; see {escape(str(out / '_unreadable.csv'))}")
    if facts["empty"]:
        lines.append(f"[yellow]left out:[/] {facts['empty']:,} tiles without data")
    return lines


def unreadable_line(number: int, of: int, named: Sequence[str]) -> str:
    """How many images could not be read, and the names of the first."""
    from rich.markup import escape

    names = escape(", ".join(repr(name)[1:-1] for name in named))
    more = f" and {number - len(named):,} more" if number > len(named) else ""
    return f"[yellow]unreadable:[/] {number:,} of {of:,}: {names}{more}"
