"""A recipe of three small runs, of which two wait for the first."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from spacewise import runs
from spacewise.recipes import RECIPES, Asked, Recipe

TRANSFER = RECIPES["eo-sar.transfer"]
CHANGES = ["net.size=16", "steps=2", "target_batch=6", "unlabelled_batch=8", "precision=float32"]
CHANGES += ["pretraining.epochs=1", "pretraining.batch=24", "pretraining.precision=float32"]


def write_scenes(root: Path) -> Asked:
    """Two folders of four classes each, of which three are shared; the asked transfers between them."""
    generator = np.random.default_rng(0)
    names = {"aerial": ["beach", "harbor", "river", "runway"], "grey": ["Beach", "Port", "River", "Meadow"]}
    for place, kinds in names.items():
        for kind, name in enumerate(kinds):
            (root / place / name).mkdir(parents=True)
            for index in range(24):
                pixels = 60 * kind + generator.normal(40, 10, (16, 16))
                image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
                image.convert("RGB" if place == "aerial" else "L").save(root / place / name / f"{index}.png")
    given = {"source": root / "aerial", "target": root / "grey"}
    return Asked(given, epochs=1, only=["finetune-32", "swd-32"], changes=CHANGES)


def tabulate(recipe: Recipe, finished: dict[str, list[runs.Run]], asked: Asked, out: Path) -> Path:
    """The logs of all runs, in the order of the plan."""
    logs = [run.log.assign(row=key) for key, folds in finished.items() for run in folds]
    table = pd.concat(logs).drop(columns=["seconds", "images_per_second", "waiting"], errors="ignore")
    table.to_csv(out / "table.csv", index=False)
    return out / "table.csv"


STUDY = replace(TRANSFER, finish=tabulate)
