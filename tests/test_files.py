"""Files that are either whole or not there."""

from __future__ import annotations

import errno
import math
import os
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import nn

from spacewise import files
from spacewise.errors import InputError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


def test_text_takes_its_name_only_when_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "note.txt"
    with files.atomic(path) as partial:
        partial.write_text("half")
        assert not path.exists()
    assert path.read_text() == "half"
    assert names(path.parent) == ["note.txt"]


def broken_off(path: Path) -> None:
    with files.atomic(path) as partial:
        partial.write_text("new")
        raise RuntimeError


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "note.txt"
    files.write_text(path, "old")
    with pytest.raises(RuntimeError):
        broken_off(path)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["note.txt"]


def test_a_full_disk_is_one_line_and_no_residue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "note.txt"
    files.write_text(path, "old")

    def full(_number: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"cannot write .*note\.txt: No space left on device"):
        files.write_text(path, "new")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["note.txt"]


def test_a_folder_that_is_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot write"):
        files.write_text(tmp_path / "file" / "note.txt", "text")


def test_json_there_and_back(tmp_path: Path) -> None:
    value = {"a": [1, 2.5, None, "ü"], "b": {"c": True}}
    files.write_json(tmp_path / "facts.json", value)
    assert files.read_json(tmp_path / "facts.json") == value


def test_json_has_no_word_for_what_is_not_finite() -> None:
    value = {"a": [1, math.nan, (math.inf, "x")], "b": {"c": -math.inf, "d": 0.5}, "e": None}
    assert files.finite(value) == {"a": [1, None, [None, "x"]], "b": {"c": None, "d": 0.5}, "e": None}


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"{'a': 1}"])
def test_broken_json_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "facts.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"facts\.json is not valid JSON") as caught:
        files.read_json(path)
    assert "\n" not in str(caught.value)


def test_missing_json_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"facts\.json is missing"):
        files.read_json(tmp_path / "facts.json")


def test_json_that_is_a_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        files.read_json(tmp_path)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_tables_there_and_back(tmp_path: Path, ending: str) -> None:
    table = pd.DataFrame({"name": ["a", "b"], "value": [0.1, 1 / 3], "count": [1, 2]})
    path = tmp_path / f"table.{ending}"
    files.write_table(path, table)
    read = pd.read_csv(path) if ending == "csv" else pd.read_parquet(path)
    pd.testing.assert_frame_equal(read, table, check_exact=True)


TENSORS = {
    "float": torch.rand(3, 4),
    "scalar": torch.tensor(2.5, dtype=torch.float64),
    "count": torch.tensor(7),
    "mask": torch.tensor([True, False]),
    "half": torch.rand(5).bfloat16(),
    "empty": torch.zeros(0, 3),
    "turned": torch.rand(3, 4).T,
    "last": torch.rand(2, 3, 4, 5).to(memory_format=torch.channels_last),
    "learnt": nn.Parameter(torch.rand(2)),
}


def test_tensors_and_facts_there_and_back(tmp_path: Path) -> None:
    facts = {"epoch": 3, "log": [{"total": 0.1 + 0.2}], "best": None}
    files.write_tensors(tmp_path / "state.safetensors", TENSORS, facts)
    tensors, read = files.read_tensors(tmp_path / "state.safetensors")
    assert read == facts
    assert set(tensors) == set(TENSORS)
    for name, value in TENSORS.items():
        assert tensors[name].dtype == value.dtype
        assert torch.equal(tensors[name], value.detach()), name


def test_tensors_that_share_memory_can_be_written(tmp_path: Path) -> None:
    net = nn.ModuleDict({"one": nn.Linear(4, 4), "other": nn.Linear(4, 4)})
    net["other"].weight = net["one"].weight
    files.write_tensors(tmp_path / "tied.safetensors", net.state_dict())
    tensors, _ = files.read_tensors(tmp_path / "tied.safetensors")
    assert torch.equal(tensors["one.weight"], tensors["other.weight"])


def test_a_file_cut_off_anywhere_is_one_line(tmp_path: Path) -> None:
    whole = tmp_path / "whole.safetensors"
    files.write_tensors(whole, {"values": torch.rand(8)}, {"epoch": 1})
    content = whole.read_bytes()
    for length in range(len(content)):
        path = tmp_path / "cut.safetensors"
        path.write_bytes(content[:length])
        with pytest.raises(InputError, match=r"cut\.safetensors is no readable safetensors file"):
            files.read_tensors(path)


def test_missing_tensors_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"state\.safetensors is missing"):
        files.read_tensors(tmp_path / "state.safetensors")


def test_what_a_pickle_holds_is_not_read(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1)}, tmp_path / "weights.safetensors")
    with pytest.raises(InputError):
        files.read_tensors(tmp_path / "weights.safetensors")


def test_sweep_removes_only_what_a_write_left_behind(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    for name in (".log.csv.partial", "weights/.best.safetensors.partial", "log.csv", "weights/best.safetensors"):
        (tmp_path / name).touch()
    files.sweep(tmp_path)
    assert names(tmp_path) == ["best.safetensors", "log.csv", "weights"]
