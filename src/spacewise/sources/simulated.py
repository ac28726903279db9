"""Simulated radar chips: ten classes of vehicles in four serials each, three confusers, on twelve sites."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass, field
from numbers import Integral, Real

import numpy as np
import pandas as pd

from spacewise.describe import described
from spacewise.errors import InputError, unknown
from spacewise.sources.simulation.rendering import Poses, optical, radar
from spacewise.sources.simulation.terrain import NEW_SITES, SITES
from spacewise.sources.simulation.vehicles import CLASSES, CONFUSERS, HELD_OUT, SERIALS
from spacewise.sources.source import Source

VERSION = 1
BLOCK = 64  # chips that are rendered together
VIEWS = {"radar": (radar, "magnitude"), "optical": (optical, "intensity")}
OFFSET = 0.3  # metres that a vehicle stands off the centre at most, in each direction
GAIN = 0.15  # largest change of the logarithm of a chip's amplitude

SEEN = tuple(serial for serial in SERIALS if serial not in HELD_OUT)
HOMES = tuple(site for site in SITES if site not in NEW_SITES)


@dataclass(frozen=True)
class Role:
    """Which part of the chips this is: recorded at one depression angle, of these objects, on these sites."""

    name: str
    depression: int
    labels: tuple[str, ...]
    serials: tuple[str, ...]
    sites: tuple[str, ...]
    share: float


ROLES = (
    Role("train", 17, CLASSES, SEEN, HOMES, 1.0),
    Role("test", 15, CLASSES, SERIALS, tuple(SITES), 0.5),
    Role("confuser", 15, CONFUSERS, SERIALS, tuple(SITES), 0.5),
)


@described
def simulated(
    per_class: int = 240, seed: int = 0, size: int = 64, clutter_bias: float = 0.3, view: str = "radar"
) -> Source:
    """Chips of ten vehicle classes with the traps of measured ones: `per_class` to train, half to test.

    Role `train` is at 17 degrees depression and of serials s1 and s2; `test` at 15 degrees and of s1 to s4,
    of which s3 and s4 were never trained on, also on two sites that were not; `confuser` is as `test`, of
    three other classes. Vehicles and sites are the same for every seed. A chip depends on `seed` and its id
    (and on `clutter_bias` for its site in training), not on `per_class` nor on what was read before.

    Args:
        per_class: training chips a class, at least 8.
        seed: of aspects, sites, positions and speckle.
        size: rows and columns of a chip, 0.2 m a pixel; 32 to 512. Vehicles are up to 9 m long.
        clutter_bias: chance that a training chip lies on its class's own site, else on any; 0 to 1.
        view: `"radar"`, magnitude (1, size, size), or `"optical"`, the same scenes from above
            (3, size, size); both uint8, with the same facts in the same order.

    Returns:
        Source with the facts id, label, serial, depression (degrees), aspect (direction of the radar seen
        from the vehicle, counter-clockwise from its nose, degrees), scene (site) and role.

    Raises:
        InputError: a parameter is out of range.
    """
    _check(per_class, seed, size, clutter_bias, view)
    groups = [(role, label) for role in ROLES for label in role.labels]
    tables = [_drawn(role, label, int(per_class * role.share), seed, clutter_bias) for role, label in groups]
    drawn = pd.concat(tables, ignore_index=True)
    facts = drawn.drop(columns=["away", "cross", "gain"])
    parameters = f"{VERSION}:{per_class}:{seed}:{size}:{float(clutter_bias)}:{view}"
    stamp = hashlib.sha256(parameters.encode()).hexdigest()[:20]
    reader = _Renderer(drawn, seed, size, view)
    return Source("simulated", facts, reader, stamp=stamp, amplitude=VIEWS[view][1])


def _check(per_class: int, seed: int, size: int, clutter_bias: float, view: str) -> None:
    bounds = {"per_class": (per_class, 8, 99_999), "seed": (seed, 0, 2**63), "size": (size, 32, 512)}
    for name, (value, low, high) in bounds.items():
        if isinstance(value, bool) or not isinstance(value, Integral) or not low <= value <= high:
            raise InputError(f"simulated: {name} is {value!r}, expected a whole number from {low} to {high}")
    if isinstance(clutter_bias, bool) or not isinstance(clutter_bias, Real) or not 0 <= clutter_bias <= 1:
        raise InputError(f"simulated: clutter_bias is {clutter_bias!r}, expected a number from 0 to 1")
    if view not in VIEWS:
        raise unknown("view", view, VIEWS)


def _drawn(role: Role, label: str, count: int, seed: int, clutter_bias: float) -> pd.DataFrame:
    """Facts and positions of the chips of one class in one role."""
    rng = _generator(seed, f"{label}/{role.depression}")
    aspect, biased, site, away, cross, gain = rng.random((count, 6)).T
    serials = [role.serials[number % len(role.serials)] for number in range(count)]
    scene = np.array(role.sites)[(site * len(role.sites)).astype(int)]
    if role.name == "train":
        scene = np.where(biased < clutter_bias, HOMES[CLASSES.index(label)], scene)
    names = [f"{label}/{serial}/{role.depression}/{number:05d}" for number, serial in enumerate(serials)]
    return pd.DataFrame(
        {
            "id": names,
            "label": label,
            "serial": serials,
            "depression": role.depression,
            "aspect": 360 * aspect,
            "scene": scene,
            "role": role.name,
            "away": OFFSET * (2 * away - 1),
            "cross": OFFSET * (2 * cross - 1),
            "gain": np.exp(GAIN * (2 * gain - 1)),
        }
    )


def _generator(seed: int, name: str) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


@dataclass(frozen=True)
class _Renderer:
    """Reads chip `index`; renders a block of chips at its first use and keeps it."""

    drawn: pd.DataFrame
    seed: int
    size: int
    view: str
    blocks: dict[int, np.ndarray] = field(default_factory=dict)

    def __call__(self, index: int) -> np.ndarray:
        if not 0 <= index < len(self.drawn):
            raise InputError(f"simulated: no sample {index}, expected 0 to {len(self.drawn) - 1}")
        block, place = divmod(index, BLOCK)
        if block not in self.blocks:
            self.blocks[block] = self._rendered(self.drawn.iloc[block * BLOCK : (block + 1) * BLOCK])
        return self.blocks[block][place].copy()

    def _rendered(self, rows: pd.DataFrame) -> np.ndarray:
        numbers = {name: rows[name].to_numpy() for name in ("depression", "aspect", "away", "cross", "gain")}
        sites = [SITES[site] for site in rows["scene"]]
        poses = Poses(list(rows["label"]), list(rows["serial"]), sites, **numbers)
        rngs = [_generator(self.seed, name) for name in rows["id"]]
        return VIEWS[self.view][0](poses, self.size, rngs)
