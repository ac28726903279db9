"""Point scatterers of a vehicle: what its boxes send back, each more in one direction than in others."""

from __future__ import annotations

from functools import cache

import numpy as np

from spacewise.sources.simulation.vehicles import MATERIALS, Part, generator, parts

# Columns of a point: metres; degrees (the direction that its echo is strongest in, and the standard deviation
# of its response about it); amplitude in that direction, in pixel values.
X, Y, Z, FACING, WIDTH, STRENGTH = range(6)

CORNERS = 30  # hooks, hatches, lamps, handles: the small bright corners of a vehicle
CORNER_STRENGTH = 130.0
FLASH_WIDTH = 4.0

# How the classes of one family (the name before the dash) differ, and the serials of one class: spread of the
# logarithm of amplitudes, share of the corners that sit elsewhere, displacement of the others in metres.
# Chosen so that a small network loses about as much on unseen serials as it does on measured chips.
OF_CLASS = (0.9, 0.95, 0.25)
OF_SERIAL = (0.3, 0.15, 0.08)


@cache
def points(label: str, serial: str) -> np.ndarray:
    """Scatterers of one object, array (point, 6) in the vehicle's frame, columns X to STRENGTH.

    Classes of one family begin with the same corners and amplitudes, so that they look alike; the class
    changes most of them and the serial some.
    """
    family, boxes = label.split("-")[0], parts(label, serial)
    corners = _corners(boxes[0], generator(family, "corners"))
    sides = [_sides(box, generator(family, index)) for index, box in enumerate(boxes)]
    for names, (spread, moved, shift) in (((label,), OF_CLASS), ((label, serial), OF_SERIAL)):
        rng = generator(*names, "corners")
        elsewhere = rng.random((CORNERS, 1)) < moved
        corners = _disturbed(np.where(elsewhere, _corners(boxes[0], rng), corners), spread, shift, rng)
        sides = [
            _disturbed(side, spread, shift / 2, generator(*names, index)) for index, side in enumerate(sides)
        ]  # a generator a part: what one serial carries leaves its other parts as they are
    return np.concatenate([*sides, corners])


def _disturbed(rows: np.ndarray, spread: float, shift: float, rng: np.random.Generator) -> np.ndarray:
    rows = rows.copy()
    rows[:, STRENGTH] *= np.exp(rng.normal(0.0, spread, len(rows)))
    rows[:, [X, Y]] += rng.normal(0.0, shift, (len(rows), 2))
    return rows


def _corners(deck: Part, rng: np.random.Generator) -> np.ndarray:
    """Trihedral-like corners anywhere on top of a part: bright over a wide angle."""
    along, across, above, facing, width = rng.random((5, CORNERS))
    x = deck.x + deck.length * (along - 0.5)
    y = deck.y + deck.width * (across - 0.5)
    strength = CORNER_STRENGTH * np.exp(rng.normal(0.0, 0.5, CORNERS))
    return np.column_stack([x, y, deck.top + 0.5 * above, 360 * facing, 25 + 45 * width, strength])


def _sides(part: Part, rng: np.random.Generator) -> np.ndarray:
    """Scatterers along the four sides of a box, evenly spaced."""
    turn = np.radians(part.yaw)
    ahead = np.array([np.cos(turn), np.sin(turn)])
    left = np.array([-ahead[1], ahead[0]])
    rows = []
    for quarter, (out, reach, along, length) in enumerate(
        [
            (ahead, part.length, left, part.width),
            (left, part.width, ahead, part.length),
            (-ahead, part.length, left, part.width),
            (-left, part.width, ahead, part.length),
        ]
    ):
        count = max(1, round(MATERIALS[part.kind].density * length))
        at = (np.arange(count) + 0.5) / count - 0.5
        place = np.array([part.x, part.y]) + out * reach / 2 + at[:, None] * along * length
        normal = 90.0 * quarter + part.yaw
        rows += [_rough(part, place, normal, rng), _flash(part, place, normal)]
    return np.concatenate(rows)


def _rough(part: Part, place: np.ndarray, normal: float, rng: np.random.Generator) -> np.ndarray:
    """Bolts, grips and edges: anywhere up the side, seen from many directions."""
    up, width = rng.random((2, len(place)))
    tilt, grade = rng.normal(size=(2, len(place)))
    height = part.base + (part.top - part.base) * up
    strength = MATERIALS[part.kind].strength * np.exp(0.7 * grade)
    return np.column_stack([place, height, normal + 15 * tilt, 15 + 30 * width, strength])


def _flash(part: Part, place: np.ndarray, normal: float) -> np.ndarray:
    """The side and the ground as one long dihedral: bright within a few degrees of square."""
    rest = (part.base, normal, FLASH_WIDTH, MATERIALS[part.kind].flash)
    return np.column_stack([place, np.tile(rest, (len(place), 1))])
