"""Parts of a source: checked for leakage, hashed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from spacewise.describe import description
from spacewise.errors import InputError, unknown
from spacewise.sources.source import Source

Where = Mapping[str, Any]  # fact -> the value, or the list of values, that a sample must have


@dataclass(frozen=True)
class Part:
    """Some samples of a source, as a classifier of `classes` sees them.

    Attributes:
        rows: indices into the source.
        classes: class i is classes[i].
        subsets: name -> (sample,) bool: the named parts that are reported by themselves.
    """

    source: Source
    rows: np.ndarray
    classes: tuple[str, ...]
    subsets: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def facts(self) -> pd.DataFrame:
        """The table of facts of these samples, in order."""
        return self.source.facts.iloc[self.rows].reset_index(drop=True)

    @property
    def labels(self) -> np.ndarray:
        """(sample,) index into `classes`; -1 for a class that is not among them."""
        numbers = {name: number for number, name in enumerate(self.classes)}
        return self.facts["label"].map(numbers).fillna(-1).to_numpy(np.int64)


@dataclass(frozen=True)
class Split:
    """The parts of a source.

    Attributes:
        train, validation, test: parts with classes in common, or (`disjoint`) each with its own; validation
            may be empty.
        confusers: samples of classes that the network never learns; may be empty.
        group: the fact that must not be shared between training and test, "" where there is none.
        unlabelled: samples to learn from whose labels must not be used, nor counted as known; where it is not
            given, those of the source that have none, which belong to no other part.
    """

    source: Source
    train: Part
    validation: Part
    test: Part
    confusers: Part
    group: str = ""
    unlabelled: Part = None  # type: ignore[assignment]  # an empty part needs the source

    def __post_init__(self) -> None:
        if self.unlabelled is None:
            rows = np.flatnonzero(~labelled(self.source))
            object.__setattr__(self, "unlabelled", Part(self.source, rows, self.train.classes))

    @property
    def classes(self) -> tuple[str, ...]:
        return self.train.classes

    @property
    def disjoint(self) -> bool:
        """Whether testing is on classes that are not trained: by retrieval, not by classification."""
        return self.test.classes != self.train.classes

    @property
    def transductive(self) -> bool:
        """Whether test images are learnt from without their labels: they stand in two parts."""
        return bool(len(self._learnt()))

    def _learnt(self) -> np.ndarray:
        """Rows of the test samples that are among the unlabelled."""
        return np.intersect1d(self.test.rows, self.unlabelled.rows)

    @property
    def parts(self) -> dict[str, Part]:
        """The parts by name; `unlabelled` only where there are such samples."""
        names = ("train", "validation", "test", "confusers", *(("unlabelled",) if len(self.unlabelled) else ()))
        return {name: getattr(self, name) for name in names}

    def digest(self) -> str:
        """Changes with the samples, their parts and their labels; not with where the files lie."""
        digest = hashlib.sha256()
        for name, part in self.parts.items():
            facts = part.facts
            lines = "\n".join(f"{i}\t{label}" for i, label in zip(facts["id"], facts["label"], strict=True))
            digest.update(f"{name}\n{lines}\n".encode())
        return digest.hexdigest()[:16]

    def table(self) -> pd.DataFrame:
        """One row a sample of each part: part, subsets, facts; a test sample twice where it is unlabelled, too."""
        frames = []
        for name, part in self.parts.items():
            subsets = {f"subset:{key}": mask for key, mask in part.subsets.items()}
            frames.append(part.facts.assign(part=name, **subsets))
        return pd.concat([frame for frame in frames if len(frame)], ignore_index=True)

    def leaks(self, digests: np.ndarray) -> list[str]:
        """What two parts share: identical images, and values of the grouping fact. One line each.

        Labelled and unlabelled training samples may share both: they are training samples alike. Where test
        images are learnt from without their labels, a line says how many, and no more is said of these two parts.

        Args:
            digests: (sample of the source,) digest of each image's pixels; empty where it cannot be read.
        """
        learnt = len(self._learnt())
        what = "1 test image was learnt from without its label"
        what = what if learnt == 1 else f"{learnt:,} test images were learnt from without their labels"
        found = [f"{what} (transductive)"] if learnt else []
        untold = {("train", "unlabelled"), *([("test", "unlabelled")] if learnt else [])}
        names = [name for name, part in self.parts.items() if len(part)]
        for first, second in ((a, b) for i, a in enumerate(names) for b in names[i + 1 :]):
            if (first, second) in untold:
                continue
            one, other = self.parts[first], self.parts[second]
            found += _shared(first, second, one, other, digests[one.rows], digests[other.rows], "identical images")
            if self.group and (first, second) != ("test", "confusers"):
                shared = _known(one.facts[self.group]) & _known(other.facts[self.group])
                if shared:
                    found.append(f"{first} and {second} share {len(shared)} values of '{self.group}'")
        return found


def labelled(source: Source) -> np.ndarray:
    """(sample,) bool: whether it has a label; the label of one that has none is empty."""
    return source.facts["label"].ne("").to_numpy()


def _known(column: pd.Series) -> set[Any]:
    """The values of a fact; samples without a label often have none."""
    return set(column[column.notna() & column.ne("")])


def leaks_across(source: Split, target: Split, digests: tuple[np.ndarray, np.ndarray]) -> list[str]:
    """What the source's training and the target's test or validation samples share, one line each.

    Identical images; and, where both are of one set of files or one simulation, samples of one id: the same scene.

    Args:
        digests: of the images of the source and of the target, as `Split.leaks` takes them.
    """
    one_set = _set_of(source.source) == _set_of(target.source)
    found = []
    for name in ("train", "validation"):
        for other in ("validation", "test"):
            ours, theirs = source.parts[name], target.parts[other]
            labels = (f"{name} of the source", f"{other} of the target")
            same = _shared(*labels, ours, theirs, digests[0][ours.rows], digests[1][theirs.rows], "identical images")
            if one_set and not same:
                ids = ours.facts["id"].to_numpy(), theirs.facts["id"].to_numpy()
                same = _shared(*labels, ours, theirs, ids[0], ids[1], "scenes")
            found += same
    return found


def _set_of(source: Source) -> tuple[str, str]:
    """What two views of the same scenes have in common: their files, or the simulation that they are of."""
    if source.root is not None:
        return source.name, os.path.realpath(source.root)
    options = {key: value for key, value in description(source).items() if key not in ("view", "classes")}
    return source.name, repr(sorted(options.items()))


def _shared(
    first: str, second: str, one: Part, other: Part, ours: np.ndarray, theirs: np.ndarray, what: str
) -> list[str]:
    """One line where two parts share values (sample,), such as digests of their images."""
    where = {value: i for value, i in zip(ours, one.facts["id"], strict=True) if value}
    pairs = [(where[value], i) for value, i in zip(theirs, other.facts["id"], strict=True) if value in where]
    if not pairs:
        return []
    return [f"{first} and {second} share {len(pairs)} {what}, such as {pairs[0][0]} = {pairs[0][1]}"]


def select(source: Source, where: Where) -> np.ndarray:
    """Rows of the samples whose facts have the given values; an unknown fact or value raises `InputError`."""
    mask = np.ones(len(source), bool)
    for fact, wanted in where.items():
        column = source.fact(fact)
        values = list(wanted) if isinstance(wanted, list | tuple | set) else [wanted]
        text = column.astype(str)  # a command line knows no numbers: 17 and "17" are the same depression
        present = set(text.unique())
        for value in values:
            if str(value) not in present:
                raise unknown(f"value of fact '{fact}'", str(value), sorted(present))
        mask &= text.isin([str(value) for value in values]).to_numpy()
    return np.flatnonzero(mask)


def assembled(
    source: Source,
    classes: tuple[str, ...],
    train: np.ndarray,
    validation: np.ndarray,
    test: np.ndarray,
    confusers: np.ndarray,
    novelty: str,
    group: str,
) -> Split:
    """The split of these rows; raises `InputError` for one class, no test samples, or an overlap."""
    check_classes(source, classes)
    if len(test) == 0:
        raise InputError(f"{source.root or source.name}: the split leaves no test samples of the training classes")
    overlap = np.intersect1d(np.concatenate([train, validation]), test)
    if len(overlap):
        name = source.facts["id"].iat[overlap[0]]
        raise InputError(f"the split puts {len(overlap)} samples into training and test, such as {name}")
    if group:
        source.fact(group)
    seen = _novelty(source, np.concatenate([train, validation]), test, novelty) if novelty else {}
    return Split(
        source,
        Part(source, train, classes),
        Part(source, validation, classes),
        Part(source, test, classes, seen),
        Part(source, confusers, classes),
        group,
    )


def check_classes(source: Source, classes: Sequence[str]) -> None:
    """Raises `InputError` for fewer than two classes."""
    if len(classes) < 2:
        names = ", ".join(classes) or "none"
        raise InputError(f"{source.root or source.name}: training needs two classes or more, there are: {names}")


def _novelty(source: Source, train: np.ndarray, test: np.ndarray, fact: str) -> dict[str, np.ndarray]:
    keys = source.facts["label"].astype(str) + "\0" + source.fact(fact).astype(str)
    seen = keys.iloc[test].isin(set(keys.iloc[train])).to_numpy()
    return {"seen": seen, "unseen": ~seen}


def restricted(split: Split, classes: Sequence[str]) -> Split:
    """The same parts as a classifier of other classes sees them: that of another domain's network.

    The description stays that of the split, which an experiment makes first.

    Args:
        classes: of the network, in its order; those of the split are among them.

    Raises:
        InputError: a class is named twice, one of the split's is not among them, or one of the confusers' is.
    """
    known = tuple(classes)
    twice = sorted({name for name in known if known.count(name) > 1})
    if twice:
        raise InputError(f"class '{twice[0]}' is named twice among the {len(known)} classes of the network")
    for name in dict.fromkeys([*split.classes, *split.validation.classes, *split.test.classes]):
        if name not in known:
            raise unknown(f"class of {split.source.root or split.source.name}", name, known)
    learnt = sorted(set(split.confusers.facts["label"]) & set(known))
    if learnt:
        raise InputError(f"class '{learnt[0]}' of the confusers is one that the network learns")
    names = ("train", "validation", "test", "confusers", "unlabelled")
    made = replace(split, **{name: replace(getattr(split, name), classes=known) for name in names})
    object.__setattr__(made, "description", description(split))
    return made
