"""The vehicles of the simulation as sets of boxes: ten classes to learn, three confusers, four serials each.

Metres and degrees in the vehicle's frame: x to the nose, y to the left, z up, angles counter-clockwise
from the nose. Nothing here depends on a user's seed: a class and serial is always the same object.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace

import numpy as np

SERIALS = ("s1", "s2", "s3", "s4")
HELD_OUT = ("s3", "s4")  # tested, never trained on


@dataclass(frozen=True)
class Part:
    """A box, upright and turned by `yaw` about its centre (x, y): `length` along its own x axis."""

    kind: str
    x: float
    y: float
    length: float
    width: float
    base: float
    top: float
    yaw: float = 0.0


@dataclass(frozen=True)
class Material:
    """How the sides of a part echo and how it looks from above.

    Attributes:
        density: scatterers a metre of side.
        strength: their median amplitude, in the units of the chip's pixels.
        flash: their amplitude when the radar looks square at the side.
        colour: red, green, blue in 0 to 1.
    """

    density: float
    strength: float
    flash: float
    colour: tuple[float, float, float]


MATERIALS = {
    "hull": Material(4.0, 26.0, 130.0, (0.33, 0.36, 0.22)),
    "turret": Material(5.0, 30.0, 50.0, (0.40, 0.43, 0.28)),
    "barrel": Material(2.0, 14.0, 40.0, (0.26, 0.28, 0.19)),
    "track": Material(5.0, 30.0, 130.0, (0.17, 0.16, 0.13)),
    "wheel": Material(4.0, 34.0, 50.0, (0.13, 0.13, 0.12)),
    "cab": Material(4.5, 30.0, 110.0, (0.38, 0.41, 0.28)),
    "cargo": Material(3.5, 22.0, 130.0, (0.47, 0.45, 0.33)),
    "blade": Material(5.0, 38.0, 200.0, (0.52, 0.45, 0.20)),
    "stowage": Material(5.0, 34.0, 60.0, (0.29, 0.25, 0.17)),
}


def _pair(kind: str, x: float, y: float, *sizes: float) -> tuple[Part, Part]:
    """The same part on the left and on the right; `sizes` as in Part."""
    return Part(kind, x, y, *sizes), Part(kind, x, -y, *sizes)


def _wheels(y: float, diameter: float, *xs: float) -> tuple[Part, ...]:
    return tuple(wheel for x in xs for wheel in _pair("wheel", x, y, diameter, 0.4, 0.0, diameter))


# Corners are spread over the first part. A turret and the barrel after it turn together.
BLUEPRINTS: dict[str, tuple[Part, ...]] = {
    "carrier-a": (
        Part("hull", 0.0, 0.0, 6.6, 2.9, 0.5, 1.6),
        *_pair("track", 0.0, 1.3, 6.2, 0.45, 0.0, 0.9),
        Part("turret", -0.3, 0.0, 2.0, 1.9, 1.6, 2.3),
        Part("barrel", 1.8, 0.0, 2.2, 0.22, 1.8, 2.0),
    ),
    "carrier-b": (
        Part("hull", 0.0, 0.0, 7.4, 2.6, 0.5, 1.8),
        *_wheels(1.2, 1.1, 2.5, 1.1, -0.9, -2.3),
        Part("turret", 1.0, 0.0, 1.4, 1.3, 1.8, 2.3),
        Part("barrel", 2.3, 0.0, 1.3, 0.2, 1.9, 2.1),
    ),
    "carrier-c": (
        Part("hull", 0.0, 0.0, 7.1, 2.6, 0.5, 1.75),
        *_wheels(1.2, 1.1, 2.4, 0.9, -0.7, -2.2),
        Part("turret", 1.3, 0.0, 1.3, 1.3, 1.75, 2.25),
        Part("barrel", 2.6, 0.0, 1.3, 0.2, 1.9, 2.1),
        Part("hull", -2.4, 0.0, 1.8, 2.2, 1.75, 2.05),
    ),
    "dozer": (
        Part("hull", 0.5, 0.0, 2.6, 1.3, 0.6, 1.9),
        *_pair("track", -0.1, 1.05, 3.8, 0.55, 0.0, 1.1),
        Part("cab", -1.2, 0.0, 1.5, 1.7, 0.8, 2.9),
        Part("blade", 2.7, 0.0, 0.4, 3.8, 0.1, 1.2),
        *_pair("barrel", 1.6, 1.5, 2.0, 0.25, 0.4, 0.7),
    ),
    "howitzer": (
        Part("hull", 0.0, 0.0, 7.1, 2.8, 0.5, 1.4),
        *_pair("track", 0.0, 1.25, 6.7, 0.4, 0.0, 0.9),
        Part("turret", -1.5, 0.0, 2.6, 2.3, 1.4, 2.5),
        Part("barrel", 1.4, 0.0, 3.2, 0.3, 1.7, 2.0),
    ),
    "scout": (
        Part("hull", 0.0, 0.0, 5.6, 2.2, 0.5, 1.8),
        *_wheels(1.0, 1.1, 1.7, -1.5),
        Part("turret", -0.1, 0.0, 1.4, 1.3, 1.8, 2.3),
        Part("barrel", 1.2, 0.0, 1.3, 0.2, 1.9, 2.1),
    ),
    "tank-a": (
        Part("hull", 0.0, 0.0, 6.6, 3.3, 0.5, 1.2),
        *_pair("track", 0.0, 1.4, 6.2, 0.55, 0.0, 0.95),
        Part("turret", 0.1, 0.0, 2.8, 2.6, 1.2, 2.2),
        Part("barrel", 3.8, 0.0, 4.6, 0.3, 1.5, 1.8),
    ),
    "tank-b": (
        Part("hull", 0.0, 0.0, 6.3, 3.2, 0.5, 1.2),
        *_pair("track", 0.0, 1.35, 6.0, 0.55, 0.0, 0.95),
        Part("turret", 0.5, 0.0, 2.6, 2.6, 1.2, 2.25),
        Part("barrel", 3.7, 0.0, 3.8, 0.3, 1.6, 1.9),
    ),
    "truck-a": (
        Part("cargo", -1.4, 0.0, 3.8, 2.4, 1.2, 2.5),
        *_wheels(1.0, 1.1, 2.4, -0.9, -2.2),
        Part("cab", 1.4, 0.0, 1.4, 2.2, 0.8, 2.4),
        Part("hull", 2.8, 0.0, 1.5, 1.7, 0.7, 1.7),
    ),
    "truck-b": (
        Part("cargo", -0.9, 0.0, 4.8, 2.4, 1.2, 2.7),
        *_wheels(1.0, 1.15, 2.4, -1.1, -2.4),
        Part("cab", 2.5, 0.0, 1.7, 2.3, 0.7, 2.6),
        Part("stowage", 1.0, 0.9, 0.8, 0.5, 0.5, 1.1),
    ),
    "carrier-d": (
        Part("hull", 0.0, 0.0, 6.8, 2.7, 0.5, 1.8),
        *_wheels(1.2, 1.2, 2.3, 0.1, -2.0),
        Part("turret", 0.6, 0.0, 1.6, 1.5, 1.8, 2.4),
        Part("barrel", 2.2, 0.0, 1.8, 0.2, 1.9, 2.1),
    ),
    "launcher": (
        Part("hull", 0.0, 0.0, 6.9, 3.0, 0.5, 1.4),
        *_pair("track", 0.0, 1.3, 6.4, 0.45, 0.0, 0.9),
        Part("turret", -0.6, 0.0, 2.2, 2.2, 1.4, 2.0),
        Part("cargo", 0.3, 0.0, 3.4, 1.8, 2.0, 2.7),
    ),
    "tank-c": (
        Part("hull", 0.0, 0.0, 6.9, 3.4, 0.5, 1.25),
        *_pair("track", 0.0, 1.45, 6.5, 0.55, 0.0, 0.95),
        Part("turret", 0.0, 0.0, 3.2, 2.5, 1.25, 2.3),
        Part("barrel", 3.8, 0.0, 4.2, 0.3, 1.6, 1.9),
    ),
}
CONFUSERS = ("carrier-d", "launcher", "tank-c")
CLASSES = tuple(name for name in BLUEPRINTS if name not in CONFUSERS)


def generator(*names: object) -> np.random.Generator:
    """Random numbers that belong to a name and not to a user's seed."""
    return np.random.default_rng(zlib.crc32("/".join(map(str, names)).encode()))


def parts(label: str, serial: str) -> tuple[Part, ...]:
    """The boxes of one object: its blueprint, the turret turned, and what this serial carries."""
    rng = generator("parts", label, serial)
    turned = _turn(BLUEPRINTS[label], rng.normal(0.0, 8.0))
    return (*turned, *_load(turned[0], rng))


def _turn(blueprint: tuple[Part, ...], angle: float) -> tuple[Part, ...]:
    """Turn the turret by `angle` degrees, and the barrel after it about the turret's centre."""
    turned: list[Part] = []
    pivot: Part | None = None
    for part in blueprint:
        if part.kind == "turret":
            pivot = part
            part = replace(part, yaw=angle)
        elif part.kind == "barrel" and pivot is not None:
            reach = part.x - pivot.x
            x, y = np.cos(np.radians(angle)) * reach, np.sin(np.radians(angle)) * reach
            part = replace(part, x=pivot.x + x, y=pivot.y + y, yaw=angle)
        turned.append(part)
    return tuple(turned)


def _load(deck: Part, rng: np.random.Generator) -> list[Part]:
    """What a serial carries: drums across the tail, a box on a flank, a roll on the deck, or none of them."""
    tail, flank, roll = rng.random(3) < (0.5, 0.5, 0.5)
    side = rng.choice((-1.0, 1.0))
    along = deck.x + deck.length * rng.uniform(-0.4, 0.2)
    top, edge = deck.top, side * deck.width / 2
    boxes = [
        (tail, Part("stowage", deck.x - deck.length / 2, 0.0, 0.6, 1.8, top - 0.5, top + 0.15)),
        (flank, Part("stowage", along, edge, 1.2, 0.4, top - 0.5, top + 0.1)),
        (roll, Part("stowage", deck.x - deck.length * 0.3, -side * 0.5, 1.0, 0.4, top, top + 0.35)),
    ]
    return [box for carried, box in boxes if carried]
