"""The So2Sat source, on files in the layouts of versions 2, 3 and 4."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.conftest import Command
from tests.sources.so2sat_files import (
    CITIES,
    ZONES,
    patches,
    write_patches,
    write_place,
    write_version_2,
    write_version_3,
    write_version_4,
)

from spacewise import cache, splits
from spacewise.errors import InputError
from spacewise.sources import open_source, recognise, so2sat, zones

h5py = pytest.importorskip("h5py")
HOMEPAGE = re.escape("https://github.com/zhu-xlab/So2Sat-LCZ42")
SPLITS = ["train"] * 7 + ["validation"] * 3 + ["test"] * 4


@pytest.fixture
def second(tmp_path: Path) -> Path:
    return write_version_2(tmp_path / "so2sat")


@pytest.fixture
def third(tmp_path: Path) -> Path:
    return write_version_3(tmp_path / "so2sat")


@pytest.fixture
def fourth(tmp_path: Path) -> Path:
    return write_version_4(tmp_path / "so2sat")


def written(root: Path) -> tuple[np.ndarray, np.ndarray]:
    """Radar and reflectance of all samples of version 2, in the order of the files."""
    of_files = [patches(f"{root.name}/{name}", len(numbers)) for name, numbers in ZONES.items()]
    return np.concatenate([radar for radar, _ in of_files]), np.concatenate([optical for _, optical in of_files])


def read(source: Any) -> np.ndarray:
    return np.stack([source.read(index) for index in range(len(source))])


def test_facts(second: Path) -> None:
    source = so2sat(second)
    assert (source.name, source.fit, source.amplitude, source.root) == ("so2sat", "crop", "intensity", second)
    assert source.facts.columns.to_list() == ["id", "label", "split"]
    assert tuple(source.facts.iloc[1]) == ("training/000001", "water", "train")
    assert tuple(source.facts.iloc[7]) == ("validation/000000", "compact mid-rise", "validation")
    assert tuple(source.facts.iloc[-1]) == ("testing/000003", "large low-rise", "test")
    assert source.facts["label"].to_list() == [zones.ZONES[zone] for numbers in ZONES.values() for zone in numbers]
    assert source.facts["split"].to_list() == SPLITS
    assert source.description == {"name": "so2sat", "root": str(second)}


def test_optical_bands_are_red_green_and_blue(second: Path) -> None:
    reflectance = written(second)[1]
    images = read(so2sat(second))
    assert images.dtype == np.float32
    for band, channel in enumerate((2, 1, 0)):  # B4, B3, B2 of B2, B3, B4 …
        np.testing.assert_array_equal(images[:, band], reflectance[..., channel].astype(np.float32))


def test_radar_bands_are_the_parts_of_unfiltered_vv(second: Path) -> None:
    radar = written(second)[0]
    source = so2sat(second, sensor="radar")
    images = read(source)
    assert (images.shape, images.dtype, source.amplitude) == ((14, 2, 32, 32), np.float32, "intensity")
    assert images.min() < 0, "signed"
    np.testing.assert_array_equal(images[:, 0], radar[..., 2].astype(np.float32))
    np.testing.assert_array_equal(images[:, 1], radar[..., 3].astype(np.float32))
    assert source.description == {"name": "so2sat", "root": str(second), "sensor": "radar"}


@pytest.mark.parametrize("classes", ["urban", "low-rise"])
def test_a_set_of_zones_leaves_out_the_others(second: Path, classes: str) -> None:
    everything, chosen = so2sat(second), so2sat(second, classes=classes)
    kept = everything.facts["label"].isin(zones.zone_set(classes)).to_numpy()
    assert 0 < kept.sum() < len(kept)
    assert chosen.facts.equals(everything.facts[kept].reset_index(drop=True)), "ids stay those of the files' rows"
    np.testing.assert_array_equal(read(chosen), read(everything)[kept])


@pytest.mark.parametrize("sensor", ["optical", "radar"])
@pytest.mark.parametrize("classes", ["all", "urban", "low-rise"])
@pytest.mark.parametrize("block", [1, 2, 3, 256])
def test_cached_images_are_those_read_one_by_one(
    second: Path, sensor: str, classes: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = so2sat(second, sensor=sensor, classes=classes)
    monkeypatch.setattr(sys.modules["spacewise.sources.so2sat"], "BLOCK", block)
    monkeypatch.setattr(cache, "SLAB", 4)
    made, single = cache.decoded(source, 32), cache.decoded(replace(source, slab=None, stamp=""), 32)
    np.testing.assert_array_equal(made.images, read(source))
    np.testing.assert_array_equal(made.images, single.images)
    np.testing.assert_array_equal(made.digests, single.digests)
    np.testing.assert_array_equal(made.sizes, single.sizes)


def test_each_sensor_and_set_of_zones_is_cached_by_itself(second: Path) -> None:
    stamps = {
        so2sat(second, sensor=sensor, classes=name).stamp for sensor in ("optical", "radar") for name in zones.SETS
    }
    assert len(stamps) == 6
    assert so2sat(second).stamp in stamps
    write_patches(second / "testing.h5", (1, 1))
    assert so2sat(second).stamp not in stamps


def test_many_threads_read_the_same(second: Path) -> None:
    source, expected = so2sat(second, sensor="radar"), read(so2sat(second, sensor="radar"))
    order = np.random.default_rng(0).integers(0, len(source), 200)
    with ThreadPoolExecutor(8) as pool:
        np.testing.assert_array_equal(np.stack(list(pool.map(source.read, order))), expected[order])


def test_what_is_read_may_be_written_to(second: Path) -> None:
    source = so2sat(second)
    source.read(0)[:] = -1
    assert source.read(0).min() >= 0


def test_its_own_parts_are_the_default_split(second: Path) -> None:
    source = so2sat(second)
    assert splits.default(source) == "folders"
    split = splits.folders(source, validation=0)
    assert set(split.train.facts["split"]) == {"train"}
    assert set(split.test.facts["split"]) == {"test"}


def test_cities_of_version_4(fourth: Path) -> None:
    source = so2sat(fourth)
    assert source.facts["city"].to_list() == [city for cities in CITIES.values() for city in cities]
    assert so2sat(fourth, classes="low-rise").facts["city"].to_list() == [
        "berlin", "cairo", "riodejaneiro", "zurich", "munich", "munich", "sydney",
    ]  # fmt: skip
    split = splits.by_fact(source, train={"city": "berlin"}, test={"city": "munich"}, validation=0)
    assert set(split.test.facts["city"]) == {"munich"}


def test_cities_in_a_column_or_of_any_length(fourth: Path) -> None:
    with h5py.File(fourth / "testing_geo.h5", "w") as opened:
        opened["city"] = np.array(CITIES["testing"], "S12")[:, None]
    with h5py.File(fourth / "validation_geo.h5", "w") as opened:
        opened["city"] = ["münchen", "sydney ", "x" * 50]
    assert so2sat(fourth).facts["city"].to_list()[7:] == ["münchen", "sydney", "x" * 50, *CITIES["testing"]]


def test_geo_files_without_cities_add_no_fact(fourth: Path) -> None:
    for name in CITIES:
        with h5py.File(fourth / f"{name}_geo.h5", "a") as opened:
            del opened["city"]
    assert "city" not in so2sat(fourth).facts


@pytest.mark.parametrize("part", ["random", "block", "culture_10"])
def test_parts_of_version_3(third: Path, part: str) -> None:
    named, pointed = so2sat(third, part=part), so2sat(third / part)
    assert named.root == pointed.root == third / part
    assert named.facts.equals(pointed.facts)
    assert named.facts["split"].to_list() == ["train"] * 7 + ["test"] * 4
    radar = patches(f"{part}/training", 7)[0]
    np.testing.assert_array_equal(so2sat(third, sensor="radar", part=part).read(3)[0], radar[3, ..., 2].astype("f4"))


def test_a_part_that_is_alone_needs_no_name(tmp_path: Path) -> None:
    write_version_3(tmp_path / "so2sat", ["block"])
    assert so2sat(tmp_path).root == tmp_path / "so2sat/block"


@pytest.mark.parametrize("write", [write_version_2, write_version_3, write_version_4])
def test_recognised(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    inner = write(tmp_path / "outer/inner")
    assert recognise(inner) == recognise(inner.parent) == "so2sat"


def test_root_may_hold_the_sets_folder(second: Path) -> None:
    assert open_source(str(second.parent)).facts.equals(so2sat(second).facts)


def test_check_from_the_command_line(second: Path, spacewise: Command) -> None:
    _, out, _ = spacewise("check", second)
    assert "14 images, 9 classes" in out


# What is wrong with a set


def refused(message: str, root: Path, **options: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        so2sat(root, **options)
    assert "\n" not in str(caught.value)


def change(file: Path, name: str, value: Any) -> None:
    """Another dataset in place of the one of that name; None deletes it."""
    with h5py.File(file, "a") as opened:
        del opened[name]
        if value is not None:
            opened[name] = value


def test_unknown_options(second: Path) -> None:
    refused(
        r"^unknown sensor of So2Sat 'rader': did you mean 'radar'\? \(there are: optical, radar\)",
        second,
        sensor="rader",
    )
    refused(r"^unknown set of local climate zones 'lowrise': did you mean 'low-rise'", second, classes="lowrise")
    refused(r"^unknown part of So2Sat 'culture': did you mean 'culture_10'", second, part="culture")


def test_parts_that_are_not_there_or_not_named(third: Path) -> None:
    refused(r"so2sat holds the parts random, block, culture_10: name one of them as part$", third)
    for file in (third / "block").iterdir():
        file.unlink()
    refused(rf"has no part 'block': .*\(there are: random, culture_10\) \(homepage: {HOMEPAGE}\)$", third, part="block")


def test_part_of_a_version_without_parts(second: Path) -> None:
    refused(r"has no part 'random': \(there are none\)", second, part="random")


def test_missing_folder_and_files(tmp_path: Path, second: Path) -> None:
    refused(r"^so2sat: .*such is no folder", tmp_path / "such")
    (tmp_path / "empty").mkdir()
    expected = "has neither training.h5 and testing.h5 nor a folder random, block, culture_10 with them"
    refused(rf"^so2sat: .*empty {expected} \(homepage: {HOMEPAGE}\)$", tmp_path / "empty")
    (second / "testing.h5").unlink()
    assert recognise(second) == "so2sat"
    refused(rf"^so2sat: .*testing.h5 is missing, it is part of the set \(homepage: {HOMEPAGE}\)", second)


def test_h5py_is_an_extra(second: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    refused(r"^so2sat: .*training.h5 needs h5py: pip install 'spacewise\[geo\]'", second)


@pytest.mark.parametrize("kept", [0, 100, 100_000])
def test_file_cut_off(second: Path, kept: int) -> None:
    file = second / "validation.h5"
    file.write_bytes(file.read_bytes()[:kept])
    refused(rf"^cannot read .*validation.h5: .*fetch it again \(homepage: {HOMEPAGE}\)$", second)


def test_no_hdf5(second: Path) -> None:
    (second / "testing.h5").write_text("<html>Not found</html>" * 1000, encoding="utf-8")
    refused(r"^cannot read .*testing.h5: .*file signature not found.*; if it is cut off", second)


def test_file_cut_off_after_it_was_opened(second: Path) -> None:
    source = so2sat(second)
    file = second / "testing.h5"
    with file.open("r+b") as stream:
        stream.truncate(file.stat().st_size - 100_000)
    with pytest.raises(InputError, match=r"^cannot read .*testing.h5: "):
        source.read(13)


@pytest.mark.parametrize("name", ["sen1", "sen2", "label"])
def test_missing_dataset(second: Path, name: str) -> None:
    change(second / "training.h5", name, None)
    refused(rf"training.h5: has no dataset '{name}': .*\(there are: ", second)
    with h5py.File(second / "training.h5", "a") as opened:
        opened.create_group(name)
    refused(rf"training.h5: has no dataset '{name}'", second)


@pytest.mark.parametrize(
    ("name", "shape", "expected"),
    [
        ("sen1", (7, 32, 32, 4), "samples, 32, 32, 8"),
        ("sen2", (7, 32, 32, 13), "samples, 32, 32, 10"),
        ("sen2", (7, 64, 64, 10), "samples, 32, 32, 10"),
        ("sen2", (7, 10, 32, 32), "samples, 32, 32, 10"),
        ("label", (7, 10), "samples, 17"),
        ("label", (7,), "samples, 17"),
    ],
)
def test_wrong_shape(second: Path, name: str, shape: tuple[int, ...], expected: str) -> None:
    change(second / "training.h5", name, np.zeros(shape))
    refused(rf"training.h5: {name} has shape {re.escape(str(shape))}, expected \({expected}\)$", second)


def test_wrong_type(second: Path) -> None:
    change(second / "training.h5", "sen1", np.zeros((7, 32, 32, 8), np.complex64))
    refused(r"training.h5: sen1 holds complex64, expected floating-point numbers$", second)


@pytest.mark.parametrize("name", ["sen1", "sen2"])
def test_counts_that_differ(second: Path, name: str) -> None:
    channels = 8 if name == "sen1" else 10
    change(second / "testing.h5", name, np.zeros((3, 32, 32, channels)))
    counts = {"sen1": 4, "sen2": 4, "label": 4} | {name: 3}
    held = ", ".join(f"{count} of {key}" for key, count in counts.items())
    refused(rf"testing.h5: holds {held}, expected as many samples of each$", second)


@pytest.mark.parametrize("row", [np.zeros(17), np.eye(17)[3] + np.eye(17)[4], np.full(17, 1 / 17), np.full(17, np.nan)])
def test_labels_that_are_not_one_hot(second: Path, row: np.ndarray) -> None:
    labels = np.eye(17)[list(ZONES["testing"])]
    labels[2:] = row
    change(second / "testing.h5", "label", labels)
    refused(r"testing.h5: 2 labels are not one-hot \(a single 1 among zeros\), the first is row 2$", second)


def test_labels_of_another_number_type(second: Path) -> None:
    before = so2sat(second).facts
    change(second / "testing.h5", "label", np.eye(17, dtype=np.uint8)[list(ZONES["testing"])])
    assert so2sat(second).facts.equals(before)


def test_no_sample_of_a_set(second: Path) -> None:
    for name, numbers in ZONES.items():
        write_patches(second / f"{name}.h5", [16] * len(numbers))
    refused("^so2sat: no samples in", second, classes="urban")


def test_geo_files_that_do_not_fit(fourth: Path) -> None:
    write_place(fourth / "testing_geo.h5", CITIES["testing"][:3])
    refused(r"testing_geo.h5: city has shape \(3,\), expected \(4,\), one a sample$", fourth)
    change(fourth / "testing_geo.h5", "city", np.arange(4.0))
    refused(r"testing_geo.h5: city holds float64, expected text$", fourth)
    change(fourth / "testing_geo.h5", "city", np.array([b"\xff"] * 4))
    refused(r"testing_geo.h5: city holds what is no UTF-8 text", fourth)
    change(fourth / "testing_geo.h5", "city", None)
    refused(r"testing_geo.h5: has no dataset 'city': .*\(there are: coord, epsg, tfw\)", fourth)
    (fourth / "testing_geo.h5").write_bytes(b"")
    refused(r"^cannot read .*testing_geo.h5", fourth)
    (fourth / "testing_geo.h5").unlink()
    refused(rf"testing_geo.h5 is missing beside training_geo.h5, expected all or none \({HOMEPAGE}\)$", fourth)


@pytest.mark.parametrize("value", [np.nan, 1e300])
def test_pixels_that_no_network_can_use(second: Path, value: float) -> None:
    with h5py.File(second / "testing.h5", "a") as opened:
        opened["sen1"][1, 0, 0, 2] = value
    with pytest.raises(InputError, match="testing/000001: 1 pixels are NaN or infinite"):
        cache.decoded(so2sat(second, sensor="radar"), 32)


def test_damaged_chunk_of_labels(second: Path) -> None:
    with h5py.File(second / "testing.h5", "a") as opened:
        labels = opened.pop("label")[()]
        made = opened.create_dataset("label", data=labels, chunks=True, fletcher32=True)
        place = made.id.get_chunk_info(0).byte_offset
    with (second / "testing.h5").open("r+b") as stream:
        stream.seek(place)
        stream.write(b"\x01")
    refused(r"^cannot read .*testing.h5: .*; if it is cut off or damaged, fetch it again", second)
