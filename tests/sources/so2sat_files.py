"""Write tiny So2Sat LCZ42 sets in the true layouts of versions 2, 3 and 4."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

# zones of the samples of each file, numbered from 0; all of `low-rise` (2, 5, 6, 7) but 6 are among them
ZONES = {"training": (2, 16, 5, 0, 2, 10, 7), "validation": (1, 2, 16), "testing": (5, 9, 12, 7)}
CITIES = {
    "training": ("berlin", "berlin", "cairo", "cairo", "riodejaneiro", "riodejaneiro", "zurich"),
    "validation": ("munich", "munich", "sydney"),
    "testing": ("munich", "sydney", "sydney", "sydney"),
}


def patches(name: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Radar (sample, 32, 32, 8), signed with heavy tails, and reflectance (sample, 32, 32, 10) of a file."""
    generator = np.random.default_rng(sum(name.encode()))
    radar = 0.1 * generator.standard_t(2, (count, 32, 32, 8))
    return radar, generator.integers(0, 12_000, (count, 32, 32, 10)) / 10_000


def write_patches(file: Path, zones: Sequence[int]) -> Path:
    """`sen1`, `sen2` and one-hot `label`, all float64, as published."""
    import h5py

    file.parent.mkdir(parents=True, exist_ok=True)
    radar, reflectance = patches(f"{file.parent.name}/{file.stem}", len(zones))
    with h5py.File(file, "w") as opened:
        opened["label"] = np.eye(17)[list(zones)]
        opened["sen1"], opened["sen2"] = radar, reflectance
    return file


def write_place(file: Path, cities: Sequence[str]) -> Path:
    """`coord`, `epsg`, `tfw` as float64 and `city` as text of fixed length, as published."""
    import h5py

    with h5py.File(file, "w") as opened:
        opened["city"] = np.array(cities, "S12")
        opened["coord"], opened["tfw"] = np.ones((len(cities), 6)), np.ones((len(cities), 6))
        opened["epsg"] = np.full((len(cities), 1), 32633.0)
    return file


def write_version_2(root: Path) -> Path:
    """`training.h5`, `validation.h5`, `testing.h5`."""
    for name, zones in ZONES.items():
        write_patches(root / f"{name}.h5", zones)
    return root


def write_version_3(root: Path, parts: Sequence[str] = ("random", "block", "culture_10")) -> Path:
    """`training.h5` and `testing.h5` in a folder a part."""
    for part in parts:
        for name in ("training", "testing"):
            write_patches(root / part / f"{name}.h5", ZONES[name])
    return root


def write_version_4(root: Path) -> Path:
    """Version 2 and a `_geo.h5` beside each file."""
    write_version_2(root)
    for name, cities in CITIES.items():
        write_place(root / f"{name}_geo.h5", cities)
    return root
