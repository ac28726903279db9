"""What all commands share: the app, and how a command says what it made."""

from __future__ import annotations

import json
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


def done(result: dict[str, Any], as_json: bool, *lines: str) -> None:
    """The last words of a command: JSON for a program, or lines for a person; of several processes one speaks."""
    from spacewise import files
    from spacewise.progress import console

    if console.quiet:
        return
    if as_json:
        print(json.dumps(files.finite(result), default=str, allow_nan=False))
        return
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True)


def out_folder(out: Path | None, example: str = "runs/first") -> Path:
    """What `--out` names; raises `InputError` where it is not given."""
    if out is None:
        raise InputError(f"--out is missing: where shall it go? such as --out {example}")
    return out
