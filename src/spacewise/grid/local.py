"""Tasks in processes of this machine."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from spacewise.grid.tasks import Outcome, Task
from spacewise.grid.work import GRACE, answer, environment, keep_trace, one_line, request

TICK = 0.05  # seconds between looks at the children


@dataclass
class Child:
    """A process that is there for one task, the start of the names of its files, and the GPU that it sees."""

    task: Task
    process: subprocess.Popen[bytes]
    files: Path
    gpu: str | None = None

    def outcome(self) -> Outcome:
        """What became of it, once it has ended."""
        self.release()
        said = self.files.with_suffix(".outcome.json")
        if said.is_file():
            return answer(self.task, said.read_text(encoding="utf-8"))
        code = self.process.returncode
        ended = f"killed by signal {-code}" if code < 0 else f"its process ended with exit code {code}"
        told = self.files.with_suffix(".stderr").read_text(encoding="utf-8", errors="replace")
        last = next((line for line in reversed(told.split("\n")) if line.strip()), "")
        return Outcome(
            self.task, "failed", one_line(f"{ended}: {last}; {keep_trace(self.task, told)}" if last else ended)
        )

    def release(self) -> None:
        """Reaps the process, which has ended, and lets go of the pipe that told it of this one's life."""
        self.process.wait()
        if self.process.stdin:
            self.process.stdin.close()


class Local:
    """Each task a process of its own, `slots` at a time.

    They end with the `with` statement: told to first, so that trainings save their state, then by force. Where this
    process is killed, they end themselves.

    Attributes:
        slots: tasks that run at a time.
        threads: of each.
        gpus: names of this machine's, as in `CUDA_VISIBLE_DEVICES`; where there are any, each task sees one, alone,
            and no more tasks run at a time than there are GPUs.
    """

    def __init__(self, slots: int, threads: int = 1, gpus: Sequence[str] = ()) -> None:
        self.slots, self.threads = min(slots, len(gpus)) if gpus else slots, threads
        self.free = deque(gpus)
        self.waiting: deque[Task] = deque()
        self.children: list[Child] = []
        self.started = 0

    def submit(self, task: Task) -> None:
        """Starts a task, as soon as a slot is free."""
        self.waiting.append(task)
        self._fill()

    def wait(self, seconds: float) -> Sequence[Outcome]:
        """Those that have ended since, as soon as there is one; empty after so many seconds without."""
        until = time.monotonic() + seconds
        while not (ended := [child for child in self.children if child.process.poll() is not None]):
            if time.monotonic() >= until:
                return []
            time.sleep(TICK)
        self.children = [child for child in self.children if child not in ended]
        self.free.extend(child.gpu for child in ended if child.gpu is not None)
        self._fill()
        return [child.outcome() for child in ended]

    def _fill(self) -> None:
        while self.waiting and len(self.children) < self.slots:
            self.children.append(self._start(self.waiting.popleft()))

    def _start(self, task: Task) -> Child:
        self.started += 1
        files = Path(self.folder.name) / str(self.started)
        asked = files.with_suffix(".json")
        asked.write_text(request(task, self.threads), encoding="utf-8")
        gpu = self.free.popleft() if self.free else None
        seen = {} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu}
        with files.with_suffix(".stderr").open("wb") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "spacewise.grid.worker", asked, files.with_suffix(".outcome.json")],
                env=os.environ | environment(self.threads) | seen,
                stdin=subprocess.PIPE,  # held open: its end tells the child that this process is gone
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,  # Ctrl-C in the terminal is for this process, which ends its children
            )
        return Child(task, process, files, gpu)

    def __enter__(self) -> Local:
        self.folder = tempfile.TemporaryDirectory(prefix="spacewise-")
        return self

    def __exit__(self, *error: object) -> None:
        self.waiting.clear()
        try:
            for child in self.children:
                child.process.terminate()
            until = time.monotonic() + GRACE
            while any(child.process.poll() is None for child in self.children) and time.monotonic() < until:
                time.sleep(TICK)
        finally:  # also where a second Ctrl-C cuts the wait short
            for child in self.children:
                child.process.kill()
                child.release()
            self.children.clear()
            self.folder.cleanup()
