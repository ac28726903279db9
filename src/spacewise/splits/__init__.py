"""Which samples train, validate, test or confuse. `SPLITS` is the table that an experiment reads."""

from collections.abc import Callable

from spacewise.sources.source import Source
from spacewise.splits.disjoint import class_disjoint
from spacewise.splits.drawn import kfold, stratified
from spacewise.splits.facts import by_fact, folders, mstar_confusers, mstar_seen_unseen, roles
from spacewise.splits.split import Part, Split, hold_out, select

SPLITS: dict[str, Callable[..., Split]] = {
    "by-fact": by_fact,
    "mstar-seen-unseen": mstar_seen_unseen,
    "mstar-confusers": mstar_confusers,
    "roles": roles,
    "folders": folders,
    "stratified": stratified,
    "kfold": kfold,
    "class-disjoint": class_disjoint,
}


def default(source: Source) -> str:
    """The name of the split that a source is made for."""
    if "protocol" in source.facts:
        return "class-disjoint"
    if source.name == "mstar":
        return "mstar-seen-unseen"
    if source.name == "simulated":
        return "roles"
    return "folders" if {"train", "test"} <= set(source.facts.get("split", ())) else "stratified"


__all__ = [
    "SPLITS",
    "Part",
    "Split",
    "by_fact",
    "class_disjoint",
    "default",
    "folders",
    "hold_out",
    "kfold",
    "mstar_confusers",
    "mstar_seen_unseen",
    "roles",
    "select",
    "stratified",
]
