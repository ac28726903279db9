"""Masks of a source's images, on chips and masks in the layouts of MSTAR and SARBake."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.sources.classification_files import write_mask

from spacewise import cache
from spacewise.errors import InputError
from spacewise.sources import Source, folder, masks, mstar
from spacewise.sources.masks import REGIONS, fitted
from spacewise.splits import mstar_seen_unseen

CHIPS = {
    "17_DEG/COL1/SCENE1/BTR_60/HB03333.003.jpeg": (6, 5),
    "17_DEG/COL2/SCENE1/ZSU_23_4/HB14931.026.jpeg": (7, 9),
    "15_DEG/BMP2/SN_9563/HB03333.000.jpeg": (8, 8),
    "15_DEG/T72/SN_132/HB03333.000.jpeg": (8, 8),
}


def region(shape: tuple[int, int], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 3, shape).astype(np.uint8)


@pytest.fixture
def chips(tmp_path: Path) -> Source:
    for path, (height, width) in CHIPS.items():
        file = tmp_path / "chips" / path
        file.parent.mkdir(parents=True)
        Image.fromarray(np.zeros((height, width), np.uint8)).save(file)
    return mstar(tmp_path / "chips")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Masks of all chips but T72's, and a stray one."""
    root = tmp_path / "masks"
    write_mask(root / "BMP2/HB03333.000.png", region((8, 8), 0))
    write_mask(root / "BTR_60/HB03333.003.png", region((6, 5), 1))
    write_mask(root / "ZSU_23_4/HB14931.026.png", region((7, 9), 2))
    write_mask(root / "ZIL131/HB19377.026.png", region((7, 9), 3))
    return root


def row(source: Source, label: str) -> int:
    return source.facts["label"].to_list().index(label)


def test_masks_find_their_chips(chips: Source, place: Path) -> None:
    found = masks(chips, place)
    assert len(found) == 3
    assert found.rows.tolist() == sorted(row(chips, label) for label in ("BMP2", "BTR60", "ZSU23-4"))
    assert found.rows.dtype == np.int64
    assert found.strays == ("ZIL131/HB19377.026.png",)
    for seed, label in enumerate(("BMP2", "BTR60", "ZSU23-4")):
        read = found.read(row(chips, label))
        assert read.dtype == np.uint8
        shape = chips.read(row(chips, label)).shape[1:]
        assert np.array_equal(read, region((shape[0], shape[1]), seed))


def test_names_are_compared_without_the_pictures_ending(chips: Source, place: Path) -> None:
    """A frame number is no ending: HB03333.000 and HB03333.003 are two frames."""
    (place / "BMP2/HB03333.000.png").rename(place / "BMP2/hb03333.001.png")
    assert masks(chips, place).strays == ("BMP2/hb03333.001.png", "ZIL131/HB19377.026.png")
    (place / "BMP2/hb03333.001.png").rename(place / "BMP2/hb03333.000.png")
    assert len(masks(chips, place)) == 3


def test_masks_of_pictures_in_folders(pictures: Path, tmp_path: Path) -> None:
    source = folder(pictures)
    write_mask(tmp_path / "set/dots/dots03.png", region((24, 24), 0))
    found = masks(source, tmp_path)
    assert source.facts["id"].iat[int(found.rows[0])] == "dots/dots03.png"
    assert np.array_equal(found.read(int(found.rows[0])), region((24, 24), 0))


def test_notes_of_archives_are_no_masks(chips: Source, place: Path) -> None:
    (place / "BMP2/._HB03333.000.png").write_bytes(b"note")
    (place / "README.txt").write_text("by hand", encoding="utf-8")
    assert len(masks(chips, place).strays) == 1


@pytest.mark.parametrize("size", [1, 3, 6, 7, 8, 9, 14, 40])
@pytest.mark.parametrize("shape", [(8, 8), (7, 9), (13, 6)])
def test_fitted_mask_lies_on_its_decoded_image(tmp_path: Path, shape: tuple[int, int], size: int) -> None:
    """A chip that is its own mask is decoded to its fitted mask."""
    mask = region(shape, 5)
    for root in ("chips", "masks"):
        write_mask(tmp_path / root / "2S1/HB14931.000.png", mask)
    pictures = folder(tmp_path / "chips")
    source = Source("chips", pictures.facts, pictures.reader, pictures.root, fit="crop")
    read = masks(source, tmp_path / "masks").read(0)
    assert np.array_equal(cache.decoded(source, size).images[0, 0], fitted(read, size))


# What is wrong with masks


def test_missing_folder_and_masks(chips: Source, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^masks: .*such is no folder, expected one with CLASS/NAME.png"):
        masks(chips, tmp_path / "such")
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        InputError, match=r"no mask of .*chips in .*empty: it holds no PNG, such as BMP2/HB03333.000.png"
    ):
        masks(chips, tmp_path / "empty")


def test_masks_of_another_source(place: Path, pictures: Path) -> None:
    with pytest.raises(InputError, match=r"none of its 4 PNG files has class and name .* such as checks/CHECKS00.png"):
        masks(folder(pictures), place)


def test_sample_without_a_mask(chips: Source, place: Path) -> None:
    found = masks(chips, place)
    with pytest.raises(InputError, match=r"no mask for sample 15_DEG/T72/SN_132/HB03333.000.jpeg of .*chips$"):
        found.read(row(chips, "T72"))
    for index in (-1, 4):
        with pytest.raises(InputError, match=rf"no mask for sample {index} of"):
            found.read(index)


def test_mask_of_another_size(chips: Source, place: Path) -> None:
    write_mask(place / "BTR_60/HB03333.003.png", region((5, 6), 0))
    found = masks(chips, place)
    with pytest.raises(
        InputError, match=r"HB03333.003.png: is 5 x 6 pixels where its image is 6 x 5, expected the same"
    ):
        found.read(row(chips, "BTR60"))


def test_other_values(chips: Source, place: Path) -> None:
    write_mask(place / "BMP2/HB03333.000.png", np.full((8, 8), 255))
    found = masks(chips, place)
    with pytest.raises(
        InputError, match=r"HB03333.000.png: holds the value 255, expected 0 clutter, 1 target, 2 shadow"
    ):
        found.read(row(chips, "BMP2"))


def test_mask_in_colour(chips: Source, place: Path) -> None:
    write_mask(place / "BMP2/HB03333.000.png", np.zeros((8, 8, 3)))
    found = masks(chips, place)
    with pytest.raises(InputError, match=r"HB03333.000.png: has 3 bands of uint8, expected an 8-bit grey mask"):
        found.read(row(chips, "BMP2"))


def test_two_masks_of_one_chip(chips: Source, place: Path) -> None:
    write_mask(place / "BTR-60/HB03333.003.png", region((6, 5), 1))
    with pytest.raises(
        InputError, match=r"BTR-60/.* and .*BTR_60/HB03333.003.png are masks of one sample, expected one"
    ):
        masks(chips, place)


def test_mask_that_two_chips_could_own(chips: Source, place: Path, tmp_path: Path) -> None:
    other = tmp_path / "chips/17_DEG/BMP2/SN_C21"
    other.mkdir(parents=True)
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(other / "HB03333.000.jpeg")
    with pytest.raises(InputError, match=r"HB03333.000.png could be of 15_DEG/.* or of 17_DEG/BMP2/SN_C21/HB03333"):
        masks(mstar(tmp_path / "chips"), place)


# The real ones


@pytest.fixture(scope="module")
def measured(real_data: Path) -> Source:
    for name in ("mstar", "mstar_masks"):
        if not (real_data / name).is_dir():
            pytest.skip(f"SPACEWISE_DATA holds no {name}")
    return mstar(real_data / "mstar")


def test_every_real_chip_has_its_mask(measured: Source, real_data: Path) -> None:
    found = masks(measured, real_data / "mstar_masks")
    assert found.rows.tolist() == list(range(6874))
    assert found.strays == ("ZIL131/HB19377.026.png",)
    split = mstar_seen_unseen(measured, validation=0)
    subsets = {name: int(mask.sum()) for name, mask in split.test.subsets.items()}
    assert (len(split.train), subsets) == (2747, {"seen": 2426, "unseen": 777})
    assert set(split.train.rows) | set(split.test.rows) <= set(found.files)


def test_real_targets_outshine_the_clutter(measured: Source, real_data: Path) -> None:
    """Of every class, serial and depression angle, so that no mask is of another vehicle's frame."""
    found = masks(measured, real_data / "mstar_masks")
    groups = measured.facts.groupby(["label", "serial", "depression"]).groups
    assert len(groups) == 28
    for rows in groups.values():
        for index in rows[:: len(rows) // 8]:
            chip, mask = measured.read(index)[0], found.read(int(index))
            clutter, target = (chip[mask == value].mean() for value in (0, 1))
            assert target > 2 * clutter, measured.facts["id"].iat[index]
            assert set(np.unique(mask)) == set(range(len(REGIONS)))


def test_a_mask_of_a_resized_image_takes_the_nearest_pixel() -> None:
    mask = np.zeros((8, 12), np.uint8)
    mask[2:6, 3:9] = 1
    expected = np.zeros((4, 4), np.uint8)
    expected[1:3, 1:3] = 1
    np.testing.assert_array_equal(fitted(mask, 4, "resize"), expected)
    assert set(np.unique(fitted(mask, 32, "resize"))) == {0, 1}
