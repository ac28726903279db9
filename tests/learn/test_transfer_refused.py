"""What a transfer refuses, in one line, before anything is written."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.learn.two_domains import (
    CONDITIONAL,
    ENTROPY,
    FIRST,
    SLICED,
    built,
    described_in_yaml,
    in_table,
    optical,
    radar,
    transferred,
    write_domains,
)
from torch import nn

from spacewise import nets, splits
from spacewise.errors import InputError
from spacewise.experiment import Experiment
from spacewise.learn import start, supervised
from spacewise.nets.branch import Branch
from spacewise.nets.preprocess import Preprocess
from spacewise.nets.y_shaped import YShaped
from spacewise.objective import Objective
from spacewise.sources import folder
from spacewise.splits import Part

SECOND = "the second step of a batch moves nothing: all that leads to embedding is frozen"
WITHIN = {"name": "stratified", "test": 0.25, "validation": 0.0}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with in_table():
        yield write_domains(tmp_path_factory.mktemp("domains"))


@pytest.fixture
def refused(root: Path, tmp_path: Path) -> Callable[..., str]:
    """What a transfer says that is not to begin."""

    def complaint(*terms: str, **options: Any) -> str:
        out = tmp_path / "out"
        with pytest.raises(InputError) as caught:
            transferred(root, out / "run", *terms, **options)
        assert not out.exists()
        assert "\n" not in str(caught.value)
        return str(caught.value)

    return complaint


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"step": 3}, "unknown key 'step': did you mean 'steps'?"),
        ({"pretraining": {"epoch": 3}}, "unknown key 'pretraining.epoch': did you mean 'epochs'?"),
        ({"pretraining": {"objectiv": []}}, "unknown key 'pretraining.objectiv': did you mean 'objective'?"),
        ({"pretraining": {"batch": 1}}, "pretraining.batch: input should be greater than or equal to 2, not 1"),
        ({"freeze": ["heads"]}, "freeze.0: input should be 'source', 'target', 'embedding' or 'head', not 'heads'"),
        ({"target_batch": 0}, "target_batch: input should be greater than or equal to 1, not 0"),
        ({"keep": [3]}, "keep names epoch 3, the training has epochs 0 (its start) to 2"),
        ({"shift": 16}, "shift must be 0 to 15 pixels for 16 x 16, not 16"),
        ({"shift": 12}, "shift must be 0 to 11 pixels for 12 x 12, not 12"),
        ({"freeze": ["source", "target", "embedding", "head"]}, "freeze holds every part of the network"),
        ({"alternate": [ENTROPY]}, f"'{ENTROPY}' stands in the objective and in alternate"),
        ({"alternate": [SLICED], "batch": 0}, "an alignment compares the target with the source, and batch=0 takes no"),
        ({"alternate": ["sliced_wasserstein@embeding"]}, "unknown space 'embeding': did you mean 'embedding'?"),
        ({"alternate": ["sliced_wassertein@embedding"]}, "unknown loss 'sliced_wassertein': did you mean"),
    ],
)  # fmt: skip
def test_settings_and_terms(refused: Callable[..., str], options: dict[str, Any], message: str) -> None:
    assert message in refused(**options)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ("maps:flatten", "space 'maps:flatten' has 50 dimensions in the source's branch and 32 in the target's; place"),
        ("target", "unknown space of the source's branch 'target': (there are: source, maps, last, embedding,"),
    ],
)
def test_spaces_that_the_branches_do_not_share(refused: Callable[..., str], space: str, message: str) -> None:
    """Encoders that were made in Python can have different ones."""

    def encoder(name: str, bands: int, size: int, pooled: int) -> nets.Chain:
        layers = nn.Sequential(nn.Conv2d(bands, 2, 3), nn.AdaptiveAvgPool2d(pooled), nn.AdaptiveMaxPool2d(3))
        return nets.wrap(layers, {name: "0", "maps": "1", "last": "2"}, bands, size)

    source = Branch(encoder("source", 3, 12, 5), Preprocess(3), nn.Linear(2, 5), nn.Linear(5, 3))
    assert message in refused(net=YShaped(source, encoder("target", 1, 16, 4)), alternate=[f"coral@{space}"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"freeze": ["target", "embedding", "head"], "batch": 0}, "the first step of a batch moves nothing"),
        ({"freeze": ["source", "target", "embedding"], "alternate": [SLICED]}, SECOND),
        ({"freeze": ["source"], "freeze_alternate": ["target", "embedding"], "alternate": [SLICED]}, SECOND),
        ({"freeze_alternate": ["head"]}, "freeze_alternate holds parts in a second step, and alternate names no term"),
    ],
)  # fmt: skip
def test_steps_that_would_move_nothing(refused: Callable[..., str], options: dict[str, Any], message: str) -> None:
    assert message in refused(**options)


@pytest.mark.parametrize(
    ("pretraining", "message"),
    [
        ({"objective": ["crossentropy@classifer"]}, "unknown space 'classifer': did you mean 'classifier'?"),
        ({"objective": ["crossentropi@classifier"]}, "unknown loss 'crossentropi': did you mean 'crossentropy'?"),
        ({"objective": [SLICED]}, f"'{SLICED}' compares two domains: give a target, as the regime transfer does"),
        ({"objective": []}, "an objective needs at least one term"),
        ({"keep": [9]}, "keep names epoch 9, the training has epochs 0 (its start) to 2"),
        ({"views": 2}, "views=2 needs a shift, flip or crop"),
        ({"shift": 12}, "shift must be 0 to 11 pixels for 12 x 12, not 12"),
        ({"per_class": 4}, "per_class must be 2 or more and divide the batch of 6, not 4"),
    ],
)
def test_a_pretraining_that_cannot_be(refused: Callable[..., str], pretraining: dict[str, Any], message: str) -> None:
    assert message in refused(pretraining=FIRST | pretraining)


def test_the_batches_of_both_domains_suit_the_losses(refused: Callable[..., str]) -> None:
    pairs = "contrastive(pairs='siamese')@embedding"
    assert "needs an even batch, not 3 samples" in refused(ENTROPY, pairs, batch=6, target_batch=3)
    assert "needs an even batch, not 5 samples" in refused(ENTROPY, pairs, batch=5, target_batch=4)


def test_the_pretraining_of_another_experiment(
    refused: Callable[..., str], root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = tmp_path / "given"
    supervised(built().branch("source"), Objective(ENTROPY), optical(root), out=given, **FIRST)
    said = "is not the finished pretraining that this transfer asks for"
    for options in ({"epochs": 3}, {"rate": 0.1}, {"objective": [ENTROPY, "center@embedding"]}):
        assert said in refused(pretrained=given, pretraining=FIRST | options)
    assert said in refused(pretrained=given, pretraining=FIRST, seed=1)
    assert said in refused(pretrained=given, pretraining=FIRST, net=built(dimension=4))
    assert "is no run: it does not exist" in refused(pretrained=tmp_path / "none", pretraining=FIRST)
    assert "pretrained is given, and the settings ask for no pretraining" in refused(pretrained=given)
    facts = given / "run.json"
    facts.write_text(facts.read_text().replace('"finished"', '"training"'))
    assert said in refused(pretrained=given, pretraining=FIRST)


# Data


def test_a_class_that_the_source_lacks(refused: Callable[..., str], root: Path, tmp_path: Path) -> None:
    shutil.copytree(root / "radar", tmp_path / "more" / "radar")
    (tmp_path / "more" / "radar" / "wood").rename(tmp_path / "more" / "radar" / "woods")
    said = refused(target=radar(tmp_path / "more"))
    assert "unknown class of" in said
    assert "'woods': did you mean 'wood'? (there are: field, port, wood)" in said


def test_a_class_without_a_label_and_no_source(refused: Callable[..., str], root: Path) -> None:
    target = radar(root, labels=2)
    missing = (set(target.classes) - set(target.train.facts["label"])).pop()
    said = refused(batch=0, target=target)
    assert said.startswith(f"the target's labels hold no '{missing}', and there is no source to learn it from: take 3")


@pytest.mark.parametrize("options", [{}, {"batch": 0}, {"pretraining": FIRST}, {"alternate": [CONDITIONAL]}])
def test_no_labelled_target(refused: Callable[..., str], root: Path, options: dict[str, Any]) -> None:
    target = radar(root)
    rows = np.union1d(target.train.rows, target.unlabelled.rows)
    nothing = Part(target.source, rows[:0], target.classes)
    bare = replace(target, train=nothing, unlabelled=Part(target.source, rows, target.classes))
    expected = "the stream of labelled target samples is empty"
    assert (expected if options.get("batch", 1) else "the target has no labelled training sample") in refused(
        target=bare, **options
    )


def test_bands_that_fit_no_branch(refused: Callable[..., str], root: Path) -> None:
    said = "the images have 3 bands, the network takes 1; build it with source_bands=3"
    assert said in refused(net=built(source_bands=1))
    with torch.random.fork_rng():
        net = nets.y_shaped(3, 2, 16, encoder="tiny", source_bands=3, source_size=12)
    assert "the images have 1 bands, the network takes 2; build it with bands=1" in refused(net=net)
    swapped = splits.few_label(folder(root / "optical"), labels=6, within=WITHIN)
    assert "build it with" in refused(source=optical(root), target=swapped)


def test_a_network_of_too_few_classes(refused: Callable[..., str]) -> None:
    net = nets.y_shaped(2, 1, 16, encoder="tiny", source_bands=3, source_size=12)
    assert "the split has 3 classes, the network tells 2 apart" in refused(net=net)


# Experiments


def not_started(root: Path, out: Path, **changes: Any) -> str:
    with pytest.raises(InputError) as caught:
        start(Experiment(**(described_in_yaml(root) | changes)), out)
    assert not out.exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("net", [{"name": "resnet20", "size": 16}, {"name": "branch", "encoder": "tiny", "size": 16}])
def test_a_network_of_one_branch(root: Path, tmp_path: Path, net: dict[str, Any]) -> None:
    said = not_started(root, tmp_path / "run", net=net)
    assert said == f"the regime transfer needs a network of two branches, y-shaped, not {net['name']}"


def test_a_regime_and_domains_that_do_not_go_together(root: Path, tmp_path: Path) -> None:
    values = described_in_yaml(root)
    out = tmp_path / "run"
    assert "key 'target' is missing" in not_started(root, out, target=None)
    supervised_regime = {"name": "supervised", "epochs": 1}
    assert "key 'target' is for the regime transfer" in not_started(root, out, regime=supervised_regime)
    one = {"target": None, "regime": supervised_regime | {"batch": 6}, "objective": [ENTROPY, SLICED]}
    said = not_started(root, out, **one, net={"name": "branch", "encoder": "tiny", "size": 12})
    assert said == f"'{SLICED}' compares two domains: give a target, as the regime transfer does"
    swapped = values | {"data": values["target"], "target": values["data"]}
    woods = {"source": {"name": "folder", "root": str(root / "radar" / "none")}, "split": WITHIN}
    assert "none" in not_started(root, out, target=woods)
    assert Experiment(**swapped).target is not None
