"""Simulated radar chips: ten classes of vehicles, four serials each, three confusers, on twelve sites."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from spacewise.errors import InputError, unknown
from spacewise.sources import rendering
from spacewise.sources.rendering import Site, Views
from spacewise.sources.source import Source
from spacewise.sources.vehicles import CLASSES, CONFUSERS, HELD_OUT, SERIALS

VERSION = 1
BLOCK = 64
RENDERERS = {"radar": rendering.radar, "optical": rendering.optical}
SEEN = tuple(serial for serial in SERIALS if serial not in HELD_OUT)
JITTER = 0.3

SITES = {
    "site-01": Site(9.0, 0.10, 1.0, 1.0, (0.42, 0.47, 0.28)),
    "site-02": Site(6.0, 0.20, 3.0, 3.0, (0.55, 0.48, 0.34)),
    "site-03": Site(12.0, 0.15, 2.0, 2.0, (0.33, 0.45, 0.22)),
    "site-04": Site(7.5, 0.30, 6.0, 1.5, (0.50, 0.42, 0.28)),
    "site-05": Site(5.0, 0.10, 1.5, 1.5, (0.62, 0.57, 0.44)),
    "site-06": Site(10.5, 0.35, 5.0, 5.0, (0.38, 0.42, 0.25)),
    "site-07": Site(8.0, 0.25, 1.5, 6.0, (0.47, 0.40, 0.26)),
    "site-08": Site(6.5, 0.40, 8.0, 8.0, (0.57, 0.52, 0.38)),
    "site-09": Site(14.0, 0.30, 3.0, 3.0, (0.28, 0.38, 0.20)),
    "site-10": Site(4.0, 0.25, 4.0, 4.0, (0.58, 0.55, 0.50)),
    "site-11": Site(7.0, 0.45, 2.5, 2.5, (0.45, 0.44, 0.36)),
    "site-12": Site(11.0, 0.20, 7.0, 2.0, (0.40, 0.50, 0.33)),
}
HOMES = len(CLASSES)


def simulated(per_class: int = 240, seed: int = 0, size: int = 64, clutter_bias: float = 0.3, view: str = "radar") -> Source:
    facts, poses = _draw(per_class, seed, clutter_bias)
    name = "simulated"
    text = f"{VERSION}:{per_class}:{seed}:{size}:{clutter_bias}:{view}"
    return Source(name, facts, _Reader(facts, poses, seed, size, view), None, hashlib.sha256(text.encode()).hexdigest()[:20], "crop", "magnitude" if view == "radar" else "intensity")


def _draw(per_class, seed, bias):
    tables, poses = [], []
    for role, depression, labels, count, serials in (
        ("train", 17, CLASSES, per_class, SEEN),
        ("test", 15, CLASSES, per_class // 2, SERIALS),
        ("confuser", 15, CONFUSERS, per_class // 2, SERIALS),
    ):
        for index, label in enumerate(labels):
            rng = np.random.default_rng([seed, depression, index, role == "confuser"])
            u = rng.random((count, 6))
            n = np.arange(count)
            serial = np.array(serials)[n % len(serials)]
            sites = HOMES if role == "train" else len(SITES)
            site = np.floor(u[:, 1] * sites).astype(int)
            if role == "train":
                site = np.where(u[:, 2] < bias, index, site)
            tables.append(pd.DataFrame({
                "id": [f"{label}/{s}/{depression}/{i:05d}" for i, s in zip(n, serial)],
                "label": label, "serial": serial, "depression": depression, "aspect": 360 * u[:, 0],
                "scene": np.array(list(SITES))[site], "role": role}))
            poses.append(np.column_stack([(u[:, 3] * 2 - 1) * JITTER, (u[:, 4] * 2 - 1) * JITTER, np.exp(0.3 * (u[:, 5] * 2 - 1))]))
    return pd.concat(tables, ignore_index=True), np.concatenate(poses)


@dataclass(frozen=True)
class _Reader:
    facts: pd.DataFrame
    poses: np.ndarray
    seed: int
    size: int
    view: str
    blocks: dict[int, np.ndarray] = field(default_factory=dict)

    def __call__(self, index: int) -> np.ndarray:
        block, within = divmod(index, BLOCK)
        if block not in self.blocks:
            self.blocks[block] = self._render(block)
        return self.blocks[block][within].copy()

    def _render(self, block):
        rows = slice(block * BLOCK, (block + 1) * BLOCK)
        f = self.facts.iloc[rows]; p = self.poses[rows]
        views = Views(list(f["label"]), list(f["serial"]), [SITES[s] for s in f["scene"]], f["aspect"].to_numpy(), f["depression"].to_numpy(), p[:, 0], p[:, 1], p[:, 2])
        rngs = [np.random.default_rng([self.seed, 1000 + i]) for i in f.index]
        return RENDERERS[self.view](views, self.size, rngs)
