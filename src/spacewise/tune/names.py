"""What a choice is called: after the option that it stands in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import yaml

from spacewise.errors import InputError

# in place of each choice stands one character that no text has: to YAML a word like others
MOST = 0xF8FF - 0xE000 + 1
ANY = re.compile("[\ue000-\uf8ff]")

WEIGHT = re.compile(r"\s*\*\s*(\w+)?")  # behind the mark: *contrastive
SPACE = re.compile(r"(?:(\w+)\s*|[\ue000-\uf8ff]\s*|^)(?:\(.*\))?\s*@\s*[\w:.]*")  # before it: contrastive(…)@
OPTION = re.compile(r".*?(?:\b([A-Za-z_]\w*)|[\ue000-\uf8ff])\s*\((?:.*[\s,(])?(\w+)\s*=[^=()]*", re.DOTALL)
CHANGE = re.compile(r"\s*([\w.]+)\s*=[^=]*")  # before it: net.size=


@dataclass(frozen=True)
class Text:
    """A text that describes an experiment, or a part of one.

    Attributes:
        where: the flag that says it, `loss`; of a file, its name.
        written: the text.
        yaml: whether it is a whole experiment as YAML.
    """

    where: str
    written: str
    yaml: bool = False


def mark(number: int) -> str:
    """What stands in place of choice `number` of a text."""
    return chr(0xE000 + number)


def names(text: Text) -> list[str]:
    """The name of every choice that is marked in a text, in order; "" for one that YAML does not see.

    Raises:
        InputError: braces that do not close; a file that is no YAML.
    """
    number = len(ANY.findall(text.written))
    parts = list(_leaves(_parsed(text), ())) if text.yaml else [(text.where, text.written)]
    result = [""] * number
    for where, written in parts:
        _check_closed(where, written)
        for match in ANY.finditer(written):
            name = _name(where, written[: match.start()], written[match.end() :])
            result[ord(match[0]) - 0xE000] = name
    return result


def _parsed(text: Text) -> object:
    try:
        return yaml.safe_load(text.written)
    except (yaml.YAMLError, ValueError) as error:
        said = ANY.sub("{…}", " ".join(str(error).split()))
        raise InputError(f"{text.where} is not valid YAML: {said}") from error


def _leaves(value: object, path: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Texts and keys of YAML with the path to each, as `net.size`; a regime's settings go by their own names."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield _dotted(path), str(key)
            yield from _leaves(inner, [*path, str(key)])
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, path)
    elif isinstance(value, str):
        yield _dotted(path), value


def _dotted(path: Sequence[str]) -> str:
    short = [key for key in path if key != "regime"] or list(path)
    return ".".join(short[:-1] if len(short) > 1 and short[-1] == "name" else short)


def _check_closed(where: str, written: str) -> None:
    depth = 0
    for character in written:
        depth += {"{": 1, "}": -1}.get(character, 0)
        if depth < 0:
            break
    if depth:
        shown = ANY.sub("{…}", written)
        raise InputError(f"{where}: a brace is left open in '{shown}'; choices are written {{a|b|c}} or {{0.1..10}}")


def _name(where: str, before: str, after: str) -> str:
    """A term's weight, option, loss or space; the key of a change; or where the text stands."""
    if match := WEIGHT.match(after):
        return f"{match[1] or 'loss'}.weight"
    if match := OPTION.fullmatch(before):
        return f"{match[1] or 'loss'}.{match[2]}"
    if match := _last(SPACE, before):
        return f"{match[1] or 'loss'}.space"
    if re.match(r"\s*(\(.*\))?\s*@", after):
        return "loss"
    if match := CHANGE.fullmatch(before):
        return match[1].removeprefix("regime.")
    return where


def _last(pattern: re.Pattern[str], before: str) -> re.Match[str] | None:
    """The match that ends where the text does."""
    return next((match for match in pattern.finditer(before) if match.end() == len(before)), None)
