"""Put a loss on any space of a network, learn under any regime, and measure what survives the shift."""

__version__ = "0.1.0"

from spacewise import learn, losses, nets, sources, splits
from spacewise.audit import Audit, audit, open_audit
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
    "nets",
    "open_audit",
    "open_run",
    "sources",
    "splits",
]
