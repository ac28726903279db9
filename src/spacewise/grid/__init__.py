"""Many experiments at once: in processes of this machine, or over a Ray cluster."""

from spacewise.grid.places import place
from spacewise.grid.run import run_all
from spacewise.grid.tasks import Outcome, Place, Task

__all__ = ["Outcome", "Place", "Task", "place", "run_all"]
