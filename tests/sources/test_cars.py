"""The Cars-196 source, on MATLAB files and pictures in both of the set's layouts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import loadmat
from tests.sources.retrieval_files import CAR_NAMES, car, cells, save, structs, write_cars, write_cars_devkit

from spacewise import cache
from spacewise.errors import InputError
from spacewise.sources import cars, open_source, recognise
from spacewise.sources.source import Source


def rows(source: Source) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in source.facts.itertuples(index=False)]


@pytest.fixture
def combined(tmp_path: Path) -> Path:
    return write_cars(tmp_path / "cars")


@pytest.fixture
def devkit(tmp_path: Path) -> Path:
    return write_cars_devkit(tmp_path / "stanford_cars")


def test_files_are_as_matlab_writes_them(combined: Path) -> None:
    """The form that loaders of the set index: [0][i][5][0, 0] is the class of picture i."""
    found = loadmat(combined / "cars_annos.mat")
    assert found["annotations"].shape == (1, 5)
    assert found["annotations"].dtype.names == (
        *("relative_im_path", "bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", "class", "test"),
    )
    assert found["annotations"][0][1][0][0] == "car_ims/000002.jpg"
    assert found["annotations"][0][1][5][0, 0] == 98
    assert found["annotations"][0][1][5].dtype == np.uint8
    assert found["class_names"].shape == (1, 196)
    assert found["class_names"][0][195][0] == CAR_NAMES[195]


def test_facts_of_the_combined_layout(combined: Path) -> None:
    source = cars(combined)
    assert (source.name, source.fit, source.amplitude, source.root) == ("cars", "resize", "intensity", combined)
    assert source.facts.columns.to_list() == ["id", "label", "number", "split", "protocol"]
    assert rows(source) == [
        ("car_ims/000001.jpg", CAR_NAMES[0], 1, "train", "train"),
        ("car_ims/000002.jpg", CAR_NAMES[97], 98, "test", "train"),
        ("car_ims/000003.jpg", CAR_NAMES[97], 98, "train", "train"),
        ("car_ims/000004.jpg", CAR_NAMES[98], 99, "test", "test"),
        ("car_ims/000005.jpg", CAR_NAMES[195], 196, "train", "test"),
    ]
    assert source.facts["number"].dtype == np.int64


@pytest.mark.parametrize("labelled", ["devkit", "."])
def test_facts_of_the_devkit_layout(tmp_path: Path, labelled: str) -> None:
    source = cars(write_cars_devkit(tmp_path, labelled=labelled))
    assert rows(source) == [
        ("cars_train/00001.jpg", CAR_NAMES[0], 1, "train", "train"),
        ("cars_train/00002.jpg", CAR_NAMES[97], 98, "train", "train"),
        ("cars_test/00001.jpg", CAR_NAMES[98], 99, "test", "test"),
        ("cars_test/00002.jpg", CAR_NAMES[0], 1, "test", "train"),
        ("cars_test/00003.jpg", CAR_NAMES[195], 196, "test", "test"),
    ]


def test_grey_and_colour_are_decoded_alike(combined: Path, devkit: Path) -> None:
    for root, grey in ((combined, [2]), (devkit, [1, 3])):
        images = cache.decoded(cars(root), 8).images
        assert images.shape == (5, 3, 8, 8)
        assert [index for index, image in enumerate(images) if (image == image[0]).all()] == grey


def test_root_may_hold_the_sets_folder(combined: Path) -> None:
    assert recognise(combined) == recognise(combined.parent) == "cars"
    assert rows(open_source(str(combined.parent))) == rows(cars(combined))


def test_devkit_is_recognised(devkit: Path) -> None:
    assert recognise(devkit) == recognise(devkit.parent) == "cars"


def test_with_both_annotations_the_pictures_tell_which_is_meant(devkit: Path, combined: Path) -> None:
    (combined / "cars_annos.mat").rename(devkit / "cars_annos.mat")
    assert rows(cars(devkit))[0][0] == "cars_train/00001.jpg"
    (combined / "car_ims").rename(devkit / "car_ims")
    assert rows(cars(devkit))[0][0] == "car_ims/000001.jpg"


def test_one_picture(tmp_path: Path) -> None:
    assert rows(cars(write_cars(tmp_path / "a", [7]))) == [("car_ims/000001.jpg", CAR_NAMES[6], 7, "train", "train")]
    source = cars(write_cars_devkit(tmp_path / "b", [7], [8]))
    assert source.facts["number"].to_list() == [7, 8]


def test_one_class(tmp_path: Path) -> None:
    write_cars(tmp_path, [1, 1])
    old = loadmat(tmp_path / "cars_annos.mat")["annotations"]
    save(tmp_path / "cars_annos.mat", annotations=old, class_names=cells(["Tesla Model S Sedan 2012"]))
    assert cars(tmp_path).classes == ("Tesla Model S Sedan 2012",)


def test_numbers_as_doubles_and_logicals(tmp_path: Path) -> None:
    write_cars(tmp_path, [5])
    row = {"relative_im_path": "car_ims/000001.jpg", "class": 99.0, "test": True}
    save(tmp_path / "cars_annos.mat", annotations=structs([row]), class_names=cells(CAR_NAMES))
    assert rows(cars(tmp_path)) == [("car_ims/000001.jpg", CAR_NAMES[98], 99, "test", "test")]


# What is wrong with a set


def test_missing_folder_and_set(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^cars: .*such is no folder"):
        cars(tmp_path / "such")
    with pytest.raises(InputError, match=r"neither cars_annos.mat nor devkit/cars_meta.mat.*homepage: 'Cars Dataset'"):
        cars(tmp_path)


def test_missing_training_annotations(devkit: Path) -> None:
    (devkit / "devkit/cars_train_annos.mat").unlink()
    with pytest.raises(InputError, match=r"devkit/cars_train_annos.mat is missing.*homepage: 'Cars Dataset'"):
        cars(devkit)


def test_test_annotations_without_labels(devkit: Path) -> None:
    labelled = devkit / "devkit/cars_test_annos_withlabels.mat"
    labelled.unlink()
    message = r"withlabels.mat is missing, cars_test_annos.mat has no classes: fetch cars_test_annos_withlabels.mat and"
    with pytest.raises(InputError, match=message):
        cars(devkit)
    (devkit / "devkit/cars_test_annos.mat").rename(labelled)
    with pytest.raises(InputError, match=r"no field 'class': the classes are in cars_test_annos_withlabels.mat"):
        cars(devkit)


@pytest.mark.parametrize("number", [0, 197, -1, 2.5, np.nan])
def test_class_out_of_range(devkit: Path, number: float) -> None:
    table = structs([car(**{"class": 1, "fname": "00001.jpg"}), car(**{"class": number, "fname": "00002.jpg"})])
    save(devkit / "devkit/cars_train_annos.mat", annotations=table)
    with pytest.raises(InputError, match=rf"cars_train/00002.jpg has class {number}, expected 1 to 196$"):
        cars(devkit)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (car(**{"class": 1, "test": 0}), "no field 'relative_im_path'"),
        (car(relative_im_path="car_ims/000001.jpg", test=0), "no field 'class'"),
        ({"relative_im_path": "car_ims/000001.jpg", "class": 1, "test": 2}, "test of .* is 2, expected 0 or 1"),
        ({"relative_im_path": "", "class": 1, "test": 0}, "a value of relative_im_path has 0 elements, expected one"),
        ({"relative_im_path": 3, "class": 1, "test": 0}, r"annotation 1 holds \(3, 1, 0\), expected a name and num"),
        ({"relative_im_path": "a.jpg", "class": "one", "test": 0}, r"annotation 1 holds \('a.jpg', 'one', 0\)"),
        ({"relative_im_path": "../a.jpg", "class": 1, "test": 0}, "leads out of"),
        ({"relative_im_path": "car_ims/7.jpg", "class": 1, "test": 0}, "1 of 1 images are missing, .*car_ims/7.jpg"),
    ],
)
def test_malformed_annotations(combined: Path, row: dict[str, Any], message: str) -> None:
    save(combined / "cars_annos.mat", annotations=structs([row]), class_names=cells(CAR_NAMES))
    with pytest.raises(InputError, match=message) as caught:
        cars(combined)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"class_names": cells(CAR_NAMES)}, "has no variable 'annotations'"),
        ({"annotations": np.zeros((1, 3))}, "has no variable 'class_names'"),
        ({"annotations": np.zeros((1, 3)), "class_names": cells(CAR_NAMES)}, "no field 'relative_im_path'"),
        ({"annotations": 1, "class_names": cells(["A", "A"])}, "class_names holds 'A', expected as many different"),
        ({"annotations": 1, "class_names": cells(["A", 3])}, "class_names holds 3, expected as many different"),
        ({"annotations": 1, "class_names": cells(["A", cells(["B", "C"])])}, "class_names has 2 elements, expected"),
    ],
)
def test_other_variables(combined: Path, variables: dict[str, Any], message: str) -> None:
    save(combined / "cars_annos.mat", **variables)
    with pytest.raises(InputError, match=message):
        cars(combined)


def test_damaged_annotations(combined: Path) -> None:
    file = combined / "cars_annos.mat"
    whole = file.read_bytes()
    broken = [b"", b"no MATLAB file", whole[:100], *(whole[:length] for length in range(130, len(whole) - 1, 97))]
    broken += [whole[:at] + b"\xff\x00\xff" + whole[at + 3 :] for at in range(140, len(whole) - 3, 97)]
    for data in broken:
        file.write_bytes(data)
        with pytest.raises(InputError, match=r"cars_annos.mat: ") as caught:
            cars(combined)
        assert "\n" not in str(caught.value)


def test_image_listed_twice(combined: Path) -> None:
    row = {"relative_im_path": "car_ims/000001.jpg", "class": 1, "test": 0}
    save(combined / "cars_annos.mat", annotations=structs([row, row]), class_names=cells(CAR_NAMES))
    with pytest.raises(InputError, match=r"image car_ims/000001.jpg is listed twice in .*cars_annos.mat"):
        cars(combined)


def test_real_cars(real_data: Path) -> None:
    if not (real_data / "cars").is_dir():
        pytest.skip("SPACEWISE_DATA holds no cars")
    source = cars(real_data / "cars")
    assert (len(source), len(source.classes)) == (16_185, 196)
    assert source.facts["protocol"].value_counts().to_dict() == {"test": 8131, "train": 8054}
