"""Archives of every kind, as small files in the real format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.archive.fresh_runs import SIZE, fresh_run
from tests.phoenix_files import chip_fields, write_phoenix
from tests.sources.so2sat_files import write_version_4

from spacewise import runs, sources, splits
from spacewise.archive import embed_archive, hdf5, held, open_embeddings, scenes, stored, taking
from spacewise.archive.scenes import starts
from spacewise.cache import decoded, fit
from spacewise.errors import InputError
from spacewise.learn.embed import embed
from spacewise.sources import folder, simulated

h5py = pytest.importorskip("h5py")


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "SHARD", 10)
    for module in (taking, hdf5, held, scenes):
        monkeypatch.setattr(module, "BATCH", 4)


@pytest.fixture(scope="module")
def grey(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> Path:
    """A run on one band."""
    place = tmp_path_factory.mktemp("grey") / "run"
    fresh_run(place, folder(pictures))
    return place


@pytest.fixture(scope="module")
def radar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on chips that are cut to size, of magnitudes."""
    place = tmp_path_factory.mktemp("radar") / "run"
    fresh_run(place, simulated(per_class=8, size=32))
    return place


@pytest.fixture(scope="module")
def colour(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the three bands of So2Sat."""
    place = tmp_path_factory.mktemp("colour")
    whole(place / "run", sources.so2sat(write_version_4(place / "set")))
    return place / "run"


def whole(run: Path, source: sources.Source) -> None:
    """A run on so few samples that none is held out."""
    fresh_run(run, source, split=splits.folders(source, validation=0))


def values(out: Path) -> np.ndarray:
    return np.concatenate([block.values for block in open_embeddings(out).blocks("feature")])


def column(out: Path, name: str) -> list[Any]:
    return list(open_embeddings(out).table([name])[name])


def agrees(run: Path, out: Path, images: list[np.ndarray], how: str) -> None:
    """The vectors are those of `learn.embed` on the images, each fitted by itself."""
    net, _ = runs.open_net(run)
    batch = torch.from_numpy(np.stack([fit(image, SIZE, how) for image in images]))
    np.testing.assert_allclose(values(out), embed(net, [batch], ["feature"])["feature"], atol=1e-5)


def noise(*shape: int, dtype: Any = np.uint8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, shape).astype(dtype)


def written(file: Path, **datasets: np.ndarray) -> Path:
    with h5py.File(file, "w") as opened:
        for name, data in datasets.items():
            opened.create_dataset(name.replace("__", "/"), data=data, chunks=(min(7, len(data)), *data.shape[1:]))
    return file


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64, ">f4"])
@pytest.mark.parametrize("side", [SIZE, SIZE + 5, SIZE - 4])
def test_hdf5_of_one_band(grey: Path, radar: Path, tmp_path: Path, dtype: Any, side: int) -> None:
    data = noise(23, side, side, dtype=dtype)
    file = written(tmp_path / "chips.h5", chips=data, label=np.eye(23))
    for run, how in ((grey, "resize"), (radar, "crop")):
        out = tmp_path / how
        facts = embed_archive(run, file, out)
        assert (facts["kind"], facts["fit"], facts["samples"]) == ("hdf5", how, 23)
        assert facts["amplitude"] == ("magnitude" if how == "crop" else "intensity")
        agrees(run, out, [image[None].astype(np.dtype(dtype).newbyteorder("=")) for image in data], how)
    assert column(out, "id")[:2] == ["chips.h5#0", "chips.h5#1"]


@pytest.mark.parametrize("shape", [(9, 3, 20, 20), (9, 20, 20, 3), (9, 3, 20, 3), (9, 3, 3, 20)])
def test_hdf5_of_several_bands_first_or_last(colour: Path, tmp_path: Path, shape: tuple[int, ...]) -> None:
    if shape[1:] == (3, 3, 20):  # bands first, since the last axis has others
        shape = (9, 3, 3, 20)
    data = noise(*shape, dtype=np.float32)
    embed_archive(colour, written(tmp_path / "chips.h5", chips=data), tmp_path / "out")
    last = shape[1] != 3
    agrees(colour, tmp_path / "out", [np.moveaxis(image, 2, 0) if last else image for image in data], "crop")


def test_hdf5_with_several_datasets(grey: Path, tmp_path: Path) -> None:
    data = {"day__chips": noise(5, 16, 16), "night": noise(6, 1, 16, 16, seed=1)}
    file = written(tmp_path / "two.h5", **data)
    with pytest.raises(InputError, match=r"several datasets .*\(day/chips, night\): name one, .*two.h5:day/chip"):
        embed_archive(grey, file, tmp_path / "out")
    with pytest.raises(InputError, match="did you mean 'night'"):
        embed_archive(grey, f"{file}:nigt", tmp_path / "out")
    embed_archive(grey, f"{file}:night", tmp_path / "out")
    agrees(grey, tmp_path / "out", list(data["night"]), "resize")
    assert embed_archive(grey, f"{file}:night", tmp_path / "out")["samples"] == 6


@pytest.mark.parametrize(
    ("data", "line"),
    [
        ({"chips": noise(4, 2, 16, 16)}, r"has the shape \(4, 2, 16, 16\), the network takes 1 bands"),
        ({"label": np.eye(4)}, "holds no images"),
        ({"chips": np.full((4, 16, 16), np.nan)}, "none of the 4 images .* can be read; .*NaN"),
    ],
)
def test_hdf5_that_does_not_fit(grey: Path, tmp_path: Path, data: dict[str, np.ndarray], line: str) -> None:
    with pytest.raises(InputError, match=line):
        embed_archive(grey, written(tmp_path / "chips.h5", **data), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_hdf5_that_is_cut_off(grey: Path, tmp_path: Path) -> None:
    file = written(tmp_path / "chips.h5", chips=noise(40, 16, 16))
    file.write_bytes(file.read_bytes()[:4000])
    with pytest.raises(InputError, match=r"cannot read .*chips.h5"):
        embed_archive(grey, file, tmp_path / "out")


def test_hdf5_with_samples_that_cannot_be_read(grey: Path, tmp_path: Path) -> None:
    data = noise(21, 16, 16, dtype=np.float32)
    data[9, 3, 3] = np.inf
    file = tmp_path / "chips.h5"
    with h5py.File(file, "w") as opened:
        made = opened.create_dataset("chips", data=data, chunks=(2, 16, 16), fletcher32=True)
        place = made.id.get_chunk_info(7).byte_offset  # samples 14 and 15
    content = bytearray(file.read_bytes())
    content[place + 5] ^= 255
    file.write_bytes(content)
    assert embed_archive(grey, file, tmp_path / "out")["unreadable"] == 3
    kept = [row for row in range(21) if row not in (9, 14, 15)]
    assert column(tmp_path / "out", "row") == kept
    agrees(grey, tmp_path / "out", [data[row][None] for row in kept], "resize")


def scene(file: Path, pixels: np.ndarray, *, crs: str | None = "EPSG:32632", **more: Any) -> Path:
    rasterio = pytest.importorskip("rasterio")
    from rasterio.transform import from_origin

    bands, height, width = pixels.shape
    place = {"crs": crs, "transform": from_origin(500_000, 5_000_000, 10, 10)} if crs else {}
    options = (
        {"driver": "GTiff", "count": bands, "height": height, "width": width, "dtype": pixels.dtype} | place | more
    )
    with rasterio.open(file, "w", **options) as opened:
        opened.write(pixels)
    return file


def tiles(pixels: np.ndarray, stride: int = SIZE) -> dict[tuple[int, int], np.ndarray]:
    places = [
        (top, left) for top in starts(pixels.shape[1], SIZE, stride) for left in starts(pixels.shape[2], SIZE, stride)
    ]
    return {(top, left): pixels[:, top : top + SIZE, left : left + SIZE] for top, left in places}


def test_where_tiles_begin() -> None:
    assert starts(48, 16, 16) == [0, 16, 32]
    assert starts(50, 16, 16) == [0, 16, 32, 34]
    assert starts(16, 16, 5) == [0]
    assert starts(9, 16, 5) == [0]
    assert starts(30, 16, 8) == [0, 8, 14]


@pytest.mark.parametrize("more", [{}, {"tiled": True, "blockxsize": 16, "blockysize": 16, "compress": "deflate"}])
@pytest.mark.parametrize("stride", [None, 7])
def test_a_scene(grey: Path, tmp_path: Path, stride: int | None, more: dict[str, Any]) -> None:
    pixels = noise(1, 50, 67, dtype=np.uint16)
    file = scene(tmp_path / "scene.tif", pixels, **more)
    facts = embed_archive(grey, file, tmp_path / "out", stride=stride)
    expected = tiles(pixels, stride or SIZE)
    assert (facts["kind"], facts["samples"], facts["stride"]) == ("scenes", len(expected), stride or SIZE)
    assert column(tmp_path / "out", "id") == [f"scene.tif#{top},{left}" for top, left in expected]
    agrees(grey, tmp_path / "out", list(expected.values()), "resize")
    assert column(tmp_path / "out", "crs") == ["EPSG:32632"] * len(expected)
    centres = [(500_000 + 10 * (left + 8), 5_000_000 - 10 * (top + 8)) for top, left in expected]
    assert list(zip(column(tmp_path / "out", "x"), column(tmp_path / "out", "y"))) == centres
    with pytest.raises(InputError, match="stride was"):
        embed_archive(grey, file, tmp_path / "out", stride=9)


def test_tiles_without_data_are_left_out(grey: Path, tmp_path: Path) -> None:
    pixels = noise(1, 48, 48, dtype=np.float32) + 1
    pixels[:, :32, :32] = -9999
    pixels[:, 16:20, 16:20] = 7
    file = scene(tmp_path / "scene.tif", pixels, nodata=-9999)
    facts = embed_archive(grey, file, tmp_path / "out")
    assert (facts["listed"], facts["samples"], facts["empty"], facts["unreadable"]) == (9, 6, 3, 0)
    kept = [np.where(tile == -9999, 0, tile) for tile in tiles(pixels).values() if (tile != -9999).any()]
    agrees(grey, tmp_path / "out", kept, "resize")


def test_a_folder_of_scenes(grey: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "b").mkdir(parents=True)
    large, small = noise(1, 32, 32), noise(1, 12, 12, seed=1)
    scene(data / "a.tif", large)
    scene(data / "b" / "small.TIFF", small, crs="EPSG:4326")
    (data / "b" / "z.tif").write_bytes(b"no scene")
    facts = embed_archive(grey, data, tmp_path / "out")
    assert (facts["kind"], facts["samples"], facts["unreadable"]) == ("scenes", 5, 1)
    ids = column(tmp_path / "out", "id")
    assert ids == [*(f"a.tif#{top},{left}" for top, left in tiles(large)), "b/small.TIFF#0,0"]
    assert facts["named"] == ["b/z.tif#0,0"]
    agrees(grey, tmp_path / "out", [*tiles(large).values(), small], "resize")


def test_tiffs_that_are_no_scenes_are_pictures(grey: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    scene(data / "small.tif", noise(1, SIZE, SIZE))
    assert embed_archive(grey, data, tmp_path / "out")["kind"] == "pictures"


def test_a_scene_with_other_bands_and_a_damaged_one(grey: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"two.tif has 2 bands, the network takes 1"):
        embed_archive(grey, scene(tmp_path / "two.tif", noise(2, 32, 32)), tmp_path / "out")
    file = scene(tmp_path / "cut.tif", noise(1, 64, 64), tiled=True, blockxsize=16, blockysize=16)
    file.write_bytes(file.read_bytes()[:-1000])
    facts = embed_archive(grey, file, tmp_path / "out")
    assert facts["unreadable"] > 0
    assert facts["samples"] + facts["unreadable"] == 16


def test_simulated(radar: Path, tmp_path: Path) -> None:
    source = simulated(per_class=8, size=32)
    facts = embed_archive(radar, "simulated", tmp_path / "out")
    assert (facts["kind"], facts["samples"]) == ("simulated", len(source))  # as the run's own: 8 a class, 32 pixels
    table = open_embeddings(tmp_path / "out").table(["id", "label", "serial", "depression", "aspect"])
    assert table["id"].tolist() == source.facts["id"].tolist()
    assert table["depression"].tolist() == source.facts["depression"].tolist()
    net, _ = runs.open_net(radar)
    truth = embed(net, [decoded(source, SIZE).images], ["feature"])["feature"]
    np.testing.assert_allclose(values(tmp_path / "out"), truth, atol=1e-5)


def test_mstar(radar: Path, tmp_path: Path) -> None:
    place = tmp_path / "mstar" / "TARGETS" / "17_DEG"
    for number in range(12):
        chip = np.random.default_rng(number).random((20, 21), np.float32)
        write_phoenix(place / "T72" / "SN_132" / f"HB{number:05d}.015", chip, fields=chip_fields(aspect=number))
    (place / "T72" / "SN_132" / "HB00003.015").write_bytes(
        (place / "T72" / "SN_132" / "HB00003.015").read_bytes()[:-900]
    )
    facts = embed_archive(radar, tmp_path / "mstar", tmp_path / "out")
    assert (facts["kind"], facts["samples"], facts["unreadable"]) == ("mstar", 11, 1)
    table = open_embeddings(tmp_path / "out").table(["label", "serial", "depression", "aspect"])
    assert set(table["label"]) == {"T72"}
    assert table["aspect"].tolist() == [number for number in range(12) if number != 3]
    chips = [np.random.default_rng(number).random((20, 21), np.float32)[None] for number in range(12) if number != 3]
    agrees(radar, tmp_path / "out", chips, "crop")


def test_so2sat_by_slabs(colour: Path, tmp_path: Path) -> None:
    root = write_version_4(tmp_path / "set")
    source = sources.so2sat(root)
    facts = embed_archive(colour, root, tmp_path / "out")
    assert (facts["kind"], facts["samples"]) == ("so2sat", len(source))
    agrees(colour, tmp_path / "out", [source.read(row) for row in range(len(source))], "crop")
    assert column(tmp_path / "out", "city") == source.facts["city"].tolist()


def test_so2sat_of_the_sensor_that_the_run_saw(tmp_path: Path) -> None:
    root = write_version_4(tmp_path / "set")
    whole(tmp_path / "run", sources.so2sat(root, sensor="radar"))
    facts = embed_archive(tmp_path / "run", root, tmp_path / "out")
    assert facts["samples"] == len(sources.so2sat(root))
    with pytest.raises(InputError, match=r"has 1 bands, the network takes 2"):
        embed_archive(tmp_path / "run", "simulated", tmp_path / "other")


def test_other_samples_than_were_listed(radar: Path, tmp_path: Path) -> None:
    place = tmp_path / "mstar" / "17_DEG" / "T72" / "SN_132"
    for number in range(3):
        write_phoenix(place / f"HB{number:05d}.015", np.ones((20, 20), np.float32), fields=chip_fields())
    embed_archive(radar, tmp_path / "mstar", tmp_path / "out")
    stored.part(tmp_path / "out", 0).unlink()
    (place / "HB00001.015").unlink()
    with pytest.raises(InputError, match="holds other samples than were listed"):
        embed_archive(radar, tmp_path / "mstar", tmp_path / "out")


def test_what_is_no_archive(grey: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a", encoding="utf-8")
    for data, line in (("a.txt", "is no archive"), ("b", "does not exist"), ("a.txt:chips", "is no archive")):
        with pytest.raises(InputError, match=line):
            embed_archive(grey, tmp_path / data, tmp_path / "out")
