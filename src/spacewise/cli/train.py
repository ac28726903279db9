"""`spacewise demo` and `spacewise train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from spacewise.cli.app import Json, app, done, out_folder
from spacewise.errors import InputError


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
    done({"report": page}, as_json, f"report: [bold]{page}[/]", "look at it with any browser")


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
        chosen, folder = read(experiment, more), out_folder(out)
    else:
        made = _from_flags(data, target, labels, method, preset, source, net, loss or [], split, size, seed or 0)
        more = [*_epochs(epochs), *(changes or [])]
        chosen, folder = changed_experiment(made, more), out_folder(out)
    run = learn.start(chosen, folder, resume=bool(resume), logger=_tensorboard(folder) if tensorboard else None)
    facts = run.facts
    done(
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
