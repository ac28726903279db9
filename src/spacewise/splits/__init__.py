"""Which samples train, with or without labels, validate, test or confuse. `SPLITS` is what an experiment reads."""

from collections.abc import Callable

from spacewise.sources.source import Source
from spacewise.splits.disjoint import class_disjoint
from spacewise.splits.drawn import hold_out, kfold, stratified
from spacewise.splits.facts import by_fact, folders, mstar_confusers, mstar_seen_unseen, roles
from spacewise.splits.few_label import few_label
from spacewise.splits.group import group_disjoint
from spacewise.splits.split import Part, Split, leaks_across, restricted, select

SPLITS: dict[str, Callable[..., Split]] = {
    "by-fact": by_fact,
    "mstar-seen-unseen": mstar_seen_unseen,
    "mstar-confusers": mstar_confusers,
    "roles": roles,
    "folders": folders,
    "stratified": stratified,
    "kfold": kfold,
    "class-disjoint": class_disjoint,
    "group-disjoint": group_disjoint,
    "few-label": few_label,
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
    "few_label",
    "folders",
    "group_disjoint",
    "hold_out",
    "kfold",
    "leaks_across",
    "mstar_confusers",
    "mstar_seen_unseen",
    "restricted",
    "roles",
    "select",
    "stratified",
]
