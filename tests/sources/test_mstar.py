"""The MSTAR source and its Phoenix reader, on files in the distribution's layout."""

from __future__ import annotations

import contextlib
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.phoenix_files import chip_fields, write_phoenix

from spacewise.errors import InputError
from spacewise.sources import mstar, phoenix

MIXED = "MSTAR_PUBLIC_MIXED_TARGETS_CD1/15_DEG/COL2/SCENE1"
TARGETS = "MSTAR_PUBLIC_TARGETS_CHIPS_T72_BMP2_BTR70_SLICY/TARGETS/TRAIN/17_DEG"


def pixels(rows: int = 5, columns: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((rows, columns), dtype=np.float32)


def write_jpeg(path: Path, mode: str = "L", value: int = 90) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (9, 8), value if mode == "L" else (value, 0, 0)).save(path, format="JPEG")
    return path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Both formats, both layouts, and what else lies about on the distribution's discs."""
    write_jpeg(tmp_path / MIXED / "ZSU_23_4/HB14931.026.jpeg")
    write_jpeg(tmp_path / MIXED / "BRDM_2/HB14932.001.JPG")
    write_jpeg(tmp_path / TARGETS / "BMP2/SN_9563/HB03787.000.jpeg")
    write_phoenix(tmp_path / TARGETS / "T72/SN_S7/HB03788.017", pixels(), fields=chip_fields())
    write_phoenix(tmp_path / TARGETS / "SLICY/HB03789.015", pixels(), fields=chip_fields("slicey", "1"))
    write_phoenix(tmp_path / MIXED / "2S1/HB14933.000", pixels(), fields=chip_fields("2s1_gun", "B01", 12.25, 15))
    for stray in ("README.txt", "Thumbs.db", ".DS_Store", "._HB03787.000.jpeg", "HB03787.000.png", "a.zip"):
        (tmp_path / TARGETS / stray).write_bytes(b"no chip")
        (tmp_path / TARGETS / "BMP2/SN_9563" / stray).write_bytes(b"no chip")
    return tmp_path


def test_facts_of_both_layouts_and_formats(tree: Path) -> None:
    source = mstar(tree)
    assert (source.name, source.fit, source.amplitude, source.root) == ("mstar", "crop", "magnitude", tree)
    expected = {
        f"{MIXED}/2S1/HB14933.000": ("2S1", "b01", 15, "COL2", "SCENE1", "HB14933"),
        f"{MIXED}/BRDM_2/HB14932.001.JPG": ("BRDM2", "e-71", 15, "COL2", "SCENE1", "HB14932"),
        f"{MIXED}/ZSU_23_4/HB14931.026.jpeg": ("ZSU23-4", "d08", 15, "COL2", "SCENE1", "HB14931"),
        f"{TARGETS}/BMP2/SN_9563/HB03787.000.jpeg": ("BMP2", "9563", 17, "", "", "HB03787"),
        f"{TARGETS}/SLICY/HB03789.015": ("SLICY", "1", 17, "", "", "HB03789"),
        f"{TARGETS}/T72/SN_S7/HB03788.017": ("T72", "s7", 17, "", "", "HB03788"),
    }
    columns = ["label", "serial", "depression", "collection", "scene", "frame"]
    found = {row.id: tuple(getattr(row, name) for name in columns) for row in source.facts.itertuples()}
    assert found == expected
    assert list(found) == sorted(found)
    assert source.facts["depression"].dtype == np.int64


def test_header_gives_aspect_and_measured_depression_for_phoenix_only(tree: Path) -> None:
    facts = mstar(tree).facts.set_index("frame")
    assert facts.loc["HB14933", "aspect"] == 12.25
    assert facts.loc["HB14933", "measured_depression"] == 15.25
    assert np.isnan(facts.loc["HB03787", "aspect"])


def test_jpeg_only_has_no_header_facts(tmp_path: Path) -> None:
    write_jpeg(tmp_path / "17_DEG/T72/SN_132/HB03787.000.jpeg")
    assert "aspect" not in mstar(tmp_path).facts


@pytest.mark.parametrize(
    ("folder", "label", "serial"),
    [
        ("BTR_60", "BTR60", "k10yt7532"),
        ("btr60", "BTR60", "k10yt7532"),
        ("BRDM-2", "BRDM2", "e-71"),
        ("ZSU234", "ZSU23-4", "d08"),
        ("ZSU23-4", "ZSU23-4", "d08"),
        ("D7", "D7", "92v13015"),
        ("T62", "T62", "a51"),
        ("ZIL131", "ZIL131", "e12"),
        ("2S1", "2S1", "b01"),
        ("BTR70/SN_C71", "BTR70", "c71"),
        ("T72/sn_132", "T72", "132"),
        ("T72", "T72", ""),
        ("A_05", "A_05", ""),
    ],
)
def test_class_and_serial_from_folders(tmp_path: Path, folder: str, label: str, serial: str) -> None:
    write_jpeg(tmp_path / "17_DEG" / folder / "HB03787.000.jpeg")
    facts = mstar(tmp_path).facts.iloc[0]
    assert (facts["label"], facts["serial"]) == (label, serial)


@pytest.mark.parametrize("below", ["", TARGETS, f"{TARGETS}/BMP2", f"{TARGETS}/BMP2/SN_9563"])
def test_root_anywhere_in_the_tree(tree: Path, below: str) -> None:
    facts = mstar(tree / below).facts.set_index("frame").loc["HB03787"]
    assert (facts["label"], facts["serial"], facts["depression"]) == ("BMP2", "9563", 17)
    assert (tree / below / facts["id"]).is_file()


def test_root_may_be_relative(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree / TARGETS / "BMP2" / "SN_9563")
    facts = mstar(".").facts.iloc[0]
    assert (facts["id"], facts["label"], facts["depression"]) == ("HB03787.000.jpeg", "BMP2", 17)


def test_header_stands_in_for_missing_folders(tmp_path: Path) -> None:
    write_phoenix(tmp_path / "chips/HB00001.000", pixels(), fields=chip_fields("zsu23-4_gun", "D08", 1.5, 30))
    facts = mstar(tmp_path).facts.iloc[0]
    assert (facts["label"], facts["serial"], facts["depression"]) == ("ZSU23-4", "d08", 30)


def test_folders_win_over_header(tmp_path: Path) -> None:
    path = tmp_path / "15_DEG/BMP2/SN_C21/HB00001.000"
    write_phoenix(path, pixels(), fields=chip_fields("t72_tank", "132", 1.0, 17))
    facts = mstar(tmp_path).facts.iloc[0]
    assert (facts["label"], facts["serial"], facts["depression"]) == ("BMP2", "c21", 15)


def test_images(tree: Path) -> None:
    source = mstar(tree)
    frames = source.facts["frame"].to_list()
    jpeg, chip = (source.read(frames.index(frame)) for frame in ("HB03787", "HB14933"))
    assert (jpeg.shape, jpeg.dtype) == ((1, 8, 9), np.uint8)
    assert np.all(jpeg == 90)
    assert (chip.shape, chip.dtype) == ((1, 5, 4), np.float32)
    np.testing.assert_array_equal(chip[0], pixels())


def test_stamp_changes_with_the_files(tree: Path) -> None:
    before = mstar(tree).stamp
    assert mstar(tree).stamp == before
    write_jpeg(tree / MIXED / "ZSU_23_4/HB14999.026.jpeg")
    assert mstar(tree).stamp != before


def test_source_can_be_sent_to_another_process(tree: Path) -> None:
    source = pickle.loads(pickle.dumps(mstar(tree)))
    assert source.read(0).shape == (1, 5, 4)


def test_linked_folders_are_followed(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    (other / "17_DEG").symlink_to(tree / TARGETS)
    assert len(mstar(other)) == 3


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no/such is no folder, expected one with .*17_DEG/COL2/SCENE1/2S1"):
        mstar(tmp_path / "no/such")


def test_folder_without_chips(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(InputError, match=r"no chips in .*, expected .*HB14931.000"):
        mstar(tmp_path)


@pytest.mark.parametrize(
    ("path", "missing"),
    [
        ("T72/SN_132/HB00001.000.jpeg", "depression"),
        ("17_DEG/HB00001.000.jpeg", "class"),
        ("17_DEG/COL2/SCENE1/HB00001.000.jpeg", "class"),
        ("chips/HB00001.000.jpeg", "class"),
    ],
)
def test_jpeg_without_its_folders(tmp_path: Path, path: str, missing: str) -> None:
    write_jpeg(tmp_path / path)
    with pytest.raises(InputError, match=rf"tells the {missing} of .*{path}, expected …/17_DEG"):
        mstar(tmp_path)


def test_same_chip_in_both_formats(tmp_path: Path) -> None:
    write_phoenix(tmp_path / "raw/17_DEG/T72/SN_132/HB00001.015", pixels())
    write_jpeg(tmp_path / "jpeg/17_DEG/T72/SN_132/HB00001.015.jpeg")
    with pytest.raises(InputError, match=r"HB00001.015.jpeg and .*HB00001.015 are the same chip"):
        mstar(tmp_path)


def test_colour_jpeg_is_no_chip(tmp_path: Path) -> None:
    write_jpeg(tmp_path / "17_DEG/T72/HB00001.015.jpeg", mode="RGB")
    with pytest.raises(InputError, match=r"HB00001.015.jpeg: has 3 bands, expected a grey chip"):
        mstar(tmp_path).read(0)


def test_truncated_jpeg(tmp_path: Path) -> None:
    path = write_jpeg(tmp_path / "17_DEG/T72/HB00001.015.jpeg")
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match=r"cannot read .*HB00001.015.jpeg"):
        mstar(tmp_path).read(0)


@pytest.mark.parametrize("native", [0, 512, 896])
@pytest.mark.parametrize("version", ["01.04", "01.05"])
@pytest.mark.parametrize("lead", ["", "\n"])
@pytest.mark.parametrize("comment", ["", "x" * 3000])
def test_header_lengths_are_read(tmp_path: Path, native: int, version: str, lead: str, comment: str) -> None:
    magnitude, phase = pixels(7, 3, 1), pixels(7, 3, 2) * 6 - 3
    fields = chip_fields() | {"Comment": comment}
    path = write_phoenix(tmp_path / "HB00001.000", magnitude, phase, fields, native, version, lead)
    header, read_magnitude, read_phase = phoenix.read(path)
    np.testing.assert_array_equal(read_magnitude, magnitude)
    np.testing.assert_array_equal(read_phase, phase)
    assert read_magnitude.dtype == read_phase.dtype == np.dtype("float32")
    assert read_magnitude.dtype.isnative
    assert header == phoenix.header(path)
    assert (header["TargetAz"], header["NumberOfRows"], header["Comment"]) == ("84.500000", "7", comment)


@pytest.mark.parametrize("key", ["native_header_length", "PhoenixSigSize"])
def test_optional_fields(tmp_path: Path, key: str) -> None:
    path = write_phoenix(tmp_path / "HB00001.000", pixels())
    path.write_bytes(path.read_bytes().replace(key.encode(), b"?" * len(key)))
    np.testing.assert_array_equal(phoenix.read(path)[1], pixels())


def test_bytes_after_the_phase_are_ignored(tmp_path: Path) -> None:
    path = write_phoenix(tmp_path / "HB00001.000", pixels())
    path.write_bytes(path.read_bytes() + b"\n\n")
    np.testing.assert_array_equal(phoenix.read(path)[1], pixels())


def test_truncated_phoenix_names_file_and_sizes(tmp_path: Path) -> None:
    path = write_phoenix(tmp_path / "17_DEG/T72/HB00001.000", pixels())
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    with pytest.raises(
        InputError, match=rf"HB00001.000: is cut off, expected {len(whole)} bytes, has {len(whole) - 5}$"
    ):
        mstar(tmp_path).read(0)


@pytest.mark.parametrize("keep", [0, 10, 30, 200])
def test_truncated_header(tmp_path: Path, keep: int) -> None:
    path = write_phoenix(tmp_path / "17_DEG/T72/HB00001.000", pixels())
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match=r"HB00001.000: (has no Phoenix header|is cut off in its header)"):
        mstar(tmp_path)


def test_full_scene_is_refused(tmp_path: Path) -> None:
    path = write_phoenix(tmp_path / "HB00001.000", np.ones((6, 8), np.uint16), fields={}, native=512)
    with pytest.raises(InputError, match=r"full scene with 16-bit values, expected a chip"):
        phoenix.read(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"NumberOfRows= 5", b"NumberOfRows= 0", "NumberOfRows is '0', expected a whole number from 1"),
        (b"NumberOfRows= 5", b"NumberOfRows= x", "NumberOfRows is 'x'"),
        (b"NumberOfRows= 5", b"NumberOfRaws= 5", "NumberOfRows is ''"),
        (b"NumberOfRows= 5", b"NumberOfRows= 9", "is cut off, expected"),
        (b"native_header_length= 0", b"native_header_length= -", "native_header_length is '-'"),
        (b"[EndofPhoenixHeader]", b"[EndofPhoenixXeader]", r"has no \[EndofPhoenixHeader\] in"),
        (b"[PhoenixHeaderVer", b"[PhoenixXeaderVer", "has no Phoenix header"),
        (b"PhoenixHeaderLength= 00", b"PhoenixHeaderLength= 99", "has no|is cut off in its header"),
        (b"PhoenixHeaderLength= 00", b"PhoenixHeaderLength= 0x", "says that its header has 0 bytes"),
    ],
)
def test_broken_header(tmp_path: Path, old: bytes, new: bytes, message: str) -> None:
    path = write_phoenix(tmp_path / "HB00001.000", pixels())
    assert old in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(old, new))
    with pytest.raises(InputError, match=rf"HB00001.000: .*{message}"):
        phoenix.read(path)


@pytest.mark.parametrize("value", ["north", "nan", ""])
def test_aspect_that_is_no_number(tmp_path: Path, value: str) -> None:
    write_phoenix(tmp_path / "17_DEG/T72/HB00001.000", pixels(), fields={"TargetAz": value})
    with pytest.raises(InputError, match=f"TargetAz is '{value}', expected degrees"):
        mstar(tmp_path)


def test_magnitude_that_is_not_finite(tmp_path: Path) -> None:
    magnitude = pixels()
    magnitude[1, 2] = np.nan
    path = write_phoenix(tmp_path / "HB00001.000", magnitude)
    with pytest.raises(InputError, match=r"HB00001.000: 1 of 20 magnitudes are not finite"):
        phoenix.read(path)


@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_damaged_files_are_read_or_refused(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = write_phoenix(tmp_path_factory.getbasetemp() / "damaged" / "HB00001.000", pixels())
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    with contextlib.suppress(InputError):
        header, magnitude, phase = phoenix.read(path)
        assert magnitude.shape == phase.shape == (int(header["NumberOfRows"]), int(header["NumberOfColumns"]))


@pytest.mark.parametrize("target", ["btr60_transport", "BTR_60", "btr60"])
def test_target_type_names_the_class(tmp_path: Path, target: str) -> None:
    write_phoenix(tmp_path / "chips/HB00001.000", pixels(), fields=chip_fields(target))
    assert mstar(tmp_path).classes == ("BTR60",)


def test_missing_phoenix_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*HB00001.000: No such file"):
        phoenix.read(tmp_path / "HB00001.000")


def test_real_chips() -> None:
    data = os.environ.get("SPACEWISE_DATA")
    if not data:
        pytest.skip("SPACEWISE_DATA is unset: no real MSTAR chips to read")
    source = mstar(Path(data) / "mstar")
    facts = source.facts
    assert len(source) == 6874
    names = ("2S1", "BMP2", "BRDM2", "BTR60", "BTR70", "D7", "T62", "T72", "ZIL131", "ZSU23-4")
    assert source.classes == names
    seen = ~facts["serial"].isin(["9563", "9566", "812", "s7"])
    at_17, at_15 = facts["depression"].eq(17), facts["depression"].eq(15)
    assert (int((at_17 & seen).sum()), int(at_15.sum()), int((at_15 & seen).sum())) == (2747, 3203, 2426)
    shapes = {source.read(index).shape for index in range(0, len(source), 211)}
    assert {shape[0] for shape in shapes} == {1}
    assert shapes >= {(1, 128, 128), (1, 158, 158)}
