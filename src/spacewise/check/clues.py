"""What gives the class away without a look at the object.

A small decision tree guesses the class from one thing at a time: the image's size, its brightness, its
outermost pixels, the place it was taken at. Where it guesses far better than chance, so may a network.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from spacewise.check.looks import Look
from spacewise.sources.images import DECODERS
from spacewise.sources.source import Source

SEED = 0
FOLDS = 5
DEPTH = 8
LEAF = 3
LEAST = 20  # samples below which a guess says nothing
MOST = 20_000  # samples that the tree is asked about
QUANTILES = 17  # of the outermost cells, from the darkest to the brightest
FEW = 50
# Facts that name the object or its part: they tell the class by what they are.
NAMES = ("id", "label", "split", "role", "serial", "frame", "number", "protocol", "group")

# Share of the way from chance to certainty above which a clue is a leak. In a scene brightness and
# borders belong to what is to be recognised, and only an overwhelming clue is none of the picture's.
LEAK = 0.1
SCENE_LEAK = 0.5

SIZE_REMEDY = {
    "crop": "crop the centre to one size first (spacewise does: size=128)",
    "resize": "make all classes from originals of one size: resizing hides the shape, not the blur",
}
BRIGHTNESS_REMEDY = "bring every image to the same mean and deviation before it is saved"
BORDER_REMEDY = {
    "crop": "mask the background or cut closer, and test on places that were not trained on",
    "resize": "look at the edges: cut off frames, captions and padding",
}
TYPE_REMEDY = "save all images from their originals in one format: compression leaves traces"


@dataclass(frozen=True)
class Clue:
    """How well one thing tells the class.

    Attributes:
        accuracy: share of samples whose class was guessed, in 5-fold cross-validation.
        chance: share of the largest class.
        luck: accuracy that blind guessing stays below but for one time in a thousand.
        verdict: `leak`, `hint` (above luck, but little), `none`.
        remedy: what to do about a leak.
    """

    name: str
    accuracy: float
    chance: float
    luck: float
    verdict: str
    remedy: str


def find(source: Source, looks: Sequence[Look]) -> list[Clue]:
    """A clue for everything that differs between images; none where there are too few samples to ask."""
    rows = np.array([look.row for look in looks], int)
    labels = source.facts["label"].astype(str).to_numpy()[rows]
    asked = _askable(labels)
    if len(asked) < LEAST or len(set(labels[asked])) < 2:
        return []
    return [
        _clue(name, features[asked], labels[asked], limit, remedy)
        for name, features, limit, remedy in _questions(source, looks)
        if (features[asked] != features[asked[0]]).any()
    ]


def _askable(labels: np.ndarray) -> np.ndarray:
    """Rows of classes that have a sample for every fold; a fixed choice where there are very many."""
    rows = np.random.default_rng(SEED).permutation(len(labels))[:MOST]
    _, inverse, counts = np.unique(labels[rows], return_inverse=True, return_counts=True)
    return np.sort(rows[counts[inverse] >= FOLDS])


def _questions(source: Source, looks: Sequence[Look]) -> Iterator[tuple[str, np.ndarray, float, str]]:
    """Name, features (sample, feature), limit and remedy of all that may give the class away."""
    pixels = SCENE_LEAK if source.fit == "resize" else LEAK
    yield "image size", np.array([look.shape[1:] for look in looks]), LEAK, SIZE_REMEDY[source.fit]
    yield "mean brightness", np.array([[look.brightness] for look in looks]), pixels, BRIGHTNESS_REMEDY
    yield "brightness deviation", np.array([[look.deviation] for look in looks]), pixels, BRIGHTNESS_REMEDY
    yield "border pixels", np.array([_border(look) for look in looks]), pixels, BORDER_REMEDY[source.fit]
    facts = source.facts.iloc[[look.row for look in looks]]
    yield "file type", _codes(facts["id"].map(_file_type)), LEAK, TYPE_REMEDY
    for fact in facts.columns.difference(NAMES, sort=False):
        if facts[fact].nunique(dropna=False) <= min(FEW, len(facts) / FOLDS):
            remedy = f"train every class on every {fact}, and test on a {fact} that was not trained on"
            yield f"fact '{fact}'", _codes(facts[fact].astype(str)), LEAK, remedy


def _border(look: Look) -> np.ndarray:
    """Quantiles of the outermost cells of the thumbnail: 4 pixels of a chip of 128."""
    inner = np.zeros(look.thumbnail.shape, bool)
    inner[1:-1, 1:-1] = True
    return np.quantile(look.thumbnail[~inner], np.linspace(0, 1, QUANTILES))


def _file_type(name: str) -> str:
    """The kind of picture that a file's name ends in; "" for chips, whose ending is a target number."""
    ending = Path(name).suffix.lower()
    alike = {".jpeg": ".jpg", ".tiff": ".tif"}
    return alike.get(ending, ending) if ending in DECODERS else ""


def _codes(values: pd.Series) -> np.ndarray:
    return pd.factorize(values, sort=True)[0][:, None]


def _clue(name: str, features: np.ndarray, labels: np.ndarray, limit: float, remedy: str) -> Clue:
    accuracy = guess(features, labels)
    chance = float(np.unique(labels, return_counts=True)[1].max() / len(labels))
    luck = chance + 3 * (chance * (1 - chance) / len(labels)) ** 0.5
    verdict = "none"
    if accuracy > luck:
        verdict = "leak" if accuracy - chance >= limit * (1 - chance) else "hint"
    return Clue(name, accuracy, chance, luck, verdict, remedy)


def guess(features: np.ndarray, labels: np.ndarray) -> float:
    """Share of samples whose class a small tree guesses from features (sample, feature), cross-validated."""
    from sklearn.model_selection import StratifiedKFold, cross_val_predict  # seconds to import
    from sklearn.tree import DecisionTreeClassifier

    tree = DecisionTreeClassifier(max_depth=DEPTH, min_samples_leaf=LEAF, random_state=SEED)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=SEED)
    return float((cross_val_predict(tree, features, labels, cv=folds) == labels).mean())
