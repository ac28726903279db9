"""Weights made elsewhere: what is read, and that nothing is ever run."""

from __future__ import annotations

import os
import pickle
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save, save_file
from torch import nn

from spacewise.errors import InputError
from spacewise.nets.weights import read_weights, start_from

TENSORS = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.tensor([1.0, -1.0])}


def written(content: Any, path: Path, zipped: bool = True) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    return path


def refused(path: Path) -> str:
    """The one line that says why."""
    with pytest.raises(InputError) as caught:
        read_weights(path)
    said = str(caught.value)
    assert str(path) in said
    assert "\n" not in said
    assert "weights_only" not in said, "torch's advice to read it all the same"
    return said


def assert_read(path: Path) -> None:
    found = read_weights(path)
    assert found.keys() == TENSORS.keys()
    assert all(torch.equal(value, TENSORS[name]) for name, value in found.items())


# What is read


def test_safetensors_are_read(tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "a.safetensors")
    assert_read(tmp_path / "a.safetensors")


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("key", ["", "state_dict", "model_state_dict", "model"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_state_dictionaries_are_read_wherever_trainers_put_them(
    tmp_path: Path, zipped: bool, key: str, prefix: str
) -> None:
    named = {f"{prefix}{name}": value for name, value in TENSORS.items()}
    content = {key: named, "epoch": 3, "optimizer": {"rate": [0.1]}} if key else named
    assert_read(written(content, tmp_path / "a.pth", zipped))


def test_parameters_are_read(tmp_path: Path) -> None:
    parameters = {name: nn.Parameter(value) for name, value in TENSORS.items()}
    assert_read(written(parameters, tmp_path / "a.pt"))


def test_a_module_that_is_called_module_keeps_its_name(tmp_path: Path) -> None:
    """Only where all names have it is it the parallel wrapper's: a wrapped network has its own `module`."""
    path = written({"preprocess.mean": torch.zeros(1), "module.fc.weight": torch.ones(2)}, tmp_path / "a.pth")
    assert list(read_weights(path)) == ["preprocess.mean", "module.fc.weight"]


def test_a_path_may_be_written_from_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    written(TENSORS, tmp_path / "a.pth")
    assert_read(Path("~/a.pth"))


# What is not


class Harmful:
    """Makes a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("how", ["zip", "legacy", "pickle"])
def test_a_pickle_runs_nothing(tmp_path: Path, how: str) -> None:
    harm, path = tmp_path / "harm", tmp_path / "a.pth"
    if how == "pickle":
        path.write_bytes(pickle.dumps({**TENSORS, "b": Harmful(harm)}))
    else:
        written({**TENSORS, "b": Harmful(harm)}, path, zipped=how == "zip")
    said = refused(path)
    assert not harm.exists()
    if how != "pickle":
        assert f"hold a Python object, {os.mkdir.__module__}.mkdir, and only tensors are read" in said


@pytest.mark.parametrize("zipped", [True, False])
def test_a_whole_network_is_not_read(tmp_path: Path, zipped: bool) -> None:
    said = refused(written(nn.Linear(2, 2), tmp_path / "a.pth", zipped))
    assert "torch.nn.modules.linear.Linear" in said
    assert said.endswith("save the network's state_dict()")


@pytest.mark.parametrize("content", [{}, [torch.ones(2)], torch.ones(2), {"a": torch.ones(2), "epoch": 3}, 7])
def test_anything_but_tensors_by_name_is_refused(tmp_path: Path, content: Any) -> None:
    assert "hold no dictionary of tensors by name" in refused(written(content, tmp_path / "a.pth"))


def test_a_missing_file_says_what_to_fetch(tmp_path: Path) -> None:
    assert refused(tmp_path / "a.pth").endswith("do not exist")
    with pytest.raises(InputError, match="do not exist; fetch the moon and name it here"):
        read_weights(tmp_path / "a.pth", "the moon")
    assert refused(tmp_path).endswith("do not exist")


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors", "noise"])
def test_a_damaged_file_is_one_line(tmp_path: Path, kind: str) -> None:
    """Whatever its bytes happen to spell: single bytes changed, or its end cut off."""
    path = tmp_path / ("a.safetensors" if kind == "safetensors" else "a.pth")
    if kind == "safetensors":
        whole = save(TENSORS)
    elif kind == "noise":
        whole = bytes(64)
    else:
        whole = written(TENSORS, path, zipped=kind == "zip").read_bytes()
    generator = random.Random(0)
    for turn in range(120):
        damaged = bytearray(whole[: generator.randrange(len(whole))] if turn % 3 == 0 else whole)
        for _ in range(min(8, len(damaged))):
            damaged[generator.randrange(len(damaged))] = generator.randrange(256)
        path.write_bytes(damaged)
        assert "\n" not in complaint(path)


def complaint(path: Path) -> str:
    """What is said of a file, if anything."""
    try:
        read_weights(path)
    except InputError as error:
        return str(error)
    return ""


# Filling a network


def test_only_the_named_entries_are_copied() -> None:
    module = nn.ModuleDict({"a": nn.Linear(3, 2), "b": nn.Linear(3, 2)})
    before = {name: value.clone() for name, value in module.state_dict().items()}
    start_from(module, {**TENSORS, "b.weight": torch.ones(2, 3)}, ["a.weight"], "file")
    changed = {name for name, value in module.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"a.weight"}
    assert torch.equal(module["a"].weight, TENSORS["a.weight"])
    assert module["a"].weight.requires_grad


def test_halves_fill_a_network_in_its_own_precision() -> None:
    module = nn.ModuleDict({"a": nn.Linear(3, 2)})
    start_from(module, {name: value.half() for name, value in TENSORS.items()}, list(TENSORS), "file")
    assert module["a"].weight.dtype == torch.float32
    assert torch.equal(module["a"].weight, TENSORS["a.weight"])


def test_nothing_is_copied_unless_all_fits() -> None:
    module = nn.ModuleDict({"a": nn.Linear(3, 2)})
    before = module["a"].weight.clone()
    with pytest.raises(InputError, match=r"weights file: 'a.bias' is \(3,\), the network takes \(2,\)"):
        start_from(module, {**TENSORS, "a.bias": torch.ones(3)}, list(TENSORS), "file")
    with pytest.raises(InputError, match=r"have no 'a.bias'; .*did you mean 'a.biss'"):
        start_from(module, {"a.weight": TENSORS["a.weight"], "a.biss": torch.ones(2)}, list(TENSORS), "file")
    assert torch.equal(module["a"].weight, before)
