"""The tables of an explanation: curves, regions, and what changes when a region goes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from spacewise.cache import decoded
from spacewise.errors import InputError
from spacewise.explain.attribution import METHODS
from spacewise.explain.curves import curves as perturbed
from spacewise.explain.regions import CHANGES, moved, partners, shares
from spacewise.explain.stored import MEADOW
from spacewise.learn.embed import embed
from spacewise.measures.bootstrap import mean_interval
from spacewise.progress import track
from spacewise.runs import Run
from spacewise.sources.masks import REGIONS, Masks, fitted

BATCH = 64  # images that are attributed at once
MEADOWS = {"on its class's meadow": True, MEADOW: False}
"""Target and shadow on the meadow of another image: of the same class, for what cutting out costs by itself, or not."""


def logits(run: Run, images: Tensor) -> Tensor:
    """(image, class), float32."""
    return torch.from_numpy(embed(run.net, images.split(256), ["classifier"])["classifier"])


def samples(run: Run, chosen: np.ndarray, labels: Tensor, logits: Tensor) -> pd.DataFrame:
    """One row an explained image."""
    test = run.split.test
    probability = logits.softmax(dim=1)
    subsets = {f"subset:{name}": mask[chosen] for name, mask in test.subsets.items()}
    columns = {
        "id": test.facts["id"].to_numpy()[chosen],
        "target": labels.numpy(),
        "prediction": logits.argmax(dim=1).numpy(),
        "confidence": probability.max(dim=1).values.numpy(),
        "correct": (logits.argmax(dim=1) == labels).numpy(),
    }
    return pd.DataFrame(columns | subsets)


def maps(run: Run, images: Tensor, classes: Tensor, methods: Sequence[str], space: str, seed: int) -> Tensor:
    """(method, image, side, side)."""
    net = run.net.eval()
    found = []
    for method in methods:
        pieces = zip(images.split(BATCH), classes.split(BATCH), strict=True)
        shown = track(pieces, f"attribution by {method}", -(-len(images) // BATCH))
        # each piece another seed, lest all have the same random maps
        found.append(torch.cat([METHODS[method](net, x, y, space, seed + i) for i, (x, y) in enumerate(shown)]))
    return torch.stack(found)


def curves(
    run: Run, images: Tensor, labels: Tensor, methods: Sequence[str], maps: Tensor, steps: int, seed: int
) -> dict[str, pd.DataFrame]:
    """Areas by image, and the mean curves with their interval over images."""
    scores, lines = [], []
    for method, its in zip(methods, maps, strict=True):
        for definition, found in perturbed(run.net, images, labels, its, steps=steps).items():
            areas = {"insertion": found.areas()[0], "deletion": found.areas()[1], "tied": found.tied}
            scores.append(
                pd.DataFrame({"image": range(len(images)), "method": method, "definition": definition} | areas)
            )
            for curve, values in (("insertion", found.insertion), ("deletion", found.deletion)):
                lines.append(
                    _line(values, found.shares, seed).assign(method=method, definition=definition, curve=curve)
                )
    return {"scores": pd.concat(scores, ignore_index=True), "curves": pd.concat(lines, ignore_index=True)}


def _line(values: np.ndarray, places: np.ndarray, seed: int) -> pd.DataFrame:
    """Mean of (image, step), with a 95 % bootstrap interval over images."""
    each = np.arange(len(values))
    ends = [mean_interval(column, each, samples=500, confidence=0.95, seed=seed) for column in values.T]
    low, high = np.array(ends).T
    return pd.DataFrame({"share": places, "mean": values.mean(axis=0), "low": low, "high": high})


def masks_of(given: Masks, rows: np.ndarray, size: int) -> Tensor:
    """(sample, side, side) of the samples with these rows of the source."""
    return torch.from_numpy(np.stack([fitted(given.read(int(row)), size, given.source.fit) for row in rows]))


def masks_of_chosen(given: Masks, rows: np.ndarray, size: int) -> tuple[np.ndarray, Tensor]:
    """Which of the explained images have a mask, and their masks (sample, side, side)."""
    kept = np.flatnonzero(np.isin(rows, given.rows))
    if len(kept) == 0:
        raise InputError(f"none of the {len(rows)} explained images has a mask; explain more with --images")
    return kept, masks_of(given, rows[kept], size)


def regions(methods: Sequence[str], maps: Tensor, kept: np.ndarray, masks: Tensor) -> dict[str, pd.DataFrame]:
    """Shares of attribution and area by region, of the explained images that have a mask."""
    tables = []
    for method, its in zip(methods, maps, strict=True):
        share, area = shares(its[torch.from_numpy(kept)].abs(), masks)
        for number, name in enumerate(REGIONS):
            found = {
                "image": kept,
                "method": method,
                "region": name,
                "share": share[:, number],
                "area": area[:, number],
            }
            tables.append(pd.DataFrame(found))
    return {"regions": pd.concat(tables, ignore_index=True)}


def changes(run: Run, given: Masks, seed: int) -> dict[str, pd.DataFrame]:
    """Predictions for all test images with a mask, under each change, and their accuracy."""
    test = run.split.test
    kept = np.flatnonzero(np.isin(test.rows, given.rows))
    images = decoded(test.source, run.net.size).images[torch.from_numpy(test.rows[kept])]
    masks = masks_of(given, test.rows[kept], run.net.size)
    labels = test.labels[kept]
    random = torch.Generator().manual_seed(seed)
    facts = pd.DataFrame({"id": test.facts["id"].to_numpy()[kept]}).assign(
        **{f"subset:{name}": its[kept] for name, its in test.subsets.items()}
    )
    every = np.arange(len(labels))
    changed = {name: (change(images, masks, random), every, labels) for name, change in CHANGES.items()}
    for name, same in MEADOWS.items():
        mated = every if not same else every[np.bincount(labels)[labels] > 1]  # of a lone image there is no other
        if len(mated):
            others = torch.from_numpy(mated)[partners(labels[mated], random, same=same)]
            changed[name] = moved(images, masks, others, random, torch.from_numpy(mated)), mated, labels[others]
    tables = []
    for name, (pictures, rows, whose) in track(changed.items(), "images changed by region", len(changed)):
        predictions = logits(run, pictures).argmax(dim=1).numpy()
        said = facts.iloc[rows].assign(change=name)
        tables.append(said.assign(label="own", correct=predictions == labels[rows]))
        if name == MEADOW:
            tables.append(said.assign(label="meadow", correct=predictions == whose))
    each = pd.concat(tables, ignore_index=True)
    figures = []
    for (name, whose), table in each.groupby(["change", "label"], sort=False):
        right = table["correct"].to_numpy()
        low, high = mean_interval(right, np.arange(len(right)), samples=10_000, confidence=0.95, seed=seed)
        figures.append(
            {"change": name, "label": whose, "n": len(right), "accuracy": right.mean(), "low": low, "high": high}
        )
    return {"changed": each, "changes": pd.DataFrame(figures)}
