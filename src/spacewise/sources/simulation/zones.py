"""Local climate zones as surfaces, and the cities that they lie in.

The ranges follow Stewart and Oke, Local Climate Zones for Urban Temperature Studies (2012), tables 3 and 4:
shares of building, paved and other ground, height of what stands on it. Nothing here depends on a user's seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

Range = tuple[float, float]
Colour = tuple[float, float, float]  # reflectance in red, green, blue


LOW, MID, HIGH = (4.0, 8.0), (12.0, 21.0), (28.0, 60.0)  # metres, of buildings
FEW, REST, UNEVEN = (0.0, 0.03), (0.1, 0.5), (0.0, 0.4)


class Zone(NamedTuple):
    """What the surface of a zone may be: lowest and highest value of each property of a patch.

    Attributes:
        built, paved, trees, water: shares of the ground that they cover.
        bare: share of soil in the ground that is left; the rest of it is green.
        canopy: height of trees and bushes in metres.
        height: of buildings, metres.
        length: longer side of buildings in metres; of parcels where there are hardly any buildings.
        ratio: shorter to longer side.
        order: 1 where buildings stand in line and are alike, 0 where they stand anyhow.
        metal: how much their walls and fittings send back, 1 for a plain wall.
        parcel: how much neighbouring parcels of ground differ.
    """

    built: Range
    paved: Range
    trees: Range
    water: Range = (0.0, 0.0)
    bare: Range = REST
    canopy: Range = (5.0, 12.0)
    height: Range = LOW
    length: Range = (60.0, 150.0)
    ratio: Range = (0.6, 1.0)
    order: Range = (0.3, 1.0)
    metal: Range = (0.7, 1.2)
    parcel: Range = UNEVEN


SURFACES = {
    "compact high-rise": Zone((0.38, 0.58), (0.35, 0.50), (0.00, 0.07), height=HIGH, length=(25, 50)),
    "compact mid-rise": Zone((0.40, 0.65), (0.30, 0.50), (0.00, 0.09), height=MID, length=(14, 28)),
    "compact low-rise": Zone((0.46, 0.66), (0.25, 0.42), (0.00, 0.12), length=(9, 15), bare=(0.1, 0.5)),
    "open high-rise": Zone((0.20, 0.36), (0.25, 0.40), (0.08, 0.28), height=HIGH, length=(25, 45)),
    "open mid-rise": Zone((0.20, 0.36), (0.25, 0.42), (0.08, 0.30), height=MID, length=(35, 75), ratio=(0.2, 0.4)),
    "open low-rise": Zone((0.20, 0.36), (0.18, 0.38), (0.16, 0.40), length=(9, 18)),
    "lightweight low-rise": Zone(
        (0.55, 0.80), (0.00, 0.14), (0.00, 0.10), height=(2, 4), length=(5, 9), order=(0, 0.4), bare=(0.6, 1)
    ),
    "large low-rise": Zone(
        (0.28, 0.50), (0.35, 0.50), (0.00, 0.08), height=(4, 11), length=(50, 110), ratio=(0.4, 0.8), metal=(1, 2)
    ),
    "sparsely built": Zone((0.07, 0.18), (0.04, 0.18), (0.10, 0.40), length=(9, 22), order=(0, 0.5), bare=(0, 0.35)),
    "heavy industry": Zone(
        (0.18, 0.33), (0.25, 0.45), (0.00, 0.08), height=(5, 18), length=(10, 32), bare=(0.5, 1), metal=(2, 6)
    ),
    "dense trees": Zone(FEW, FEW, (0.85, 1.00), FEW, canopy=(6, 25)),
    "scattered trees": Zone(FEW, FEW, (0.15, 0.45), FEW, canopy=(4, 14), bare=(0, 0.3)),
    "bush or scrub": Zone(FEW, FEW, (0.30, 0.75), FEW, canopy=(0.6, 2.0), bare=(0.6, 1)),
    "low plants": Zone(FEW, FEW, (0.00, 0.10), FEW, bare=(0, 0.3), parcel=(0.5, 1)),
    "bare rock or paved": Zone(FEW, (0.75, 0.97), (0.00, 0.07), FEW, bare=(0.5, 1.0)),
    "bare soil or sand": Zone(FEW, (0.00, 0.08), (0.00, 0.07), FEW, bare=(0.8, 1.0)),
    "water": Zone(FEW, FEW, FEW, (0.75, 1.00)),
}
# what a zone borders on in a town and shades into: a patch has something of one of them
NEIGHBOURS = {
    "compact high-rise": ("compact mid-rise", "open high-rise"),
    "compact mid-rise": ("compact high-rise", "compact low-rise", "open mid-rise"),
    "compact low-rise": ("lightweight low-rise", "open low-rise", "compact mid-rise"),
    "open high-rise": ("open mid-rise", "compact high-rise"),
    "open mid-rise": ("open high-rise", "compact mid-rise", "open low-rise"),
    "open low-rise": ("sparsely built", "compact low-rise", "open mid-rise"),
    "lightweight low-rise": ("compact low-rise", "open low-rise"),
    "large low-rise": ("heavy industry", "open mid-rise", "compact low-rise"),
    "sparsely built": ("open low-rise", "scattered trees", "low plants"),
    "heavy industry": ("large low-rise", "bare rock or paved"),
    "dense trees": ("scattered trees", "bush or scrub"),
    "scattered trees": ("dense trees", "low plants", "sparsely built"),
    "bush or scrub": ("low plants", "scattered trees", "bare soil or sand"),
    "low plants": ("bush or scrub", "scattered trees", "bare soil or sand"),
    "bare rock or paved": ("bare soil or sand", "large low-rise"),
    "bare soil or sand": ("bare rock or paved", "low plants"),
    "water": ("low plants", "bare soil or sand"),
}


class City(NamedTuple):
    """What the patches of one city share.

    Attributes:
        roofs: two roof colours.
        soil, green, water: colours of the ground.
        grid: direction of the streets against the rows of a picture, degrees.
        disorder: standard deviation of that between patches, degrees.
        sun: its elevation, degrees.
        haze: reflectance that the air adds in blue.
        gain: of the radar, decibels.
        incidence: of the radar, degrees from the vertical.
    """

    roofs: tuple[Colour, Colour]
    soil: Colour
    green: Colour
    water: Colour
    grid: float
    disorder: float
    sun: float
    haze: float
    gain: float
    incidence: float


TILE, SLATE, TIN = (0.21, 0.13, 0.10), (0.12, 0.12, 0.13), (0.27, 0.28, 0.30)
CONCRETE, BITUMEN, WHITE = (0.22, 0.21, 0.19), (0.09, 0.09, 0.09), (0.33, 0.32, 0.30)
SAND, LOAM, LATERITE, CLAY = (0.30, 0.25, 0.18), (0.16, 0.12, 0.09), (0.24, 0.14, 0.09), (0.20, 0.17, 0.14)
LUSH, MEADOW, DRY, EVERGREEN = (0.05, 0.08, 0.04), (0.07, 0.10, 0.05), (0.10, 0.11, 0.06), (0.04, 0.06, 0.04)
CLEAR, SILTY, ALGAL = (0.02, 0.03, 0.04), (0.08, 0.08, 0.06), (0.03, 0.05, 0.03)

CITIES = {
    "city-01": City((TILE, SLATE), LOAM, MEADOW, CLEAR, 10, 8, 45, 0.020, 0.0, 36),
    "city-02": City((CONCRETE, BITUMEN), CLAY, LUSH, SILTY, 0, 4, 60, 0.035, 1.0, 33),
    "city-03": City((WHITE, CONCRETE), SAND, DRY, CLEAR, 32, 12, 65, 0.015, -1.0, 40),
    "city-04": City((TIN, TILE), LATERITE, LUSH, SILTY, 20, 20, 55, 0.030, 0.5, 35),
    "city-05": City((SLATE, BITUMEN), LOAM, EVERGREEN, ALGAL, 44, 6, 35, 0.025, -0.5, 42),
    "city-06": City((TILE, WHITE), CLAY, DRY, CLEAR, 76, 10, 50, 0.020, 0.5, 38),
    "city-07": City((CONCRETE, TIN), SAND, MEADOW, SILTY, 60, 15, 60, 0.040, -0.5, 31),
    "city-08": City((BITUMEN, TIN), LOAM, MEADOW, ALGAL, 5, 3, 40, 0.025, 0.0, 44),
    "city-09": City((TILE, CONCRETE), LOAM, LUSH, SILTY, 25, 10, 48, 0.030, 0.8, 39),
    "city-10": City((BITUMEN, WHITE), SAND, MEADOW, ALGAL, 3, 6, 58, 0.018, -0.8, 34),
    "city-11": City((TIN, CONCRETE), CLAY, DRY, CLEAR, 52, 15, 62, 0.035, 0.3, 41),
    "city-12": City((SLATE, TILE), LATERITE, EVERGREEN, SILTY, 82, 8, 42, 0.022, -0.3, 37),
}
NEW_CITIES = ("city-09", "city-10", "city-11", "city-12")  # tested, never trained on

MIXED = 0.25  # largest share of a neighbouring zone in a patch's properties


class Structure(NamedTuple):
    """The properties of Zone, a number a patch: arrays (patch, 1, 1)."""

    built: np.ndarray
    paved: np.ndarray
    trees: np.ndarray
    water: np.ndarray
    bare: np.ndarray
    canopy: np.ndarray
    height: np.ndarray
    length: np.ndarray
    ratio: np.ndarray
    order: np.ndarray
    metal: np.ndarray
    parcel: np.ndarray


DRAWN = len(Zone._fields) + 2  # random numbers that the properties of a patch need


def structure(labels: Sequence[str], uniform: np.ndarray) -> Structure:
    """Properties of patches of the zones `labels`, from random numbers (patch, DRAWN) in 0 to 1."""
    others = [NEIGHBOURS[label][int(u * len(NEIGHBOURS[label]))] for label, u in zip(labels, uniform[:, 0])]
    own, other = (np.array([SURFACES[label] for label in names], np.float32) for names in (labels, others))
    share = (MIXED * uniform[:, 1] ** 2)[:, None, None]
    low, high = np.moveaxis((1 - share) * own + share * other, 2, 0)
    values = (low + uniform[:, 2:] * (high - low)).astype(np.float32)
    return Structure(*values.T[:, :, None, None])
