"""A transfer from command-line flags: which images, which labels, which network, which alignment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.learn.two_domains import write_domains
from tests.sources.so2sat_files import write_version_2

from spacewise.errors import InputError
from spacewise.experiment import Experiment
from spacewise.flags import transfer_from_flags

pytestmark = pytest.mark.usefixtures("no_png")

ENTROPY = "crossentropy@classifier"
BOTH = ["sliced_wasserstein@embedding", "conditional_sliced_wasserstein@embedding"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_domains(tmp_path_factory.mktemp("domains"))


def made(data: object, target: object, **flags: Any) -> Experiment:
    given: dict[str, Any] = {"labels": "all", "source": "", "net": "aconvnet", "losses": [ENTROPY], "split": ""}
    return transfer_from_flags(str(data), str(target), **(given | {"size": None, "seed": 0} | flags))


def between(root: Path, **flags: Any) -> Experiment:
    return made(root / "optical", root / "radar", **flags)


# Which images test, which keep their labels


def test_the_seed_draws_the_labels_and_not_the_test_images(root: Path) -> None:
    experiments = [between(root, labels="6", seed=seed) for seed in (0, 7)]
    assert [each.seed for each in experiments] == [0, 7]
    assert [each.target.split.options.get("seed", 0) for each in experiments] == [0, 7]
    assert {each.target.split.options["within"]["seed"] for each in experiments} == {0}
    (first, source), (second, again) = (each.splits() for each in experiments)
    assert set(first.test.rows) == set(second.test.rows)
    assert set(first.train.rows) != set(second.train.rows)
    assert source.digest() == again.digest()
    assert (len(first.train), len(first.validation)) == (6, 0)


def test_a_split_of_ones_own_is_that_of_both_domains(root: Path) -> None:
    experiment = between(root, labels="6", split="kfold", seed=1)
    assert experiment.data.split.name == "kfold"
    assert experiment.target.split.options["within"] == {"name": "kfold", "seed": 0}
    split, source = experiment.splits()
    assert len(split.train) == 6
    assert len(source.train)


def test_every_label_is_the_default(root: Path) -> None:
    split, _ = between(root).splits()
    assert len(split.train)
    assert not len(split.unlabelled)


@pytest.mark.parametrize("labels", ["²", "many", "", "-3", "6.5", "1", "1000"])
def test_a_budget_that_is_none_is_one_line(root: Path, labels: str) -> None:
    with pytest.raises(InputError) as caught:
        between(root, labels=labels).splits()
    assert "labels" in str(caught.value)
    assert "\n" not in str(caught.value)


# One set for both domains


def test_the_simulation_twice_is_its_two_views() -> None:
    experiment = made("simulated-zones", "simulated-zones", labels="32")
    split, source = experiment.splits()
    assert [each.source.read(0).shape for each in (source, split)] == [(3, 32, 32), (2, 32, 32)]
    views = [domain.source.options.get("view", "radar") for domain in (experiment.data, experiment.target)]
    assert views == ["optical", "radar"]
    assert split.test.facts["id"].tolist() == source.test.facts["id"].tolist()


def test_one_folder_of_so2sat_twice_is_its_two_sensors(tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    root = write_version_2(tmp_path / "so2sat")
    experiment = made(root, root)
    sensors = [domain.source.options.get("sensor", "optical") for domain in (experiment.data, experiment.target)]
    assert sensors == ["optical", "radar"]
    assert {domain.source.options["root"] for domain in (experiment.data, experiment.target)} == {str(root)}
    swapped = experiment.model_copy(update={"data": experiment.target})
    assert [each.source().read(0).shape[0] for each in (experiment, swapped)] == [3, 2]


def test_the_same_pictures_twice_are_refused(root: Path) -> None:
    with pytest.raises(InputError) as caught:
        made(root / "radar", root / "radar")
    assert str(caught.value) == (
        f"--data and --target name the same images ({root / 'radar'}): a transfer goes from one set to another"
    )


# Losses and network


@pytest.mark.parametrize(
    ("losses", "alternate"),
    [
        ([ENTROPY], BOTH),
        ([ENTROPY, "0.5*supcon@embedding"], BOTH),
        ([ENTROPY, "0.1*coral@embedding"], []),
        (["sliced_wasserstein@embedding", ENTROPY], []),
    ],
)
def test_it_aligns_in_turn_unless_a_loss_does(root: Path, losses: list[str], alternate: list[str]) -> None:
    experiment = between(root, losses=losses)
    assert (experiment.objective, experiment.regime.alternate) == (losses, alternate)
    assert experiment.regime.pretraining is not None


@pytest.mark.parametrize(
    ("net", "size", "encoder"),
    [
        ("aconvnet", None, {"name": "aconvnet", "padding": "same"}),
        ("aconvnet", 95, {"name": "aconvnet", "padding": "same"}),
        ("aconvnet", 96, {"name": "aconvnet"}),
        ("resnet20", None, {"name": "resnet20"}),
    ],
)
def test_small_images_are_padded(root: Path, net: str, size: int | None, encoder: dict[str, str]) -> None:
    experiment = between(root, net=net, size=size)
    assert experiment.net.options["encoder"] == encoder
    assert (experiment.net.options["size"], experiment.net.options["normalisation"]) == (size or 32, "instance")
    assert experiment.chain(*experiment.splits()).branch("source").bands == 3


def test_without_a_loss(root: Path) -> None:
    with pytest.raises(InputError, match="--loss is missing"):
        between(root, losses=[])


def test_the_bands_of_the_source_are_not_said(root: Path) -> None:
    experiment = between(root)
    said = experiment.model_dump() | {"net": experiment.net.model_dump() | {"source_bands": 3}}
    with pytest.raises(InputError) as caught:
        Experiment(**said).chain(*experiment.splits())
    assert str(caught.value) == "option source_bands of net y-shaped follows from the data; leave it out"
