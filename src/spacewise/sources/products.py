"""Stanford Online Products: 120,053 pictures of 22,634 products for sale."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from spacewise.describe import described
from spacewise.errors import InputError
from spacewise.sources import listed
from spacewise.sources.source import Source

VERSION = 1
ORIGIN = "'Deep Metric Learning via Lifted Structured Feature Embedding', CVGL of Stanford"
FILES = {"train": "Ebay_train.txt", "test": "Ebay_test.txt"}
HEADER = ["image_id", "class_id", "super_class_id", "path"]
CLASSES = 22_634


def holds(folder: Path) -> bool:
    """Whether a folder looks like the set's own."""
    return (folder / FILES["train"]).is_file()


@described
def products(root: str | Path) -> Source:
    """Stanford Online Products (Oh Song et al. 2016), whose folder is `root` or the only one directly in it.

    Facts: `label` (the class's number as text of five digits: 00001), `number` (of the class, from 1),
    `group` (super class: bicycle, after the picture's folder), `protocol` (train and test by file, of
    which no class is in both). Rows in the order of the files, training first.

    Images: (3, height, width) uint8, grey pictures as three equal bands.

    Raises:
        InputError: a file of annotations or a listed image is missing; a wrong header, a line with other
            columns, a class outside 1 to 22,634, a class in both files. On reading: whatever `images.rgb` refuses.
    """
    home = listed.home("products", Path(root), holds)
    files = {side: listed.present("products", home / name, ORIGIN) for side, name in FILES.items()}
    rows = [row for side, file in files.items() for row in _rows(file, side)]
    facts = pd.DataFrame(rows)
    _refuse_shared(facts, files)
    return listed.listed("products", home, facts, list(files.values()), VERSION)


def _rows(file: Path, side: str) -> list[dict[str, object]]:
    lines = listed.lines(file, len(HEADER))
    place, header = next(lines, (f"{file}:1", []))
    if header != HEADER:
        raise InputError(f"{place}: is '{' '.join(header)}', expected the header '{' '.join(HEADER)}'")
    rows = [_row(place, values, side) for place, values in lines]
    if not rows:
        raise InputError(f"{file}: lists no images")
    return rows


def _row(place: str, values: list[str], side: str) -> dict[str, object]:
    *numbers, path = values
    _, number, _ = (listed.whole(place, text, what) for text, what in zip(numbers, HEADER))
    if number > CLASSES:
        raise InputError(f"{place}: class_id is {number}, expected 1 to {CLASSES}")
    folder, slash, _ = path.partition("/")
    if not slash:
        raise InputError(f"{place}: path is '{path}', expected a folder and a picture such as bicycle_final/1_0.JPG")
    return {
        "id": path,
        "label": f"{number:05d}",
        "number": number,
        "group": folder.removesuffix("_final"),
        "protocol": side,
    }


def _refuse_shared(facts: pd.DataFrame, files: dict[str, Path]) -> None:
    """Retrieval asks about classes that were never trained: none may be on both sides."""
    train, test = (set(facts["number"][facts["protocol"] == side]) for side in files)
    if shared := train & test:
        place = f"{files['train']} and {files['test']}"
        raise InputError(f"products: {place} share {len(shared)} classes, such as {min(shared)}, expected none")
