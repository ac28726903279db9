"""The ground of the simulated scenes: how bright, how uneven and of which colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np


@dataclass(frozen=True)
class Site:
    """One place where chips are recorded.

    Attributes:
        level: mean amplitude of its radar clutter, in pixel values.
        contrast: standard deviation of the logarithm of amplitude over the ground.
        rows, columns: distances over which that varies, in pixels.
        colour: red, green, blue in 0 to 1.
    """

    level: float
    contrast: float
    rows: float
    columns: float
    colour: tuple[float, float, float]


SITES = {
    "site-01": Site(6.5, 0.10, 1.0, 1.0, (0.42, 0.47, 0.28)),
    "site-02": Site(4.5, 0.20, 3.0, 3.0, (0.55, 0.48, 0.34)),
    "site-03": Site(9.0, 0.15, 2.0, 2.0, (0.33, 0.43, 0.22)),
    "site-04": Site(5.5, 0.30, 6.0, 1.5, (0.50, 0.42, 0.28)),
    "site-05": Site(3.5, 0.10, 1.5, 1.5, (0.62, 0.57, 0.44)),
    "site-06": Site(8.0, 0.35, 5.0, 5.0, (0.38, 0.42, 0.25)),
    "site-07": Site(6.0, 0.25, 1.5, 6.0, (0.47, 0.40, 0.26)),
    "site-08": Site(5.0, 0.40, 8.0, 8.0, (0.57, 0.52, 0.38)),
    "site-09": Site(10.0, 0.30, 3.0, 3.0, (0.28, 0.38, 0.20)),
    "site-10": Site(3.0, 0.25, 4.0, 4.0, (0.58, 0.55, 0.50)),
    "site-11": Site(5.5, 0.45, 2.5, 2.5, (0.45, 0.44, 0.36)),
    "site-12": Site(8.5, 0.20, 7.0, 2.0, (0.50, 0.52, 0.34)),
}
NEW_SITES = ("site-11", "site-12")  # tested, never trained on


def relative_ground(sites: Sequence[Site], white: np.ndarray) -> np.ndarray:
    """Unevenness of the ground, mean 1, from white noise: both arrays (sample, row, column)."""
    kernels = np.stack([_texture_kernel(white.shape[-1], site.rows, site.columns) for site in sites])
    contrast = np.array([site.contrast for site in sites], np.float32)[:, None, None]
    return np.exp(contrast * filtered(white, kernels).real - contrast**2 / 2)


def filtered(image: np.ndarray, transfer: np.ndarray) -> np.ndarray:
    """Images (…, row, column) with their spectrum multiplied by `transfer`; complex."""
    from scipy import fft  # half a second to import, and only those who simulate need it

    return fft.ifft2(fft.fft2(image) * transfer)


@cache
def blur_kernel(size: int, rows: float, columns: float) -> np.ndarray:
    """Transfer function of a Gaussian blur, standard deviations in pixels."""
    frequency = np.pi * np.fft.fftfreq(size)
    down, right = (np.exp(-2 * (frequency * deviation) ** 2) for deviation in (rows, columns))
    return np.outer(down, right).astype(np.float32)


@cache
def _texture_kernel(size: int, rows: float, columns: float) -> np.ndarray:
    """A blur that leaves white noise with variance 1."""
    kernel = blur_kernel(size, rows, columns)
    return kernel / np.sqrt(np.mean(kernel**2))
