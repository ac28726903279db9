"""`check`: what a source holds, what is wrong with it, and what to do."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from rich.console import Console

from spacewise import sources
from spacewise.check import Clue, Finding, Report, check, clues, looks, render, twins
from spacewise.sources.source import Source

NUMBER = 20


def scene(seed: int, height: int = 40, width: int = 48, level: float = 128) -> np.ndarray:
    """A coarse random picture (height, width, 3) with some grain, uint8."""
    generator = np.random.default_rng(seed)
    coarse = generator.uniform(-80, 80, (-(-height // 8), -(-width // 8), 3))
    fine = np.kron(coarse, np.ones((8, 8, 1)))[:height, :width] + generator.normal(0, 8, (height, width, 3))
    return np.clip(level + fine, 0, 255).astype(np.uint8)


def save(path: Path, array: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, array)
    else:
        Image.fromarray(array).save(path)
    return path


def write(
    root: Path,
    names: tuple[str, ...] = ("beach", "river"),
    number: int = NUMBER,
    make: Callable[[int, int], np.ndarray] = lambda kind, seed: scene(seed),
    ending: str = ".png",
) -> Path:
    """A folder of classes whose pictures are all different."""
    for kind, name in enumerate(names):
        for index in range(number):
            save(root / name / f"{index:02d}{ending}", make(kind, 1000 * kind + index))
    return root


def table(images: list[np.ndarray], labels: list[str], fit: str = "crop", **facts: list[object]) -> Source:
    """A source of arrays (band, height, width)."""
    ids = [f"chip-{index}" for index in range(len(images))]
    return Source("made", pd.DataFrame({"id": ids, "label": labels, **facts}), images.__getitem__, fit=fit)


def chips(number: int, seed: int = 0, side: int = 64) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    return [generator.integers(0, 256, (1, side, side), np.uint8) for _ in range(number)]


def kinds(report: Report) -> set[str]:
    return {finding.kind for finding in report.problems}


def finding(report: Report, kind: str) -> Finding:
    (found,) = [one for one in report.findings if one.kind == kind]
    return found


def clue(report: Report, name: str) -> Clue:
    (found,) = [one for one in report.clues if one.name == name]
    return found


def printed(report: Report, width: int = 120) -> str:
    stream = io.StringIO()
    render(report, Console(file=stream, width=width))
    return stream.getvalue()


# What it holds


def test_counts_of_a_clean_folder(tmp_path: Path) -> None:
    report = check(sources.folder(write(tmp_path)))
    assert (report.source, report.root, report.samples, report.fit) == ("folder", str(tmp_path), 40, "resize")
    assert report.classes == {"beach": 20, "river": 20}
    assert report.facts == {"label": {"beach": 20, "river": 20}}
    assert report.distinct == {"id": 40}
    assert (report.sizes, report.bands, report.types) == ({"40 x 48": 40}, {"3": 40}, {"uint8": 40})
    assert report.values is not None
    assert 0 <= report.values[0] < report.values[1] <= 255
    assert report.cross is None
    assert report.problems == []
    assert report.findings == ()


def test_facts_with_few_values_are_counted_and_crossed_with_the_class() -> None:
    images = chips(8)
    report = check(
        table(
            images,
            ["a", "a", "a", "b", "b", "b", "b", "b"],
            depression=[17, 17, 15, 17, 15, 15, 15, 15],
            serial=["", "x", "x", "y", "y", "y", "y", np.nan],
            aspect=list(np.linspace(0, 350, 8)),
        )
    )
    assert report.facts["depression"] == {"15": 5, "17": 3}
    assert report.facts["serial"] == {"y": 4, "x": 2, "": 1, "nan": 1}
    assert report.cross is not None
    assert (report.cross.fact, report.cross.columns) == ("depression", ("15", "17"))
    assert report.cross.rows == {"a": (1, 2), "b": (4, 1)}


def test_facts_with_many_values_are_only_numbered() -> None:
    report = check(table(chips(60, side=8), ["a", "b"] * 30, frame=[f"HB{i}" for i in range(60)]))
    assert report.distinct == {"id": 60, "frame": 60}
    assert "frame" not in report.facts


def test_parts_stand_in_the_order_of_their_use() -> None:
    parts = ["test", "train", "validation", "confuser"] * 2
    report = check(table(chips(8), ["a", "b"] * 4, role=parts))
    assert report.cross is not None
    assert report.cross.columns == ("train", "validation", "test", "confuser")


def test_as_dict_is_json(tmp_path: Path) -> None:
    write(tmp_path / "train")
    save(tmp_path / "test" / "beach" / "copy.png", scene(3))
    save(tmp_path / "test" / "river" / "flat.png", np.full((40, 48, 3), 7, np.uint8))
    (tmp_path / "test" / "river" / "broken.png").write_bytes(b"\x89PNG")
    report = check(sources.folder(tmp_path))
    held = json.loads(json.dumps(report.as_dict(), allow_nan=False))
    assert held["unreadable"][0]["id"] == "test/river/broken.png"
    assert held["cross"]["columns"] == ["train", "test"]
    assert held["twins"][0]["crossing"] is True
    assert held["values"] == list(report.values or ())
    assert {problem["kind"] for problem in held["problems"]} == {"unreadable", "constant", "crossing"}
    assert held["clues"][0].keys() == {"name", "accuracy", "chance", "luck", "verdict", "remedy"}


def test_the_same_report_again(tmp_path: Path) -> None:
    write(tmp_path)
    save(tmp_path / "river" / "copy.png", scene(3))
    source = sources.folder(tmp_path)
    assert check(source) == check(source)


# What cannot be used


def test_unreadable_files_are_all_named_and_the_rest_is_checked(tmp_path: Path) -> None:
    write(tmp_path)
    whole = (tmp_path / "beach" / "00.png").read_bytes()
    for number in range(23):
        (tmp_path / "river" / f"cut{number:02d}.png").write_bytes(whole[:300])
    report = check(sources.folder(tmp_path))
    assert [one.id for one in report.unreadable] == [f"river/cut{number:02d}.png" for number in range(23)]
    assert all(
        "cut" in one.reason and one.reason.count("\n") == 0 and len(one.reason) > 20 for one in report.unreadable
    )
    assert (report.samples, sum(report.sizes.values())) == (63, 40)
    assert kinds(report) == {"unreadable"}
    assert "23 images of 63" in finding(report, "unreadable").what
    text = printed(report, width=200)
    assert "river/cut19.png" in text
    assert "river/cut20.png" not in text
    assert "and 3 more" in text


def test_nan_pixels_are_named(tmp_path: Path) -> None:
    write(tmp_path)
    broken = np.zeros((5, 5))
    broken[2, 1:4] = np.nan
    save(tmp_path / "beach" / "nan.npy", broken)
    (one,) = check(sources.folder(tmp_path)).unreadable
    assert one.id == "beach/nan.npy"
    assert "not finite" in one.reason


def test_nan_pixels_of_a_source_that_passes_them_on() -> None:
    images = [np.random.default_rng(i).random((1, 64, 64)) for i in range(4)]
    images[2][0, 3, 3] = np.nan
    images[3][0, 4, :2] = np.inf
    report = check(table(images, ["a", "b", "a", "b"]))
    assert report.unreadable == (
        ("chip-2", "1 of 4096 pixels are NaN or infinite"),
        ("chip-3", "2 of 4096 pixels are NaN or infinite"),
    )
    assert finding(report, "unreadable").level == "error"


def test_nothing_can_be_read(tmp_path: Path) -> None:
    for name in ("beach", "river"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.png").write_bytes(b"")
    report = check(sources.folder(tmp_path))
    assert len(report.unreadable) == 2
    assert (report.values, report.sizes, report.twins, report.clues) == (None, {}, (), ())
    assert kinds(report) == {"unreadable", "classes"}
    assert "2 images, 2 classes" in printed(report)


# What a training will meet


def test_one_class(tmp_path: Path) -> None:
    report = check(sources.folder(write(tmp_path, names=("beach",))))
    assert kinds(report) == {"classes"}
    assert "1 class with readable images, 'beach'" in finding(report, "classes").what


def test_classes_with_one_sample(tmp_path: Path) -> None:
    write(tmp_path)
    save(tmp_path / "pond" / "0.png", scene(1))
    (tmp_path / "pond" / "1.png").write_bytes(b"")
    report = check(sources.folder(tmp_path))
    assert "1 class with fewer than 2 readable images: pond" in finding(report, "classes").what
    assert finding(report, "classes").level == "error"


def test_mixed_bands_and_types(tmp_path: Path) -> None:
    write(tmp_path)
    save(tmp_path / "beach" / "grey.png", scene(500)[..., 0])
    save(tmp_path / "beach" / "deep.npy", scene(501).astype(np.float32))
    report = check(sources.folder(tmp_path))
    assert kinds(report) == {"bands", "types"}
    assert finding(report, "bands").what.endswith("3 in 41 images, 1 in 1 image")
    assert finding(report, "types").what.endswith("uint8 in 41 images, float32 in 1 image")


def test_types_that_training_brings_together_are_no_problem() -> None:
    images = [image.astype(np.float32 if i % 2 else np.uint16) for i, image in enumerate(chips(4))]
    assert kinds(check(table(images, ["a", "a", "b", "b"]))) == set()


@pytest.mark.parametrize(("fit", "does"), [("crop", "centre is cropped"), ("resize", "resized")])
def test_mixed_sizes_are_noted_with_what_is_done_about_them(fit: str, does: str) -> None:
    images = [image[:, : 40 + i % 3] for i, image in enumerate(chips(6))]
    report = check(table(images, ["a", "b"] * 3, fit))
    assert finding(report, "sizes").what == "3 native sizes, from 40 x 64 to 42 x 64"
    assert does in finding(report, "sizes").remedy
    assert report.problems == []
    assert "nothing stands in the way" in printed(report)


def test_constant_images(tmp_path: Path) -> None:
    write(tmp_path)
    flat = np.zeros((40, 48, 3), np.uint8) + np.array([10, 20, 30], np.uint8)
    save(tmp_path / "beach" / "flat.png", flat)
    report = check(sources.folder(tmp_path))
    assert kinds(report) == {"constant"}
    assert "beach/flat.png" in finding(report, "constant").what


# The same picture more than once


def test_an_identical_pair(tmp_path: Path) -> None:
    write(tmp_path)
    save(tmp_path / "beach" / "copy.bmp", scene(4))  # another format, the same pixels
    report = check(sources.folder(tmp_path))
    (pair,) = report.twins
    assert (pair.kind, pair.ids, pair.labels) == (
        "identical",
        ("beach/04.png", "beach/copy.bmp"),
        ("beach", "beach"),
    )
    assert (pair.conflict, pair.crossing) == (False, False)
    assert kinds(report) == {"repeat"}


@pytest.mark.parametrize("turn", range(1, 8))
def test_a_turned_pair(tmp_path: Path, turn: int) -> None:
    write(tmp_path)
    views = list(looks.symmetries(np.moveaxis(scene(4), 2, 0)))
    save(tmp_path / "beach" / "turned.png", np.ascontiguousarray(np.moveaxis(views[turn], 0, 2)))
    (pair,) = check(sources.folder(tmp_path)).twins
    assert (pair.kind, pair.ids) == ("turned", ("beach/04.png", "beach/turned.png"))


def test_labels_that_conflict(tmp_path: Path) -> None:
    write(tmp_path)
    save(tmp_path / "river" / "copy.png", scene(4)[:, ::-1])
    report = check(sources.folder(tmp_path))
    assert report.twins[0].conflict
    assert kinds(report) == {"conflict"}
    assert "beach/04.png = river/copy.png" in finding(report, "conflict").what


def test_the_example_of_a_conflict_shows_it(tmp_path: Path) -> None:
    write(tmp_path)
    save(tmp_path / "beach" / "same.png", scene(4))
    save(tmp_path / "river" / "copy.png", scene(4))
    report = check(sources.folder(tmp_path))
    assert "1 picture with different labels: beach/04.png = river/copy.png" in finding(report, "conflict").what


def test_copies_in_train_and_test(tmp_path: Path) -> None:
    write(tmp_path / "train")
    write(tmp_path / "test", make=lambda kind, seed: scene(seed + 100))
    save(tmp_path / "test" / "river" / "copy.png", scene(1005))
    save(tmp_path / "test" / "river" / "other.png", scene(6))
    report = check(sources.folder(tmp_path))
    assert [(pair.crossing, pair.conflict) for pair in report.twins] == [(True, False), (True, True)]
    assert kinds(report) == {"crossing", "conflict"}
    assert "2 pictures in more than one split" in finding(report, "crossing").what
    assert "different split" in printed(report)


def test_three_copies_are_one_picture(tmp_path: Path) -> None:
    write(tmp_path)
    save(tmp_path / "beach" / "same.png", scene(4))
    save(tmp_path / "beach" / "turned.png", np.rot90(scene(4)))
    (group,) = check(sources.folder(tmp_path)).twins
    assert (group.kind, len(group.ids)) == ("turned", 3)


def test_a_picture_saved_anew(tmp_path: Path) -> None:
    write(tmp_path, make=lambda kind, seed: scene(seed, 96, 120))
    saved = Image.fromarray(np.rot90(scene(4, 96, 120), -1))
    saved.save(tmp_path / "beach" / "saved.jpg", quality=75)
    report = check(sources.folder(tmp_path))
    (pair,) = report.twins
    assert (pair.kind, pair.ids) == ("similar", ("beach/04.png", "beach/saved.jpg"))
    assert kinds(report) == {"similar"}


def test_the_same_centre_of_chips_of_two_sizes() -> None:
    images = [np.random.default_rng(i).gamma(1, 30, (1, 96, 96)).astype(np.float32) for i in range(6)]
    images[5] = np.pad(images[0][:, 16:-16, 16:-16], ((0, 0), (32, 32), (32, 32)), mode="reflect")
    assert check(table(images, ["a", "b"] * 3)).twins == ()  # the outer half differs
    images[5] = images[0][:, ::-1] * 0.5
    assert [group.ids for group in check(table(images, ["a", "b"] * 3)).twins] == [("chip-0", "chip-5")]


def test_pictures_alike_only_when_small_are_two_pictures() -> None:
    """The means of 4 x 4 cells agree, the pixels do not."""
    generator = np.random.default_rng(0)
    coarse = np.kron(generator.uniform(0, 100, (32, 32)), np.ones((4, 4)))
    tile = np.kron([[1, -1], [-1, 1]], np.ones((2, 2)))
    images = [coarse + 80 * np.tile(sign * tile, (32, 32)) for sign in (1, -1)]
    images = [image[None].astype(np.float32) for image in images]
    small = [looks.thumbnail(image[0], "crop") for image in images]
    np.testing.assert_allclose(small[0], small[1], atol=1e-3)
    assert check(table(images, ["a", "b"])).twins == ()


def test_too_many_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    base = chips(1)[0].astype(np.float32)
    images = [base + noise for noise in np.random.default_rng(0).normal(0, 1, (40, 1, 64, 64))]
    source = table([*images, images[3]], ["a"] * 41)
    assert len(check(source).twins[0].ids) == 41
    monkeypatch.setattr(twins, "MOST_PAIRS", 100)
    report = check(source)
    assert [group.ids for group in report.twins] == [("chip-3", "chip-40")]
    assert "only identical ones" in next(one.what for one in report.findings if one.kind == "unasked")


@settings(deadline=None, max_examples=40)
@given(
    arrays(
        np.uint8,
        st.tuples(st.integers(1, 2), st.integers(1, 5), st.integers(1, 5)),
        elements=st.integers(0, 2),
    )
)
def test_all_positions_have_one_canonical_form(image: np.ndarray) -> None:
    forms = [looks.canonical(view) for view in looks.symmetries(image)]
    assert len({looks.digest(form) for form in forms}) == 1
    assert any(np.array_equal(forms[0], view) for view in looks.symmetries(image))


@settings(deadline=None, max_examples=40)
@given(arrays(np.uint8, (12, 1, 2, 3), elements=st.integers(0, 1)), st.integers(0, 2**12 - 1))
def test_identical_ones_are_those_a_naive_search_finds(images: np.ndarray, upright: int) -> None:
    made = [image.swapaxes(1, 2) if upright >> i & 1 else image for i, image in enumerate(images)]
    forms = [looks.digest(looks.canonical(image)) for image in made]
    for i, one in enumerate(made):
        for j, other in enumerate(made):
            same = any(np.array_equal(one, view) for view in looks.symmetries(other))
            assert (forms[i] == forms[j]) == same


def test_symmetries_are_the_eight() -> None:
    image = np.arange(6).reshape(2, 3)
    expected = [np.rot90(flipped, k) for flipped in (image, image[:, ::-1]) for k in range(4)]
    assert {view.tobytes() + bytes(view.shape) for view in looks.symmetries(image)} == {
        view.tobytes() + bytes(view.shape) for view in expected
    }


def test_the_search_misses_no_pair_that_a_naive_search_finds() -> None:
    generator = np.random.default_rng(0)
    base = generator.normal(size=(30, 32, 32)).astype(np.float32)
    turned = [list(looks.symmetries(image))[i % 8] for i, image in enumerate(base)]
    noise = np.linspace(0.02, 0.3, 30)[:, None, None] * generator.normal(size=base.shape)
    images = list(np.concatenate([base, turned + noise]).astype(np.float32))
    units = twins._unit(np.stack(images).astype(np.float64))
    naive = {
        (i, j)
        for i in range(60)
        for j in range(i + 1, 60)
        if max((units[i] * view).sum() for view in looks.symmetries(units[j])) >= twins.ALIKE
    }
    assert 3 < len(naive) < 25  # some of the noisy copies are alike, some no longer
    assert set(twins.alike(images) or ()) == naive


# What gives the class away


def test_image_size(tmp_path: Path) -> None:
    write(tmp_path, make=lambda kind, seed: scene(seed, height=40 + 4 * kind + seed % 3))
    report = check(sources.folder(tmp_path))
    assert clue(report, "image size").verdict == "leak"
    assert clue(report, "image size").accuracy == 1.0
    assert kinds(report) == {"leak"}
    assert "image size" in finding(report, "leak").what


def test_image_size_of_chips_says_crop() -> None:
    images = [image[:, : 40 + 8 * (i % 2)] for i, image in enumerate(chips(40))]
    report = check(table(images, ["a", "b"] * 20))
    assert finding(report, "leak").remedy == "crop the centre to one size first (spacewise does: size=128)"


def test_brightness(tmp_path: Path) -> None:
    write(tmp_path, make=lambda kind, seed: scene(seed, level=60 + 130 * kind))
    report = check(sources.folder(tmp_path))
    assert clue(report, "mean brightness").verdict == "leak"
    assert clue(report, "mean brightness").accuracy > 0.95


def test_deviation() -> None:
    images = [(image * (0.3 if i % 2 else 1)).astype(np.uint8) for i, image in enumerate(chips(40))]
    assert clue(check(table(images, ["a", "b"] * 20)), "brightness deviation").verdict == "leak"


def test_border() -> None:
    images = chips(60)
    for i, image in enumerate(images):
        image[:, :4] = image[:, :4] // (1 + i % 2)
        image[:, 30:34] = image[:, 30:34] // (2 - i % 2)  # as bright in all, as even
    report = check(table(images, ["a", "b"] * 30))
    assert clue(report, "border pixels").verdict == "leak"
    assert {one.name for one in report.clues if one.verdict == "leak"} == {"border pixels"}


def test_file_type(tmp_path: Path) -> None:
    write(tmp_path, names=("beach",))
    write(tmp_path, names=("a", "river"), ending=".bmp")
    report = check(sources.folder(tmp_path))
    assert clue(report, "file type").verdict == "leak"
    assert "one format" in finding(report, "leak").remedy


def test_target_numbers_and_spellings_are_no_file_types() -> None:
    names = ["HB1.000", "HB2.015", "a.JPEG", "a.jpg", "b.tif", "b.tiff", "c"]
    assert [clues._file_type(name) for name in names] == ["", "", ".jpg", ".jpg", ".tif", ".tif", ""]


def test_facts_tell_unless_they_name_the_object() -> None:
    site = ["north", "south"] * 15 + ["north"] * 30
    serial = ["s1", "s2"] * 30
    report = check(table(chips(60), ["a", "b"] * 15 + ["a"] * 30, site=site, serial=serial))
    assert clue(report, "fact 'site'").verdict == "leak"
    assert "serial" not in " ".join(one.name for one in report.clues)
    assert "test on a site that was not trained on" in clue(report, "fact 'site'").remedy


def test_what_everything_shares_is_not_asked(tmp_path: Path) -> None:
    names = {one.name for one in check(sources.folder(write(tmp_path))).clues}
    assert names == {"mean brightness", "brightness deviation", "border pixels"}


@pytest.mark.parametrize("seed", range(5))
def test_noise_is_not_flagged(seed: int) -> None:
    generator = np.random.default_rng(seed)
    images = [generator.integers(0, 256, (1, 30 + int(size), 40)) for size in generator.integers(0, 3, 90)]
    site = generator.choice(["north", "south", "east"], 90)
    report = check(table(images, ["a", "b", "c"] * 30, site=list(site)))
    assert len(report.clues) == 5
    assert {one.verdict for one in report.clues} == {"none"}
    assert report.problems == []


def test_a_hint_is_no_problem() -> None:
    """In a scene, brightness belongs to what is recognised."""
    generator = np.random.default_rng(0)
    images = [
        (image // 4 + generator.integers(0, 100) + 40 * (i % 2)).astype(np.uint8) for i, image in enumerate(chips(200))
    ]
    scenes = clue(check(table(images, ["a", "b"] * 100, "resize")), "mean brightness")
    assert (scenes.verdict, scenes.accuracy > scenes.luck > scenes.chance) == ("hint", True)
    assert clue(check(table(images, ["a", "b"] * 100)), "mean brightness").verdict == "leak"


def test_too_few_to_ask() -> None:
    report = check(table(chips(8), ["a", "b"] * 4))
    assert report.clues == ()
    assert finding(report, "unasked").level == "note"
    assert report.problems == []


def test_small_classes_are_left_out_of_the_question() -> None:
    report = check(table(chips(44), ["a", "b"] * 20 + ["c", "c", "d", "d"]))
    assert {one.chance for one in report.clues} == {0.5}


# On the terminal


def test_names_are_printed_as_they_are(tmp_path: Path) -> None:
    write(tmp_path, names=("[red]beach", "[river]"))
    (tmp_path / "[red]beach" / "[bold].png").write_bytes(b"")
    text = printed(check(sources.folder(tmp_path)))
    assert "[red]beach" in text
    assert "[river]" in text
    assert "[red]beach/[bold].png" in text


def test_the_page_reads_from_counts_to_remedies(tmp_path: Path) -> None:
    write(tmp_path / "train")
    write(tmp_path / "test", make=lambda kind, seed: scene(seed + 100))
    save(tmp_path / "test" / "river" / "copy.png", scene(4))
    text = printed(check(sources.folder(tmp_path)))
    wanted = [
        "81 images, 2 classes",
        "40 x 48, 3 bands, uint8",
        "river",
        "the same picture (1)",
        "train/beach/04.png",
        "class guessed from",
        "What to do",
        "1 picture with different labels",
        "→ decide which label is right",
        "1 picture in more than one split",
    ]
    places = [text.index(one) for one in wanted]
    assert "nothing stands in the way" not in text
    assert places == sorted(places)


def test_many_classes_fit_in_a_line(tmp_path: Path) -> None:
    write(tmp_path, names=tuple(f"c{i:02d}" for i in range(51)), number=2)
    text = printed(check(sources.folder(tmp_path)))
    assert "2 images of every class" in text
    assert "c07" not in text


def test_a_narrow_terminal_loses_nothing(tmp_path: Path) -> None:
    write(tmp_path)
    save(tmp_path / "river" / "a-rather-long-name-for-a-picture-of-a-river.png", scene(4))
    text = "".join(printed(check(sources.folder(tmp_path)), width=40).split())
    assert "a-rather-long-name-for-a-picture-of-a-river.png" in text.replace("│", "")


# Real data


def real(name: str) -> Path:
    root = os.environ.get("SPACEWISE_DATA")
    if not root:
        pytest.skip("SPACEWISE_DATA names no folder with real data")
    return Path(root) / name


def test_uc_merced_has_one_picture_twice() -> None:
    report = check(sources.folder(real("ucm")))
    (pair,) = report.twins
    assert pair.kind == "identical"
    assert pair.ids == ("Images/airplane/airplane01.jpg", "Images/airplane/airplane02.jpg")
    assert [problem.kind for problem in report.problems] == ["repeat"]


def test_mstar_is_told_by_the_size_of_its_chips() -> None:
    whole = sources.mstar(real("mstar"))
    step = 4
    some = Source("mstar", whole.facts.iloc[::step], lambda row: whole.read(step * row), whole.root)
    report = check(some)
    size = clue(report, "image size")
    assert size.verdict == "leak"
    assert 0.55 < size.accuracy < 0.65
    assert size.remedy == "crop the centre to one size first (spacewise does: size=128)"
    assert report.twins == ()
    assert report.unreadable == ()


# Images without a label


def test_unlabelled_images_are_counted_and_are_no_class(tmp_path: Path) -> None:
    write(tmp_path / "train")
    write(tmp_path / "test", number=5, make=lambda kind, seed: scene(50_000 + seed))
    for index in range(7):
        save(tmp_path / "unlabelled" / "deep" / f"{index}.png", scene(80_000 + index))
    report = check(sources.folder(tmp_path))
    assert (report.samples, report.unlabelled) == (57, 7)
    assert report.classes == {"beach": 25, "river": 25}
    assert report.cross is not None
    assert report.cross.columns == ("train", "test")
    assert report.facts["split"] == {"train": 40, "test": 10, "unlabelled": 7}
    assert report.findings == ()
    assert "57 images, 2 classes, 7 unlabelled" in printed(report)
    assert json.loads(json.dumps(report.as_dict()))["unlabelled"] == 7
    assert check(sources.folder(tmp_path / "train")).unlabelled == 0


def test_unlabelled_images_that_cannot_be_used_are_named_and_stop_nothing(tmp_path: Path) -> None:
    write(tmp_path)
    save(tmp_path / "unlabelled" / "fine.png", scene(80_000))
    whole = (tmp_path / "unlabelled" / "fine.png").read_bytes()
    (tmp_path / "unlabelled" / "cut.png").write_bytes(whole[:300])
    (tmp_path / "unlabelled" / "text.jpg").write_text("no picture")
    save(tmp_path / "unlabelled" / "grey.png", scene(80_001)[:, :, 0])
    save(tmp_path / "unlabelled" / "wide.npy", scene(80_002).astype(np.float32))
    report = check(sources.folder(tmp_path))
    reasons = {one.id: one.reason for one in report.unreadable}
    assert set(reasons) == {f"unlabelled/{name}" for name in ("cut.png", "text.jpg", "grey.png", "wide.npy")}
    assert reasons["unlabelled/grey.png"] == "has 1 bands where beach/00.png has 3"
    assert reasons["unlabelled/wide.npy"] == "holds float32 where beach/00.png holds uint8"
    skipped = finding(report, "skipped")
    assert (skipped.level, skipped.what.split(", such")[0]) == ("note", "4 unlabelled images of 5 cannot be used")
    assert report.problems == []
    text = printed(report, width=200)
    assert all(name in text for name in reasons)
    assert "nothing stands in the way of training" in text
    (tmp_path / "river" / "00.png").write_bytes(whole[:300])
    both = check(sources.folder(tmp_path))
    assert finding(both, "unreadable").what == "1 image of 45 cannot be used, such as river/00.png"
    assert finding(both, "skipped") == skipped


def test_copies_of_unlabelled_images(tmp_path: Path) -> None:
    """As training images they may be copies of training images, not of test images; their label is no other one."""
    write(tmp_path / "train")
    write(tmp_path / "test", number=5, make=lambda kind, seed: scene(50_000 + seed))
    save(tmp_path / "unlabelled" / "learnt.png", scene(3))
    report = check(sources.folder(tmp_path))
    assert (report.twins[0].crossing, report.twins[0].conflict) == (False, False)
    assert kinds(report) == {"repeat"}
    save(tmp_path / "unlabelled" / "tested.png", scene(50_002))
    report = check(sources.folder(tmp_path))
    assert kinds(report) == {"repeat", "crossing"}
    assert "test/beach/02.png = unlabelled/tested.png" in finding(report, "crossing").what
    save(tmp_path / "train" / "river" / "copy.png", scene(3))
    report = check(sources.folder(tmp_path))
    assert "train/beach/03.png = train/river/copy.png" in finding(report, "conflict").what


def test_nothing_has_a_label() -> None:
    report = check(table(chips(6), [""] * 6))
    assert (report.classes, report.unlabelled) == ({}, 6)
    assert kinds(report) == {"classes"}
    assert "0 classes, 6 unlabelled" in printed(report)
