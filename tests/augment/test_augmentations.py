"""The named augmentations: every view of each, on the images that they take."""

from __future__ import annotations

import pytest
import torch

from spacewise.augment import AUGMENTATIONS, check_augmentation
from spacewise.augment.augmentations import LOOKS, SHIFT
from spacewise.errors import InputError

VIEWS = ("labelled", "weak", "first", "second")
KINDS = [
    ("optical", 3, torch.uint8),
    *(
        (name, bands, dtype)
        for name in ("bands", "radar")
        for bands in (1, 3, 5)
        for dtype in (torch.uint8, torch.float32)
    ),
]
WHOLE = 21


def images(bands: int, dtype: torch.dtype, side: int = 20) -> torch.Tensor:
    """Smooth patterns from 30 to 225."""
    drawn = torch.rand(WHOLE, bands, 5, 5, generator=torch.Generator().manual_seed(0))
    found = 30 + 195 * torch.nn.functional.interpolate(drawn, (side, side), mode="bilinear")
    return found if dtype == torch.float32 else found.to(dtype)


def seen(name: str, view: str, of: torch.Tensor, part: slice = slice(0, WHOLE), seed: int = 3) -> torch.Tensor:
    made = getattr(AUGMENTATIONS[name], view)
    return made(of[part], WHOLE, part, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize(("name", "bands", "dtype"), KINDS)
def test_every_view(name: str, bands: int, dtype: torch.dtype, view: str) -> None:
    given = images(bands, dtype)
    check_augmentation(name, given)
    before = given.clone()
    whole = seen(name, view, given)
    assert (whole.shape, whole.dtype) == (given.shape, dtype)
    assert torch.isfinite(whole).all()
    assert torch.equal(given, before)
    assert not torch.equal(whole, given)
    assert torch.equal(seen(name, view, given), whole), "the same generator, another result"
    assert not torch.equal(seen(name, view, given, seed=4), whole)
    parts = [seen(name, view, given, slice(start, stop)) for start, stop in ((0, 7), (7, 14), (14, WHOLE))]
    assert torch.equal(torch.cat(parts), whole), "the number of processes matters"


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", list(AUGMENTATIONS))
def test_images_of_any_form(name: str, view: str) -> None:
    given = torch.randint(0, 256, (WHOLE, 3, 17, 26), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert seen(name, view, given).shape == given.shape


def test_a_weak_optical_view_is_the_image_or_its_mirror() -> None:
    given = images(3, torch.uint8)
    whole = seen("optical", "weak", given)
    same, mirrored = ((whole == each).flatten(1).all(1) for each in (given, given.flip(3)))
    assert bool((same | mirrored).all())
    assert 0 < int(same.sum()) < WHOLE


@pytest.mark.parametrize("view", ["labelled", "weak"])
def test_a_radar_image_is_shifted_and_never_mirrored(view: str) -> None:
    given = torch.zeros(WHOLE, 1, 40, 40)
    given[:, :, 20, 20], given[:, :, 20, 25] = 1, 2  # the brighter one lies to the right
    whole = seen("radar", view, given)
    low, high = ((whole == value).nonzero() for value in (1, 2))
    assert torch.equal(high - low, torch.tensor([[0, 0, 0, 5]]).expand(WHOLE, -1))
    assert 0 < int((low[:, 2:] - 20).abs().max()) <= SHIFT["weak"] * 40


def test_the_first_radar_view_has_the_stronger_speckle() -> None:
    assert LOOKS["strong"][1] < LOOKS["mild"][0]
    given = torch.full((WHOLE, 1, 60, 60), 100.0)
    spread = {view: seen("radar", view, given).std((1, 2, 3)).median() for view in ("first", "second")}
    assert spread["first"] > 1.5 * spread["second"]


def test_a_cut_out_of_the_first_view_is_grey_or_the_mean() -> None:
    given = images(3, torch.uint8, side=60)
    grey = (seen("optical", "first", given) == 127).all(1).flatten(1).sum(1)
    assert int(grey.min()) >= 64  # a quarter of 16 x 16 at the corners
    flat = seen("bands", "first", torch.full((WHOLE, 2, 60, 60), 50.0))
    for image in flat:  # a mean that is itself among the values
        values, counts = image[0].unique(return_counts=True)
        assert int(counts[(values - image[0].mean()).abs().argmin()]) >= 64


def test_floats_of_bands_are_not_cut_off() -> None:
    given = 1000 * torch.randn(WHOLE, 2, 20, 20, generator=torch.Generator().manual_seed(0))
    whole = seen("bands", "second", given)
    assert float(whole.min()) < 0
    assert float(whole.max()) > 255


def test_a_band_is_lightened_and_stretched_by_itself() -> None:
    given = torch.full((WHOLE, 3, 8, 8), 100.0)
    levels = seen("bands", "second", given).mean((2, 3))
    assert float((levels - 100).abs().max()) <= 40.01
    changed = (levels - 100).abs().max(1).values > 0.1
    assert 10 < int(changed.sum()) < WHOLE
    assert bool((levels[changed].std(1) > 0.1).all())


@pytest.mark.parametrize(
    ("name", "given", "line"),
    [
        ("optcal", torch.zeros(1, 3, 4, 4), "unknown augmentation 'optcal': did you mean 'optical'"),
        (
            "optical",
            torch.zeros(1, 3, 4, 4),
            "optical takes 3 bands of uint8, not 3 of float32; use augmentation=bands",
        ),
        ("optical", torch.zeros(1, 4, 4, 4, dtype=torch.uint8), "not 4 of uint8; use augmentation=bands"),
        ("bands", torch.zeros(1, 4, 4, 4, dtype=torch.int16), "takes images of uint8 or float32, not int16"),
        ("radar", torch.zeros(4, 4), r"expected images \(sample, band, height, width\), not \(4, 4\)"),
    ],
)
def test_images_that_do_not_fit_are_refused(name: str, given: torch.Tensor, line: str) -> None:
    with pytest.raises(InputError, match=line):
        check_augmentation(name, given)
