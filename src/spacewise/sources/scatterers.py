"""Point scatterers of a vehicle: what its boxes send back, each from one direction more than from others."""

from __future__ import annotations

from functools import cache

import numpy as np

from spacewise.sources.vehicles import MATERIALS, Part, generator, parts

# Columns of a point: metres, degrees (direction of its strongest echo, and the standard deviation of the
# response about it), amplitude from that direction.
X, Y, Z, FACING, WIDTH, STRENGTH = range(6)

CORNERS = 16  # lamps, hooks, hatches, handles: the small bright corners of a vehicle
CORNER_STRENGTH = 90.0

# How the members of one family (the name before the dash) differ, and the serials of one class: spread of
# log amplitude, share of the corners that sit elsewhere, displacement of the others in metres.
OF_CLASS = (0.5, 0.6, 0.15)
OF_SERIAL = (0.5, 0.3, 0.1)


@cache
def points(label: str, serial: str) -> np.ndarray:
    """Scatterers of one object, array (point, 6) in the vehicle's frame, columns X to STRENGTH.

    Classes of one family are built from the same corners and amplitudes, so that they look alike; the class
    changes many of them, the serial some.
    """
    family = label.split("-")[0]
    boxes = parts(label, serial)
    sides = [_sides(box, generator(family, "side", index)) for index, box in enumerate(boxes)]
    corners = _corners(boxes[0], generator(family, "corners"))
    for names, (spread, moved, shift) in (((label,), OF_CLASS), ((label, serial), OF_SERIAL)):
        rng = generator("corners", *names)
        elsewhere = rng.random(CORNERS) < moved
        corners = _disturbed(np.where(elsewhere[:, None], _corners(boxes[0], rng), corners), spread, shift, rng)
        sides = [
            _disturbed(side, spread, shift / 2, generator("side", index, *names)) for index, side in enumerate(sides)
        ]
    return np.concatenate([*sides, corners])


def _disturbed(rows: np.ndarray, spread: float, shift: float, rng: np.random.Generator) -> np.ndarray:
    rows = rows.copy()
    rows[:, [X, Y]] += rng.normal(0.0, shift, (len(rows), 2))
    rows[:, STRENGTH] *= np.exp(rng.normal(0.0, spread, len(rows)))
    return rows


def _corners(deck: Part, rng: np.random.Generator) -> np.ndarray:
    """Trihedral-like corners anywhere over a part: bright over a wide angle."""
    along, across, above, facing, width = rng.random((5, CORNERS))
    x = deck.x + deck.length * (along - 0.5)
    y = deck.y + deck.width * (across - 0.5)
    strength = CORNER_STRENGTH * np.exp(rng.normal(0.0, 0.5, CORNERS))
    return np.column_stack([x, y, deck.top + 0.5 * above, 360 * facing, 25 + 45 * width, strength])


def _sides(part: Part, rng: np.random.Generator) -> np.ndarray:
    """Scatterers along the four sides of a box."""
    turn = np.radians(part.yaw)
    ahead = np.array([np.cos(turn), np.sin(turn)])
    left = np.array([-ahead[1], ahead[0]])
    centre, rows = np.array([part.x, part.y]), []
    for normal, along, out, length, reach in (
        (0.0, left, ahead, part.width, part.length),
        (90.0, ahead, left, part.length, part.width),
        (180.0, left, -ahead, part.width, part.length),
        (270.0, ahead, -left, part.length, part.width),
    ):
        count = max(1, round(MATERIALS[part.kind].density * length))
        at = (np.arange(count) + 0.5) / count - 0.5
        place = centre + out * reach / 2 + at[:, None] * along * length
        rows += [_rough(part, place, normal + part.yaw, rng), _flash(part, place, normal + part.yaw)]
    return np.concatenate(rows)


def _rough(part: Part, place: np.ndarray, normal: float, rng: np.random.Generator) -> np.ndarray:
    """Bolts, grips, edges: anywhere up the side, seen from many directions."""
    up, width = rng.random((2, len(place)))
    tilt, grade = rng.normal(size=(2, len(place)))
    strength = MATERIALS[part.kind].strength * np.exp(0.7 * grade)
    height = part.base + (part.top - part.base) * up
    return np.column_stack([place, height, normal + 15 * tilt, 15 + 30 * width, strength])


def _flash(part: Part, place: np.ndarray, normal: float) -> np.ndarray:
    """The side and the ground as one long dihedral: bright within a few degrees of square."""
    rest = (part.base, normal, 4.0, MATERIALS[part.kind].flash)
    return np.column_stack([place, np.tile(rest, (len(place), 1))])
