"""Things that remember how they were made, so that an experiment written in Python can be read from YAML."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

Made = TypeVar("Made")

GIVEN_BY_THE_DATA = ("source", "classes", "bands")


def described(function: Callable[..., Made]) -> Callable[..., Made]:
    """The result gets `description`: the function's name and the options that differ from the defaults."""
    signature = inspect.signature(function)
    name = function.__name__.replace("_", "-")

    @functools.wraps(function)
    def make(*args: Any, **kwargs: Any) -> Made:
        made = function(*args, **kwargs)
        options: dict[str, Any] = {}
        for key, value in signature.bind(*args, **kwargs).arguments.items():
            if key not in GIVEN_BY_THE_DATA and value != signature.parameters[key].default:
                options[key] = str(value) if isinstance(value, Path) else value
        # frozen dataclasses and modules alike
        object.__setattr__(made, "description", {"name": name, **options})
        return made

    return make


def description(made: object) -> dict[str, Any]:
    """How something was made; `{"name": "custom"}` where nobody wrote it down."""
    return dict(getattr(made, "description", {"name": "custom"}))
