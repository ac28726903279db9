"""Attribution by region, and images with a region taken away: against pixels set by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from spacewise.errors import InputError
from spacewise.explain.regions import CHANGES, CLUTTER, SHADOW, TARGET, moved, partners, shares, without

MASK = torch.tensor([[[0, 0, 0, 0], [0, 1, 1, 2], [0, 1, 1, 2], [0, 0, 0, 2]]])


def images(samples: int = 1, bands: int = 1) -> torch.Tensor:
    """Clutter below 100, target 200 and more, shadow between."""
    random = torch.Generator().manual_seed(0)
    values = torch.randint(0, 100, (samples, bands, 4, 4), generator=random)
    masks = MASK.expand(samples, 4, 4)[:, None]
    return (values + 200 * (masks == TARGET) + 100 * (masks == SHADOW)).to(torch.uint8).clamp(max=255)


def random() -> torch.Generator:
    return torch.Generator().manual_seed(1)


def test_shares_of_a_map_by_hand() -> None:
    maps = torch.zeros(1, 4, 4)
    maps[0, 1, 1], maps[0, 0, 0], maps[0, 3, 3] = 5.0, 3.0, 2.0
    share, area = shares(maps, MASK)
    np.testing.assert_allclose(share, [[0.3, 0.5, 0.2]])
    np.testing.assert_allclose(area, [[9 / 16, 4 / 16, 3 / 16]])


def test_an_even_map_has_the_shares_of_the_area() -> None:
    share, area = shares(torch.ones(1, 4, 4), MASK)
    np.testing.assert_allclose(share, area)


def test_a_map_of_zeros_has_no_shares() -> None:
    share, area = shares(torch.zeros(1, 4, 4), MASK)
    assert np.isnan(share).all()
    assert np.isfinite(area).all()


@pytest.mark.parametrize("regions", [(TARGET,), (SHADOW,), (TARGET, SHADOW)])
def test_what_goes_is_filled_with_the_images_own_clutter(regions: tuple[int, ...]) -> None:
    given = images(2, bands=2)
    masks = MASK.expand(2, 4, 4)
    found = without(given, masks, regions, random())
    for picture, before, mask in zip(found, given, masks, strict=True):
        hole = torch.isin(mask, torch.tensor(regions))
        assert torch.equal(picture[:, ~hole], before[:, ~hole])
        clutter = {tuple(pixel.tolist()) for pixel in before[:, mask == CLUTTER].T}  # bands stay together
        assert {tuple(pixel.tolist()) for pixel in picture[:, hole].T} <= clutter


def test_clutter_that_goes_is_its_median() -> None:
    given = images()
    found = without(given, MASK, (CLUTTER,), random())
    assert torch.equal(found[0, 0][MASK[0] != CLUTTER], given[0, 0][MASK[0] != CLUTTER])
    assert (found[0, 0][MASK[0] == CLUTTER] == given[0, 0][MASK[0] == CLUTTER].median()).all()


def test_the_target_on_anothers_meadow() -> None:
    given = torch.cat([images(), images() // 2])
    masks = torch.stack([MASK[0], MASK[0].flip(0)])
    found = moved(given, masks, torch.tensor([1, 0]), random())
    inside = masks[0] != CLUTTER
    assert torch.equal(found[0][:, inside], given[0][:, inside])
    meadow = set(given[1][0][masks[1] == CLUTTER].tolist())
    assert set(found[0][0][~inside].tolist()) <= meadow


def test_partners_are_of_another_class() -> None:
    labels = np.array([0, 0, 1, 2, 2, 2])
    found = partners(labels, random())
    assert (labels[found.numpy()] != labels).all()
    assert torch.equal(found, partners(labels, random()))
    with pytest.raises(InputError, match="one class"):
        partners(np.zeros(3, int), random())


def test_partners_of_the_same_class_are_others() -> None:
    labels = np.array([0, 0, 1, 1, 1])
    found = partners(labels, random(), same=True).numpy()
    assert (labels[found] == labels).all()
    assert (found != np.arange(5)).all()
    with pytest.raises(InputError, match="class 2 has one image"):
        partners(np.array([0, 0, 2]), random(), same=True)


def test_shuffled_clutter_is_the_same_pixels() -> None:
    given = images(2, bands=2)
    found = CHANGES["clutter shuffled"](given, MASK.expand(2, 4, 4), random())
    outside = MASK[0] != CLUTTER
    assert torch.equal(found[:, :, outside], given[:, :, outside])
    assert torch.equal(found[:, :, ~outside].sort(dim=2).values, given[:, :, ~outside].sort(dim=2).values)
    assert not torch.equal(found, given)


def test_every_change_keeps_shape_and_type() -> None:
    for name, change in CHANGES.items():
        found = change(images(3), MASK.expand(3, 4, 4), random())
        assert found.shape == (3, 1, 4, 4), name
        assert found.dtype == torch.uint8
    assert torch.equal(CHANGES["as stored"](images(), MASK, random()), images())


def test_nothing_is_changed_in_place() -> None:
    given = images()
    before = given.clone()
    for change in CHANGES.values():
        change(given, MASK, random())
    assert torch.equal(given, before)


@pytest.mark.parametrize(
    ("maps", "masks", "said"),
    [
        (torch.ones(1, 4, 5), MASK, "does not fit its chip"),
        (torch.ones(2, 4, 4), MASK, "does not fit its chip"),
        (torch.ones(1, 4, 4), MASK + 1, "masks hold 1 to 3"),
        (-torch.ones(1, 4, 4), MASK, "zero or more"),
        (torch.full((1, 4, 4), torch.nan), MASK, "finite"),
    ],
)
def test_what_does_not_fit_is_refused(maps: torch.Tensor, masks: torch.Tensor, said: str) -> None:
    with pytest.raises(InputError, match=said):
        shares(maps, masks)


def test_without_clutter_there_is_nothing_to_fill_with() -> None:
    with pytest.raises(InputError, match="no clutter"):
        without(images(), torch.ones_like(MASK), (TARGET,), random())
