"""An experiment in which choices are left open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from spacewise.errors import InputError
from spacewise.experiment import Experiment, changed
from spacewise.flags import Given, check_beside_file, described
from spacewise.tune.choices import Choice, filled, found
from spacewise.tune.names import Text

SEVERAL = ("loss", "changes")  # flags that may be given more than once
EXAMPLE = '--loss "{0.1|1}*contrastive@{feature|classifier}"'


@dataclass(frozen=True)
class Template:
    """Flags, and the text of the file that they name, as they were typed.

    Attributes:
        given: the flags.
        file: the text of the experiment's file; "" where there is none.
    """

    given: Given
    file: str = ""

    @cached_property
    def choices(self) -> list[Choice]:
        """What is left open. Raises `InputError` for what cannot be read, and where nothing is left open."""
        choices = found(self._texts())
        if not choices:
            raise InputError(f"nothing is left open: write choices in braces, such as {EXAMPLE}")
        return choices

    def experiment(self, values: Mapping[str, str]) -> Experiment:
        """The experiment with a value for every choice, by its name. Raises `InputError` for one that cannot be."""
        texts = filled(self._texts(), values)
        file = texts.pop(0) if self.file else ""
        said: dict[str, Any] = dict.fromkeys(SEVERAL, ())
        for name, text in zip([name for name, _ in _flags(self.given)], texts, strict=True):
            said[name] = (*said[name], text) if name in SEVERAL else text
        given = replace(self.given, **said)
        return _of_file(given, file) if self.file else described(given)

    def samples(self) -> list[dict[str, str]]:
        """Values that hold every option and every end of a range at least once, the others at their first."""
        first = {choice.name: choice.samples[0] for choice in self.choices}
        more = [first | {choice.name: sample} for choice in self.choices for sample in choice.samples[1:]]
        return [first, *more]

    def as_dict(self) -> dict[str, Any]:
        """Plain values that tell one template from another."""
        said = {key: list(value) if key in SEVERAL else value for key, value in asdict(self.given).items() if value}
        return said | ({"experiment": self.file} if self.file else {})

    def _texts(self) -> list[Text]:
        file = [Text(self.given.experiment, self.file, yaml=True)] if self.file else []
        shown = {"changes": "set"}
        return [*file, *(Text(shown.get(name, name), text) for name, text in _flags(self.given))]


def template(given: Given) -> Template:
    """Flags with the text of the file that they name.

    Raises:
        InputError: the file cannot be read, or flags beside it say what it says itself.
    """
    if not given.experiment:
        return Template(given)
    check_beside_file(given)
    path = Path(given.experiment)
    try:
        return Template(given, path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"experiment {path} does not exist") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not valid YAML: {error}") from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error


def _flags(given: Given) -> list[tuple[str, str]]:
    """Every flag that was given and its text, but for the file; one that was given twice stands twice."""
    pairs = []
    for field in fields(given):
        value = getattr(given, field.name)
        if field.name != "experiment" and value:
            pairs += [(field.name, text) for text in (value if field.name in SEVERAL else (value,))]
    return pairs


def _of_file(given: Given, text: str) -> Experiment:
    try:
        values = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:
        raise InputError(f"{given.experiment} is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise InputError(f"{given.experiment} is no experiment: expected the keys {', '.join(Experiment.model_fields)}")
    return Experiment(**changed(values, given.more))
