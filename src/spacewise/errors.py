"""The one exception a user is meant to read: what, where, what was expected, the nearest right value."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

LISTED = 25  # names that an error line lists


class InputError(ValueError):
    """Something that the user gave is wrong. One line; the command line prints it and exits with 2."""


def suggest(name: str, options: Iterable[str]) -> str:
    """`"did you mean 'aconvnet'? (there are: aconvnet, spp)"`, for the end of an error line."""
    known = [str(option) for option in options]
    folded = {option.lower(): option for option in reversed(known)}
    near = difflib.get_close_matches(str(name).lower(), folded, n=1, cutoff=0.5)
    more = f" … {len(known)} in all" if len(known) > LISTED else ""
    listing = f"(there are: {', '.join(known[:LISTED])}{more})" if known else "(there are none)"
    return f"did you mean '{folded[near[0]]}'? {listing}" if near else listing


def unknown(kind: str, name: str, options: Iterable[str]) -> InputError:
    """The error for a name that is in no table: `unknown loss 'contrastiv': did you mean …`."""
    return InputError(f"unknown {kind} '{name}': {suggest(name, options)}")
