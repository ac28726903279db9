"""What all commands share: the app, and how a command says what it made."""

from __future__ import annotations

import json
import math
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
    from spacewise.progress import console

    if console.quiet:
        return
    if as_json:
        print(json.dumps(_known(result), default=str, allow_nan=False))
        return
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True)


def _known(value: Any) -> Any:
    """The same with null for NaN and infinities, which JSON has no words for."""
    if isinstance(value, dict):
        return {key: _known(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_known(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def out_folder(out: Path | None, example: str = "runs/first") -> Path:
    """What `--out` names; raises `InputError` where it is not given."""
    if out is None:
        raise InputError(f"--out is missing: where shall it go? such as --out {example}")
    return out
