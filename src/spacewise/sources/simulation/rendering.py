"""Pictures of one vehicle on its ground: as a radar sees it from the side and as a camera does from above.

Both show the same patch. Ground coordinates are metres from its centre: `away` from the radar, which lies
below the picture, and `cross` to the right. Aspect is the direction of the radar in the vehicle's frame: 0
when the nose points at the radar, 90 when the radar sees the left side. Images are (sample, row, column).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from spacewise.sources.simulation.scatterers import FACING, STRENGTH, WIDTH, X, Y, Z, points
from spacewise.sources.simulation.terrain import Site, blur_kernel, filtered, relative_ground
from spacewise.sources.simulation.vehicles import MATERIALS, parts

SPACING = 0.2  # metres a pixel, on the ground
BAND = 0.8  # share of the spectrum that the radar's aperture fills: 0.3 m resolution after its taper
NOISE = 1.2  # amplitude of all that fills a shadow: receiver, sidelobes, wind
ROOF = 6.0  # amplitude of a roof, which mirrors most of the pulse away
EDGE = 0.3  # metres of depth over which a shadow becomes dark
REACH = 0.4  # metres before a scatterer where the view to it must be free; nearer is its own box
OUT_OF_SIGHT = 0.2  # metres below the line of sight at which a scatterer vanishes

KINDS = tuple(MATERIALS)
PAINT = np.array([(0.0, 0.0, 0.0), *(material.colour for material in MATERIALS.values())], np.float32)


@dataclass(frozen=True)
class Poses:
    """Objects on the ground, one a sample: sequences and arrays (sample,), degrees, metres.

    Attributes:
        gain: factor of the radar's amplitude.
    """

    label: Sequence[str]
    serial: Sequence[str]
    site: Sequence[Site]
    depression: np.ndarray
    aspect: np.ndarray
    away: np.ndarray
    cross: np.ndarray
    gain: np.ndarray


def radar(poses: Poses, size: int, rngs: Sequence[np.random.Generator]) -> np.ndarray:
    """Linear magnitude, uint8 (sample, 1, size, size), saturating at 255.

    The complex echoes of the ground (speckle on its texture, dark in the shadow) and of the scatterers are
    summed, pass through the aperture together and are then detected.
    """
    texture = _ground(poses, size, rngs)
    speckle = np.stack([rng.standard_normal((2, size, size), np.float32) for rng in rngs])
    height, kind = _relief(poses, size)
    slope = np.tan(np.radians(poses.depression)).astype(np.float32)
    sight = line_of_sight(height, slope)
    level = np.array([site.level for site in poses.site], np.float32)[:, None, None]
    rough = np.where(kind > 0, ROOF, level * texture) * np.exp((height - sight) / EDGE)
    window = _aperture(size)
    mean_of_noise = np.sqrt(np.pi / 2 * np.mean(window**2))
    field = (speckle[:, 0] + 1j * speckle[:, 1]) * np.hypot(rough, NOISE) / mean_of_noise
    field += _echo(poses, sight, slope, rngs)
    magnitude = np.abs(filtered(field, window)) * poses.gain[:, None, None]
    return _bytes(magnitude[:, None])


def optical(poses: Poses, size: int, rngs: Sequence[np.random.Generator]) -> np.ndarray:
    """Red, green and blue from straight above, the sun on the right: uint8 (sample, 3, size, size)."""
    texture = _ground(poses, size, rngs)
    grain = np.stack([rng.standard_normal((3, size, size), np.float32) for rng in rngs])
    height, kind = _relief(poses, size)
    colour = np.array([site.colour for site in poses.site], np.float32)[:, :, None, None]
    soil = colour * np.sqrt(texture)[:, None]
    paint = np.moveaxis(PAINT[kind], 3, 1) * (0.85 + 0.12 * height)[:, None]
    sun = np.ones(len(poses.label), np.float32)
    shadow = np.swapaxes(line_of_sight(np.swapaxes(height, 1, 2), sun), 1, 2) - height
    light = 1 - 0.55 * np.clip(shadow / EDGE, 0.0, 1.0)
    image = np.where(kind[:, None] > 0, paint, soil) * light[:, None] + 0.02 * grain
    return _bytes(255 * filtered(image, blur_kernel(size, 0.6, 0.6)).real)


def line_of_sight(height: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """Height in metres up to which the ground is hidden by what stands nearer to the last row, or is itself.

    Rays come from beyond the last row and fall by `slope` (sample,) metres a metre.
    """
    fall = _offsets(height.shape[1])[:, None] * -slope[:, None, None]
    return np.maximum.accumulate((height + fall)[:, ::-1], axis=1)[:, ::-1] - fall


def _bytes(image: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(image, 0, 255)).astype(np.uint8)


def _offsets(size: int) -> np.ndarray:
    """Metres from the centre of a chip to its pixels."""
    return ((np.arange(size) - (size - 1) / 2) * SPACING).astype(np.float32)


@cache
def _aperture(size: int) -> np.ndarray:
    """Band-limited spectrum, tapered nearly as Taylor's at -35 dB; the picture of a point peaks at 1."""
    frequency = np.abs(np.fft.fftfreq(size)) / (BAND / 2)
    taper = np.where(frequency <= 1, 0.58 + 0.42 * np.cos(np.pi * frequency), 0.0)
    window = np.outer(taper, taper)
    return (window / window.mean()).astype(np.float32)


def _ground(poses: Poses, size: int, rngs: Sequence[np.random.Generator]) -> np.ndarray:
    """Drawn first from each generator, so that both views stand on the same ground."""
    white = np.stack([rng.standard_normal((size, size), np.float32) for rng in rngs])
    return relative_ground(poses.site, white)


def _relief(poses: Poses, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Height in metres of what stands on the ground, and its kind: 1 + index in KINDS, 0 where nothing is."""
    boxes = _padded([_boxes(*name) for name in zip(poses.label, poses.serial)])
    yaw, ahead, left, half_length, half_width, top, wall, kinds = np.moveaxis(boxes, 2, 0)[..., None, None]
    turn = np.radians(poses.aspect).astype(np.float32)[:, None, None, None] - yaw
    cos, sin = np.cos(turn), np.sin(turn)
    down = _offsets(size)[:, None] + poses.away.astype(np.float32)[:, None, None]
    right = _offsets(size) - poses.cross.astype(np.float32)[:, None, None]
    height = np.zeros((len(boxes), size, size), np.float32)
    kind = np.zeros((len(boxes), size, size), np.int8)
    for box in range(boxes.shape[1]):
        c, s = cos[:, box], sin[:, box]
        over = np.abs((c * down - ahead[:, box]) - s * right) <= half_length[:, box]
        over &= np.abs((s * down - left[:, box]) + c * right) <= half_width[:, box]
        over &= top[:, box] > height
        np.copyto(kind, kinds[:, box].astype(np.int8), where=over)
        np.maximum(height, wall[:, box], out=height, where=over)
    return height, kind


@cache
def _boxes(label: str, serial: str) -> np.ndarray:
    """Boxes of one object, array (box, 8): yaw, centre along and across it, half sizes, top, wall, kind.

    A wall is what hides the ground behind it up to its top: a barrel, thin and high above, does not.
    """
    rows = []
    for part in parts(label, serial):
        yaw = np.radians(part.yaw)
        ahead = part.x * np.cos(yaw) + part.y * np.sin(yaw)
        left = part.y * np.cos(yaw) - part.x * np.sin(yaw)
        wall = 0.0 if part.kind == "barrel" else part.top
        kind = 1 + KINDS.index(part.kind)
        rows.append((yaw, ahead, left, part.length / 2, part.width / 2, part.top, wall, kind))
    return np.array(rows, np.float32)


def _padded(tables: Sequence[np.ndarray]) -> np.ndarray:
    """Tables (row, column) of different lengths as one array (table, row, column), filled up with zeros."""
    padded = np.zeros((len(tables), max(map(len, tables)), tables[0].shape[1]), np.float32)
    for table, target in zip(tables, padded):
        target[: len(table)] = table
    return padded


def _echo(poses: Poses, sight: np.ndarray, slope: np.ndarray, rngs: Sequence[np.random.Generator]) -> np.ndarray:
    """Complex amplitudes of the visible scatterers on the grid, laid over towards the radar by height."""
    table = _padded([points(*name) for name in zip(poses.label, poses.serial)])
    # Drawn last from each generator, since their number depends on who else is in the block.
    phase = np.stack([rng.random(table.shape[1], np.float32) for rng in rngs])
    off = (poses.aspect[:, None] - table[..., FACING] + 180) % 360 - 180
    amplitude = table[..., STRENGTH] * np.exp(-0.5 * (off / np.maximum(table[..., WIDTH], 1)) ** 2)
    sample, point = np.nonzero(amplitude > 0.5)
    seen, shown = table[sample, point], amplitude[sample, point]
    facing = np.radians(seen[:, FACING])
    before = seen[:, X] + REACH * np.cos(facing), seen[:, Y] + REACH * np.sin(facing)
    hidden = _nearest(sight, sample, *_placed(poses, sample, *before)) - seen[:, Z]
    shown = shown * np.clip(1 - hidden / OUT_OF_SIGHT, 0.0, 1.0) * np.exp(2j * np.pi * phase[sample, point])
    away, cross = _placed(poses, sample, seen[:, X], seen[:, Y])
    return _deposited(sight.shape, sample, away - seen[:, Z] * slope[sample], cross, shown)


def _placed(poses: Poses, sample: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points of the vehicle's frame on the ground: away, cross."""
    turn = np.radians(poses.aspect)[sample]
    away = poses.away[sample] - x * np.cos(turn) - y * np.sin(turn)
    return away, poses.cross[sample] + y * np.cos(turn) - x * np.sin(turn)


def _nearest(image: np.ndarray, sample: np.ndarray, away: np.ndarray, cross: np.ndarray) -> np.ndarray:
    """The pixel under each point; outside, the nearest one at the border."""
    last = image.shape[1] - 1
    row, column = (np.clip(np.rint(last / 2 + m / SPACING), 0, last).astype(int) for m in (-away, cross))
    return image[sample, row, column]


def _deposited(
    shape: tuple[int, ...], sample: np.ndarray, away: np.ndarray, cross: np.ndarray, amplitude: np.ndarray
) -> np.ndarray:
    """Points shared out between their four nearest pixels; what lies outside is dropped."""
    middle = (shape[1] - 1) / 2
    row, column = middle - away / SPACING, middle + cross / SPACING
    image = np.zeros(shape, np.complex64).ravel()
    for down, right in ((0, 0), (0, 1), (1, 0), (1, 1)):
        r, c = np.floor(row).astype(int) + down, np.floor(column).astype(int) + right
        share = amplitude * (1 - np.abs(row - r)) * (1 - np.abs(column - c))
        inside = (r >= 0) & (r < shape[1]) & (c >= 0) & (c < shape[2])
        pixel = (sample * shape[1] + r) * shape[2] + c
        np.add.at(image, pixel[inside], share[inside].astype(np.complex64))
    return image.reshape(shape)
