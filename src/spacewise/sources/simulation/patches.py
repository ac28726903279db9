"""Patches of a town as a camera sees them from above and a radar from the side: the same layout twice.

Rows run from north to south. The sun stands in the south; the radar looks along the rows, from the left, and
its track is along the columns. Arrays are (patch, row, column), first on a fine grid of SPACING metres, then
averaged to the pixels of a picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spacewise.sources.simulation.zones import DRAWN, City, Structure, structure

SIZE = 32  # rows and columns of a picture, 10 m each
FINE = 64
SPACING = 5.0
CELLS = 24  # rows and columns of buildings before they repeat
COARSE = 8

# backscatter in decibels
GROUND = {"green": -12.5, "soil": -15.0, "paved": -18.0, "water": -23.0}
STANDING = {"trees": -8.0, "roof": -10.0, "other roof": -9.0}
COVERS = len(GROUND) + len(STANDING)
PAVED, LEAVES = (0.14, 0.135, 0.125), 0.5  # colour; brightness of trees, of what is green
WALL = 0.50  # backscatter of a metre of wall that stands square to the radar
ASKEW = 0.15  # share of it that is left where walls stand at 45 degrees
SQUARE = 12.0  # degrees over which it falls
BRIGHTNESS = 0.08  # standard deviation of the logarithm of a cover's colour between patches
ROUGHNESS = 1.0  # the same of its backscatter, decibels
WALLS = 0.8  # the same of a building's walls, natural logarithm
SHADE = 0.6  # light that a shadow takes away
NOISE = 0.003


@dataclass(frozen=True)
class Layout:
    """What stands on the ground, on the fine grid, and what covers the ground between, a share a pixel.

    Attributes:
        standing: shares of STANDING and of streets and open ground, (patch, share, FINE, FINE), sum 1.
        ground: shares of GROUND in the open ground, (patch, cover, SIZE, SIZE), sum 1.
        walls: metres of wall that rise towards the radar, by what they send back (patch, FINE, FINE).
        top: height of buildings and trees, metres (patch, FINE, FINE).
        tint: brightness of parcels, about 1 (patch, FINE, FINE).
        square: how square the walls stand to the radar, 0 to 1, (patch, 1, 1).
    """

    standing: np.ndarray
    ground: np.ndarray
    walls: np.ndarray
    top: np.ndarray
    tint: np.ndarray
    square: np.ndarray

    def covers(self, weight: np.ndarray) -> np.ndarray:
        """Shares of GROUND and STANDING a pixel (patch, cover, SIZE, SIZE), each place of the fine grid weighted."""
        shares = pooled(self.standing * weight[:, None])
        ground = shares[:, -1:] * self.ground
        ground[:, 2] += shares[:, -2]  # streets are paved
        return np.concatenate([ground, shares[:, :-2]], 1)


def optical(labels: Sequence[str], cities: Sequence[City], rngs: Sequence[np.random.Generator]) -> np.ndarray:
    """Reflectance in red, green and blue: float32 (patch, 3, SIZE, SIZE)."""
    layout = lay_out(labels, cities, rngs)
    grade, grain = _normal(rngs, COVERS, 1), _normal(rngs, 3, SIZE, SIZE)
    steep = SPACING * np.tan(np.radians(_each(cities, "sun")))
    light = layout.tint * (1 - SHADE * hidden(layout.top[:, ::-1], steep, 1)[:, ::-1])
    paint = np.array([_paint(city) for city in cities], np.float32) * np.exp(BRIGHTNESS * grade)
    haze = _each(cities, "haze")[..., None] * np.array([0.4, 0.65, 1.0], np.float32)[:, None, None]
    return np.maximum(_shown(layout.covers(light), paint) + haze + NOISE * grain, 0.0)


def radar(labels: Sequence[str], cities: Sequence[City], rngs: Sequence[np.random.Generator]) -> np.ndarray:
    """Real and imaginary part of the backscatter: float32 (patch, 2, SIZE, SIZE), fully developed speckle."""
    layout = lay_out(labels, cities, rngs)
    grade, speckle = _normal(rngs, COVERS, 1), _normal(rngs, 2, SIZE, SIZE)
    return speckle * np.sqrt(backscatter(layout, cities, grade) / 2)[:, None]


def backscatter(layout: Layout, cities: Sequence[City], grade: np.ndarray) -> np.ndarray:
    """Mean intensity a pixel, before speckle: (patch, SIZE, SIZE).

    Ground, trees and roofs scatter by their share, less in radar shadow; walls and the ground before them
    send the pulse straight back. `grade` (patch, cover, 1), standard normal, is how rough each cover is.
    """
    incidence = np.radians(_each(cities, "incidence"))
    seen = 1 - 0.9 * hidden(layout.top, SPACING / np.tan(incidence), 2)
    level = np.array([*GROUND.values(), *STANDING.values()], np.float32)[:, None] + ROUGHNESS * grade
    mean = _shown(layout.covers(seen), 10 ** (level / 10))[:, 0] + WALL * layout.square * pooled(layout.walls)
    return mean * 10 ** (_each(cities, "gain") / 10) * (np.cos(incidence) / 0.79) ** 2  # 1 at 38 degrees


def hidden(top: np.ndarray, drop: np.ndarray, axis: int) -> np.ndarray:
    """Share of each place, 0 to 1, in the shadow of what stands before it along `axis`.

    `drop` is how far a ray sinks from one place to the next, metres. Shadows reach 15 places.
    """
    ray = top.copy()
    before, behind = [slice(None)] * 3, [slice(None)] * 3
    for step in (1, 2, 4, 8):
        before[axis], behind[axis] = slice(None, -step), slice(step, None)
        ray[tuple(behind)] = np.maximum(ray[tuple(behind)], ray[tuple(before)] - (step * drop).astype(np.float32))
    return np.clip((ray - top) / 4.0, 0.0, 1.0)


def pooled(fine: np.ndarray) -> np.ndarray:
    """Means of 2 x 2 places of the fine grid: the pixels."""
    rows = fine[..., ::2, :] + fine[..., 1::2, :]
    return (rows[..., ::2] + rows[..., 1::2]) * np.float32(0.25)


def lay_out(labels: Sequence[str], cities: Sequence[City], rngs: Sequence[np.random.Generator]) -> Layout:
    """Streets, buildings, trees and ground; drawn first from each generator, so that both views share them."""
    uniform = np.stack([rng.random(DRAWN + 2) for rng in rngs])
    numbers = np.stack([rng.random((5, CELLS * CELLS), np.float32) for rng in rngs])
    turn, knots, middle = _normal(rngs, 1, 1), _normal(rngs, 3, COARSE, COARSE), _normal(rngs, 2, SIZE, SIZE)
    of, coarse = structure(labels, uniform[:, 2:]), _spread(knots)
    angle = np.radians(_each(cities, "grid") + _each(cities, "disorder") * turn)
    building, height, plot, echo, street = _built(of, *_turned(angle, uniform[:, :2]), numbers)

    trees = _doubled(_patchy(0.6 * coarse[:, 0] + 0.8 * middle[:, 0], of.trees, 1.5)) * (1 - building)
    standing = np.empty((len(labels), len(STANDING) + 2, FINE, FINE), np.float32)
    standing[:, 0] = trees
    standing[:, 1] = building * (plot > 0.5)
    standing[:, 2] = building - standing[:, 1]
    standing[:, 3] = (1 - building - trees) * street
    standing[:, 4] = 1 - building - trees - standing[:, 3]
    return Layout(
        standing,
        _ground(of, coarse, middle[:, 1], plot[:, ::2, ::2]),
        _rise(building * height) * of.metal * echo,
        np.maximum(building * height, trees * of.canopy),
        1 + 0.5 * of.parcel * (plot - 0.5) + 0.06 * _doubled(middle[:, 1]),
        _squareness(angle),
    )


def _built(of: Structure, across: np.ndarray, down: np.ndarray, numbers: np.ndarray) -> tuple[np.ndarray, ...]:
    """Share built on, height in metres, a number a plot, how much its walls send back, share of streets.

    Places are metres along the streets and across them. Each plot of a grid holds one building or none; streets
    are cut through it.
    """
    from scipy.special import ndtri  # here and below: half a second to import

    numbers[:, 4] = np.exp(WALLS * ndtri(np.clip(numbers[:, 4], 0.003, 0.997)))
    full = np.clip(of.built / 0.9, 0.3, 0.92)
    width = of.length * of.ratio
    along, beside = of.length / np.sqrt(full), width / np.sqrt(full)
    u, v = across / along, down / beside
    column, row = np.floor(u), np.floor(v)
    present, rise, plot, shift, echo = _looked_up(numbers, column, row)
    free = (1 - np.sqrt(full)) * (1 - of.order)
    building = _strip(u - column, (shift - 0.5) * free, along, of.length)
    building *= _strip(v - row, (rise - 0.5) * free, beside, width)
    paved = np.minimum(30 * of.paved, 15)
    street = np.maximum(_street(u, along, paved), _street(v, beside, paved))
    building *= (present * full < of.built) * (1 - street)
    return building, of.height * (1 + (1.1 - of.order) * (rise - 0.5)), plot, echo, street


def _normal(rngs: Sequence[np.random.Generator], *shape: int) -> np.ndarray:
    return np.stack([rng.standard_normal(shape, np.float32) for rng in rngs])


def _doubled(pixels: np.ndarray) -> np.ndarray:
    """Pixels (patch, row, column) on the fine grid."""
    return pixels.repeat(2, axis=1).repeat(2, axis=2)


def _each(cities: Sequence[City], name: str) -> np.ndarray:
    return np.array([getattr(city, name) for city in cities], np.float32)[:, None, None]


def _paint(city: City) -> np.ndarray:
    return np.array([city.green, city.soil, PAVED, city.water, LEAVES * np.array(city.green), *city.roofs])


def _shown(covers: np.ndarray, paint: np.ndarray) -> np.ndarray:
    """Covers (patch, cover, row, column) times what each shows (patch, cover, band): (patch, band, row, column)."""
    flat = covers.reshape(*covers.shape[:2], -1)
    return (paint.swapaxes(1, 2) @ flat).reshape(len(covers), -1, *covers.shape[2:])


def _spread(knots: np.ndarray) -> np.ndarray:
    """Normal random numbers (patch, field, COARSE, COARSE) as smooth fields of pixels, variance 1."""
    at = (np.arange(SIZE) + 0.5) / SIZE * (COARSE - 1)
    weights = np.clip(1 - np.abs(at[:, None] - np.arange(COARSE)), 0, None)
    weights = (weights / np.linalg.norm(weights, axis=1, keepdims=True)).astype(np.float32)
    return weights @ knots @ weights.T


def _turned(angle: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Metres along the streets and across them."""
    metres = (np.arange(FINE) * SPACING).astype(np.float32)
    cos, sin = np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
    first, second = (1000 * start).astype(np.float32).T[:, :, None, None]
    x, y = metres[None, None, :], metres[None, :, None]
    return (cos * x + first) + sin * y, (cos * y + second) - sin * x


def _looked_up(numbers: np.ndarray, column: np.ndarray, row: np.ndarray) -> np.ndarray:
    """The random numbers of the plot that each place lies in, (number, patch, row, column)."""
    plots = column.astype(np.int32) % CELLS * CELLS + row.astype(np.int32) % CELLS
    return np.stack([np.take(table, places, axis=1) for table, places in zip(numbers, plots)], 1)


def _strip(within: np.ndarray, shift: np.ndarray, pitch: np.ndarray, side: np.ndarray) -> np.ndarray:
    """Share of each place within a building's extent in one direction."""
    off = np.abs(within - 0.5 - shift) * pitch
    return np.clip((side / 2 - off) / SPACING + 0.5, 0.0, np.minimum(side / SPACING, 1.0))


def _street(u: np.ndarray, pitch: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Share of each place on the streets, which run between every few plots, 80 m apart or so."""
    plots = np.maximum(np.rint(80 / pitch), 1)
    block = u / plots
    off = np.abs(block - np.rint(block)) * (plots * pitch)
    return np.clip((width / 2 - off) / SPACING + 0.5, 0.0, np.minimum(width / SPACING, 1.0))


def _patchy(field: np.ndarray, share: np.ndarray, sharp: float) -> np.ndarray:
    """Where a normal field is high enough to cover `share` of the ground, with soft borders."""
    from scipy.special import ndtri

    limit = ndtri(np.clip(1 - share, 1e-3, 1 - 1e-3)).astype(np.float32)
    return np.clip(0.5 + sharp * (field - limit), 0.0, 1.0)


def _ground(of: Structure, coarse: np.ndarray, middle: np.ndarray, plot: np.ndarray) -> np.ndarray:
    """Shares of GROUND, (patch, cover, SIZE, SIZE): water first, then paving, then soil, the rest is green."""
    water = _patchy(coarse[:, 2], of.water, 4.0)
    paved = _patchy(0.7 * coarse[:, 1] + 0.7 * middle, of.paved / (1 - of.built), 2.0) * (1 - water)
    fields = of.parcel * 3.4 * (plot - 0.5) + (1 - of.parcel) * coarse[:, 1]
    soil = _patchy(fields, of.bare, 2.0) * (1 - water - paved)
    return np.stack([1 - water - paved - soil, soil, paved, water], 1)


def _rise(height: np.ndarray) -> np.ndarray:
    """How far buildings rise from one place to the next, away from the radar, metres."""
    rise = np.zeros_like(height)
    np.maximum(height[..., 1:] - height[..., :-1], 0, out=rise[..., 1:])
    return rise


def _squareness(angle: np.ndarray) -> np.ndarray:
    """Double bounce between wall and ground: strong where streets are parallel to the track or across it."""
    off = (np.degrees(angle) + 45) % 90 - 45
    return ASKEW + (1 - ASKEW) * np.exp(-((off / SQUARE) ** 2))
