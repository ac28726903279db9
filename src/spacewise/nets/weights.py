"""Weights made elsewhere: which layers start from them is part of the experiment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from spacewise.errors import InputError, suggest

FETCH = (
    "torchvision's vgg16_bn-6c64b313.pth (https://download.pytorch.org/models/vgg16_bn-6c64b313.pth), "
    "timm's vgg16_bn.tv_in1k model.safetensors, or weights/best.safetensors of a run"
)

HINT = "check bands, width and normalisation"


def read_weights(path: Path | str, fetch: str = "") -> dict[str, Tensor]:
    """Tensors by name from a local `.safetensors` file, or from a `.pth` as torch and torchvision write it.

    A `.pth` is read by torch's restricted reader, which builds tensors and plain containers and runs nothing.

    Args:
        fetch: what to fetch where, said if the file is missing.

    Raises:
        InputError: no such file, a damaged one, another format, or anything but tensors in it.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise InputError(f"weights {path} do not exist{f'; fetch {fetch} and name it here' if fetch else ''}")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        found = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # a damaged pickle raises whatever its bytes happen to spell
        raise InputError(f"weights {path} {_complaint(error, path)}") from error
    return _tensors(found, path)


def _complaint(error: Exception, path: Path) -> str:
    """Why a file was not read, without torch's advice to read it all the same."""
    if path.suffix == ".safetensors":
        return f"are no readable safetensors: {' '.join(str(error).split())[:120]}"
    refused = re.search(r"GLOBAL ([\w.]+)", str(error))
    if refused:
        return f"hold a Python object, {refused[1]}, and only tensors are read; save the network's state_dict()"
    return "are no dictionary of tensors as torch.save writes it; is the file whole?"


def _tensors(found: object, path: Path) -> dict[str, Tensor]:
    """The state dictionary, also one level down under the names that trainers give it."""
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
    if not isinstance(found, Mapping) or not found or not all(isinstance(v, Tensor) for v in found.values()):
        raise InputError(f"weights {path} hold no dictionary of tensors by name")
    parallel = all(str(name).startswith("module.") for name in found)  # as DataParallel names them
    return {str(name).removeprefix("module." if parallel else ""): value for name, value in found.items()}


def start_from(module: nn.Module, tensors: Mapping[str, Tensor], names: list[str], path: Path | str) -> None:
    """Copies the named entries of a state dictionary into a module.

    Raises:
        InputError: an entry is missing in the file, or has another shape.
    """
    state = module.state_dict()
    for name in names:
        if name not in tensors:
            raise InputError(f"weights {path} have no '{name}'; {HINT}: {suggest(name, tensors)}")
        if tensors[name].shape != state[name].shape:
            shapes = f"{tuple(tensors[name].shape)}, the network takes {tuple(state[name].shape)}"
            raise InputError(f"weights {path}: '{name}' is {shapes}; {HINT}")
    with torch.no_grad():
        for name in names:
            state[name].copy_(tensors[name])
