"""RandAugment: what is drawn, for whom, in which order; equal to Pillow's image by image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from tests.augment.test_operations import fixmatch, pictures
from torch import Tensor

from spacewise.augment.operations import BANDS, OPERATIONS, OPTICAL, POOLS, Operation
from spacewise.augment.randaugment import randaugment
from spacewise.errors import InputError


def images_of(pool: str, samples: int = 48, side: int = 20) -> Tensor:
    random = torch.Generator().manual_seed(5)
    if pool == "optical":
        return torch.randint(0, 256, (samples, 3, side, side), generator=random, dtype=torch.uint8)
    return 90 * torch.randn(samples, 2, side, side, generator=random)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Seen:
    """What the operations were called with: a row for each image changed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rows: list[tuple[str, int, int, int]] = []  # operation, number of the image, strength, sign
        for name in OPERATIONS:
            monkeypatch.setitem(OPERATIONS, name, self.noting(name))

    def noting(self, name: str) -> Operation:
        def note(images: Tensor, strengths: Tensor, signs: Tensor) -> Tensor:
            numbers = images[:, 0, 0, 0].long().tolist()
            self.rows += zip([name] * len(images), numbers, strengths.tolist(), signs.tolist(), strict=True)
            return images

        return note


def test_equal_to_pillow_image_by_image(monkeypatch: pytest.MonkeyPatch) -> None:
    """The draws are read off a run with numbered images, then followed one by one."""
    shape = (60, 3, 33, 47)
    numbered = torch.arange(60, dtype=torch.uint8)[:, None, None, None].expand(shape)
    with monkeypatch.context() as patched:
        seen = Seen(patched)
        randaugment(numbered, 60, slice(0, 60), seeded(), operations=3)
    images = pictures(33, 47).repeat(6, 1, 1, 1)[:60]
    found = randaugment(images, 60, slice(0, 60), seeded(), operations=3)
    changed = 0
    for index, image in enumerate(images):
        picture = Image.fromarray(image.permute(1, 2, 0).numpy())
        for name, number, strength, sign in seen.rows:
            if number == index:
                picture = fixmatch(name, picture, strength, sign)
                changed += 1
        np.testing.assert_array_equal(found[index].permute(1, 2, 0), np.array(picture))
    assert changed > 60


@pytest.mark.parametrize("pool", POOLS)
def test_two_halves_are_the_whole(pool: str) -> None:
    images = images_of(pool)
    whole = randaugment(images, 48, slice(0, 48), seeded(), pool=pool)
    parts = [randaugment(images[mine], 48, mine, seeded(), pool=pool) for mine in (slice(0, 24), slice(24, 48))]
    assert torch.equal(torch.cat(parts), whole)
    assert whole.shape == images.shape
    assert whole.dtype == images.dtype


def test_all_slices_draw_alike_much() -> None:
    images, whole, half = images_of("optical"), seeded(), seeded()
    randaugment(images, 48, slice(0, 48), whole)
    randaugment(images[:24], 48, slice(0, 24), half)
    assert torch.equal(whole.get_state(), half.get_state())


def test_the_result_follows_from_the_generator() -> None:
    images = images_of("optical")
    first, again, other = (randaugment(images, 48, slice(0, 48), seeded(seed)) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_images_stay_as_they_were() -> None:
    images = images_of("optical")
    before = images.clone()
    seen = randaugment(images, 48, slice(0, 48), seeded(), probability=1.0)
    assert torch.equal(images, before)
    assert not torch.equal(seen, images)
    seen.zero_()
    assert torch.equal(images, before)


@pytest.mark.parametrize("pool", POOLS)
def test_without_a_probability_nothing_changes(pool: str) -> None:
    images = images_of(pool)
    assert torch.equal(randaugment(images, 48, slice(0, 48), seeded(), pool=pool, probability=0.0), images)


@pytest.mark.parametrize(("pool", "names"), [("optical", OPTICAL), ("bands", BANDS)])
def test_all_is_drawn_alike_often(pool: str, names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    seen, samples = Seen(monkeypatch), 14000
    images = torch.zeros(samples, 3, 1, 1, dtype=torch.uint8)
    randaugment(images, samples, slice(0, samples), seeded(), pool=pool, operations=2, probability=0.5)
    assert abs(len(seen.rows) / samples - 1) < 0.03  # 2 drawn, half of them applied
    drawn, _, strengths, signs = (np.array(column) for column in zip(*seen.rows, strict=True))
    for column, options in ((drawn, names), (strengths, range(1, 10)), (signs, (-1, 1))):
        values, counts = np.unique(column, return_counts=True)
        assert set(values) == set(options)
        np.testing.assert_allclose(counts * len(options) / len(seen.rows), 1, atol=0.12)


def test_operations_are_drawn_with_replacement_and_independently(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, samples = Seen(monkeypatch), 200
    images = torch.arange(samples, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, -1, -1)
    randaugment(images, samples, slice(0, samples), seeded(), operations=4, probability=1.0)
    by_image = [[name for name, number, *_ in seen.rows if number == index] for index in range(samples)]
    assert {len(names) for names in by_image} == {4}
    assert any(len(set(names)) < 4 for names in by_image)
    assert any(len(set(names)) == 4 for names in by_image)


def test_an_empty_slice() -> None:
    images = images_of("optical")[:0]
    assert randaugment(images, 48, slice(48, 48), seeded()).shape == images.shape


# Bad input


@pytest.mark.parametrize(
    ("images", "options", "line"),
    [
        (images_of("optical"), {"pool": "optic"}, "unknown pool 'optic': did you mean 'optical'"),
        (
            images_of("bands"),
            {},
            r"pool 'optical' needs uint8 images of 3 bands, not torch.float32 of 2 bands: .*bands",
        ),
        (images_of("optical")[:, :1], {}, "pool 'optical' needs uint8 images of 3 bands, not torch.uint8 of 1 bands"),
        (images_of("bands").double(), {"pool": "bands"}, "must be uint8 or float32, not torch.float64"),
        (images_of("bands")[0], {"pool": "bands"}, r"must be \(sample, band, height, width\), not \(2, 20, 20\)"),
        (images_of("optical")[:40], {}, "the slice has 48 of 48 samples, but there are 40 images"),
        (images_of("optical"), {"operations": 0}, "1 operation or more for each sample, not 0"),
        (images_of("optical"), {"probability": 1.5}, "probability of an operation must be 0 to 1, not 1.5"),
        (images_of("optical"), {"probability": float("nan")}, "must be 0 to 1, not nan"),
    ],
)
def test_bad_input_is_told_in_one_line(images: Tensor, options: dict, line: str) -> None:
    with pytest.raises(InputError, match=line) as caught:
        randaugment(images, 48, slice(0, 48), seeded(), **options)
    assert "\n" not in str(caught.value)
