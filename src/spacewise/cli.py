"""The command line: arguments in, calls out."""

from __future__ import annotations

import json
import math
import shutil
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from spacewise.errors import InputError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Put a loss on any space of a network, and measure what survives new serial numbers, sites, sensors "
    "and objects.\n\n[dim]Example:[/] spacewise demo",
)

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON, for a program.")]


def main() -> None:
    """Runs the command line. Exit codes: 0 done, 1 problems found by `check`, 2 bad input, 130 interrupted."""
    try:
        code = app(standalone_mode=False)
    except InputError as error:
        code = _refuse(str(error))
    except typer.TyperException as error:
        code = _refuse(error.format_message())
    except (typer.Abort, KeyboardInterrupt):
        code = 130
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        code = _refuse(f"{where}{error.strerror or error}")
    if code == 130:
        print("interrupted; the state is saved: spacewise train --resume RUN goes on with it", file=sys.stderr)
    sys.exit(code if isinstance(code, int) else 0)


def _refuse(message: str) -> int:
    print(f"spacewise: {' '.join(message.split())}", file=sys.stderr)
    return 2


def _done(result: dict[str, Any], as_json: bool, *lines: str) -> None:
    """The last words of a command: JSON for a program, or lines for a person."""
    if as_json:
        print(json.dumps(_known(result), default=str, allow_nan=False))
        return
    from spacewise.progress import console

    for line in lines:
        console.print(line, highlight=False, soft_wrap=True)


def _known(value: Any) -> Any:
    """The same with null for NaN and infinities, which JSON has no words for."""
    if isinstance(value, dict):
        return {key: _known(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_known(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for runs and report.")] = Path("spacewise-demo"),
    as_json: Json = False,
) -> None:
    """The main job on simulated radar chips: a baseline and a dual-loss network, compared in one report.

    A few minutes on two cores. Run again, it continues where it was.

    [dim]Example:[/] spacewise demo --out demo
    """
    from spacewise.recipes.demo import demo as run_demo

    page = run_demo(out)
    _done({"report": page}, as_json, f"report: [bold]{page}[/]", "look at it with any browser")


@app.command()
def train(
    experiment: Annotated[Path | None, typer.Argument(help="An experiment as YAML.", show_default=False)] = None,
    data: Annotated[
        str, typer.Option(help="Folder of images (one named unlabelled is learnt from), or 'simulated'.")
    ] = "",
    source: Annotated[str, typer.Option(help="Format of the folder; recognised where it is not given.")] = "",
    target: Annotated[str, typer.Option(help="Transfer: images of another sensor, with few labels.")] = "",
    labels: Annotated[
        str, typer.Option(help="How many images keep their label: 32, 4/class or all (a transfer's default).")
    ] = "",
    method: Annotated[
        str,
        typer.Option(
            help="Few labels: supervised, fixmatch, comatch, comatch+ccssl-in, comatch+ccssl-out or comatch+triplet."
        ),
    ] = "",
    preset: Annotated[str, typer.Option(help="Few labels: corrected (default), or as-released, with its faults.")] = "",
    net: Annotated[str, typer.Option(help="aconvnet (default), resnet18 (a method's default), wrn28-2 …")] = "",
    loss: Annotated[
        list[str] | None, typer.Option(help="weight*loss(option=value)@space; adds up, also to a method.")
    ] = None,
    split: Annotated[str, typer.Option(help="How samples are divided; the source's own by default.")] = "",
    size: Annotated[
        int | None,
        typer.Option(help="Image side in pixels; the network's own by default, 32 in a transfer, 60 with a method."),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Passes over the samples; with a method or target, of `steps` steps.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Of weights, batches, views, and of which labels a budget keeps.")
    ] = None,
    changes: Annotated[list[str] | None, typer.Option("--set", help="key=value, such as shift=10.")] = None,
    out: Annotated[Path | None, typer.Option(help="The run's folder; must not exist.")] = None,
    resume: Annotated[Path | None, typer.Option(help="Continue the interrupted run in this folder.")] = None,
    tensorboard: Annotated[bool, typer.Option(help="Also log for TensorBoard, in RUN/tensorboard.")] = False,
    as_json: Json = False,
) -> None:
    """Train a network under an objective.

    Ctrl-C saves the state; --resume goes on from it, to the same weights.

    [dim]Example:[/] spacewise train --data chips --net aconvnet --loss crossentropy@classifier
    --loss "1.0*contrastive(dissimilar_margin=1.0)@classifier" --out runs/contrastive

    [dim]Example:[/] spacewise train --data optical --target radar --labels 32 --loss crossentropy@classifier
    --out runs/transfer

    [dim]Example:[/] spacewise train --data scenes --labels 4/class --method comatch+triplet --out runs/few
    """
    from spacewise import learn, runs
    from spacewise.experiment import changed_experiment, read

    if resume:
        flags: tuple[object, ...] = (data, source, target, labels, method, preset, net, loss, split, size, changes, out)
        _refuse_beside_resume(experiment, *flags, epochs is not None, seed is not None)
        chosen, folder = runs.read_experiment(resume), resume
    elif experiment:
        _refuse_beside_file(data, source, target, labels, method, preset, net, loss, split, size, seed is not None)
        more = [*(changes or []), *_epochs(epochs)]
        chosen, folder = read(experiment, more), _out(out)
    else:
        made = _from_flags(data, target, labels, method, preset, source, net, loss or [], split, size, seed or 0)
        more = [*_epochs(epochs), *(changes or [])]
        chosen, folder = changed_experiment(made, more), _out(out)
    run = learn.start(chosen, folder, resume=bool(resume), logger=_tensorboard(folder) if tensorboard else None)
    facts = run.facts
    _done(
        {"run": run.folder, **facts},
        as_json,
        f"run: [bold]{run.folder}[/] ({facts['epochs']} epochs, {_best(run)}, {facts['seconds']:.0f} s)",
        *_few_labels_lines(run),
        *[f"[yellow]leak:[/] {leak}" for leak in facts["leaks"]],
        *[f"[yellow]no label[/] of the target for {name}: the source teaches it" for name in facts.get("untaught", [])],
        f"next: spacewise audit {run.folder}",
    )


def _from_flags(
    data: str, target: str, labels: str, method: str, preset: str, source: str, net: str, *more: Any
) -> Any:
    """The experiment of a method, of a transfer, or of one network on one set."""
    from spacewise import flags

    flags.check_together(target, labels, method, preset)
    if method:
        return flags.few_labels_from_flags(data, labels, method, preset, source, net, *more)
    if target:
        return flags.transfer_from_flags(data, target, labels or "all", source, net, *more)
    return flags.from_flags(data, source, net, *more)


def _best(run: Any) -> str:
    """Which epoch's weights are the run's."""
    chosen_by = getattr(run.experiment.regime, "choose", "validation")
    if not run.facts["samples"][chosen_by]:
        return "the last one is kept"
    return f"best on {chosen_by}: {run.facts['best_epoch']}"


def _few_labels_lines(run: Any) -> list[str]:
    """What a semi-supervised run learnt from; nothing for others."""
    from rich.markup import escape

    regime, facts = run.experiment.regime, run.facts
    if regime.name != "semi-supervised":
        return []
    labelled, unlabelled = (facts["samples"].get(part, 0) for part in ("train", "unlabelled"))
    unlabelled -= facts.get("unused", 0)
    others = f"and {unlabelled:,} images without one" if regime.mu else "alone"
    skipped = f"[yellow]skipped:[/] {escape(str(facts.get('skipped')))}"
    return [
        f"learnt from {labelled:,} labels {others}, views: {regime.augmentation}",
        *([skipped] if facts.get("skipped") else []),
    ]


def _epochs(epochs: int | None) -> list[str]:
    return [] if epochs is None else [f"epochs={epochs}"]


def _out(out: Path | None) -> Path:
    if out is None:
        raise InputError("--out is missing: where shall the run go? such as --out runs/first")
    return out


def _refuse_beside_resume(*given: object) -> None:
    if any(given):
        raise InputError("--resume goes on with the run's own experiment; leave the other options out")


def _refuse_beside_file(*given: object) -> None:
    if any(given):
        raise InputError(
            "an experiment file says data, network, losses and seed itself; change it with --set, such as --set seed=1"
        )


def _tensorboard(folder: Path) -> Any:
    """A logger; raises `InputError` where the extra is not installed."""
    try:
        from lightning_fabric.loggers import TensorBoardLogger

        return TensorBoardLogger(root_dir=folder / "tensorboard", name="", version="")
    except ModuleNotFoundError as error:
        raise InputError("--tensorboard needs the extra: pip install 'spacewise[track]'") from error


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
    split: Annotated[str, typer.Option(help="Made elsewhere: how samples are divided.")] = "",
    space: Annotated[list[str] | None, typer.Option(help="Made elsewhere: NAME=SUBMODULE; several.")] = None,
    size: Annotated[int | None, typer.Option(help="Made elsewhere: side of its images in pixels.")] = None,
    out: Annotated[Path | None, typer.Option(help="Made elsewhere: folder of the run; must not exist.")] = None,
    as_json: Json = False,
) -> None:
    """Measure every space of a run, or of a network made elsewhere, and write its report.

    [dim]Example:[/] spacewise audit runs/contrastive --copies 10

    [dim]Example:[/] spacewise audit net.py:build --weights net.pth --space feature=avgpool --size 64
    --data scenes --split class-disjoint --out audits/net
    """
    from spacewise.audits import audit as run_audit
    from spacewise.audits import other_part
    from spacewise.report.page import write_report
    from spacewise.report.terminal import audit_lines

    elsewhere = ":" in run and not Path(run).exists()
    if elsewhere:
        opened, part = _adopted(run, data, source, weights, split, space or [], size, out), None
    else:
        opened = _opened(Path(run), weights, split, space, size, out)
        part = other_part(opened, data, source) if data else None
    try:
        made = run_audit(opened, part, copies=copies, shift=shift, approximate_above=approximate_above)
        page = write_report(made)
    except BaseException:
        if elsewhere and not (opened.folder / "audit").exists():  # made by this command: nothing half-written stays
            shutil.rmtree(opened.folder)
        raise
    result = {"audit": made.folder, "report": page}
    if made.has("accuracy"):
        result["accuracy"] = made.table("accuracy").to_dict("records")
    if "recommendation" in made.facts:
        result["recommendation"] = made.facts["recommendation"]
    _done(result, as_json, *audit_lines(made), f"report: [bold]{page}[/]")


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
    return adopt(reference, parts, _out(out), weights=file, spaces=named_spaces(spaces), size=size)


def _opened(run: Path, weights: str, *elsewhere: object) -> Any:
    """A run of our own; options for networks made elsewhere are refused."""
    from spacewise import runs

    if any(elsewhere):
        raise InputError("--split, --space, --size and --out are for a network made elsewhere (FILE.py:FUNCTION)")
    return runs.open_run(run, weights=weights or "best")


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
    _done(
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
    _done(
        {"report": page, "table": table.to_dict("records")},
        as_json,
        *views_lines(table),
        f"report: [bold]{page}[/]",
    )


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
    as_json: Json = False,
) -> None:
    """Reproduce a table or figure of a paper, the paper's figures beside ours.

    Finished runs are never run again; an interrupted one continues.

    [dim]Example:[/] spacewise reproduce dual-loss.table2 --data mstar=chips --out out --only baseline
    """
    from rich.markup import escape

    from spacewise.errors import unknown
    from spacewise.recipes import RECIPES, Asked, places
    from spacewise.recipes import reproduce as run_recipe

    if not name:
        rows = [
            {"name": r.name, "data": r.data, "usage": r.usage, "title": r.title, "rows": list(r.arms)}
            for r in RECIPES.values()
        ]
        _done(
            {"recipes": rows},
            as_json,
            *[f"[bold]{r.name:18}[/] {escape(r.usage)}  {r.title}" for r in RECIPES.values()],
        )
        return
    if name not in RECIPES:
        raise unknown("recipe", name, RECIPES)
    asked = Asked(places(RECIPES[name], data or []), folds, epochs, only or [], changes or [])
    page = run_recipe(RECIPES[name], asked, _out(out))
    _done({"report": page}, as_json, f"report: [bold]{page}[/]")


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


if __name__ == "__main__":
    main()
