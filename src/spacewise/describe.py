"""Things that remember how they were made, so that an experiment written in Python can be read from YAML."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import numpy as np
from pydantic import TypeAdapter, ValidationError

from spacewise.errors import InputError, unknown

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


GIVEN_BY_THE_DATA = ("source", "classes", "bands", "source_bands")


def _option(parameter: inspect.Parameter) -> bool:
    """Whether an experiment says it; a source's choice of classes has a default, a network's number of them none."""
    chosen = parameter.name == "classes" and parameter.default is not inspect.Parameter.empty
    return chosen or parameter.name not in GIVEN_BY_THE_DATA


def described(function: Callable[..., Made]) -> Callable[..., Made]:
    """The result gets `description`: the function's name and the options that differ from the defaults."""
    signature = inspect.signature(function)
    name = function.__name__.replace("_", "-")

    @functools.wraps(function)
    def make(*args: Any, **kwargs: Any) -> Made:
        made = function(*args, **kwargs)
        options: dict[str, Any] = {}
        for key, value in signature.bind(*args, **kwargs).arguments.items():
            if _option(signature.parameters[key]) and value != signature.parameters[key].default:
                options[key] = plain(value)
        # frozen dataclasses and modules alike
        object.__setattr__(made, "description", {"name": name, **options})
        return made

    return make


def description(made: object) -> dict[str, Any]:
    """How something was made; `{"name": "custom"}` where nobody wrote it down."""
    return dict(getattr(made, "description", {"name": "custom"}))


def make_named(
    kind: str, table: Mapping[str, Callable[..., Made]], name: str, options: Mapping[str, Any], *args: Any, **given: Any
) -> Made:
    """Calls what the name stands for in its table; unknown options are met here, with the nearest that there is.

    Args:
        kind: what the table holds, for the error line: `net`.
        options: as they were written; each is checked against the function's type hints.
        args, given: what follows from the data, and is no option.

    Raises:
        InputError: an unknown name or option, or a value of the wrong type.
    """
    if name == "custom":
        raise InputError(f"the {kind} of this experiment was made in Python; it cannot be made again by name")
    if name not in table:
        raise unknown(kind, name, table)
    function = table[name]
    known = [p for p in inspect.signature(function).parameters if p != "source" and p not in given]
    for option in options:
        if option in given:
            raise InputError(f"option {option} of {kind} {name} follows from the data; leave it out")
        if option not in known:
            raise unknown(f"option of {kind} {name}", option, known)
    hints = get_type_hints(function)
    checked = {key: _checked(f"option {key} of {kind} {name}", hints[key], value) for key, value in options.items()}
    try:
        return function(*args, **given, **checked)
    except TypeError as error:
        raise InputError(f"{kind} {name}: {error}") from error


def _checked(what: str, hint: Any, value: Any) -> Any:
    """A value as its type hint asks for it, or an `InputError` that says what is wrong with it."""
    try:
        return TypeAdapter(hint).validate_python(value)
    except ValidationError as error:
        said = dict.fromkeys(each["msg"][0].lower() + each["msg"][1:] for each in error.errors())
        raise InputError(f"{what}: {' or '.join(said)}, not {value!r}") from None
