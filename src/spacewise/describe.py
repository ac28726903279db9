"""Things that remember how they were made, so that an experiment written in Python can be read from YAML."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

Made = TypeVar("Made")


def plain(value: Any) -> Any:
    """A value as YAML and JSON know it: paths as absolute text, tuples and sets as lists."""
    if isinstance(value, Path):
        return os.path.abspath(value.expanduser())
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return [plain(item) for item in sorted(value)]
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(item) for item in value]
    return value


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
                options[key] = plain(value)
        # frozen dataclasses and modules alike
        object.__setattr__(made, "description", {"name": name, **options})
        return made

    return make


def description(made: object) -> dict[str, Any]:
    """How something was made; `{"name": "custom"}` where nobody wrote it down."""
    return dict(getattr(made, "description", {"name": "custom"}))
