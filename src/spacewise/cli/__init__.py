"""The command line: arguments in, calls out."""

from __future__ import annotations

import sys

import typer

from spacewise.cli.app import app
from spacewise.errors import InputError

# each registers its commands, in the order of the help
# isort: off
from spacewise.cli import train  # noqa: F401
from spacewise.cli import audit, compare  # noqa: F401
from spacewise.cli import archive  # noqa: F401
from spacewise.cli import search  # noqa: F401
from spacewise.cli import tune  # noqa: F401
from spacewise.cli import recipes, check  # noqa: F401

# isort: on

__all__ = ["main"]


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
        print(
            "interrupted; the state is saved. A training goes on with: spacewise train --resume RUN; "
            "other commands, called once more, go on where they were",
            file=sys.stderr,
        )
    sys.exit(code if isinstance(code, int) else 0)


def _refuse(message: str) -> int:
    print(f"spacewise: {' '.join(message.split())}", file=sys.stderr)
    return 2
