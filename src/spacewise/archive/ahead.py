"""Work beside the network: what comes next is made ready ahead of it, what is done is written behind it."""

from __future__ import annotations

import queue
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event, Thread
from types import TracebackType
from typing import Any, TypeVar

Item = TypeVar("Item")
END = object()
PATIENCE = 0.2  # seconds after which a full queue looks whether anybody still wants it


def ahead(items: Iterable[Item], most: int) -> Generator[Item, None, None]:
    """The items, made in a thread, at most `most` of them waiting; what fails there is raised here, in its turn."""
    waiting: queue.Queue[Any] = queue.Queue(most)
    unwanted = Event()

    def put(item: Any) -> None:
        while not unwanted.is_set():
            try:
                return waiting.put(item, timeout=PATIENCE)
            except queue.Full:
                continue

    def fill() -> None:
        try:
            for item in items:
                put((item, None))
                if unwanted.is_set():
                    return
            put((END, None))
        except BaseException as error:  # raised where the items are wanted
            put((END, error))

    thread = Thread(target=fill, daemon=True)
    thread.start()
    try:
        while True:
            item, error = waiting.get()
            if error is not None:
                raise error
            if item is END:
                return
            yield item
    finally:
        unwanted.set()
        thread.join()


class Behind:
    """Runs one call at a time in a thread. The next waits for it, and raises what it raised; so does the end."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(1)
        self.running: Future[None] | None = None

    def __call__(self, work: Callable[..., None], *arguments: Any) -> None:
        self.wait()
        self.running = self.pool.submit(work, *arguments)

    def wait(self) -> None:
        """Until nothing runs; raises what the last call raised."""
        running, self.running = self.running, None
        if running is not None:
            running.result()

    def __enter__(self) -> Behind:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.pool.shutdown()  # what is being written is finished, also where the rest is interrupted
        if error is None:
            self.wait()
