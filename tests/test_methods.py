"""Methods for few labels by name, and the faults of a released code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from spacewise.errors import InputError
from spacewise.experiment import Experiment
from spacewise.methods import METHODS, PRESETS, named_method, preset
from spacewise.objective import Objective, parse_term
from spacewise.regime import SemiSupervised, settings_of

COMATCH = ("crossentropy@classifier", "consistency@classifier", "graph_contrast@embedding")


def values(name: str = "comatch") -> dict[str, Any]:
    method = METHODS[name]
    within = {"name": "stratified", "seed": 0}
    split = {"name": "few-label", "labels": "4/class", "within": within}
    return {
        "data": {"source": {"name": "folder", "root": "scenes"}, "split": split},
        "net": {"name": "projected", "encoder": {"name": "resnet18"}, "size": 60},
        "objective": list(method.objective),
        "regime": {"name": "semi-supervised", **method.regime},
    }


def flat(value: Any, path: str = "") -> dict[str, Any]:
    """Values by their dotted path."""
    if not isinstance(value, Mapping):
        return {path: value}
    return {
        key: each for name, inner in value.items() for key, each in flat(inner, f"{path}.{name}".strip(".")).items()
    }


@pytest.mark.parametrize("name", METHODS)
def test_a_method_is_an_objective_and_settings(name: str) -> None:
    method = METHODS[name]
    goal = Objective(*method.objective)
    assert goal.texts() == list(method.objective)  # in the way that an experiment writes them
    settings = settings_of(SemiSupervised, method.regime)
    assert any(term.unlabelled for term in goal.terms) == (settings.mu > 0)
    assert not goal.terms[0].unlabelled
    experiment = Experiment(**values(name))
    assert experiment.objective == list(method.objective)
    assert method.title not in [other.title for key, other in METHODS.items() if key != name]


@pytest.mark.parametrize(
    ("name", "more", "regime"),
    [
        ("comatch", (), {"mu": 7, "threshold": 0.95, "alignment": 32, "memory": 5}),
        ("comatch+ccssl-in", ("class_aware_contrast@embedding",), {"mu": 5, "threshold": 0.95}),
        ("comatch+ccssl-out", ("2*class_aware_contrast(push=0.9)@embedding",), {"mu": 7, "threshold": 0.6}),
    ],
)
def test_what_is_added_to_comatch(name: str, more: tuple[str, ...], regime: dict[str, Any]) -> None:
    method = METHODS[name]
    assert Objective(*method.objective).texts() == Objective(*COMATCH, *more).texts()
    assert regime.items() <= settings_of(SemiSupervised, method.regime).model_dump().items()


def test_fixmatch_has_hard_pseudo_labels_as_they_come() -> None:
    method = METHODS["fixmatch"]
    assert list(method.objective) == ["crossentropy@classifier", "consistency(hard=True)@classifier"]
    settings = settings_of(SemiSupervised, method.regime)
    assert (settings.mu, settings.alignment, settings.memory) == (7, 0, 0)


def test_the_triplets_are_cosine_triplets_of_margin_a_fifth() -> None:
    """Half of max(0, d_ap^2 - d_an^2 + 0.4) of unit vectors is max(0, cos_an - cos_ap + 0.2)."""
    *others, triplet = METHODS["comatch+triplet"].objective
    term = parse_term(triplet)
    assert tuple(others) == COMATCH
    assert (term.samples, term.space) == ("unlabelled", "embedding")
    generator = torch.Generator().manual_seed(0)
    vectors = torch.nn.functional.normalize(torch.randn(18, 3, generator=generator, dtype=torch.float64), dim=1)
    labels = torch.arange(18) % 4
    assert float(term.weight * term.loss(vectors, labels)) == pytest.approx(semihard(vectors @ vectors.T, labels))


def semihard(cosines: Tensor, labels: Tensor, margin: float = 0.2) -> float:
    """Mean of max(0, cos_an - cos_ap + margin) over the triplets of 0 < cos_ap - cos_an <= margin where it is not 0."""
    found = []
    size = range(len(labels))
    for a, p, n in [(a, p, n) for a in size for p in size for n in size if a != p]:
        ahead = float(cosines[a, p] - cosines[a, n])
        if labels[a] == labels[p] and labels[a] != labels[n] and 0 < ahead < margin:
            found.append(margin - ahead)
    return sum(found) / len(found)


def test_the_presets_differ_in_the_faults_and_nothing_else() -> None:
    corrected, released = (
        flat(Experiment(**preset(values(), name)).model_dump()) for name in ("corrected", "as-released")
    )
    assert corrected == flat(Experiment(**values()).model_dump())
    missing = {"data.split.labels": "all", "data.split.transductive": False}  # defaults go unsaid
    differing = {
        key: (corrected.get(key, missing.get(key)), released.get(key, missing.get(key)))
        for key in {*corrected, *released}
        if corrected.get(key) != released.get(key)
    }
    assert differing == {
        "data.split.labels": ("4/class", "all"),
        "data.split.transductive": (False, True),
        "regime.choose": ("validation", "test"),
        "regime.statistics": ("estimated", "copied"),
        "regime.normalise": (True, False),
    }


@pytest.mark.parametrize(
    ("method", "left_out"),
    [("fixmatch", {"regime.normalise"}), ("supervised", {"regime.normalise", "data.split.transductive"})],
)
def test_a_fault_of_what_a_method_does_not_have_is_left_out(method: str, left_out: set[str]) -> None:
    chosen = METHODS[method]
    given = {**values(), "objective": list(chosen.objective), "regime": {"name": "semi-supervised", **chosen.regime}}
    one, other = (flat(Experiment(**preset(given, name)).model_dump()) for name in ("corrected", "as-released"))
    differing = {key for key in {*one, *other} if one.get(key) != other.get(key)}
    faults = {change.partition("=")[0] for change in PRESETS["as-released"]}
    assert differing == faults - left_out


def test_every_fault_is_said_in_one_line() -> None:
    assert {change.partition("=")[0] for change in PRESETS["as-released"]} == {
        "data.split.labels",
        "data.split.transductive",
        "regime.choose",
        "regime.statistics",
        "regime.normalise",
    }
    assert all(says and "\n" not in says for faults in PRESETS.values() for says in faults.values())


def test_a_preset_leaves_the_values_as_they_were() -> None:
    before = values()
    preset(before, "as-released")
    assert before == values()


def test_an_unknown_name_is_one_line() -> None:
    with pytest.raises(InputError, match=r"unknown method 'comatch\+tripplet': did you mean 'comatch\+triplet'\?"):
        named_method("comatch+tripplet")
    with pytest.raises(InputError, match=r"unknown preset 'released': did you mean 'as-released'\?"):
        preset(values(), "released")
