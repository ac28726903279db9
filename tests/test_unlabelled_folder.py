"""Pictures without a label: where they lie, which part they are in, and what becomes of those that cannot be read."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from spacewise import splits
from spacewise.cache import Decoded, decoded, readable, skipped
from spacewise.errors import InputError
from spacewise.experiment import Experiment, read
from spacewise.sources import Source, folder
from spacewise.splits import Part, Split, few_label, stratified

NAMES = ("beach", "river")


def save(path: Path, seed: int = 0, bands: int = 3) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (12, 14, bands), np.uint8)
    Image.fromarray(pixels if bands > 1 else pixels[:, :, 0]).save(path)
    return path


def write_classes(root: Path, count: int = 6) -> Path:
    for kind, name in enumerate(NAMES):
        for number in range(count):
            save(root / name / f"{name}{number}.png", seed=hash_of(root.name, kind, number))
    return root


def hash_of(name: str, *numbers: int) -> int:
    return int.from_bytes(name.encode()[:4]) * 1000 + 100 * numbers[0] + numbers[1]


def write_pool(place: Path, count: int = 4) -> Path:
    for number in range(count):
        save(place / f"{number}.jpg", seed=90_000 + number)
    save(place / "deep" / "er" / "z.png", seed=90_100)
    (place / "deep" / "notes.txt").write_text("no picture")
    return place


def spoil(place: Path) -> list[str]:
    """Adds files that cannot be used, of every kind; returns their names."""
    whole = save(place / "cut.jpg", seed=7).read_bytes()
    (place / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (place / "text.jpg").write_text("no picture at all")
    save(place / "grey.png", seed=8, bands=1)
    np.save(place / "wide.npy", np.zeros((3, 12, 14), np.float32))
    (place / "gone.png").symlink_to(place / "nowhere.png")
    return ["cut.jpg", "gone.png", "grey.png", "text.jpg", "wide.npy"]


def rows(split: Split) -> dict[str, set[int]]:
    return {name: set(part.rows.tolist()) for name, part in split.parts.items()}


def without_label(source: Source) -> set[int]:
    return set(np.flatnonzero(source.facts["label"] == "").tolist())


# Where they lie


@pytest.mark.parametrize("name", ["unlabelled", "unlabeled", "Unlabelled"])
def test_a_folder_so_named_is_no_class(tmp_path: Path, name: str) -> None:
    write_classes(tmp_path)
    write_pool(tmp_path / name)
    source = folder(tmp_path)
    assert source.classes == NAMES
    facts = source.facts[source.facts["label"] == ""]
    assert facts["id"].tolist() == [f"{name}/{one}" for one in ("0.jpg", "1.jpg", "2.jpg", "3.jpg", "deep/er/z.png")]
    assert set(facts["split"]) == {"unlabelled"}
    assert source.facts["label"].ne("").tolist() == [True] * 12 + [False] * 5
    assert source.read(16).shape == (3, 12, 14)
    assert splits.default(source) == "stratified"
    with pytest.raises(InputError, match="unknown class folder"):
        folder(tmp_path, classes={"beach": "beach", name: "other"})


def test_beside_train_and_test(tmp_path: Path) -> None:
    write_classes(tmp_path / "set" / "train")
    write_classes(tmp_path / "set" / "test")
    write_pool(tmp_path / "set" / "unlabelled")
    source = folder(tmp_path)
    assert source.facts["split"].value_counts().to_dict() == {"train": 12, "test": 12, "unlabelled": 5}
    assert splits.default(source) == "folders"
    assert source.facts["id"].iloc[-1] == "set/unlabelled/deep/er/z.png"


def test_beside_the_folder_that_wraps_the_classes(tmp_path: Path) -> None:
    write_classes(tmp_path / "Images")
    write_pool(tmp_path / "unlabelled")
    assert (folder(tmp_path).classes, len(without_label(folder(tmp_path)))) == (NAMES, 5)


def test_in_the_split_that_trains(tmp_path: Path) -> None:
    write_classes(tmp_path / "train")
    write_classes(tmp_path / "test")
    write_pool(tmp_path / "train" / "unlabelled")
    assert (folder(tmp_path).classes, len(without_label(folder(tmp_path)))) == (NAMES, 5)


@pytest.mark.parametrize("given", ["a-pool", "./a-pool/", "train/a-pool", "Images/a-pool"])
def test_a_folder_of_another_name_is_given(tmp_path: Path, given: str) -> None:
    parent = Path(given).parent
    write_classes(tmp_path / parent)
    write_pool(tmp_path / given)
    source = folder(tmp_path, unlabelled=given)
    assert source.classes == NAMES
    assert len(without_label(source)) == 5
    assert source.facts["id"].is_unique
    assert source.facts["label"][0] == "beach"
    assert source.facts["id"].iloc[-1] == (parent / "a-pool/deep/er/z.png").as_posix()


def test_a_folder_elsewhere_is_given(tmp_path: Path) -> None:
    write_classes(tmp_path / "set")
    pool = write_pool(tmp_path / "elsewhere" / "pool")
    source = folder(tmp_path / "set", unlabelled=str(pool))
    assert source.facts["id"].iloc[-2:].tolist() == ["unlabelled/3.jpg", "unlabelled/deep/er/z.png"]
    assert source.read(len(source) - 1).shape == (3, 12, 14)
    write_pool(tmp_path / "set" / "unlabelled")
    with pytest.raises(InputError, match="both hold unlabelled pictures"):
        folder(tmp_path / "set", unlabelled=str(pool))


def test_the_labelled_rows_stay_where_they_are(tmp_path: Path) -> None:
    write_classes(tmp_path)
    alone = folder(tmp_path)
    write_pool(tmp_path / "a-pool")
    more = folder(tmp_path, unlabelled="a-pool")
    assert more.facts["id"][: len(alone)].tolist() == alone.facts["id"].tolist()
    assert more.stamp != alone.stamp
    parts = rows(stratified(alone, seed=3))
    assert {name: parts[name] for name in ("train", "validation", "test")} == {
        name: rows(stratified(more, seed=3))[name] for name in ("train", "validation", "test")
    }
    save(tmp_path / "a-pool" / "new.png")
    assert folder(tmp_path, unlabelled="a-pool").stamp != more.stamp


def test_it_is_read_back_from_yaml(tmp_path: Path) -> None:
    write_classes(tmp_path / "set")
    write_pool(tmp_path / "set" / "a-pool")
    experiment = Experiment(
        data={
            "source": {"name": "folder", "root": str(tmp_path / "set"), "unlabelled": "a-pool"},
            "split": {"name": "few-label", "labels": "2/class"},
        },
        net={"name": "ding", "size": 48},
        objective=["crossentropy@classifier"],
    )
    (tmp_path / "experiment.yaml").write_text(experiment.yaml(), encoding="utf-8")
    again = read(tmp_path / "experiment.yaml")
    source = again.source()
    assert source.description["unlabelled"] == "a-pool"  # type: ignore[attr-defined]
    split = again.split(source)
    assert (len(split.train), len(split.test), len(split.unlabelled)) == (4, 6, 2 + 5)


def write_two(root: Path) -> None:
    write_pool(root / "unlabelled")
    write_pool(root / "unlabeled")


def write_none(root: Path) -> None:
    (root / "unlabelled" / "deep").mkdir(parents=True)


def write_cycle(root: Path) -> None:
    (root / "unlabelled").mkdir()
    (root / "unlabelled" / "again").symlink_to(root / "unlabelled")


@pytest.mark.parametrize(
    ("write", "given", "message"),
    [
        (lambda root: None, "nowhere", "nowhere is no folder, expected one of unlabelled pictures"),
        (lambda root: None, "beach/beach0.png", "beach0.png is no folder"),
        (lambda root: None, ".", "holds the class folders, expected one of unlabelled pictures"),
        (lambda root: write_pool(root / "beach" / "extra"), "beach/extra", r"beach holds folders \(extra\)"),
        (lambda root: write_pool(root / "beach" / "unlabelled"), "", r"beach holds folders \(unlabelled\)"),
        (write_two, "", "both hold unlabelled pictures, expected them in one folder"),
        (write_none, "", "unlabelled holds no pictures, expected files .png"),
        (write_cycle, "", "again links back to"),
    ],
)
def test_what_is_no_folder_of_unlabelled_pictures(tmp_path: Path, write: Any, given: str, message: str) -> None:
    write_classes(tmp_path)
    write(tmp_path)
    with pytest.raises(InputError, match=message) as caught:
        folder(tmp_path, unlabelled=given)
    assert "\n" not in str(caught.value)


def test_unlabelled_pictures_alone_are_no_source(tmp_path: Path) -> None:
    write_pool(tmp_path / "unlabelled")
    with pytest.raises(InputError, match="has no class folders"):
        folder(tmp_path)


# Which part they are in


OPTIONS: dict[str, dict[str, Any]] = {
    "by-fact": {"train": {"split": ["train", "unlabelled"]}, "test": {"split": "test"}, "confusers": {"label": "c"}},
    "group-disjoint": {"group": "city"},
    "kfold": {"folds": 3, "fold": 1},
    "few-label": {"labels": "2/class"},
}


def memory() -> Source:
    """Eight classes, and 7 samples without a label and without most facts, mixed."""
    labels = [label for label in "abcdefgh" for _ in range(8)]
    facts = pd.DataFrame({"label": labels, "split": ["train", "train", "train", "test"] * 16})
    facts = facts.assign(role=facts["split"], serial="1", city=[f"city{number % 4}" for number in range(64)])
    facts.loc[facts["label"] == "c", ["split", "role"]] = "other"
    more = pd.DataFrame({"label": [""] * 7, "split": "unlabelled", "role": "unlabelled", "serial": "", "city": ""})
    facts = pd.concat([facts, more]).sample(frac=1, random_state=0, ignore_index=True)
    facts["id"] = [f"{number:03d}" for number in range(len(facts))]
    return Source("memory", facts, lambda index: np.zeros((1, 4, 4), np.uint8))


@pytest.mark.parametrize("name", [name for name in splits.SPLITS if not name.startswith("mstar")])
@pytest.mark.parametrize("validation", [0.0, 0.34])
def test_every_split_leaves_them_unlabelled(name: str, validation: float) -> None:
    source = memory()
    split = splits.SPLITS[name](source, validation=validation, **OPTIONS.get(name, {}))
    expected = without_label(source)
    assert expected <= rows(split)["unlabelled"]
    for part in ("train", "validation", "test", "confusers"):
        assert not rows(split)[part] & expected
        assert "" not in set(split.parts[part].facts["label"])
    assert "" not in (*split.classes, *split.test.classes, *split.validation.classes)
    assert set(split.unlabelled.labels[split.unlabelled.facts["label"] == ""]) == {-1}
    if name != "few-label":
        assert rows(split)["unlabelled"] == expected
        assert (split.table()["part"] == "unlabelled").sum() == 7


@pytest.mark.parametrize("name", ["mstar-seen-unseen", "mstar-confusers"])
def test_splits_of_mstar_leave_them_unlabelled(name: str) -> None:
    rows_ = [
        {"label": label, "serial": serial, "depression": depression}
        for label, serial in (("BMP2", "c21"), ("BTR70", "c71"), ("T72", "132"), ("2S1", "b01"), ("ZIL131", "E12"))
        for depression in (15, 17)
        for _ in range(4)
    ]
    facts = pd.DataFrame([*rows_, {"label": "", "serial": "c21", "depression": 17}])
    facts["id"] = [f"{number:03d}" for number in range(len(facts))]
    split = splits.SPLITS[name](Source("mstar", facts, lambda index: np.zeros((1, 4, 4), np.uint8)))
    assert rows(split)["unlabelled"] == {40}
    assert 40 not in set().union(*(found for part, found in rows(split).items() if part != "unlabelled"))


def test_a_budget_adds_those_whose_labels_are_taken(tmp_path: Path) -> None:
    write_classes(tmp_path / "train")
    write_classes(tmp_path / "test")
    write_pool(tmp_path / "unlabelled")
    source = folder(tmp_path)
    split, open_ = (few_label(source, labels="2/class", transductive=given) for given in (False, True))
    assert (len(split.train), len(split.unlabelled), len(split.test)) == (4, 8 + 5, 12)
    assert not split.transductive
    assert len(open_.unlabelled) == 8 + 5 + 12
    assert len({split.digest(), open_.digest(), few_label(source, labels="1/class").digest()}) == 3
    save(tmp_path / "unlabelled" / "new.png", seed=1)
    assert few_label(folder(tmp_path), labels="2/class").digest() != split.digest()


def test_facts_that_they_lack_are_not_shared() -> None:
    source = memory()
    facts = source.facts.assign(city=source.facts["city"].where(source.facts["split"] != "test", "elsewhere"))
    facts.loc[facts["id"] == facts["id"][facts["split"] == "test"].iloc[0], "city"] = ""
    source = Source("memory", facts, source.reader)
    options: dict[str, Any] = {"train": {"split": "train"}, "test": {"split": "test"}, "validation": 0.0}
    split = splits.by_fact(source, **options, group="city")
    assert len(split.unlabelled) == 7
    assert split.leaks(np.arange(1, len(source) + 1).astype("S")) == []


# What cannot be read


@pytest.fixture
def spoilt(tmp_path: Path) -> Path:
    """Class folders, and five of ten unlabelled pictures that cannot be used."""
    write_classes(tmp_path)
    spoil(write_pool(tmp_path / "a-pool"))
    return tmp_path


def test_unreadable_ones_are_skipped_counted_and_named(spoilt: Path) -> None:
    source = folder(spoilt, unlabelled="a-pool")
    images = decoded(source, 8)
    named = {source.facts["id"][row]: why for row, why in images.unreadable.items()}
    assert list(named) == [f"a-pool/{name}" for name in ("cut.jpg", "gone.png", "grey.png", "text.jpg", "wide.npy")]
    assert all("\n" not in why and Path(name).name in why for name, why in named.items())
    assert "1 bands where beach/beach0.png has 3" in named["a-pool/grey.png"]
    assert "holds float32 where beach/beach0.png holds uint8" in named["a-pool/wide.npy"]
    assert "cannot identify" in named["a-pool/text.jpg"]
    flawed = list(images.unreadable)
    others = np.setdiff1d(np.arange(len(source)), flawed)
    assert not images.images[flawed].any()
    assert set(images.digests[flawed]) == {b""}
    assert not images.sizes[flawed].any()
    assert all(images.digests[others])
    assert images.images[others].flatten(1).any(dim=1).all()
    assert skipped(source, images) == (
        "5 of 10 unlabelled images cannot be read and are skipped: "
        "a-pool/cut.jpg, a-pool/gone.png, a-pool/grey.png and 2 more"
    )
    split = stratified(source)
    assert split.leaks(images.digests) == []


def test_the_next_run_knows_them_too(spoilt: Path, own_cache: Path) -> None:
    source = folder(spoilt, unlabelled="a-pool")
    first = decoded(source, 8)
    (place,) = own_cache.iterdir()
    assert json.loads((place / "unreadable.json").read_text()) == {str(k): v for k, v in first.unreadable.items()}

    def unread(_index: int) -> np.ndarray:
        raise AssertionError("decoded again")

    object.__setattr__(source, "reader", unread)
    second = decoded(source, 8)
    assert second.unreadable == first.unreadable
    assert torch.equal(second.images, first.images)
    np.testing.assert_array_equal(second.digests, first.digests)
    for damage in ("[1]", "{", ""):
        (place / "unreadable.json").write_text(damage)
        with pytest.raises(InputError, match=r"is damaged .*; delete it"):
            decoded(source, 8)


def test_a_repaired_file_is_read_again(spoilt: Path) -> None:
    (spoilt / "a-pool" / "gone.png").unlink()
    assert len(decoded(folder(spoilt, unlabelled="a-pool"), 8).unreadable) == 4
    save(spoilt / "a-pool" / "text.jpg", seed=3)
    assert len(decoded(folder(spoilt, unlabelled="a-pool"), 8).unreadable) == 3


def test_a_labelled_one_stays_fatal(spoilt: Path, own_cache: Path) -> None:
    (spoilt / "river" / "river3.png").write_text("no picture")
    with pytest.raises(InputError, match=r"cannot read .*river3.png"):
        decoded(folder(spoilt, unlabelled="a-pool"), 8)
    assert not list(own_cache.rglob("*"))


def test_what_was_skipped_without_a_label_is_fatal_with_one(tmp_path: Path) -> None:
    """The same files in the same order: a class folder is taken for the unlabelled ones, and then is a class."""
    write_classes(tmp_path)
    save(tmp_path / "zone" / "0.png")
    (tmp_path / "zone" / "1.png").write_text("no picture")
    source = folder(tmp_path, unlabelled="zone")
    assert list(decoded(source, 8).unreadable) == [13]
    named = source.facts.assign(label=[*source.facts["label"][:12], "zone", "zone"])
    relabelled = Source("folder", named, source.reader, source.root, source.stamp, fit="resize")
    for made in (relabelled, folder(tmp_path)):
        with pytest.raises(InputError, match=r"cannot read .*zone/1.png"):
            decoded(made, 8)


def arrays(images: list[np.ndarray | None], labels: list[str], stamp: str = "") -> Source:
    """A source of arrays; None cannot be read."""
    facts = pd.DataFrame({"id": [f"i{number}" for number in range(len(images))], "label": labels})

    def read_one(index: int) -> np.ndarray:
        found = images[index]
        if found is None:
            raise OSError(5, os.strerror(5))
        return found

    return Source("memory", facts, read_one, stamp=stamp)


def test_a_labelled_image_says_bands_and_type_wherever_it_stands() -> None:
    grey, colour = np.ones((1, 5, 5), np.uint8), np.ones((3, 5, 5), np.float32)
    flawed = np.full((3, 5, 5), np.nan, np.float32)
    images = decoded(arrays([grey, None, colour, flawed, colour], ["", "", "a", "", "b"]), 4)
    assert images.images.shape == (5, 3, 4, 4)
    assert images.images.dtype == torch.float32
    assert list(images.unreadable) == [0, 1, 3]
    assert images.unreadable[0] == "i0 has 1 bands where i2 has 3; all images of a source need the same bands"
    assert images.unreadable[1] == "cannot read i1: Input/output error"
    assert "75 pixels are NaN" in images.unreadable[3]
    assert torch.isfinite(images.images).all()


def test_without_any_label_the_first_that_can_be_read_does() -> None:
    image = np.ones((2, 5, 5), np.uint8)
    assert list(decoded(arrays([None, image, None], [""] * 3), 4).unreadable) == [0, 2]
    with pytest.raises(InputError, match="none of the 2 images of memory can be read; cannot read i0: Input"):
        decoded(arrays([None, None], ["", ""]), 4)


def test_a_slab_skips_what_does_not_belong() -> None:
    values = np.ones((4, 1, 5, 5), np.float32)
    values[2] = np.inf
    source = arrays(list(values), ["a", "", "", "b"])
    made = Source("memory", source.facts, source.reader, slab=lambda first, last: values[first:last])
    assert list(decoded(made, 4).unreadable) == list(decoded(source, 4).unreadable) == [2]


def test_readable_drops_the_rows_and_their_subsets() -> None:
    source = arrays([None] * 6, ["a", "", "", "b", "", ""])
    part = Part(source, np.array([1, 2, 4, 5]), ("a", "b"), {"odd": np.array([True, False, False, True])})
    images = Decoded(torch.zeros(6, 1, 2, 2), np.zeros((6, 2)), np.zeros(6, "S32"), {2: "cut off", 5: "cut off"})
    kept = readable(part, images)
    assert kept.rows.tolist() == [1, 4]
    assert kept.subsets["odd"].tolist() == [True, False]
    assert (kept.classes, kept.source) == (part.classes, part.source)
    assert readable(part, Decoded(images.images, images.sizes, images.digests)) is part
    assert not len(readable(Part(source, np.array([2, 5]), ("a", "b")), images))


@pytest.mark.parametrize(
    ("number", "line"),
    [
        (0, ""),
        (1, "1 of 1,200 unlabelled images cannot be read and is skipped: i2"),
        (3, "3 of 1,200 unlabelled images cannot be read and are skipped: i2, i3, i4"),
        (1100, "1,100 of 1,200 unlabelled images cannot be read and are skipped: i2, i3, i4 and 1,097 more"),
    ],
)
def test_the_line_names_three(number: int, line: str) -> None:
    source = arrays([None] * 1202, ["a", "b", *[""] * 1200])
    unreadable = dict.fromkeys(range(2, 2 + number), "cut off")
    images = Decoded(torch.zeros(0), np.zeros(0), np.zeros(0), unreadable)
    assert skipped(source, images) == line
