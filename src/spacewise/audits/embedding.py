"""Every sample once through the network: its spaces, its predictions, its pixels and its picture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import torch

from spacewise import files
from spacewise.cache import decoded
from spacewise.errors import InputError
from spacewise.learn.batches import in_order
from spacewise.learn.embed import embed_each
from spacewise.progress import track
from spacewise.runs import Run
from spacewise.splits import Part

CHIP = 64  # pixels of the pictures that figures show


def embedded(
    folder: Path, run: Run, parts: Mapping[str, Part], precision: str = "float32", what: str = ""
) -> dict[str, np.ndarray]:
    """Every space of every sample of the parts, one after another, to `FOLDER/NAME.npy`; read back memory-mapped.

    Args:
        precision: "" for that of the training.
        what: said before the name of the part while it is embedded.

    Raises:
        InputError: bands that the network does not take.
    """
    blocks = (
        block for name, part in parts.items() if len(part) for block in _blocks(run, part, what + name, precision)
    )
    return on_disk(folder, blocks, sum(map(len, parts.values())))


def on_disk(folder: Path, blocks: Iterable[Mapping[str, np.ndarray]], total: int) -> dict[str, np.ndarray]:
    """Arrays that come in blocks of samples, `total` in all, to `FOLDER/NAME.npy`; read back memory-mapped."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, np.ndarray] = {}
    first = 0
    for block in blocks:
        for name, values in block.items():
            if name not in arrays:
                arrays[name] = files.reserved(folder / f"{name}.npy", values.dtype, (total, *values.shape[1:]))
            arrays[name][first : first + len(values)] = values
        first += len(next(iter(block.values())))
    names = list(arrays)
    arrays.clear()  # what was written is the system's to keep or drop
    return {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in names}


def _blocks(run: Run, part: Part, name: str, precision: str) -> Iterator[dict[str, np.ndarray]]:
    """Every space of one part, batch by batch."""
    images = decoded(part.source, run.net.size).images
    if images.shape[1] != run.net.bands:
        raise InputError(f"{part.source.root}: {images.shape[1]} bands, where the network takes {run.net.bands}")
    shown = track(in_order(images, part), f"embedding {name}", -(-len(part) // 256))
    trained = "bf16" if "bf16" in run.facts["precision"] else "float32"
    return embed_each(run.net, shown, run.net.spaces, precision=precision or trained)


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
        blocks = embed_each(run.net, shown, ["classifier"])
        predictions = np.concatenate([block["classifier"].argmax(axis=1) for block in blocks])
        predictions = predictions.reshape(1 + copies, len(test))
        found[weights, "as stored"] = predictions[:1]
        if copies:
            found[weights, f"and {copies} shifted copies"] = predictions
    run.load(chosen)
    return found


def pixels(folder: Path, parts: Mapping[str, Part], size: int = 64) -> np.ndarray:
    """Raw pixels (sample, dimension) as the floor sees them: 64 x 64, rooted where they are magnitudes, unit length.

    Length carries no class where each chip was scaled by its own maximum: without dividing by it the floor
    on MSTAR's unseen serials is 9 points lower. Kept in `FOLDER/pixelsSIZE.npy`, memory-mapped.
    """
    name = f"pixels{size}"
    return on_disk(folder, ({name: each} for each in _pixels(parts, size)), sum(map(len, parts.values())))[name]


def _pixels(parts: Mapping[str, Part], size: int) -> Iterator[np.ndarray]:
    for part in (part for part in parts.values() if len(part)):
        for batch in in_order(decoded(part.source, size).images, part):
            values = batch.float().flatten(1)
            values = values.clamp(min=0).sqrt() if part.source.amplitude == "magnitude" else values
            yield torch.nn.functional.normalize(values, dim=1).numpy()


def chips(folder: Path, parts: Mapping[str, Part], name: str = "chips") -> None:
    """Pictures to look at, to `FOLDER/NAME.npy`: each stretched between its own 1st and 99.5th percentile."""
    on_disk(folder, ({name: each} for each in _chips(parts)), sum(map(len, parts.values())))


def _chips(parts: Mapping[str, Part]) -> Iterator[np.ndarray]:
    for part in (part for part in parts.values() if len(part)):
        images = decoded(part.source, 128 if part.source.fit == "crop" else 96).images
        shown = track(in_order(images, part), "pictures", -(-len(part) // 256))
        for batch in shown:
            yield pictured(batch, part.source.amplitude, CHIP).numpy()


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
