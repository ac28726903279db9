"""Speckle, gain and rotation of radar images."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats

from spacewise.augment.radar import amplified, angles, gains, looks, rotated, speckle_factors, speckled


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("number", [1, 2, 4, 16])
def test_speckle_is_gamma_with_mean_one_and_a_variance_of_one_over_the_looks(number: int) -> None:
    factors = speckle_factors(torch.tensor([number]), 300, 300, generator()).double().flatten().numpy()
    assert abs(factors.mean() - 1) < 0.01
    assert abs(factors.var() * number - 1) < 0.03
    assert stats.kstest(factors, stats.gamma(number, scale=1 / number).cdf).pvalue > 0.001


def test_each_image_has_its_own_looks() -> None:
    factors = speckle_factors(torch.tensor([1, 10]), 200, 200, generator())
    assert factors.shape == (2, 1, 200, 200)
    torch.testing.assert_close(factors.var((1, 2, 3)), torch.tensor([1.0, 0.1]), rtol=0.05, atol=0)


def test_the_mean_intensity_of_magnitudes_is_kept() -> None:
    images = torch.full((1, 1, 400, 400), 30.0)
    intensity = speckled(images, speckle_factors(torch.tensor([3]), 400, 400, generator())).double() ** 2
    assert abs(float(intensity.mean()) / 900 - 1) < 0.01
    assert abs(float(intensity.var()) / 900**2 * 3 - 1) < 0.05


def test_phases_and_ratios_of_channels_are_kept() -> None:
    parts = torch.randn(3, 4, 20, 20, generator=generator())
    seen = speckled(parts, speckle_factors(torch.tensor([1, 2, 3]), 20, 20, generator(1)))
    torch.testing.assert_close(torch.atan2(seen[:, 1], seen[:, 0]), torch.atan2(parts[:, 1], parts[:, 0]))
    torch.testing.assert_close(seen[:, 2] / seen[:, 3], parts[:, 2] / parts[:, 3], rtol=1e-4, atol=1e-4)


def test_bytes_are_rounded_and_cut_off() -> None:
    images = torch.tensor([10, 200, 3, 0], dtype=torch.uint8).reshape(1, 1, 2, 2)
    seen = amplified(images, torch.tensor([1.5]))
    assert seen.dtype == torch.uint8
    assert seen.flatten().tolist() == [15, 255, 4, 0]  # halves go to the even
    assert speckled(images, torch.full((1, 1, 2, 2), 4.0)).flatten().tolist() == [20, 255, 6, 0]


def test_floats_are_not_cut_off() -> None:
    images = torch.tensor([[[[-300.0, 900.0]]], [[[1.0, 2.0]]]])
    assert torch.equal(amplified(images, torch.tensor([2.0, 0.5])), torch.tensor([[[[-600.0, 1800]]], [[[0.5, 1]]]]))


def test_draws_stay_within_their_limits() -> None:
    found = looks(5000, 1, 4, generator())
    assert np.bincount(found.numpy(), minlength=5)[1:].min() > 1100
    assert (int(found.min()), int(found.max())) == (1, 4)
    factors = gains(5000, 1.5, generator()).double()
    assert 1 / 1.5 - 1e-6 <= float(factors.min()) < 0.67
    assert 1.49 < float(factors.max()) <= 1.5 + 1e-6
    assert abs(float(factors.log().mean())) < 0.01
    turns = angles(5000, 10.0, generator())
    assert -10 <= float(turns.min()) < -9.9
    assert 9.9 < float(turns.max()) <= 10


@pytest.mark.parametrize("degrees", [-10.0, -2.5, 0.0, 7.0])
def test_rotation_as_pillow_away_from_the_border(degrees: float) -> None:
    generated = np.random.default_rng(0).random((41, 33)).astype(np.float32)
    wanted = Image.fromarray(generated).rotate(degrees, Image.Resampling.BILINEAR)
    seen = rotated(torch.from_numpy(generated)[None, None], torch.tensor([degrees]))[0, 0]
    np.testing.assert_allclose(seen[7:-7, 7:-7], np.asarray(wanted)[7:-7, 7:-7], atol=1e-4)


def test_quarter_turns_are_exact() -> None:
    images = torch.randint(0, 256, (2, 2, 8, 8), generator=generator(), dtype=torch.uint8)
    seen = rotated(images, torch.tensor([90.0, -90.0]))
    assert seen.dtype == torch.uint8
    assert torch.equal(seen[0], images[0].rot90(1, (1, 2)))
    assert torch.equal(seen[1], images[1].rot90(-1, (1, 2)))


def test_nothing_from_beyond_the_border() -> None:
    seen = rotated(torch.full((1, 1, 9, 9), 5.0), torch.tensor([10.0]))
    torch.testing.assert_close(seen, torch.full((1, 1, 9, 9), 5.0))
