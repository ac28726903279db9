"""Explains some test images of a run: where it looks, what that is worth, and on which region it lies."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spacewise import files
from spacewise.audits.embedding import pictured
from spacewise.cache import decoded
from spacewise.describe import plain
from spacewise.errors import InputError, unknown
from spacewise.explain import tables
from spacewise.explain.attribution import METHODS
from spacewise.explain.curves import DEFINITIONS
from spacewise.explain.stored import FLOORS, FOLDER, Explanation, open_explanation
from spacewise.nets.chain import output_sizes
from spacewise.progress import console
from spacewise.runs import Run
from spacewise.sources.masks import REGIONS, Masks
from spacewise.sources.masks import masks as open_masks


@dataclass(frozen=True)
class Question:
    """What is asked of a run's attention.

    Attributes:
        images: how many test images, drawn by the seed alone: the same ones for runs on the same split.
        methods: of attribution, keys of `METHODS`; the floors, random and centre, are always beside them.
        space: the feature maps that Grad-CAM looks at; the last ones where it is empty.
        steps: of the curves, over the pixels.
        masks: folder of masks; with it regions are measured, and all test images with a mask are changed.
        seed: of the images, of random maps and of what fills holes.
    """

    images: int = 100
    methods: tuple[str, ...] = ("gradcam",)
    space: str = ""
    steps: int = 32
    masks: str = ""
    seed: int = 0


DEFAULT = Question()


def explain(run: Run, question: Question = DEFAULT) -> Explanation:
    """Attribution maps of test images of a run, their insertion and deletion curves, and their share by region.

    Returns:
        The explanation, written to `RUN/explanation`. An older one is replaced.

    Raises:
        InputError: an unknown method or space, a space without maps, no classifier, masks that do not fit.
    """
    space = _check(run, question)
    given = open_masks(run.split.source, question.masks) if question.masks else None
    folder = run.folder / FOLDER
    partial = folder.with_name(f".{FOLDER}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir()
        _fill(partial, run, question, space, given)
        files.replace_folder(partial, folder)
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Explanation(folder)


def explained(run: Run, question: Question = DEFAULT) -> Explanation:
    """The run's explanation: read back if it is there, of the same weights and question, else made."""
    try:
        made = open_explanation(run.folder)
        if (made.facts.get("of"), made.facts["asked"]) == (_of(run), plain(asdict(question))):
            return made
    except InputError:
        pass
    console.print(f"explaining {run.name}")
    return explain(run, question)


def _of(run: Run) -> dict[str, Any]:
    """Which weights: another training of the same name is another network."""
    return {"weights": run.weights} | {key: run.facts.get(key) for key in ("epochs", "best_epoch", "started")}


def spatial(sizes: Mapping[str, tuple[int, ...]]) -> list[str]:
    """The spaces that are feature maps of more than one position."""
    return [name for name, shape in sizes.items() if len(shape) == 3 and shape[1] * shape[2] > 1]


def _check(run: Run, question: Question) -> str:
    """The space to look at, after everything that can be refused at the door has been."""
    if "best_epoch" not in run.facts:
        raise InputError(
            f"{run.folder}: its training is not finished; continue it with: spacewise train --resume {run.folder}"
        )
    if "classifier" not in run.net.spaces or run.split.disjoint:
        raise InputError(
            f"{run.folder} is judged by retrieval; only a network that knows its test classes is explained"
        )
    known = [name for name in METHODS if name not in FLOORS]
    for name in question.methods:
        if name not in known:
            raise unknown("method of attribution", name, known)
    if question.images < 1:
        raise InputError(f"images must be 1 or more, not {question.images}")
    pixels = run.net.size**2
    if not 2 <= question.steps <= pixels:
        raise InputError(f"steps must be 2 to {pixels}, the pixels of an image, not {question.steps}")
    maps = spatial(output_sizes(run.net))
    if not maps:
        raise InputError(f"{run.folder}: the network has no space of feature maps to look at")
    if question.space and question.space not in maps:
        run.net.check_space(question.space)
        raise InputError(f"space '{question.space}' holds no feature maps; those that do: {', '.join(maps)}")
    return question.space or maps[-1]


def _fill(folder: Path, run: Run, question: Question, space: str, given: Masks | None) -> None:
    began = time.monotonic()
    test, seed = run.split.test, question.seed
    methods = list(dict.fromkeys([*question.methods, *FLOORS]))
    chosen = np.sort(np.random.default_rng(seed).permutation(len(test))[: question.images])
    images = decoded(test.source, run.net.size).images[torch.from_numpy(test.rows[chosen])]
    labels = torch.from_numpy(test.labels[chosen].astype(np.int64))
    made = {} if given is None else tables.changes(run, given, seed)  # first, since masks may not fit
    masks = None if given is None else tables.masks_of_chosen(given, test.rows[chosen], run.net.size)
    logits = tables.logits(run, images)
    maps = tables.maps(run, images, logits.argmax(dim=1), methods, space, seed)
    made["samples"] = tables.samples(run, chosen, labels, logits)
    made |= tables.curves(run, images, labels, methods, maps, question.steps, seed)
    if masks is not None:
        made |= tables.regions(methods, maps, *masks)
    for name, table in made.items():
        files.write_table(folder / f"{name}.parquet", table)
    np.save(folder / "maps.npy", maps.numpy())
    np.save(folder / "pictures.npy", pictured(images, test.source.amplitude).numpy())
    facts = {
        "run": run.name,
        "weights": run.weights,
        "of": _of(run),
        "asked": plain(asdict(question)),
        "space": space,
        "explained": "predicted",
        "classes": list(run.split.classes),
        "methods": methods,
        "floors": list(FLOORS),
        "definitions": list(DEFINITIONS),
        "steps": question.steps,
        "seed": seed,
        "images": len(images),
        "test": len(test),
        "size": run.net.size,
        "regions": list(REGIONS) if given is not None else [],
        "masks": question.masks or None,
        "commit": run.facts.get("commit", ""),
        "seconds": round(time.monotonic() - began, 1),
    }
    files.write_json(folder / "explanation.json", facts)
