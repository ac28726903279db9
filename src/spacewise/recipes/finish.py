"""From finished runs to tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from spacewise import runs

if TYPE_CHECKING:
    from spacewise.recipes.recipe import Recipe


def accuracy_table(recipe: Recipe, finished: Mapping[str, Sequence[runs.Run]], out: Path) -> Path:
    return out


def rejection_table(recipe: Recipe, finished: Mapping[str, Sequence[runs.Run]], out: Path) -> Path:
    return out
