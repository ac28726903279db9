"""`spacewise demo` and `spacewise train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from spacewise.cli import options
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
    size: Annotated[int | None, typer.Option(help=options.SIZE)] = None,
    epochs: Annotated[int | None, typer.Option(help=options.EPOCHS)] = None,
    seed: Annotated[int | None, typer.Option(help=options.SEED)] = None,
    changes: options.Changes = None,
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
    from spacewise import flags, learn, runs

    if resume:
        told: tuple[object, ...] = (data, source, target, labels, method, preset, net, loss, split, size, changes, out)
        _refuse_beside_resume(experiment, *told, epochs is not None, seed is not None)
        chosen, folder = runs.read_experiment(resume), resume
    else:
        whole = {"size": size, "epochs": epochs, "seed": seed}
        given = flags.Given(
            str(experiment or ""),
            *(data, source, target, labels, method, preset, net),
            loss=tuple(loss or ()),
            split=split,
            **{name: str(number) for name, number in whole.items() if number is not None},
            changes=tuple(changes or ()),
        )
        chosen, folder = flags.described(given), out_folder(out)
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


def _refuse_beside_resume(*given: object) -> None:
    if any(given):
        raise InputError("--resume goes on with the run's own experiment; leave the other options out")


def _tensorboard(folder: Path) -> Any:
    """A logger; raises `InputError` where the extra is not installed."""
    try:
        from lightning_fabric.loggers import TensorBoardLogger

        return TensorBoardLogger(root_dir=folder / "tensorboard", name="", version="")
    except ModuleNotFoundError as error:
        raise InputError("--tensorboard needs the extra: pip install 'spacewise[track]'") from error
