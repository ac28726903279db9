"""What the two domains of a transfer share that they must not: identical images, and two views of one scene."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageOps
from tests.learn.two_domains import SLICED, built, in_table, optical, radar, transferred, write_domains

from spacewise import runs
from spacewise.sources import Source, simulated_zones
from spacewise.splits import Part, Split, folders, leaks_across

PARTS = {"train": [0, 1], "validation": [2, 3], "test": [4, 5]}  # rows of six samples


def six(prefix: str, name: str = "folder", root: str | None = "there") -> Source:
    facts = pd.DataFrame({"id": [f"{prefix}{row}" for row in range(6)], "label": [*"ababab"]})
    pixels = np.zeros((1, 4, 4), np.uint8)
    return Source(name, facts, lambda index: pixels, root=Path(root) if root else None)


def split_of(source: Source, **rows: list[int]) -> Split:
    """Two samples a part, or the rows that are given."""
    made = {name: Part(source, np.array(some, np.int64), ("a", "b")) for name, some in (PARTS | rows).items()}
    return Split(source, **made, confusers=Part(source, np.zeros(0, np.int64), ("a", "b")))


def digests(first: int, **same: int) -> np.ndarray:
    """(6,) all different; but row N is that of image VALUE where `rN=VALUE`."""
    numbers = {row: first + row for row in range(6)} | {int(row[1:]): value for row, value in same.items()}
    return np.array([f"{number:04d}" for number in numbers.values()], "S32")


@pytest.mark.parametrize(
    ("row", "other", "line"),
    [
        (1, 4, "train of the source and test of the target share 1 identical images, such as s1 = t4"),
        (0, 3, "train of the source and validation of the target share 1 identical images, such as s0 = t3"),
        (2, 5, "validation of the source and test of the target share 1 identical images, such as s2 = t5"),
        (3, 2, "validation of the source and validation of the target share 1 identical images, such as s3 = t2"),
    ],
)
def test_identical_images_of_other_names(row: int, other: int, line: str) -> None:
    source, target = split_of(six("s", root="aerial")), split_of(six("t", root="grey"))
    assert leaks_across(source, target, (digests(0), digests(100, **{f"r{other}": row}))) == [line]


def test_what_is_learnt_in_both_domains_and_what_only_the_source_tests_is_no_leak() -> None:
    source, target = split_of(six("s", root="aerial")), split_of(six("t", root="grey"))
    trained = digests(100, r0=0, r1=2)  # training images of the target that the source has for training, validation
    tested = digests(100, r1=4, r3=5, r4=4, r5=5)  # of the source's test images nothing is learnt
    assert leaks_across(source, target, (digests(0), trained)) == []
    assert leaks_across(source, target, (digests(0), tested)) == []


def test_all_that_two_parts_share_is_counted() -> None:
    source, target = split_of(six("s", root="aerial")), split_of(six("t", root="grey"))
    (line,) = leaks_across(source, target, (digests(0), digests(100, r4=1, r5=0)))
    assert line == "train of the source and test of the target share 2 identical images, such as s1 = t4"


@pytest.mark.parametrize("place", [("folder", "there"), ("simulated-zones", None)])
def test_one_scene_seen_by_both_sensors(place: tuple[str, str | None]) -> None:
    """Of one set, an id is a scene; the pixels of two sensors differ."""
    source = split_of(six("p", *place), validation=[])
    target = split_of(six("p", *place), train=[4, 5], test=[0], validation=[1])
    assert leaks_across(source, target, (digests(0), digests(100))) == [
        "train of the source and validation of the target share 1 scenes, such as p1 = p1",
        "train of the source and test of the target share 1 scenes, such as p0 = p0",
    ]


def test_scenes_are_no_leak_where_the_parts_are_those_of_one_split() -> None:
    source, target = split_of(six("p")), split_of(six("p"), validation=[])
    assert leaks_across(source, target, (digests(0), digests(100))) == []


@pytest.mark.parametrize("other", [{"root": "elsewhere"}, {"name": "mstar"}])
def test_ids_of_two_sets_say_nothing(other: dict[str, str]) -> None:
    source, target = split_of(six("p")), split_of(six("p", **other), train=[4, 5], test=[0, 1])
    assert leaks_across(source, target, (digests(0), digests(100))) == []


def test_a_scene_is_said_once_where_its_images_are_identical() -> None:
    source, target = split_of(six("p")), split_of(six("p"), train=[4, 5], test=[0], validation=[])
    (line,) = leaks_across(source, target, (digests(0), digests(100, r0=0)))
    assert "identical images" in line


def test_the_views_of_a_simulation_have_cities_of_their_own_to_test() -> None:
    views = [simulated_zones(per_class=16, view=view, classes="low-rise") for view in ("optical", "radar")]
    source, target = (folders(view, validation=0.0) for view in views)
    assert leaks_across(source, target, tuple(digests_of(view, index) for index, view in enumerate(views))) == []
    facts = target.source.facts
    swapped = Split(
        target.source, target.test, target.validation, Part(target.source, target.train.rows[:3], target.classes),
        target.confusers,
    )  # fmt: skip
    (line,) = leaks_across(source, swapped, tuple(digests_of(view, index) for index, view in enumerate(views)))
    named = facts["id"][target.train.rows[0]]
    assert line == f"train of the source and test of the target share 3 scenes, such as {named} = {named}"


def digests_of(source: Source, number: int) -> np.ndarray:
    return np.array([f"{number}-{row}" for row in range(len(source))], "S32")


# A run says it


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with in_table():
        yield write_domains(tmp_path_factory.mktemp("domains"))


@pytest.fixture
def grey(root: Path, tmp_path: Path) -> Path:
    """The radar images, and mirrored ones for `optical`: as many bands, no image twice."""
    made = tmp_path / "domains"
    shutil.copytree(root / "radar", made / "radar")
    shutil.copytree(root / "radar", made / "optical")
    for picture in (made / "optical").glob("*/*.png"):
        with Image.open(picture) as opened:
            ImageOps.mirror(opened).save(picture)
    return made


@pytest.mark.parametrize("shared", [False, True])
def test_a_run_records_what_the_domains_share(grey: Path, tmp_path: Path, shared: bool) -> None:
    """Also where the branches see them at two sizes."""
    learnt, tested = optical(grey).train.facts["id"][0], radar(grey).test.facts["id"][1]
    if shared:
        shutil.copy(grey / "optical" / learnt, grey / "radar" / tested)
    net = built(source_bands=1)
    run = transferred(grey, tmp_path / "run", net=net, epochs=1, steps=1, alternate=[SLICED])
    line = f"train of the source and test of the target share 1 identical images, such as {learnt} = {tested}"
    assert runs.read_facts(run.folder)["leaks"] == ([line] if shared else [])
