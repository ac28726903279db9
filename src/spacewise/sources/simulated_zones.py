"""Simulated pairs of optical and radar patches of local climate zones, in twelve cities."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass, field
from numbers import Integral

import numpy as np
import pandas as pd

from spacewise.describe import described
from spacewise.errors import InputError, unknown
from spacewise.sources.simulation.patches import optical, radar
from spacewise.sources.simulation.zones import CITIES, NEW_CITIES
from spacewise.sources.source import Source
from spacewise.sources.zones import zone_set

VERSION = 1
BLOCK = 16  # patches that are rendered together
VIEWS = {"radar": radar, "optical": optical}

HOMES = tuple(city for city in CITIES if city not in NEW_CITIES)


@described
def simulated_zones(per_class: int = 400, seed: int = 0, view: str = "radar", classes: str = "all") -> Source:
    """Patches of local climate zones, 320 m wide: `per_class` to train, a quarter as many from other cities to test.

    The same scenes are seen by two sensors, as in So2Sat LCZ42. Zones and cities are the same for every seed.
    A patch depends on `seed` and its id, not on `per_class`, `classes` nor on what was read before.

    Args:
        per_class: training patches a class, at least 16.
        seed: of layouts, materials, noise and speckle.
        view: `"optical"`, reflectance in red, green and blue (3, 32, 32), or `"radar"`, real and imaginary
            part of single-look C-band VV backscatter (2, 32, 32), its speckle unfiltered; both float32,
            10 m a pixel, with the same facts in the same order.
        classes: a set of zones, `"all"` (17), `"urban"` (10) or `"low-rise"` (4).

    Returns:
        Source with the facts id, label (zone), city and split: `train` in eight cities, `test` in four others.

    Raises:
        InputError: a parameter is out of range or unknown.
    """
    _check(per_class, seed, view)
    zones = zone_set(classes)
    parts = [("train", per_class, HOMES), ("test", per_class // 4, NEW_CITIES)]
    facts = pd.concat([_facts(zone, *part) for part in parts for zone in zones], ignore_index=True)
    parameters = f"{VERSION}:{per_class}:{seed}:{view}:{classes}"
    stamp = hashlib.sha256(parameters.encode()).hexdigest()[:20]
    return Source("simulated-zones", facts, _Renderer(facts, seed, view), stamp=stamp)


def _check(per_class: int, seed: int, view: str) -> None:
    for name, value, low, high in (("per_class", per_class, 16, 99_999), ("seed", seed, 0, 2**63)):
        if isinstance(value, bool) or not isinstance(value, Integral) or not low <= value <= high:
            raise InputError(f"simulated-zones: {name} is {value!r}, expected a whole number from {low} to {high}")
    if view not in VIEWS:
        raise unknown("view", view, VIEWS)


def _facts(zone: str, split: str, count: int, cities: tuple[str, ...]) -> pd.DataFrame:
    places = [cities[number % len(cities)] for number in range(count)]
    names = [f"{zone.replace(' ', '-')}/{city}/{number:05d}" for number, city in enumerate(places)]
    return pd.DataFrame({"id": names, "label": zone, "city": places, "split": split})


@dataclass(frozen=True)
class _Renderer:
    """Reads patch `index`; renders a block of patches at its first use and keeps it."""

    facts: pd.DataFrame
    seed: int
    view: str
    blocks: dict[int, np.ndarray] = field(default_factory=dict)

    def __call__(self, index: int) -> np.ndarray:
        if not 0 <= index < len(self.facts):
            raise InputError(f"simulated-zones: no sample {index}, expected 0 to {len(self.facts) - 1}")
        block, place = divmod(index, BLOCK)
        if block not in self.blocks:
            self.blocks[block] = self._rendered(self.facts.iloc[block * BLOCK : (block + 1) * BLOCK])
        return self.blocks[block][place].copy()

    def _rendered(self, rows: pd.DataFrame) -> np.ndarray:
        rngs = [np.random.default_rng([self.seed, zlib.crc32(name.encode())]) for name in rows["id"]]
        return VIEWS[self.view](list(rows["label"]), [CITIES[city] for city in rows["city"]], rngs)
