"""Weights made elsewhere: which layers start from them is part of the experiment."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from spacewise.errors import InputError, suggest

FETCH = (
    "torchvision's vgg16_bn-6c64b313.pth (https://download.pytorch.org/models/vgg16_bn-6c64b313.pth), "
    "timm's vgg16_bn.tv_in1k model.safetensors, or weights/best.safetensors of a run"
)


def read_weights(path: Path | str, fetch: str = "") -> dict[str, Tensor]:
    """Tensors by name from a local `.safetensors` file, or from a `.pth` as torch and torchvision write it.

    A `.pth` is read by torch's restricted reader, which builds tensors and plain containers and runs nothing.

    Args:
        fetch: what to fetch where, said if the file is missing.

    Raises:
        InputError: no such file, another format, or anything but tensors in it.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise InputError(f"weights {path} do not exist{f'; fetch {fetch} and name it here' if fetch else ''}")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        found = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, RuntimeError, EOFError, KeyError, ValueError, pickle.UnpicklingError) as error:
        said = " ".join(str(error).split())[:120]
        raise InputError(f"weights {path} are neither safetensors nor a plain dictionary of tensors: {said}") from error
    return _tensors(found, path)


def _tensors(found: object, path: Path) -> dict[str, Tensor]:
    """The state dictionary, also one level down under the names that trainers give it."""
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
    if not isinstance(found, Mapping) or not found or not all(isinstance(v, Tensor) for v in found.values()):
        raise InputError(f"weights {path} hold no dictionary of tensors by name")
    return {str(name).removeprefix("module."): value for name, value in found.items()}


def start_from(module: nn.Module, tensors: Mapping[str, Tensor], names: list[str], path: Path | str) -> None:
    """Copies the named entries of a state dictionary into a module.

    Raises:
        InputError: an entry is missing in the file, or has another shape.
    """
    state = module.state_dict()
    for name in names:
        if name not in tensors:
            raise InputError(f"weights {path} have no '{name}': {suggest(name, tensors)}")
        if tensors[name].shape != state[name].shape:
            shapes = f"{tuple(tensors[name].shape)}, the network takes {tuple(state[name].shape)}"
            raise InputError(f"weights {path}: '{name}' is {shapes}; check bands, width and normalisation")
    with torch.no_grad():
        for name in names:
            state[name].copy_(tensors[name])
