"""Choices written in braces inside an experiment.

{a|b|c}              one of these texts
{0.1..10}            a real number, ends included; {0.1..10 log}: drawn evenly in its logarithm
{1..8 int}           a whole number; {1..64 int log}
{m=0.5..2} … {m}     named: wherever {m} stands, the same value

Braces that hold none of these, as YAML's mappings do, stay as they are.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from spacewise.errors import InputError, unknown
from spacewise.tune.names import ANY, MOST, Text, mark, names

BRACES = re.compile(r"\{([^{}]*)\}")
NAMED = re.compile(r"\s*([A-Za-z_]\w*)\s*=([^=]*)")
NAME = re.compile(r"\s*([A-Za-z_]\w*)\s*")
RANGE = re.compile(r"\s*(\S+?)\s*\.\.\s*(\S*)((?:\s+\S+)*)\s*")
MAPPING = re.compile(r":(\s|$)")  # of YAML: {name: aconvnet}
DIGITS = 4  # of a real number: more would say nothing


@dataclass(frozen=True)
class Choice:
    """What is left open in one place.

    Attributes:
        name: the option that it stands in, `contrastive.weight`; unique among the choices of an experiment.
        written: as the user wrote it, with its braces.
        options: the texts to choose from; empty for a range.
        low, high: of a range, both included.
        log: whether a range is even in its logarithm.
        whole: whether a range is of whole numbers.
    """

    name: str
    written: str
    options: tuple[str, ...] = ()
    low: float = math.nan
    high: float = math.nan
    log: bool = False
    whole: bool = False

    @property
    def samples(self) -> tuple[str, ...]:
        """Every option; of a range the ends, and one number between them that is not round."""
        if self.options:
            return self.options
        ends = [math.log(end) if self.log else end for end in (self.low, self.high)]
        between = ends[0] + 0.381966 * (ends[1] - ends[0])
        return tuple(map(self.text, (self.low, math.exp(between) if self.log else between, self.high)))

    def text(self, value: float | str) -> str:
        """How a value is written into the experiment; real numbers with four digits, within the range."""
        if self.options:
            return str(value)
        if self.whole:
            return str(round(float(value)))
        written = repr(min(max(float(f"{float(value):.{DIGITS}g}"), self.low), self.high))
        # YAML takes 1e-05 for a text
        return written.replace("e", ".0e") if "e" in written and "." not in written else written


@dataclass(frozen=True)
class _Spot:
    """Braces in a text: whose place, from where to where, and which choice stands there."""

    text: int
    start: int
    end: int
    choice: Choice


def found(texts: Sequence[Text]) -> list[Choice]:
    """The choices in the texts of an experiment, in the order in which they stand.

    Raises:
        InputError: a range that is none (`{2..1}`, ends that are no numbers, log from zero or below), one option
            or the same twice, a choice in a choice, braces that do not close, two choices of one name.
    """
    return list(dict.fromkeys(spot.choice for spot in _spots(texts)))


def filled(texts: Sequence[Text], values: Mapping[str, str]) -> list[str]:
    """The texts with a value for every choice, by its name; errors as `found`."""
    result = [text.written for text in texts]
    for spot in reversed(_spots(texts)):
        whole = result[spot.text]
        result[spot.text] = whole[: spot.start] + values[spot.choice.name] + whole[spot.end :]
    return result


def _spots(texts: Sequence[Text]) -> list[_Spot]:
    """All braces that hold a choice, with names that tell them apart."""
    braces = [(number, match) for number, text in enumerate(texts) for match in BRACES.finditer(text.written)]
    named = _named([match for _, match in braces])
    spots = []
    for number, match in braces:
        repeated = NAME.fullmatch(match[1])
        choice = named.get(repeated[1]) if repeated else named.get(_own_name(match[1])) or _read("", match[0], match[1])
        if choice:
            spots.append(_Spot(number, *match.span(), choice))
    if len(spots) > MOST:
        raise InputError(f"an experiment holds {MOST:,} choices at most, and these are {len(spots):,}")
    return _placed(texts, spots)


def _named(matches: Sequence[re.Match[str]]) -> dict[str, Choice]:
    """Choices that have a name of their own."""
    result: dict[str, Choice] = {}
    for match in matches:
        name = _own_name(match[1])
        choice = _read(name, match[0], match[1].partition("=")[2]) if name else None
        if choice and name in result:
            raise InputError(f"two choices are named '{name}'; to repeat the first, write {{{name}}}")
        if choice:
            result[name] = choice
    return result


def _own_name(content: str) -> str:
    """`m` of `m=0.5..2`; nothing where there is none, or where every option has an equals sign."""
    match = NAMED.fullmatch(content)
    return match[1] if match and not MAPPING.search(content) else ""


def _read(name: str, written: str, content: str) -> Choice | None:
    """The choice that the braces hold; none where they hold something else."""
    if MAPPING.search(content):
        return None
    if "|" in content:
        options = tuple(option.strip() for option in content.split("|"))
        if "" in options or len(set(options)) < len(options):
            raise InputError(f"{written} has an empty option, or one twice; write each once, as in {{0.1|1|10}}")
        return Choice(name, written, options)
    return _range(name, written, content) if ".." in content else None


def _range(name: str, written: str, content: str) -> Choice:
    match = RANGE.fullmatch(content)
    words = match[3].split() if match else []
    for word in words:
        if word not in ("log", "int"):
            raise unknown(f"kind of the range {written}:", word, ["log", "int"])
    try:
        low, high = (float(end) for end in (match.groups()[:2] if match else ()))
    except ValueError:
        raise InputError(
            f"{written} is no range of two numbers; write it as {{0.1..10}}, or options as {{a|b}}"
        ) from None
    choice = Choice(name, written, low=low, high=high, log="log" in words, whole="int" in words)
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise InputError(f"{written} must go from a smaller number to a larger one, as {{0.1..10}}")
    if choice.log and low <= 0:
        raise InputError(f"{written} has no logarithm at {low:g}; let it begin above zero, or leave out log")
    if choice.whole and not (low.is_integer() and high.is_integer()):
        raise InputError(f"{written} is of whole numbers and has an end that is none")
    return choice


def _placed(texts: Sequence[Text], spots: Sequence[_Spot]) -> list[_Spot]:
    """Every choice with a name of its own, or one from where it stands, numbered where several stand in the like.

    Those that YAML does not see, in its comments, are dropped.
    """
    taken = Counter({spot.choice.name: 1 for spot in spots if spot.choice.name})
    result = []
    for number, text in enumerate(texts):
        inside = [spot for spot in spots if spot.text == number]
        for spot, name in zip(inside, names(replace(text, written=_marked(text.written, inside))), strict=True):
            if name and not spot.choice.name:
                taken[name] += 1
                numbered = name if taken[name] == 1 else f"{name} {taken[name]}"
                spot = replace(spot, choice=replace(spot.choice, name=numbered))
            result += [spot] if name else []
    return result


def _marked(written: str, spots: Sequence[_Spot]) -> str:
    """A text with one mark in place of each choice. Raises `InputError` for braces in braces."""
    for number, spot in reversed(list(enumerate(spots))):
        written = written[: spot.start] + mark(number) + written[spot.end :]
    for match in BRACES.finditer(written):
        if ANY.search(match[1]) and not MAPPING.search(match[1]):
            raise InputError("a choice stands inside the braces of another; write out what there is to choose from")
    return written
