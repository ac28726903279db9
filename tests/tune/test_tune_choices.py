"""Choices in braces: what is one, what it is called, what is refused."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from spacewise.errors import InputError
from spacewise.objective import parse_term
from spacewise.tune.choices import Choice, filled, found
from spacewise.tune.names import Text

FILE = """
# once {a|b} was here, and an open {
data:
  source: {name: folder, root: ../chips}
  split: {name: stratified, seed: {0|1}}
net:
  name: {aconvnet|resnet18}  # it's {x|y}
objective:
- crossentropy@classifier
- {m=0.1..10 log}*contrastive(dissimilar_margin={m})@{feature|classifier}
regime:
  rate: {1e-4..1e-2 log}
"""


def of(written: str, where: str = "loss") -> list[Choice]:
    return found([Text(where, written)])


@pytest.mark.parametrize(
    ("written", "names"),
    [
        (
            "{0.1..10 log}*contrastive(dissimilar_margin={0.5..2}, similar_margin={0|1})@{feature|classifier}",
            ["contrastive.weight", "contrastive.dissimilar_margin", "contrastive.similar_margin", "contrastive.space"],
        ),
        ("{contrastive|center}@feature", ["loss"]),
        ("{1|2}*{contrastive|center}(rate={1|2})@{x|y}", ["loss.weight", "loss", "loss.rate", "loss.space"]),
        ("0.5*loss(pair=(1, 2), more=[{1|2}, 3])@block3:{max|flatten}", ["loss.more", "loss.space"]),
        ("center@{f|g} of unlabelled", ["center.space"]),
        ("{w=1..2}*center@f + {w}*supcon@f", ["w"]),
        ("{1|2}*center@f + {1|2}*center@g", ["center.weight", "center.weight 2"]),
        ("center(rate={ 0.1 | 1 })@f", ["center.rate"]),
    ],
)
def test_a_choice_in_a_term_is_called_after_its_place(written: str, names: list[str]) -> None:
    assert [choice.name for choice in of(written)] == names


@pytest.mark.parametrize(
    ("where", "written", "name"),
    [
        ("set", "seed={0|1|2}", "seed"),
        ("set", "regime.rate={1e-4..1e-2 log}", "rate"),
        ("set", "net.encoder={name: aconvnet, padding: {same|valid}}", "net.encoder"),
        ("net", "{aconvnet|resnet18}", "net"),
        ("data", "sets/{uc|aid}", "data"),
    ],
)
def test_a_choice_in_a_flag(where: str, written: str, name: str) -> None:
    assert [choice.name for choice in of(written, where)] == [name]


def test_a_file_is_yaml_after_it_is_filled_and_comments_are_left_alone() -> None:
    texts = [Text("experiment.yaml", FILE, yaml=True)]
    choices = found(texts)
    assert [choice.name for choice in choices] == ["data.split.seed", "net", "m", "contrastive.space", "rate"]
    text = filled(texts, {choice.name: choice.samples[1] for choice in choices})[0]
    assert text.startswith("\n# once {a|b} was here, and an open {")
    values = yaml.safe_load(text)
    assert values["data"] == {
        "source": {"name": "folder", "root": "../chips"},
        "split": {"name": "stratified", "seed": 1},
    }
    assert values["net"]["name"] == "resnet18"
    assert values["objective"][1] == "0.5807*contrastive(dissimilar_margin=0.5807)@classifier"
    assert values["regime"]["rate"] == 0.0005807


@pytest.mark.parametrize(
    "written", ["crossentropy@classifier", "{name: aconvnet, root: ../a}", "{}", "{m}", "{a: b|c}"]
)
def test_other_braces_are_no_choice(written: str) -> None:
    assert of(written) == []
    assert filled([Text("set", written)], {}) == [written]


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("{2..1}", "from a smaller number to a larger one"),
        ("{1..1}", "from a smaller number to a larger one"),
        ("{0..inf}", "from a smaller number to a larger one"),
        ("{a..b}", "is no range of two numbers"),
        ("{..2}", "is no range of two numbers"),
        ("{1..}", "is no range of two numbers"),
        ("{0..1 log}", "no logarithm at 0"),
        ("{-1..1 log}", "no logarithm at -1"),
        ("{0.5..2 int}", "an end that is none"),
        ("{1..2 lgo}", "did you mean 'log'"),
        ("{a|}", "an empty option"),
        ("{a|a}", "or one twice"),
        ("{0.1|1*contrastive@feature", "a brace is left open"),
        ("0.1|1}*contrastive@feature", "a brace is left open"),
        ("{a|{b|c}}", "inside the braces of another"),
        ("{m=1|2}*center@f + {m=1|3}*supcon@f", "two choices are named 'm'"),
    ],
)
def test_what_is_no_choice_is_refused_in_one_line(written: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as refused:
        of(written)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_no_yaml_names_itself() -> None:
    with pytest.raises(InputError, match=r"e\.yaml is not valid YAML"):
        found([Text("e.yaml", "net: [{a|b}", yaml=True)])


finite = st.floats(-1e12, 1e12, allow_nan=False).filter(lambda value: value == 0 or abs(value) > 1e-12)


@given(st.tuples(finite, finite).filter(lambda ends: ends[0] < ends[1]), st.floats(0, 1))
def test_a_real_number_stays_in_its_range_and_is_one_in_yaml(ends: tuple[float, float], share: float) -> None:
    low, high = ends
    (choice,) = of(f"rate={{{low!r}..{high!r}}}", "set")
    assert (choice.low, choice.high) == ends
    value = yaml.safe_load(choice.text(min(max(low + share * (high - low), low), high)))
    assert isinstance(value, float)
    assert low <= value <= high


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.booleans())
def test_whole_numbers(low: int, more: int, log: bool) -> None:
    (choice,) = of(f"{{{low}..{low + more} int{' log' * log}}}", "epochs")
    assert choice.whole
    assert choice.log == log
    values = [int(sample) for sample in choice.samples]
    assert values == sorted(values)
    assert (values[0], values[-1]) == (low, low + more)


words = st.text(st.characters(codec="utf-8", exclude_characters="{}|\ue000", exclude_categories=("Co", "Cs", "Cc")))


@given(words, st.lists(words.map(str.strip).filter(bool), min_size=2, max_size=4, unique=True), words)
def test_options_come_back_in_any_text(before: str, options: list[str], after: str) -> None:
    written = f"{before}{{{'|'.join(options)}}}{after}"
    if any(f"{option} ".find(": ") >= 0 for option in options) or "=" in options[0]:
        return
    (choice,) = of(written)
    assert choice.options == tuple(options)
    assert filled([Text("loss", written)], {choice.name: options[-1]}) == [f"{before}{options[-1]}{after}"]


@given(st.floats(0.01, 100), st.floats(0, 4), st.sampled_from(["feature", "classifier"]))
def test_a_filled_term_is_a_term(weight: float, margin: float, space: str) -> None:
    texts = [Text("loss", "{0.01..100 log}*contrastive(dissimilar_margin={0..4})@{feature|classifier}")]
    choices = found(texts)
    values = {choice.name: choice.text(value) for choice, value in zip(choices, (weight, margin, space), strict=True)}
    term = parse_term(filled(texts, values)[0])
    assert math.isclose(term.weight, weight, rel_tol=1e-3)
    assert term.space == space


def test_samples_are_every_option_or_the_ends_and_a_number_that_is_not_round() -> None:
    choice = Choice("epochs", "{5..20}", low=5, high=20)
    assert choice.samples == ("5.0", "10.73", "20.0")
    assert replace(choice, whole=True).samples == ("5", "11", "20")
    assert replace(choice, low=1e-5, high=1e-3, log=True).samples == ("1.0e-05", "5.807e-05", "0.001")
    assert Choice("net", "{a|b}", ("a", "b")).samples == ("a", "b")
