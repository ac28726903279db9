"""The SVHN source, on MATLAB files in the set's layout."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat
from tests.conftest import Command
from tests.sources.classification_files import DIGITS, svhn_pixels, write_svhn

from spacewise import cache, splits
from spacewise.errors import InputError
from spacewise.sources import open_source, recognise, svhn

HOMEPAGE = re.escape("http://ufldl.stanford.edu/housenumbers")


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    return write_svhn(tmp_path / "svhn")


def test_facts(digits: Path) -> None:
    source = svhn(digits)
    assert (source.name, source.fit, source.amplitude, source.root) == ("svhn", "resize", "intensity", digits)
    assert source.facts.columns.to_list() == ["id", "label", "split"]
    assert source.facts["label"].to_list() == ["1", "0", "9", "1", "0", "9", "0", "1", "9"]
    assert source.facts["split"].to_list() == ["train"] * 6 + ["test"] * 3
    assert source.facts["id"].to_list()[5:7] == ["train_32x32.mat#00005", "test_32x32.mat#00000"]
    assert source.classes == ("0", "1", "9")


def test_pixels_are_those_that_were_written(digits: Path) -> None:
    """X is (row, column, band, sample), a picture (band, row, column)."""
    written = np.concatenate([np.moveaxis(svhn_pixels(count), (2, 3), (1, 0)) for count in (6, 3)])
    source = svhn(digits)
    assert np.array_equal([source.read(index) for index in range(9)], written)
    assert np.array_equal(cache.decoded(source, 32).images, written)


def test_extra_digits_train_when_asked_for(digits: Path) -> None:
    write_svhn(digits, {"extra": (2, 10)})
    assert len(svhn(digits)) == 9
    source = svhn(digits, extra=True)
    assert source.facts["extra"].to_list() == [False] * 9 + [True] * 2
    assert tuple(source.facts.iloc[10]) == ("extra_32x32.mat#00001", "0", "train", True)
    assert np.array_equal(source.read(10), svhn_pixels(2)[..., 1].transpose(2, 0, 1))
    assert source.stamp != svhn(digits).stamp
    assert source.description == {"name": "svhn", "root": str(digits), "extra": True}  # type: ignore[attr-defined]
    assert len(splits.by_fact(source, train={"split": "train"}, test={"split": "test"}, validation=0).train) == 8


def test_root_may_hold_the_sets_folder(digits: Path) -> None:
    assert recognise(digits) == recognise(digits.parent) == "svhn"
    assert open_source(str(digits.parent)).facts.equals(svhn(digits).facts)


def test_its_own_parts_are_the_default_split(digits: Path) -> None:
    source = svhn(digits)
    assert splits.default(source) == "folders"
    assert (len(splits.folders(source, validation=0).train), len(splits.folders(source).test)) == (6, 3)


def test_classes_as_doubles(digits: Path) -> None:
    savemat(digits / "test_32x32.mat", {"X": svhn_pixels(2), "y": np.array([[10.0], [3.0]])})
    assert svhn(digits).facts["label"].to_list()[6:] == ["0", "3"]


def test_check_from_the_command_line(digits: Path, spacewise: Command) -> None:
    code, out, _ = spacewise("check", digits)
    assert code == 0
    assert "9 images, 3 classes" in out


# What is wrong with a set


def test_missing_folder_and_files(digits: Path) -> None:
    with pytest.raises(InputError, match=r"^svhn: .*such is no folder"):
        svhn(digits / "such")
    with pytest.raises(InputError, match=rf"extra_32x32.mat is missing.*homepage: {HOMEPAGE}"):
        svhn(digits, extra=True)
    (digits / "test_32x32.mat").unlink()
    with pytest.raises(InputError, match=r"^svhn: .*test_32x32.mat is missing"):
        svhn(digits)


@pytest.mark.parametrize("number", [0, 11, 2.5, np.nan])
def test_class_out_of_range(digits: Path, number: float) -> None:
    savemat(digits / "test_32x32.mat", {"X": svhn_pixels(2), "y": np.array([[1], [number]])})
    with pytest.raises(
        InputError, match=rf"test_32x32.mat: y of picture 1 is {number}(\.0)?, expected 1 to 10 \(10 is"
    ):
        svhn(digits)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"y": np.ones((2, 1))}, r"holds the variables y, expected X \(32, 32, 3, sample\) and y"),
        ({"X": svhn_pixels(2)}, r"holds X of shape \(32, 32, 3, 2\) and 0 classes, expected"),
        ({"X": svhn_pixels(2), "y": np.ones((3, 1))}, r"\(32, 32, 3, 2\) and 3 classes"),
        ({"X": svhn_pixels(2).transpose(3, 0, 1, 2), "y": np.ones((2, 1))}, r"X of shape \(2, 32, 32, 3\) and 2"),
    ],
)
def test_other_variables(digits: Path, variables: dict[str, Any], message: str) -> None:
    savemat(digits / "train_32x32.mat", variables)
    with pytest.raises(InputError, match=message):
        svhn(digits)


def test_pixels_of_another_type(digits: Path) -> None:
    savemat(digits / "train_32x32.mat", {"X": svhn_pixels(2) / 255, "y": np.ones((2, 1))})
    with pytest.raises(InputError, match=r"train_32x32.mat: X is float64 \(32, 32, 3, 2\), expected uint8"):
        svhn(digits).read(0)


def test_newer_format_of_matlab(digits: Path) -> None:
    header = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM"
    (digits / "train_32x32.mat").write_bytes(header + bytes(400))
    with pytest.raises(InputError, match=rf"train_32x32.mat: is of MATLAB's format 7.3, expected 5 .*{HOMEPAGE}$"):
        svhn(digits)


def test_damaged_files(digits: Path) -> None:
    file = digits / "train_32x32.mat"
    whole = file.read_bytes()
    broken = [b"", b"no MATLAB file", whole[:100], *(whole[:length] for length in range(130, len(whole) - 1, 997))]
    broken += [whole[:at] + b"\xff\x00\xff" + whole[at + 3 :] for at in range(140, len(whole) - 3, 997)]
    for data in broken:
        file.write_bytes(data)
        with pytest.raises(InputError, match=r"train_32x32.mat: ") as caught:
            svhn(digits).read(0)
        assert "\n" not in str(caught.value)


def test_file_changed_after_it_was_opened(digits: Path) -> None:
    source = svhn(digits)
    write_svhn(digits, {"train": DIGITS["test"]})
    with pytest.raises(InputError, match=r"X is uint8 \(32, 32, 3, 3\), expected uint8 \(32, 32, 3, 6\)"):
        source.read(0)
