"""`spacewise compare` and `spacewise explain`: runs side by side."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from spacewise.cli.app import Json, app, done


@app.command()
def compare(
    run: Annotated[list[Path], typer.Argument(help="Runs; those that differ only in seed or fold are one method.")],
    out: Annotated[Path, typer.Option(help="Folder for the page, its figures and its table.")] = Path("comparison"),
    as_json: Json = False,
) -> None:
    """Compare runs: mean ± deviation over seeds and folds, and whether a difference is significant.

    [dim]Example:[/] spacewise compare runs/baseline runs/contrastive --out comparison
    """
    from spacewise.report.compare import compare_runs
    from spacewise.report.terminal import comparison_lines

    table, page = compare_runs(run, out, command=" ".join(["spacewise", *sys.argv[1:]]))
    done(
        {"report": page, "table": table.to_dict("records")},
        as_json,
        *comparison_lines(table),
        f"report: [bold]{page}[/]",
    )


@app.command()
def explain(
    run: Annotated[list[Path], typer.Argument(help="Runs; those that differ only in seed or fold are one method.")],
    images: Annotated[int, typer.Option(help="Test images, the same for all runs on one split.")] = 100,
    method: Annotated[str, typer.Option(help="gradcam, gradcam++ or integrated_gradients.")] = "gradcam",
    space: Annotated[str, typer.Option(help="Feature maps that Grad-CAM looks at; the last ones by default.")] = "",
    steps: Annotated[int, typer.Option(help="Of the insertion and deletion curves.")] = 32,
    masks: Annotated[Path | None, typer.Option(help="Folder of masks (clutter, target, shadow) of the images.")] = None,
    weights: Annotated[str, typer.Option(help="best (on validation), last, averaged or epoch5.")] = "best",
    seed: Annotated[int, typer.Option(help="Of the images, of random maps and of fillings.")] = 0,
    out: Annotated[Path, typer.Option(help="Folder for the page, its figures and its table.")] = Path("explanation"),
    as_json: Json = False,
) -> None:
    """Three views of runs, side by side: how accurate, how well separated, and where the network looks.

    With masks also: how much of its attention lies on the target, and what is left of its accuracy when clutter,
    shadow or target go.

    [dim]Example:[/] spacewise explain runs/baseline runs/contrastive --masks masks --out views
    """
    from spacewise.explain.make import Question
    from spacewise.report.terminal import views_lines
    from spacewise.report.three_views import explain_runs

    question = Question(images, (method,), space, steps, str(masks.expanduser().resolve() if masks else ""), seed)
    table, page = explain_runs(run, question, out, weights=weights, command=" ".join(["spacewise", *sys.argv[1:]]))
    done(
        {"report": page, "table": table.to_dict("records")},
        as_json,
        *views_lines(table),
        f"report: [bold]{page}[/]",
    )
