"""Which samples train, validate, test or confuse: seeded, checked for leakage, hashed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from spacewise.describe import described
from spacewise.errors import InputError, unknown
from spacewise.sources.source import Source

Where = Mapping[str, Any]  # fact -> the value, or the list of values, that a sample must have

MSTAR_CLASSES = ("BMP2", "BTR70", "T72", "BTR60", "2S1", "BRDM2", "D7", "T62", "ZIL131", "ZSU23-4")
MSTAR_TRAINING_SERIALS = {"BMP2": "c21", "BTR70": "c71", "T72": "132"}


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
        train, validation, test: parts with classes in common; validation may be empty.
        confusers: samples of classes that the network never learns; may be empty.
        group: the fact that must not be shared between training and test, "" where there is none.
    """

    source: Source
    train: Part
    validation: Part
    test: Part
    confusers: Part
    group: str = ""

    @property
    def classes(self) -> tuple[str, ...]:
        return self.train.classes

    @property
    def parts(self) -> dict[str, Part]:
        names = ("train", "validation", "test", "confusers")
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
        """One row a sample that is in a part: part, subsets, facts."""
        frames = []
        for name, part in self.parts.items():
            subsets = {f"subset:{key}": mask for key, mask in part.subsets.items()}
            frames.append(part.facts.assign(part=name, **subsets))
        return pd.concat([frame for frame in frames if len(frame)], ignore_index=True)

    def leaks(self, digests: np.ndarray) -> list[str]:
        """What two parts share: identical images, and values of the grouping fact. One line each.

        Args:
            digests: (sample of the source,) digest of each image's pixels.
        """
        found = []
        names = [name for name, part in self.parts.items() if len(part)]
        for first, second in ((a, b) for i, a in enumerate(names) for b in names[i + 1 :]):
            one, other = self.parts[first], self.parts[second]
            found += _shared_images(first, one, second, other, digests)
            if self.group and (first, second) != ("test", "confusers"):
                shared = set(one.facts[self.group]) & set(other.facts[self.group])
                if shared:
                    found.append(f"{first} and {second} share {len(shared)} values of '{self.group}'")
        return found


def _shared_images(first: str, one: Part, second: str, other: Part, digests: np.ndarray) -> list[str]:
    where = dict(zip(digests[one.rows], one.facts["id"], strict=True))
    pairs = [(where[d], i) for d, i in zip(digests[other.rows], other.facts["id"], strict=True) if d in where]
    if not pairs:
        return []
    return [f"{first} and {second} share {len(pairs)} identical images, such as {pairs[0][0]} = {pairs[0][1]}"]


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


@described
def by_fact(
    source: Source,
    *,
    train: Where,
    test: Where,
    confusers: Where | None = None,
    validation: float = 0.1,
    seed: int = 0,
    fold: int = 0,
    novelty: str = "",
    group: str = "",
) -> Split:
    """Samples train and test by their facts: 17 degrees trains, 15 degrees tests.

    Args:
        train, test, confusers: fact -> value or values. Test samples of classes that are not trained
            are left out; confusers are only of such classes.
        validation: share of the training samples, by class, that is held out to choose by.
        seed, fold: which samples are held out; folds of one seed differ.
        novelty: a fact such as `serial`: the test set is reported as `seen` and `unseen` by whether
            the value occurs in training for the class.
        group: a fact whose values must not be shared between parts (checked, reported).

    Raises:
        InputError: an unknown fact or value, an empty part, fewer than two classes.
    """
    chosen = select(source, train)
    labels = source.facts["label"].to_numpy()
    classes = tuple(sorted(set(labels[chosen])))
    _two_classes(source, classes)
    rows = select(source, test)
    rows = rows[np.isin(labels[rows], classes)]
    others = select(source, confusers) if confusers else np.zeros(0, np.int64)
    others = others[~np.isin(labels[others], classes)]
    kept, held = hold_out(chosen, labels[chosen], validation, [seed, fold])
    return _split(source, classes, kept, held, rows, others, novelty, group)


def _split(
    source: Source,
    classes: tuple[str, ...],
    train: np.ndarray,
    validation: np.ndarray,
    test: np.ndarray,
    confusers: np.ndarray,
    novelty: str,
    group: str,
) -> Split:
    _two_classes(source, classes)
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


def _two_classes(source: Source, classes: Sequence[str]) -> None:
    if len(classes) < 2:
        names = ", ".join(classes) or "none"
        raise InputError(f"{source.root or source.name}: training needs two classes or more, there are: {names}")


def _novelty(source: Source, train: np.ndarray, test: np.ndarray, fact: str) -> dict[str, np.ndarray]:
    keys = source.facts["label"].astype(str) + "\0" + source.fact(fact).astype(str)
    seen = keys.iloc[test].isin(set(keys.iloc[train])).to_numpy()
    return {"seen": seen, "unseen": ~seen}


def hold_out(
    rows: np.ndarray, labels: np.ndarray, share: float, seed: int | Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Splits rows into (kept, held out), the same share of each class, at least one of each on both sides.

    Raises:
        InputError: the share is not in [0, 1), or a class has a single sample to divide.
    """
    if len(rows) == 0:
        raise InputError("the split leaves no training samples")
    if any(number < 0 for number in np.atleast_1d(seed)):
        raise InputError(f"seed and fold must be 0 or more, not {seed}")
    if not 0 <= share < 1:
        raise InputError(f"validation must be a share from 0 to below 1, not {share}")
    if share == 0:
        return rows, rows[:0]
    generator = np.random.default_rng(seed)
    held = []
    for name in sorted(set(labels)):
        mine = generator.permutation(rows[labels == name])
        if len(mine) < 2:
            raise InputError(f"class '{name}' has {len(mine)} training sample: too few to hold one out")
        held.append(mine[: min(max(1, round(share * len(mine))), len(mine) - 1)])
    out = np.sort(np.concatenate(held))
    return np.setdiff1d(rows, out), out


@described
def mstar_seen_unseen(source: Source, *, validation: float = 0.1, seed: int = 0, fold: int = 0) -> Split:
    """Ten classes, 17 degrees train, 15 degrees test, one serial of BMP2, BTR70 and T72 in training.

    Wang et al., section III-A. `unseen` are BMP2 9563, 9566 and T72 812, s7.
    """
    present = [name for name in MSTAR_CLASSES if name in source.classes]
    facts = source.facts
    serial = source.fact("serial")
    fixed = facts["label"].map(MSTAR_TRAINING_SERIALS)
    serials = sorted(set(serial[facts["label"].isin(present) & (fixed.isna() | (fixed == serial))]))
    return by_fact(
        source,
        train={"depression": 17, "label": present, "serial": serials},
        test={"depression": 15, "label": present},
        validation=validation,
        seed=seed,
        fold=fold,
        novelty="serial",
    )


@described
def mstar_confusers(source: Source, *, validation: float = 0.1, seed: int = 0, fold: int = 0) -> Split:
    """BMP2, BTR70, T72 known; 2S1 and ZIL131 confuse. Wang et al., section IV-A, after Chen et al.

    Training and test use the serials c21, c71 and 132 (588 chips in test).
    """
    serials = list(MSTAR_TRAINING_SERIALS.values())
    known = list(MSTAR_TRAINING_SERIALS)
    return by_fact(
        source,
        train={"depression": 17, "label": known, "serial": serials},
        test={"depression": 15, "label": known, "serial": serials},
        confusers={"depression": 15, "label": ["2S1", "ZIL131"]},
        validation=validation,
        seed=seed,
        fold=fold,
    )


@described
def roles(source: Source, *, validation: float = 0.1, seed: int = 0, fold: int = 0) -> Split:
    """The simulated source's own parts: seen serials train, all serials test, confusers confuse."""
    return by_fact(
        source,
        train={"role": "train"},
        test={"role": "test"},
        confusers={"role": "confuser"} if "confuser" in set(source.fact("role")) else None,
        validation=validation,
        seed=seed,
        fold=fold,
        novelty="serial",
    )


@described
def folders(source: Source, *, validation: float = 0.1, seed: int = 0, fold: int = 0) -> Split:
    """The folder source's own `train` and `test` folders."""
    return by_fact(
        source, train={"split": "train"}, test={"split": "test"}, validation=validation, seed=seed, fold=fold
    )


@described
def stratified(source: Source, *, test: float = 0.5, validation: float = 0.1, seed: int = 0, fold: int = 0) -> Split:
    """A random share of each class tests; of the rest, `validation` is held out.

    Wang et al., section V-A: half of AID tests, a tenth of the other half validates.
    """
    if not 0 < test < 1:
        raise InputError(f"test must be a share between 0 and 1, not {test}")
    rows, labels = np.arange(len(source)), source.facts["label"].to_numpy()
    rest, tested = hold_out(rows, labels, test, [seed, fold, 1])
    return _hold_out_rest(source, rest, tested, validation, [seed, fold])


@described
def kfold(source: Source, *, folds: int = 5, fold: int = 0, validation: float = 0.1, seed: int = 0) -> Split:
    """Stratified k-fold: each sample tests in exactly one of the folds."""
    from sklearn.model_selection import StratifiedKFold

    if folds < 2:
        raise InputError(f"folds must be 2 or more, not {folds}")
    if not 0 <= seed < 2**32:
        raise InputError(f"seed must be 0 to {2**32 - 1}, not {seed}")
    if not 0 <= fold < folds:
        raise InputError(f"fold must be 0 to {folds - 1}, not {fold}")
    labels = source.facts["label"].to_numpy()
    smallest = pd.Series(labels).value_counts()
    if smallest.min() < folds:
        raise InputError(f"class '{smallest.idxmin()}' has {smallest.min()} samples, too few for {folds} folds")
    pieces = StratifiedKFold(folds, shuffle=True, random_state=seed).split(np.zeros(len(labels)), labels)
    rest, tested = list(pieces)[fold]
    return _hold_out_rest(source, rest, tested, validation, [seed, fold])


def _hold_out_rest(
    source: Source, rest: np.ndarray, tested: np.ndarray, validation: float, seed: Sequence[int]
) -> Split:
    labels = source.facts["label"].to_numpy()
    kept, held = hold_out(rest, labels[rest], validation, seed)
    return _split(source, tuple(sorted(set(labels[rest]))), kept, held, tested, rest[:0], "", "")


SPLITS: dict[str, Callable[..., Split]] = {
    "by-fact": by_fact,
    "mstar-seen-unseen": mstar_seen_unseen,
    "mstar-confusers": mstar_confusers,
    "roles": roles,
    "folders": folders,
    "stratified": stratified,
    "kfold": kfold,
}


def default(source: Source) -> str:
    """The name of the split that a source is made for."""
    if source.name == "mstar":
        return "mstar-seen-unseen"
    if source.name == "simulated":
        return "roles"
    return "folders" if {"train", "test"} <= set(source.facts.get("split", ())) else "stratified"
