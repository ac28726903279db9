"""The folder source and the decoding of picture files."""

from __future__ import annotations

import os
import pickle
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from spacewise.errors import InputError
from spacewise.experiment import Experiment, changed_experiment, read
from spacewise.sources import folder
from spacewise.sources.images import decode

INTEGERS = ["uint8", "int8", "uint16", "int16", "uint32", "int32"]
FLOATS = ["float32", "float64"]


def values(shape: tuple[int, ...], dtype: str = "uint8", seed: int = 0) -> np.ndarray:
    """Random values over the entire range of an integer type; standard normal floats."""
    generator = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return generator.standard_normal(shape).astype(dtype)
    limits = np.iinfo(dtype)
    return generator.integers(limits.min, limits.max, shape, dtype, endpoint=True)


def write_picture(path: Path, array: np.ndarray | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.lower() == ".npy":
        np.save(path, values((3, 6, 7)) if array is None else array)
    elif path.suffix.lower() in (".tif", ".tiff"):
        tifffile.imwrite(path, values((6, 7, 3)) if array is None else array, photometric="rgb")
    else:
        Image.fromarray(values((6, 7, 3)) if array is None else array).save(path)
    return path


def write_array(path: Path, array: np.ndarray) -> None:
    """NPY or TIFF in the array's own byte order."""
    if path.suffix == ".npy":
        np.save(path, array)
    else:
        order = ">" if array.dtype.byteorder == ">" else "<"
        tifffile.imwrite(path, array, photometric="minisblack", byteorder=order)


def write_classes(root: Path, names: tuple[str, ...] = ("beach", "river"), count: int = 2) -> None:
    for name in names:
        for number in range(count):
            write_picture(root / name / f"{name}{number:02d}.png")


# The source


def test_one_folder_a_class(tmp_path: Path) -> None:
    write_classes(tmp_path)
    source = folder(tmp_path)
    assert (source.name, source.fit, source.amplitude, source.root) == (
        "folder",
        "resize",
        "intensity",
        tmp_path,
    )
    assert source.classes == ("beach", "river")
    assert list(source.facts.columns) == ["id", "label"]
    assert source.facts["id"].to_list() == [
        "beach/beach00.png",
        "beach/beach01.png",
        "river/river00.png",
        "river/river01.png",
    ]
    assert source.read(3).shape == (3, 6, 7)
    assert folder(tmp_path).stamp == source.stamp
    write_picture(tmp_path / "river" / "river99.png")
    assert folder(tmp_path).stamp != source.stamp


def test_every_extension_in_either_case(tmp_path: Path) -> None:
    names = ["a.png", "b.JPG", "c.jpeg", "d.TIF", "e.tiff", "f.npy", "g.BMP", "h.Jpeg"]
    for name in names:
        write_picture(tmp_path / "field" / name)
    source = folder(tmp_path)
    assert [Path(name).name for name in source.facts["id"]] == names
    assert {source.read(index).shape for index in range(len(source))} == {(3, 6, 7)}


def test_strays_are_passed_over(tmp_path: Path) -> None:
    write_classes(tmp_path)
    for place in (tmp_path, tmp_path / "river"):
        for stray in ("readme.txt", "Thumbs.db", ".DS_Store", "._river00.png", "labels.json"):
            (place / stray).write_bytes(b"no picture")
    write_picture(tmp_path / "__MACOSX" / "river" / "river00.png")
    write_picture(tmp_path / ".cache" / "river00.png")
    assert len(folder(tmp_path)) == 4


def test_split_folders_become_a_fact(tmp_path: Path) -> None:
    for name in ("train", "Test", "val"):
        write_classes(tmp_path / name)
    facts = folder(tmp_path).facts
    assert list(facts.columns) == ["id", "label", "split"]
    assert facts["split"].value_counts().to_dict() == {"train": 4, "test": 4, "validation": 4}
    assert facts.set_index("id").loc["val/river/river01.png"].to_list() == ["river", "validation"]


def test_one_split_folder_alone(tmp_path: Path) -> None:
    write_classes(tmp_path / "validation")
    assert set(folder(tmp_path).facts["split"]) == {"validation"}


def test_class_named_like_a_split(tmp_path: Path) -> None:
    write_classes(tmp_path, ("train", "tram"))
    source = folder(tmp_path)
    assert source.classes == ("train", "tram")
    assert "split" not in source.facts


@pytest.mark.parametrize("wrapping", ["Images", "UCMerced_LandUse/Images"])
def test_wrapping_folders_are_stepped_into(tmp_path: Path, wrapping: str) -> None:
    write_classes(tmp_path / wrapping)
    (tmp_path / "readme.txt").write_text("about")
    source = folder(tmp_path)
    assert source.classes == ("beach", "river")
    assert source.facts["id"][0] == f"{wrapping}/beach/beach00.png"
    assert folder(tmp_path / wrapping).facts["id"][0] == "beach/beach00.png"


def test_wrapped_splits(tmp_path: Path) -> None:
    write_classes(tmp_path / "cifar" / "train")
    write_classes(tmp_path / "cifar" / "test")
    assert set(folder(tmp_path).facts["split"]) == {"train", "test"}


def test_one_class_is_a_source(tmp_path: Path) -> None:
    write_classes(tmp_path, ("beach",))
    assert folder(tmp_path).classes == ("beach",)


def test_bands_and_types_may_be_mixed(tmp_path: Path) -> None:
    write_picture(tmp_path / "a" / "13_bands.npy", values((13, 20, 21), "uint16"))
    write_picture(tmp_path / "b" / "grey.png", values((6, 7)))
    source = folder(tmp_path)
    assert [(source.read(i).shape, str(source.read(i).dtype)) for i in (0, 1)] == [
        ((13, 20, 21), "uint16"),
        ((1, 6, 7), "uint8"),
    ]


def test_source_can_be_sent_to_another_process(tmp_path: Path) -> None:
    write_classes(tmp_path)
    assert pickle.loads(pickle.dumps(folder(tmp_path))).read(0).shape == (3, 6, 7)


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere is no folder, expected one with CLASS/picture.png"):
        folder(tmp_path / "nowhere")


def test_folder_with_nothing_in_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no class folders, expected CLASS/picture.png"):
        folder(tmp_path)


def test_pictures_without_class_folders(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"has pictures directly in it, expected CLASS/picture.png"):
        folder(tmp_path)


def test_picture_beside_class_folders(tmp_path: Path) -> None:
    write_classes(tmp_path)
    write_picture(tmp_path / "lost.png")
    with pytest.raises(InputError, match=r"lost.png lies beside class folders"):
        folder(tmp_path)


def test_empty_class_folder(tmp_path: Path) -> None:
    write_classes(tmp_path)
    (tmp_path / "forest").mkdir()
    with pytest.raises(InputError, match=r"class folder .*forest is empty: it holds nothing, expected files .png"):
        folder(tmp_path)
    (tmp_path / "forest" / "a.webp").write_bytes(b"")
    with pytest.raises(InputError, match=r"it holds only .webp, expected"):
        folder(tmp_path)


def test_folder_in_a_class_folder(tmp_path: Path) -> None:
    write_classes(tmp_path)
    write_picture(tmp_path / "river" / "summer" / "a.png")
    with pytest.raises(InputError, match=r"class folder .*river holds folders \(summer\)"):
        folder(tmp_path)


@pytest.mark.parametrize("stranger", ["extra/a.png", "lost.png"])
def test_stranger_beside_splits(tmp_path: Path, stranger: str) -> None:
    write_classes(tmp_path / "train")
    write_classes(tmp_path / "test")
    write_picture(tmp_path / stranger)
    with pytest.raises(InputError, match=f"{stranger.split('/')[0]} lies beside test, train, expected only splits"):
        folder(tmp_path)


def test_broken_picture_is_named_on_reading(tmp_path: Path) -> None:
    write_classes(tmp_path)
    (tmp_path / "river" / "river01.png").write_bytes(b"not a png")
    source = folder(tmp_path)
    assert source.read(2).shape == (3, 6, 7)
    with pytest.raises(InputError, match=r"cannot read .*river01.png: cannot identify"):
        source.read(3)


# Classes by other names


def test_folders_may_be_renamed_shared_and_left_out(tmp_path: Path) -> None:
    write_classes(tmp_path, ("Farmland", "Meadow", "Parking", "beach"))
    source = folder(tmp_path, classes={"Parking": "parkinglot", "Meadow": "field", "Farmland": "field"})
    assert source.classes == ("field", "parkinglot")
    assert list(source.facts.columns) == ["id", "label"]
    assert source.facts.to_numpy().tolist() == [
        ["Farmland/Farmland00.png", "field"],
        ["Farmland/Farmland01.png", "field"],
        ["Meadow/Meadow00.png", "field"],
        ["Meadow/Meadow01.png", "field"],
        ["Parking/Parking00.png", "parkinglot"],
        ["Parking/Parking01.png", "parkinglot"],
    ]
    whole = folder(tmp_path)
    np.testing.assert_array_equal(source.read(4), whole.read(whole.facts["id"].to_list().index(source.facts["id"][4])))


def test_only_the_chosen_files_are_stamped(tmp_path: Path) -> None:
    write_classes(tmp_path, ("beach", "river", "field"))
    chosen, named, more = (
        folder(tmp_path, classes=classes).stamp
        for classes in ({"beach": "beach"}, {"beach": "sand"}, {"beach": "beach", "river": "river"})
    )
    assert chosen == named
    assert len({chosen, more, folder(tmp_path).stamp}) == 3
    write_picture(tmp_path / "river" / "river99.png")
    assert folder(tmp_path, classes={"beach": "beach"}).stamp == chosen
    assert folder(tmp_path, classes={"beach": "beach", "river": "river"}).stamp != more


def test_a_folder_that_is_left_out_is_not_read(tmp_path: Path) -> None:
    write_classes(tmp_path)
    (tmp_path / "forest").mkdir()
    write_picture(tmp_path / "sea" / "deep" / "a.png")
    assert folder(tmp_path, classes={"beach": "sand", "river": "water"}).classes == ("sand", "water")
    with pytest.raises(InputError, match=r"class folder .*forest is empty"):
        folder(tmp_path, classes={"forest": "forest"})


def test_a_folder_may_be_in_one_split_only(tmp_path: Path) -> None:
    write_classes(tmp_path / "train", ("Beach", "River"))
    write_classes(tmp_path / "test", ("Beach", "Sea"))
    facts = folder(tmp_path, classes={"Beach": "beach", "Sea": "water", "River": "water"}).facts
    assert facts.groupby(["split", "label"]).size().to_dict() == {
        ("test", "beach"): 2,
        ("test", "water"): 2,
        ("train", "beach"): 2,
        ("train", "water"): 2,
    }


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ({}, "classes names no folder of "),
        ({"beach": "sand", "rivr": "water"}, "'rivr': did you mean 'river'? (there are: beach, river)"),
        ({"beach": ""}, "classes gives 'beach' no name"),
    ],
)
def test_classes_that_name_no_folder(tmp_path: Path, classes: dict[str, str], message: str) -> None:
    write_classes(tmp_path)
    with pytest.raises(InputError) as caught:
        folder(tmp_path, classes=classes)
    assert message in str(caught.value)
    assert str(tmp_path) in str(caught.value) or "no name" in message


def experiment_on(source: dict[str, Any]) -> Experiment:
    return Experiment(
        data={"source": source, "split": {"name": "stratified", "validation": 0}},
        net={"name": "ding", "size": 48},
        objective=["crossentropy@classifier"],
    )


def test_renamed_classes_are_read_back_from_yaml(tmp_path: Path) -> None:
    write_classes(tmp_path / "data", ("Farmland", "Parking", "beach"))
    made = folder(tmp_path / "data", classes={"Farmland": "agricultural", "Parking": "parkinglot"})
    assert made.description == {
        "name": "folder",
        "root": str(tmp_path / "data"),
        "classes": {"Farmland": "agricultural", "Parking": "parkinglot"},
    }
    experiment = experiment_on(made.description)
    (tmp_path / "experiment.yaml").write_text(experiment.yaml(), encoding="utf-8")
    again = read(tmp_path / "experiment.yaml")
    assert again == experiment
    source = again.source()
    assert source.facts.equals(made.facts)
    assert source.stamp == made.stamp
    assert again.split(source).classes == ("agricultural", "parkinglot")
    changed = changed_experiment(again, ["data.source.classes.beach=sand"])
    assert changed.source().classes == ("agricultural", "parkinglot", "sand")
    assert "classes" not in folder(tmp_path / "data").description


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (["beach"], "option classes of source folder: input should be a valid"),
        ("beach", "option classes of source folder: input should be a valid"),
        ({"beach": 3}, "option classes of source folder: input should be a valid string"),
        ({"beech": "sand"}, "did you mean 'beach'?"),
        ({}, "classes names no folder of "),
    ],
)
def test_classes_of_the_wrong_kind_in_an_experiment(tmp_path: Path, classes: Any, message: str) -> None:
    write_classes(tmp_path)
    with pytest.raises(InputError) as caught:
        experiment_on({"name": "folder", "root": str(tmp_path), "classes": classes}).source()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


# Decoding


@pytest.mark.parametrize("dtype", INTEGERS + FLOATS)
@pytest.mark.parametrize("bands", [1, 2, 3, 4, 13])
@pytest.mark.parametrize("suffix", [".npy", ".tif"])
@pytest.mark.parametrize("last", [False, True])
def test_every_type_and_number_of_bands(tmp_path: Path, dtype: str, bands: int, suffix: str, last: bool) -> None:
    image = values((bands, 17, 15), dtype)
    stored = np.moveaxis(image, 0, 2) if last else image
    path = tmp_path / f"image{suffix}"
    write_array(path, stored)
    np.testing.assert_array_equal(decode(path), image, strict=True)


@pytest.mark.parametrize("dtype", INTEGERS + FLOATS)
@pytest.mark.parametrize("suffix", [".npy", ".tif"])
def test_two_axes_are_one_band(tmp_path: Path, dtype: str, suffix: str) -> None:
    image = values((5, 4), dtype)
    path = tmp_path / f"image{suffix}"
    write_array(path, image)
    np.testing.assert_array_equal(decode(path), image[None], strict=True)


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_tiff_that_names_its_bands_may_have_more_bands_than_rows(tmp_path: Path, planar: str) -> None:
    image = values((20, 9, 9), "uint16")
    stored = np.moveaxis(image, 0, 2) if planar == "contig" else image
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="minisblack", planarconfig=planar)
    np.testing.assert_array_equal(decode(tmp_path / "a.tif"), image, strict=True)


def test_tiff_with_named_channels(tmp_path: Path) -> None:
    image = values((20, 9, 9))
    tifffile.imwrite(tmp_path / "a.tif", image, imagej=True, metadata={"axes": "CYX"})
    np.testing.assert_array_equal(decode(tmp_path / "a.tif"), image, strict=True)


def test_tiff_keeps_its_fourth_band(tmp_path: Path) -> None:
    image = values((6, 7, 4))
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="rgb", extrasamples=["unassalpha"])
    np.testing.assert_array_equal(decode(tmp_path / "a.tif"), np.moveaxis(image, 2, 0), strict=True)


def test_compressed_tiff(tmp_path: Path) -> None:
    image = values((6, 7, 3), "uint16")
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="rgb", compression="zlib")
    np.testing.assert_array_equal(decode(tmp_path / "a.tif"), np.moveaxis(image, 2, 0), strict=True)


@pytest.mark.parametrize("suffix", [".npy", ".tif"])
def test_byte_order_becomes_native(tmp_path: Path, suffix: str) -> None:
    image = values((5, 4), "uint16").astype(">u2")
    path = tmp_path / f"image{suffix}"
    write_array(path, image)
    read = decode(path)
    assert read.dtype.isnative
    np.testing.assert_array_equal(read[0], image)


@pytest.mark.parametrize("shape", [(9, 9, 20), (20, 9, 9), (9, 5, 9), (3, 9, 3), (4, 4, 4)])
def test_band_axis_that_cannot_be_told(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "a.npy", values(shape))
    with pytest.raises(InputError, match=r"a.npy: \(.*\) does not tell which axis holds the bands"):
        decode(tmp_path / "a.npy")


@pytest.mark.parametrize("shape", [(), (5,), (1, 2, 3, 4)])
def test_other_numbers_of_axes(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "a.npy", values(shape))
    with pytest.raises(InputError, match=r"a.npy: has the shape \(.*\), expected \(height, width\)"):
        decode(tmp_path / "a.npy")


@pytest.mark.parametrize("suffix", [".png", ".bmp"])
@pytest.mark.parametrize("shape", [(6, 7), (6, 7, 3)])
def test_pictures_without_loss(tmp_path: Path, suffix: str, shape: tuple[int, ...]) -> None:
    image = values(shape)
    path = write_picture(tmp_path / f"a{suffix}", image)
    expected = image[None] if image.ndim == 2 else np.moveaxis(image, 2, 0)
    np.testing.assert_array_equal(decode(path), expected, strict=True)


def test_jpeg(tmp_path: Path) -> None:
    for mode, bands in (("L", 1), ("RGB", 3), ("CMYK", 3)):
        Image.new(mode, (7, 6)).save(tmp_path / "a.jpg")
        image = decode(tmp_path / "a.jpg")
        assert (image.shape, image.dtype) == ((bands, 6, 7), np.uint8)


def test_16_bit_grey_png(tmp_path: Path) -> None:
    image = values((6, 7), "uint16")
    Image.fromarray(image).save(tmp_path / "a.png")
    np.testing.assert_array_equal(decode(tmp_path / "a.png"), image[None], strict=True)


def png_bytes(image: np.ndarray, depth: int, colour_type: int) -> bytes:
    """A PNG put together by hand, since Pillow does not write 16-bit colour."""
    rows = b"".join(b"\0" + row.astype(">u2" if depth == 16 else "u1").tobytes() for row in image)
    size = struct.pack(">IIBBBBB", image.shape[1], image.shape[0], depth, colour_type, 0, 0, 0)
    chunks = ((b"IHDR", size), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def test_16_bit_colour_png_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png_bytes(values((6, 7, 3)), depth=8, colour_type=2))
    np.testing.assert_array_equal(decode(path), np.moveaxis(values((6, 7, 3)), 2, 0), strict=True)
    path.write_bytes(png_bytes(values((6, 7, 3), "uint16"), depth=16, colour_type=2))
    with pytest.raises(InputError, match=r"a.png: is a 16-bit PNG with colour or alpha, expected 8 bits"):
        decode(path)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif"])
def test_palette_becomes_rgb(tmp_path: Path, suffix: str) -> None:
    indices = values((6, 7)) % 16
    palette = values((16, 3), seed=1)
    picture = Image.fromarray(indices)
    picture.putpalette(palette.tobytes())
    picture.save(tmp_path / f"a{suffix}")
    expected = np.moveaxis(palette[indices], 2, 0)
    np.testing.assert_array_equal(decode(tmp_path / f"a{suffix}"), expected, strict=True)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_of_a_picture_is_dropped(tmp_path: Path, mode: str) -> None:
    stored = values((6, 7, len(mode)))
    Image.fromarray(stored, mode=mode).save(tmp_path / "a.png")
    expected = np.moveaxis(stored[..., :-1], 2, 0)
    np.testing.assert_array_equal(decode(tmp_path / "a.png"), expected, strict=True)


def test_black_and_white(tmp_path: Path) -> None:
    image = values((6, 7)) > 127
    Image.fromarray(image).save(tmp_path / "a.png")
    np.testing.assert_array_equal(decode(tmp_path / "a.png"), image[None].astype(np.uint8) * 255, strict=True)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tif", ".npy"])
@pytest.mark.parametrize("keep", [0.0, 0.01, 0.5, 0.9])
def test_truncated_files(tmp_path: Path, suffix: str, keep: float) -> None:
    array = values((3, 40, 40) if suffix == ".npy" else (40, 40, 3))
    path = write_picture(tmp_path / f"a{suffix}", array)
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data))])
    with pytest.raises(InputError, match=rf"^cannot read .*a{suffix}: .+$"):
        decode(path)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".npy"])
def test_missing_files(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(InputError, match=f"cannot read .*a{suffix}: No such file or directory$"):
        decode(tmp_path / f"a{suffix}")


def test_unknown_extension(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a.gif: cannot read '.gif', expected one of .png, .jpg"):
        decode(tmp_path / "a.gif")


@pytest.mark.parametrize("suffix", [".npy", ".tif"])
def test_values_that_are_not_finite_are_counted(tmp_path: Path, suffix: str) -> None:
    image = values((6, 7), "float32")
    image[0, 0], image[1, 1], image[2, 2] = np.nan, np.inf, -np.inf
    path = tmp_path / f"a{suffix}"
    write_array(path, image)
    with pytest.raises(InputError, match=rf"a{suffix}: 3 of 42 values are not finite"):
        decode(path)


@pytest.mark.parametrize("dtype", ["complex64", "bool", "U3", "datetime64[s]"])
def test_types_that_are_no_pixels(tmp_path: Path, dtype: str) -> None:
    np.save(tmp_path / "a.npy", np.zeros((6, 7), dtype))
    with pytest.raises(InputError, match=r"a.npy: holds .* values, expected real integers or floats"):
        decode(tmp_path / "a.npy")


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([[1, None]], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=r"cannot read .*a.npy: Object arrays cannot be loaded"):
        decode(tmp_path / "a.npy")
    (tmp_path / "b.npy").write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(InputError, match=r"cannot read .*b.npy"):
        decode(tmp_path / "b.npy")


def test_archive_named_npy(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", values((6, 7)))
    (tmp_path / "a.npz").rename(tmp_path / "a.npy")
    with pytest.raises(InputError, match=r"is an archive of arrays, expected one array"):
        decode(tmp_path / "a.npy")


def test_no_pixels(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((0, 7)))
    with pytest.raises(InputError, match=r"holds no pixels"):
        decode(tmp_path / "a.npy")


@pytest.mark.parametrize(("name", "classes", "samples"), [("ucm", 21, 2100), ("aid", 30, 4000)])
def test_real_scenes(name: str, classes: int, samples: int) -> None:
    data = os.environ.get("SPACEWISE_DATA")
    if not data:
        pytest.skip(f"SPACEWISE_DATA is unset: no real {name} scenes to read")
    source = folder(Path(data) / name)
    assert (len(source.classes), len(source)) == (classes, samples)
    if name == "ucm":
        assert set(source.facts["label"].value_counts()) == {100}
    for index in range(0, samples, 400):
        assert len(source.read(index)) == 3
