"""Tasks over Ray: on this machine, or on the hosts of a cluster."""

from __future__ import annotations

import errno
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Sequence
from typing import Any

from spacewise.errors import InputError
from spacewise.grid.tasks import Outcome, Task
from spacewise.grid.work import GRACE, answer, carry_out, environment, keep_trace, one_line, request

REACHED = 5.0  # seconds in which a cluster's port answers


class Cluster:
    """Each experiment a task of Ray's, in a process of its own.

    Ray itself tries nothing again, so that many experiments go on alike here and in local processes. All that
    passes is JSON; data and folders are read and written on a file system that all hosts share.

    Args:
        address: `ray://HOST:PORT` of a cluster; `ray` for the one that `RAY_ADDRESS` names or, without, Ray on this
            machine for as long as the `with` statement lasts.
        cpus, gpus: of each experiment.
    """

    def __init__(self, address: str = "ray", cpus: int = 1, gpus: float = 0) -> None:
        self.address, self.cpus, self.gpus = address, cpus, gpus
        self.slots = 0
        self.lost = False  # the cluster is gone: nobody is left to be told anything
        self.running: dict[Any, Task] = {}

    def submit(self, task: Task) -> None:
        """Hands a task to Ray, which starts it when a host has room. Raises `InputError`: the cluster is gone."""
        try:
            self.running[self.remote.remote(request(task, self.cpus))] = task
        except ConnectionError as error:
            raise self._gone(error) from error

    def wait(self, seconds: float) -> Sequence[Outcome]:
        """Those that have ended since, as soon as there is one; empty after so many seconds without.

        Raises:
            InputError: the cluster is gone.
        """
        if not self.running:
            time.sleep(seconds)
            return []
        try:
            done, _ = self.ray.wait([*self.running], num_returns=1, timeout=seconds)
            return [self._outcome(reference) for reference in done]
        except ConnectionError as error:
            raise self._gone(error) from error

    def _gone(self, error: ConnectionError) -> InputError:
        self.lost = True
        return InputError(f"the Ray cluster at {self.address} is gone: {first_line(error)}")

    def _outcome(self, reference: Any) -> Outcome:
        task = self.running.pop(reference)
        try:
            return answer(task, self.ray.get(reference))
        except self.ray.exceptions.RayTaskError as error:  # its text is a trace, with the error at the end
            told = str(error).strip()
            return Outcome(task, "failed", one_line(f"{told.splitlines()[-1]}; {keep_trace(task, told)}"))
        except self.ray.exceptions.RayError as error:  # its process or host died
            return Outcome(task, "failed", f"{type(error).__name__}: {first_line(error)}")

    def __enter__(self) -> Cluster:
        before = signal.getsignal(signal.SIGTERM)
        self.ray = _ray()
        self.ours = not self.ray.is_initialized()
        if not self.ours and self.address != "ray":
            raise InputError(
                f"Ray runs in this process already: {self.address} cannot be joined, ray is the one there is"
            )
        try:
            if self.ours:
                connect(self.ray, self.address)
            self.slots = slots(self.ray.nodes(), self.cpus, self.gpus)
            # a process for each, as in local ones: none begins with the memory and the settings of another
            self.remote = self.ray.remote(
                max_calls=1,
                max_retries=0,
                num_cpus=self.cpus,
                num_gpus=self.gpus,
                runtime_env={"env_vars": environment(self.cpus)},
            )(carry_out)
        except BaseException:
            self._leave()
            raise
        finally:
            if before is not None and threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, before)  # Ray has put its own there, which ends the process at once
        return self

    def __exit__(self, *error: object) -> None:
        try:
            if not self.lost:
                self._stop()
        finally:
            self.running.clear()
            self._leave()

    def _stop(self) -> None:
        """Ends what runs: as by Ctrl-C in its process first, so that its state is saved, then by force."""
        try:
            for reference in self.running:
                self.ray.cancel(reference, force=False)
            if self.running:
                self.ray.wait([*self.running], num_returns=len(self.running), timeout=GRACE)
        finally:
            for reference in self.running:
                self.ray.cancel(reference, force=True)

    def _leave(self) -> None:
        try:
            if self.ours:
                self.ray.shutdown()
        except ConnectionError:
            if not self.lost:  # that it is gone has been said
                raise


def _ray() -> Any:
    try:
        import ray
        import ray.exceptions
    except ModuleNotFoundError as error:
        raise InputError("experiments over Ray need the extra: pip install 'spacewise[ray]'") from error
    return ray


def connect(ray: Any, address: str) -> None:
    """Starts Ray, or joins it, quietly.

    Raises:
        InputError: nobody answers at the address, or what answers is no Ray that this one understands.
    """
    where = os.environ.get("RAY_ADDRESS", "") if address == "ray" else address
    reach(where)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        if where:
            ray.init(where, log_to_driver=False, logging_level=logging.ERROR)
        else:
            ray.init("local", include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, ValueError, ImportError, ray.exceptions.RayError) as error:
        # a cluster that wants a token leaves a client without one unanswered
        token = "; where it wants a token: RAY_AUTH_MODE=token RAY_AUTH_TOKEN=…" if where else ""
        raise InputError(
            f"cannot join the Ray cluster at {where or 'this machine'}: {first_line(error)}{token}"
        ) from error


def reach(address: str) -> None:
    """Raises `InputError` where `[ray://]HOST:PORT` takes no connection; other addresses are for Ray to find."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host and not address.startswith("ray://"):
        return
    if not host or not port.isdecimal():
        raise InputError(f"a Ray cluster is named ray://HOST:PORT, such as ray://head:10001, not '{address}'")
    try:
        socket.create_connection((host, int(port)), timeout=REACHED).close()
        if address.startswith("ray://"):
            _speak(f"{host}:{port}")
    except OSError as error:
        why = error.strerror or "it does not answer"
        raise InputError(
            f"no Ray cluster answers at {address}: {why}; ray start --head opens one, with clients at port 10001"
        ) from error


def _speak(server: str) -> None:
    """Raises `TimeoutError` where a port is open and speaks another language: Ray would try for half a minute."""
    try:
        import grpc
    except ModuleNotFoundError as error:
        raise InputError("to join a cluster at ray://… takes one more package: pip install 'ray[client]'") from error
    with grpc.insecure_channel(server) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=REACHED)
        except grpc.FutureTimeoutError:
            raise TimeoutError(errno.ETIMEDOUT, "what listens there is no Ray for clients") from None


def slots(nodes: Sequence[dict[str, Any]], cpus: int, gpus: float) -> int:
    """How many experiments the hosts of a cluster have room for.

    Args:
        nodes: as `ray.nodes()` lists them.

    Raises:
        InputError: no host has room for one: Ray would wait for ever.
    """
    hosts = [node["Resources"] for node in nodes if node["Alive"]]
    room = 0
    for host in hosts:
        fits = host.get("CPU", 0) // cpus
        room += int(min(fits, host.get("GPU", 0) // gpus) if gpus else fits)
    if not room:
        there = ", ".join(f"{host.get('CPU', 0):g} CPUs and {host.get('GPU', 0):g} GPUs" for host in hosts)
        raise InputError(
            f"no host of the Ray cluster has {cpus} CPUs and {gpus:g} GPUs for one experiment; there are: {there}"
        )
    return room


def first_line(error: BaseException) -> str:
    """The first line of an error's text that says something."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
