"""Which classes two folders of scenes share, and what they are called in each."""

from __future__ import annotations

import re
from collections.abc import Iterable

from spacewise.errors import InputError

# UC Merced's name, AID's name: the same kind of place in both. Left out: what only looks related (airplane is an
# object, Airport a place; buildings may be Commercial or Center)
PAIRS = (
    ("agricultural", "farmland"),
    ("baseballdiamond", "baseballfield"),
    ("harbor", "port"),
    ("overpass", "viaduct"),
    ("parkinglot", "parking"),
)
SYNONYMS = {name: pair[0] for pair in PAIRS for name in pair}


def common_name(name: str) -> str:
    """A class by one name: lower case, letters and digits only, UC Merced's word where AID has another."""
    plain = re.sub(r"[^0-9a-z]", "", name.lower())
    return SYNONYMS.get(plain, plain)


def shared_classes(source: Iterable[str], target: Iterable[str]) -> tuple[dict[str, str], dict[str, str]]:
    """The shared classes: folder name -> common name, of the source and of the target.

    Raises:
        InputError: fewer than two are shared.
    """
    ours, theirs = ({name: common_name(name) for name in names} for names in (source, target))
    shared = set(ours.values()) & set(theirs.values())
    if len(shared) < 2:
        named = f": {', '.join(sorted(shared))}" if shared else ""
        raise InputError(
            f"source and target share {len(shared)} classes{named}, two are needed; "
            f"there are {', '.join(sorted(ours)[:5])} … and {', '.join(sorted(theirs)[:5])} …"
        )
    return tuple({k: v for k, v in names.items() if v in shared} for names in (ours, theirs))  # type: ignore[return-value]
