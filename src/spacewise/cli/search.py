"""`spacewise search`: an archive asked for what is like a picture."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from spacewise.cli.app import Json, app, done
from spacewise.cli.archive import unreadable_line


@app.command()
def search(
    run: Annotated[Path, typer.Argument(help="The run whose network made the embeddings.")],
    query: Annotated[str, typer.Argument(help="A picture, a folder of pictures, or id:SAMPLE of the archive.")],
    embeddings: Annotated[Path, typer.Option("--in", help="Embeddings, as spacewise embed makes them.")],
    k: Annotated[int, typer.Option("--k", help="How many samples are found for each query.")] = 10,
    space: Annotated[str, typer.Option(help="Space that is searched; the first of the embeddings by default.")] = "",
    index: Annotated[str, typer.Option(help="exact; or hnsw, ivfpq: built once, recall printed.")] = "exact",
    out: Annotated[Path, typer.Option(help="Folder for the page and the table of hits.")] = Path("found"),
    as_json: Json = False,
) -> None:
    """Search an archive for the samples most similar to a picture.

    [dim]Example:[/] spacewise search runs/contrastive chip.png --in embeddings.parquet --k 20
    """
    from rich.markup import escape

    from spacewise.archive.finishing import NAMED
    from spacewise.report.found import found_lines
    from spacewise.report.found import search as run_search

    command = shlex.join(["spacewise", *sys.argv[1:]])
    found = run_search(run, query, embeddings, out, k=k, space=space, index=index, command=command)
    recall, passed = found.recall, len(found.unreadable)
    result = {
        "hits": found.hits.to_dict("records") if as_json else [],
        "recall": {"k": recall.k, "share": recall.share, "queries": recall.queries} if recall else None,
        "unreadable": found.unreadable,
        "table": out / "hits.csv",
        "report": found.page,
    }
    done(
        result,
        as_json,
        *found_lines(found.hits),
        *([unreadable_line(passed, found.queries + passed, list(found.unreadable)[:NAMED])] if passed else []),
        *([str(recall)] if recall else []),
        f"hits: [bold]{escape(str(out / 'hits.csv'))}[/]",
        f"page: [bold]{escape(str(found.page))}[/]",
    )
