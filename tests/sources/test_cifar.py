"""The CIFAR source, on files in the binary form of both sets."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.conftest import Command
from tests.sources.classification_files import (
    CIFAR10_NAMES,
    FINE,
    cifar_pixels,
    write_cifar10,
    write_cifar100,
    write_records,
)

from spacewise import cache, splits
from spacewise.errors import InputError
from spacewise.sources import cifar, folder, open_source, recognise

HOMEPAGE = re.escape("https://www.cs.toronto.edu/~kriz/cifar.html")
Write = Callable[[Path], Path]
BOTH = pytest.mark.parametrize("write", [write_cifar10, write_cifar100])


@pytest.fixture
def ten(tmp_path: Path) -> Path:
    return write_cifar10(tmp_path / "cifar-10-batches-bin")


@pytest.fixture
def hundred(tmp_path: Path) -> Path:
    return write_cifar100(tmp_path / "cifar-100-binary")


def test_facts_of_cifar10(ten: Path) -> None:
    source = cifar(ten)
    assert (source.name, source.fit, source.amplitude, source.root) == ("cifar", "resize", "intensity", ten)
    assert source.facts.columns.to_list() == ["id", "label", "split"]
    assert source.classes == CIFAR10_NAMES
    assert len(source) == 24
    assert source.facts["id"].is_unique
    assert tuple(source.facts.iloc[1]) == ("data_batch_1.bin#00001", "cat", "train")
    assert tuple(source.facts.iloc[20]) == ("test_batch.bin#00000", "bird", "test")
    assert source.facts["split"].to_list() == ["train"] * 20 + ["test"] * 4


def test_facts_of_cifar100(hundred: Path) -> None:
    assert [tuple(row) for row in cifar(hundred).facts.itertuples(index=False)] == [
        ("train.bin#00000", "apple", "train", "flowers"),
        ("train.bin#00001", "aquarium_fish", "train", "fish"),
        ("train.bin#00002", "aquarium_fish", "train", "fish"),
        ("train.bin#00003", "dolphin", "train", "aquatic_mammals"),
        ("train.bin#00004", "apple", "train", "flowers"),
        ("test.bin#00000", "aquarium_fish", "test", "fish"),
        ("test.bin#00001", "apple", "test", "flowers"),
    ]
    assert cifar(hundred).facts.columns.to_list() == ["id", "label", "split", "group"]


def test_pixels_are_those_that_were_written(ten: Path, hundred: Path) -> None:
    written = np.concatenate([cifar_pixels(5, 0), cifar_pixels(2, 1)])
    source = cifar(hundred)
    assert np.array_equal([source.read(index) for index in range(7)], written)
    assert np.array_equal(cache.decoded(source, 32).images, written)
    written = np.concatenate([cifar_pixels(4, batch) for batch in range(1, 7)])
    assert np.array_equal(cache.decoded(cifar(ten), 32).images, written)


def test_what_is_read_may_be_written_to(hundred: Path) -> None:
    source = cifar(hundred)
    source.read(0)[:] = 0
    assert np.array_equal(source.read(0), cifar_pixels(5, 0)[0])


@BOTH
def test_root_may_hold_the_sets_folder(tmp_path: Path, write: Write) -> None:
    inner = write(tmp_path / "outer/inner")
    assert recognise(inner) == recognise(inner.parent) == "cifar"
    assert open_source(str(inner.parent)).facts.equals(cifar(inner).facts)


@BOTH
def test_its_own_parts_are_the_default_split(tmp_path: Path, write: Write) -> None:
    source = cifar(write(tmp_path))
    assert splits.default(source) == "folders"
    split = splits.folders(source, validation=0)
    assert set(split.train.facts["split"]) == {"train"}
    assert set(split.test.facts["split"]) == {"test"}


def test_stamp_follows_the_files(hundred: Path) -> None:
    before = cifar(hundred).stamp
    assert cifar(hundred).stamp == before
    write_records(hundred / "test.bin", [(0, 0)])
    assert cifar(hundred).stamp != before


def test_folders_of_pictures_are_read_by_the_folder_source(tmp_path: Path) -> None:
    for side, count in (("train", 4), ("test", 2)):
        for name in FINE[:2]:
            (tmp_path / side / name).mkdir(parents=True)
            for number in range(1, count + 1):
                Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(tmp_path / side / name / f"{number:04d}.png")
    assert recognise(tmp_path) == "folder"
    source = folder(tmp_path)
    assert source.facts["split"].value_counts().to_dict() == {"train": 8, "test": 4}
    assert splits.default(source) == "folders"


def test_check_from_the_command_line(ten: Path, spacewise: Command) -> None:
    code, out, _ = spacewise("check", ten)
    assert code == 0
    assert "24 images, 10 classes" in out


# What is wrong with a set


def test_missing_folder_and_set(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^cifar: .*such is no folder"):
        cifar(tmp_path / "such")
    with pytest.raises(InputError, match=rf"neither batches.meta.txt nor fine_label_names.txt.*homepage: {HOMEPAGE}"):
        cifar(tmp_path)


@pytest.mark.parametrize("name", ["batches.meta.txt", "data_batch_1.bin", "data_batch_5.bin", "test_batch.bin"])
def test_missing_file_of_cifar10(ten: Path, name: str) -> None:
    (ten / name).unlink()
    assert recognise(ten) == "cifar"
    with pytest.raises(InputError, match=rf"^cifar: .*{name} is missing, .*homepage: {HOMEPAGE}"):
        cifar(ten)


@pytest.mark.parametrize("name", ["fine_label_names.txt", "coarse_label_names.txt", "train.bin", "test.bin"])
def test_missing_file_of_cifar100(hundred: Path, name: str) -> None:
    (hundred / name).unlink()
    assert recognise(hundred) == "cifar"
    with pytest.raises(InputError, match=rf"^cifar: .*{name} is missing"):
        cifar(hundred)


@pytest.mark.parametrize(
    ("length", "message"),
    [
        (0, "train.bin: is empty, expected whole records"),
        (3073, "is 0 records of 3074 bytes and 3073 bytes more"),
        (3074 * 5 - 1, "is 4 records of 3074 bytes and 3073 bytes more"),
    ],
)
def test_wrong_length(hundred: Path, length: int, message: str) -> None:
    file = hundred / "train.bin"
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(InputError, match=message):
        cifar(hundred)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ((1, 4), "test.bin: record 1 has label 4, expected 0 to 3$"),
        ((3, 1), "test.bin: record 1 has group 3, expected 0 to 2$"),
    ],
)
def test_class_without_a_name(hundred: Path, record: tuple[int, int], message: str) -> None:
    write_records(hundred / "test.bin", [(0, 0), record])
    with pytest.raises(InputError, match=message):
        cifar(hundred)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\n\n", "batches.meta.txt: is empty, expected class names"),
        ("cat\ndog\ncat\n", "two classes are named 'cat'"),
        ("a cat\n", "batches.meta.txt:1: has 2 columns, expected 1: 'a cat'"),
    ],
)
def test_names(ten: Path, text: str, message: str) -> None:
    (ten / "batches.meta.txt").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        cifar(ten)


@pytest.mark.parametrize(
    ("names", "title"),
    [(("batches.meta", "data_batch_1", "test_batch"), "CIFAR-10"), (("meta", "train", "test"), "CIFAR-100")],
)
def test_python_form_is_refused_unopened(tmp_path: Path, names: tuple[str, ...], title: str) -> None:
    for name in names:
        (tmp_path / name).write_bytes(b"cos\nabort\n(tR.")  # would end the process that unpickles it
    with pytest.raises(
        InputError, match=rf"the Python \(pickled\) form of {title}, and nothing.*{HOMEPAGE}$"
    ) as caught:
        open_source(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_both_sets_in_one_folder(ten: Path) -> None:
    write_cifar100(ten)
    with pytest.raises(InputError, match="holds files of CIFAR-10 and of CIFAR-100, expected one set a folder"):
        cifar(ten)


def test_both_sets_beside_each_other(ten: Path, hundred: Path) -> None:
    with pytest.raises(InputError, match=r"several data sets \(cifar in .*, cifar in .*\), expected the folder of one"):
        recognise(ten.parent)
    assert len(cifar(hundred)) == 7


def test_real_pictures_of_cifar100(real_data: Path) -> None:
    """In the real folder the pictures are files; the folder source reads them."""
    if not (real_data / "cifar100").is_dir():
        pytest.skip("SPACEWISE_DATA holds no cifar100")
    source = open_source(str(real_data / "cifar100"))
    assert (source.name, len(source.classes), splits.default(source)) == ("folder", 100, "folders")
    assert source.read(0).shape == (3, 32, 32)
