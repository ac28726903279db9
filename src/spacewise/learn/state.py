"""Everything that resuming needs, in one file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from spacewise import files
from spacewise.errors import InputError

FILE = "state.safetensors"


def save(
    folder: Path,
    modules: Mapping[str, nn.Module],
    optimizers: Mapping[str, torch.optim.Optimizer],
    sums: Mapping[str, Tensor],
    facts: Mapping[str, Any],
) -> None:
    """Writes weights, buffers, optimizers, sums of the running epoch, and facts (epoch, step, log …)."""
    tensors: dict[str, Tensor] = {f"sums.{name}": value for name, value in sums.items()}
    for name, module in modules.items():
        tensors |= {f"{name}.{key}": value for key, value in module.state_dict().items()}
    for name, optimizer in optimizers.items():
        for number, slots in optimizer.state_dict()["state"].items():
            tensors |= {f"{name}.{number}.{key}": value for key, value in slots.items() if value is not None}
    files.write_tensors(folder / FILE, tensors, facts)


def restore(
    folder: Path, modules: Mapping[str, nn.Module], optimizers: Mapping[str, torch.optim.Optimizer]
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Fills modules and optimizers from the file; returns sums and facts."""
    tensors, facts = files.read_tensors(folder / FILE)
    for name, module in modules.items():
        mine = {key.removeprefix(f"{name}."): t for key, t in tensors.items() if key.startswith(f"{name}.")}
        try:
            module.load_state_dict(mine)
        except RuntimeError as error:
            raise InputError(f"{folder / FILE} does not fit: {' '.join(str(error).split())}") from error
    for name, optimizer in optimizers.items():
        _fill(optimizer, {key.removeprefix(f"{name}."): t for key, t in tensors.items() if key.startswith(f"{name}.")})
    sums = {key.removeprefix("sums."): value for key, value in tensors.items() if key.startswith("sums.")}
    return sums, facts


def _fill(optimizer: torch.optim.Optimizer, slots: Mapping[str, Tensor]) -> None:
    """What an optimizer holds of each parameter, by `number.slot`."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for key, value in slots.items():
        number, _, slot = key.partition(".")
        parameter = parameters[int(number)]
        # in the parameter's own memory format, as if it had never been away
        fits = value.shape == parameter.shape
        kept = torch.empty_like(parameter).copy_(value) if fits else value.to(parameter.device)
        optimizer.state[parameter][slot] = kept
