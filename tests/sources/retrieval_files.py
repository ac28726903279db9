"""Write tiny retrieval sets in the true layouts of Cars-196, CUB-200-2011 and Stanford Online Products."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.io import savemat

BOX = ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2")
CAR_NAMES = [f"Make{number:03d} Model C/V Sedan 2012" for number in range(1, 197)]
CAR_CLASSES = (1, 98, 98, 99, 196)  # of the pictures 1 to 5; the second and the fourth test
PRODUCTS_HEADER = "image_id class_id super_class_id path"

# image, class, 1 where it trains
BIRDS = ((1, 1, 0), (2, 1, 1), (3, 100, 1), (4, 101, 0), (5, 200, 1))
BIRD_NAMES = {number: f"{number:03d}.Bird_{number}" for number in range(1, 201)}

PRODUCTS = {
    "train": ((1, 1, 1, "bicycle_final/111085122871_0.JPG"), (2, 1, 1, "bicycle_final/111085122871_1.JPG")),
    "test": ((3, 11319, 4, "coffee_maker_final/110000000002_0.JPG"), (4, 22634, 12, "toaster_final/3_0.JPG")),
}


def write_picture(path: Path, grey: bool = False, size: tuple[int, int] = (9, 7), seed: int = 0) -> Path:
    """A JPEG of `size` (width, height) with random pixels, of one band or three."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = size[::-1] if grey else (*size[::-1], 3)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    Image.fromarray(pixels).save(path, format="JPEG")
    return path


def structs(rows: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """A struct array (1, row) as MATLAB writes it: each field an array (1, 1) or a text."""
    table = np.empty((1, len(rows)), [(name, object) for name in rows[0]])
    for index, row in enumerate(rows):
        for name, value in row.items():
            table[name][0, index] = value if isinstance(value, str) else np.array([[value]])
    return table


def cells(texts: Sequence[Any]) -> np.ndarray:
    """A cell array (1, text)."""
    array = np.empty((1, len(texts)), object)
    array[0, :] = texts
    return array


def car(**fields: Any) -> dict[str, Any]:
    """One annotation: the box in the smallest type that holds it, as MATLAB's files have it, then `fields`."""
    return dict(zip(BOX, (np.uint8(3), np.uint16(300), np.uint8(8), np.uint16(600)))) | fields


def save(path: Path, **variables: Any) -> Path:
    """A .mat file, compressed as the set's are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, variables, do_compression=True)
    return path


def write_cars(root: Path, classes: Sequence[int] = CAR_CLASSES) -> Path:
    """`cars_annos.mat` beside `car_ims/`; the third picture is grey."""
    rows = []
    for number, name in enumerate(classes, 1):
        path = f"car_ims/{number:06d}.jpg"
        write_picture(root / path, grey=number == 3, seed=number)
        box = car()
        rows.append({"relative_im_path": path} | box | {"class": np.uint8(name), "test": np.uint8(number % 2 == 0)})
    save(root / "cars_annos.mat", annotations=structs(rows), class_names=cells(CAR_NAMES))
    return root


def write_cars_devkit(
    root: Path, train: Sequence[int] = (1, 98), test: Sequence[int] = (99, 1, 196), labelled: str = "devkit"
) -> Path:
    """`devkit/`, `cars_train/`, `cars_test/`; the labels of the test pictures in the folder `labelled`."""
    save(root / "devkit/cars_meta.mat", class_names=cells(CAR_NAMES))
    for side, classes in (("train", train), ("test", test)):
        names = [f"{number:05d}.jpg" for number in range(1, len(classes) + 1)]
        for number, name in enumerate(names):
            write_picture(root / f"cars_{side}" / name, grey=number == 1, seed=number)
        rows = [car(**{"class": np.uint8(number), "fname": name}) for number, name in zip(classes, names)]
        if side == "train":
            save(root / "devkit/cars_train_annos.mat", annotations=structs(rows))
        else:
            save(root / labelled / "cars_test_annos_withlabels.mat", annotations=structs(rows))
            save(root / "devkit/cars_test_annos.mat", annotations=structs([car(fname=name) for name in names]))
    return root


def write_cub(root: Path) -> Path:
    """The four lists, the boxes and `images/CLASS/`; the third picture is grey."""
    names = {image: f"{BIRD_NAMES[number]}/Bird_{number}_{image:04d}_18.jpg" for image, number, _ in BIRDS}
    for image, name in names.items():
        write_picture(root / "images" / name, grey=image == 3, size=(8 + image, 11), seed=image)
    write_lines(root / "images.txt", names.items())
    write_lines(root / "image_class_labels.txt", ((image, number) for image, number, _ in BIRDS))
    write_lines(root / "train_test_split.txt", ((image, train) for image, _, train in BIRDS))
    write_lines(root / "classes.txt", BIRD_NAMES.items())
    write_lines(root / "bounding_boxes.txt", ((image, 60.0, 27.0, 325.0, 304.0) for image, *_ in BIRDS))
    return root


def write_products(root: Path) -> Path:
    """Two lists and a folder for each super class; the second picture is grey."""
    for side, rows in PRODUCTS.items():
        write_lines(root / f"Ebay_{side}.txt", [PRODUCTS_HEADER.split(), *rows])
        for image, *_, path in rows:
            write_picture(root / path, grey=image == 2, seed=image)
    write_lines(root / "bicycle_final.txt", [("http://example.org/1", "111085122871_0.JPG")])
    return root


def write_lines(path: Path, rows: Any) -> Path:
    """Rows of values with a blank between."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(" ".join(str(value) for value in row) + "\n" for row in rows), encoding="utf-8")
    return path


def replace(path: Path, old: str, new: str) -> None:
    """Changes the one place in a text file where `old` stands."""
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{path} holds '{old}' {text.count(old)} times"
    path.write_text(text.replace(old, new), encoding="utf-8")
