"""Local climate zones (Stewart and Oke 2012), numbered as in So2Sat LCZ42, and the sets of them that are compared."""

from __future__ import annotations

from spacewise.errors import unknown

ZONES = (
    "compact high-rise",
    "compact mid-rise",
    "compact low-rise",
    "open high-rise",
    "open mid-rise",
    "open low-rise",
    "lightweight low-rise",
    "large low-rise",
    "sparsely built",
    "heavy industry",
    "dense trees",
    "scattered trees",
    "bush or scrub",
    "low plants",
    "bare rock or paved",
    "bare soil or sand",
    "water",
)
# the paper on optical-to-radar transfer names its sets but does not list them: the low-rise one is inferred from names
SETS = {"all": tuple(range(17)), "urban": tuple(range(10)), "low-rise": (2, 5, 6, 7)}


def zone_set(name: str) -> tuple[str, ...]:
    """Names of the zones of a set, in So2Sat's order; `InputError` for an unknown set."""
    if name not in SETS:
        raise unknown("set of local climate zones", name, SETS)
    return tuple(ZONES[number] for number in SETS[name])
