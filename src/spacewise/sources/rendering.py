"""Pictures of one vehicle on its ground: as a radar sees it from the side, and as a camera from above.

Both look at the same patch. Ground coordinates in metres from its centre: `away` from the radar, which lies
below the picture, and `cross` to the right. Aspect is the direction of the radar in the vehicle's frame: 0
when the nose points at the radar, 90 when the radar sees the left side. Arrays (sample, row, column).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import fft

from spacewise.sources.scatterers import FACING, STRENGTH, WIDTH, X, Y, Z, points
from spacewise.sources.vehicles import MATERIALS, parts

SPACING = 0.2  # metres a pixel
BAND = 0.8  # share of the spectrum that the radar's aperture fills: 0.3 m resolution after tapering
NOISE = 1.6  # amplitude of the receiver's noise, all that is left in a shadow
ROOF = 8.0
KINDS = tuple(MATERIALS)
COLOURS = np.array([(0.0, 0.0, 0.0), *(material.colour for material in MATERIALS.values())], np.float32)


@dataclass(frozen=True)
class Site:
    """A kind of ground: radar level (mean amplitude), how uneven it is and over how many pixels, colour."""

    level: float
    contrast: float
    rows: float
    columns: float
    colour: tuple[float, float, float]


@dataclass(frozen=True)
class Views:
    """A batch of objects on the ground: arrays (sample,), angles in degrees, lengths in metres."""

    label: Sequence[str]
    serial: Sequence[str]
    site: Sequence[Site]
    aspect: np.ndarray
    depression: np.ndarray
    away: np.ndarray
    cross: np.ndarray
    gain: np.ndarray

    def __len__(self) -> int:
        return len(self.aspect)


def radar(views: Views, size: int, rngs: Sequence[np.random.Generator]) -> np.ndarray:
    """Magnitude as a SAR processor would give it, uint8 (sample, 1, size, size), saturating at 255.

    The complex echo of the ground (speckle on a texture, none in the shadow) and of the visible scatterers
    (laid over towards the radar by their height) is summed, passed through the aperture, then detected.
    """
    ground = _texture(views, size, rngs)
    speckle = np.stack([rng.standard_normal((2, size, size), np.float32) for rng in rngs])
    thermal = np.stack([rng.standard_normal((2, size, size), np.float32) for rng in rngs])
    height, kind = _relief(views, size)
    slope = np.tan(np.radians(views.depression)).astype(np.float32)
    sight = _line_of_sight(height, slope)
    amplitude = np.where(kind > 0, ROOF, ground) * np.exp(-np.maximum(sight - height, 0.0) / 0.3)
    field = (speckle[:, 0] + 1j * speckle[:, 1]) * amplitude + (thermal[:, 0] + 1j * thermal[:, 1]) * NOISE
    window = _aperture(size)
    per_noise = 1 / np.sqrt(np.pi / 2 * np.mean(window**2))
    echo = _echo(views, size, sight, slope, rngs)
    image = np.abs(_filtered(field * np.float32(per_noise) + echo, window))
    return _bytes(image * views.gain[:, None, None])[:, None]


def optical(views: Views, size: int, rngs: Sequence[np.random.Generator]) -> np.ndarray:
    """The same ground from above in daylight, uint8 (sample, 3, size, size): red, green, blue."""
    ground = _texture(views, size, rngs)
    grain = np.stack([rng.standard_normal((size, size), np.float32) for rng in rngs])
    height, kind = _relief(views, size)
    level = np.array([site.level for site in views.site], np.float32)[:, None, None]
    colour = np.array([site.colour for site in views.site], np.float32)
    soil = colour[:, :, None, None] * (ground / level)[:, None] ** 0.5
    paint = np.moveaxis(COLOURS[kind], 3, 1) * (0.85 + 0.12 * height[:, None])
    sun = np.ones(len(views), np.float32)
    shade = _line_of_sight(height.swapaxes(1, 2), sun).swapaxes(1, 2) > height + 0.05
    light = 1 - 0.55 * shade
    image = np.where(kind[:, None] > 0, paint, soil) * light[:, None] + 0.02 * grain[:, None]
    return _bytes(255 * _filtered(image, _blur(size, 0.6, 0.6)).real)


def _bytes(image: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(image, 0, 255)).astype(np.uint8)


def _filtered(field: np.ndarray, transfer: np.ndarray) -> np.ndarray:
    return fft.ifft2(fft.fft2(field) * transfer)


def _blur(size: int, rows: float, columns: float) -> np.ndarray:
    """Transfer function of a Gaussian blur with standard deviations in pixels."""
    down, right = (np.exp(-2 * (np.pi * np.fft.fftfreq(size) * sigma) ** 2) for sigma in (rows, columns))
    return np.outer(down, right).astype(np.float32)


def _aperture(size: int) -> np.ndarray:
    """Band-limited, tapered spectrum (raised cosine on a pedestal, near to Taylor at -35 dB), peak response 1."""
    frequency = np.abs(np.fft.fftfreq(size)) / (BAND / 2)
    taper = np.where(frequency <= 1, 0.58 + 0.42 * np.cos(np.pi * frequency), 0.0)
    window = np.outer(taper, taper)
    return (window / window.mean()).astype(np.float32)


def _texture(views: Views, size: int, rngs: Sequence[np.random.Generator]) -> np.ndarray:
    """Amplitude of the bare ground: log-normal, correlated over the site's lengths, mean near its level."""
    white = np.stack([rng.standard_normal((size, size), np.float32) for rng in rngs])
    blurs = {site: _blur(size, site.rows, site.columns) for site in set(views.site)}
    field = _filtered(white, np.stack([blurs[s] / np.sqrt(np.mean(blurs[s] ** 2)) for s in views.site])).real
    level, contrast = np.array([(s.level, s.contrast) for s in views.site], np.float32).T[:, :, None, None]
    return level * np.exp(contrast * field - contrast**2 / 2)


def _grid(size: int) -> np.ndarray:
    return ((np.arange(size) - (size - 1) / 2) * SPACING).astype(np.float32)


def _relief(views: Views, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Height in metres, and the kind of part on top (0 is ground)."""
    towards = _grid(size)[None, :, None] + views.away[:, None, None].astype(np.float32)
    right = _grid(size)[None, None, :] - views.cross[:, None, None].astype(np.float32)
    turn = np.radians(views.aspect).astype(np.float32)[:, None, None]
    x = towards * np.cos(turn) - right * np.sin(turn)
    y = towards * np.sin(turn) + right * np.cos(turn)
    height = np.zeros(x.shape, np.float32)
    kind = np.zeros(x.shape, np.int8)
    for box in np.moveaxis(_padded([_boxes(*who) for who in zip(views.label, views.serial)]), 1, 0)[..., None, None]:
        place_x, place_y, turn, half_length, half_width, top, material = np.moveaxis(box, 1, 0)
        along = (x - place_x) * np.cos(turn) + (y - place_y) * np.sin(turn)
        across = (y - place_y) * np.cos(turn) - (x - place_x) * np.sin(turn)
        over = (np.abs(along) <= half_length) & (np.abs(across) <= half_width) & (top > height)
        height = np.where(over, top, height)
        kind = np.where(over, material.astype(np.int8), kind)
    return height, kind


@cache
def _boxes(label: str, serial: str) -> np.ndarray:
    """Boxes of one object, array (box, 7): x, y, yaw in radians, half length, half width, top, kind from 1."""
    return np.array(
        [
            (part.x, part.y, np.radians(part.yaw), part.length / 2, part.width / 2, part.top, KINDS.index(part.kind) + 1)
            for part in parts(label, serial)
        ]
    )


def _padded(tables: Sequence[np.ndarray]) -> np.ndarray:
    """Tables with different numbers of rows as one array, filled up with zeros."""
    most = max(len(table) for table in tables)
    return np.stack([np.pad(table, ((0, most - len(table)), (0, 0))) for table in tables]).astype(np.float32)


def _line_of_sight(height: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """Lowest height that the radar still sees over what stands nearer: rays fall by `slope` a metre."""
    fall = _grid(height.shape[1])[::-1][None, :, None] * slope[:, None, None]
    return np.maximum.accumulate((height + fall)[:, ::-1], axis=1)[:, ::-1] - fall


def _echo(views: Views, size: int, sight: np.ndarray, slope: np.ndarray, rngs: Sequence[np.random.Generator]) -> np.ndarray:
    """Complex amplitudes of the visible scatterers on the pixel grid, shared out between the four nearest."""
    table = _padded([points(*who) for who in zip(views.label, views.serial)])
    turn = np.radians(views.aspect).astype(np.float32)[:, None]
    off = (views.aspect[:, None] - table[..., FACING] + 180) % 360 - 180
    amplitude = table[..., STRENGTH] * np.exp(-0.5 * (off / np.maximum(table[..., WIDTH], 1)) ** 2)
    away, cross = _ground(table[..., X], table[..., Y], turn, views)
    facing = np.radians(table[..., FACING])
    ahead = _ground(table[..., X] + 0.4 * np.cos(facing), table[..., Y] + 0.4 * np.sin(facing), turn, views)
    over = _sample(sight, *ahead) - table[..., Z]
    amplitude = amplitude * np.clip(1 - over / 0.2, 0.0, 1.0)
    phase = np.stack([rng.random(table.shape[1], np.float32) for rng in rngs]) 
    away = away - table[..., Z] * slope[:, None]
    return _deposit(amplitude * np.exp(2j * np.pi * phase), away, cross, size)


def _ground(x, y, turn, views):
    away = views.away[:, None] - (x * np.cos(turn) + y * np.sin(turn))
    cross = views.cross[:, None] + y * np.cos(turn) - x * np.sin(turn)
    return away, cross


def _sample(field, away, cross):
    size = field.shape[1]
    row = np.clip(np.rint((size - 1) / 2 - away / SPACING), 0, size - 1).astype(int)
    column = np.clip(np.rint((size - 1) / 2 + cross / SPACING), 0, size - 1).astype(int)
    return field[np.arange(len(field))[:, None], row, column]


def _deposit(amplitude, away, cross, size):
    row, column = (size - 1) / 2 - away / SPACING, (size - 1) / 2 + cross / SPACING
    top, left = np.floor(row), np.floor(column)
    out = np.zeros((len(row), size, size), np.complex64)
    sample = np.broadcast_to(np.arange(len(row))[:, None], row.shape)
    for down in (0, 1):
        for right in (0, 1):
            r, c = (top + down).astype(int), (left + right).astype(int)
            share = (1 - np.abs(row - r)) * (1 - np.abs(column - c))
            inside = (r >= 0) & (r < size) & (c >= 0) & (c < size)
            np.add.at(out, (sample[inside], r[inside], c[inside]), (amplitude * share)[inside])
    return out
