"""The CUB-200-2011 source, on files in the set's layout; what all sources with lists of images share."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.sources.retrieval_files import replace, write_cars, write_cub, write_picture, write_products

from spacewise import cache
from spacewise.describe import description
from spacewise.errors import InputError
from spacewise.sources import cub, open_source, recognise
from spacewise.sources.images import rgb


@pytest.fixture
def birds(tmp_path: Path) -> Path:
    return write_cub(tmp_path / "CUB_200_2011")


def test_facts(birds: Path) -> None:
    source = cub(birds)
    assert (source.name, source.fit, source.amplitude, source.root) == ("cub", "resize", "intensity", birds)
    assert source.facts.columns.to_list() == ["id", "label", "number", "split", "protocol"]
    assert [tuple(row) for row in source.facts.itertuples(index=False)] == [
        ("images/001.Bird_1/Bird_1_0001_18.jpg", "001.Bird_1", 1, "test", "train"),
        ("images/001.Bird_1/Bird_1_0002_18.jpg", "001.Bird_1", 1, "train", "train"),
        ("images/100.Bird_100/Bird_100_0003_18.jpg", "100.Bird_100", 100, "train", "train"),
        ("images/101.Bird_101/Bird_101_0004_18.jpg", "101.Bird_101", 101, "test", "test"),
        ("images/200.Bird_200/Bird_200_0005_18.jpg", "200.Bird_200", 200, "train", "test"),
    ]
    assert source.facts["number"].dtype == np.int64
    assert description(source) == {"name": "cub", "root": str(birds)}


def test_images_are_rgb_and_grey_ones_have_three_equal_bands(birds: Path) -> None:
    source = cub(birds)
    for index, name in enumerate(source.facts["id"]):
        image = source.read(index)
        with Image.open(birds / name) as picture:
            assert picture.mode == ("L" if index == 2 else "RGB")
            np.testing.assert_array_equal(image, np.moveaxis(np.asarray(picture.convert("RGB")), 2, 0))
    decoded = cache.decoded(source, 6)
    assert decoded.images.shape == (5, 3, 6, 6)
    assert decoded.sizes.tolist() == [[11, 9], [11, 10], [11, 11], [11, 12], [11, 13]]
    grey = decoded.images[2]
    assert (grey[0] == grey[1]).all()
    assert (grey[0] == grey[2]).all()


def test_root_may_hold_the_sets_folder(birds: Path) -> None:
    (birds.parent / "attributes.txt").write_text("1 has_bill_shape\n")
    (birds.parent / "segmentations").mkdir()
    assert recognise(birds) == recognise(birds.parent) == "cub"
    outer = open_source(str(birds.parent))
    assert outer.root == birds
    assert outer.facts.equals(cub(birds).facts)
    assert outer.stamp == cub(birds).stamp


def test_order_of_lines_and_their_ends_do_not_matter(birds: Path) -> None:
    before = cub(birds).facts
    for name in ("image_class_labels.txt", "train_test_split.txt", "classes.txt"):
        lines = (birds / name).read_text().splitlines()
        (birds / name).write_bytes(b"\xef\xbb\xbf" + "\r\n".join([*lines[::-1], "", ""]).encode())
    assert cub(birds).facts.equals(before)


def test_stamp_changes_with_images_and_annotations(birds: Path) -> None:
    stamps = {cub(birds).stamp}
    write_picture(birds / cub(birds).facts["id"][0], size=(30, 20))
    stamps.add(cub(birds).stamp)
    replace(birds / "image_class_labels.txt", "3 100\n", "3 10\n")
    stamps.add(cub(birds).stamp)
    assert len(stamps) == 3
    assert cub(birds).stamp in stamps


def test_source_can_be_sent_to_another_process(birds: Path) -> None:
    assert pickle.loads(pickle.dumps(cub(birds))).read(2).shape == (3, 11, 11)


@pytest.mark.parametrize("name", ["images.txt", "image_class_labels.txt", "classes.txt", "train_test_split.txt"])
def test_missing_annotations(birds: Path, name: str) -> None:
    (birds / name).unlink()
    with pytest.raises(InputError, match=rf"^cub: .*CUB_200_2011/{name} is missing, .*'Caltech-UCSD Birds-200-2011'"):
        cub(birds)


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^cub: .*no/such is no folder"):
        cub(tmp_path / "no/such")


def test_several_sets_in_one_folder(birds: Path) -> None:
    write_cub(birds.parent / "copy")
    with pytest.raises(InputError, match=r"^cub: .*CUB_200_2011 and .*copy both hold the set, expected the folder of"):
        cub(birds.parent)


def test_different_sets_in_one_folder(birds: Path) -> None:
    write_cars(birds.parent / "cars")
    write_products(birds.parent / "products")
    with pytest.raises(
        InputError, match=r"several data sets \(cub in .*CUB_200_2011, products in .*, cars in .*\), expected the"
    ):
        recognise(birds.parent)
    assert len(cub(birds.parent)) == 5


def test_other_folders_are_recognised_as_before(birds: Path, pictures: Path) -> None:
    assert recognise(pictures) == recognise(birds / "images") == recognise(birds / "no/such") == "folder"
    (birds / "image_class_labels.txt").unlink()
    assert recognise(birds) == "folder"
    (birds / "targets/17_DEG").mkdir(parents=True)
    assert recognise(birds.parent) == "mstar"


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("images.txt", "2 001.Bird_1/", "2 001. Bird_1/", r"images.txt:2: has 3 columns, expected 2: '2 001. Bird"),
        ("images.txt", "2 001.Bird_1/", "two 001.Bird_1/", r"images.txt:2: number is 'two', expected a whole number"),
        ("images.txt", "2 001.Bird_1/", "1 001.Bird_1/", r"images.txt:2: number 1 stands twice in the file"),
        ("images.txt", "5 200.Bird_200/", "5 ../../", r"^cub: image images/\.\./\.\./Bird_.* leads out of .*CUB_200"),
        ("images.txt", "2 001.Bird_1/Bird_1_0002_18", "2 001.Bird_1/Bird_1_0001_18", r"0001_18.jpg is listed twice in"),
        ("image_class_labels.txt", "3 100\n", "3\n", r"image_class_labels.txt:3: has 1 columns, expected 2: '3'"),
        ("image_class_labels.txt", "3 100\n", "3 201\n", r":3: class 201 is not in .*classes.txt, expected 1 to 200"),
        ("image_class_labels.txt", "3 100\n", "3 0\n", r":3: class is '0', expected a whole number from 1"),
        (
            "image_class_labels.txt",
            "3 100\n",
            "",
            r"class_labels.txt: lacks image 3 of .*images.txt, expected the same",
        ),
        ("image_class_labels.txt", "3 100\n", "33 100\n", r"class_labels.txt: lacks image 3 of .*images.txt"),
        ("images.txt", "5 200.Bird", "55 200.Bird", r"class_labels.txt: lacks image 55 of .*images.txt"),
        ("train_test_split.txt", "4 0\n5 1\n", "", r"train_test_split.txt: lacks image 4 and 1 more of .*images.txt"),
        ("train_test_split.txt", "5 1\n", "5 1\n6 1\n", r"images.txt: lacks image 6 of .*train_test_split.txt"),
        ("train_test_split.txt", "4 0\n", "4 2\n", r"split.txt:4: the mark of training is '2', expected 1 \(train\)"),
        ("classes.txt", "2 002.Bird_2\n", "2 001.Bird_1\n", r"classes.txt: two classes are named '001.Bird_1'"),
    ],
)
def test_malformed_annotations(birds: Path, name: str, old: str, new: str, message: str) -> None:
    replace(birds / name, old, new)
    with pytest.raises(InputError, match=message) as caught:
        cub(birds)
    assert "\n" not in str(caught.value)


def test_annotations_that_are_empty_or_no_text(birds: Path) -> None:
    (birds / "classes.txt").write_text("\n")
    with pytest.raises(InputError, match=r"classes.txt: is empty"):
        cub(birds)
    (birds / "classes.txt").write_bytes(b"1 \xff\xfe\n")
    with pytest.raises(InputError, match=r"cannot read .*classes.txt: .*decode"):
        cub(birds)


def test_missing_images_are_counted(birds: Path) -> None:
    ids = cub(birds).facts["id"]
    for name in ids[[1, 4]]:
        (birds / name).unlink()
    with pytest.raises(InputError, match=rf"^cub: 2 of 5 images are missing, the first is .*{ids[1]}, listed in .*txt"):
        cub(birds)


def test_name_that_no_file_can_have(birds: Path) -> None:
    replace(birds / "images.txt", "0005_18", "\0")
    with pytest.raises(InputError, match=r"^cub: 1 of 5 images are missing"):
        cub(birds)


def test_broken_image(birds: Path) -> None:
    source = cub(birds)
    path = birds / source.facts["id"][3]
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(InputError, match=r"cannot read .*Bird_101_0004_18.jpg"):
        source.read(3)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_rgb_of_every_mode(tmp_path: Path, mode: str) -> None:
    Image.new("RGB", (5, 4), (90, 90, 90)).convert(mode).save(tmp_path / "a.png")
    image = rgb(tmp_path / "a.png")
    assert (image.shape, image.dtype) == ((3, 4, 5), np.uint8)
    assert (image == image[0]).all()


@pytest.mark.parametrize("array", [np.zeros((4, 5), np.uint16), np.zeros((4, 8, 9), np.uint8), np.zeros((3, 8, 9))])
def test_rgb_refuses_what_is_no_8_bit_picture(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(InputError, match=r"a.npy: has \d bands of \w+, expected 8-bit grey or RGB"):
        rgb(tmp_path / "a.npy")


def test_real_birds(real_data: Path) -> None:
    if not (real_data / "cub").is_dir():
        pytest.skip("SPACEWISE_DATA holds no cub")
    source = cub(real_data / "cub")
    assert (len(source), len(source.classes)) == (11_788, 200)
    assert source.facts["protocol"].value_counts().to_dict() == {"test": 5924, "train": 5864}
