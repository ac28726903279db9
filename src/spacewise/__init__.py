"""Put a loss on any space of a network, learn under any regime, and measure what survives the shift."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from spacewise import learn, losses, measures, nets, sources, splits
    from spacewise.audits import Audit, audit, open_audit
    from spacewise.errors import InputError
    from spacewise.experiment import Experiment
    from spacewise.objective import Objective
    from spacewise.runs import Run, open_run

__all__ = [
    "Audit",
    "Experiment",
    "InputError",
    "Objective",
    "Run",
    "audit",
    "learn",
    "losses",
    "measures",
    "nets",
    "open_audit",
    "open_run",
    "sources",
    "splits",
]

# imported when first asked for: `spacewise --help` need not wait for torch
_HOMES = {
    "Audit": "audits",
    "Experiment": "experiment",
    "InputError": "errors",
    "Objective": "objective",
    "Run": "runs",
    "audit": "audits",
    "open_audit": "audits",
    "open_run": "runs",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"spacewise.{_HOMES[name]}"), name)
    if name in __all__:
        return importlib.import_module(f"spacewise.{name}")
    raise AttributeError(f"module 'spacewise' has no attribute '{name}'")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
