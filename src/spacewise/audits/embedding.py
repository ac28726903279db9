"""Every sample once through the network: its spaces, its predictions, its pixels and its picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from spacewise.cache import decoded
from spacewise.errors import InputError
from spacewise.learn.batches import in_order
from spacewise.learn.embed import embed
from spacewise.progress import track
from spacewise.runs import Run
from spacewise.splits import Part

CHIP = 48  # pixels of the pictures that figures show


def embedded(folder: Path, run: Run, parts: Mapping[str, Part]) -> dict[str, np.ndarray]:
    """Every space of every sample, once, to disk; read back memory-mapped."""
    pieces = [embedded_vectors(run, part, name, "float32") for name, part in parts.items() if len(part)]
    whole = {}
    for name in run.net.spaces:
        path = folder / "spaces" / f"{name}.npy"
        np.save(path, np.concatenate([piece.pop(name) for piece in pieces]))
        whole[name] = np.load(path, mmap_mode="r")
    return whole


def embedded_vectors(run: Run, part: Part, name: str, precision: str = "") -> dict[str, np.ndarray]:
    """Every space of one part: (sample, dimension) by name; in the precision of the training by default.

    Raises:
        InputError: bands that the network does not take.
    """
    images = decoded(part.source, run.net.size).images
    if images.shape[1] != run.net.bands:
        raise InputError(f"{part.source.root}: {images.shape[1]} bands, where the network takes {run.net.bands}")
    shown = track(in_order(images, part), f"embedding {name}", -(-len(part) // 256))
    trained = "bf16" if "bf16" in run.facts["precision"] else "float32"
    return embed(run.net, shown, run.net.spaces, precision=precision or trained)


def views(run: Run, test: Part, copies: int, shift: int, seed: int) -> dict[tuple[str, str], np.ndarray]:
    """Predictions (copy, sample) under (weights, view), as stored and shifted.

    Of the chosen, the last and, where the run kept them, the averaged weights.
    """
    images = decoded(test.source, run.net.size).images
    steps = -(-len(test) // 256)
    chosen, found = run.weights, {}
    averaged = ["averaged"] if (run.folder / "weights" / "averaged.safetensors").is_file() else []
    for weights in dict.fromkeys((chosen, "last", *averaged)):
        if weights == "last" and chosen == "best" and run.facts["best_epoch"] == run.facts["epochs"]:
            continue  # the best weights are the last ones
        run.load(weights)
        batches = in_order(images, test, shift=shift, copies=copies, seed=seed)
        shown = track(batches, f"testing the {weights} weights", steps * (1 + copies))
        logits = embed(run.net, shown, ["classifier"])["classifier"]
        predictions = logits.argmax(axis=1).reshape(1 + copies, len(test))
        found[weights, "as stored"] = predictions[:1]
        if copies:
            found[weights, f"and {copies} shifted copies"] = predictions
    run.load(chosen)
    return found


def pixels(parts: Mapping[str, Part], size: int = 64) -> np.ndarray:
    """Raw pixels (sample, dimension) as the floor sees them: 64 x 64, rooted where they are magnitudes, unit length.

    Length carries no class where each chip was scaled by its own maximum: without dividing by it the floor
    on MSTAR's unseen serials is 9 points lower.
    """
    pieces = []
    for part in (part for part in parts.values() if len(part)):
        images = decoded(part.source, size).images[torch.from_numpy(part.rows)].float().flatten(1)
        pieces.append(images.clamp(min=0).sqrt() if part.source.amplitude == "magnitude" else images)
    return torch.nn.functional.normalize(torch.cat(pieces), dim=1).numpy()


def chips(parts: Mapping[str, Part]) -> np.ndarray:
    """Pictures to look at: each stretched between its own 1st and 99.5th percentile."""
    pieces = []
    for part in (part for part in parts.values() if len(part)):
        for batch in in_order(decoded(part.source, 128 if part.source.fit == "crop" else 96).images, part):
            pieces.append(pictured(batch, part.source.amplitude, CHIP).numpy())
    return np.concatenate(pieces)


def pictured(images: torch.Tensor, amplitude: str, side: int = 0) -> torch.Tensor:
    """Images (sample, band, height, width) to look at: (sample, height, width, 1 or 3 bands) uint8.

    Each is stretched between its own 1st and 99.5th percentile, and rooted before where it holds magnitudes.

    Args:
        side: height and width that they are brought to; their own where it is 0.
    """
    values = images.float()
    values = values.clamp(min=0).sqrt() if amplitude == "magnitude" else values
    values = values[:, :3] if values.shape[1] >= 3 else values[:, :1]
    values = torch.nn.functional.interpolate(values, (side, side), mode="area") if side else values
    ends = torch.quantile(values.flatten(1), torch.tensor([0.01, 0.995]), dim=1)[..., None, None, None]
    scaled = (values - ends[0]) / (ends[1] - ends[0]).clamp(min=1e-6)
    return (255 * scaled.clamp(0, 1)).byte().permute(0, 2, 3, 1)
