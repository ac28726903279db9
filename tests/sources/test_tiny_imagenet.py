"""The Tiny ImageNet source, on files in the set's layout."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import Command
from tests.sources.classification_files import write_tiny_imagenet
from tests.sources.retrieval_files import replace

from spacewise import cache, splits
from spacewise.errors import InputError
from spacewise.sources import open_source, recognise, tiny_imagenet


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return write_tiny_imagenet(tmp_path / "tiny-imagenet-200")


def test_facts(tiny: Path) -> None:
    source = tiny_imagenet(tiny)
    assert (source.name, source.fit, source.amplitude) == ("tiny-imagenet", "resize", "intensity")
    assert source.root == tiny
    assert source.facts.columns.to_list() == ["id", "label", "split"]
    assert [tuple(row) for row in source.facts.itertuples(index=False)] == [
        ("train/n02012849/images/n02012849_0.JPEG", "crane n02012849", "train"),
        ("train/n02012849/images/n02012849_1.JPEG", "crane n02012849", "train"),
        ("train/n01443537/images/n01443537_0.JPEG", "goldfish n01443537", "train"),
        ("train/n01443537/images/n01443537_1.JPEG", "goldfish n01443537", "train"),
        ("train/n03126707/images/n03126707_0.JPEG", "crane n03126707", "train"),
        ("train/n03126707/images/n03126707_1.JPEG", "crane n03126707", "train"),
        ("val/images/val_0.JPEG", "goldfish n01443537", "test"),
        ("val/images/val_1.JPEG", "crane n02012849", "test"),
        ("val/images/val_2.JPEG", "crane n02012849", "test"),
        ("val/images/val_3.JPEG", "crane n03126707", "test"),
    ]
    assert source.classes == ("crane n02012849", "crane n03126707", "goldfish n01443537")


def test_grey_and_colour_are_decoded_alike(tiny: Path) -> None:
    images = cache.decoded(tiny_imagenet(tiny), 64).images.numpy()
    assert images.shape == (10, 3, 64, 64)
    assert images.dtype == np.uint8
    assert [index for index, image in enumerate(images) if (image == image[0]).all()] == [1, 3, 5]


def test_root_may_hold_the_sets_folder(tiny: Path) -> None:
    assert recognise(tiny) == recognise(tiny.parent) == "tiny-imagenet"
    assert open_source(str(tiny.parent)).facts.equals(tiny_imagenet(tiny).facts)


def test_validation_pictures_test_by_default(tiny: Path) -> None:
    source = tiny_imagenet(tiny)
    assert splits.default(source) == "folders"
    split = splits.folders(source)
    assert (len(split.train), len(split.validation), len(split.test)) == (3, 3, 4)
    assert split.test.facts["id"].str.startswith("val/").all()


def test_check_from_the_command_line(tiny: Path, spacewise: Command) -> None:
    code, out, _ = spacewise("check", tiny)
    assert code == 0
    assert "10 images, 3 classes" in out


# What is wrong with a set


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^tiny-imagenet: .*such is no folder"):
        tiny_imagenet(tmp_path / "such")


@pytest.mark.parametrize("name", ["wnids.txt", "words.txt", "val/val_annotations.txt"])
def test_missing_annotations(tiny: Path, name: str) -> None:
    (tiny / name).unlink()
    with pytest.raises(InputError, match=rf"^tiny-imagenet: .*{name} is missing, .*'Tiny ImageNet Visual Recognition"):
        tiny_imagenet(tiny)


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("wnids.txt", "n01443537\n", "n01443537 goldfish\n", r"wnids.txt:2: has 2 columns, expected 1"),
        (
            "wnids.txt",
            "n01443537\n",
            "n00000001\n",
            r"wnids.txt:2: class n00000001 has no word in .*words.txt, expected",
        ),
        ("wnids.txt", "n01443537\n", "n01443537\nn00001740\n", r"cannot list .*train/n00001740/images: No such file"),
        (
            "wnids.txt",
            "n01443537\n",
            "",
            r"val_annotations.txt:1: class of val_0.JPEG is 'n01443537', expected one of the 2",
        ),
        ("words.txt", "n01443537\tgoldfish", "n01443537\t", r"wnids.txt:2: class n01443537 has no word"),
        ("words.txt", "n01443537\tgoldfish", "n01443537 goldfish", r"wnids.txt:2: class n01443537 has no word"),
        (
            "val/val_annotations.txt",
            "val_0.JPEG\tn01443537\t0",
            "val_0.JPEG\tn01443537",
            r":1: has 5 columns, expected 6",
        ),
        (
            "val/val_annotations.txt",
            "val_1.JPEG",
            "val_7.JPEG",
            r"1 of 10 images are missing, the first is .*val_7.JPEG",
        ),
        (
            "val/val_annotations.txt",
            "val_1.JPEG",
            "val_0.JPEG",
            r"val/images/val_0.JPEG is listed twice in .*words.txt",
        ),
        ("val/val_annotations.txt", "val_1.JPEG", "../../../a.JPEG", r"leads out of .*tiny-imagenet-200"),
    ],
)
def test_malformed_annotations(tiny: Path, name: str, old: str, new: str, message: str) -> None:
    replace(tiny / name, old, new)
    with pytest.raises(InputError, match=message) as caught:
        tiny_imagenet(tiny)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["wnids.txt", "val/val_annotations.txt"])
def test_empty_annotations(tiny: Path, name: str) -> None:
    (tiny / name).write_text("", encoding="utf-8")
    with pytest.raises(InputError, match=rf"{name}: (is empty|lists no images)"):
        tiny_imagenet(tiny)


def test_words_that_are_no_text(tiny: Path) -> None:
    (tiny / "words.txt").write_bytes(b"n01443537\t\xff\xfe\n")
    with pytest.raises(InputError, match=r"cannot read .*words.txt: 'utf-8' codec"):
        tiny_imagenet(tiny)


def test_class_without_pictures(tiny: Path) -> None:
    pictures = tiny / "train/n01443537/images"
    shutil.rmtree(pictures)
    pictures.mkdir()
    with pytest.raises(InputError, match=r"no pictures in .*n01443537/images, expected n01443537_0.JPEG and others"):
        tiny_imagenet(tiny)


def test_damaged_picture_is_named_when_read(tiny: Path) -> None:
    (tiny / "val/images/val_0.JPEG").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"cannot read .*val_0.JPEG"):
        tiny_imagenet(tiny).read(6)
