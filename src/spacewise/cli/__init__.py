"""The command line: arguments in, calls out."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from spacewise.cli.app import app
from spacewise.errors import InputError

# each registers its commands, in the order of the help
# isort: off
from spacewise.cli import train  # noqa: F401
from spacewise.cli import audit, view, compare  # noqa: F401
from spacewise.cli import archive  # noqa: F401
from spacewise.cli import search  # noqa: F401
from spacewise.cli import tune  # noqa: F401
from spacewise.cli import recipes, check  # noqa: F401

# isort: on

__all__ = ["main"]


def main() -> None:
    """Runs the command line. Exit codes: 0 done, 1 problems found by `check`, 2 bad input, 130 interrupted."""
    try:
        with terminable():
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
        print(
            "interrupted; what is done is saved; the same command goes on (a training: spacewise train --resume RUN)",
            file=sys.stderr,
        )
    sys.exit(code if isinstance(code, int) else 0)


@contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM is met as Ctrl-C is: what runs elsewhere is told, and what can be saved is."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # not the main thread: whoever runs this decides
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _refuse(message: str) -> int:
    print(f"spacewise: {' '.join(message.split())}", file=sys.stderr)
    return 2
