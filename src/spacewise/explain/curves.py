"""Is what an attribution map ranks first what the network looks at? Insertion and deletion (Petsiuk et al. 2018).

Pixels go in the order of the map, the largest value first, ties by pixel index (row by row). Insertion starts from
a substrate and puts them in; deletion starts from the image and puts the substrate in their place. After every step
the network is asked again; the area under what it answers, over the share of pixels, is the score: high is good for
insertion, low for deletion. A substrate stands behind preprocessing: `zero` is the mean of the training images.
Coarse maps have many equal values, whose order is arbitrary: the share of such pixels is told with every image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from spacewise.errors import InputError, unknown
from spacewise.explain import checks
from spacewise.explain.perturb import blurred, perturbed, ranked, tied
from spacewise.nets.chain import Chain
from spacewise.progress import track

Substrate = Literal["zero", "blur"]
BLOCK = 8  # images whose curves are made together
PRECISIONS = ("float32", "bf16")
SCORES = (("probability", "predicted"), ("probability", "true"), ("accuracy", "predicted"), ("accuracy", "true"))


@dataclass(frozen=True)
class Definition:
    """What an insertion or deletion curve tells.

    Attributes:
        score: softmax probability of a class, or accuracy: 1 where it is the predicted one, else 0.
        target: that class: the one that is predicted for the whole image, or the true one.
        insertion: the substrate that insertion starts from.
        deletion: the substrate that deletion ends with.
    """

    score: Literal["probability", "accuracy"]
    target: Literal["predicted", "true"]
    insertion: Substrate
    deletion: Substrate

    def __post_init__(self) -> None:
        for name, options in (("score", ("probability", "accuracy")), ("target", ("predicted", "true"))):
            if getattr(self, name) not in options:
                raise unknown(name, getattr(self, name), options)
        for name in ("insertion", "deletion"):
            if getattr(self, name) not in ("zero", "blur"):
                raise unknown("substrate", getattr(self, name), ("zero", "blur"))


DEFINITIONS = {
    "accuracy": Definition("accuracy", "true", insertion="zero", deletion="zero"),  # Ito et al., section III
    "probability": Definition("probability", "predicted", insertion="blur", deletion="zero"),  # Petsiuk et al.
}


@dataclass(frozen=True)
class Curves:
    """Insertion and deletion curves of some images.

    Attributes:
        shares: (step + 1,) of the pixels that are inserted or deleted, 0 to 1.
        insertion, deletion: (sample, step + 1) scores, float64.
        tied: (sample,) share of the pixels whose order the map leaves open.
    """

    shares: np.ndarray
    insertion: np.ndarray
    deletion: np.ndarray
    tied: np.ndarray

    def areas(self) -> tuple[np.ndarray, np.ndarray]:
        """Areas under each image's insertion and deletion curve (trapezoids): twice (sample,), 0 to 1."""
        return _area(self.shares, self.insertion), _area(self.shares, self.deletion)


def curves(
    chain: Chain,
    images: Tensor,
    labels: Any,
    maps: Tensor,
    *,
    steps: int = 100,
    definitions: Mapping[str, Definition] = DEFINITIONS,
    precision: str = "float32",
    batch: int | None = None,
) -> dict[str, Curves]:
    """Insertion and deletion curves of every image, by definition; no image is asked about twice.

    After step k of n, ceil(k pixels / n) pixels are inserted or deleted; both ends are in.

    Args:
        chain: evaluated without dropout and with stored statistics; its weights are laid out channels last.
        images: (sample, band, height, width) of stored pixels.
        labels: (sample,) true classes.
        maps: (sample, height, width) attribution, any scale.
        steps: after the first point, 2 to the pixels of an image.
        definitions: what is asked, by name.
        precision: `bf16` runs the network in it where it can, and the scores in float32.
        batch: images that the network sees at once. None: 32 on a processor, whose caches hold their maps
            (256 took a third longer), 512 elsewhere.

    Returns:
        Of each definition, its curves.

    Raises:
        InputError: no classifier, maps of another size or not finite, labels that are no class, too few or
            many steps, an unknown precision.
    """
    checks.classifies(chain)
    labels = checks.indices("labels", labels, len(checks.pictures(images)))
    checks.attention(maps, images)
    _check_options(steps, images.shape[2] * images.shape[3], definitions, precision)
    # not in inference mode: weights that are laid out there give no gradients afterwards
    chain.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    with checks.evaluating(chain) as device, torch.inference_mode():
        work = _Work(chain, steps, batch or (32 if device.type == "cpu" else 512), precision)
        blocks = zip(*(part.to(device).split(BLOCK) for part in (images, labels, maps)), strict=True)
        shown = track(blocks, "insertion and deletion", -(-len(images) // BLOCK))
        found = [_block(work, block, of, its, definitions) for block, of, its in shown]
    return {name: _joined([part[name] for part in found]) for name in definitions}


def _check_options(steps: int, pixels: int, definitions: Mapping[str, Definition], precision: str) -> None:
    if not 2 <= steps <= pixels:
        raise InputError(f"steps: {steps}, expected 2 to {pixels}, the pixels of an image")
    if not definitions:
        raise InputError("definitions: none given, expected one or more")
    if precision not in PRECISIONS:
        raise unknown("precision", precision, PRECISIONS)


@dataclass(frozen=True)
class _Work:
    """A network and how it is asked."""

    chain: Chain
    steps: int
    batch: int
    precision: str

    def logits(self, pixels: Tensor) -> Tensor:
        """(sample, class) float32 of preprocessed pixels."""
        with torch.autocast(pixels.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            return self.chain.represent(pixels)["classifier"].float()


def _block(
    work: _Work, images: Tensor, labels: Tensor, maps: Tensor, definitions: Mapping[str, Definition]
) -> dict[str, Curves]:
    pixels = work.chain.preprocess(images).contiguous(memory_format=torch.channels_last)
    substrates = {"zero": torch.zeros_like(pixels[:1])}
    if any("blur" in (each.insertion, each.deletion) for each in definitions.values()):
        substrates["blur"] = blurred(pixels)
    logits = work.logits(pixels)
    checks.within("labels", labels, logits.shape[1])
    targets = torch.stack([logits.argmax(dim=1), labels], dim=1)
    whole = _scores(logits, targets)
    ends = {name: _scores(work.logits(its).expand_as(logits), targets) for name, its in substrates.items()}
    ranks, counts = ranked(maps), _counts(work.steps, maps[0].numel()).to(maps.device)

    lines: dict[tuple[bool, str], np.ndarray] = {}
    for each in definitions.values():
        for insert, name in ((True, each.insertion), (False, each.deletion)):
            if (insert, name) not in lines:
                between = _between(work, pixels, substrates[name], ranks, counts[1:-1], targets, insert)
                first, last = (ends[name], whole) if insert else (whole, ends[name])
                lines[insert, name] = torch.cat([first[:, None], between, last[:, None]], dim=1).cpu().numpy()
    shares, ties = (counts / counts[-1].double()).cpu().numpy(), tied(maps).cpu().numpy()
    return {name: _read(each, lines, shares, ties) for name, each in definitions.items()}


def _read(
    definition: Definition, lines: Mapping[tuple[bool, str], np.ndarray], shares: np.ndarray, ties: np.ndarray
) -> Curves:
    column = SCORES.index((definition.score, definition.target))
    insertion, deletion = lines[True, definition.insertion], lines[False, definition.deletion]
    return Curves(shares, insertion[..., column], deletion[..., column], ties)


def _counts(steps: int, pixels: int) -> Tensor:
    """Pixels that are inserted or deleted at each of the points: (step + 1,), 0 to `pixels`."""
    return -(-torch.arange(steps + 1) * pixels // steps)


def _between(
    work: _Work, pixels: Tensor, substrate: Tensor, ranks: Tensor, counts: Tensor, targets: Tensor, insert: bool
) -> Tensor:
    """Scores (sample, step, score) of all steps but the ends."""
    jobs = torch.cartesian_prod(torch.arange(len(pixels)), torch.arange(len(counts))).view(-1, 2).to(pixels.device)
    found = []
    for sample, step in (part.unbind(dim=1) for part in jobs.split(work.batch)):
        behind = substrate if len(substrate) == 1 else substrate[sample]
        asked = perturbed(pixels[sample], behind, ranks[sample], counts[step], insert=insert)
        found.append(_scores(work.logits(asked), targets[sample]))
    return torch.cat(found).view(len(pixels), len(counts), len(SCORES))


def _scores(logits: Tensor, targets: Tensor) -> Tensor:
    """All of `SCORES` (sample, score), float64, of logits and the classes (predicted, true) of the whole image."""
    probability = logits.double().softmax(dim=1).gather(1, targets)
    return torch.cat([probability, (logits.argmax(dim=1, keepdim=True) == targets).double()], dim=1)


def _area(shares: np.ndarray, values: np.ndarray) -> np.ndarray:
    return (values[:, 1:] + values[:, :-1]) @ np.diff(shares) / 2


def _joined(parts: Sequence[Curves]) -> Curves:
    names = ("insertion", "deletion", "tied")
    return Curves(parts[0].shares, *(np.concatenate([getattr(part, name) for part in parts]) for name in names))
