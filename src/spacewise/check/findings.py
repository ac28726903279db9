"""What is wrong, and what to do about it: one line each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from spacewise.check.clues import Clue
from spacewise.check.looks import Look, Unreadable
from spacewise.check.twins import Twins, learnt
from spacewise.sources.source import Source
from spacewise.splits.split import labelled

LEVELS = ("error", "warning", "note")  # worst first
FIT = {
    "crop": "nothing: the centre is cropped to the size trained on, mirrored at the edges where too small",
    "resize": "nothing: all are resized to the size trained on",
}


@dataclass(frozen=True)
class Finding:
    """One thing to know before training.

    Attributes:
        level: `error` (training would stop), `warning` (results would mislead), `note`.
        kind: `unreadable`, `skipped`, `classes`, `bands`, `types`, `constant`, `conflict`, `crossing`, `repeat`,
            `similar`, `leak`, `sizes` or `unasked`.
        what: the problem, one line.
        remedy: what to do, one line.
    """

    level: str
    kind: str
    what: str
    remedy: str


def of_files(source: Source, looks: Sequence[Look], unreadable: Sequence[Unreadable]) -> Iterator[Finding]:
    """What is wrong with single images."""
    without = set(source.facts["id"][~labelled(source)])
    fatal = [one for one in unreadable if one.id not in without]
    if fatal:
        what = f"{_count(fatal, 'image')} of {len(source)} cannot be used, such as {fatal[0].id}"
        yield Finding("error", "unreadable", what, "repair or remove them: training stops at the first one")
    skipped = [one for one in unreadable if one.id in without]
    if skipped:
        what = f"{_count(skipped, 'unlabelled image')} of {len(without)} cannot be used, such as {skipped[0].id}"
        yield Finding("note", "skipped", what, "nothing: training skips them; repair them to learn from them")
    flat = [str(source.facts["id"].iat[look.row]) for look in looks if look.constant]
    if flat:
        what = f"{_count(flat, 'image')} hold a single value throughout, such as {flat[0]}"
        yield Finding("warning", "constant", what, "remove them: there is nothing to see")


def of_classes(classes: Mapping[str, int]) -> Iterator[Finding]:
    """What is wrong with the classes' readable samples."""
    present = [name for name, count in classes.items() if count]
    if len(present) < 2:
        names = f", '{present[0]}'" if present else ""
        what = f"{_count(present, 'class', 'classes')} with readable images{names}"
        yield Finding("error", "classes", what, "add a second class: there is nothing to tell apart")
    small = [name for name, count in classes.items() if count < 2]
    if small and len(present) > 1:
        what = f"{_count(small, 'class', 'classes')} with fewer than 2 readable images: {_list(small)}"
        remedy = "add images or leave the class out: one has to train, one to validate or test"
        yield Finding("error", "classes", what, remedy)


def of_formats(source: Source, looks: Sequence[Look]) -> Iterator[Finding]:
    """What differs between images that a batch needs to be the same."""
    bands = Counter(look.shape[0] for look in looks)
    if len(bands) > 1:
        held = ", ".join(f"{band} in {_count(count, 'image')}" for band, count in bands.most_common())
        remedy = "convert all images to the same bands: training refuses a mixture"
        yield Finding("error", "bands", f"different numbers of bands: {held}", remedy)
    types = Counter(look.dtype for look in looks)
    if len(types) > 1 and "uint8" in types:
        held = ", ".join(f"{kind} in {_count(count, 'image')}" for kind, count in types.most_common())
        remedy = "save all images in one type: training refuses 8-bit beside others"
        yield Finding("error", "types", f"different types of values: {held}", remedy)
    sizes = {look.shape[1:] for look in looks}
    if len(sizes) > 1:
        low, high = (" x ".join(map(str, pick(sizes))) for pick in (min, max))
        what = f"{len(sizes)} native sizes, from {low} to {high}"
        yield Finding("note", "sizes", what, FIT[source.fit])


def of_twins(twins: Sequence[Twins], complete: bool, part: str) -> Iterator[Finding]:
    """What pictures that are there more than once would do."""
    conflicts = [group for group in twins if group.conflict]
    if conflicts:
        what = f"{_count(conflicts, 'picture')} with different labels: {_example(conflicts, 'labels')}"
        yield Finding("warning", "conflict", what, "decide which label is right and remove the other copies")
    crossings = [group for group in twins if group.crossing]
    if crossings:
        what = f"{_count(crossings, 'picture')} in more than one {part}: {_example(crossings, 'parts')}"
        remedy = "remove the copies from all but one: a test must not ask for what was learnt by heart"
        yield Finding("warning", "crossing", what, remedy)
    rest = [group for group in twins if not group.conflict and not group.crossing]
    repeats = [group for group in rest if group.kind != "similar"]
    if repeats:
        what = f"{_count(repeats, 'picture')} stored more than once: {_example(repeats)}"
        yield Finding("warning", "repeat", what, "keep one of each, or a random split puts copies on both sides")
    similar = [group for group in rest if group.kind == "similar"]
    if similar:
        what = f"{_count(similar, 'picture')} stored in nearly identical copies: {_example(similar)}"
        yield Finding("warning", "similar", what, "look at them, and keep one where they are the same")
    if not complete:
        what = "so many images look alike that only identical ones were looked for"
        yield Finding("note", "unasked", what, "split by a fact (place, flight, video) that parts do not share")


def of_clues(clues: Sequence[Clue]) -> Iterator[Finding]:
    """What gives the class away."""
    for clue in clues:
        if clue.verdict == "leak":
            right, chance = f"{clue.accuracy:.0%}", f"{clue.chance:.0%}"
            what = f"{clue.name}: enough to tell the class of {right} of the images (chance {chance})"
            yield Finding("warning", "leak", what, clue.remedy)
    if not clues:
        what = "whether anything gives the class away could not be asked"
        yield Finding("note", "unasked", what, "it takes two classes of 5 images or more, and 20 images in all")


def _count(things: Sequence[object] | int, one: str, many: str = "") -> str:
    number = things if isinstance(things, int) else len(things)
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _example(groups: Sequence[Twins], by: str = "ids") -> str:
    """The first two samples of the first group that differ in `by`, as far as it is known."""
    named = [(i, value) for i, value in zip(groups[0].ids, map(learnt, getattr(groups[0], by)), strict=True) if value]
    one, other = next((a, b) for (a, first), (b, second) in combinations(named, 2) if first != second)
    return f"{one} = {other}"


def _list(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
