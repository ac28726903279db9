"""A run's folder: made whole, read back, and what it says when it cannot be."""

from __future__ import annotations

import errno
import importlib
import json
import os
import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch

from spacewise import files, nets, runs, splits
from spacewise.errors import InputError
from spacewise.experiment import Experiment
from spacewise.learn import ensure, start
from spacewise.nets import Chain
from spacewise.regime import Supervised
from spacewise.runs import Run, create, open_run, read_experiment, status
from spacewise.sources import Source, folder
from spacewise.splits import Split


@pytest.fixture(scope="module")
def split(chips: Source) -> Split:
    return splits.stratified(chips, test=0.25, validation=0.25)


@pytest.fixture(scope="module")
def experiment(split: Split) -> Experiment:
    net = nets.ding(3, 1, 48, feature=8)
    settings = Supervised(epochs=1, batch=16, precision="float32")
    return runs.describe(net, ["crossentropy@classifier"], split, settings, 3)


@pytest.fixture(scope="module")
def trained(experiment: Experiment, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run of one epoch."""
    place = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPACEWISE_CACHE", str(place / "cache"))
        return start(experiment, place / "trained")


@pytest.fixture
def copied(trained: Run, tmp_path: Path) -> Path:
    """A copy of the finished run, to be damaged."""
    return Path(shutil.copytree(trained.folder, tmp_path / "copied"))


# Making one


def test_a_folder_is_made_with_experiment_split_and_facts(split: Split, experiment: Experiment, tmp_path: Path) -> None:
    place = tmp_path / "runs" / "one"
    create(place, experiment, split, ["train and test share 1 identical images"])
    assert sorted(path.name for path in place.iterdir()) == ["experiment.yaml", "run.json", "split.parquet"]
    assert os.listdir(tmp_path / "runs") == ["one"]
    assert read_experiment(place) == experiment
    assert status(place) == "training"
    facts = files.read_json(place / "run.json")
    assert facts["split"] == split.digest()
    assert facts["samples"] == {"train": 21, "validation": 6, "test": 9, "confusers": 0}
    assert facts["classes"] == ["checks", "dots", "stripes"]
    assert facts["leaks"] == ["train and test share 1 identical images"]
    assert facts["torch"] == torch.__version__
    pd.testing.assert_frame_equal(pd.read_parquet(place / "split.parquet"), split.table())


def test_a_full_disk_leaves_no_folder(
    split: Split, experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_number: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"cannot write .*: No space left on device"):
        create(tmp_path / "one", experiment, split, [])
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_a_file_is_one_line(split: Split, experiment: Experiment, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot write"):
        create(tmp_path / "file" / "one", experiment, split, [])


def test_what_is_there_is_not_overwritten(split: Split, experiment: Experiment, tmp_path: Path, copied: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    create(tmp_path / "begun", experiment, split, [])
    for name, message in (
        ("mine", "already exists and is no run; give another --out"),
        ("begun", "already holds an unfinished run; continue it with: spacewise train --resume"),
        ("copied", "already holds a finished run; give another --out"),
    ):
        with pytest.raises(InputError) as caught:
            create(tmp_path / name, experiment, split, [])
        assert message in str(caught.value)
    assert os.listdir(tmp_path / "mine") == ["thesis.tex"]


# Reading one back


def test_a_run_reads_back_as_it_was(trained: Run) -> None:
    again = open_run(trained.folder)
    assert again.name == "trained"
    assert again.experiment == trained.experiment
    assert again.weights == "best"
    assert again.split.digest() == trained.split.digest()
    assert again.facts["status"] == status(trained.folder) == "finished"
    pd.testing.assert_frame_equal(again.log, trained.log)
    assert all(torch.equal(value, trained.net.state_dict()[name]) for name, value in again.net.state_dict().items())


def test_a_run_that_was_read_back_computes_the_same_bit_for_bit(trained: Run) -> None:
    """Also the order in which numbers are added must be the same: an audit does not depend on when it runs."""
    images = torch.randint(0, 256, (4, 1, 48, 48), dtype=torch.uint8)
    with torch.no_grad():
        expected, found = trained.net.eval()(images), open_run(trained.folder).net.eval()(images)
    for name, values in expected.items():
        assert torch.equal(found[name], values), name


def test_a_network_made_in_python_is_given(trained: Run) -> None:
    net = nets.ding(3, 1, 48, feature=8)
    assert open_run(str(trained.folder), net=net).net is net
    assert torch.equal(net.head.weight, trained.net.head.weight)


@pytest.mark.parametrize("weights", runs.WEIGHTS)
def test_weights_are_loaded_by_name(trained: Run, weights: str) -> None:
    stored, _ = files.read_tensors(trained.folder / "weights" / f"{weights}.safetensors")
    loaded = open_run(trained.folder, weights=weights)
    assert loaded.weights == weights
    assert all(torch.equal(value, stored[name]) for name, value in loaded.net.state_dict().items())


def test_unknown_weights_are_one_line(trained: Run) -> None:
    with pytest.raises(InputError, match=r"unknown weights 'beste': did you mean 'best'\? \(there are: best, last\)"):
        open_run(trained.folder, weights="beste")


def test_what_is_no_run_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no run: it does not exist"):
        open_run(tmp_path / "none")
    with pytest.raises(InputError, match=r"is no run: it holds no experiment\.yaml"):
        open_run(tmp_path)


def test_a_network_that_does_not_fit_is_one_line(trained: Run) -> None:
    with pytest.raises(InputError, match="does not fit the network") as caught:
        open_run(trained.folder, net=nets.ding(3, 1, 48, feature=9))
    assert "\n" not in str(caught.value)


def test_an_unfinished_run_says_how_it_goes_on(split: Split, experiment: Experiment, tmp_path: Path) -> None:
    create(tmp_path / "begun", experiment, split, [])
    with pytest.raises(InputError, match="has no best weights: its training is not finished; continue it with"):
        open_run(tmp_path / "begun")


def test_a_run_without_an_epoch_has_an_empty_log_or_says_so(
    split: Split, experiment: Experiment, tmp_path: Path, trained: Run
) -> None:
    create(tmp_path / "begun", experiment, split, [])
    run = Run(tmp_path / "begun", experiment, trained.net, split)
    complaint = "log.csv"
    try:
        assert len(run.log) == 0
    except InputError as error:
        complaint = str(error)
    assert "log.csv" in complaint


def test_a_network_that_was_not_named_must_be_given(copied: Path) -> None:
    text = (copied / "experiment.yaml").read_text()
    (copied / "experiment.yaml").write_text(text.replace("name: ding", "name: custom"))
    with pytest.raises(InputError, match=r"its network was made in Python; open it with open_run\(folder, net=…\)"):
        open_run(copied)


def test_a_source_that_was_made_in_python_is_said_to_be(copied: Path) -> None:
    text = (copied / "experiment.yaml").read_text()
    (copied / "experiment.yaml").write_text(text.replace("name: folder", "name: custom"))
    with pytest.raises(InputError) as caught:
        open_run(copied)
    assert "Python" in str(caught.value)
    assert "unknown source" not in str(caught.value)


@pytest.mark.parametrize("damage", ["cut off", "empty", "not JSON", "other JSON", "no split"])
def test_a_damaged_run_is_one_line(copied: Path, damage: str) -> None:
    weights, facts = copied / "weights" / "best.safetensors", copied / "run.json"
    if damage == "cut off":
        weights.write_bytes(weights.read_bytes()[:-100])
    elif damage == "empty":
        weights.write_bytes(b"")
    else:
        facts.write_text({"not JSON": "{", "other JSON": "[]", "no split": "{}"}[damage])
    with pytest.raises(InputError) as caught:
        open_run(copied)
    assert "\n" not in str(caught.value)
    assert str(copied) in str(caught.value)


def test_data_that_changed_are_noticed(pictures: Path, copied: Path, tmp_path: Path) -> None:
    place = Path(shutil.copytree(pictures, tmp_path / "pictures"))
    text = (copied / "experiment.yaml").read_text()
    (copied / "experiment.yaml").write_text(text.replace(str(pictures), str(place)))
    assert open_run(copied).split.source.root == place
    shutil.copy(place / "dots" / "dots00.png", place / "dots" / "dots99.png")
    with pytest.raises(InputError, match=r"its data have changed: the split was \w+ and is now \w+"):
        open_run(copied)
    shutil.rmtree(place)
    with pytest.raises(InputError, match="is no folder"):
        open_run(copied)


# From an experiment to its run


def small(pictures: Path, **more: object) -> Experiment:
    return Experiment(
        **{
            "data": {"source": {"name": "folder", "root": str(pictures)}, "split": {"name": "stratified"}},
            "net": {"name": "aconvnet", "size": 16, "padding": "same"},
            "objective": ["crossentropy@classifier"],
            "regime": {"epochs": 1, "precision": "float32"},
        }
        | more
    )


WRITTEN = {
    "as it is": {},
    "with the size left out": {"net": {"name": "ding", "feature": 8}},
    "with an option at its default": {"net": {"name": "aconvnet", "size": 16, "padding": "same", "pooling": "max"}},
    "with a weight of one": {"objective": ["1.0*crossentropy@classifier"]},
}


@pytest.mark.parametrize("how", WRITTEN)
def test_a_finished_run_is_read_back_however_its_experiment_is_written(
    how: str, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = small(pictures, **WRITTEN[how])
    first = ensure(experiment, tmp_path / "run")

    def train(*_values: object, **_options: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(importlib.import_module("spacewise.learn.start"), "start", train)
    again = ensure(experiment, tmp_path / "run")
    assert again.facts == first.facts


def test_another_experiment_in_the_folder_is_one_line(pictures: Path, tmp_path: Path) -> None:
    ensure(small(pictures), tmp_path / "run")
    with pytest.raises(InputError, match="holds another experiment"):
        ensure(small(pictures, seed=1), tmp_path / "run")


def test_a_run_made_in_python_and_one_from_its_yaml_are_the_same(trained: Run, tmp_path: Path) -> None:
    again = start(read_experiment(trained.folder), tmp_path / "again")
    assert read_experiment(again.folder) == read_experiment(trained.folder)
    expected: Chain = trained.net
    assert all(torch.equal(value, expected.state_dict()[name]) for name, value in again.net.state_dict().items())


def test_run_facts_are_json_that_anybody_reads(trained: Run) -> None:
    facts = json.loads((trained.folder / "run.json").read_text())
    assert facts["status"] == "finished"
    assert facts["epochs"] == facts["best_epoch"] == 1
    assert facts["precision"] == "32-true"
    assert folder(trained.split.source.root).stamp == trained.split.source.stamp
