"""The options that describe an experiment, in the words of every command that takes them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

File = Annotated[Path | None, typer.Argument(help="An experiment as YAML.", show_default=False)]
Data = Annotated[str, typer.Option(help="Folder of images (one named unlabelled is learnt from), or 'simulated'.")]
Source = Annotated[str, typer.Option(help="Format of the folder; recognised where it is not given.")]
Target = Annotated[str, typer.Option(help="Transfer: images of another sensor, with few labels.")]
Labels = Annotated[
    str, typer.Option(help="How many images keep their label: 32, 4/class or all (a transfer's default).")
]
Method = Annotated[
    str,
    typer.Option(
        help="Few labels: supervised, fixmatch, comatch, comatch+ccssl-in, comatch+ccssl-out or comatch+triplet."
    ),
]
Preset = Annotated[str, typer.Option(help="Few labels: corrected (default), or as-released, with its faults.")]
Net = Annotated[str, typer.Option(help="aconvnet (default), resnet18 (a method's default), wrn28-2 …")]
Loss = Annotated[list[str] | None, typer.Option(help="weight*loss(option=value)@space; adds up, also to a method.")]
Split = Annotated[str, typer.Option(help="How samples are divided; the source's own by default.")]
Changes = Annotated[list[str] | None, typer.Option("--set", help="key=value, such as shift=10.")]

SIZE = "Image side in pixels; the network's own by default, 32 in a transfer, 60 with a method."
EPOCHS = "Passes over the samples; with a method or target, of `steps` steps."
SEED = "Of weights, batches, views, and of which labels a budget keeps."
