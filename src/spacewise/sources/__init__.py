"""Sources of samples. `SOURCES` is the table that an experiment reads."""

import os
import re
from collections.abc import Callable
from pathlib import Path

from spacewise.errors import InputError, unknown
from spacewise.sources.cars import cars
from spacewise.sources.cars import holds as holds_cars
from spacewise.sources.cifar import cifar
from spacewise.sources.cifar import holds as holds_cifar
from spacewise.sources.cub import cub
from spacewise.sources.cub import holds as holds_cub
from spacewise.sources.folder import folder
from spacewise.sources.listed import homes
from spacewise.sources.masks import Masks, masks
from spacewise.sources.mstar import mstar
from spacewise.sources.products import holds as holds_products
from spacewise.sources.products import products
from spacewise.sources.simulated import simulated
from spacewise.sources.simulated_zones import simulated_zones
from spacewise.sources.so2sat import holds as holds_so2sat
from spacewise.sources.so2sat import so2sat
from spacewise.sources.source import Source
from spacewise.sources.svhn import holds as holds_svhn
from spacewise.sources.svhn import svhn
from spacewise.sources.tiny_imagenet import holds as holds_tiny_imagenet
from spacewise.sources.tiny_imagenet import tiny_imagenet

SOURCES: dict[str, Callable[..., Source]] = {
    "folder": folder,
    "mstar": mstar,
    "cars": cars,
    "cub": cub,
    "products": products,
    "cifar": cifar,
    "svhn": svhn,
    "tiny-imagenet": tiny_imagenet,
    "so2sat": so2sat,
    "simulated": simulated,
    "simulated-zones": simulated_zones,
}
SIMULATED = ("simulated", "simulated-zones")
# told by files that only they have
MARKED = {
    "cub": holds_cub,
    "products": holds_products,
    "cars": holds_cars,
    "cifar": holds_cifar,
    "svhn": holds_svhn,
    "tiny-imagenet": holds_tiny_imagenet,
    "so2sat": holds_so2sat,
}

__all__ = [
    "SOURCES",
    "Masks",
    "Source",
    "cars",
    "cifar",
    "cub",
    "folder",
    "masks",
    "mstar",
    "open_source",
    "products",
    "recognise",
    "simulated",
    "simulated_zones",
    "so2sat",
    "svhn",
    "tiny_imagenet",
]


def recognise(root: str | Path) -> str:
    """The format of a folder by its look.

    `cub`, `products`, `cars`, `cifar`, `svhn`, `tiny-imagenet`, `so2sat` where the folder, or one directly in it,
    holds files that only that set has; `mstar` where a folder is named like `17_DEG`; else `folder`.

    Raises:
        InputError: the folder holds several of these sets.
    """
    sets = [(name, home) for name, holds in MARKED.items() for home in homes(Path(root), holds)]
    if len(sets) > 1:
        found = ", ".join(f"{name} in {home}" for name, home in sets)
        raise InputError(f"{root} holds several data sets ({found}), expected the folder of one")
    if sets:
        return sets[0][0]
    for place, folders, _ in os.walk(root):
        if any(re.fullmatch(r"\d+_DEG", name, re.IGNORECASE) for name in [Path(place).name, *folders]):
            return "mstar"
    return "folder"


def open_source(data: str, name: str = "") -> Source:
    """Opens a folder in the format that is named, or recognised; `simulated` and `simulated-zones` need none.

    Raises:
        InputError: no folder is given, or the format is unknown.
    """
    if data in SIMULATED and name in ("", data):
        return SOURCES[data]()
    if not data:
        raise InputError("--data is missing: a folder of images, or simulated")
    if name and name not in SOURCES:
        raise unknown("source", name, SOURCES)
    return SOURCES[name or recognise(data)](data)
