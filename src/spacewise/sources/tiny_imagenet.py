"""Tiny ImageNet: 110,000 labelled pictures of 64 x 64 pixels in 200 classes of ImageNet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd

from spacewise.describe import described
from spacewise.errors import InputError
from spacewise.sources import listed
from spacewise.sources.source import Source

VERSION = 1
ORIGIN = "'Tiny ImageNet Visual Recognition Challenge', CS231n of Stanford"
WNIDS = "wnids.txt"
WORDS = "words.txt"
VALIDATION = "val/val_annotations.txt"


def holds(folder: Path) -> bool:
    """Whether a folder looks like the set's own."""
    return (folder / WNIDS).is_file()


@described
def tiny_imagenet(root: str | Path) -> Source:
    """Tiny ImageNet (Le and Yang 2015), whose folder is `root` or the only one of its kind directly in it.

    Layout: `wnids.txt`, `words.txt`, `train/n01443537/images/n01443537_0.JPEG`, `val/images/val_0.JPEG` with
    `val/val_annotations.txt`. `test/` has no labels in the published set and is left out.

    Facts: `label` (the class's first word and its WordNet number, since classes share words: `crane
    n02012849`), `split`: train, or test for the set's validation pictures, on which papers report.
    Rows class by class in the order of `wnids.txt`, then in that of the annotations; boxes are not used.

    Images: (3, height, width) uint8, grey pictures as three equal bands.

    Raises:
        InputError: a file of annotations, a class's folder or a listed picture is missing; a line with other
            columns; a class that has no word or is not in `wnids.txt`. On reading: whatever `images.rgb` refuses.
    """
    home = listed.home("tiny-imagenet", Path(root), holds)
    files = [listed.present("tiny-imagenet", home / name, ORIGIN) for name in (WNIDS, WORDS, VALIDATION)]
    labels = _labels(*files[:2])
    train = [row for wnid, label in labels.items() for row in _train(home, wnid, label)]
    facts = pd.DataFrame([*train, *_test(files[2], labels)])
    return listed.listed("tiny-imagenet", home, facts, files, VERSION)


def _labels(wnids: Path, words: Path) -> dict[str, str]:
    """Label by WordNet number, in the order of `wnids.txt`."""
    numbers = {wnid: place for place, (wnid,) in listed.lines(wnids, 1)}
    if not numbers:
        raise InputError(f"{wnids}: is empty, expected one WordNet number a line (homepage: {ORIGIN})")
    named = _words(words)
    for wnid, place in numbers.items():
        if not named.get(wnid):
            raise InputError(f"{place}: class {wnid} has no word in {words}, expected a line '{wnid}', tab, words")
    return {wnid: f"{named[wnid]} {wnid}" for wnid in numbers}


def _words(file: Path) -> dict[str, str]:
    """The first of the words of each WordNet number: `goldfish` of `goldfish, Carassius auratus`."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {file}: {' '.join(str(error).split())}") from error
    columns = (line.partition("\t") for line in text.split("\n"))
    return {wnid: words.split(",")[0].strip() for wnid, _, words in columns}


def _train(home: Path, wnid: str, label: str) -> Iterator[dict[str, str]]:
    folder = home / "train" / wnid / "images"
    try:
        names = sorted(entry.name for entry in folder.iterdir() if entry.suffix.lower() in (".jpeg", ".jpg"))
    except OSError as error:
        raise InputError(f"tiny-imagenet: cannot list {folder}: {error.strerror} (homepage: {ORIGIN})") from error
    if not names:
        raise InputError(f"tiny-imagenet: no pictures in {folder}, expected {wnid}_0.JPEG and others")
    for name in names:
        yield {"id": f"train/{wnid}/images/{name}", "label": label, "split": "train"}


def _test(file: Path, labels: Mapping[str, str]) -> Iterator[dict[str, str]]:
    empty = True
    for place, (name, wnid, *_) in listed.lines(file, 6):
        if wnid not in labels:
            raise InputError(f"{place}: class of {name} is '{wnid}', expected one of the {len(labels)} of {WNIDS}")
        yield {"id": f"val/images/{name}", "label": labels[wnid], "split": "test"}
        empty = False
    if empty:
        raise InputError(f"{file}: lists no images")
