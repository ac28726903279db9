"""`python -m spacewise.grid.worker TASK.json OUTCOME.json`: a process that is there for one task.

Its standard input is a pipe that its parent holds and never writes to: at its end the parent is gone, whatever
became of it, and so goes this process.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

from spacewise import files
from spacewise.grid.work import GRACE, carry_out


def main() -> None:
    """Carries out the task."""
    task, outcome = map(Path, sys.argv[1:])
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    files.write_text(outcome, carry_out(task.read_text(encoding="utf-8")))


def _leave_with_parent() -> None:
    # read below Python's own standard input, whose lock a daemon thread would hold at the interpreter's end
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)  # a training saves its state
    time.sleep(GRACE)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
